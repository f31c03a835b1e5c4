// SPDX-License-Identifier: GPL-2.0-only

//! A wait queue for poll().
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)
//!
//! `kernel::sync::poll::PollCondVar` waits for an RCU grace period when it is dropped. This queue
//! belongs to an object that open files hold, and the core removes a file from every poll before it
//! releases the file, so no grace period is needed.

use super::{
    ffi,
    poll::Events, //
};
use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

/// A wait queue.
#[pin_data]
pub(crate) struct WaitQueue {
    #[pin]
    queue: Opaque<bindings::wait_queue_head>,
}

// SAFETY: an empty wait queue may be dropped by any thread.
unsafe impl Send for WaitQueue {}
// SAFETY: a wait queue has a lock of its own.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// An empty queue.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: the slot may be written, and stays where it is.
            queue <- Opaque::ffi_init(|slot| unsafe { ffi::fanlight_wait_init(slot) }),
        })
    }

    /// Wakes all waiters, with these poll events. Any context, but not below printk.
    pub(crate) fn wake(&self, events: Events) {
        // SAFETY: it was initialised in `new`.
        unsafe { ffi::fanlight_wake(self.queue.get(), events.bits()) };
    }

    /// The queue, for `poll_wait` and `wait_event`.
    pub(super) fn as_ptr(&self) -> *mut bindings::wait_queue_head {
        self.queue.get()
    }
}
