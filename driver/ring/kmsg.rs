// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Parses the text form of /dev/kmsg and what programs write to it. C source:
//! `kernel/printk/printk.c`.
//!
//! ```text
//! priority,seq,usec,flags[,caller=T123];text
//!  SUBSYSTEM=acpi
//!  DEVICE=+acpi:PNP0A03:00
//! ```
//!
//! In text and dictionary, bytes below 32 or above 126 and the backslash are written `\xNN`. The
//! kernel cuts such a message at [`MESSAGE_MAX`] bytes, and a cut line has no newline. This crate
//! cuts at the same byte. In a cut line, the text is certain only up to the last whole escape.

#![forbid(unsafe_code)]

pub use super::format::{format, Formatter};
use super::number::take;
use super::record::{Entry, CONT, PLAIN, USER};
pub use super::text::MESSAGE_MAX;
use super::text::{plain_run, PROCESSOR};

/// The maximum length of one `write()` to /dev/kmsg: `PRINTKRB_RECORD_MAX`.
pub const WRITE_MAX: usize = 1024;
/// The kernel's prefix of a message that a new owner of a console prints again.
const REPLAY: &[u8] = b"** replaying previous printk message **\n";

/// A message in the form for extended consoles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The kernel's number of the message; not that of a record in the ring.
    pub seq: u64,
    /// Its content. The text is without escapes.
    pub entry: Entry<'a>,
}

/// Parses a message for an extended console; `None` if it is invalid, or if printk has cut it to
/// make room for the replay prefix. In the latter case printk's buffer has the whole message.
///
/// A text without escapes is borrowed from `line`. Everything else is copied to `buffer`, which
/// should be as long as `line`.
pub fn parse<'a>(line: &'a [u8], buffer: &'a mut [u8]) -> Option<Line<'a>> {
    let rest = line.strip_prefix(REPLAY);
    // console_prepend_message() leaves a byte for the NUL.
    if rest.is_some() && line.len() >= MESSAGE_MAX - 1 {
        return None;
    }
    parse_whole(whole(rest.unwrap_or(line)), buffer)
}

/// Like [`parse`], for a message of any length that was not cut for a prefix.
pub fn parse_whole<'a>(line: &'a [u8], buffer: &'a mut [u8]) -> Option<Line<'a>> {
    let (priority, rest) = take(line)?;
    let (seq, rest) = take(rest.strip_prefix(b",")?)?;
    let (usec, rest) = take(rest.strip_prefix(b",")?)?;
    let (field, mut rest) = split_field(rest.strip_prefix(b",")?)?;
    let mut flags = match field {
        b"c" => CONT,
        _ => 0,
    };
    let mut caller = None;
    let body = loop {
        if let Some(body) = rest.strip_prefix(b";") {
            break body;
        }
        let (field, more) = split_field(rest.strip_prefix(b",")?)?;
        rest = more;
        if let (None, Some(field)) = (caller, field.strip_prefix(b"caller=")) {
            caller = Some(parse_caller(field).unwrap_or(0));
        }
    };
    let caller = caller.unwrap_or(0);

    // Most texts are plain to their end.
    let run = plain_run(body);
    let (begin, odd) = body.split_at_checked(run)?;
    let more = odd.iter().position(|&byte| byte == b'\n');
    let more = more.unwrap_or(odd.len());
    let (text, dict) = body.split_at_checked(begin.len() + more)?;

    let plain = more == 0;
    let (text, rest) = if !plain && text.contains(&b'\\') {
        let len = unescape(text, buffer)?;
        let (text, rest) = buffer.split_at_mut_checked(len)?;
        (&*text, rest)
    } else {
        (text, buffer)
    };
    let dict = match dict {
        [] | [b'\n'] => &[],
        lines => parse_dict(lines, rest)?,
    };
    if plain && dict.is_empty() {
        flags |= PLAIN;
    }

    Some(Line {
        seq,
        entry: Entry {
            // The facility is 8 bits wide, and the level three.
            level: priority as u8 & 7,
            facility: (priority >> 3) as u8,
            flags,
            ns: usec.wrapping_mul(1000),
            caller,
            text,
            dict,
        },
    })
}

/// Splits before the next comma or semicolon.
fn split_field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| matches!(byte, b',' | b';'))?;
    text.split_at_checked(end)
}

