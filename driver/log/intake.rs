// SPDX-License-Identifier: GPL-2.0-only

//! What writes to this boot's log: printk, programs and other kernel modules.

use super::{
    limit::{
        Limit,
        Report,
        Verdict,
        DEFAULT_LIMIT, //
    },
    printk::{
        Context,
        Scratch, //
    },
    Log, //
};
use crate::{
    ring::{
        kmsg,
        persist::{
            Ending,
            Share, //
        },
        Cursor,
        Entry,
        Final,
        Refused,
        Writer,
        EMERGENCY,
        MODULE,
        USER, //
    },
    sys::{
        console::{
            dumped,
            kmsg_range, //
        },
        irq_lock::IrqGuard,
        persistent::{
            Recovered,
            Region, //
        },
        time::{
            caller_id,
            clock_offset,
            comm,
            default_level,
            drain_stores,
            in_emergency,
            in_nmi,
            local_clock,
            panic_in_progress,
            panic_on_this_cpu, //
        },
        try_cell::{
            Claim,
            TryCell, //
        },
        wait::Threshold, //
    }, //
};
use kernel::{
    iov::IovIterSource,
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

/// How often an emergency tries to get the lock.
const EMERGENCY_TRIES: usize = 10_000;

/// How long a file operation waits for messages that printk has and the log has not, in milliseconds; and how long if it
/// may not block, or if the console's thread was late before, as it is while boot consoles keep it from running.
const CATCH_UP_MS: u32 = 1000;
const CATCH_UP_SHORT_MS: u32 = 10;

/// How many ticks pass before the wall clock is noted again: it drifts against the clock of the records.
const CLOCK_TICKS: i32 = 60;

/// The wall clock at the beginning of the year 2000, in nanoseconds. Before that it was not set.
const YEAR_2000_NS: i64 = 946_684_800_000_000_000;

/// What writes to a log.
#[pin_data]
pub(crate) struct Intake {
    pub(crate) log: Arc<Log>,
    writer: Writer,
    /// The copy that outlives a reboot.
    pub(crate) region: Option<Pin<KBox<Region>>>,
    /// For those who print by the console under its lock, for an emergency, for the processor that panics, and for a task
    /// that does not wait for the console any longer.
    pub(super) thread: TryCell<Scratch>,
    pub(super) atomic: TryCell<Scratch>,
    pub(super) panic: TryCell<Scratch>,
    #[pin]
    task: Mutex<Scratch>,
    /// 1 after the number of the first message was found out.
    begun: Atomic<i32>,
    /// printk's number of the next message that is not in the ring. Changed under the lock.
    next_message: Atomic<u64>,
    /// 1 after the console's thread was late.
    late: Atomic<i32>,
    /// printk's number of the next message at the last tick, and how many ticks there were.
    ticked: Atomic<u64>,
    ticks: Atomic<i32>,
    /// The time of the first message of the emergency that is under way; `u64::MAX`: there is none.
    pub(super) emergency_since: Atomic<u64>,
    /// 1 after it was noted in the region that this boot panics.
    panicked: Atomic<i32>,
    /// Messages before this number were kept in the region by an earlier bind in this boot.
    kept_before: u64,
    /// Messages that printk had, or still has, and that could not be taken.
    missed: Atomic<u64>,
    /// Records of programs beyond the limit.
    limited: Atomic<u64>,
    /// Records for which the region had no block.
    not_kept: Atomic<u64>,
    /// Records that a program may write in five seconds by one open file; 0: any number.
    pub(crate) write_limit: Atomic<u32>,
    /// printk's number at the last `dmesg -C` that was noticed, and the ring's number of the first record after it.
    cleared: Atomic<u64>,
    after_cleared: Atomic<u64>,
    /// The panicking processor's right to write without the lock, once it has taken it.
    taken_over: TryCell<Option<Final>>,
}

/// With which numbers a log begins.
#[derive(Clone, Copy)]
pub(crate) struct Begin {
    /// That of the ring's first record.
    pub(crate) first_seq: u64,
    /// printk's number of the first message that is to be taken.
    message: u64,
}

impl Begin {
    /// With the oldest message that printk has, and behind the records of an earlier bind in this boot.
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
enum Access<'a> {
    Locked(#[expect(dead_code, reason = "it is only held")] IrqGuard<'a>),
    /// In a panic, when the lock's owner was stopped.
    TakenOver(Claim<'a, Option<Final>>),
}

impl Intake {
    /// What writes to `log`, which is empty and begins with `begin.first_seq`, and to `region`.
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
        let (thread, atomic, panic, task) = (cell()?, cell()?, cell()?, Scratch::new()?);
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
            task <- new_mutex!(task, "fanlight::task"),
            begun: Atomic::<i32>::new(0),
            next_message: Atomic::<u64>::new(message),
            late: Atomic::<i32>::new(0),
            ticked: Atomic::<u64>::new(0),
            ticks: Atomic::<i32>::new(0),
            emergency_since: Atomic::<u64>::new(u64::MAX),
            panicked: Atomic::<i32>::new(0),
            kept_before,
            missed: Atomic::<u64>::new(0),
            limited: Atomic::<u64>::new(0),
            not_kept: Atomic::<u64>::new(0),
            write_limit: Atomic::<u32>::new(write_limit.unwrap_or(DEFAULT_LIMIT)),
            cleared: Atomic::<u64>::new(range.cleared),
            after_cleared: Atomic::<u64>::new(first_seq),
            taken_over: TryCell::new(None),
        }? Error))
    }

    /// printk's number of the next message that is not in the log.
    pub(super) fn next_message(&self) -> u64 {
        self.next_message.load(Relaxed)
    }

    /// The number that the next record gets.
    pub(crate) fn next_seq(&self) -> u64 {
        self.writer.next_seq()
    }

    /// Bytes of records and fillers so far, modulo 2^32.
    pub(crate) fn bytes(&self) -> u32 {
        self.log.ring().written_bytes() as u32
    }

    /// Behind the newest record.
    pub(crate) fn newest(&self) -> Cursor {
        let _lock = self.log.lock.lock();
        self.writer.newest(&self.log.ring())
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

    /// The right to write. `None`: it was not to be had, in a context that may not wait for it.
    #[inline]
    fn access(&self, context: Context) -> Option<Access<'_>> {
        match context {
            Context::Normal => Some(Access::Locked(self.log.lock.lock())),
            Context::Atomic => self.access_atomic(),
        }
    }

    /// Tries for a while. If the lock's owner was stopped by a panic of this processor, the ring is taken from it.
    #[cold]
    fn access_atomic(&self) -> Option<Access<'_>> {
        let panicking = panic_on_this_cpu();
        // An NMI on top of the panicking processor's own record does not get it.
        let mut taken = panicking.then(|| self.taken_over.claim()).flatten();
        if taken.as_ref().is_none_or(|taken| taken.is_none()) {
            let lock = &self.log.lock;
            if let Some(guard) = (0..EMERGENCY_TRIES).find_map(|_| lock.try_lock()) {
                return Some(Access::Locked(guard));
            }
            if let Some(taken) = &mut taken {
                **taken = self.writer.take_over(&self.log.ring());
            }
        }
        taken.filter(|taken| taken.is_some()).map(Access::TakenOver)
    }

    /// Appends to the ring and to the copy in the region. `keep`: the region is to have it.
    #[inline]
    fn put(&self, entry: &Entry<'_>, access: &mut Access<'_>, keep: bool) -> Result<u64, Refused> {
        let ring = self.log.ring();
        let appended = match access {
            Access::TakenOver(taken) => match &mut **taken {
                Some(last) => last.append(&self.writer, &ring, entry)?,
                None => return Err(Refused::Busy),
            },
            Access::Locked(_) => self.writer.append(&ring, entry)?,
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
                // Not only when the kernel dumps its log: it may boot a crash kernel before.
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

    /// Appends a record that does not come from printk.
    #[inline]
    fn append(&self, entry: &Entry<'_>, context: Context) -> Result {
        let Some(mut access) = self.access(context) else {
            self.writer.give_up();
            return Err(EBUSY);
        };
        self.put(entry, &mut access, true).map(drop).map_err(errno)
    }

    /// Finds out with which message the log begins, when `seq` is the first that the console has seen.
    pub(super) fn begin(&self, seq: u64) {
        if self.begun.load(Relaxed) != 0 {
            return;
        }
        // What was too quiet for the console may come before it.
        let first = dumped(0, &mut [0; 64]).map_or(seq, |(found, _)| found.min(seq));
        let Some(_access) = self.access(Context::Atomic) else {
            return;
        };
        if self.begun.cmpxchg(0, 1, Relaxed).is_err() {
            return;
        }
        // Messages before it had been overwritten before the log began. The ring's numbers are printk's until a program
        // writes, unless they go on where an earlier bind in this boot has ended.
        let expected = self.next_message.load(Relaxed);
        if first > expected {
            self.writer.skip(first - expected);
            self.next_message.store(first, Relaxed);
        }
    }

    /// Takes message `seq` of printk, unless it was taken before. Messages that were passed over are counted, and leave a
    /// gap in the ring's numbers.
    pub(super) fn take(&self, seq: u64, entry: &Entry<'_>, context: Context) {
        let range = kmsg_range();
        let Some(mut access) = self.access(context) else {
            // It stays in printk's buffer, from where the next message's call takes it.
            return;
        };
        let next = self.next_message.load(Relaxed);
        if seq < next {
            return;
        }
        self.skip_messages(seq - next);
        if range.cleared != self.cleared.load(Relaxed) && seq >= range.cleared {
            self.cleared.store(range.cleared, Relaxed);
            self.after_cleared.store(self.writer.next_seq(), Relaxed);
        }
        self.next_message.store(seq, Relaxed);
        match self.put(entry, &mut access, seq >= self.kept_before) {
            // Another processor has taken the ring over: it takes the message from printk's buffer.
            Err(Refused::Busy) => {}
            Err(_) => {
                self.skip_messages(1);
                self.next_message.store(seq + 1, Relaxed);
            }
            // After the record: if this context is stopped in between, the panic's takes the message again.
            Ok(_) => self.next_message.store(seq + 1, Relaxed),
        }
    }

    /// Counts messages before `until` as missed.
    pub(super) fn pass_over(&self, until: u64, context: Context) {
        let Some(_access) = self.access(context) else {
            return;
        };
        let next = self.next_message.load(Relaxed);
        if until > next {
            self.skip_messages(until - next);
            self.next_message.store(until, Relaxed);
        }
        // Those who wait for the log to catch up do not wait for a record.
        self.log
            .waiters
            .appended(self.writer.next_seq() as u32, || {
                self.log.ring().written_bytes() as u32
            });
    }

    fn skip_messages(&self, n: u64) {
        if n != 0 {
            add(&self.missed, n);
            self.writer.skip(n);
        }
    }

    /// Appends a record of another module.
    pub(super) fn module_record(&self, level: u8, text: &[u8]) -> Result {
        let emergency = in_emergency();
        let flags = if emergency {
            MODULE | EMERGENCY
        } else {
            MODULE
        };
        let context = if emergency || in_nmi() {
            Context::Atomic
        } else {
            Context::Normal
        };
        let entry = Entry {
            level,
            flags,
            ns: local_clock(),
            caller: caller_id(),
            text,
            ..Entry::default()
        };
        self.append(&entry, context)
    }

    /// Waits until the log has all messages that printk has now, or not long if the caller may not block. `ERESTARTSYS`: a
    /// signal came.
    pub(crate) fn catch_up(&self, nonblocking: bool) -> Result {
        self.catch_up_to(kmsg_range().next, nonblocking)
    }

    /// Waits until the log has all messages of printk before `until`.
    fn catch_up_to(&self, until: u64, nonblocking: bool) -> Result {
        let there = || self.next_message() >= until || self.log.is_gone();
        if there() {
            return Ok(());
        }
        let short = nonblocking || self.late.load(Relaxed) != 0;
        let ms = if short {
            CATCH_UP_SHORT_MS
        } else {
            CATCH_UP_MS
        };
        let waited = self.log.waiters.wait_timeout(ms, || {
            self.log.arm(&Threshold::ANY);
            there()
        });
        match waited {
            Err(e) if e == ETIMEDOUT => {
                if !short {
                    self.late.store(1, Relaxed);
                }
            }
            done => {
                self.late.store(0, Relaxed);
                return done;
            }
        }
        // The console's thread is late. Its messages are taken without their dictionaries.
        self.take_pending(until);
        Ok(())
    }

    /// Takes messages before `until` from printk's buffer instead of waiting for the console, which has seen the first.
    fn take_pending(&self, until: u64) {
        if self.begun.load(Relaxed) == 0 {
            return;
        }
        let mut scratch = self.task.lock();
        self.take_until(until, false, &mut scratch.dump, Context::Normal);
    }

    /// Takes messages that the console was not asked to print and that have been waiting since the last tick; and notes the
    /// wall clock from time to time.
    pub(super) fn on_tick(&self) {
        let next = kmsg_range().next;
        let before = self.ticked.load(Relaxed);
        self.ticked.store(next, Relaxed);
        if self.next_message() < before {
            self.take_pending(before);
        }
        let ticks = self.ticks.load(Relaxed);
        self.ticks.store((ticks + 1) % CLOCK_TICKS, Relaxed);
        if ticks == 0 {
            self.note_clock(Context::Normal);
        }
    }

    /// Behind the records that were there at the last `dmesg -C`.
    pub(crate) fn after_cleared(&self) -> Cursor {
        let ring = self.log.ring();
        let seq = self.note_cleared(kmsg_range().cleared);
        Cursor::at_seq(&ring, seq)
    }

    /// Notices a `dmesg -C` after which nothing was logged yet. Returns the number of the first record after the last one.
    fn note_cleared(&self, cleared: u64) -> u64 {
        let _lock = self.log.lock.lock();
        // The number only grows. A later one may have been noticed in between.
        if cleared > self.cleared.load(Relaxed) {
            self.cleared.store(cleared, Relaxed);
            self.after_cleared.store(self.writer.next_seq(), Relaxed);
        }
        self.after_cleared.load(Relaxed)
    }

    /// Appends what a program has written, as /dev/kmsg would; returns its length. What goes beyond the limit is
    /// suppressed, and counted.
    pub(crate) fn write(
        &self,
        from: &mut IovIterSource<'_>,
        limit: &Mutex<Limit>,
        nonblocking: bool,
    ) -> Result<usize> {
        let len = from.len();
        if len > kmsg::WRITE_MAX {
            return Err(EINVAL);
        }
        // Most messages are short: they need no allocation.
        let mut short = [0u8; 128];
        let mut long = KVec::new();
        let text = match short.get_mut(..len) {
            Some(text) => text,
            None => {
                long.resize(len, 0, GFP_KERNEL_ACCOUNT)?;
                &mut long[..]
            }
        };
        if from.copy_from_iter(text) < len {
            return Err(EFAULT);
        }
        let entry = kmsg::parse_user(text, default_level()).ok_or(EINVAL)?;
        // The record comes after every message that was printed before.
        let range = kmsg_range();
        self.catch_up_to(range.next, nonblocking)?;
        let per_interval = self.write_limit.load(Relaxed);
        let suppressed = if per_interval == 0 {
            0
        } else {
            match limit.lock().decide(local_clock(), per_interval) {
                Verdict::Write { suppressed } => suppressed,
                Verdict::Suppress => {
                    let _lock = self.log.lock.lock();
                    add(&self.limited, 1);
                    return Ok(len);
                }
            }
        };
        if range.cleared > self.cleared.load(Relaxed) {
            self.note_cleared(range.cleared);
        }
        self.report_suppressed(suppressed);
        self.append_of_program(entry)?;
        Ok(len)
    }

    fn append_of_program(&self, entry: Entry<'_>) -> Result {
        let entry = Entry {
            ns: local_clock(),
            caller: caller_id(),
            ..entry
        };
        if self.log.is_gone() {
            return Err(ENODEV);
        }
        self.append(&entry, Context::Normal)
    }

    /// Appends a record that says how many were suppressed, unless there were none.
    pub(crate) fn report_suppressed(&self, suppressed: u32) {
        if suppressed == 0 {
            return;
        }
        let report = Report::new(suppressed, &comm());
        // The facility is that of programs: LOG_USER.
        let entry = Entry {
            level: default_level(),
            facility: 1,
            flags: USER,
            text: report.text(),
            ..Entry::default()
        };
        // A log that is gone needs no report.
        let _ = self.append_of_program(entry);
    }

    /// Notes the wall clock in the region.
    pub(super) fn note_clock(&self, context: Context) {
        let Some(region) = &self.region else {
            return;
        };
        // A clock that was never set says nothing.
        let offset = match clock_offset() {
            offset if offset >= YEAR_2000_NS => offset,
            _ => 0,
        };
        if let Some(_access) = self.access(context) {
            region.set_clock(offset);
        }
    }

    /// Notes in the region how this boot ends.
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

    /// Forgets an earlier boot in the region.
    pub(super) fn forget(&self, boot: usize) {
        let Some(region) = &self.region else {
            return;
        };
        // As many turns as the region has blocks, at most.
        loop {
            let _lock = self.log.lock.lock();
            if !region.forget(boot) {
                return;
            }
        }
    }

    /// Begins the copy in the region: nothing was written there before.
    pub(crate) fn start(&self) {
        if let Some(region) = &self.region {
            region.start();
        }
    }

    /// Ends the copy in the region, and gives the region back. Nothing writes to it afterwards.
    pub(crate) fn end(&self) {
        if let Some(region) = &self.region {
            {
                let _lock = self.log.lock.lock();
                // What an earlier bind in this boot has kept need not be kept again.
                let message = self.next_message().max(self.kept_before);
                region.finish(message, self.writer.next_seq());
            }
            region.detach();
        }
    }
}

/// The number of the oldest message that printk has, as far as it can be known before a console sees it.
fn oldest_message() -> u64 {
    // The dumper does not find what `dmesg -C` has cleared.
    if kmsg_range().cleared != 0 {
        return 0;
    }
    dumped(0, &mut [0; 64]).map_or(0, |(seq, _)| seq)
}

/// Adds to a counter that only the lock's owner changes.
fn add(counter: &Atomic<u64>, n: u64) {
    counter.store(counter.load(Relaxed) + n, Relaxed);
}

fn errno(refused: Refused) -> Error {
    match refused {
        Refused::TooLong => EINVAL,
        Refused::Busy | Refused::Disordered => EBUSY,
    }
}
