// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Finds the records in the blocks of one boot.

use super::super::record::{Shape, RECORD_HEADER, WHOLE};
use super::header::{block_of, join};
use super::{clock_words, Block, Sum, BLOCK_WORDS, CLOCK_WORDS, DATA_WORDS};

/// Words of a record's header.
const HEADER: usize = RECORD_HEADER / 4;
/// How many words of a block may be summed in vain, for data that only looks like a record. What an
/// earlier use of the block has left costs less than a block; memory full of starts of records
/// would cost 128 blocks.
const SUM_MAX: usize = 3 * BLOCK_WORDS;

/// A valid record.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Its first word in the copy of the region.
    pub(super) at: usize,
    /// Its length in words.
    pub(super) len: usize,
    pub(super) seq: u64,
}

/// An item of a block.
enum Found {
    /// A valid record: its length in words, and its number.
    Record(usize, u64),
    /// A clock entry: its time and its offset.
    Clock(u64, i64),
}

/// Where the last block of a walk ends.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    pub(super) block: Block,
    /// The word of the block after its last record; the end of the block if that is uncertain.
    pub(super) end: usize,
    /// How many records the share kept up to here.
    pub(super) kept: u32,
    /// The last clock entry.
    pub(super) clock: Option<(u64, i64)>,
}

/// A walk over the blocks of one boot and share, in the order of their serials.
pub(super) struct Walk<'a> {
    copy: &'a [u32],
    /// The current block, and those that follow.
    blocks: &'a [Block],
    /// The next word of the block to check.
    at: usize,
    /// The end of the last valid record of the block.
    end: usize,
    /// Valid records of the block so far.
    found: u32,
    /// Gaps between them without a valid record.
    holes: u32,
    /// The last clock entry so far.
    clock: Option<(u64, i64)>,
    /// The rest of [`SUM_MAX`].
    budget: usize,
    /// Called after each block.
    pause: fn(),
    /// Records that are proven to be missing.
    pub(super) missing: u32,
    /// Places where records are missing.
    pub(super) damaged: u32,
    /// Known at the end of the walk.
    pub(super) tail: Option<Tail>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(copy: &'a [u32], blocks: &'a [Block], pause: fn()) -> Self {
        Self {
            copy,
            blocks,
            at: DATA_WORDS,
            end: DATA_WORDS,
            found: 0,
            holes: 0,
            clock: None,
            budget: SUM_MAX,
            pause,
            missing: 0,
            damaged: 0,
            tail: None,
        }
    }

    /// Finds the next valid record. Passes the clock entries before it to `clock`.
    pub(super) fn next(&mut self, clock: &mut impl FnMut(u64, i64)) -> Option<Place> {
        loop {
            let (block, rest) = self.blocks.split_first()?;
            let words = block_of(self.copy, block.page as usize);
            let seed = Sum::of_block(block.salt, block.serial);
            while let Some(here) = words.get(self.at..).filter(|here| here.len() >= HEADER) {
                let Some(found) = self.check(here, seed) else {
                    self.at += 2;
                    continue;
                };
                // A clock entry is shorter than any record.
                if !matches!(self.at - self.end, 0 | CLOCK_WORDS) {
                    self.holes += 1;
                }
                let at = block.page as usize * BLOCK_WORDS + self.at;
                match found {
                    Found::Record(len, seq) => {
                        self.found += 1;
                        self.at += len;
                        self.end = self.at;
                        return Some(Place { at, len, seq });
                    }
                    Found::Clock(ns, offset) => {
                        self.at += CLOCK_WORDS;
                        self.end = self.at;
                        self.clock = Some((ns, offset));
                        clock(ns, offset);
                    }
                }
            }
            self.close(block, rest.first());
            self.blocks = rest;
            (self.pause)();
        }
    }

    /// Checks for a valid item at the start of `here`.
    fn check(&mut self, here: &[u32], seed: Sum) -> Option<Found> {
        let [first, check, seq_0, seq_1, word_4, word_5, _, lens, ..] = *here else {
            return None;
        };
        if first == clock_words(0, 0)[0] {
            self.sum(here.get(..CLOCK_WORDS)?, seed, check)?;
            // The same bits.
            let offset = join(word_4, word_5) as i64;
            return Some(Found::Clock(join(seq_0, seq_1), offset));
        }
        let shape = Shape::of(first);
        if shape.state != WHOLE || !shape.fits(here.len() * 4) {
            return None;
        }
        let [text_0, text_1, ..] = lens.to_ne_bytes();
        let text = usize::from(u16::from_ne_bytes([text_0, text_1]));
        if RECORD_HEADER + text + (first & 7) as usize > shape.len {
            return None;
        }
        let words = here.get(..shape.len / 4)?;
        self.sum(words, seed, check)?;
        let seq = if cfg!(target_endian = "little") {
            join(seq_0, seq_1)
        } else {
            join(seq_1, seq_0)
        };
        Some(Found::Record(words.len(), seq))
    }

    /// Whether `check` is the sum of `words`.
    fn sum(&mut self, words: &[u32], seed: Sum, check: u32) -> Option<()> {
        if words.len() > self.budget {
            // Skip the rest of the block.
            self.budget = 0;
            return None;
        }
        if seed.of_record(words).0 != check {
            self.budget -= words.len();
            return None;
        }
        Some(())
    }

    /// Counts what is missing in `block`, and in lost blocks between it and the `next` one.
    fn close(&mut self, block: &Block, next: Option<&Block>) {
        // More records do not fit.
        let room = ((BLOCK_WORDS - DATA_WORDS) / HEADER) as u32;
        let kept = match next {
            Some(next) => {
                let blocks = next.serial.saturating_sub(block.serial);
                let kept = next.first.saturating_sub(block.first);
                kept.min(room.saturating_mul(blocks))
            }
            // Data after the last record may be from an earlier use of the block.
            None => block.count.min(room).max(self.found + self.holes),
        };
        let missing = kept.saturating_sub(self.found);
        self.missing = self.missing.saturating_add(missing);
        self.damaged = self.damaged.saturating_add(if missing != 0 {
            self.holes.max(1)
        } else {
            self.holes
        });
        if next.is_none() {
            self.tail = Some(Tail {
                block: *block,
                end: if self.budget == 0 {
                    BLOCK_WORDS
                } else {
                    self.end
                },
                kept: block.first.saturating_add(kept),
                clock: self.clock,
            });
        }
        self.at = DATA_WORDS;
        self.end = DATA_WORDS;
        self.found = 0;
        self.holes = 0;
        self.budget = SUM_MAX;
    }
}

