// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON by serde_json, with two differences: characters that could hide something from a reader are
//! escaped, and times and rates are decimals with a fixed number of digits, which binary floating
//! point cannot represent.

use std::io::{self, Write};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use crate::printable;

/// Writes a value as one line.
pub fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Safe))?;
    out.write_all(b"\n")
}

/// Nanoseconds, printed as seconds: `2.500000000`.
pub struct Seconds(pub u64);

/// Tenths, printed as a decimal: `2.5`.
#[derive(Clone, Copy)]
pub struct Tenths(pub u64);

/// An object with arbitrary keys.
pub struct Pairs<'a>(pub Vec<(String, &'a [u8])>);

// serde_json passes 128-bit integers to the formatter, and no other value here is that wide.
impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u128(self.0.into())
    }
}

impl Serialize for Tenths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i128(self.0.into())
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, &String::from_utf8_lossy(value))?;
        }
        map.end()
    }
}

struct Safe;

impl Formatter for Safe {
    fn write_u128<W: ?Sized + Write>(&mut self, out: &mut W, ns: u128) -> io::Result<()> {
        let ns = ns as u64;
        write!(out, "{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
    }

    fn write_i128<W: ?Sized + Write>(&mut self, out: &mut W, tenths: i128) -> io::Result<()> {
        let tenths = tenths as u64;
        write!(out, "{}.{}", tenths / 10, tenths % 10)
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(printable::is_unsafe) {
            out.write_all(&rest.as_bytes()[..at])?;
            let mut after = rest[at..].chars();
            if let Some(c) = after.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
            rest = after.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &impl Serialize) -> String {
        let mut out = Vec::new();
        line(&mut out, value).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cli_json_escapes_what_it_must() {
        assert_eq!(
            text(&"x\n\t\r\u{1}\\\"é"),
            "\"x\\n\\t\\r\\u0001\\\\\\\"é\"\n"
        );
        let hidden = text(&"\u{202e}\u{9b}\u{e0041}\u{7f}");
        assert_eq!(hidden, "\"\\u202e\\u009b\\udb40\\udc41\\u007f\"\n");
        let pairs = Pairs(vec![("k\u{200b}".into(), b"v\xff")]);
        assert_eq!(text(&pairs), "{\"k\\u200b\":\"v\u{fffd}\"}\n");
    }

    #[test]
    fn cli_json_decimals_are_exact() {
        assert_eq!(text(&Seconds(2_500_000_001)), "2.500000001\n");
        assert_eq!(text(&Seconds(u64::MAX)), "18446744073.709551615\n");
        assert_eq!(text(&[Tenths(7), Tenths(100)]), "[0.7,10.0]\n");
        assert_eq!(text(&None::<Tenths>), "null\n");
    }
}
