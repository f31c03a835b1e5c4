// SPDX-License-Identifier: GPL-2.0-only

//! The writing side of this boot's log: the lock, the ring's writer, and the copy in the region.
//!
//! [`messages`](super::messages) and [`printk`](super::printk) append printk's messages, and
//! [`programs`](super::programs) appends the records of programs and of other kernel modules.

use super::{
    cleared::Cleared,
    context::Context,
    limit::DEFAULT_LIMIT,
    scratch::{
        Dump,
        Scratch, //
    },
    Log, //
};
use crate::{
    ring::{
        persist::{
            Ending,
            Share, //
        },
        Appended,
        Count,
        Cursor,
        Entry,
        Final,
        Keeper,
        Refused,
        Word,
        Writer,
        EMERGENCY,
        USER, //
    },
    sys::{
        irq_lock::IrqGuard,
        panic::{
            panic_in_progress,
            panic_on_this_cpu, //
        },
        persistent::{
            drain_stores,
            Recovered,
            Region, //
        },
        printk::{
            dumped,
            kmsg_range, //
        },
        time::clock_sample,
        try_cell::{
            Claim,
            TryCell, //
        },
    }, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    }, //
};

/// How many times the lock is tried in an emergency.
const EMERGENCY_TRIES: usize = 10_000;

/// The wall clock at the start of the year 2000, in nanoseconds. An earlier time means that the
/// clock was never set.
const YEAR_2000_NS: i64 = 946_684_800_000_000_000;

/// The writing side of a log.
#[pin_data]
pub(crate) struct Intake {
    pub(crate) log: Arc<Log>,
    pub(super) writer: Writer,
    /// The copy that survives a reboot.
    pub(crate) region: Option<Pin<KBox<Region>>>,
    /// Buffers: for a task that prints by the console under its lock, for an emergency, for the
    /// panicking processor, for the tick's interrupt, and for a task that has stopped waiting for
    /// the console.
    pub(super) thread: TryCell<Scratch>,
    pub(super) atomic: TryCell<Scratch>,
    pub(super) panic: TryCell<Scratch>,
    pub(super) interrupt: TryCell<Dump>,
    #[pin]
    pub(super) task: Mutex<Scratch>,
    /// 1 once the number of the first message is known.
    pub(super) begun: Word,
    /// printk's number of the next message that is not in the ring. Changed under the lock.
    pub(super) next_message: Count,
    /// 1 after the console's thread was late.
    pub(super) late: Atomic<i32>,
    /// printk's number of the next message at the last tick and at the one before, and how many
    /// ticks there were.
    pub(super) ticked: Atomic<u64>,
    pub(super) waiting: Atomic<u64>,
    pub(super) ticks: Atomic<i32>,
    /// `next_message` when the last tick was handled.
    pub(super) next_at_tick: Atomic<u64>,
    /// 1 during an emergency, and the time of its first message.
    pub(super) emergency: Word,
    pub(super) emergency_since: Atomic<u64>,
    /// 1 after [`Intake::run`].
    runs: Atomic<i32>,
    /// 1 after the region has recorded that this boot panics.
    panicked: Atomic<i32>,
    /// Maintains the ring's list of clock entries. Used under the lock.
    clock: Keeper,
    /// The region already has the messages before this number, from an earlier bind in this boot.
    pub(super) kept_before: u64,
    /// Messages that printk had, or still has, but that could not be taken into the log.
    pub(super) missed: Atomic<u64>,
    /// Records of programs beyond the limit.
    pub(super) limited: Atomic<u64>,
    /// Records for which the region had no block.
    not_kept: Atomic<u64>,
    /// Records that a program may write per open file in five seconds; 0: no limit.
    pub(crate) write_limit: Word,
    pub(super) cleared: Cleared,
    /// The panicking processor's right to write without the lock, once it has taken the ring over.
    taken_over: TryCell<Option<Final>>,
}

/// The numbers with which a log begins.
#[derive(Clone, Copy)]
pub(crate) struct Begin {
    /// The sequence number of the ring's first record.
    pub(crate) first_seq: u64,
    /// printk's number of the first message to take.
    message: u64,
}

impl Begin {
    /// Begins with the oldest message that printk has, after the records of an earlier bind in this
    /// boot.
    pub(crate) fn after(recovered: Option<&Recovered>) -> Self {
        let message = oldest_message();
        let continued = recovered.and_then(Recovered::continued);
        Self {
            first_seq: continued.map_or(message, |continued| continued.next_seq),
            message,
        }
    }
}

/// Counters for user space.
#[derive(Default)]
pub(crate) struct IntakeCounts {
    pub(crate) written: u64,
    pub(crate) overwritten: u64,
    pub(crate) dropped: u64,
    pub(crate) kernel_missed: u64,
    pub(crate) limited: u64,
    pub(crate) not_kept: u64,
}

