// SPDX-License-Identifier: GPL-2.0-only

//! A wait queue with thresholds, which can be woken from any context.
//!
//! C headers: [`include/linux/wait.h`](srctree/include/linux/wait.h),
//! [`include/linux/irq_work.h`](srctree/include/linux/irq_work.h),
//! [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)

use super::{
    ffi,
    irq_lock::IrqGuard,
    poll::Events,
    version::HRTIMER_NORESTART,
    wait_queue::WaitQueue, //
};
use crate::ring::Word;
use kernel::{
    bindings,
    error::to_result,
    ffi::c_void,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

/// When a waiter is woken: as soon as any of these is reached. Sequence numbers and byte counts are
/// modulo 2^32.
#[derive(Clone, Copy, Default)]
pub(crate) struct Threshold {
    /// By the next record.
    pub(crate) any: bool,
    /// By the record with this sequence number.
    pub(crate) seq: Option<u32>,
    /// When the log's byte count reaches this value.
    pub(crate) bytes: Option<u32>,
    /// When this many nanoseconds have passed.
    pub(crate) timeout_ns: Option<u64>,
}

impl Threshold {
    /// The next record.
    pub(crate) const ANY: Self = Self {
        any: true,
        seq: None,
        bytes: None,
        timeout_ns: None,
    };
}

/// The events that a record can cause: it can be read, and others may be missing before it.
const RECORD: Events = Events::LOSS;

const ANY: u32 = 1 << 0;
const SEQ: u32 = 1 << 1;
const BYTES: u32 = 1 << 2;

/// A wait queue, and the lowest threshold of its waiters.
///
/// A writer that runs below printk may hold any lock, even one of the scheduler, so it cannot wake
/// tasks. It raises an interrupt on its own processor (`irq_work`), which wakes all waiters. Each
/// of them then sets its threshold again.
///
/// Thresholds are set and checked under the log's lock. A waiter joins the queue, sets its
/// threshold, and then checks whether it is reached. The check sees a record that was appended
/// before; a record that is appended later sees the threshold.
#[pin_data(PinnedDrop)]
pub(crate) struct Waiters {
    #[pin]
    queue: WaitQueue,
    #[pin]
    work: Opaque<bindings::irq_work>,
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    /// Which of the thresholds are set: `ANY`, `SEQ`, `BYTES`.
    armed: Word,
    seq: Word,
    bytes: Word,
    /// 1 from a record's request for a wake-up until the wake-up.
    asked: Word,
    /// When the timer expires, by the clock of `fanlight_now`.
    deadline: Atomic<u64>,
}

// SAFETY: wait queues, irq_work and timers are made to be shared.
unsafe impl Send for Waiters {}
// SAFETY: the wait queue, the irq_work and the timer have their own locks or atomics, and the other
// fields are atomics.
unsafe impl Sync for Waiters {}

impl Waiters {
    /// An empty queue.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            queue <- WaitQueue::new(),
            // SAFETY: the slot may be written, and stays where it is.
            work <- Opaque::ffi_init(|slot| unsafe { ffi::fanlight_irq_work_init(slot, work) }),
            // SAFETY: the slot may be written, and stays where it is.
            timer <- Opaque::ffi_init(|slot| unsafe { ffi::fanlight_timer_init(slot, expired) }),
            armed: Word::new(0),
            seq: Word::new(0),
            bytes: Word::new(0),
            asked: Word::new(0),
            deadline: Atomic::<u64>::new(u64::MAX),
        })
    }

    /// Called under the log's lock after a record was published. Requests a wake-up of all waiters
    /// if the record reaches a threshold. `seq` is its sequence number, and `bytes` the log's byte
    /// count. Safe in any context.
    #[inline]
    pub(crate) fn appended(&self, seq: u32, bytes: impl FnOnce() -> u32) {
        if self.armed.load() != 0 {
            self.check(seq, bytes());
        }
    }

    #[cold]
    fn check(&self, seq: u32, bytes: u32) {
        let armed = self.armed.load();
        let reached = armed & ANY != 0
            || armed & SEQ != 0 && !before(seq, self.seq.load())
            || armed & BYTES != 0 && !before(bytes, self.bytes.load());
        if reached {
            self.asked.store(1);
            // SAFETY: it was initialised in `new`, and `drop` waits for it.
            unsafe { bindings::irq_work_queue(self.work.get()) };
        }
    }

    /// Whether a requested wake-up is still pending.
    pub(crate) fn is_overdue(&self) -> bool {
        self.asked.load() != 0
    }

    /// Lowers the thresholds to those of a waiter that is already in the queue. `_lock` is the
    /// log's lock.
    pub(crate) fn arm(&self, threshold: &Threshold, _lock: &IrqGuard<'_>) {
        let mut armed = self.armed.load();
        let mut lower = |flag: u32, to: &Word, value: Option<u32>| {
            if let Some(value) = value {
                if armed & flag == 0 || before(value, to.load()) {
                    to.store(value);
                }
                armed |= flag;
            }
        };
        lower(SEQ, &self.seq, threshold.seq);
        lower(BYTES, &self.bytes, threshold.bytes);
        if threshold.any {
            armed |= ANY;
        }
        self.armed.store(armed);
    }

    /// Starts the timer for a waiter, unless it already expires earlier. Not to be called under a
    /// lock that a timer's callback or a record of a timer could take.
    pub(crate) fn start_timer(&self, timeout_ns: u64) {
        // SAFETY: no preconditions.
        let at = unsafe { ffi::fanlight_now() }.saturating_add(timeout_ns);
        lower(&self.deadline, at);
        loop {
            let deadline = self.deadline.load(Relaxed);
            if deadline == u64::MAX {
                // wake() has reset the deadline: all waiters are already woken.
                return;
            }
            // SAFETY: it was initialised in `new`, and `drop` waits for it.
            unsafe { ffi::fanlight_timer_start(self.timer.get(), deadline) };
            // Another waiter may have lowered the deadline and started the timer before this one
            // did.
            if self.deadline.load(Relaxed) == deadline {
                return;
            }
        }
    }

    /// Wakes all waiters now, with these poll events. Must not be called below printk.
    pub(crate) fn wake(&self, events: Events) {
        // First: a request that comes in between causes another wake-up.
        self.asked.store(0);
        self.armed.store(0);
        self.deadline.store(u64::MAX, Relaxed);
        self.queue.wake(events);
    }

    /// Sleeps until `condition` is true. It is evaluated first and after each wake-up.
    /// `ERESTARTSYS`: interrupted by a signal.
    pub(crate) fn wait_interruptible<F: Fn() -> bool>(&self, condition: F) -> Result {
        // SAFETY: `queue` was initialised in `new`, and the trampoline fits the data that goes with
        // it.
        to_result(unsafe {
            ffi::fanlight_wait_interruptible(
                self.queue.as_ptr(),
                trampoline::<F>,
                core::ptr::from_ref(&condition).cast(),
            )
        })
    }

    /// Like [`Waiters::wait_interruptible`], but for at most `ms` milliseconds; `ETIMEDOUT` after
    /// that.
    pub(crate) fn wait_timeout<F: Fn() -> bool>(&self, ms: u32, condition: F) -> Result {
        // SAFETY: `queue` was initialised in `new`, and the trampoline fits the data that goes with
        // it.
        to_result(unsafe {
            ffi::fanlight_wait_timeout(
                self.queue.as_ptr(),
                trampoline::<F>,
                core::ptr::from_ref(&condition).cast(),
                ms,
            )
        })
    }

    /// The queue, for poll().
    pub(super) fn queue(&self) -> &WaitQueue {
        &self.queue
    }
}

