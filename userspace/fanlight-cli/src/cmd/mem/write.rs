// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight mem write`.

use std::io::Write as _;

use clap::Args;

use super::place::{Place, Width};
use super::{Run, Texts};
use crate::error::{Error, Result, FAILURE};
use crate::output;
use crate::target::Target;

#[derive(Args)]
pub struct Write {
    /// The window's name, or the path of its node
    window: String,
    /// The offset of the first value: 256, 0x100, 4K or 1M
    offset: String,
    /// The values
    #[arg(required = true)]
    value: Vec<String>,
    #[command(flatten)]
    width: Width,
    /// Load each value again after all stores, and print it; exit with status 1 if one differs
    #[arg(short, long)]
    read_back: bool,
}

impl Run for Write {
    const NAME: &'static str = "write";
    const SUMMARY: &'static str = "Store values, one after the other";
    const TEXTS: Texts = Texts {
        about: &["Nothing is stored unless all values are inside the window."],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let mut place = Place::new(&self.window, Some(&self.offset), &self.width)?;
        let values = |place: &Place| -> Result<Vec<u32>> {
            self.value.iter().map(|text| place.value(text)).collect()
        };
        // Report an invalid argument before the window is opened.
        values(&place)?;
        let mut map = target.open_window(&place.name)?.map_mut()?;
        place.fit(&map);
        let values = values(&place)?;
        place.check(&map, values.len())?;
        let offsets = (place.offset..).step_by(place.width);
        for (offset, value) in offsets.clone().zip(&values) {
            place.store(&mut map, offset, *value)?;
        }
        if !self.read_back {
            return Ok(());
        }
        let mut out = output::stdout();
        let mut same = true;
        for (offset, value) in offsets.zip(values) {
            let now = place.load(&map, offset)?;
            let (what, now_digits) = (place.describe(offset), place.digits(now));
            if now == value {
                writeln!(out, "{what}: {now_digits}")?;
            } else {
                same = false;
                let written = place.digits(value);
                writeln!(out, "{what}: {now_digits}, but {written} was written")?;
            }
        }
        out.flush()?;
        match same {
            true => Ok(()),
            false => Err(Error::Status(FAILURE)),
        }
    }
}