/// A line, without its uncertain end if it has the maximum length.
///
/// If an escape does not fit, the kernel writes a part of it or nothing, and then goes on with the
/// next byte that fits. The last four bytes may therefore come from different places of the text.
fn whole(line: &[u8]) -> &[u8] {
    if line.len() < MESSAGE_MAX {
        return line;
    }
    let end = line.iter().take(MESSAGE_MAX - 1).skip(MESSAGE_MAX - 4);
    let sure = end.take_while(|&&byte| byte != b'\\').count();
    line.get(..MESSAGE_MAX - 4 + sure).unwrap_or(line)
}

/// Parses `T123` (a task) or `C1` (a processor).
fn parse_caller(field: &[u8]) -> Option<u32> {
    let (kind, number) = field.split_first()?;
    let (number, _) = take(number)?;
    let number = u32::try_from(number).ok()?;
    match kind {
        b'T' => Some(number),
        b'C' => Some(number | PROCESSOR),
        _ => None,
    }
}

/// Turns `"\n KEY=value\n KEY=value\n"` into `"KEY=value\nKEY=value"`.
fn parse_dict<'a>(lines: &[u8], buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut len = 0;
    for line in lines.split(|&byte| byte == b'\n') {
        let Some(pair) = line.strip_prefix(b" ") else {
            continue;
        };
        if len != 0 {
            *buffer.get_mut(len)? = b'\n';
            len += 1;
        }
        len += unescape(pair, buffer.get_mut(len..)?)?;
    }
    buffer.get(..len)
}

/// Copies `text` without its escapes and returns the length. An escape that was cut short at the
/// end is left out.
fn unescape(text: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let mut len = 0;
    let mut rest = text;
    while let Some((&byte, more)) = rest.split_first() {
        let (byte, more) = if byte != b'\\' {
            (byte, more)
        } else if let [b'x', high, low, more @ ..] = more {
            match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => ((high << 4) | low, more),
                // The kernel does not write this; keep it unchanged.
                _ => (byte, rest.get(1..)?),
            }
        } else {
            break;
        };
        *buffer.get_mut(len)? = byte;
        len += 1;
        rest = more;
    }
    Some(len)
}

/// The value of a digit as the kernel writes it.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Parses what a program has written, as /dev/kmsg does; `None` if it is longer than [`WRITE_MAX`].
///
/// `<N>` sets level and facility. Facility 0 (the kernel's) is replaced by that of user programs.
/// The text ends at the first NUL, and one newline at its end is removed. The caller sets the time
/// and the caller of the record.
pub fn parse_user(written: &[u8], default_level: u8) -> Option<Entry<'_>> {
    if written.len() > WRITE_MAX {
        return None;
    }
    let mut level = default_level & 7;
    // LOG_USER
    let mut facility = 1;
    let mut text = written;

    if let Some(rest) = written.strip_prefix(b"<") {
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at_checked(count)?;
        if let Some(rest) = rest.strip_prefix(b">") {
            // Like simple_strtoul() and the cast of its result: too many digits wrap, and no digits
            // are 0.
            let number = digits.iter().fold(0u32, |number, digit| {
                number
                    .wrapping_mul(10)
                    .wrapping_add(u32::from(digit.wrapping_sub(b'0')))
            });
            level = number as u8 & 7;
            if (number >> 3) as u8 != 0 {
                facility = (number >> 3) as u8;
            }
            text = rest;
        }
    }

    let mut flags = USER;
    let run = plain_run(text);
    match text.get(run..).unwrap_or(&[]) {
        // Most texts end here, at the first byte that is not plain.
        [] | [b'\n'] | [0, ..] | [b'\n', 0, ..] => {
            flags |= PLAIN;
            text = text.get(..run)?;
        }
        rest => {
            let end = rest.iter().position(|&byte| byte == 0);
            text = text.get(..end.map_or(text.len(), |end| run + end))?;
        }
    }
    // printk() reserves a byte of its buffer for a NUL.
    text = text.get(..WRITE_MAX - 1).unwrap_or(text);
    if flags & PLAIN == 0 {
        text = text.strip_suffix(b"\n").unwrap_or(text);
    }
    Some(Entry {
        level,
        facility,
        flags,
        text,
        ..Entry::default()
    })
}
