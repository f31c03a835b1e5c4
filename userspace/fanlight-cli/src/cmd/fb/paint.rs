// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight fb pattern`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use fanlight::Canvas;

use super::pattern::{self, NAMES};
use super::{facts, print_crc, redraw, Run, Texts};
use crate::error::{Error, Result};
use crate::nearest;
use crate::target::Target;

#[derive(Args)]
pub struct Pattern {
    /// bars (the default), grid, gradient or text
    name: Option<String>,
    /// Also save the picture. It is drawn again and not read back, so that the screen can be
    /// compared with it
    #[arg(short, long, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    save: Option<PathBuf>,
    /// Print the CRC-32 of the picture's pixels, three bytes (red, green, blue) each, as 8 digits
    #[arg(long)]
    crc: bool,
}

impl Run for Pattern {
    const NAME: &'static str = "pattern";
    const SUMMARY: &'static str = "Draw a test picture";
    const TEXTS: Texts = Texts {
        about: &[
            "bars: colours, grey steps, and the screen's name. grid: lines of one \
             pixel, circles, marks in the corners. \
             gradient: ramps that show the number of shades. text: facts about the machine, and \
             samples of the fonts.",
        ],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let name = self.name.as_deref().unwrap_or(NAMES[0]);
        if !NAMES.contains(&name) {
            let names = NAMES.join(", ");
            let hint = nearest::hint(name, NAMES.iter().copied());
            return Err(Error::Usage(format!(
                "unknown pattern '{name}'; there are {names}{hint}"
            )));
        }
        let mut screen = target.open_framebuffer()?;
        let facts = facts(&screen);
        redraw(&mut screen, |canvas| pattern::draw(name, canvas, &facts))?;
        if self.save.is_none() && !self.crc {
            return Ok(());
        }
        let mut canvas = Canvas::in_memory(screen.geometry());
        pattern::draw(name, &mut canvas, &facts).map_err(|error| screen.name_error(error))?;
        let rgb = canvas
            .to_rgb()
            .map_err(|error| Error::message(error.to_string()))?;
        if self.crc {
            print_crc(&rgb)?;
        }
        match self.save {
            #[cfg(feature = "png")]
            Some(path) => super::save(&canvas, rgb, &path),
            #[cfg(not(feature = "png"))]
            Some(_) => Err(Error::message(
                "this program was built without PNG; build it with the feature 'png'",
            )),
            None => Ok(()),
        }
    }
}
