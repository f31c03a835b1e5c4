// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Formats records as read() of /dev/kmsg returns them. C source: `info_print_ext_header()` and
//! `msg_print_ext_body()` in `kernel/printk/printk.c`.

#![forbid(unsafe_code)]

use super::atomic::{copy_out, odd_bytes, store_word, Word};
use super::cursor::{About, RecordRef};
use super::number::{divide, Digits};
use super::record::{Entry, Record, CONT, PLAIN, RECORD_HEADER};
use super::text::{plain, plain_run, MESSAGE_MAX, PROCESSOR};

/// The maximum length of the header of a record's text: `2047,<20 digits>,<20
/// digits>,-,caller=C2147483647;`.
const HEADER_MAX: usize = 72;
/// Digits of a time that change within a second.
const MICROS: usize = 6;
/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Formats records as /dev/kmsg does.
///
/// It keeps the text of the last record's header. The next header usually differs in some digits of
/// the number and of the time only, which are changed in place.
#[derive(Clone, Debug)]
pub struct Formatter {
    caller: bool,
    header: [u8; HEADER_MAX],
    len: usize,
    /// The offsets after the last digits of the number and of the time.
    ends: (usize, usize),
    /// The values in the header: the number, priority and flags, the caller, and the nanoseconds at
    /// the start of the second.
    seq: u64,
    key: u32,
    who: u32,
    second: u64,
}

impl Formatter {
    /// Creates a formatter. `caller`: show the caller of a record (`CONFIG_PRINTK_CALLER`).
    pub const fn new(caller: bool) -> Self {
        Self {
            caller,
            header: [0; HEADER_MAX],
            len: 0,
            ends: (0, 0),
            seq: 0,
            key: u32::MAX,
            who: 0,
            second: 0,
        }
    }

    /// Writes a record to `out` and returns the length; `None` if `out` is too short.
    /// [`MESSAGE_MAX`] bytes are always enough.
    pub fn format(&mut self, seq: u64, entry: &Entry<'_>, out: &mut [u8]) -> Option<usize> {
        let key = key(entry.level, entry.facility, entry.flags);
        self.set_header(seq, key, entry.caller, entry.ns);
        if entry.flags & PLAIN != 0 && entry.dict.is_empty() {
            if let Some(len) = self.plain_len(entry.text.len()) {
                let text = self.begin(len, out)?;
                text.copy_from_slice(entry.text);
                return Some(len);
            }
        }
        let mut out = Output { out, len: 0 };
        out.extend(self.header.get(..self.len)?);
        out.escape(entry.text);
        out.push(b'\n');
        if !entry.dict.is_empty() {
            for pair in entry.dict.split(|&byte| byte == b'\n') {
                out.push(b' ');
                out.escape(pair);
                out.push(b'\n');
            }
        }
        if out.len == MESSAGE_MAX {
            // The line was cut. The kernel's line then has no newline, so in a file the next one
            // would continue it.
            if let Some(last) = out.out.get_mut(MESSAGE_MAX - 1) {
                *last = b'\n';
            }
        }
        (out.len <= out.out.len()).then_some(out.len)
    }

