// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight fb blank`.

use clap::Args;

use super::{Run, Texts};
use crate::error::{Error, Result};
use crate::target::Target;

#[derive(Args)]
pub struct Blank {
    /// on blanks the screen, off shows the picture again
    #[arg(value_name = "on|off")]
    state: String,
}

impl Run for Blank {
    const NAME: &'static str = "blank";
    const SUMMARY: &'static str = "Blank the screen, or turn it on again";
    const TEXTS: Texts = Texts {
        about: &["The picture stays in memory."],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let dark = match self.state.as_str() {
            "on" => true,
            "off" => false,
            other => {
                return Err(Error::Usage(format!("'{other}' is neither on nor off")));
            }
        };
        Ok(target.open_framebuffer()?.blank(dark)?)
    }
}
