// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The writing side: stores this boot's records.

use super::super::atomic::{fence_release, Word};
use super::super::clock::Wide;
use super::super::record::{Shape, RECORD_HEADER, RECORD_MAX, WHOLE};
use super::header::{block_of, id_words, void, Header, State};
use super::retention::Lists;
use super::scan::{Block, Scan};
use super::{
    clock_words, Ending, Share, Sum, BLOCK, BLOCK_WORDS, CLOCK_WORDS, DATA_WORDS, REGION_MIN,
};

/// The open block of a share.
struct Open {
    /// The index in the region of the word for the next record, or of the end of the block when it
    /// is full. 0 if no block is open or while it changes: then only `resume` and `kept` are valid.
    at: Word,
    /// The initial value of the sums of the block's records.
    seed: Word,
    salt: Word,
    serial: Word,
    first: Word,
    /// Used instead of `at` until the first write after the driver was bound.
    resume: Word,
    /// Records that this share has kept in this boot.
    kept: Word,
    /// The newest clock entry of the block.
    clock: Entry,
}

/// A clock entry: its time, and its offset minus the `clock` of the header.
struct Entry {
    ns: Wide,
    offset: Wide,
}

impl Entry {
    const NONE: (u64, u64) = (u64::MAX, 0);

    fn new((ns, offset): (u64, u64)) -> Self {
        Self {
            ns: Wide::new(ns),
            offset: Wide::new(offset),
        }
    }

    fn load(&self) -> (u64, u64) {
        (self.ns.load(), self.offset.load())
    }

    fn store(&self, (ns, offset): (u64, u64)) {
        self.ns.store(ns);
        self.offset.store(offset);
    }
}

impl Open {
    fn new() -> Self {
        Self {
            at: Word::new(0),
            seed: Word::new(0),
            salt: Word::new(0),
            serial: Word::new(0),
            first: Word::new(0),
            resume: Word::new(0),
            kept: Word::new(0),
            clock: Entry::new(Entry::NONE),
        }
    }

    /// The number of the open block.
    fn page(&self) -> Option<u32> {
        let last = self.at.load().checked_sub(1)?;
        Some(last / BLOCK_WORDS as u32)
    }
}

/// Stores this boot's records in the region.
///
/// All calls are made by one writer at a time, under a lock. In a panic, one final writer may call
/// without the lock after the owner of the lock was stopped at any point. For that reason, space in
/// a block and a serial are marked as used before they are written.
pub struct Appender<'a> {
    memory: &'a [Word],
    boot_id: [u32; 4],
    salt: u32,
    generation: Word,
    serial: Word,
    open: [Open; 2],
    lists: Lists<'a>,
    ending: Word,
    clock: Wide,
    entry: Entry,
    next_message: Wide,
    next_seq: Wide,
}

impl<'a> Appender<'a> {
    /// Creates an appender for `memory`. It keeps no record before [`Appender::adopt`].
    ///
    /// Nothing is written to `memory` before the first record. `links` has
    /// [`blocks`](super::blocks) words with any contents. `salt` is random. Returns `None` if the
    /// region is smaller than [`REGION_MIN`], or `links` is shorter than that.
    ///
    /// In two steps, so that its about 600 bytes are initialised in place.
    #[inline(always)]
    pub fn new(
        memory: &'a [Word],
        links: &'a [Word],
        boot_id: &[u8; 16],
        salt: u32,
    ) -> Option<Self> {
        let blocks = (memory.len() / BLOCK_WORDS).min(links.len());
        // Positions are word indexes of 32 bits.
        let blocks = blocks.min(u32::MAX as usize / BLOCK_WORDS);
        if blocks < REGION_MIN / BLOCK {
            return None;
        }
        Some(Self {
            memory: memory.get(..blocks * BLOCK_WORDS)?,
            boot_id: id_words(boot_id),
            salt,
            generation: Word::new(0),
            serial: Word::new(0),
            open: [Open::new(), Open::new()],
            lists: Lists::new(links.get(..blocks)?),
            ending: Word::new(Ending::Reset.code()),
            clock: Wide::new(0),
            entry: Entry::new((0, 0)),
            next_message: Wide::new(u64::MAX),
            next_seq: Wide::new(u64::MAX),
        })
    }

