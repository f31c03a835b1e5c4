// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight top`: repeatedly shows windows, rates, the log's tail and a small picture of the
//! screen.

mod screen;
mod terminal;

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use embedded_graphics::prelude::RgbColor;
use fanlight::{Framebuffer, Info, Instance, Level, Log, Reader, Start, WindowEntry};

use super::stats::Sample;
use super::{Run, Texts};
use crate::error::{Error, Result};
use crate::target::Target;
use crate::{number, output};
use screen::{nearest, Cell, Colour, Screen};
use terminal::Terminal;

const AMBER: Colour = Some(214);
const DIM: Colour = Some(245);
/// An upper bound for the lines of a terminal.
const TAIL: usize = 200;

/// The objects to show.
struct View<'a> {
    instance: &'a Instance,
    windows: Vec<(WindowEntry, Info)>,
    picture: Option<Framebuffer>,
    log: Option<&'a Log>,
    reader: Option<Reader>,
    before: Option<Sample>,
    rates: Option<(u64, u64)>,
    lost: u64,
    tail: VecDeque<(Level, String)>,
}

#[derive(Args)]
pub struct Top {
    /// The time between updates; the default is 1
    #[arg(short, long, value_name = "SECONDS")]
    interval: Option<String>,
    /// End after N updates
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<String>,
    /// Print plain text, one update after the other
    #[arg(short, long)]
    batch: bool,
}

impl Run for Top {
    const NAME: &'static str = "top";
    const SUMMARY: &'static str =
        "Show windows, rates, the log's tail and a small picture of the screen";
    const TEXTS: Texts = Texts {
        about: &["Keys: q or Escape ends, space pauses, Ctrl-L draws everything again."],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let interval = number::interval(self.interval.as_deref().unwrap_or("1"))?;
        let count = number::count::<u64>("count", self.count.as_deref())?;
        let terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
        if !self.batch && !terminal {
            return Err(Error::message("this is not a terminal: use --batch"));
        }
        let instance = target.instance()?;
        let log = instance.log().ok();
        let mut view = View::new(&instance, log.as_ref())?;
        if self.batch {
            return view.batch(interval, count);
        }
        let terminal = Terminal::enter()?;
        // The terminal is always restored before an error is printed on it.
        let result = view.interactive(&terminal, interval, count);
        drop(terminal);
        result
    }
}

impl<'a> View<'a> {
    fn new(instance: &'a Instance, log: Option<&'a Log>) -> Result<Self> {
        let windows = instance
            .windows()?
            .into_iter()
            .filter_map(|entry| entry.info().ok().map(|info| (entry, info)))
            .collect();
        let picture = instance
            .framebuffer_node()
            .ok()
            .and_then(|node| Framebuffer::open_read_only(node.path()).ok());
        let reader = log.map(|log| log.reader(Start::Oldest)).transpose()?;
        Ok(Self {
            instance,
            windows,
            picture,
            log,
            reader,
            before: None,
            rates: None,
            lost: 0,
            tail: VecDeque::new(),
        })
    }

    fn batch(&mut self, interval: Duration, count: Option<u64>) -> Result<()> {
        let mut out = output::stdout();
        for done in 0u64.. {
            if count.is_some_and(|count| done >= count) {
                break;
            }
            if done > 0 {
                thread::sleep(interval);
                writeln!(out)?;
            }
            self.update()?;
            let mut screen = Screen::new(80, 24);
            self.draw(&mut screen, false)?;
            screen.print(&mut out)?;
            out.flush()?;
        }
        Ok(())
    }

    fn interactive(
        &mut self,
        terminal: &Terminal,
        interval: Duration,
        count: Option<u64>,
    ) -> Result<()> {
        let (width, height) = Terminal::size();
        let mut screen = Screen::new(width, height);
        let mut paused = false;
        let mut done = 0;
        loop {
            let size = Terminal::size();
            if size != (screen.width(), screen.height()) {
                screen = Screen::new(size.0, size.1);
            }
            if !paused {
                self.update()?;
                screen.clear();
                self.draw(&mut screen, true)?;
                done += 1;
            }
            screen.send(&mut io::stdout(), terminal.budget(interval))?;
            if count.is_some_and(|count| done >= count) {
                return Ok(());
            }
            let next = Instant::now() + interval;
            while let Some(left) = next.checked_duration_since(Instant::now()) {
                match terminal.key(left)? {
                    // q, Escape, Ctrl-C and Ctrl-D.
                    Some(b'q' | 0x1b | 0x03 | 0x04) => return Ok(()),
                    Some(b' ') => {
                        paused = !paused;
                        break;
                    }
                    // Ctrl-L: redraw everything, for a terminal line that has lost data.
                    Some(0x0c) => screen = Screen::new(screen.width(), screen.height()),
                    Some(_) => {}
                    None => break,
                }
            }
        }
    }

    /// Reads everything that changes.
    fn update(&mut self) -> Result<()> {
        if let Some(reader) = &mut self.reader {
            while let Some(record) = reader.next_record()? {
                self.lost += record.lost;
                let time = format!(
                    "[{:5}.{:06}] ",
                    record.ns / 1_000_000_000,
                    record.ns / 1000 % 1_000_000
                );
                self.tail
                    .push_back((record.level, time + &record.text_lossy()));
                if self.tail.len() > TAIL {
                    self.tail.pop_front();
                }
            }
        }
        if let Some(log) = self.log {
            let sample = Sample::of(log)?;
            self.rates = self.before.as_ref().map(|before| sample.rates(before));
            self.before = Some(sample);
        }
        Ok(())
    }

