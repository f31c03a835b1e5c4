// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight mem read`.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::place::{Place, Width};
use super::Run;
use crate::error::Result;
use crate::target::Target;
use crate::{json, number, output};

#[derive(Args)]
pub struct Read {
    /// The window's name, or the path of its node
    window: String,
    /// The offset of the first value: 256, 0x100, 4K or 1M
    offset: String,
    /// The number of values; the default is 1
    count: Option<String>,
    #[command(flatten)]
    width: Width,
    /// Print JSON
    #[arg(short = 'J', long)]
    json: bool,
}

#[derive(Serialize)]
struct Object<'a> {
    window: &'a str,
    offset: usize,
    width: usize,
    values: Vec<u32>,
}

impl Run for Read {
    const NAME: &'static str = "read";
    const SUMMARY: &'static str = "Print values, one per line";

    fn run(self, target: &Target) -> Result<()> {
        let mut place = Place::new(&self.window, Some(&self.offset), &self.width)?;
        let count = self.count.as_deref().map_or(Ok(1), number::integer)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let map = target.open_window_read_only(&place.name)?.map()?;
        place.fit(&map);
        place.check(&map, count)?;
        let values = (0..count)
            .map(|i| place.load(&map, place.offset + i * place.width))
            .collect::<Result<Vec<u32>>>()?;
        let mut out = output::stdout();
        if self.json {
            let object = Object {
                window: &place.name,
                offset: place.offset,
                width: place.width,
                values,
            };
            json::line(&mut out, &object)?;
        } else {
            for value in values {
                writeln!(out, "{}", place.digits(value))?;
            }
        }
        Ok(out.flush()?)
    }
}
