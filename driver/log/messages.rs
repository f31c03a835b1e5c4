// SPDX-License-Identifier: GPL-2.0-only

//! Which of printk's messages the log has: each of them is taken once, in order, or counted as
//! missed.

use super::{
    context::Context,
    intake::{
        add,
        Intake, //
    },
    printk::Take, //
};
use crate::{
    ring::{
        Cursor,
        Entry,
        Refused, //
    },
    sys::{
        printk::{
            dumped,
            kmsg_range, //
        },
        wait::Threshold, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

/// How long a file operation waits for messages that printk has and the log has not, in
/// milliseconds; and how long if it may not block, or if the console's thread was late before, as
/// it is while boot consoles keep it from running.
const CATCH_UP_MS: u32 = 1000;
const CATCH_UP_SHORT_MS: u32 = 10;

/// How many ticks pass before the wall clock is noted again: it drifts against the clock of the
/// records.
const CLOCK_TICKS: i32 = 120;

impl Intake {
    /// Finds out with which message the log begins, when `seq` is the first that the console has
    /// seen.
    pub(super) fn begin(&self, seq: u64) {
        if self.begun.load() != 0 {
            return;
        }
        // Messages that consoles suppress may come before it.
        let first = dumped(0, &mut [0; 64]).map_or(seq, |(found, _)| found.min(seq));
        let Some(_access) = self.access(Context::Atomic) else {
            return;
        };
        if self.begun.compare_exchange(0, 1).is_err() {
            return;
        }
        // Messages before it had been overwritten before the log began. The ring's numbers are
        // printk's until a program writes, unless they go on where an earlier bind in this boot has
        // ended.
        let expected = self.next_message.own();
        if first > expected {
            self.writer.skip(first - expected);
            self.next_message.set(first);
        }
    }

    /// Takes message `seq` of printk, unless it was taken before. Messages that were passed over
    /// are counted, and leave a gap in the ring's numbers. Returns whether the log has it from this
    /// call.
    pub(super) fn take(&self, seq: u64, entry: &Entry<'_>, context: Context) -> bool {
        let Some(mut access) = self.access(context) else {
            // It stays in printk's buffer, from where the next message's call takes it.
            return false;
        };
        let next = self.next_message.own();
        if seq < next {
            return false;
        }
        if seq != next {
            self.skip_messages(seq - next);
            self.next_message.set(seq);
        }
        match self.put(entry, &mut access, seq >= self.kept_before) {
            // Another processor has taken the ring over: it takes the message from printk's buffer.
            Err(Refused::Busy) => false,
            Err(_) => {
                self.skip_messages(1);
                self.next_message.increment(seq);
                false
            }
            Ok(record) => {
                self.cleared.taken(seq, record);
                // After the record: if this context is stopped in between, the panic's takes the
                // message again.
                self.next_message.increment(seq);
                true
            }
        }
    }

    /// Counts messages before `until` as missed.
    pub(super) fn pass_over(&self, until: u64, context: Context) {
        let Some(_access) = self.access(context) else {
            return;
        };
        let next = self.next_message.own();
        if until > next {
            self.skip_messages(until - next);
            self.next_message.set(until);
        }
        // Callers that wait for the log to catch up do not wait for a record.
        self.log
            .waiters
            .appended(self.writer.next_seq() as u32, || {
                self.log.ring().written_bytes() as u32
            });
    }

    /// Counts a message of which the log has only some lines.
    pub(super) fn count_cut(&self, context: Context) {
        if let Some(_access) = self.access(context) {
            add(&self.missed, 1);
        }
    }

    fn skip_messages(&self, n: u64) {
        if n != 0 {
            add(&self.missed, n);
            self.cleared.missed();
            self.writer.skip(n);
        }
    }

    /// Waits until the log has all messages that printk has now, or not long if the caller may not
    /// block. `ERESTARTSYS`: a signal came.
    ///
    /// For readers. They do not change what other readers will read: where the console's thread is
    /// late, only messages that it would pass over are taken instead of waiting for it.
    pub(crate) fn catch_up(&self, nonblocking: bool) -> Result {
        let until = kmsg_range().next;
        if !self.wait_for(until, nonblocking)? {
            self.take_pending(until, Take::Suppressed);
        }
        Ok(())
    }

    /// Waits until the log has all messages of printk before `until`, so that a record can follow
    /// them. Where the console's thread is late, they are taken without their dictionaries.
    pub(super) fn catch_up_to(&self, until: u64, nonblocking: bool) -> Result {
        if !self.wait_for(until, nonblocking)? {
            self.take_pending(until, Take::Pending);
        }
        Ok(())
    }

    /// Waits a moment, also if the task was killed, until the log has all messages that printk has
    /// now.
    pub(super) fn catch_up_at_close(&self) {
        let until = kmsg_range().next;
        if self.catch_up_to(until, true).is_err() {
            self.take_pending(until, Take::Pending);
        }
    }

    /// Waits until the log has all messages of printk before `until`. Returns whether it has.
    fn wait_for(&self, until: u64, nonblocking: bool) -> Result<bool> {
        let there = || self.next_message() >= until || self.log.is_gone();
        if there() {
            return Ok(true);
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
                Ok(false)
            }
            Ok(()) => {
                self.late.store(0, Relaxed);
                Ok(true)
            }
            // A signal does not show whether the thread is late.
            Err(e) => Err(e),
        }
    }

    /// Takes messages before `until` from printk's buffer instead of waiting for the console, which
    /// has seen the first.
    fn take_pending(&self, until: u64, which: Take) {
        if self.begun.load() == 0 {
            return;
        }
        let mut scratch = self.task.lock();
        self.take_until(until, which, &mut scratch.dump, Context::Normal);
    }

    /// Takes messages that have been waiting since the tick before, if the console's thread has not
    /// delivered any since then; and notes the wall clock from time to time.
    pub(super) fn on_tick(&self) {
        // Their wake-up waits for an interrupt on a processor that takes none any more.
        if self.log.waiters.is_overdue() {
            self.log.wake();
        }
        let (next, until) = (self.next_message(), self.waiting.load(Relaxed));
        let before = self.next_at_tick.load(Relaxed);
        self.next_at_tick.store(next, Relaxed);
        if next < until && next == before {
            self.take_pending(until, Take::Overdue);
        }
        let ticks = self.ticks.load(Relaxed);
        self.ticks.store((ticks + 1) % CLOCK_TICKS, Relaxed);
        if ticks == 0 {
            self.note_clock(Context::Normal);
        }
    }

    /// The position after the records that were there at the last `dmesg -C`.
    pub(crate) fn after_cleared(&self) -> Cursor {
        let ring = self.log.ring();
        let seq = self.note_cleared(kmsg_range().cleared);
        Cursor::at_seq(ring, seq)
    }

    /// Notices a `dmesg -C` after which `cleared` is the first message. Returns the number of the
    /// first record after the last one.
    pub(super) fn note_cleared(&self, cleared: u64) -> u64 {
        let _lock = self.log.lock.lock();
        self.cleared.notice(cleared, self.writer.next_seq())
    }
}