/// # Safety
///
/// `data` must point to a live `F`.
unsafe extern "C" fn trampoline<F: Fn() -> bool>(data: *const c_void) -> bool {
    // SAFETY: the waiting functions pass their own `condition`, which outlives the wait.
    unsafe { (*data.cast::<F>())() }
}

/// Whether `a` comes before `b`, both modulo 2^32.
fn before(a: u32, b: u32) -> bool {
    // The cast wraps on purpose.
    (a.wrapping_sub(b) as i32) < 0
}

/// Stores `value` if it is lower than what is there.
fn lower(to: &Atomic<u64>, value: u64) {
    let mut old = to.load(Relaxed);
    while value < old {
        match to.cmpxchg(old, value, Relaxed) {
            Ok(_) => return,
            Err(now) => old = now,
        }
    }
}

/// # Safety
///
/// `work` must be the `work` of a live [`Waiters`].
unsafe extern "C" fn work(work: *mut bindings::irq_work) {
    // SAFETY: only `Waiters::new` hands out this function, with its own `work`, and its drop waits
    // for it to end.
    unsafe { &*kernel::container_of!(Opaque::cast_from(work), Waiters, work) }.wake(RECORD);
}

/// # Safety
///
/// `timer` must be the `timer` of a live [`Waiters`].
unsafe extern "C" fn expired(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
    // SAFETY: only `Waiters::new` hands out this function, with its own `timer`, and its drop waits
    // for it to end.
    unsafe { &*kernel::container_of!(Opaque::cast_from(timer), Waiters, timer) }.wake(RECORD);
    HRTIMER_NORESTART
}

#[pinned_drop]
impl PinnedDrop for Waiters {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: both were initialised in `new`. No caller can start them any more, since that
        // needs a reference.
        unsafe {
            bindings::irq_work_sync(self.work.get());
            ffi::fanlight_timer_cancel(self.timer.get());
        }
    }
}
