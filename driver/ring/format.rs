// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Records as text: what read() of /dev/kmsg returns. C source: `info_print_ext_header()` and
//! `msg_print_ext_body()` in `kernel/printk/printk.c`.

#![forbid(unsafe_code)]

use super::atomic::{copy_out, odd_bytes, store_word, Word};
use super::cursor::RecordRef;
use super::kmsg::{plain_run, MESSAGE_MAX, PROCESSOR};
use super::number::{divide, Digits};
use super::record::{Entry, Record, CONT, PLAIN, RECORD_HEADER};

/// Bytes of the header of a record's text at most: `2047,<20 digits>,<20
/// digits>,-,caller=C2147483647;`.
const HEADER_MAX: usize = 72;
/// Digits of a time that change within a second.
const MICROS: usize = 6;
/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Formats records as /dev/kmsg does.
///
/// It keeps the header of the last record as text. The next header usually differs from it in some
/// digits of the number and of the time only, and these are changed in place.
#[derive(Clone, Debug)]
pub struct Formatter {
    caller: bool,
    header: [u8; HEADER_MAX],
    len: usize,
    /// Behind the last digits of the number and of the time.
    ends: (usize, usize),
    /// What the header is of: the number, priority and flags, the caller, and the nanoseconds of
    /// the second's beginning.
    seq: u64,
    key: u32,
    who: u32,
    second: u64,
}

impl Formatter {
    /// Creates a formatter. `caller`: the kernel shows who wrote a record (`CONFIG_PRINTK_CALLER`).
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
        (out.len <= out.out.len()).then_some(out.len)
    }

    /// Writes a record to `out` from where it is in the ring, and returns the length; `None` if
    /// `out` is too short. The result may be void: see [`Span::commit`](super::Span::commit).
    ///
    /// `scratch` has [`RECORD_MAX`](super::RECORD_MAX) bytes. Returns 0 for a record whose lengths
    /// contradict each other; if the span can be committed,
    /// [`Cursor::damage`](super::Cursor::damage) counts it.
    #[inline]
    pub fn format_ref(
        &mut self,
        record: &RecordRef<'_>,
        scratch: &mut [u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let (text_len, flags) = (record.text_len(), record.flags());
        if flags & PLAIN != 0 || is_plain(record, text_len) {
            if let Some(len) = self.plain_len_of(record, text_len, flags) {
                let text = self.begin(len, out)?;
                copy_out(record.body(), text);
                return Some(len);
            }
        }
        match record.copy(scratch).and_then(Record::parse) {
            Some(record) => self.format(record.seq, &record.entry, out),
            None => Some(0),
        }
    }

    #[inline]
    fn plain_len_of(&mut self, record: &RecordRef<'_>, text: usize, flags: u8) -> Option<usize> {
        let key = key(record.level(), record.facility(), flags);
        self.set_header(record.seq(), key, record.caller(), record.ns());
        self.plain_len(text)
    }

    /// The length of the whole line, if the text needs no escape and the kernel would not cut it.
    #[inline]
    fn plain_len(&self, text: usize) -> Option<usize> {
        let len = self.len + text + 1;
        (len <= MESSAGE_MAX).then_some(len)
    }

    /// Writes the header and the newline, and returns what is between them.
    #[inline]
    fn begin<'o>(&self, len: usize, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
        let (last, rest) = out.get_mut(..len)?.split_last_mut()?;
        *last = b'\n';
        let (header, text) = rest.split_at_mut_checked(self.len)?;
        header.copy_from_slice(self.header.get(..self.len)?);
        Some(text)
    }

    /// Makes the header that of this record.
    #[inline]
    fn set_header(&mut self, seq: u64, key: u32, who: u32, ns: u64) {
        let since = ns.wrapping_sub(self.second);
        let same = key == self.key && who == self.who && since < SECOND;
        if !same || seq != self.seq.wrapping_add(1) || !self.count() {
            self.make_header(seq, key, who, ns);
            return;
        }
        self.seq = seq;
        // Less than a second, which fits.
        let mut micros = since as u32 / 1000;
        let (_, end) = self.ends;
        if let Some(digits) = self.header.get_mut(end.wrapping_sub(MICROS)..end) {
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + (micros % 10) as u8;
                micros /= 10;
            }
        }
    }

    /// Adds one to the number in the header; returns false if it gets longer.
    #[inline]
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
        // Within the first second the time has fewer digits: no header is changed into one of that
        // second.
        self.second = match seconds {
            0 => ns.wrapping_sub(SECOND),
            _ => seconds * SECOND,
        };
    }
}

/// Priority, and in bit 0 whether it is a continuation.
#[inline]
fn key(level: u8, facility: u8, flags: u8) -> u32 {
    let priority = (u32::from(facility) << 3) | u32::from(level & 7);
    (priority << 1) | u32::from(flags & CONT != 0)
}

/// Writes a record as /dev/kmsg has it and returns the length; `None` if `out` is too short. See
/// [`Formatter`].
pub fn format(seq: u64, entry: &Entry<'_>, caller: bool, out: &mut [u8]) -> Option<usize> {
    Formatter::new(caller).format(seq, entry, out)
}

/// Whether no byte of the record's text needs an escape, and there is no dictionary.
///
/// Not inlined: its loop needs the registers for its constants.
#[inline(never)]
fn is_plain(record: &RecordRef<'_>, text_len: usize) -> bool {
    let padding = record.words().first().map_or(0, |word| word.load() & 7) as usize;
    if RECORD_HEADER + text_len + padding != record.size() {
        return false;
    }
    let Some((words, rest)) = record.body().split_at_checked(text_len / 4) else {
        return false;
    };
    for block in words.chunks(8) {
        let odd = block
            .iter()
            .fold(0, |odd, word| odd | odd_bytes(word.load()));
        if odd != 0 {
            return false;
        }
    }
    if text_len % 4 == 0 {
        return true;
    }
    // The bytes behind the text are replaced by ones that need no escape.
    let mut bytes = [b' '; 4];
    let last = rest.first().map_or(0, Word::load).to_ne_bytes();
    for (to, from) in bytes.iter_mut().zip(last).take(text_len % 4) {
        *to = from;
    }
    odd_bytes(u32::from_ne_bytes(bytes)) == 0
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
        // What does not fit is counted only: the result is `None` then.
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

    /// As the kernel's `msg_add_ext_text()`, down to where it cuts: `scnprintf()` keeps a byte for
    /// its NUL.
    fn escape(&mut self, text: &[u8]) {
        const HEX: [u8; 16] = *b"0123456789abcdef";
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
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            let escaped = [b'\\', b'x', digit(byte >> 4), digit(byte & 15)];
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
