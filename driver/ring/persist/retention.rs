// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Which block is used next, hence which records are kept for how long.
//!
//! Of the blocks that no panic has, this boot may have half: so the boot before it is there, too,
//! and if this one panics there is room for the next one. Programs have a quarter of that half, but
//! at least 1 block; the kernel has the rest, but at least 2. A share that needs a block takes the
//! first of these that there is:
//!
//! 1. a free block, while it has less than it may have;
//! 2. likewise, a block of the oldest earlier boot that did not panic. The boot before this one
//!    keeps a quarter of the blocks that no panic has, but at least 1;
//! 3. while it has less than the least that it may have: a block of the panic that has most blocks.
//!    That keeps its last one;
//! 4. likewise, for the kernel: the last block of a panic that is neither the first nor the newest
//!    one;
//! 5. its own oldest block.
//!
//! So a panic that nobody cleared stays whole, however many boots follow, until panics leave fewer
//! than 4 blocks; and then at least the first and the newest one are kept. The kernel's share, if
//! it has no block yet, may at last take one of the boot before, or one of this boot's programs: a
//! boot whose end is not kept is worse than a boot before it that is not kept.
//!
//! Of an earlier boot, the oldest block of a share goes: the programs' while they have more than a
//! quarter of that boot's blocks, otherwise the kernel's.
//!
//! The blocks of each boot and share are a linked list, oldest first, so that the choice costs the
//! same however large the region is. A writer that was stopped in the middle of a change leaves the
//! lists so that the final writer can go on: it may leave out a block or count one too few, but
//! there is never a circle, nor a block in two lists.

use super::super::atomic::Word;
use super::scan::{Block, Scan, SPARE};
use super::{Ending, Share, BOOTS_MAX, THIS_BOOT};

/// No block.
const NONE: u32 = !0;
/// In [`Lists::links`] while they are set up: the block is in the table.
const LISTED: u32 = !1;

/// Blocks that each share of a boot has at least, even if panics have to give way.
const LEAST: [u32; 2] = [2, 1];

/// Blocks of one owner, oldest first.
struct List {
    head: Word,
    /// Means nothing while `head` is [`NONE`].
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

    /// The share that gives a block away.
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

/// Who has which block.
pub(super) struct Lists<'a> {
    /// For each block, the one that follows in its list.
    links: &'a [Word],
    free: List,
    own: [List; 2],
    /// Newest first.
    earlier: [Earlier; BOOTS_MAX],
    /// The block that this boot has taken last.
    taken: Word,
    /// Blocks that no panic has, or fewer.
    room: Word,
}

impl<'a> Lists<'a> {
    /// `links` has a word for each block of the region. Nobody has a block before [`Lists::fill`],
    /// and none is free.
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

    /// Gives everybody the blocks that they have in `table`. To be called once.
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

    /// Adds a block at the end of a list.
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

    /// Takes the oldest block out of a list.
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
        // The final writer, when the other one was stopped while it had the only block in its
        // hands.
        let taken = self.taken.load();
        (taken != NONE).then_some(taken)
    }

    /// Counts the blocks that no panic has. Only a panic that gives a block away changes that.
    fn count_room(&self) {
        let panics = self.earlier.iter().filter(|boot| boot.panicked());
        let held = panics.fold(0, |sum: u32, boot| sum.saturating_add(boot.count()));
        self.room
            .store((self.links.len() as u32).saturating_sub(held));
    }

    fn room(&self) -> u32 {
        self.room.load()
    }

    /// Blocks that a share of this boot may have.
    fn most(&self, share: Share) -> u32 {
        let boot = self.room() / 2;
        let programs = (boot / 4).max(LEAST[Share::Programs as usize]);
        match share {
            Share::Programs => programs,
            Share::Kernel => (boot.saturating_sub(programs)).max(LEAST[Share::Kernel as usize]),
        }
    }

    /// The oldest earlier boot that can give a block away without having panicked.
    fn oldest(&self) -> Option<&Earlier> {
        let quarter = (self.room() / 4).max(1);
        // Clearing may have left nothing of the newest ones.
        let before = self.earlier.iter().position(|boot| boot.count() != 0);
        for (index, boot) in self.earlier.iter().enumerate().rev() {
            let keeps = if Some(index) == before { quarter } else { 0 };
            if !boot.panicked() && boot.count() > keeps {
                return Some(boot);
            }
        }
        None
    }

    /// The panic that gives a block away.
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

    /// Makes up to `most` blocks of an earlier boot free, oldest first, after `void` was called for
    /// each. Returns whether it may have more.
    pub(super) fn forget(&self, boot: usize, most: usize, void: impl Fn(u32)) -> bool {
        let boot = self.earlier.get(boot);
        let more = boot.is_some_and(|boot| self.release(&boot.shares, most, void));
        self.count_room();
        more
    }

    /// Likewise for this boot.
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
