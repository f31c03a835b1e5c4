// SPDX-License-Identifier: GPL-2.0-only

//! Readers that wait, and waking them from any context, but not more often than they want.
//!
//! C headers: [`include/linux/wait.h`](srctree/include/linux/wait.h),
//! [`include/linux/irq_work.h`](srctree/include/linux/irq_work.h),
//! [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)

use super::{
    ffi,
    version::{
        smp_mb,
        HRTIMER_NORESTART, //
    }, //
};
use crate::ring::Long;
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

/// What a waiter wants to be woken for.
#[derive(Clone, Copy)]
pub(crate) struct Wish {
    /// When a record with this number or a later one is there.
    pub(crate) seq: u64,
    /// When the head is at this position or past it.
    pub(crate) position: u64,
    /// When so many nanoseconds have passed.
    pub(crate) timeout_ns: Option<u64>,
}

impl Wish {
    /// Whatever happens next.
    pub(crate) const ANY: Wish = Wish {
        seq: 0,
        position: 0,
        timeout_ns: None,
    };
}

/// A wait queue, what wakes it, and the most modest of the waiters' wishes.
///
/// A writer below printk may hold any lock, the scheduler's included, so it can't wake anybody itself: it asks for an
/// interrupt on its own processor, which does. All are woken together, and each says again what it wants next.
#[pin_data(PinnedDrop)]
pub(crate) struct Waiters {
    #[pin]
    queue: Opaque<bindings::wait_queue_head>,
    #[pin]
    work: Opaque<bindings::irq_work>,
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    seq: Long,
    position: Long,
    /// When the timer goes off, on the clock of `fanlight_now`.
    deadline: Atomic<u64>,
}

// SAFETY: wait queues, irq_work and timers are made to be shared.
unsafe impl Send for Waiters {}
// SAFETY: as above.
unsafe impl Sync for Waiters {}

impl Waiters {
    /// An empty queue.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: the slot may be written, and stays where it is.
            queue <- Opaque::ffi_init(|slot| unsafe { ffi::fanlight_wait_init(slot) }),
            // SAFETY: the slot may be written, and stays where it is.
            work <- Opaque::ffi_init(|slot| unsafe { ffi::fanlight_irq_work_init(slot, work) }),
            // SAFETY: the slot may be written, and stays where it is.
            timer <- Opaque::ffi_init(|slot| unsafe { ffi::fanlight_timer_init(slot, expired) }),
            seq: Long::new(u64::MAX),
            position: Long::new(u64::MAX),
            deadline: Atomic::<u64>::new(u64::MAX),
        })
    }

    /// Wakes everybody soon if record `seq` or the head at `position` is what somebody waits for. Safe in any context,
    /// NMI included. The record must have been published before.
    #[inline]
    pub(crate) fn appended(&self, seq: u64, position: u64) {
        // Against `wish`: either the wish is seen here, or the record there.
        smp_mb();
        if seq >= self.seq.load() || position >= self.position.load() {
            // SAFETY: it was initialised in `new`, and `drop` waits for it.
            unsafe { bindings::irq_work_queue(self.work.get()) };
        }
    }

    /// Notes what the caller, who is in the queue already, waits for. It then looks whether it is there already.
    pub(crate) fn wish(&self, wish: Wish) {
        lower_long(&self.seq, wish.seq);
        lower_long(&self.position, wish.position);
        if let Some(ns) = wish.timeout_ns {
            // SAFETY: no preconditions.
            let at = unsafe { ffi::fanlight_now() }.saturating_add(ns);
            lower(&self.deadline, at);
            // SAFETY: it was initialised in `new`, and `drop` waits for it.
            unsafe { ffi::fanlight_timer_start(self.timer.get(), self.deadline.load(Relaxed)) };
        }
        smp_mb();
    }

    /// Wakes everybody now, with these poll events. Not below printk.
    pub(crate) fn wake(&self, events: u32) {
        self.seq.store(u64::MAX);
        self.position.store(u64::MAX);
        self.deadline.store(u64::MAX, Relaxed);
        // SAFETY: `queue` was initialised in `new`.
        unsafe { ffi::fanlight_wake(self.queue.get(), events) };
    }

    /// Sleeps until `condition` holds, which is asked after each record. `ERESTARTSYS` when a signal came.
    pub(crate) fn wait_interruptible<F: Fn() -> bool>(&self, condition: F) -> Result {
        /// # Safety
        ///
        /// `data` must point to a live `F`.
        unsafe extern "C" fn trampoline<F: Fn() -> bool>(data: *const c_void) -> bool {
            // SAFETY: by the caller's promise: it is the `wanted` below, which outlives the wait.
            unsafe { (*data.cast::<F>())() }
        }
        fn wait<F: Fn() -> bool>(this: &Waiters, wanted: &F) -> Result {
            // SAFETY: `queue` was initialised in `new`, and the trampoline fits the data that goes with it.
            to_result(unsafe {
                ffi::fanlight_wait_interruptible(
                    this.queue.get(),
                    trampoline::<F>,
                    core::ptr::from_ref(wanted).cast(),
                )
            })
        }
        wait(self, &|| {
            self.wish(Wish::ANY);
            condition()
        })
    }

    /// The queue, for `poll_wait`.
    pub(super) fn as_ptr(&self) -> *mut bindings::wait_queue_head {
        self.queue.get()
    }
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

/// The same for a word that is looked at after each record, and so must be cheap to load.
fn lower_long(to: &Long, value: u64) {
    loop {
        let old = to.load();
        if value >= old || to.swap_if(old, value) {
            return;
        }
    }
}

const READABLE: u32 = bindings::POLLIN | bindings::POLLRDNORM;

/// # Safety
///
/// `work` must be the `work` of a live [`Waiters`].
unsafe extern "C" fn work(work: *mut bindings::irq_work) {
    // SAFETY: only `Waiters::new` hands out this function, with its own `work`, and its drop waits for it to end.
    unsafe { &*kernel::container_of!(Opaque::cast_from(work), Waiters, work) }.wake(READABLE);
}

/// # Safety
///
/// `timer` must be the `timer` of a live [`Waiters`].
unsafe extern "C" fn expired(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
    // SAFETY: only `Waiters::new` hands out this function, with its own `timer`, and its drop waits for it to end.
    unsafe { &*kernel::container_of!(Opaque::cast_from(timer), Waiters, timer) }.wake(READABLE);
    HRTIMER_NORESTART
}

#[pinned_drop]
impl PinnedDrop for Waiters {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: both were initialised in `new`. Nobody starts them any more: they would need a reference.
        unsafe {
            bindings::irq_work_sync(self.work.get());
            ffi::fanlight_timer_cancel(self.timer.get());
        }
    }
}
