// SPDX-License-Identifier: GPL-2.0-only

//! A read/write semaphore, which the kernel crate does not have.
//!
//! C header: [`include/linux/rwsem.h`](srctree/include/linux/rwsem.h)
//!
//! It protects no data: its users describe what it serialises.

use super::ffi;
use kernel::{
    bindings,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

/// A semaphore that many readers or one writer hold. Taking it may sleep.
#[pin_data]
pub(super) struct RwSemaphore {
    #[pin]
    sem: Opaque<bindings::rw_semaphore>,
}

// SAFETY: a semaphore that no task holds may be dropped by any thread.
unsafe impl Send for RwSemaphore {}
// SAFETY: its purpose is to be taken by several threads.
unsafe impl Sync for RwSemaphore {}

impl RwSemaphore {
    /// A semaphore that no task holds.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: the slot may be written, and stays where it is.
            sem <- Opaque::ffi_init(|slot| unsafe { ffi::fanlight_rwsem_init(slot) }),
        })
    }

    /// Takes the semaphore as a reader, until the guard is dropped.
    pub(super) fn read(&self) -> ReadGuard<'_> {
        // SAFETY: it was initialised in `new`.
        unsafe { bindings::down_read(self.sem.get()) };
        ReadGuard(self, NotThreadSafe)
    }

    /// Waits until all current readers have released it.
    pub(super) fn wait_for_readers(&self) {
        // SAFETY: it was initialised in `new`, and is released by the task that took it.
        unsafe {
            bindings::down_write(self.sem.get());
            bindings::up_write(self.sem.get());
        }
    }
}

/// Holds the semaphore as a reader until it is dropped.
#[must_use]
pub(super) struct ReadGuard<'a>(&'a RwSemaphore, NotThreadSafe);

impl Drop for ReadGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: `RwSemaphore::read` took it for this task, which the guard does not leave.
        unsafe { bindings::up_read(self.0.sem.get()) };
    }
}