    /// Adopts the contents of the region; `scan` and `table` describe a copy of it. To be called
    /// once.
    pub fn adopt(&self, scan: &Scan, table: &[Block]) {
        let blocks = self.memory.len() / BLOCK_WORDS;
        self.generation.store(scan.generation);
        self.serial.store(scan.serial);
        self.lists.fill(scan, table);
        for (open, tail) in self.open.iter().zip(&scan.tails) {
            if let Some(tail) = tail.filter(|tail| (tail.block.page as usize) < blocks) {
                let block = &tail.block;
                open.seed.store(Sum::of_block(block.salt, block.serial).0);
                open.salt.store(block.salt);
                open.serial.store(block.serial);
                open.first.store(block.first);
                open.kept.store(tail.kept);
                if let Some((ns, offset)) = tail.clock {
                    // The same bits.
                    let entry = (ns, offset as u64);
                    open.clock.store(entry);
                    if ns >= self.entry.load().0 {
                        self.entry.store(entry);
                    }
                }
                let at = block.page as usize * BLOCK_WORDS + tail.end;
                open.resume.store(at as u32);
            }
        }
        if let Some(continued) = scan.continued() {
            // The same bits.
            self.clock.store(continued.boot.clock as u64);
        }
    }

    /// Stores the record `words` of the ring. Returns whether it was kept.
    #[inline(always)]
    pub fn append(&self, share: Share, words: &[Word]) -> bool {
        let [kernel, programs] = &self.open;
        let open = match share {
            Share::Kernel => kernel,
            Share::Programs => programs,
        };
        let len = words.len() as u32;
        let mut at = open.at.load();
        // The words up to the end of the block: none if the block is full, or if no block is open.
        if at.wrapping_neg() % (BLOCK_WORDS as u32) < len {
            match self.change(share, open, words) {
                Some(place) => at = place,
                None => return false,
            }
        }
        self.put(open, at, words)
    }

    /// Stores a record at word `at`.
    #[inline(always)]
    fn put(&self, open: &Open, at: u32, words: &[Word]) -> bool {
        let place = self.memory.get(at as usize..);
        let place = place.and_then(|place| place.get(..words.len()));
        let Some(([to_first, to_check, to @ ..], [first, _, from @ ..])) =
            place.map(|p| (p, words))
        else {
            return false;
        };
        // A writer that interrupts this one continues after this record.
        open.at.store(at.wrapping_add(words.len() as u32));
        open.kept.store(open.kept.load().wrapping_add(1));

        let first = first.load();
        let mut sum = Sum(open.seed.load()).add(first);
        // Four words per iteration, because the compiler does not unroll the loop. Records have an
        // even number of words.
        let (to, from) = (to.chunks_exact(4), from.chunks_exact(4));
        let rest = (to.remainder(), from.remainder());
        for (to, from) in to.zip(from) {
            if let ([to_a, to_b, to_c, to_d], [a, b, c, d]) = (to, from) {
                let (a, b, c, d) = (a.load(), b.load(), c.load(), d.load());
                to_a.store(a);
                to_b.store(b);
                to_c.store(c);
                to_d.store(d);
                sum = sum.add(a).add(b).add(c).add(d);
            }
        }
        if let ([to_a, to_b], [a, b]) = rest {
            let (a, b) = (a.load(), b.load());
            to_a.store(a);
            to_b.store(b);
            sum = sum.add(a).add(b);
        }
        to_check.store(sum.0);
        to_first.store(first);
        true
    }

    /// Finds space for a record that does not fit into the open block.
    #[cold]
    #[inline(never)]
    fn change(&self, share: Share, open: &Open, words: &[Word]) -> Option<u32> {
        let len = words.len();
        let (first, _) = words.split_first()?;
        let shape = Shape::of(first.load());
        if shape.state != WHOLE
            || shape.len != len * 4
            || !(RECORD_HEADER..=RECORD_MAX).contains(&shape.len)
        {
            return None;
        }
        if self.resume() {
            self.store_headers();
        }
        let at = open.at.load();
        if at.wrapping_neg() as usize % BLOCK_WORDS >= len {
            return Some(at);
        }
        // First, so that a final writer uses neither the same serial nor a block that is half
        // changed.
        open.at.store(0);
        let serial = self.serial.load();
        self.serial.store(serial.wrapping_add(1));
        fence_release();
        let page = self.lists.take(share)?;
        for other in &self.open {
            if other.page() == Some(page) {
                other.at.store(0);
            }
        }
        open.seed.store(Sum::of_block(self.salt, serial).0);
        open.salt.store(self.salt);
        open.serial.store(serial);
        open.first.store(open.kept.load());
        self.store_header(share as usize, open, page);
        open.at
            .store((page as usize * BLOCK_WORDS + DATA_WORDS) as u32);
        // The earlier blocks may be reused, and their clock entries lost.
        self.put_clock(open);
        Some(open.at.load())
    }

