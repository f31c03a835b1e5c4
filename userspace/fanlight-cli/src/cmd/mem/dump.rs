// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight mem dump`.

use std::io::Write;

use clap::Args;
use fanlight::AccessError;

use super::place::{Place, Width, LINE};
use super::{Run, Texts};
use crate::error::Result;
use crate::output;
use crate::target::Target;

#[derive(Args)]
pub struct Dump {
    /// The window's name, or the path of its node
    window: String,
    /// The offset of the first byte: 256, 0x100, 4K or 1M; the default is 0
    offset: Option<String>,
    /// The number of bytes; the default is 256
    length: Option<String>,
    #[command(flatten)]
    width: Width,
}

impl Run for Dump {
    const NAME: &'static str = "dump";
    const SUMMARY: &'static str = "Print memory as xxd does";
    const TEXTS: Texts = Texts {
        about: &[
            "Without --width the output is bytes, like that of xxd -g1; memory is loaded by words, \
             or by the width that the registers need. With --width the output is numbers of \
             that width, like that of xxd -e.",
        ],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let mut place = Place::new(&self.window, self.offset.as_deref(), &self.width)?;
        let map = target.open_window_read_only(&place.name)?.map()?;
        place.fit(&map);
        let bytes = place.as_bytes();
        let printed = if place.asked.is_some() {
            &place
        } else {
            &bytes
        };
        let length = printed.length(self.length.as_deref(), &map, 256)?;
        if place.offset >= map.len() {
            return Err(place.failed(AccessError::OutOfBounds {
                offset: place.offset as u64,
                count: place.width as u64,
                size: map.len() as u64,
            }));
        }
        let mut out = output::stdout();
        for start in (place.offset..place.offset + length).step_by(LINE) {
            let end = (start + LINE).min(place.offset + length);
            let values = if place.asked.is_some() {
                (start..end)
                    .step_by(place.width)
                    .map(|at| place.load(&map, at))
                    .collect::<Result<Vec<_>>>()?
            } else {
                place.bytes(&map, start, end)?
            };
            writeln!(out, "{}", printed.line(start, &values, |_| false))?;
        }
        Ok(out.flush()?)
    }
}
