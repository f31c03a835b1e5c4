// SPDX-License-Identifier: GPL-2.0-only

//! A log as its readers see it: a ring in vmalloc memory, and the queue of those who wait for more.
//!
//! [`intake`] is what writes to the log of this boot; [`previous`] is the log of an earlier boot,
//! to which nothing writes.

mod cleared;
pub(crate) mod file;
pub(crate) mod intake;
pub(crate) mod kept;
pub(crate) mod limit;
mod messages;
pub(crate) mod previous;
mod printk;
mod programs;

use crate::{
    ring::{
        Cursor,
        Ring,
        Word, //
    },
    sys::{
        irq_lock::IrqLock,
        ring_area::RingArea,
        vmalloc::VmallocArea,
        wait::{
            Threshold,
            Waiters, //
        }, //
    }, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A log ring and its readers' wait queue.
#[pin_data]
pub(crate) struct Log {
    area: RingArea,
    /// Serialises those who write to the ring, and protects the thresholds of `waiters`.
    #[pin]
    lock: IrqLock,
    #[pin]
    pub(crate) waiters: Waiters,
    /// Set when the window was revoked: readers end.
    gone: Word,
}

impl Log {
    /// An empty ring with that many bytes of records in each of its lanes, whose first record gets
    /// the number `first_seq`.
    pub(crate) fn new(
        lanes: [usize; 2],
        boot_id: &[u8; 16],
        first_seq: u64,
    ) -> Result<impl PinInit<Self, Error>> {
        let area = RingArea::new(lanes, boot_id, first_seq)?;
        Ok(try_pin_init!(Self {
            area,
            lock <- IrqLock::new(),
            waiters <- Waiters::new(),
            gone: Word::new(0),
        }? Error))
    }

    /// The memory, to be mapped.
    pub(crate) fn area(&self) -> &Arc<VmallocArea> {
        self.area.area()
    }

    /// The ring.
    #[inline]
    pub(crate) fn ring(&self) -> &Ring<'_> {
        self.area.ring()
    }

    /// Whether the window was revoked.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load() != 0
    }

    /// Lets all readers end. The memory stays as long as they have it.
    pub(crate) fn end(&self) {
        self.gone.store(1);
        self.wake();
    }

    /// Wakes everybody who reads or polls.
    pub(crate) fn wake(&self) {
        use kernel::bindings;
        let events = if self.is_gone() {
            bindings::POLLERR | bindings::POLLHUP
        } else {
            bindings::POLLIN | bindings::POLLRDNORM
        };
        self.waiters.wake(events);
    }

    /// Sets the threshold of a waiter that is in the queue already. What it waits for may be there
    /// by now.
    pub(crate) fn arm(&self, threshold: &Threshold) {
        let lock = self.lock.lock();
        self.waiters.arm(threshold, &lock);
        drop(lock);
        if let Some(ns) = threshold.timeout_ns {
            self.waiters.start_timer(ns);
        }
    }

    /// Sleeps until there is something behind `cursor`, or the window is revoked.
    pub(crate) fn wait_for_more(&self, cursor: &Cursor) -> Result {
        self.waiters.wait_interruptible(|| {
            self.arm(&Threshold::ANY);
            self.is_gone() || cursor.unread_bytes(self.ring()) != 0
        })
    }
}
