// SPDX-License-Identifier: GPL-2.0-only

//! A log as its readers see it: a ring in vmalloc memory, and the wait queue of its readers.
//!
//! [`intake`] writes to the log of this boot; [`previous`] is the log of an earlier boot, which is
//! not written to.

mod cleared;
mod context;
pub(crate) mod file;
pub(crate) mod intake;
pub(crate) mod kept;
pub(crate) mod limit;
mod messages;
pub(crate) mod previous;
mod printk;
mod programs;
mod scratch;

use crate::{
    ring::{
        Cursor,
        Ring,
        Word, //
    },
    sys::{
        irq_lock::IrqLock,
        poll::Events,
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
    /// Serialises the writers of the ring, and protects the thresholds of `waiters`.
    #[pin]
    lock: IrqLock,
    #[pin]
    pub(crate) waiters: Waiters,
    /// Set when the window is revoked: readers return.
    gone: Word,
}

impl Log {
    /// An empty ring. `lanes`: bytes of records in each lane; `first_seq`: the sequence number of
    /// the first record.
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

    /// Makes all readers return. The memory stays allocated until the last of them has released it.
    pub(crate) fn end(&self) {
        self.gone.store(1);
        self.wake();
    }

    /// Wakes all readers and pollers.
    pub(crate) fn wake(&self) {
        let events = if self.is_gone() {
            Events::GONE
        } else {
            Events::READABLE
        };
        self.waiters.wake(events);
    }

    /// Sets the threshold of a waiter that is already in the queue. The caller then checks whether
    /// it is reached already.
    pub(crate) fn arm(&self, threshold: &Threshold) {
        let lock = self.lock.lock();
        self.waiters.arm(threshold, &lock);
        drop(lock);
        if let Some(ns) = threshold.timeout_ns {
            self.waiters.start_timer(ns);
        }
    }

    /// Sleeps until there is a record after `cursor`, or the window is revoked.
    pub(crate) fn wait_for_more(&self, cursor: &Cursor) -> Result {
        self.waiters.wait_interruptible(|| {
            self.arm(&Threshold::ANY);
            self.is_gone() || cursor.unread_bytes(self.ring()) != 0
        })
    }
}
