// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight mem watch`.

use std::io::{IsTerminal, Write};
use std::thread;
use std::time::Instant;

use clap::Args;

use super::place::{Place, Width, LINE};
use super::{Run, Texts};
use crate::error::Result;
use crate::target::Target;
use crate::{number, output};

/// The default number of bytes.
const MOST: usize = 64;

#[derive(Args)]
pub struct Watch {
    /// The window's name, or the path of its node
    window: String,
    /// The offset of the first byte: 256, 0x100, 4K or 1M
    offset: String,
    /// The number of bytes; the default is 64
    length: Option<String>,
    #[command(flatten)]
    width: Width,
    /// The time between updates; the default is 0.5
    #[arg(short, long, value_name = "SECONDS")]
    interval: Option<String>,
    /// End after N updates
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<String>,
}

impl Run for Watch {
    const NAME: &'static str = "watch";
    const SUMMARY: &'static str = "Print memory repeatedly, and mark changes";
    const TEXTS: Texts = Texts {
        about: &["If standard output is not a terminal, each change is printed as a line."],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let mut place = Place::new(&self.window, Some(&self.offset), &self.width)?;
        let interval = number::interval(self.interval.as_deref().unwrap_or("0.5"))?;
        let count = number::count::<u64>("count", self.count.as_deref())?;
        let map = target.open_window_read_only(&place.name)?.map()?;
        place.fit(&map);
        if self.length.is_none() {
            place.narrow(&map, MOST);
        }
        let length = place.length(self.length.as_deref(), &map, MOST)?;
        let load = || -> Result<Vec<u32>> {
            (place.offset..place.offset + length)
                .step_by(place.width)
                .map(|at| place.load(&map, at))
                .collect()
        };
        let started = Instant::now();
        let terminal = std::io::stdout().is_terminal();
        let mut out = output::stdout();
        let mut before = load()?;
        let mut done = 0;
        loop {
            let now = if done == 0 { before.clone() } else { load()? };
            let changed = |i: usize| before.get(i) != now.get(i);
            if terminal || done == 0 {
                // Overwrite the previous output, from the second time on.
                let lines = length.div_ceil(LINE);
                if terminal && done > 0 {
                    write!(out, "\x1b[{lines}A")?;
                }
                let erase = if terminal { "\x1b[K" } else { "" };
                let per_line = LINE / place.width;
                for (n, values) in now.chunks(per_line).enumerate() {
                    let offset = place.offset + n * LINE;
                    let line = place.line(offset, values, |i| changed(n * per_line + i));
                    writeln!(out, "{line}{erase}")?;
                }
            } else {
                for (i, (old, new)) in before.iter().zip(&now).enumerate() {
                    if old == new {
                        continue;
                    }
                    let (since, offset) = (started.elapsed(), place.offset + i * place.width);
                    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
                    let (old, new) = (place.digits(*old), place.digits(*new));
                    writeln!(out, "{seconds:5}.{millis:03} {offset:08x}: {old} -> {new}")?;
                }
            }
            out.flush()?;
            before = now;
            done += 1;
            if count.is_some_and(|count| done >= count) {
                return Ok(());
            }
            thread::sleep(interval);
        }
    }
}
