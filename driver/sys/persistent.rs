// SPDX-License-Identifier: GPL-2.0-only

//! The reserved memory region that keeps a copy of the log over a warm reboot.

use super::{
    carveout::MappedCarveout,
    ffi,
    random::random_u32,
    task::should_stop, //
};
use crate::ring::{
    persist::{
        blocks,
        Appender,
        Block,
        Boot,
        Continued,
        Ending,
        Scan,
        Share,
        THIS_BOOT, //
    },
    Clocks,
    Record,
    Word,
    RECORD_MAX, //
};
use kernel::{
    alloc::KVVec,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// How many words are copied from the region before the task yields the processor.
const STRIDE: usize = 16 << 10;

/// How many blocks [`Region::forget`] frees at once, with interrupts disabled.
const FORGET_STEP: usize = 16;

/// What the region held before this driver was bound. The region itself is unchanged.
pub(crate) struct Recovered {
    scan: KBox<Scan>,
    copy: KVVec<u32>,
    table: KVVec<Block>,
}

impl Recovered {
    /// Copies `carveout` and looks for the logs of boots in it. `boot_id` is that of this boot.
    #[inline(never)]
    pub(crate) fn read(carveout: &MappedCarveout, boot_id: &[u8; 16]) -> Result<Self> {
        let words = carveout.words();
        let mut copy = KVVec::with_capacity(words.len(), GFP_KERNEL)?;
        for stride in words.chunks(STRIDE) {
            for word in stride {
                copy.push(word.load(), GFP_KERNEL)?;
            }
            if should_stop() {
                return Err(EINTR);
            }
        }
        let mut table = KVVec::from_elem(Block::default(), blocks(carveout.size()), GFP_KERNEL)?;
        // A signal does not end the search, whose time is bounded.
        let pause = || {
            let _ = should_stop();
        };
        let mut scan = KBox::new(Scan::EMPTY, GFP_KERNEL)?;
        scan.run(&copy, boot_id, &mut table, pause);
        Ok(Self { scan, copy, table })
    }

    /// The earlier boots, the newest first.
    pub(crate) fn boots(&self) -> &[Boot] {
        self.scan.boots()
    }

    /// The records of this boot, if the driver was bound before in this boot.
    pub(crate) fn continued(&self) -> Option<&Continued> {
        self.scan.continued()
    }

    /// Whether the region has blocks of an unknown version.
    pub(crate) fn other_version(&self) -> bool {
        self.scan.other_version()
    }

    /// Passes the records of earlier boot `boot` to `sink`, in order, and its clock entries to
    /// `clock`, in any order.
    ///
    /// Not inlined: merging the shares takes much stack, of which the probe has little left.
    #[inline(never)]
    pub(crate) fn records(
        &self,
        boot: usize,
        sink: impl FnMut(&Record<'_>),
        clock: impl FnMut(u64, i64),
    ) -> Result {
        let mut buffer = KBox::new([0; RECORD_MAX], GFP_KERNEL)?;
        self.scan
            .records(boot, &self.copy, &self.table, &mut buffer, sink, clock);
        Ok(())
    }

    /// Adds the clock entries of this boot to `clocks`. Returns their base; 0 if there are none.
    #[inline(never)]
    pub(crate) fn continue_clocks(&self, clocks: &Clocks) -> Result<i64> {
        let base = self.continued().map_or(0, |continued| continued.boot.clock);
        if base != 0 {
            self.records(
                THIS_BOOT,
                |_| (),
                |ns, offset| {
                    clocks.insert(ns, base.wrapping_add(offset));
                },
            )?;
        }
        Ok(base)
    }
}

/// The state of a [`Region`]: not started, keeping records, ended.
const NEW: u32 = 0;
const STARTED: u32 = 1;
const ENDED: u32 = 2;

/// The copy of this boot's log in the region, and the blocks of earlier boots there.
///
/// All methods except [`Region::detach`] are called under the log's lock, or by the panicking
/// processor after it has taken the ring over.
///
/// # Invariants
///
/// `appender` refers to the mapping of `carveout`, and uses it only while `state` is [`STARTED`];
/// and to `_links`, which are not changed otherwise. `state` is [`ENDED`] before `carveout` is
/// taken out, and stays so.
#[pin_data]
pub(crate) struct Region {
    appender: Appender<'static>,
    state: Word,
    /// Records of this level and more urgent ones are kept.
    pub(crate) level: Word,
    _links: KVVec<Word>,
    #[pin]
    carveout: Mutex<Option<MappedCarveout>>,
}

// SAFETY: the appender works by atomics on memory that is valid in every context.
unsafe impl Send for Region {}
// SAFETY: its methods change the memory and the other fields only by atomics and under mutexes.
unsafe impl Sync for Region {}

impl Region {
    /// Prepares the region for this boot. Its contents do not change before [`Region::start`] and
    /// the first record. `EINVAL`: it is too small.
    pub(crate) fn new<'a>(
        carveout: MappedCarveout,
        recovered: &'a Recovered,
        boot_id: &'a [u8; 16],
        level: u8,
    ) -> Result<impl PinInit<Self, Error> + 'a> {
        let count = blocks(carveout.size());
        let mut links = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            links.push(Word::new(0), GFP_KERNEL)?;
        }
        let words: *const [Word] = carveout.words();
        let link_words: *const [Word] = links.as_slice();
        // SAFETY: neither the mapping nor the allocation moves with its owner. `appender` uses them
        // only as the type invariant requires, and is dropped together with `links`.
        let (words, link_words) = unsafe { (&*words, &*link_words) };
        let salt = random_u32();
        // INVARIANT: made from the words of this carve-out and these links.
        Ok(try_pin_init!(Self {
            appender: Appender::new(words, link_words, boot_id, salt).ok_or(EINVAL)?,
            state: Word::new(NEW),
            level: Word::new(level.into()),
            _links: links,
            carveout <- new_mutex!(Some(carveout), "fanlight::carveout"),
            _: {
                appender.adopt(&recovered.scan, &recovered.table);
            },
        }? Error))
    }

    /// The appender, while records are kept.
    #[inline]
    fn attached(&self) -> Option<&Appender<'static>> {
        (self.state.load() == STARTED).then_some(&self.appender)
    }

    /// Whether the region is neither started nor ended.
    pub(crate) fn is_new(&self) -> bool {
        self.state.load() == NEW
    }

    /// Begins to keep records, unless the region has ended.
    pub(crate) fn start(&self) {
        // Callers need not know whether the region has ended.
        let _ = self.state.compare_exchange(NEW, STARTED);
    }

    /// Stores the record `words` of the ring if its level is urgent enough. `false`: there is no
    /// block for it.
    #[inline(always)]
    pub(crate) fn append(&self, level: u8, share: Share, words: &[Word]) -> bool {
        if u32::from(level) > self.level.load() {
            return true;
        }
        match self.attached() {
            Some(appender) => appender.append(share, words),
            None => true,
        }
    }

    /// Records how this boot ends, and waits until that is in memory.
    pub(crate) fn set_ending(&self, ending: Ending) {
        if let Some(appender) = self.attached() {
            appender.set_ending(ending);
            drain_stores();
        }
    }

    /// Stores the base of the log's clock entries, or 0, and the newest entry: its time, and its
    /// offset minus the base.
    pub(crate) fn set_clock(&self, base: i64, ns: u64, offset: i64) {
        if let Some(appender) = self.attached() {
            appender.set_clock(base, ns, offset);
        }
    }

    /// Frees some blocks of earlier boot `boot`; returns whether there may be more. `ENODEV`: the
    /// region was released.
    pub(crate) fn forget(&self, boot: usize) -> Result<bool> {
        let appender = self.attached().ok_or(ENODEV)?;
        let more = appender.forget(boot, FORGET_STEP);
        drain_stores();
        Ok(more)
    }

    /// Records an orderly unbind with the numbers of printk's next message and of the next record,
    /// if there were any. Does nothing if the region was never started. The region is not accessed
    /// afterwards.
    pub(crate) fn finish(&self, next: Option<(u64, u64)>) {
        if let (Some(appender), Some((message, seq))) = (self.attached(), next) {
            appender.unbind(message, seq);
            drain_stores();
        }
        self.state.store(ENDED);
    }

    /// Releases the region. Called after [`Region::finish`], without a lock.
    pub(crate) fn detach(&self) {
        if self.state.load() == ENDED {
            drop(self.carveout.lock().take());
        }
    }
}

/// Waits until every store so far has reached memory, beyond write buffers and an outer cache:
/// `wmb()`. Any context.
pub(crate) fn drain_stores() {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_drain() };
}
