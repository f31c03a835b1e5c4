// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The copy of the log that outlives a warm reboot, in memory that is not cached and may lose
//! bits.
//!
//! The region consists of blocks of 4 KiB. A block belongs to one boot and to one [`Share`] of its
//! log. It is written from its beginning to its end, and only then does the next block follow,
//! which may be anywhere. A block that is not in use holds whatever was there. Nothing is ever
//! zeroed.
//!
//! ```text
//! byte 0    first copy of the block's header (72 bytes)
//! byte 72   second copy
//! byte 144  records in the ring's format, in sequence; one that does not fit closes the block
//! ```
//!
//! Between the records there are clock entries, which say how far the wall clock is from the clock
//! of the records: one at the beginning of the block, and one whenever that has changed. They are
//! 24 bytes long, as no record is:
//!
//! | words | contents |
//! |-------|-----------------------------------------------------------------------------------|
//! | 0     | 0x96000018 |
//! | 1     | sum, as that of a record |
//! | 2, 3  | the time from which on it holds |
//! | 4, 5  | the offset to the wall clock in ns, less the `clock` of the boot's newest header |
//!
//! A header names the boot, the share, a `serial` that grows by one per block, a random `salt`, and
//! the number of records that the share kept before this block. The headers of the blocks that are
//! open also hold how the boot ended. See `header.rs`.
//!
//! # What makes a record valid
//!
//! Word 1 of a record is a sum over its other words, seeded by the salt and the serial of its
//! block: see `Sum`. It follows that
//!
//! - a record that is half written, or of which some stores were lost, is not valid, in whatever
//!   order they arrived; so appending needs neither a barrier nor an invalid mark;
//! - what an earlier use of the block left is not valid;
//! - a text cannot contain a valid record, because the salt is not known to its writer.
//!
//! # What makes a header valid
//!
//! Its magic, its version and its sum, at the beginning of a block. No byte of a record is ever
//! stored where a header is looked for, so no text can pass for a header, whatever the sum. All
//! blocks of all regions have the same size; therefore this holds as well when the region was moved
//! by a multiple of 4 KiB, or became larger or smaller.
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
/// Earlier boots that a [`Scan`] lists.
pub const BOOTS_MAX: usize = 15;
/// In place of an earlier boot's index: this boot, as it was before the driver was bound again.
pub const THIS_BOOT: usize = BOOTS_MAX;

/// Words of a block.
const BLOCK_WORDS: usize = BLOCK / 4;
/// Words of a block before its first record.
const DATA_WORDS: usize = 2 * header::WORDS;

const _: () = assert!(CLOCK_WORDS % 2 == 0 && CLOCK_WORDS * 4 < RECORD_HEADER);
const _: () = assert!(DATA_WORDS % 2 == 0 && RECORD_MAX <= BLOCK - DATA_WORDS * 4);

/// State of a clock entry, where a record has `WHOLE`.
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

/// Whose records a block holds. The shares do not displace each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The kernel's.
    Kernel = 0,
    /// The programs', which have at most a quarter of the region.
    Programs = 1,
}

/// How a boot ended, as far as it could note it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Not noted: a reset, a watchdog, a power failure that the memory survived.
    #[default]
    Unknown,
    /// The system was shut down or rebooted in order, or the driver was unbound.
    Clean,
    /// The kernel panicked.
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

/// The sum that validates headers and records.
///
/// Each step is a bijection both of the state and of the word. So any change within a single word
/// is always found, and so is a changed seed. A change of several words is missed once in 2^32
/// times. There is no guarantee for changes that are spread over several words, as a CRC has it for
/// up to three bits; a step costs three instructions.
#[derive(Clone, Copy)]
struct Sum(u32);

impl Sum {
    /// The start of a header's sum.
    const HEADER: Self = Self(0x4642_4c4b);

    /// The start of the sums of the records in a block.
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

    /// Adds the words of a record, but for the second one, which is their sum.
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
