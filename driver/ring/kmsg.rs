// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The text form of /dev/kmsg, both ways, and what programs write to it. C source: `kernel/printk/printk.c`.
//!
//! ```text
//! priority,seq,usec,flags[,caller=T123];text
//!  SUBSYSTEM=acpi
//!  DEVICE=+acpi:PNP0A03:00
//! ```
//!
//! In text and dictionary, bytes below 32 or above 126 and the backslash are written `\xNN`. The kernel cuts such a
//! message at [`MESSAGE_MAX`] bytes, and a line it has cut has no newline; here it is cut at the same byte. A console
//! that gets a cut line knows the text only up to the last whole escape.

#![forbid(unsafe_code)]

use super::number::{divide, take, Digits};
use super::record::{Entry, CONT, USER};

/// Bytes of a formatted record at most: `PRINTK_MESSAGE_MAX`.
pub const MESSAGE_MAX: usize = 2048;
/// Bytes that one `write()` to /dev/kmsg may have: `PRINTKRB_RECORD_MAX`.
pub const WRITE_MAX: usize = 1024;
/// Bytes of text in a record's text form, escapes included, that every program takes; see [`pieces`].
pub const TEXT_MAX: usize = 1023;

/// Bit of [`Entry::caller`] outside of task context, where the rest is a processor.
const PROCESSOR: u32 = 0x8000_0000;

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

/// Takes a message of an extended console apart; `None` if it is none.
///
/// The text is borrowed from `line` where there is no escape in it. Everything else goes to `buffer`, which is long
/// enough if it is as long as `line`.
pub fn parse<'a>(line: &'a [u8], buffer: &'a mut [u8]) -> Option<Line<'a>> {
    let rest = line.strip_prefix(REPLAY);
    let replayed = rest.is_some();
    let line = whole(rest.unwrap_or(line));

    let (priority, rest) = take(line)?;
    let (seq, rest) = take(rest.strip_prefix(b",")?)?;
    let (usec, rest) = take(rest.strip_prefix(b",")?)?;
    let end = rest.iter().position(|&byte| byte == b';')?;
    let (fields, rest) = rest.split_at_checked(end)?;
    let body = rest.strip_prefix(b";")?;

    let mut fields = fields.strip_prefix(b",")?.split(|&byte| byte == b',');
    let flags = match fields.next()? {
        b"c" => CONT,
        _ => 0,
    };
    let caller = fields
        .find_map(|field| field.strip_prefix(b"caller="))
        .and_then(parse_caller)
        .unwrap_or(0);

    let end = body.iter().position(|&byte| byte == b'\n');
    let (text, dict) = body.split_at_checked(end.unwrap_or(body.len()))?;

    let (text, rest) = if text.contains(&b'\\') {
        let len = unescape(text, buffer)?;
        let (text, rest) = buffer.split_at_mut_checked(len)?;
        (&*text, rest)
    } else {
        (text, buffer)
    };
    let dict = parse_dict(dict, rest)?;

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
        replayed,
    })
}

/// A line as long as the kernel makes them, less what cannot be trusted at its end.
///
/// Where an escape does not fit any more the kernel writes a part of it or nothing, and then goes on with the next byte
/// that fits, so that the last four bytes may be of different places.
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

/// Copies `text` without its escapes and returns the length. An escape that was cut short at the end is left out.
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

/// Writes a record as /dev/kmsg has it and returns the length; `None` if `out` is too short.
///
/// `caller` says whether the kernel shows who wrote (`CONFIG_PRINTK_CALLER`). [`MESSAGE_MAX`] bytes are always enough.
pub fn format(seq: u64, entry: &Entry<'_>, caller: bool, out: &mut [u8]) -> Option<usize> {
    let mut out = Output { out, len: 0 };
    out.number(u64::from(entry.priority()));
    out.push(b',');
    out.number(seq);
    out.push(b',');
    out.number(divide::<1000>(entry.ns).0);
    out.push(b',');
    out.push(if entry.flags & CONT != 0 { b'c' } else { b'-' });
    if caller {
        out.extend(b",caller=");
        out.push(if entry.caller & PROCESSOR != 0 {
            b'C'
        } else {
            b'T'
        });
        out.number(u64::from(entry.caller & !PROCESSOR));
    }
    out.push(b';');

    out.escape(entry.text);
    out.push(b'\n');
    if !entry.dict.is_empty() {
        for pair in entry.dict.split(|&byte| byte == b'\n') {
            out.push(b' ');
            out.escape(pair);
            out.push(b'\n');
        }
    }
    (out.len <= out.out.len()).then_some(out.len)
}

