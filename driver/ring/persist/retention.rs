// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Chooses the next block, and thereby which records are kept how long.
//!
//! This boot may have half of the blocks that do not belong to a panicked boot. The other half
//! keeps the boot before it, and leaves room for the next boot if this one panics. Programs have a
//! quarter of that half, but at least 1 block; the kernel has the rest, but at least 2. A share
//! that needs a block takes the first one of this list that exists:
//!
//! 1. a free block, while the share has fewer blocks than it may have;
//! 2. under the same condition, a block of the oldest earlier boot that did not panic. The boot
//!    before this one keeps a quarter of the blocks that do not belong to a panicked boot, but at
//!    least 1;
//! 3. while the share has fewer blocks than its minimum: a block of the panicked boot that has the
//!    most blocks, but not its last one;
//! 4. under the same condition, for the kernel only: the last block of a panicked boot that is
//!    neither the first nor the newest one;
//! 5. its own oldest block.
//!
//! So the log of a panic that was not cleared stays whole, however many boots follow, until
//! panicked boots leave fewer than 4 blocks; then at least the first and the newest one are kept.
//! If the kernel's share has no block yet, it may finally take one of the boot before, or one of
//! this boot's programs: keeping the end of this boot is more important than keeping the boot
//! before it.
//!
//! An earlier boot loses the oldest block of a share: that of programs while they have more than a
//! quarter of that boot's blocks, otherwise that of the kernel.
//!
//! The blocks of each boot and share are a linked list, oldest first, so that the cost of the
//! choice does not depend on the size of the region. If a writer is stopped in the middle of a
//! change, the final writer can still use the lists: a block may be missing or a count one too low,
//! but a list is never circular, and no block is in two lists.

use super::super::atomic::Word;
use super::scan::{Block, Scan, SPARE};
use super::{Ending, Share, BOOTS_MAX, THIS_BOOT};

/// No block.
const NONE: u32 = !0;
/// In [`Lists::links`] while they are set up: the block is in the table.
const LISTED: u32 = !1;

/// The minimum number of blocks of each share of this boot, for which even panicked boots lose
/// blocks.
const LEAST: [u32; 2] = [2, 1];

/// Blocks of one owner, oldest first.
struct List {
    head: Word,
    /// Invalid while `head` is [`NONE`].
    tail: Word,
    count: Word,
}

impl List {
    fn new() -> Self {
        Self {
            head: Word::new(NONE),
            tail: Word::new(NONE),
            count: Word::new(0),
        }
    }

    fn count(&self) -> u32 {
        self.count.load()
    }
}

/// The blocks that an earlier boot still has.
struct Earlier {
    shares: [List; 2],
    /// 1 if it panicked.
    panicked: Word,
}

impl Earlier {
    fn panicked(&self) -> bool {
        self.panicked.load() != 0
    }

    fn count(&self) -> u32 {
        let [kernel, programs] = &self.shares;
        kernel.count().saturating_add(programs.count())
    }

    /// The share that loses the next block.
    fn giving(&self) -> &List {
        let [kernel, programs] = &self.shares;
        let more = programs.count() > self.count() / 4;
        if programs.head.load() != NONE && (more || kernel.head.load() == NONE) {
            programs
        } else {
            kernel
        }
    }
}

/// The owners of the blocks.
pub(super) struct Lists<'a> {
    /// For each block, the next one in its list.
    links: &'a [Word],
    free: List,
    own: [List; 2],
    /// Newest first.
    earlier: [Earlier; BOOTS_MAX],
    /// The block that this boot took last.
    taken: Word,
    /// The number of blocks that do not belong to a panicked boot, or less.
    room: Word,
}

impl<'a> Lists<'a> {
    /// `links` has a word for each block of the region. Before [`Lists::fill`], all lists are
    /// empty, that of free blocks included.
    #[inline(always)]
    pub(super) fn new(links: &'a [Word]) -> Self {
        Self {
            links,
            free: List::new(),
            own: [List::new(), List::new()],
            earlier: core::array::from_fn(|_| Earlier {
                shares: [List::new(), List::new()],
                panicked: Word::new(0),
            }),
            taken: Word::new(NONE),
            room: Word::new(0),
        }
    }

    /// Fills the lists from `table`. To be called once.
    pub(super) fn fill(&self, scan: &Scan, table: &[Block]) {
        for (earlier, boot) in self.earlier.iter().zip(scan.boots()) {
            earlier
                .panicked
                .store(u32::from(boot.ending == Ending::Panic));
        }
        for link in self.links {
            link.store(NONE);
        }
        for block in scan.all(table) {
            (scan.pause)();
            self.set_link(block.page, LISTED);
        }
        for (page, link) in (0..).zip(self.links) {
            (scan.pause)();
            if link.load() != LISTED {
                self.push(&self.free, page);
            }
        }
        for block in scan.all(table) {
            (scan.pause)();
            let share = usize::from(block.share);
            let list = match usize::from(block.boot) {
                SPARE => Some(&self.free),
                THIS_BOOT => self.own.get(share),
                boot => (self.earlier.get(boot)).and_then(|boot| boot.shares.get(share)),
            };
            self.push(list.unwrap_or(&self.free), block.page);
        }
        self.count_room();
    }

