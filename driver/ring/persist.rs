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
use super::record::{field, len_state, Entry, FILLER, RECORD_HEADER, RECORD_MAX, WHOLE};
pub use super::salvage::{marks, salvage, Salvaged};

/// First word of each header copy: "FNLP" in little-endian memory.
pub const MAGIC: u32 = 0x504c_4e46;
/// Version of the layout.
pub const VERSION: u32 = 1;
/// Bytes before the records.
pub const DATA_OFFSET: usize = 1024;
/// The smallest region.
pub const REGION_MIN: usize = DATA_OFFSET + 4 * RECORD_MAX;

/// Where the header copies are, in words.
pub(super) const COPIES: [usize; 2] = [0, 128];
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
    pub(super) fn load(memory: &[Word], at: usize, crc: Crc) -> Option<Self> {
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