/// What is written; counts on when the buffer is full, up to [`MESSAGE_MAX`].
struct Output<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Output<'_> {
    /// As the kernel's `append_char()`.
    fn push(&mut self, byte: u8) {
        if self.len < MESSAGE_MAX {
            if let Some(to) = self.out.get_mut(self.len) {
                *to = byte;
            }
            self.len += 1;
        }
    }

    /// The same for many, which are copied at once.
    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(MESSAGE_MAX.saturating_sub(self.len));
        // What does not fit is counted only: there is no text then.
        if let (Some(to), Some(from)) =
            (self.out.get_mut(self.len..self.len + len), bytes.get(..len))
        {
            to.copy_from_slice(from);
        }
        self.len += len;
    }

    fn number(&mut self, value: u64) {
        self.extend(Digits::of(value).as_bytes());
    }

    /// As the kernel's `msg_add_ext_text()`, down to where it cuts: `scnprintf()` keeps a byte for its NUL.
    fn escape(&mut self, text: &[u8]) {
        const HEX: [u8; 16] = *b"0123456789abcdef";
        let mut rest = text;
        loop {
            let run = plain_run(rest);
            self.extend(rest.get(..run).unwrap_or(&[]));
            let Some(&byte) = rest.get(run) else {
                return;
            };
            rest = rest.get(run + 1..).unwrap_or(&[]);
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            let escaped = [b'\\', b'x', digit(byte >> 4), digit(byte & 15)];
            let room = (MESSAGE_MAX - self.len).saturating_sub(1);
            self.extend(escaped.get(..room.min(4)).unwrap_or(&[]));
        }
    }
}

/// Whether a byte is written as it is.
const fn plain(byte: u8) -> bool {
    byte >= b' ' && byte < 127 && byte != b'\\'
}

/// Which bytes are not.
const ODD: [bool; 256] = {
    let mut odd = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        odd[byte] = !plain(byte as u8);
        byte += 1;
    }
    odd
};

/// Bytes at the beginning that are written as they are.
fn plain_run(text: &[u8]) -> usize {
    let odd = |byte: u8| ODD.get(usize::from(byte)).copied().unwrap_or(true);
    // Sixteen with one branch, as long as there is none among them.
    let blocks = text.chunks_exact(16);
    let sure = blocks.take_while(|block| !block.iter().fold(false, |any, &byte| any | odd(byte)));
    let sure = sure.count() * 16;
    let rest = text.iter().skip(sure);
    sure + rest.take_while(|&&byte| !odd(byte)).count()
}

/// Takes apart what a program has written, as /dev/kmsg does; `None` if it is longer than [`WRITE_MAX`].
///
/// `<N>` gives level and facility, and facility 0 is replaced by that of user programs, so that nobody can pass for the
/// kernel. The text ends at the first NUL, and loses one newline at its end. Time and caller are left to be filled in.
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

    // `contains` looks at many bytes at once, and there hardly ever is one.
    let end = text
        .contains(&0)
        .then(|| text.iter().position(|&byte| byte == 0));
    let text = text.get(..end.flatten().unwrap_or(text.len()))?;
    // printk() keeps a byte of its buffer for a NUL.
    let text = text.get(..WRITE_MAX - 1).unwrap_or(text);
    Some(Entry {
        level,
        facility,
        flags: USER,
        text: text.strip_suffix(b"\n").unwrap_or(text),
        ..Entry::default()
    })
}

/// Cuts a text into pieces whose text form has at most [`TEXT_MAX`] bytes; there is always one, though it may be empty.
///
/// syslog daemons read messages of the kernel into buffers of 1024 bytes, and some do not check. All pieces but the
/// first are continuations ([`CONT`]). UTF-8 characters stay whole.
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
