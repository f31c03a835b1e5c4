// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parses colours.

use embedded_graphics::pixelcolor::Rgb888;

use crate::error::{Error, Result};
use crate::nearest;

/// The names, which are those of CSS.
pub const NAMES: &[&str] = &[
    "black", "silver", "gray", "white", "maroon", "red", "purple", "magenta", "green", "lime",
    "olive", "yellow", "navy", "blue", "teal", "cyan", "orange",
];
const VALUES: [u32; 17] = [
    0x00_0000, 0xc0_c0c0, 0x80_8080, 0xff_ffff, 0x80_0000, 0xff_0000, 0x80_0080, 0xff_00ff,
    0x00_8000, 0x00_ff00, 0x80_8000, 0xff_ff00, 0x00_0080, 0x00_00ff, 0x00_8080, 0x00_ffff,
    0xff_a500,
];

/// Reads `red`, `#f00`, `#ff0000`, or the latter two without their `#`.
pub fn parse(text: &str) -> Result<Rgb888> {
    let named = NAMES
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))
        .and_then(|at| VALUES.get(at).copied());
    let value = named.or_else(|| {
        let digits = text.strip_prefix('#').unwrap_or(text);
        let value = u32::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        match digits.len() {
            6 => Some(value),
            // Repeat each digit.
            3 => {
                Some((value >> 8) * 0x11_0000 + ((value >> 4) & 15) * 0x1100 + (value & 15) * 0x11)
            }
            _ => None,
        }
    });
    let [_, r, g, b] = value
        .ok_or_else(|| {
            Error::Usage(format!(
                "unknown colour '{text}'; write #rrggbb, #rgb, or one of {}{}",
                NAMES.join(", "),
                nearest::hint(text, NAMES.iter().copied())
            ))
        })?
        .to_be_bytes();
    Ok(Rgb888::new(r, g, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fb_colours_are_names_and_digits() {
        assert_eq!(parse("orange").unwrap(), Rgb888::new(0xff, 0xa5, 0));
        assert_eq!(parse("White").unwrap(), Rgb888::new(0xff, 0xff, 0xff));
        assert_eq!(parse("#1a2b3c").unwrap(), Rgb888::new(0x1a, 0x2b, 0x3c));
        assert_eq!(parse("1a2b3c").unwrap(), Rgb888::new(0x1a, 0x2b, 0x3c));
        assert_eq!(parse("#f80").unwrap(), Rgb888::new(0xff, 0x88, 0));
        for wrong in ["", "#", "#12345", "+12345", "reddish", "#1234567"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
