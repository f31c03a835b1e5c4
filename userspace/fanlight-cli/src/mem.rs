// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight mem`: bytes, halves and words of a window, by accesses of exactly that width.

use std::io::{IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use fanlight::{AccessError, Map, MapMut};

use crate::args::Matches;
use crate::error::{Error, Result};
use crate::json::{array, Object};
use crate::{number, output, target};

/// The words of --width.
pub const WIDTHS: &[&str] = &["1", "2", "4"];
const LINE: usize = 16;

/// Where in a window, and how it is accessed.
struct Place {
    name: String,
    offset: usize,
    /// Bytes of an access.
    width: usize,
    /// What --width says.
    asked: Option<usize>,
}

impl Place {
    fn new(matches: &Matches) -> Result<Self> {
        let name = matches.operand_text(0)?.unwrap_or_default().to_owned();
        let asked = matches
            .word("width", WIDTHS)?
            .map(|width| width.parse().unwrap_or(width.len()));
        let offset = matches.operand_text(1)?.map_or(Ok(0), number::integer)?;
        let offset = usize::try_from(offset)
            .map_err(|_| Error::message(format!("{name}: offset {offset:#x} is beyond its end")))?;
        Ok(Self {
            name,
            offset,
            width: asked.unwrap_or(4),
            asked,
        })
    }

    /// Where --width does not say it, an access has the width that the registers have, or a word's.
    fn fit(&mut self, map: &Map) {
        self.width = self.asked.or(map.io_width()).unwrap_or(4);
    }

    /// Names the window in an error.
    fn failed(&self, error: AccessError) -> Error {
        Error::message(format!("{}: {error}", self.name))
    }

    /// How many bytes: an operand, or what there is up to `default`.
    fn length(&self, text: Option<&str>, map: &Map, default: usize) -> Result<usize> {
        let left = map.len().saturating_sub(self.offset);
        let Some(text) = text else {
            return Ok(left.min(default));
        };
        let length = usize::try_from(number::integer(text)?).unwrap_or(usize::MAX);
        if length > left {
            let (offset, count, size) = (self.offset as u64, length as u64, map.len() as u64);
            return Err(self.failed(AccessError::OutOfBounds {
                offset,
                count,
                size,
            }));
        }
        if length % self.width != 0 {
            return Err(Error::message(format!(
                "{length} bytes are no multiple of the width, {}",
                self.width
            )));
        }
        Ok(length)
    }

    fn load(&self, map: &Map, offset: usize) -> Result<u32> {
        load(map, offset, self.width).map_err(|error| self.failed(error))
    }

    /// One line as xxd prints it: with -g1, or with -e and -g2 or -g4.
    fn line(&self, offset: usize, values: &[u32], changed: impl Fn(usize) -> bool) -> String {
        let digits = self.width * 2;
        let mut text = format!("{offset:08x}:");
        let mut printable = String::new();
        for (i, value) in values.iter().enumerate() {
            let (on, off) = if changed(i) {
                ("\x1b[7m", "\x1b[0m")
            } else {
                ("", "")
            };
            text.push_str(&format!(" {on}{value:0digits$x}{off}"));
            for byte in value.to_le_bytes().iter().take(self.width) {
                printable.push(if (b' '..0x7f).contains(byte) {
                    char::from(*byte)
                } else {
                    '.'
                });
            }
        }
        let missing = LINE / self.width - values.len();
        text.push_str(&" ".repeat(missing * (digits + 1) + 2));
        text + &printable
    }

    /// Bytes, loaded by whole accesses of the width: the first one and the last one may begin
    /// before them and end behind them.
    fn bytes(&self, map: &Map, start: usize, end: usize) -> Result<Vec<u32>> {
        let first = start - start % self.width;
        let mut bytes = Vec::with_capacity(end - first);
        for at in (first..end).step_by(self.width) {
            let value = self.load(map, at)?.to_le_bytes();
            bytes.extend(value.iter().take(self.width).copied().map(u32::from));
        }
        bytes.truncate(end - first);
        Ok(bytes.split_off(start - first))
    }
}

fn load(map: &Map, offset: usize, width: usize) -> std::result::Result<u32, AccessError> {
    match width {
        1 => map.read::<u8>(offset).map(u32::from),
        2 => map.read::<u16>(offset).map(u32::from),
        _ => map.read::<u32>(offset),
    }
}

fn store(
    map: &mut MapMut,
    offset: usize,
    width: usize,
    value: u32,
) -> std::result::Result<(), AccessError> {
    match width {
        1 => map.write(offset, value as u8),
        2 => map.write(offset, value as u16),
        _ => map.write(offset, value),
    }
}

pub fn dump(matches: &Matches) -> Result<()> {
    let mut place = Place::new(matches)?;
    let map = target::window(matches, &place.name)?.map()?;
    place.fit(&map);
    // Bytes are printed unless numbers are asked for; registers may not take accesses of a byte.
    let bytes = Place {
        width: 1,
        name: place.name.clone(),
        ..place
    };
    let printed = if place.asked.is_some() {
        &place
    } else {
        &bytes
    };
    let length = printed.length(matches.operand_text(2)?, &map, 256)?;
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

pub fn read(matches: &Matches) -> Result<()> {
    let mut place = Place::new(matches)?;
    let count = match matches.operand_text(2)? {
        Some(count) => usize::try_from(number::integer(count)?).unwrap_or(usize::MAX),
        None => 1,
    };
    let map = target::window(matches, &place.name)?.map()?;
    place.fit(&map);
    let mut values = Vec::new();
    for i in 0..count {
        let at = i
            .checked_mul(place.width)
            .and_then(|bytes| bytes.checked_add(place.offset))
            .unwrap_or(usize::MAX);
        values.push(place.load(&map, at)?);
    }
    let mut out = output::stdout();
    if matches.has("json") {
        let object = Object::new()
            .text("window", &place.name)
            .raw("offset", place.offset)
            .raw("width", place.width)
            .raw("values", array(values.iter().map(u32::to_string)));
        writeln!(out, "{}", object.end())?;
    } else {
        for value in values {
            writeln!(out, "0x{value:0digits$x}", digits = place.width * 2)?;
        }
    }
    Ok(out.flush()?)
}

pub fn write(matches: &Matches) -> Result<()> {
    let mut place = Place::new(matches)?;
    let values = |width: usize| -> Result<Vec<u32>> {
        let mut values = Vec::new();
        for i in 2..matches.operands().len() {
            let text = matches.operand_text(i)?.unwrap_or_default();
            let value = number::integer(text)?;
            if value >= 1 << (8 * width) {
                let unit = if width == 1 { "byte" } else { "bytes" };
                return Err(Error::message(format!(
                    "{text} does not fit in {width} {unit}"
                )));
            }
            values.push(value as u32);
        }
        Ok(values)
    };
    // What cannot be right is not worth opening the window for.
    values(place.width)?;
    let mut map = target::window(matches, &place.name)?.map_mut()?;
    place.fit(&map);
    let values = values(place.width)?;
    let bytes = values.len() * place.width;
    // All or nothing: looked at before the first store.
    if place.offset > map.len() || bytes > map.len() - place.offset {
        let (offset, count, size) = (place.offset as u64, bytes as u64, map.len() as u64);
        return Err(place.failed(AccessError::OutOfBounds {
            offset,
            count,
            size,
        }));
    }
    for (i, value) in values.into_iter().enumerate() {
        store(&mut map, place.offset + i * place.width, place.width, value)
            .map_err(|error| place.failed(error))?;
    }
    Ok(())
}

pub fn watch(matches: &Matches) -> Result<()> {
    let mut place = Place::new(matches)?;
    let interval = number::interval(matches, Duration::from_millis(500))?;
    let count = matches.value::<u64>("count")?;
    let map = target::window(matches, &place.name)?.map()?;
    place.fit(&map);
    let length = place.length(matches.operand_text(2)?, &map, 64)?;
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
        if terminal {
            // In place, from the second time on.
            let lines = length.div_ceil(LINE);
            if done > 0 {
                write!(out, "\x1b[{lines}A")?;
            }
            for (n, values) in now.chunks(LINE / place.width).enumerate() {
                let first = n * (LINE / place.width);
                writeln!(
                    out,
                    "{}\x1b[K",
                    place.line(place.offset + n * LINE, values, |i| changed(first + i))
                )?;
            }
        } else if done == 0 {
            for (n, values) in now.chunks(LINE / place.width).enumerate() {
                writeln!(
                    out,
                    "{}",
                    place.line(place.offset + n * LINE, values, |_| false)
                )?;
            }
        } else {
            let digits = place.width * 2;
            for (i, (old, new)) in before
                .iter()
                .zip(&now)
                .enumerate()
                .filter(|(_, (old, new))| old != new)
            {
                let (since, offset) = (started.elapsed(), place.offset + i * place.width);
                let (seconds, millis) = (since.as_secs(), since.subsec_millis());
                writeln!(
                    out,
                    "{seconds:5}.{millis:03} {offset:08x}: 0x{old:0digits$x} -> 0x{new:0digits$x}"
                )?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What xxd 2024 prints with -g1, -e -g2 and -e -g4.
    #[test]
    fn cli_dump_is_xxds() {
        let bytes: Vec<u8> = (0x39..0x39 + 16).map(|byte| byte * 2).collect();
        let values = |width: usize, count: usize| -> Vec<u32> {
            let word = |chunk: &[u8]| {
                chunk
                    .iter()
                    .rev()
                    .fold(0, |value, byte| (value << 8) | u32::from(*byte))
            };
            bytes[..count].chunks(width).map(word).collect()
        };
        let line = |width, count| {
            Place {
                name: String::new(),
                offset: 0,
                width,
                asked: Some(width),
            }
            .line(0x10, &values(width, count), |_| false)
        };
        assert_eq!(
            line(1, 16),
            "00000010: 72 74 76 78 7a 7c 7e 80 82 84 86 88 8a 8c 8e 90  rtvxz|~........."
        );
        assert_eq!(
            line(1, 3),
            "00000010: 72 74 76                                         rtv"
        );
        assert_eq!(
            line(2, 16),
            "00000010: 7472 7876 7c7a 807e 8482 8886 8c8a 908e  rtvxz|~........."
        );
        assert_eq!(
            line(4, 8),
            "00000010: 78767472 807e7c7a                    rtvxz|~."
        );
    }
}
