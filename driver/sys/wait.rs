// SPDX-License-Identifier: GPL-2.0

//! Readers that wait, and waking them from any context.
//!
//! C headers: [`include/linux/wait.h`](srctree/include/linux/wait.h),
//! [`include/linux/irq_work.h`](srctree/include/linux/irq_work.h)

use super::ffi;
use kernel::{
    bindings,
    error::to_result,
    ffi::c_void,
    prelude::*,
    types::Opaque, //
};

/// A wait queue, and the interrupt work that wakes it.
///
/// A writer below printk may hold any lock, the scheduler's included, so it can't wake anybody itself: it asks for an
/// interrupt on its own processor, which does.
#[pin_data(PinnedDrop)]
pub(crate) struct Waiters {
    #[pin]
    queue: Opaque<bindings::wait_queue_head>,
    #[pin]
    work: Opaque<bindings::irq_work>,
}

// SAFETY: wait queues and irq_work are made to be shared.
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
            work <- Opaque::ffi_init(|slot| unsafe { ffi::fanlight_irq_work_init(slot, run) }),
        })
    }

    /// Wakes everybody soon, if there is anybody. Safe in any context, NMI included.
    ///
    /// What was stored before is seen by a waiter that this does not find: the core has a barrier on both sides.
    pub(crate) fn wake_later(&self) {
        // SAFETY: both were initialised in `new`, and `drop` waits for the work.
        unsafe {
            if ffi::fanlight_has_waiters(self.queue.get()) {
                bindings::irq_work_queue(self.work.get());
            }
        }
    }

    /// Wakes everybody now, with these poll events. Not below printk.
    pub(crate) fn wake(&self, events: u32) {
        // SAFETY: `queue` was initialised in `new`.
        unsafe { ffi::fanlight_wake(self.queue.get(), events) };
    }

    /// Sleeps until `condition` holds, which is asked after each wake-up. `ERESTARTSYS` when a signal came.
    pub(crate) fn wait_interruptible<F: Fn() -> bool>(&self, condition: F) -> Result {
        unsafe extern "C" fn trampoline<F: Fn() -> bool>(data: *const c_void) -> bool {
            // SAFETY: `data` is the `condition` below, which outlives the wait.
            unsafe { (*data.cast::<F>())() }
        }
        // SAFETY: `queue` was initialised in `new`, and the trampoline fits the data that goes with it.
        to_result(unsafe {
            ffi::fanlight_wait_interruptible(
                self.queue.get(),
                trampoline::<F>,
                core::ptr::from_ref(&condition).cast(),
            )
        })
    }

    /// The queue, for `poll_wait`.
    pub(super) fn as_ptr(&self) -> *mut bindings::wait_queue_head {
        self.queue.get()
    }
}

/// # Safety
///
/// `work` must be the `work` of a live [`Waiters`].
unsafe extern "C" fn run(work: *mut bindings::irq_work) {
    // SAFETY: only `Waiters::new` hands out this function, with its own `work`, and its drop waits for it to end.
    let this = unsafe { &*kernel::container_of!(Opaque::cast_from(work), Waiters, work) };
    this.wake(bindings::POLLIN | bindings::POLLRDNORM);
}

#[pinned_drop]
impl PinnedDrop for Waiters {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `work` was initialised in `new`. Nobody queues it any more: they would need a reference.
        unsafe { bindings::irq_work_sync(self.work.get()) };
    }
}
