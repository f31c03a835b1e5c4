// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight mem set` and `fanlight mem clear`: single bits.

use std::io::Write;

use clap::Args;

use super::place::{Place, Width};
use super::{Run, Texts};
use crate::error::Result;
use crate::output;
use crate::target::Target;

const TEXTS: Texts = Texts {
    about: &[
        "The value is loaded, changed, stored and loaded again. The first and the last value are \
         printed. The driver of a device that stores to the same register in between loses its \
         change.",
    ],
    examples: &[],
    statuses: &[],
};

#[derive(Args)]
pub struct Bits {
    /// The window's name, or the path of its node
    window: String,
    /// The offset of the value: 256, 0x100, 4K or 1M
    offset: String,
    /// The bits, as a number: 0x80 is bit 7
    bits: String,
    #[command(flatten)]
    width: Width,
}

impl Bits {
    /// Loads the value, and stores the result of `change`.
    fn change(self, target: &Target, change: fn(u32, u32) -> u32) -> Result<()> {
        let mut place = Place::new(&self.window, Some(&self.offset), &self.width)?;
        // Report an invalid argument before the window is opened.
        place.value(&self.bits)?;
        let mut map = target.open_window(&place.name)?.map_mut()?;
        place.fit(&map);
        let bits = place.value(&self.bits)?;
        let before = place.load(&map, place.offset)?;
        place.store(&mut map, place.offset, change(before, bits))?;
        let after = place.load(&map, place.offset)?;
        let mut out = output::stdout();
        writeln!(
            out,
            "{}: {} -> {}",
            place.describe(place.offset),
            place.digits(before),
            place.digits(after)
        )?;
        Ok(out.flush()?)
    }
}

#[derive(Args)]
pub struct Set {
    #[command(flatten)]
    bits: Bits,
}

impl Run for Set {
    const NAME: &'static str = "set";
    const SUMMARY: &'static str = "Set bits of a value, and leave the others unchanged";
    const TEXTS: Texts = TEXTS;

    fn run(self, target: &Target) -> Result<()> {
        self.bits.change(target, |value, bits| value | bits)
    }
}

#[derive(Args)]
pub struct Clear {
    #[command(flatten)]
    bits: Bits,
}

impl Run for Clear {
    const NAME: &'static str = "clear";
    const SUMMARY: &'static str = "Clear bits of a value, and leave the others unchanged";
    const TEXTS: Texts = TEXTS;

    fn run(self, target: &Target) -> Result<()> {
        self.bits.change(target, |value, bits| value & !bits)
    }
}