    /// Formats a record in the ring to `out` and returns the length; `None` if `out` is too short.
    /// The result may be void: see [`Span::commit`](super::Span::commit).
    ///
    /// `scratch` has [`RECORD_MAX`](super::RECORD_MAX) bytes. Returns 0 for a record with
    /// inconsistent lengths; if the span is committed, call
    /// [`Cursor::damage`](super::Cursor::damage) to count it.
    #[inline]
    pub fn format_ref(
        &mut self,
        record: &RecordRef<'_>,
        scratch: &mut [u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let about = record.about();
        if about.flags & PLAIN != 0 || is_plain(record, about.text_len) {
            self.set_header_of(record, &about);
            if let Some(len) = self.plain_len(about.text_len) {
                let text = self.begin(len, out)?;
                copy_out(record.body(), text);
                return Some(len);
            }
        }
        self.format_escaped(record, scratch, out)
    }

    /// Like [`Formatter::format_ref`], for a record that is not plain.
    ///
    /// Not inlined, so that it does not take registers from the callers.
    #[inline(never)]
    fn format_escaped(
        &mut self,
        record: &RecordRef<'_>,
        scratch: &mut [u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let about = record.about();
        if is_text_only(record, about.text_len) {
            self.set_header_of(record, &about);
            if let Some(len) = self.escape_ref(record, about.text_len, out) {
                return Some(len);
            }
        }
        match record.copy(scratch).and_then(Record::parse) {
            Some(record) => self.format(record.seq, &record.entry, out),
            None => Some(0),
        }
    }

    /// Writes a text in the ring with escapes. `None`: the kernel might cut it, or `out` might be
    /// too short.
    fn escape_ref(&self, record: &RecordRef<'_>, text: usize, out: &mut [u8]) -> Option<usize> {
        if self.len + 4 * text + 1 > MESSAGE_MAX.min(out.len()) {
            return None;
        }
        let (header, mut rest) = out.split_at_mut_checked(self.len)?;
        let room = rest.len();
        header.copy_from_slice(self.header.get(..self.len)?);
        let (words, last) = record.body().split_at_checked(text / 4)?;
        for word in words {
            let word = word.load();
            if odd_bytes(word) == 0 {
                let (to, more) = rest.split_first_chunk_mut()?;
                store_word(to, word);
                rest = more;
            } else {
                rest = escape_word(word, 4, rest)?;
            }
        }
        if text % 4 != 0 {
            rest = escape_word(last.first()?.load(), text % 4, rest)?;
        }
        *rest.first_mut()? = b'\n';
        Some(self.len + room - rest.len() + 1)
    }

    #[inline(always)]
    fn set_header_of(&mut self, record: &RecordRef<'_>, about: &About) {
        let key = key(about.level, about.facility, about.flags);
        self.set_header(record.seq(), key, record.caller(), record.ns());
    }

    /// The length of the whole line, if the text needs no escape and the kernel would not cut it.
    #[inline]
    fn plain_len(&self, text: usize) -> Option<usize> {
        let len = self.len + text + 1;
        (len <= MESSAGE_MAX).then_some(len)
    }

    /// Writes the header and the newline, and returns the space between them.
    #[inline]
    fn begin<'o>(&self, len: usize, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
        let (last, rest) = out.get_mut(..len)?.split_last_mut()?;
        *last = b'\n';
        let (header, text) = rest.split_at_mut_checked(self.len)?;
        header.copy_from_slice(self.header.get(..self.len)?);
        Some(text)
    }

    /// Updates the header for this record.
    #[inline(always)]
    fn set_header(&mut self, seq: u64, key: u32, who: u32, ns: u64) {
        let since = ns.wrapping_sub(self.second);
        let same = key == self.key && who == self.who && since < SECOND;
        if !same || seq != self.seq.wrapping_add(1) || !self.count() {
            self.make_header(seq, key, who, ns);
            return;
        }
        self.seq = seq;
        // Less than a second, so it fits.
        let micros = since as u32 / 1000;
        let (_, end) = self.ends;
        let digits = self.header.get_mut(end.wrapping_sub(MICROS)..end);
        if let Some([a, b, c, d, e, f]) = digits {
            let (high, low) = (micros / 10_000, micros % 10_000);
            [*a, *b] = pair(high);
            [*c, *d] = pair(low / 100);
            [*e, *f] = pair(low % 100);
        }
    }

    /// Adds one to the number in the header; returns false if that needs another digit.
    #[inline(always)]
    fn count(&mut self) -> bool {
        let (end, _) = self.ends;
        for digit in self.header.iter_mut().take(end).rev() {
            match *digit {
                b'9' => *digit = b'0',
                b'0'..=b'8' => {
                    *digit += 1;
                    return true;
                }
                _ => break,
            }
        }
        false
    }

    #[cold]
    #[inline(never)]
    fn make_header(&mut self, seq: u64, key: u32, who: u32, ns: u64) {
        let micros = divide::<1000>(ns).0;
        let mut out = Output {
            out: &mut self.header,
            len: 0,
        };
        out.number(u64::from(key >> 1));
        out.push(b',');
        out.number(seq);
        let seq_end = out.len;
        out.push(b',');
        out.number(micros);
        let micros_end = out.len;
        out.push(b',');
        out.push(if key & 1 != 0 { b'c' } else { b'-' });
        if self.caller {
            let processor = who & PROCESSOR != 0;
            out.extend(if processor {
                b",caller=C"
            } else {
                b",caller=T"
            });
            out.number(u64::from(who & !PROCESSOR));
        }
        out.push(b';');
        self.len = out.len;
        self.ends = (seq_end, micros_end);
        (self.seq, self.key, self.who) = (seq, key, who);
        let seconds = divide::<1000>(divide::<1000>(micros).0).0;
        self.second = seconds * SECOND;
        if seconds == 0 {
            // The time may have fewer digits: the header of the next record is formatted from
            // scratch.
            self.key = u32::MAX;
        }
    }
}

/// The two digits of a number below 100.
#[inline]
fn pair(number: u32) -> [u8; 2] {
    const PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [[0; 2]; 100];
        let mut n = 0;
        while n < 100 {
            pairs[n as usize] = [b'0' + n / 10, b'0' + n % 10];
            n += 1;
        }
        pairs
    };
    let pair = PAIRS.get(number as usize);
    pair.copied().unwrap_or([b'0'; 2])
}