    /// Stores the newest clock entry in an open block, unless the block has it.
    fn update_clock(&self, open: &Open) {
        if open.clock.load() != self.entry.load() {
            self.put_clock(open);
        }
    }

    /// Stores the newest clock entry after the records of an open block, if it fits. If it does
    /// not, no record fits either, and the next block begins with the entry.
    fn put_clock(&self, open: &Open) {
        let at = open.at.load();
        let entry = self.entry.load();
        let words = clock_words(entry.0, entry.1);
        let place = self.memory.get(at as usize..);
        let place: Option<&[Word; CLOCK_WORDS]> = place.and_then(<[_]>::first_chunk);
        let (Some(place), true) = (place, is_room(at, RECORD_HEADER / 4)) else {
            return;
        };
        open.clock.store(entry);
        // As in `put`.
        open.at.store(at.wrapping_add(CLOCK_WORDS as u32));
        let sum = Sum(open.seed.load()).of_record(&words);
        for (index, (to, word)) in place.iter().zip(words).enumerate().rev() {
            to.store(if index == 1 { sum.0 } else { word });
        }
    }

    /// Continues in the blocks that were open before the driver was bound again. Returns whether
    /// there are any.
    fn resume(&self) -> bool {
        let mut any = false;
        for open in &self.open {
            let at = open.resume.load();
            if at != 0 {
                open.resume.store(0);
                open.at.store(at);
                self.update_clock(open);
                any = true;
            }
        }
        any
    }

    fn store_header(&self, share: usize, open: &Open, page: u32) {
        let first = open.first.load();
        let header = Header {
            share: share as u8,
            salt: open.salt.load(),
            serial: open.serial.load(),
            boot_id: self.boot_id,
            state: State {
                ending: Ending::from_code(self.ending.load()),
                clock: self.clock.load(),
                next_message: self.next_message.load(),
                next_seq: self.next_seq.load(),
            },
            generation: self.generation.load(),
            first,
            count: open.kept.load().wrapping_sub(first),
        };
        header.store(block_of(self.memory, page as usize));
    }

    /// Stores the headers of the open blocks again.
    fn store_headers(&self) {
        for (share, open) in self.open.iter().enumerate() {
            if let Some(page) = open.page() {
                self.store_header(share, open, page);
            }
        }
    }

    /// Records how this boot ends. A panic is never replaced by another ending.
    ///
    /// The caller drains the write buffers.
    pub fn set_ending(&self, ending: Ending) {
        if self.ending.load() != Ending::Panic.code() {
            self.ending.store(ending.code());
        }
        self.resume();
        self.store_headers();
    }

    /// Records the newest entry of the log's clocks: its time, and its offset minus `clock`, which
    /// is [`Keeper::base`](super::super::Keeper::base); 0: the wall clock was never set.
    pub fn set_clock(&self, clock: i64, ns: u64, offset: i64) {
        // The same bits.
        let (clock, offset) = (clock as u64, offset as u64);
        self.entry.store((ns, offset));
        for open in self.open.iter().filter(|open| open.page().is_some()) {
            self.update_clock(open);
        }
        if self.clock.load() != clock {
            self.clock.store(clock);
            self.store_headers();
        }
    }

    /// Records an orderly unbind, and the numbers with which this boot's log continues if the
    /// driver is bound again: the printk message `next_message` and the record `next_seq`.
    ///
    /// The caller drains the write buffers.
    pub fn unbind(&self, next_message: u64, next_seq: u64) {
        self.next_message.store(next_message);
        self.next_seq.store(next_seq);
        self.set_ending(Ending::Clean);
    }

    /// Frees up to `most` blocks of an earlier boot, oldest first. `boot` is its index in
    /// [`Scan::boots`]. Returns whether there may be more.
    pub fn forget(&self, boot: usize, most: usize) -> bool {
        self.lists.forget(boot, most, |page| self.void(page))
    }

    /// Like [`Appender::forget`], for the records of this boot so far. The next record opens a
    /// block.
    pub fn forget_own(&self, most: usize) -> bool {
        for open in &self.open {
            open.resume.store(0);
            open.at.store(0);
        }
        fence_release();
        self.lists.forget_own(most, |page| self.void(page))
    }

    fn void(&self, page: u32) {
        void(block_of(self.memory, page as usize));
        fence_release();
    }
}

/// Whether `len` words fit between `at` and the end of the block; false if no block is open.
fn is_room(at: u32, len: usize) -> bool {
    at.wrapping_neg() as usize % BLOCK_WORDS >= len
}
