// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The copy of the log that outlives a warm reboot, in memory that may be strongly-ordered and may have lost bits.
//!
//! ```text
//! byte 0    first header copy (64 bytes)
//! byte 512  second header copy
//! byte 1024 records, one after the other, in the ring's format with their CRC; then from the beginning again
//! ```
//!
//! The memory is only accessed by aligned 32-bit loads and stores. Nothing in it says where the newest record is: there
//! is no counter whose loss would matter. Salvaging looks at every multiple of 8 for a record whose CRC is right. A
//! record's first word is cleared first and stored last, so that one which was being written at the reset is the only
//! one that is lost, with those whose place it took.
//!
//! A record is recognised by its CRC alone. A program that may write to the log can put bytes into a text that look
//! like a record; they are taken for one only if the record around them was damaged.

#![forbid(unsafe_code)]

use super::atomic::{fence_release, Long, Word};
use super::crc::Crc;
use super::layout::distance;
use super::record::{
    field, len_state, Entry, Record, Shape, FILLER, RECORD_HEADER, RECORD_MAX, WHOLE,
};

/// First word of each header copy: "FNLP" in little-endian memory.
pub const MAGIC: u32 = 0x504c_4e46;
/// Version of the layout.
pub const VERSION: u32 = 1;
/// Bytes before the records.
pub const DATA_OFFSET: usize = 1024;
/// The smallest region.
pub const REGION_MIN: usize = DATA_OFFSET + 4 * RECORD_MAX;

/// Where the header copies are, in words.
const COPIES: [usize; 2] = [0, 128];
/// Words of a header copy; the last is its CRC.
const HEADER_WORDS: usize = 16;

/// How a boot ended, as far as it could say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Without a word: a reset, a watchdog, a power failure that the memory survived.
    #[default]
    Unknown,
    /// It was shut down or rebooted in order.
    Clean,
    /// It panicked.
    Panic,
}

impl Ending {
    fn code(self) -> u32 {
        match self {
            Self::Unknown => 1,
            Self::Clean => 2,
            Self::Panic => 3,
        }
    }

    fn from_code(code: u32) -> Self {
        match code {
            2 => Self::Clean,
            3 => Self::Panic,
            _ => Self::Unknown,
        }
    }
}

/// What a header copy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Version of the layout.
    pub version: u32,
    /// Bytes of records.
    pub data_size: u32,
    /// The boot whose records these are.
    pub boot_id: [u8; 16],
    /// How it ended.
    pub ending: Ending,
}

impl Info {
    fn words(&self, crc: Crc) -> [u32; HEADER_WORDS] {
        let mut words = [0; HEADER_WORDS];
        let values = [MAGIC, self.version, self.data_size, self.ending.code()];
        let id = self.boot_id.chunks_exact(4);
        let id = id.map(|bytes| field(bytes, 0).map_or(0, u32::from_ne_bytes));
        for (word, value) in words.iter_mut().zip(values.into_iter().chain(id)) {
            *word = value;
        }
        let sum = Self::sum(&words, crc);
        if let Some(last) = words.last_mut() {
            *last = sum;
        }
        words
    }

    /// The CRC of all words but the last.
    fn sum(words: &[u32; HEADER_WORDS], crc: Crc) -> u32 {
        let words = words.iter().take(HEADER_WORDS - 1);
        !words.fold(!0, |sum, word| crc(sum, &word.to_ne_bytes()))
    }

    /// The header copy at word `at` if it is intact.
    fn load(memory: &[Word], at: usize, crc: Crc) -> Option<Self> {
        let mut words = [0; HEADER_WORDS];
        for (to, from) in words.iter_mut().zip(memory.get(at..)?.get(..HEADER_WORDS)?) {
            *to = from.load();
        }
        if Self::sum(&words, crc) != *words.last()? {
            return None;
        }
        let [magic, version, data_size, ending, id @ ..] = words;
        if magic != MAGIC {
            return None;
        }
        let mut boot_id = [0; 16];
        for (to, word) in boot_id.chunks_exact_mut(4).zip(id) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        Some(Self {
            version,
            data_size,
            boot_id,
            ending: Ending::from_code(ending),
        })
    }
}

/// What salvaging has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// What the header said, if one copy was intact.
    pub info: Option<Info>,
    /// Header copies that were intact: 0 to 2.
    pub headers: u32,
    /// Records given to the sink.
    pub intact: u64,
    /// Sequence numbers that are missing between them.
    pub missing: u64,
    /// Stretches between intact records where there is none: each was one record or more.
    pub damaged: u64,
    /// Intact records that were not given to the sink, because their numbers did not fit in with the others.
    pub disordered: u64,
}

/// An intact record in the region.
#[derive(Clone, Copy)]
struct Found {
    at: usize,
    len: usize,
    seq: u64,
}