/// The right to write to the ring.
pub(super) enum Access<'a> {
    Locked(#[expect(dead_code, reason = "it is only held")] IrqGuard<'a>),
    /// In a panic: the owner of the lock was stopped.
    TakenOver(Claim<'a, Option<Final>>),
}

impl Intake {
    /// The writing side of `log`, which is empty and begins with `begin.first_seq`, and of
    /// `region`.
    pub(crate) fn new(
        log: Arc<Log>,
        begin: Begin,
        region: Option<Pin<KBox<Region>>>,
        recovered: Option<&Recovered>,
        write_limit: Option<u32>,
    ) -> Result<impl PinInit<Self, Error>> {
        let continued = recovered.and_then(Recovered::continued);
        let kept_before = continued.map_or(0, |c| match c.next_message {
            u64::MAX => 0,
            number => number,
        });
        let cell = || Ok::<_, Error>(TryCell::new(Scratch::new()?));
        // The dates of records must not change when the driver is bound again.
        let clocks = &log.ring().header().clocks;
        let base = match recovered {
            Some(recovered) => recovered.continue_clocks(clocks)?,
            None => 0,
        };
        let clock = Keeper::new(base);
        clock.note(clocks, clock_sample);
        let (thread, atomic, panic, task) = (cell()?, cell()?, cell()?, Scratch::new()?);
        let interrupt = TryCell::new(Dump::new()?);
        let Begin { first_seq, message } = begin;
        let writer = Writer::new(first_seq);
        let range = kmsg_range();
        Ok(try_pin_init!(Self {
            log,
            writer,
            region,
            thread,
            atomic,
            panic,
            interrupt,
            task <- new_mutex!(task, "fanlight::task"),
            begun: Word::new(0),
            next_message: Count::new(message),
            late: Atomic::<i32>::new(0),
            ticked: Atomic::<u64>::new(0),
            waiting: Atomic::<u64>::new(0),
            ticks: Atomic::<i32>::new(0),
            next_at_tick: Atomic::<u64>::new(0),
            emergency: Word::new(0),
            emergency_since: Atomic::<u64>::new(0),
            runs: Atomic::<i32>::new(0),
            panicked: Atomic::<i32>::new(0),
            clock,
            kept_before,
            missed: Atomic::<u64>::new(0),
            limited: Atomic::<u64>::new(0),
            not_kept: Atomic::<u64>::new(0),
            write_limit: Word::new(write_limit.unwrap_or(DEFAULT_LIMIT)),
            cleared: Cleared::new(range.cleared, first_seq),
            taken_over: TryCell::new(None),
        }? Error))
    }

    /// printk's number of the next message that is not in the log.
    pub(super) fn next_message(&self) -> u64 {
        self.next_message.load()
    }

    /// The number that the next record gets.
    pub(crate) fn next_seq(&self) -> u64 {
        self.writer.next_seq()
    }

    /// Bytes of records and fillers so far, modulo 2^32.
    pub(crate) fn bytes(&self) -> u32 {
        self.log.ring().written_bytes() as u32
    }

    /// A cursor after the newest record.
    pub(crate) fn newest(&self) -> Cursor {
        let _lock = self.log.lock.lock();
        self.writer.newest(self.log.ring())
    }

    pub(crate) fn counts(&self) -> IntakeCounts {
        let _lock = self.log.lock.lock();
        let counts = self.writer.counts();
        IntakeCounts {
            written: counts.written,
            overwritten: counts.overwritten,
            dropped: counts.dropped,
            kernel_missed: self.missed.load(Relaxed),
            limited: self.limited.load(Relaxed),
            not_kept: self.not_kept.load(Relaxed),
        }
    }

    /// Acquires the right to write. `None`: it is not available, in a context that may not wait.
    #[inline(always)]
    pub(super) fn access(&self, context: Context) -> Option<Access<'_>> {
        match context {
            Context::Normal => Some(Access::Locked(self.log.lock.lock())),
            Context::Atomic => self.access_atomic(),
        }
    }

    /// Tries the lock for a bounded time. If a panic of this processor has stopped the lock's
    /// owner, takes the ring over.
    #[cold]
    fn access_atomic(&self) -> Option<Access<'_>> {
        let panicking = panic_on_this_cpu();
        // An NMI that interrupts an append of the panicking processor gets `None`.
        let mut taken = panicking.then(|| self.taken_over.claim()).flatten();
        if taken.as_ref().is_none_or(|taken| taken.is_none()) {
            let lock = &self.log.lock;
            if let Some(guard) = (0..EMERGENCY_TRIES).find_map(|_| lock.try_lock()) {
                return Some(Access::Locked(guard));
            }
            if let Some(taken) = &mut taken {
                **taken = self.writer.take_over(self.log.ring());
            }
        }
        taken.filter(|taken| taken.is_some()).map(Access::TakenOver)
    }

    /// Appends to the ring, and with `keep` to the copy in the region.
    #[inline(always)]
    pub(super) fn put(
        &self,
        entry: &Entry<'_>,
        access: &mut Access<'_>,
        keep: bool,
    ) -> Result<u64, Refused> {
        let ring = self.log.ring();
        let appended = match access {
            Access::TakenOver(taken) => self.put_last(entry, taken)?,
            Access::Locked(_) => self.writer.append(ring, entry)?,
        };
        if let Some(region) = self.region.as_ref().filter(|_| keep) {
            let share = if entry.flags & USER != 0 {
                Share::Programs
            } else {
                Share::Kernel
            };
            if !region.append(entry.level, share, appended.words) {
                add(&self.not_kept, 1);
            }
            if entry.flags & EMERGENCY != 0 && panic_in_progress() {
                // Not only when the kernel dumps its log: before that, it may boot a crash kernel.
                if self.panicked.cmpxchg(0, 1, Relaxed).is_ok() {
                    region.set_ending(Ending::Panic);
                }
                drain_stores();
            }
        }
        self.log
            .waiters
            .appended(appended.seq as u32, || ring.written_bytes() as u32);
        Ok(appended.seq)
    }

    /// Appends after the ring was taken over.
    #[cold]
    #[inline(never)]
    fn put_last(
        &self,
        entry: &Entry<'_>,
        taken: &mut Claim<'_, Option<Final>>,
    ) -> Result<Appended<'_>, Refused> {
        match &mut **taken {
            Some(last) => last.append(&self.writer, self.log.ring(), entry),
            None => Err(Refused::Busy),
        }
    }

    /// Appends a record that does not come from printk.
    #[inline(always)]
    pub(super) fn append(&self, entry: &Entry<'_>, context: Context) -> Result {
        let Some(mut access) = self.access(context) else {
            self.writer.give_up();
            return Err(EBUSY);
        };
        self.put(entry, &mut access, true).map(drop).map_err(errno)
    }

    /// Measures the clocks, and stores the result in the ring and in the region. Returns the offset
    /// of the newest entry.
    pub(super) fn note_clock(&self, context: Context) -> Option<i64> {
        let _access = self.access(context)?;
        let clocks = &self.log.ring().header().clocks;
        self.clock.note(clocks, clock_sample);
        let (ns, offset) = clocks.last()?;
        if let Some(region) = &self.region {
            let base = self.clock.base();
            // After a reset, only a base of 0 shows that the clock was never set and gives no date.
            let known = if offset >= YEAR_2000_NS { base } else { 0 };
            region.set_clock(known, ns, offset.wrapping_sub(base));
        }
        Some(offset)
    }

    /// Nanoseconds from the time of the newest records to the wall clock, as it is set now.
    pub(crate) fn clock_offset(&self) -> Option<i64> {
        self.note_clock(Context::Normal)
    }

    /// Records in the region how this boot ends.
    pub(super) fn note_ending(&self, ending: Ending) {
        let Some(region) = &self.region else {
            return;
        };
        if let Some(_access) = self.access(Context::Atomic) {
            if ending == Ending::Panic {
                self.panicked.store(1, Relaxed);
            }
            region.set_ending(ending);
        }
    }

    /// Forgets an earlier boot in the region. `ENODEV`: the region was released.
    pub(super) fn forget(&self, boot: usize) -> Result {
        let Some(region) = &self.region else {
            return Ok(());
        };
        // At most one iteration per block of the region.
        loop {
            let _lock = self.log.lock.lock();
            if !region.forget(boot)? {
                return Ok(());
            }
        }
    }

    /// Allows writes to the region. The first one is made by a node, or after [`Intake::run`].
    pub(crate) fn start(&self) {
        self.start_region();
        self.note_clock(Context::Normal);
    }

    pub(super) fn start_region(&self) {
        if let Some(region) = &self.region {
            region.start();
        }
    }

    /// The console starts: from now on an unbind is recorded in the region.
    pub(crate) fn run(&self) {
        self.runs.store(1, Relaxed);
    }

    /// Completes the copy in the region, and releases the region. It is not written to afterwards.
    pub(crate) fn end(&self) {
        if let Some(region) = &self.region {
            {
                let _lock = self.log.lock.lock();
                // Messages that an earlier bind in this boot has kept are not kept again.
                let message = self.next_message().max(self.kept_before);
                let runs = self.runs.load(Relaxed) != 0;
                region.finish(runs.then(|| (message, self.writer.next_seq())));
            }
            region.detach();
        }
    }
}

/// The number of the oldest message that printk has, as far as it is known before a console gets
/// it.
fn oldest_message() -> u64 {
    // The dumper does not return messages that `dmesg -C` has cleared. printk's buffer holds fewer.
    let range = kmsg_range();
    if range.cleared != 0 {
        return range.next.saturating_sub(1 << 30);
    }
    dumped(0, &mut [0; 64]).map_or(0, |(seq, _)| seq)
}

/// Adds to a counter that is changed under the lock only.
pub(super) fn add(counter: &Atomic<u64>, n: u64) {
    counter.store(counter.load(Relaxed) + n, Relaxed);
}

fn errno(refused: Refused) -> Error {
    match refused {
        Refused::TooLong => EINVAL,
        Refused::Busy | Refused::Disordered => EBUSY,
    }
}
