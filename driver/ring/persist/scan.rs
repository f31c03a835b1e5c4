// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Finds the logs in the region, in a plain copy of it in RAM.
//!
//! Whatever the copy contains, the scan ends and does not panic. It reads each word a bounded
//! number of times.

use super::super::record::{Record, RECORD_MAX};
use super::header::{block_of, id_bytes, id_words, Found, Header, State};
use super::walk::{Merge, Tail, Walk};
use super::{Ending, BLOCK_WORDS, BOOTS_MAX, THIS_BOOT};

/// In place of a boot's index: a block with a header that counts as free.
pub(super) const SPARE: usize = THIS_BOOT + 1;

/// A block with a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Its number in the region.
    pub(super) page: u32,
    pub(super) serial: u32,
    pub(super) salt: u32,
    pub(super) first: u32,
    pub(super) count: u32,
    /// An index of [`Scan::boots`], [`THIS_BOOT`] or [`SPARE`].
    pub(super) boot: u8,
    pub(super) share: u8,
}

impl Block {
    /// The key by which the table is sorted.
    fn key(&self) -> u64 {
        (u64::from(self.boot) << 33) | (u64::from(self.share) << 32) | u64::from(self.serial)
    }
}

/// A boot that has blocks in the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The kernel's boot_id, in binary.
    pub boot_id: [u8; 16],
    /// How it ended.
    pub ending: Ending,
    /// The base of the offsets of its clock entries, in ns; 0: dates are unknown.
    pub clock: i64,
    /// Valid records.
    pub intact: u32,
    /// Kept records that are missing.
    ///
    /// The headers of the blocks count the records that were kept. So neither records that were
    /// filtered out count as missing, nor those whose block was reused.
    pub missing: u32,
    /// Places where records are missing.
    pub damaged: u32,
    /// Bytes of the intact records.
    pub bytes: u32,
    /// How many boots ago it was: 1 for the boot before this one.
    ///
    /// A boot that was forgotten during this boot counts. A boot without blocks in the region when
    /// this boot began does not count, since it is unknown.
    pub ago: u32,
    generation: u32,
    /// The highest serial of a block, and the highest one of a block with a clock.
    serial: u32,
    clock_serial: u32,
}

impl Boot {
    const EMPTY: Self = Self {
        boot_id: [0; 16],
        ending: Ending::Reset,
        clock: 0,
        intact: 0,
        missing: 0,
        damaged: 0,
        bytes: 0,
        ago: 0,
        generation: 0,
        serial: 0,
        clock_serial: 0,
    };

    /// Updates this from the header of one of its blocks. Returns whether the header is the newest
    /// one so far.
    fn note(&mut self, header: &Header) -> bool {
        self.generation = self.generation.max(header.generation);
        let state = &header.state;
        if state.clock != 0 && header.serial >= self.clock_serial {
            self.clock_serial = header.serial;
            // The same bits.
            self.clock = state.clock as i64;
        }
        let newest = header.serial >= self.serial;
        // No boot continues after a panic, so one header with a panic is enough.
        if state.ending == Ending::Panic || (newest && self.ending != Ending::Panic) {
            self.ending = state.ending;
        }
        if newest {
            self.serial = header.serial;
        }
        newest
    }
}

/// What this boot already has in the region, because the driver was bound before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continued {
    /// The counts have the same meaning as for an earlier boot.
    pub boot: Boot,
    /// The printk number of the first message that was not taken into the log; `u64::MAX` if there
    /// was no orderly unbind.
    pub next_message: u64,
    /// The number of the next record after an orderly unbind, and otherwise one more than that of
    /// the newest kept record.
    pub next_seq: u64,
}

/// A part of the table.
#[derive(Clone, Copy)]
struct Run {
    from: usize,
    to: usize,
}

/// The logs in the region. About 1.5 KiB: too large for a kernel stack.
pub struct Scan {
    boots: [Boot; BOOTS_MAX],
    len: usize,
    continued: Option<Continued>,
    other_version: bool,
    /// Entries of the table that are in use.
    used: usize,
    /// The blocks of each boot and share.
    runs: [[Run; 2]; BOOTS_MAX + 1],
    /// Where this boot continues.
    pub(super) tails: [Option<Tail>; 2],
    /// The generation and the first serial of this boot.
    pub(super) generation: u32,
    pub(super) serial: u32,
    /// Generations from this one on are ignored.
    limit: u32,
    /// Called by every loop over the blocks, or over a table of them.
    pub(super) pause: fn(),
}