    fn draw(&mut self, screen: &mut Screen, color: bool) -> Result<()> {
        let (width, height) = (screen.width(), screen.height());
        let title = format!("fanlight top  {}", self.instance.path().display());
        screen.text(0, 0, width, &title, AMBER, true);
        let keys = "q quit  space pause";
        if color && width > title.len() + keys.len() + 2 {
            screen.text(width - keys.len(), 0, keys.len(), keys, DIM, false);
        }

        // The picture is at the right, under the title; its width follows from its aspect ratio.
        let top = 2;
        let (wide, high) = self.picture_size(width, height);
        if let Some(picture) = &self.picture {
            draw_picture(screen, picture, width - wide, top, wide, high, color)?;
        }
        let left = if wide > 0 { width - wide - 2 } else { width };

        let mut y = top;
        screen.text(
            0,
            y,
            left,
            &format!("{:9} {:>6} {:10} {}", "WINDOW", "SIZE", "BACKING", "CACHE"),
            DIM,
            false,
        );
        y += 1;
        for (entry, info) in self.windows.iter().take(height / 3) {
            let size = output::human(info.size);
            let line = format!(
                "{:9} {size:>6} {:10} {}",
                entry.name(),
                info.backing,
                info.cache
            );
            screen.text(0, y, left, &line, None, false);
            y += 1;
        }
        if let Some(sample) = &self.before {
            y += 1;
            let (records, bytes) = self.rates.unwrap_or_default();
            let lines = [
                format!(
                    "log  {} written, {} overwritten",
                    sample.stats.written, sample.stats.overwritten
                ),
                format!(
                    "     {} dropped, {} missed, {} lost here",
                    sample.stats.dropped, sample.stats.kernel_missed, self.lost
                ),
                format!(
                    "     {} records/s, {}/s",
                    number::tenths(records),
                    output::human(bytes / 10)
                ),
            ];
            for line in lines {
                screen.text(0, y, left, &line, None, false);
                y += 1;
            }
        }

        let first = y.max(if wide > 0 { top + high } else { 0 }) + 1;
        let room = height.saturating_sub(first);
        let skip = self.tail.len().saturating_sub(room);
        for (y, (level, line)) in (first..).zip(self.tail.iter().skip(skip)) {
            let (fore, bold) = match level {
                Level::Emerg | Level::Alert | Level::Crit => (Some(196), true),
                Level::Err => (Some(203), false),
                Level::Warning => (None, true),
                Level::Debug => (DIM, false),
                _ => (None, false),
            };
            screen.text(0, y, width, line, fore, bold);
        }
        Ok(())
    }

    /// Columns and lines of the picture; 0 if there is no room.
    fn picture_size(&self, width: usize, height: usize) -> (usize, usize) {
        let Some(picture) = &self.picture else {
            return (0, 0);
        };
        let geometry = picture.geometry();
        let wide = (width * 45 / 100).min(64);
        // A character is about twice as high as it is wide.
        let high = wide * geometry.height() as usize / geometry.width() as usize / 2;
        let most = height / 2;
        let (wide, high) = match high {
            high if high > most => (
                most * 2 * geometry.width() as usize / geometry.height() as usize,
                most,
            ),
            high => (wide, high),
        };
        if wide < 12 || high < 4 || wide > width / 2 {
            return (0, 0);
        }
        (wide, high)
    }
}

/// Draws two pixels per character: the upper one in the foreground colour, the lower one in the
/// background colour. Without colours, characters show the brightness.
fn draw_picture(
    screen: &mut Screen,
    picture: &Framebuffer,
    x: usize,
    y: usize,
    wide: usize,
    high: usize,
    color: bool,
) -> Result<()> {
    const SHADES: &[u8] = b" .:-=+*#%@";
    let geometry = picture.geometry();
    // The mean of nine points, so that fine lines do not flicker.
    let sample =
        |column: usize, row: usize| -> std::result::Result<[u8; 3], fanlight::AccessError> {
            let mut sums = [0u32; 3];
            for i in 0..9 {
                let at = |cell: usize, part: usize, cells: usize, size: u32| {
                    let size = size as usize;
                    (((cell * 6 + 1 + 2 * part) * size) / (cells * 6)).min(size - 1) as u32
                };
                let pixel = picture.pixel(
                    at(column, i % 3, wide, geometry.width()),
                    at(row, i / 3, high * 2, geometry.height()),
                )?;
                for (sum, part) in sums.iter_mut().zip([pixel.r(), pixel.g(), pixel.b()]) {
                    *sum += u32::from(part);
                }
            }
            Ok(sums.map(|sum| (sum / 9) as u8))
        };
    for row in 0..high {
        for column in 0..wide {
            let upper = sample(column, row * 2).map_err(|error| picture.name_error(error))?;
            let lower = sample(column, row * 2 + 1).map_err(|error| picture.name_error(error))?;
            let cell = if color {
                Cell {
                    text: '▀',
                    fore: Some(nearest(upper)),
                    back: Some(nearest(lower)),
                    bold: false,
                }
            } else {
                let sum: usize = upper
                    .iter()
                    .chain(&lower)
                    .map(|part| usize::from(*part))
                    .sum();
                let shade = SHADES[sum * (SHADES.len() - 1) / (6 * 255)];
                Cell {
                    text: char::from(shade),
                    fore: None,
                    back: None,
                    bold: false,
                }
            };
            screen.put(x + column, y + row, cell);
        }
    }
    Ok(())
}