/// Gives every intact record to `sink`, in the order of their numbers.
///
/// Header copies are not needed for it; but if one is intact and of another version, nothing is taken. Whatever is in
/// `memory`, this ends and does not panic. `buffer` holds one record at a time.
pub fn salvage(
    memory: &[Word],
    crc: Crc,
    buffer: &mut [u8; RECORD_MAX],
    mut sink: impl FnMut(&Record<'_>),
) -> Salvaged {
    let mut result = Salvaged::default();
    for at in COPIES {
        if let Some(info) = Info::load(memory, at, crc) {
            result.headers += 1;
            result.info.get_or_insert(info);
        }
    }
    let data = memory.get(DATA_OFFSET / 4..).unwrap_or(&[]);
    // A multiple of 8 bytes.
    let data = data.get(..data.len() & !1).unwrap_or(&[]);
    if result.info.is_some_and(|info| info.version != VERSION) {
        return result;
    }

    // The newest record: what follows it is the oldest.
    let mut newest: Option<Found> = None;
    let mut at = 0;
    while let Some(found) = find(data, at, data.len() * 4, crc, buffer) {
        if newest.is_none_or(|newest| distance(found.seq, newest.seq) > 0) {
            newest = Some(found);
        }
        at = found.at + found.len;
    }
    let Some(newest) = newest else {
        return result;
    };

    let mut order = Order {
        waiting: [None; Order::DEPTH],
        last: None,
    };
    let mut emit = |found: Found, buffer: &mut [u8; RECORD_MAX], result: &mut Salvaged| {
        load(
            data,
            found.at,
            buffer.get_mut(..found.len).unwrap_or(&mut []),
        );
        if let Some(record) = Record::parse(buffer) {
            result.intact += 1;
            sink(&record);
        }
    };
    let first = newest.at + newest.len;
    // Where the last record ended; not known for what follows the newest, which is half overwritten.
    let mut end = None;
    for (from, to) in [(first, data.len() * 4), (0, first)] {
        let mut at = from;
        while let Some(found) = find(data, at, to, crc, buffer) {
            if end.is_some_and(|end| hole(data, end, found.at)) {
                result.damaged += 1;
            }
            at = found.at + found.len;
            end = Some(at);
            if let Some(found) = order.put(found, &mut result) {
                emit(found, buffer, &mut result);
            }
        }
        if to == data.len() * 4 && end.is_some_and(|end| hole(data, end, to)) {
            result.damaged += 1;
        }
        end = end.map(|_| 0);
    }
    while let Some(found) = order.take(&mut result) {
        emit(found, buffer, &mut result);
    }
    result
}

/// Whether there is something other than a filler between two records.
fn hole(data: &[Word], from: usize, to: usize) -> bool {
    let word = data.get(from / 4).map_or(0, Word::load);
    let shape = Shape::of(word);
    from < to
        && !(shape.state == FILLER && shape.fits(data.len() * 4 - from) && shape.len == to - from)
}

/// Puts records that are nearly in order in order: a writer that interrupts another may come first.
struct Order {
    waiting: [Option<Found>; Order::DEPTH],
    last: Option<u64>,
}

impl Order {
    const DEPTH: usize = 8;

    /// Adds a record, and returns the lowest one if there are enough.
    fn put(&mut self, found: Found, result: &mut Salvaged) -> Option<Found> {
        let full = self.waiting.iter().all(Option::is_some);
        let ready = if full { self.take(result) } else { None };
        if let Some(free) = self.waiting.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(found);
        }
        ready
    }

    /// Takes the record with the lowest number out.
    fn take(&mut self, result: &mut Salvaged) -> Option<Found> {
        loop {
            let slot = self
                .waiting
                .iter_mut()
                .filter(|slot| slot.is_some())
                .reduce(|a, b| match (&a, &b) {
                    (Some(x), Some(y)) if distance(y.seq, x.seq) < 0 => b,
                    _ => a,
                })?;
            let found = slot.take()?;
            let step = self.last.map_or(1, |last| distance(found.seq, last));
            if step <= 0 {
                result.disordered += 1;
                continue;
            }
            result.missing = result.missing.saturating_add(step as u64 - 1);
            self.last = Some(found.seq);
            return Some(found);
        }
    }
}

/// The first intact record at `from` or behind it that ends at `to` or before; it is in `buffer` then.
fn find(
    data: &[Word],
    from: usize,
    to: usize,
    crc: Crc,
    buffer: &mut [u8; RECORD_MAX],
) -> Option<Found> {
    let mut at = from;
    while at + RECORD_HEADER <= to {
        let shape = Shape::of(data.get(at / 4)?.load());
        if shape.state == WHOLE && shape.fits(to - at) {
            let bytes = buffer.get_mut(..shape.len)?;
            load(data, at, bytes);
            if let Some(record) = Record::parse(bytes) {
                if record.crc() == sum(crc, record.bytes()) {
                    return Some(Found {
                        at,
                        len: shape.len,
                        seq: record.seq,
                    });
                }
            }
        }
        at += 8;
    }
    None
}

/// The CRC of a record: of all its bytes but those of the CRC.
fn sum(crc: Crc, bytes: &[u8]) -> u32 {
    let head = crc(!0, bytes.get(..4).unwrap_or(&[]));
    !crc(head, bytes.get(8..).unwrap_or(&[]))
}