impl Scan {
    /// An empty region.
    pub const EMPTY: Self = Self {
        boots: [Boot::EMPTY; BOOTS_MAX],
        len: 0,
        continued: None,
        other_version: false,
        used: 0,
        runs: [[Run { from: 0, to: 0 }; 2]; BOOTS_MAX + 1],
        tails: [None; 2],
        generation: 1,
        serial: 1,
        limit: u32::MAX,
        pause: || (),
    };

    /// Scans a copy of the region. To be called once.
    ///
    /// `table` has [`blocks`](super::blocks) entries. Blocks without an entry are ignored. `pause`
    /// lets other tasks run: every loop over the blocks calls it once per block, also that of
    /// [`Scan::records`].
    pub fn run(&mut self, copy: &[u32], this_boot: &[u8; 16], table: &mut [Block], pause: fn()) {
        self.pause = pause;
        let this_boot = id_words(this_boot);
        self.choose(copy, &this_boot, table.len());
        self.assign(copy, &this_boot, table);

        let table = &*table;
        for index in 0..=THIS_BOOT {
            let mut no_clock = |_, _| ();
            let mut merge = self.merge(index, copy, table, &mut no_clock);
            let (mut intact, mut words) = (0u32, 0u32);
            while let Some(place) = merge.next(&mut no_clock) {
                intact = intact.saturating_add(1);
                words = words.saturating_add(place.len as u32);
            }
            let (missing, damaged, tails) = merge.result();
            let next_seq = merge.next_seq();
            let boot = if index == THIS_BOOT {
                self.tails = tails;
                let continued = self.continued.as_mut();
                continued.map(|continued| {
                    if continued.next_seq == u64::MAX || continued.next_seq < next_seq {
                        continued.next_seq = next_seq;
                    }
                    &mut continued.boot
                })
            } else {
                self.boots.get_mut(index)
            };
            if let Some(boot) = boot {
                boot.intact = intact;
                boot.bytes = words.saturating_mul(4);
                boot.missing = missing;
                boot.damaged = damaged;
            }
        }
        for boot in self.boots.get_mut(..self.len).unwrap_or(&mut []) {
            boot.ago = self.generation.saturating_sub(boot.generation);
        }
    }

    /// The earlier boots, newest first.
    pub fn boots(&self) -> &[Boot] {
        self.boots.get(..self.len).unwrap_or(&[])
    }

    /// What this boot has in the region already.
    pub fn continued(&self) -> Option<&Continued> {
        self.continued.as_ref()
    }

    /// Whether there are blocks of an unknown version. They count as free, and are used last.
    pub fn other_version(&self) -> bool {
        self.other_version
    }

