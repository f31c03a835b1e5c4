// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight fb shot`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use fanlight::Framebuffer;

use super::{print_crc, save, Run};
use crate::error::{Error, Result};
use crate::target::Target;

#[derive(Args)]
pub struct Shot {
    /// The file; - is standard output
    #[arg(value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Print the CRC-32 of the picture's pixels, three bytes (red, green, blue) each, as 8 digits
    #[arg(long)]
    crc: bool,
}

impl Run for Shot {
    const NAME: &'static str = "shot";
    const SUMMARY: &'static str = "Save the screen's contents as a PNG file";

    fn run(self, target: &Target) -> Result<()> {
        let screen = Framebuffer::open_read_only(target.framebuffer()?)?;
        let rgb = screen.to_rgb().map_err(|error| screen.name_error(error))?;
        if self.crc {
            print_crc(&rgb)?;
        }
        match self.file {
            Some(path) => save(&screen, rgb, &path),
            None if self.crc => Ok(()),
            None => Err(Error::Usage("FILE.png is missing".into())),
        }
    }
}
