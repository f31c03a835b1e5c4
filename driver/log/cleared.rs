// SPDX-License-Identifier: GPL-2.0-only

//! Finds the first record after the last `dmesg -C`.
//!
//! printk reports the number of the first message after it only together with the number of the
//! next message, which takes half the time of an append. The driver therefore asks for it when a
//! reader needs it and when a program writes, but not for each message. Until then [`Cleared`]
//! remembers which message became which record.

use crate::{
    ring::Word,
    sys::printk::kmsg_range, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// How many runs are remembered before the driver asks printk.
const RUNS: usize = 32;

/// A run of messages with consecutive numbers whose records have consecutive numbers, too: the
/// numbers of the first one.
struct Run {
    message: Atomic<u64>,
    record: Atomic<u64>,
}

/// All methods but [`Cleared::is_new`] are called under the log's lock, or by the panicking
/// processor.
pub(super) struct Cleared {
    /// printk's number of the first message after the last `dmesg -C` that the driver has noticed,
    /// and the ring's number of the first record after it.
    message: Atomic<u64>,
    record: Atomic<u64>,
    /// The runs since the driver last asked printk, and perhaps earlier ones.
    runs: [Run; RUNS],
    count: Word,
    /// The low 32 bits of record number minus message number in the last run.
    ahead: Word,
}

impl Cleared {
    /// `message`: printk's number of the first message after the last `dmesg -C`. `record` is that
    /// of the first record.
    pub(super) fn new(message: u64, record: u64) -> Self {
        Self {
            message: Atomic::<u64>::new(message),
            record: Atomic::<u64>::new(record),
            runs: core::array::from_fn(|_| Run {
                message: Atomic::<u64>::new(0),
                record: Atomic::<u64>::new(0),
            }),
            count: Word::new(0),
            ahead: Word::new(0),
        }
    }

    /// Remembers that a message has become a record.
    #[inline]
    pub(super) fn taken(&self, message: u64, record: u64) {
        // The cast keeps the low bits.
        let ahead = (record as u32).wrapping_sub(message as u32);
        if self.ahead.load() != ahead || self.count.load() == 0 {
            self.begin_run(message, record, ahead);
        }
    }

    /// Ends the run: some messages did not become records.
    pub(super) fn missed(&self) {
        // A value that differs from that of the next message.
        self.ahead.store(self.ahead.load() ^ 1 << 31);
    }

    #[cold]
    #[inline(never)]
    fn begin_run(&self, message: u64, record: u64, ahead: u32) {
        let mut count = self.count.load() as usize;
        if count >= RUNS {
            // A later `dmesg -C` clears this message and all earlier ones, too.
            self.notice(kmsg_range().cleared, record);
            count = 0;
        }
        if let Some(run) = self.runs.get(count) {
            run.message.store(message, Relaxed);
            run.record.store(record, Relaxed);
        }
        self.count.store(count as u32 + 1);
        self.ahead.store(ahead);
    }

    /// Whether `message`, the first one after a `dmesg -C`, is not noticed yet. Any context.
    pub(super) fn is_new(&self, message: u64) -> bool {
        message > self.message.load(Relaxed)
    }

    /// Notices a `dmesg -C` after which `message` is the first message. `next` is the number of the
    /// next record. Returns the number of the first record after the last one.
    pub(super) fn notice(&self, message: u64, next: u64) -> u64 {
        // The number only grows. A later one may have been noticed concurrently.
        if self.is_new(message) {
            self.message.store(message, Relaxed);
            self.record.store(self.record_of(message, next), Relaxed);
        }
        self.record.load(Relaxed)
    }

    /// The number of the record that `message` has become, or of the first one after it.
    fn record_of(&self, message: u64, next: u64) -> u64 {
        let count = self.count.load() as usize;
        let mut end = next;
        // The last run that begins before the message, unless it also ends before it.
        for run in self.runs.iter().take(count).rev() {
            let (first, record) = (run.message.load(Relaxed), run.record.load(Relaxed));
            if first <= message {
                return end.min(record + (message - first));
            }
            end = record;
        }
        end
    }
}