    /// Passes the intact records of a boot to `sink` in ascending order of their numbers. Passes
    /// its clock entries to `clock`, in any order: the time of the first record that the entry
    /// applies to, and the offset minus [`Boot::clock`].
    ///
    /// `boot` is an index of [`Scan::boots`] or [`THIS_BOOT`]. `copy` and `table` are those of
    /// [`Scan::run`].
    pub fn records(
        &self,
        boot: usize,
        copy: &[u32],
        table: &[Block],
        buffer: &mut [u8; RECORD_MAX],
        mut sink: impl FnMut(&Record<'_>),
        mut clock: impl FnMut(u64, i64),
    ) {
        let mut merge = self.merge(boot, copy, table, &mut clock);
        while let Some(place) = merge.next(&mut clock) {
            let words = copy.get(place.at..).and_then(|w| w.get(..place.len));
            for (to, word) in buffer.chunks_exact_mut(4).zip(words.unwrap_or(&[])) {
                to.copy_from_slice(&word.to_ne_bytes());
            }
            if let Some(record) = Record::parse(buffer) {
                sink(&record);
            }
        }
    }

    /// The blocks of a boot and share, oldest first.
    pub(super) fn blocks<'t>(&self, boot: usize, share: usize, table: &'t [Block]) -> &'t [Block] {
        let run = self.runs.get(boot).and_then(|runs| runs.get(share));
        run.and_then(|run| table.get(run.from..run.to))
            .unwrap_or(&[])
    }

    /// All blocks with a header.
    pub(super) fn all<'t>(&self, table: &'t [Block]) -> &'t [Block] {
        table.get(..self.used).unwrap_or(&[])
    }

    fn merge<'t>(
        &self,
        boot: usize,
        copy: &'t [u32],
        table: &'t [Block],
        clock: &mut impl FnMut(u64, i64),
    ) -> Merge<'t> {
        let walk = |share| Walk::new(copy, self.blocks(boot, share, table), self.pause);
        Merge::new([0, 1].map(walk), clock)
    }

    /// Chooses the boots to list: the newest one, those that panicked, and the newest of the
    /// others.
    fn choose(&mut self, copy: &[u32], this_boot: &[u32; 4], blocks: usize) {
        self.number(copy, blocks);
        for page in 0..(copy.len() / BLOCK_WORDS).min(blocks) {
            (self.pause)();
            match self.find(copy, page) {
                Found::Header(header) => {
                    if header.boot_id != *this_boot {
                        self.propose(&header);
                    }
                }
                Found::OtherVersion => self.other_version = true,
                Found::Nothing => {}
            }
        }
        if let Some(boots) = self.boots.get_mut(..self.len) {
            sort(boots, |boot| u64::from(!boot.generation), self.pause);
        }
    }

    /// Finds the generation of this boot: one more than the highest valid one.
    ///
    /// Generations count boots, so they stay far below 2^31. A header with a higher generation and
    /// a valid sum is forged, or damaged in several bits. If it were accepted, no boot could follow
    /// it. For the same reason the highest one below the limit is not accepted either: the limit is
    /// then halved. So at worst the existing boots are in the wrong order, and those that follow
    /// are in the right one.
    fn number(&mut self, copy: &[u32], blocks: usize) {
        // The highest generation of each number of bits.
        let mut highest = [0u32; u32::BITS as usize + 1];
        for page in 0..(copy.len() / BLOCK_WORDS).min(blocks) {
            (self.pause)();
            if let Found::Header(header) = Header::find(block_of(copy, page)) {
                let bits = u32::BITS - header.generation.leading_zeros();
                if let Some(highest) = highest.get_mut(bits as usize) {
                    *highest = header.generation.max(*highest);
                }
            }
        }
        for bits in (1..u32::BITS).rev() {
            self.limit = 1 << bits;
            // Generations of up to `bits` bits are below the limit.
            let below = highest.iter().take(bits as usize + 1);
            self.generation = below.max().map_or(1, |generation| generation + 1);
            if self.generation < self.limit {
                return;
            }
        }
    }

    /// Reads the start of a block. A boot with an invalid generation is the oldest.
    fn find(&self, copy: &[u32], page: usize) -> Found {
        match Header::find(block_of(copy, page)) {
            Found::Header(header) if header.generation >= self.limit => Found::Header(Header {
                generation: 0,
                ..header
            }),
            found => found,
        }
    }

    /// Adds the boot of a block to the list, perhaps in place of another one.
    fn propose(&mut self, header: &Header) {
        let boot_id = id_bytes(&header.boot_id);
        let listed = self.boots.get_mut(..self.len).unwrap_or(&mut []);
        if let Some(boot) = listed.iter_mut().find(|boot| boot.boot_id == boot_id) {
            boot.note(header);
            return;
        }
        let mut boot = Boot {
            boot_id,
            ..Boot::EMPTY
        };
        boot.note(header);
        if let Some(free) = self.boots.get_mut(self.len) {
            *free = boot;
            self.len += 1;
            return;
        }
        // The newest boot stays. Of the others, the oldest one that did not panic is removed, or
        // the second oldest one if all panicked.
        let all = || self.boots.iter().chain([&boot]);
        let newest = all().map(|boot| boot.generation).max();
        let others = || {
            let all = all().enumerate();
            all.filter(|(_, boot)| Some(boot.generation) != newest)
        };
        let calm = others().filter(|(_, boot)| boot.ending != Ending::Panic);
        let oldest = calm.min_by_key(|(_, boot)| boot.generation);
        let goes = oldest.or_else(|| {
            let first = others().map(|(_, boot)| boot.generation).min();
            let later = others().filter(|(_, boot)| Some(boot.generation) != first);
            later.min_by_key(|(_, boot)| boot.generation)
        });
        let goes = goes.map_or(usize::MAX, |(index, _)| index);
        if let Some(slot) = self.boots.get_mut(goes) {
            *slot = boot;
        }
    }

    /// Fills the table, and the boots from the headers.
    fn assign(&mut self, copy: &[u32], this_boot: &[u32; 4], table: &mut [Block]) {
        for page in 0..(copy.len() / BLOCK_WORDS).min(table.len()) {
            (self.pause)();
            let mut block = Block {
                page: page as u32,
                boot: SPARE as u8,
                ..Block::default()
            };
            match self.find(copy, page) {
                Found::Header(header) => {
                    block.serial = header.serial;
                    block.salt = header.salt;
                    block.first = header.first;
                    block.count = header.count;
                    block.share = header.share;
                    block.boot = self.note(&header, this_boot) as u8;
                }
                Found::OtherVersion => {}
                Found::Nothing => continue,
            }
            if let Some(entry) = table.get_mut(self.used) {
                *entry = block;
                self.used += 1;
            }
        }
        let table = table.get_mut(..self.used).unwrap_or(&mut []);
        sort(table, Block::key, self.pause);
        for (index, block) in table.iter().enumerate() {
            (self.pause)();
            let runs = self.runs.get_mut(usize::from(block.boot));
            let run = runs.and_then(|runs| runs.get_mut(usize::from(block.share)));
            if let Some(run) = run {
                if run.to == 0 {
                    run.from = index;
                }
                run.to = index + 1;
            }
        }
    }

    /// Updates a boot from a header. Returns the boot's index.
    fn note(&mut self, header: &Header, this_boot: &[u32; 4]) -> usize {
        if header.boot_id == *this_boot {
            let continued = self.continued.get_or_insert(Continued {
                boot: Boot {
                    boot_id: id_bytes(this_boot),
                    ..Boot::EMPTY
                },
                next_message: u64::MAX,
                next_seq: u64::MAX,
            });
            if continued.boot.note(header) {
                let State {
                    next_message,
                    next_seq,
                    ..
                } = header.state;
                continued.next_message = next_message;
                continued.next_seq = next_seq;
            }
            // Its own generation, if it is valid.
            if continued.boot.generation != 0 {
                self.generation = continued.boot.generation;
            }
            self.serial = continued.boot.serial.saturating_add(1);
            return THIS_BOOT;
        }
        let boot_id = id_bytes(&header.boot_id);
        let listed = self.boots.get_mut(..self.len).unwrap_or(&mut []).iter_mut();
        match listed.enumerate().find(|(_, boot)| boot.boot_id == boot_id) {
            Some((index, boot)) => {
                boot.note(header);
                index
            }
            None => SPARE,
        }
    }
}

