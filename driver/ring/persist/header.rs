// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The header of a block: 18 words, twice.
//!
//! | words  | contents |
//! |--------|----------------------------------------------------------------------------------|
//! | 0      | magic: "FNLB" in little-endian memory |
//! | 1      | version (byte 0), share (byte 1), ending (byte 2) |
//! | 2      | salt, random |
//! | 3      | serial: grows by one per block that the boot opens |
//! | 4-7    | boot_id |
//! | 8, 9   | clock: the base of the offsets of the boot's clock entries, in ns; 0: not known |
//! | 10, 11 | the printk number that follows after the driver was unbound; all ones: not known |
//! | 12, 13 | the number of the log's record that follows after that; all ones: not known |
//! | 14     | generation: one more than that of any boot that was in the region and is believed |
//! | 15     | number of records that the share kept before this block |
//! | 16     | minimum number of records in the block when the header was written |
//! | 17     | sum of words 0 to 16 |
//!
//! 64-bit values have their low word first. In every later version, too, word 0 is the magic and
//! byte 0 of word 1 is the version.

use super::super::atomic::{fence_release, Word};
use super::super::record::field;
use super::{Ending, Sum, BLOCK_WORDS};

/// First word of each copy.
pub const MAGIC: u32 = 0x424c_4e46;
/// First word of a region of version 1: "FNLP" in little-endian memory.
const MAGIC_1: u32 = 0x504c_4e46;
/// Version of the layout.
pub const VERSION: u32 = 3;

/// Words of a copy.
pub(super) const WORDS: usize = 18;
/// The offsets of the copies in a block, in words.
pub(super) const COPIES: [usize; 2] = [0, WORDS];

/// The state of the boot in a header. The newest header of the boot is the valid one.
#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) ending: Ending,
    pub(super) clock: u64,
    pub(super) next_message: u64,
    pub(super) next_seq: u64,
}

/// The contents of a header.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) share: u8,
    pub(super) salt: u32,
    pub(super) serial: u32,
    pub(super) boot_id: [u32; 4],
    pub(super) state: State,
    pub(super) generation: u32,
    pub(super) first: u32,
    pub(super) count: u32,
}

/// What was found in the place of a header.
pub(super) enum Found {
    Header(Header),
    OtherVersion,
    Nothing,
}

impl Header {
    fn words(&self) -> [u32; WORDS] {
        let state = &self.state;
        let kind = VERSION | (u32::from(self.share) << 8) | (state.ending.code() << 16);
        let [id_0, id_1, id_2, id_3] = self.boot_id;
        let [clock_low, clock_high] = split(state.clock);
        let [message_low, message_high] = split(state.next_message);
        let [seq_low, seq_high] = split(state.next_seq);
        let mut words = [
            MAGIC,
            kind,
            self.salt,
            self.serial,
            id_0,
            id_1,
            id_2,
            id_3,
            clock_low,
            clock_high,
            message_low,
            message_high,
            seq_low,
            seq_high,
            self.generation,
            self.first,
            self.count,
            0,
        ];
        let sum = sum(&words);
        if let Some(last) = words.last_mut() {
            *last = sum;
        }
        words
    }

    /// Stores both copies at the start of `block`, one after the other, so that one of them is
    /// always valid.
    pub(super) fn store(&self, block: &[Word]) {
        let words = self.words();
        for at in COPIES {
            // An array, so that there is no bounds check per word.
            let copy: Option<&[Word; WORDS]> = block.get(at..).and_then(<[_]>::first_chunk);
            for (to, word) in copy.into_iter().flatten().zip(&words) {
                to.store(*word);
            }
            fence_release();
        }
    }

    /// Finds the header of the block at the beginning of `copy`.
    pub(super) fn find(copy: &[u32]) -> Found {
        // Version 1 had one header per region.
        if copy.get(..2) == Some(&[MAGIC_1, 1]) {
            return Found::OtherVersion;
        }
        let mut versions = [0; 2];
        for (at, version) in COPIES.into_iter().zip(&mut versions) {
            let Some(words) = copy.get(at..).and_then(|copy| copy.first_chunk()) else {
                return Found::Nothing;
            };
            let words: &[u32; WORDS] = words;
            let [magic, kind, ..] = *words;
            if magic != MAGIC {
                continue;
            }
            *version = kind & 0xff;
            if let Some(header) = Self::parse(words) {
                return Found::Header(header);
            }
        }
        // A single bit error is not another version.
        match versions {
            [first, second] if first == second && first != VERSION && first != 0 => {
                Found::OtherVersion
            }
            _ => Found::Nothing,
        }
    }

    fn parse(words: &[u32; WORDS]) -> Option<Self> {
        let [_, kind, salt, serial, id_0, id_1, id_2, id_3, rest @ ..] = *words;
        let [clock_0, clock_1, message_0, message_1, seq_0, seq_1, rest @ ..] = rest;
        let [generation, first, count, check] = rest;
        let share = (kind >> 8) as u8;
        if kind & 0xff != VERSION || share > 1 || sum(words) != check {
            return None;
        }
        Some(Self {
            share,
            salt,
            serial,
            boot_id: [id_0, id_1, id_2, id_3],
            state: State {
                ending: Ending::from_code((kind >> 16) & 0xff),
                clock: join(clock_0, clock_1),
                next_message: join(message_0, message_1),
                next_seq: join(seq_0, seq_1),
            },
            generation,
            first,
            count,
        })
    }
}

/// Makes both copies of the header of `block` invalid.
///
/// Clears the sums as well, because the next header is stored word by word: its magic alone must
/// not make this one valid again.
pub(super) fn void(block: &[Word]) {
    for at in COPIES {
        for word in [at, at + WORDS - 1] {
            if let Some(word) = block.get(word) {
                word.store(0);
            }
        }
    }
}

/// The words of block `page`; empty if there is no such block.
pub(super) fn block_of<T>(region: &[T], page: usize) -> &[T] {
    let words = page.checked_mul(BLOCK_WORDS);
    let block = words.and_then(|at| region.get(at..)?.get(..BLOCK_WORDS));
    block.unwrap_or(&[])
}

/// A boot_id as words.
pub(super) fn id_words(boot_id: &[u8; 16]) -> [u32; 4] {
    [0, 4, 8, 12].map(|at| field(boot_id, at).map_or(0, u32::from_ne_bytes))
}

/// A boot_id as bytes.
pub(super) fn id_bytes(words: &[u32; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// The sum of all words but the last.
fn sum(words: &[u32; WORDS]) -> u32 {
    let words = words.iter().take(WORDS - 1);
    words.fold(Sum::HEADER, |sum, word| sum.add(*word)).0
}

/// The low and the high word of a number.
pub(super) fn split(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// The number of a low and a high word.
pub(super) fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << 32)
}
