// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The text form of /dev/kmsg, both ways, and what programs write to it. C source:
//! `kernel/printk/printk.c`.
//!
//! ```text
//! priority,seq,usec,flags[,caller=T123];text
//!  SUBSYSTEM=acpi
//!  DEVICE=+acpi:PNP0A03:00
//! ```
//!
//! In text and dictionary, bytes below 32 or above 126 and the backslash are written `\xNN`. The
//! kernel cuts such a message at [`MESSAGE_MAX`] bytes, and a line it has cut has no newline; here
//! it is cut at the same byte. A console that gets a cut line knows the text only up to the last
//! whole escape.

#![forbid(unsafe_code)]

use super::atomic::{odd_bytes, word_of};
pub use super::format::{format, Formatter};
use super::number::take;
use super::record::{Entry, CONT, PLAIN, USER};

/// Bytes of a formatted record at most: `PRINTK_MESSAGE_MAX`.
pub const MESSAGE_MAX: usize = 2048;
/// Bytes that one `write()` to /dev/kmsg may have: `PRINTKRB_RECORD_MAX`.
pub const WRITE_MAX: usize = 1024;
/// Bytes of text in a record's text form, escapes included, that every program takes; see
/// [`pieces`].
pub const TEXT_MAX: usize = 1023;

/// Bit of [`Entry::caller`] outside of task context, where the rest is a processor.
pub(super) const PROCESSOR: u32 = 0x8000_0000;

/// What the kernel puts before a message that a new owner of a console prints again.
const REPLAY: &[u8] = b"** replaying previous printk message **\n";

/// One message as an extended console gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The kernel's number of the message; not that of a record in the ring.
    pub seq: u64,
    /// What is in it. The text has no escapes any more.
    pub entry: Entry<'a>,
    /// Whether the kernel has had this printed before.
    pub replayed: bool,
}

/// Takes a message of an extended console apart; `None` if it is none, or if printk has cut it to
/// make room for the note that it is a replay: its buffer has the whole message.
///
/// The text is borrowed from `line` where there is no escape in it. Everything else goes to
/// `buffer`, which is long enough if it is as long as `line`.
pub fn parse<'a>(line: &'a [u8], buffer: &'a mut [u8]) -> Option<Line<'a>> {
    let rest = line.strip_prefix(REPLAY);
    let replayed = rest.is_some();
    // console_prepend_message() leaves a byte for the NUL.
    if replayed && line.len() >= MESSAGE_MAX - 1 {
        return None;
    }
    let parsed = parse_whole(whole(rest.unwrap_or(line)), buffer)?;
    Some(Line { replayed, ..parsed })
}

/// The same for a message that was not cut, however long it is.
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

    // Most texts are plain as far as to their end.
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
        replayed: false,
    })
}

/// What is before the next comma or semicolon, and what follows from there on.
fn split_field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| matches!(byte, b',' | b';'))?;
    text.split_at_checked(end)
}

/// A line as long as the kernel makes them, less what cannot be trusted at its end.
///
/// Where an escape does not fit any more the kernel writes a part of it or nothing, and then goes
/// on with the next byte that fits, so that the last four bytes may be of different places.
fn whole(line: &[u8]) -> &[u8] {
    if line.len() < MESSAGE_MAX {
        return line;
    }
    let end = line.iter().take(MESSAGE_MAX - 1).skip(MESSAGE_MAX - 4);
    let sure = end.take_while(|&&byte| byte != b'\\').count();
    line.get(..MESSAGE_MAX - 4 + sure).unwrap_or(line)
}

/// `T123` is a task, `C1` a processor.
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
                // Not the kernel's doing; kept as it is.
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

/// Whether a byte is written as it is.
pub(super) const fn plain(byte: u8) -> bool {
    byte >= b' ' && byte < 127 && byte != b'\\'
}

/// Bytes at the beginning that are written as they are.
pub(super) fn plain_run(text: &[u8]) -> usize {
    let clean = |bytes: &&[u8]| {
        let words = bytes.chunks_exact(4).filter_map(|word| word.first_chunk());
        words.fold(0, |odd, word| odd | odd_bytes(word_of(word))) == 0
    };
    // Sixteen with one branch, as long as there is none among them, and then four.
    let mut sure = text.chunks_exact(16).take_while(clean).count() * 16;
    let rest = text.get(sure..).unwrap_or(&[]);
    sure += rest.chunks_exact(4).take_while(clean).count() * 4;
    let rest = text.iter().skip(sure);
    sure + rest.take_while(|&&byte| plain(byte)).count()
}

/// Takes apart what a program has written, as /dev/kmsg does; `None` if it is longer than
/// [`WRITE_MAX`].
///
/// `<N>` gives level and facility, and facility 0 is replaced by that of user programs, so that
/// nobody can pass for the kernel. The text ends at the first NUL, and loses one newline at its
/// end. Time and caller are left to be filled in.
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
            // As simple_strtoul() and the cast of its result: too many digits wrap, and none are 0.
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
        // Most texts end here: at the first byte that needs a closer look.
        [] | [b'\n'] | [0, ..] | [b'\n', 0, ..] => {
            flags |= PLAIN;
            text = text.get(..run)?;
        }
        rest => {
            let end = rest.iter().position(|&byte| byte == 0);
            text = text.get(..end.map_or(text.len(), |end| run + end))?;
        }
    }
    // printk() keeps a byte of its buffer for a NUL.
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

/// Cuts a text into pieces whose text form has at most [`TEXT_MAX`] bytes; there is always one,
/// though it may be empty.
///
/// syslog daemons read messages of the kernel into buffers of 1024 bytes, and some do not check.
/// All pieces but the first are continuations ([`CONT`]). UTF-8 characters stay whole.
pub fn pieces(text: &[u8]) -> Pieces<'_> {
    Pieces { rest: Some(text) }
}

/// See [`pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        // Most are short enough for the worst case.
        if rest.len() <= TEXT_MAX / 4 {
            return Some(rest);
        }
        let mut form = 0;
        let fit = rest
            .iter()
            .take_while(|&&byte| {
                form += if plain(byte) { 1 } else { 4 };
                form <= TEXT_MAX
            })
            .count();
        if fit == rest.len() {
            return Some(rest);
        }
        // Not between the bytes of one character; what has more than three such bytes is no UTF-8.
        let inside = |at: usize| rest.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        let cut = (fit.saturating_sub(3)..=fit)
            .rev()
            .find(|&at| !inside(at))
            .unwrap_or(fit);
        let (piece, more) = rest.split_at_checked(cut)?;
        self.rest = Some(more);
        Some(piece)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn log_text_bytes_that_need_an_escape_are_found() {
        for byte in 0..=255u8 {
            for at in 0..4 {
                let mut bytes = [b' ', b'~', b'a', b'['];
                bytes[at] = byte;
                let odd = odd_bytes(u32::from_ne_bytes(bytes)) != 0;
                assert_eq!(odd, !plain(byte), "{byte:#x} at {at}");
            }
            for at in 0..40 {
                let mut text = [b'x'; 40];
                text[at] = byte;
                let run = if plain(byte) { 40 } else { at };
                assert_eq!(plain_run(&text), run, "{byte:#x} at {at}");
            }
        }
    }
}