/// Loads bytes from byte `at` on, a multiple of 4, by words.
fn load(data: &[Word], at: usize, bytes: &mut [u8]) {
    let words = data.get(at / 4..).unwrap_or(&[]);
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.load().to_ne_bytes());
    }
}

/// The live side: appends this boot's records.
///
/// A writer may interrupt another one; each gets its own place.
pub struct Appender<'a> {
    memory: &'a [Word],
    data: &'a [Word],
    crc: Crc,
    info: Info,
    /// Bytes of data that were given out, less by whole rounds.
    next: Long,
}

impl<'a> Appender<'a> {
    /// Clears the region and makes it this boot's. `None` if it is shorter than [`REGION_MIN`].
    ///
    /// What is in it must have been salvaged before.
    pub fn format(memory: &'a [Word], boot_id: &[u8; 16], crc: Crc) -> Option<Self> {
        let data = memory.get(DATA_OFFSET / 4..)?;
        // A multiple of 8 bytes.
        let data = data.get(..data.len() & !1)?;
        if data.len() * 4 < REGION_MIN - DATA_OFFSET {
            return None;
        }
        for word in data {
            word.store(0);
        }
        let appender = Self {
            memory,
            data,
            crc,
            info: Info {
                version: VERSION,
                data_size: u32::try_from(data.len() * 4).ok()?,
                boot_id: *boot_id,
                ending: Ending::Unknown,
            },
            next: Long::new(0),
        };
        appender.set_ending(Ending::Unknown);
        Some(appender)
    }

    /// Notes how this boot ends, in one header copy after the other.
    pub fn set_ending(&self, ending: Ending) {
        let info = Info {
            ending,
            ..self.info
        };
        let words = info.words(self.crc);
        for at in COPIES {
            for (to, word) in self.memory.iter().skip(at).zip(words) {
                to.store(word);
            }
            fence_release();
        }
    }

    /// Appends a record with the number that it got in the ring. `false` if it is too long.
    pub fn append(&self, entry: &Entry<'_>, seq: u64) -> bool {
        let Some((len, padding)) = entry.measure() else {
            return false;
        };
        let at = self.reserve(len);
        let words = self.data.get(at / 4..).and_then(|w| w.get(..len / 4));
        let Some((header, body)) = words.and_then(|words| words.split_first_chunk()) else {
            return false;
        };
        let header: &[Word; RECORD_HEADER / 4] = header;
        let [first, crc, header @ ..] = header;
        // From here on there is no record at this place, until the first word is stored again.
        first.store(0);
        fence_release();

        let [len_state, _, values @ ..] = entry.words(len_state(WHOLE, len, padding), 0, seq);
        for (word, value) in header.iter().zip(values) {
            word.store(value);
        }
        store_body(body, entry);
        crc.store(self.sum(len_state, values, entry, padding));
        fence_release();
        first.store(len_state);
        true
    }

    /// The CRC of a record.
    #[inline]
    fn sum(&self, len_state: u32, values: [u32; 6], entry: &Entry<'_>, padding: usize) -> u32 {
        // In as few pieces as can be: a call costs more than the bytes.
        let mut header = [0; RECORD_HEADER - 4];
        let words = core::iter::once(len_state).chain(values);
        for (to, word) in header.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        let mut sum = (self.crc)(!0, &header);
        sum = (self.crc)(sum, entry.text);
        if !entry.dict.is_empty() {
            sum = (self.crc)(sum, entry.dict);
        }
        if padding != 0 {
            sum = (self.crc)(sum, [0; 8].get(..padding).unwrap_or(&[]));
        }
        !sum
    }

    /// Marks the end of the data, where no record fits in any more, once a round.
    fn fill(&self, from: usize, size: usize) {
        let mut places = self.data.iter().skip(from / 4).step_by(2);
        if let Some(first) = places.next() {
            first.store(len_state(FILLER, size - from, 0));
        }
        // There may be whole records of the round before the last, which would look as if all between were missing.
        for place in places {
            place.store(0);
        }
    }

    /// Gives out a place for `len` bytes.
    fn reserve(&self, len: usize) -> usize {
        let size = self.data.len() * 4;
        loop {
            let next = self.next.load();
            let from = usize::try_from(next).unwrap_or(0);
            let at = if len > size - from { 0 } else { from };
            if !self.next.swap_if(next, (at + len) as u64) {
                continue;
            }
            if at != from {
                self.fill(from, size);
            }
            return at;
        }
    }
}

/// Stores text, dictionary and padding by whole words.
fn store_body(words: &[Word], entry: &Entry<'_>) {
    let text = entry.text.chunks_exact(4);
    let tail = text.remainder();
    let mut words = words.iter();
    for (quad, word) in text.zip(words.by_ref()) {
        word.store(field(quad, 0).map_or(0, u32::from_ne_bytes));
    }
    // The text's last bytes share a word with the dictionary's first.
    let mut rest = tail.iter().chain(entry.dict).copied();
    for word in words {
        let mut bytes = [0; 4];
        for (to, from) in bytes.iter_mut().zip(rest.by_ref()) {
            *to = from;
        }
        word.store(u32::from_ne_bytes(bytes));
    }
}
