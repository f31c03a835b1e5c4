// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight fb fill` and `fanlight fb clear`.

use clap::Args;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;

use super::{colour, redraw, Run};
use crate::error::Result;
use crate::target::Target;

#[derive(Args)]
pub struct Fill {
    /// #rrggbb, #rgb, or a name such as red
    colour: String,
}

impl Run for Fill {
    const NAME: &'static str = "fill";
    const SUMMARY: &'static str = "Fill the screen with a colour";

    fn run(self, target: &Target) -> Result<()> {
        let colour = colour::parse(&self.colour)?;
        let mut screen = target.open_framebuffer()?;
        redraw(&mut screen, |canvas| canvas.clear(colour))
    }
}

#[derive(Args)]
pub struct Clear {}

impl Run for Clear {
    const NAME: &'static str = "clear";
    const SUMMARY: &'static str = "Fill the screen with black";

    fn run(self, target: &Target) -> Result<()> {
        let mut screen = target.open_framebuffer()?;
        redraw(&mut screen, |canvas| canvas.clear(Rgb888::BLACK))
    }
}
