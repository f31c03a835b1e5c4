// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The copy of the log that survives a warm reboot, in memory that is not cached and may lose bits.
//!
//! The region consists of blocks of 4 KiB. A block belongs to one boot and to one [`Share`] of its
//! log. It is filled from its start to its end before the next block is used, which may be anywhere
//! in the region. An unused block holds any data. Blocks are never zeroed.
//!
//! ```text
//! byte 0    first copy of the block's header (72 bytes)
//! byte 72   second copy
//! byte 144  records in the ring's format, in sequence; one that does not fit closes the block
//! ```
//!
//! Between the records there are clock entries with the offset from the clock of the records to the
//! wall clock: one at the start of the block, and one after each change. They are 24 bytes long,
//! shorter than any record:
//!
//! | words | contents |
//! |-------|-----------------------------------------------------------------------------------|
//! | 0     | 0x96000018 |
//! | 1     | sum, computed like that of a record |
//! | 2, 3  | the time from which on it applies |
//! | 4, 5  | the offset to the wall clock in ns, minus the `clock` of the boot's newest header |
//!
//! A header names the boot, the share, a `serial` that grows by one per block, a random `salt`, and
//! the number of records that the share kept before this block. The headers of the open blocks also
//! hold how the boot ended. See `header.rs`.
//!
//! # What makes a record valid
//!
//! Word 1 of a record is a sum over its other words, seeded by the salt and the serial of its
//! block: see `Sum`. It follows that
//!
//! - a record that is half written, or that has lost some stores, is invalid, in whatever order the
//!   stores arrived; so appending needs neither a barrier nor a mark for an incomplete record;
//! - records of an earlier use of the block are invalid;
//! - a text cannot contain a valid record, because its writer does not know the salt.
//!
//! # What makes a header valid
//!
//! Its magic, its version and its sum, at the start of a block. Records are never stored in the
//! place of a header, so a text cannot be mistaken for a header, whatever its sum. The size of
//! blocks is the same in all regions, so this is also true if the region was moved by a multiple of
//! 4 KiB, or was resized.
//!
//! # Which block is used next
//!
//! See `retention.rs`.

#![forbid(unsafe_code)]

mod appender;
mod header;
mod retention;
mod scan;
mod walk;

use super::record::{len_state, RECORD_HEADER, RECORD_MAX};
use header::split;

pub use appender::Appender;
pub use header::{MAGIC, VERSION};
pub use scan::{Block, Boot, Continued, Scan};

/// Bytes of a block.
pub const BLOCK: usize = 4096;
/// Bytes of the smallest region.
pub const REGION_MIN: usize = 3 * BLOCK;
/// The maximum number of earlier boots that a [`Scan`] lists.
pub const BOOTS_MAX: usize = 15;
/// In place of an earlier boot's index: this boot, before the driver was bound again.
pub const THIS_BOOT: usize = BOOTS_MAX;

/// Words of a block.
const BLOCK_WORDS: usize = BLOCK / 4;
/// Words of a block before its first record: the header.
const DATA_WORDS: usize = 2 * header::WORDS;

const _: () = assert!(CLOCK_WORDS % 2 == 0 && CLOCK_WORDS * 4 < RECORD_HEADER);
const _: () = assert!(DATA_WORDS % 2 == 0 && RECORD_MAX <= BLOCK - DATA_WORDS * 4);

/// State of a clock entry, in the place of a record's `WHOLE`.
const CLOCK: u8 = 0x96;
/// Words of a clock entry.
const CLOCK_WORDS: usize = 6;

/// The words of a clock entry, but for the sum.
fn clock_words(ns: u64, offset: u64) -> [u32; CLOCK_WORDS] {
    let [ns_low, ns_high] = split(ns);
    let [offset_low, offset_high] = split(offset);
    let first = len_state(CLOCK, CLOCK_WORDS * 4, 0);
    [first, 0, ns_low, ns_high, offset_low, offset_high]
}

/// Blocks of a region of `bytes` bytes.
pub const fn blocks(bytes: usize) -> usize {
    bytes / BLOCK
}

/// Whether a block holds records of the kernel or of programs. The shares do not displace each
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Records of the kernel.
    Kernel = 0,
    /// Records of programs, which have at most a quarter of the region.
    Programs = 1,
}

/// How a boot ended, as far as it could record it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Not recorded: a reset, a watchdog, or a power loss that the memory survived.
    #[default]
    Reset,
    /// An orderly shutdown or reboot, or the driver was unbound.
    Clean,
    /// The kernel panicked.
    Panic,
}

impl Ending {
    fn code(self) -> u32 {
        match self {
            Self::Reset => 1,
            Self::Clean => 2,
            Self::Panic => 3,
        }
    }

    fn from_code(code: u32) -> Self {
        match code {
            2 => Self::Clean,
            3 => Self::Panic,
            _ => Self::Reset,
        }
    }
}

/// The sum that validates headers and records.
///
/// Each step is a bijection both of the state and of the word. So any change within a single word,
/// or of the seed, is always detected. A change of several words is missed with a probability of
/// 2^-32. Unlike a CRC, it does not guarantee to detect up to three changed bits in several words;
/// but a step costs three instructions only.
#[derive(Clone, Copy)]
struct Sum(u32);

impl Sum {
    /// The initial value of a header's sum.
    const HEADER: Self = Self(0x4642_4c4b);

    /// The initial value of the sums of the records in a block.
    fn of_block(salt: u32, serial: u32) -> Self {
        Self(0x9e37_79b9).add(salt).add(serial)
    }

    /// Adds a word.
    #[inline(always)]
    fn add(self, word: u32) -> Self {
        #[cfg(test)]
        SUMS.set(SUMS.get() + 1);
        let product = (self.0 ^ word).wrapping_mul(0x85eb_ca6b);
        Self(product ^ (product >> 15))
    }

    /// Adds the words of a record except the second one, which is the sum.
    fn of_record(self, words: &[u32]) -> Self {
        match words {
            [first, _, rest @ ..] => rest
                .iter()
                .fold(self.add(*first), |sum, &word| sum.add(word)),
            _ => self,
        }
    }
}

#[cfg(test)]
std::thread_local! {
    /// Words that were added to sums.
    static SUMS: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// Counts the words that `run` adds to sums.
#[cfg(test)]
pub fn sums(run: impl FnOnce()) -> u64 {
    let before = SUMS.get();
    run();
    SUMS.get() - before
}