/// Priority, and in bit 0 whether it is a continuation.
#[inline]
fn key(level: u8, facility: u8, flags: u8) -> u32 {
    let priority = (u32::from(facility) << 3) | u32::from(level & 7);
    (priority << 1) | u32::from(flags & CONT != 0)
}

/// Formats a record as /dev/kmsg does and returns the length; `None` if `out` is too short. See
/// [`Formatter`].
pub fn format(seq: u64, entry: &Entry<'_>, caller: bool, out: &mut [u8]) -> Option<usize> {
    Formatter::new(caller).format(seq, entry, out)
}

/// Whether no byte of the record's text needs an escape, and there is no dictionary.
///
/// Not inlined: its loop needs the registers for its constants.
#[inline(never)]
fn is_plain(record: &RecordRef<'_>, text_len: usize) -> bool {
    if !is_text_only(record, text_len) {
        return false;
    }
    let Some((words, rest)) = record.body().split_at_checked(text_len / 4) else {
        return false;
    };
    let is_odd = |words: &[Word]| {
        let odd = words
            .iter()
            .fold(0, |odd, word| odd | odd_bytes(word.load()));
        odd != 0
    };
    let mut blocks = words.chunks_exact(8);
    if is_odd(blocks.remainder()) || blocks.any(is_odd) {
        return false;
    }
    if text_len % 4 == 0 {
        return true;
    }
    // The bytes after the text are replaced by spaces, which need no escape.
    let mut bytes = [b' '; 4];
    let last = rest.first().map_or(0, Word::load).to_ne_bytes();
    for (to, from) in bytes.iter_mut().zip(last).take(text_len % 4) {
        *to = from;
    }
    odd_bytes(u32::from_ne_bytes(bytes)) == 0
}

/// Whether a record has no dictionary, and consistent lengths.
#[inline]
fn is_text_only(record: &RecordRef<'_>, text_len: usize) -> bool {
    let padding = record.words().first().map_or(0, |word| word.load() & 7) as usize;
    RECORD_HEADER + text_len + padding == record.size()
}

/// Writes the first bytes of a word, with escapes where necessary. Returns the rest of `to`; `None`
/// if it is too short.
///
/// Not inlined, so that the loop over the words keeps its registers.
#[inline(never)]
fn escape_word(word: u32, bytes: usize, to: &mut [u8]) -> Option<&mut [u8]> {
    let mut bytes = word.to_ne_bytes().into_iter().take(bytes);
    bytes.try_fold(to, |to, byte| escape(byte, to))
}

/// Writes a byte, as an escape if necessary. Returns the rest of `to`; `None` if it is too short.
#[inline(always)]
fn escape(byte: u8, to: &mut [u8]) -> Option<&mut [u8]> {
    if plain(byte) {
        let (to, rest) = to.split_first_mut()?;
        *to = byte;
        return Some(rest);
    }
    let (to, rest) = to.split_first_chunk_mut()?;
    store_word(to, u32::from_ne_bytes(escaped(byte)));
    Some(rest)
}

/// The escape of a byte.
#[inline]
fn escaped(byte: u8) -> [u8; 4] {
    let digit = |nibble: u8| {
        if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' - 10 + nibble
        }
    };
    [b'\\', b'x', digit(byte >> 4), digit(byte & 15)]
}

/// The output. It goes on counting when the buffer is full, up to [`MESSAGE_MAX`].
struct Output<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Output<'_> {
    /// Like the kernel's `append_char()`.
    fn push(&mut self, byte: u8) {
        if self.len < MESSAGE_MAX {
            if let Some(to) = self.out.get_mut(self.len) {
                *to = byte;
            }
            self.len += 1;
        }
    }

    /// Appends many bytes by one copy.
    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(MESSAGE_MAX.saturating_sub(self.len));
        // Bytes that do not fit are counted only: the result is then `None`.
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

    /// Like the kernel's `msg_add_ext_text()`. It cuts at the same byte: `scnprintf()` reserves one
    /// for its NUL.
    fn escape(&mut self, text: &[u8]) {
        let mut rest = text;
        loop {
            let run = plain_run(rest);
            if run != 0 {
                self.extend(rest.get(..run).unwrap_or(&[]));
            }
            let Some(&byte) = rest.get(run) else {
                return;
            };
            rest = rest.get(run + 1..).unwrap_or(&[]);
            let escaped = escaped(byte);
            let room = (MESSAGE_MAX - self.len).saturating_sub(1);
            let to = self.out.get_mut(self.len..);
            match to.and_then(|to| to.first_chunk_mut()) {
                Some(to) if room >= 4 => {
                    *to = escaped;
                    self.len += 4;
                }
                _ => self.extend(escaped.get(..room.min(4)).unwrap_or(&[])),
            }
        }
    }
}
