// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes text from a log safe for terminals and for readers.
//!
//! A program can write any bytes to the log. Control characters change the state of a terminal, and
//! invisible or bidirectional characters (Unicode's categories Cf, Zl and Zp) can make one line
//! look like another. Every output form escapes both: the text form as `\xNN` per byte, as dmesg
//! and /dev/kmsg do, and JSON as `\uNNNN`.

use std::io::{self, Write};

/// Ranges of characters without a visible glyph, in addition to the control characters.
///
/// These are the categories Cf, Zl and Zp of Unicode 16, the Hangul fillers and the grapheme
/// joiner, which are invisible, and the variation selectors of plane 14. The variation selectors
/// U+FE00 to U+FE0F are not included: common emoji contain them.
const INVISIBLE: &[(u32, u32)] = &[
    (0x00ad, 0x00ad),
    (0x034f, 0x034f),
    (0x0600, 0x0605),
    (0x061c, 0x061c),
    (0x06dd, 0x06dd),
    (0x070f, 0x070f),
    (0x0890, 0x0891),
    (0x08e2, 0x08e2),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x3164, 0x3164),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff9, 0xfffb),
    (0x110bd, 0x110bd),
    (0x110cd, 0x110cd),
    (0x13430, 0x1343f),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
];

/// Whether a character must be escaped for a terminal or a reader.
pub fn is_unsafe(c: char) -> bool {
    let code = u32::from(c);
    c.is_control()
        || c > '\u{a0}'
            && INVISIBLE
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&code))
}

/// Writes one line of text with every unsafe character except the tab as `\xNN`, byte by byte.
pub fn write_line(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(|c: char| is_unsafe(c) && c != '\t') {
            out.write_all(&rest.as_bytes()[..at])?;
            let mut after = rest[at..].chars();
            if let Some(c) = after.next() {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    write!(out, "\\x{byte:02x}")?;
                }
            }
            rest = after.as_str();
        }
        out.write_all(rest.as_bytes())?;
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8]) -> String {
        let mut out = Vec::new();
        write_line(&mut out, text).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn log_text_escapes_controls_and_what_cannot_be_seen() {
        assert_eq!(
            written(b"a\x1b[2Jb\xffc\xc2\x9b\t"),
            "a\\x1b[2Jb\\xffc\\xc2\\x9b\t"
        );
        for c in "\u{202e}\u{2066}\u{2069}\u{200b}\u{200f}\u{2028}\u{2029}\u{feff}\u{ad}\u{e0041}"
            .chars()
        {
            let text = written(format!("a{c}b").as_bytes());
            assert!(text.is_ascii() && text.starts_with("a\\x"), "{text}");
        }
    }

    #[test]
    fn log_text_keeps_what_people_read() {
        for text in [
            "é ö ß",
            "日本語",
            "привет",
            "שלום",
            "🙂\u{fe0f}",
            "back\\slash",
        ] {
            assert_eq!(written(text.as_bytes()), text);
        }
    }
}