/// The records of both shares of a boot, in the order of their numbers.
pub(super) struct Merge<'a> {
    walks: [Walk<'a>; 2],
    heads: [Option<Place>; 2],
    /// The lowest number that may follow.
    next: u64,
    /// Valid records that were left out, because an earlier record had the same number or a higher
    /// one.
    disordered: u32,
}

impl<'a> Merge<'a> {
    /// Passes clock entries to `clock`, as [`Merge::next`] does.
    pub(super) fn new(mut walks: [Walk<'a>; 2], clock: &mut impl FnMut(u64, i64)) -> Self {
        let [kernel, programs] = &mut walks;
        let heads = [kernel.next(clock), programs.next(clock)];
        Self {
            walks,
            heads,
            next: 0,
            disordered: 0,
        }
    }

    /// The next record. Passes clock entries to `clock`, in the order of each share.
    pub(super) fn next(&mut self, clock: &mut impl FnMut(u64, i64)) -> Option<Place> {
        loop {
            let [kernel, programs] = &mut self.walks;
            let [first, second] = &mut self.heads;
            let (head, walk) = match (*first, *second) {
                (Some(a), Some(b)) if b.seq < a.seq => (second, programs),
                (Some(_), _) => (first, kernel),
                _ => (second, programs),
            };
            let place = (*head)?;
            *head = walk.next(clock);
            // The highest number is never assigned, since no number could follow it.
            if place.seq >= self.next && place.seq != u64::MAX {
                self.next = place.seq + 1;
                return Some(place);
            }
            self.disordered = self.disordered.saturating_add(1);
        }
    }

    /// What is missing, how many places are damaged, and the ends of both shares. Known at the end.
    pub(super) fn result(&self) -> (u32, u32, [Option<Tail>; 2]) {
        let [kernel, programs] = &self.walks;
        let damaged = kernel.damaged.saturating_add(programs.damaged);
        (
            kernel.missing.saturating_add(programs.missing),
            damaged.saturating_add(self.disordered),
            [kernel.tail, programs.tail],
        )
    }

    /// One more than the highest number so far.
    pub(super) fn next_seq(&self) -> u64 {
        self.next
    }
}