/// Heap sort, in place.
fn sort<T: Copy>(items: &mut [T], key: impl Fn(&T) -> u64, pause: fn()) {
    let len = items.len();
    for root in (0..len / 2).rev() {
        pause();
        sift(items, root, len, &key);
    }
    for end in (1..len).rev() {
        pause();
        exchange(items, 0, end);
        sift(items, 0, end, &key);
    }
}

/// Moves the item at `root` down to its place in the heap of the first `end` items.
fn sift<T: Copy>(items: &mut [T], mut root: usize, end: usize, key: &impl Fn(&T) -> u64) {
    let at = |items: &[T], index: usize| items.get(index).map(key);
    loop {
        let mut child = 2 * root + 1;
        if child >= end {
            return;
        }
        if child + 1 < end && at(items, child) < at(items, child + 1) {
            child += 1;
        }
        if at(items, child) <= at(items, root) {
            return;
        }
        exchange(items, root, child);
        root = child;
    }
}

fn exchange<T: Copy>(items: &mut [T], a: usize, b: usize) {
    if let (Some(&first), Some(&second)) = (items.get(a), items.get(b)) {
        for (index, item) in [(a, second), (b, first)] {
            if let Some(to) = items.get_mut(index) {
                *to = item;
            }
        }
    }
}