    fn set_link(&self, page: u32, next: u32) {
        if let Some(link) = self.links.get(page as usize) {
            link.store(next);
        }
    }

    /// Appends a block to a list.
    fn push(&self, list: &List, page: u32) {
        self.set_link(page, NONE);
        if list.head.load() == NONE {
            list.head.store(page);
        } else {
            self.set_link(list.tail.load(), page);
        }
        list.tail.store(page);
        list.count.store(list.count.load().wrapping_add(1));
    }

    /// Removes the oldest block from a list.
    fn pop(&self, list: &List) -> Option<u32> {
        let page = list.head.load();
        let link = self.links.get(page as usize)?;
        // First, so that the count is never too high: a panic keeps its last block.
        list.count.store(list.count.load().saturating_sub(1));
        list.head.store(link.load());
        Some(page)
    }

    /// Takes a block for this boot.
    pub(super) fn take(&self, share: Share) -> Option<u32> {
        let own = self.own.get(share as usize)?;
        let page = self.choose(share, own)?;
        self.taken.store(page);
        self.push(own, page);
        Some(page)
    }

    fn choose(&self, share: Share, own: &List) -> Option<u32> {
        let kernel = share == Share::Kernel;
        let count = own.count();
        if count < self.most(share) {
            if let Some(page) = self.pop(&self.free) {
                return Some(page);
            }
            if let Some(boot) = self.oldest() {
                return self.pop(boot.giving());
            }
        }
        if count < LEAST[share as usize] {
            if let Some(boot) = self.panic(kernel) {
                let page = self.pop(boot.giving());
                self.count_room();
                return page;
            }
        }
        if let Some(page) = self.pop(own) {
            return Some(page);
        }
        if !kernel {
            return None;
        }
        let before = self.earlier.iter().find(|boot| boot.count() != 0);
        if let Some(boot) = before.filter(|boot| !boot.panicked()) {
            return self.pop(boot.giving());
        }
        let [_, programs] = &self.own;
        if let Some(page) = self.pop(programs) {
            return Some(page);
        }
        // For the final writer: the stopped one may have removed the only block and not added it
        // yet.
        let taken = self.taken.load();
        (taken != NONE).then_some(taken)
    }

    /// Counts the blocks that do not belong to a panicked boot. The number changes only when a
    /// panicked boot loses a block.
    fn count_room(&self) {
        let panics = self.earlier.iter().filter(|boot| boot.panicked());
        let held = panics.fold(0, |sum: u32, boot| sum.saturating_add(boot.count()));
        self.room
            .store((self.links.len() as u32).saturating_sub(held));
    }

    fn room(&self) -> u32 {
        self.room.load()
    }

    /// The maximum number of blocks of a share of this boot.
    fn most(&self, share: Share) -> u32 {
        let boot = self.room() / 2;
        let programs = (boot / 4).max(LEAST[Share::Programs as usize]);
        match share {
            Share::Programs => programs,
            Share::Kernel => (boot.saturating_sub(programs)).max(LEAST[Share::Kernel as usize]),
        }
    }

    /// The oldest earlier boot that did not panic and can lose a block.
    fn oldest(&self) -> Option<&Earlier> {
        let quarter = (self.room() / 4).max(1);
        // The newest boots may have no blocks after they were cleared.
        let before = self.earlier.iter().position(|boot| boot.count() != 0);
        for (index, boot) in self.earlier.iter().enumerate().rev() {
            let keeps = if Some(index) == before { quarter } else { 0 };
            if !boot.panicked() && boot.count() > keeps {
                return Some(boot);
            }
        }
        None
    }

    /// The panicked boot that loses a block.
    fn panic(&self, kernel: bool) -> Option<&Earlier> {
        let mut largest: Option<&Earlier> = None;
        let mut second = None;
        let mut panics = 0;
        for boot in self.earlier.iter().rev() {
            let count = boot.count();
            if !boot.panicked() || count == 0 {
                continue;
            }
            panics += 1;
            if panics == 2 {
                second = Some(boot);
            }
            if largest.is_none_or(|largest| count > largest.count()) {
                largest = Some(boot);
            }
        }
        if largest.is_some_and(|largest| largest.count() > 1) {
            return largest;
        }
        second.filter(|_| kernel && panics > 2)
    }

    /// Frees up to `most` blocks of an earlier boot, oldest first, and calls `void` for each
    /// before. Returns whether it may have more.
    pub(super) fn forget(&self, boot: usize, most: usize, void: impl Fn(u32)) -> bool {
        let boot = self.earlier.get(boot);
        let more = boot.is_some_and(|boot| self.release(&boot.shares, most, void));
        self.count_room();
        more
    }

    /// Like [`Lists::forget`], for this boot.
    pub(super) fn forget_own(&self, most: usize, void: impl Fn(u32)) -> bool {
        self.taken.store(NONE);
        self.release(&self.own, most, void)
    }

    fn release(&self, lists: &[List; 2], most: usize, void: impl Fn(u32)) -> bool {
        let mut left = most;
        for list in lists {
            while left != 0 {
                let Some(page) = self.pop(list) else {
                    list.count.store(0);
                    break;
                };
                void(page);
                self.push(&self.free, page);
                left -= 1;
            }
        }
        left == 0
    }
}
