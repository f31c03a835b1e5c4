// SPDX-License-Identifier: MIT OR Apache-2.0
//! The position and the width of accesses to a window, and the form of their values.

use clap::Args;
use fanlight::{AccessError, Map, MapMut};

use crate::error::{Error, Result};
use crate::number;

/// Bytes per line of a dump.
pub const LINE: usize = 16;

/// The values of --width.
const WIDTHS: [&str; 4] = ["1", "2", "4", "8"];

#[derive(Args)]
pub struct Width {
    /// Bytes per access: 1, 2 or 4. The default is the width that the registers need (reg-io-width
    /// in the device tree), else 4
    #[arg(short, long, value_name = "BYTES")]
    width: Option<String>,
}

impl Width {
    /// The value of the option.
    fn bytes(&self) -> Result<Option<usize>> {
        let Some(text) = self.width.as_deref() else {
            return Ok(None);
        };
        match WIDTHS.iter().position(|width| *width == text) {
            Some(3) => Err(Error::Usage(
                "--width 8: a 32-bit bus makes two accesses of 8 bytes; use --width 4".into(),
            )),
            Some(at) => Ok(Some(1 << at)),
            None => Err(Error::Usage(format!(
                "invalid argument for --width: '{text}'; use one of 1, 2, 4"
            ))),
        }
    }
}

/// A position in a window, and how it is accessed.
pub struct Place {
    pub name: String,
    pub offset: usize,
    /// Bytes per access.
    pub width: usize,
    /// The value of --width.
    pub asked: Option<usize>,
}

impl Place {
    pub fn new(name: &str, offset: Option<&str>, width: &Width) -> Result<Self> {
        let asked = width.bytes()?;
        let offset = offset.map_or(Ok(0), number::integer)?;
        let offset = usize::try_from(offset)
            .map_err(|_| Error::message(format!("{name}: offset {offset:#x} is beyond its end")))?;
        Ok(Self {
            name: name.to_owned(),
            offset,
            width: asked.unwrap_or(4),
            asked,
        })
    }

    /// Sets the default width: that of the registers, or a word.
    pub fn fit(&mut self, map: &Map) {
        self.width = self.asked.or(map.io_width()).unwrap_or(4);
    }

    /// Adds the name of the window to an error.
    pub fn failed(&self, error: AccessError) -> Error {
        Error::message(format!("{}: {error}", self.name))
    }

    /// The number of bytes: the operand, or the rest of the window, but at most `default`.
    pub fn length(&self, text: Option<&str>, map: &Map, default: usize) -> Result<usize> {
        let left = map.len().saturating_sub(self.offset);
        let length = match text {
            Some(text) => usize::try_from(number::integer(text)?).unwrap_or(usize::MAX),
            None => left.min(default),
        };
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
                "{length} bytes are not a multiple of the width, {}",
                self.width
            )));
        }
        Ok(length)
    }

    /// Bytes of the access at an offset. The last bytes of a window need not be a whole word:
    /// unless --width or the registers require a width, accesses are narrower there.
    fn width_at(&self, map: &Map, offset: usize) -> usize {
        let left = map.len().saturating_sub(offset);
        match self.asked.or(map.io_width()) {
            Some(width) => width,
            None => narrower(self.width, |width| width <= left),
        }
    }

    /// Makes all accesses so narrow that the last one ends with the window. Unlike
    /// [`width_at`](Self::width_at), all have the same width, since the values are in columns.
    pub fn narrow(&mut self, map: &Map, most: usize) {
        let length = map.len().saturating_sub(self.offset).min(most);
        if self.asked.or(map.io_width()).is_none() {
            self.width = narrower(self.width, |width| length % width == 0);
        }
    }

    pub fn load(&self, map: &Map, offset: usize) -> Result<u32> {
        load(map, offset, self.width).map_err(|error| self.failed(error))
    }

    pub fn store(&self, map: &mut MapMut, offset: usize, value: u32) -> Result<()> {
        store(map, offset, self.width, value).map_err(|error| self.failed(error))
    }

    /// Checks that `count` accesses are inside the window, before the first of them is made.
    pub fn check(&self, map: &Map, count: usize) -> Result<()> {
        let bytes = count.saturating_mul(self.width);
        if self.offset > map.len() || bytes > map.len() - self.offset {
            return Err(self.failed(AccessError::OutOfBounds {
                offset: self.offset as u64,
                count: bytes as u64,
                size: map.len() as u64,
            }));
        }
        Ok(())
    }

    /// Parses a number that must fit in an access.
    pub fn value(&self, text: &str) -> Result<u32> {
        let value = number::integer(text)?;
        if value >= 1 << (8 * self.width) {
            let unit = if self.width == 1 { "byte" } else { "bytes" };
            return Err(Error::message(format!(
                "{text} does not fit in {} {unit}",
                self.width
            )));
        }
        Ok(value as u32)
    }

    /// The same position with values of a byte each, the default form. Registers may not support
    /// accesses of a byte.
    pub fn as_bytes(&self) -> Self {
        Self {
            name: self.name.clone(),
            width: 1,
            ..*self
        }
    }

    /// Describes an access: `regs 0x10, 32 bits`.
    pub fn describe(&self, offset: usize) -> String {
        format!("{} {offset:#x}, {} bits", self.name, self.width * 8)
    }

    /// A value with all digits of its width.
    pub fn digits(&self, value: u32) -> String {
        format!("0x{value:0digits$x}", digits = self.width * 2)
    }

    /// One line in the format of xxd: with -g1, or with -e and -g2 or -g4.
    pub fn line(&self, offset: usize, values: &[u32], changed: impl Fn(usize) -> bool) -> String {
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

    /// Bytes, loaded by whole accesses of the width: the first access may begin before them, and
    /// the last one may end after them.
    pub fn bytes(&self, map: &Map, start: usize, end: usize) -> Result<Vec<u32>> {
        let first = start - start % self.width;
        let mut bytes = Vec::with_capacity(end - first);
        let mut at = first;
        while at < end {
            let width = self.width_at(map, at);
            let value = load(map, at, width).map_err(|error| self.failed(error))?;
            bytes.extend(
                value
                    .to_le_bytes()
                    .iter()
                    .take(width)
                    .map(|byte| u32::from(*byte)),
            );
            at += width;
        }
        bytes.truncate(end - first);
        Ok(bytes.split_off(start - first))
    }
}

/// The widest access of at most `width` bytes that fits.
fn narrower(mut width: usize, fits: impl Fn(usize) -> bool) -> usize {
    while width > 1 && !fits(width) {
        width /= 2;
    }
    width
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_access_at_the_end_of_a_window_is_narrower() {
        let widths = [4, 3, 2, 1].map(|left| narrower(4, |width| width <= left));
        assert_eq!(widths, [4, 2, 2, 1]);
        assert_eq!(narrower(2, |_| true), 2);
    }

    /// The output of xxd 2024 with -g1, -e -g2 and -e -g4.
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
