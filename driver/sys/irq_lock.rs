// SPDX-License-Identifier: GPL-2.0-only

//! A spinlock that may be taken in any context but NMI: `raw_spin_lock_irqsave`.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h). The kernel crate's
//! `SpinLock` cannot disable interrupts before 7.3. Nor is it raw, which a lock that printk's
//! callees take must be.

use super::ffi;
use core::marker::PhantomData;
use kernel::{
    bindings,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

/// A raw spinlock without data. Its users document what it protects.
#[pin_data]
pub(crate) struct IrqLock {
    #[pin]
    raw: Opaque<bindings::raw_spinlock_t>,
}

// SAFETY: a raw spinlock has no owner thread.
unsafe impl Send for IrqLock {}
// SAFETY: a raw spinlock may be locked from any context.
unsafe impl Sync for IrqLock {}

impl IrqLock {
    /// An unlocked lock.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: the slot may be written, and stays where it is.
            raw <- Opaque::ffi_init(|slot| unsafe { ffi::fanlight_irq_lock_init(slot) }),
        })
    }

    /// Disables interrupts on this processor and waits for the lock.
    pub(crate) fn lock(&self) -> IrqGuard<'_> {
        // SAFETY: `raw` was initialised in `new`.
        let flags = unsafe { ffi::fanlight_irq_lock(self.raw.get()) };
        IrqGuard::new(self, flags)
    }

    /// Like [`IrqLock::lock`], but does not wait: `None` if the lock is held, perhaps by the
    /// context that this one interrupted.
    pub(crate) fn try_lock(&self) -> Option<IrqGuard<'_>> {
        let mut flags = 0;
        // SAFETY: `raw` was initialised in `new`.
        unsafe { ffi::fanlight_irq_trylock(self.raw.get(), &mut flags) }
            .then(|| IrqGuard::new(self, flags))
    }
}

/// Holds the lock until it is dropped.
pub(crate) struct IrqGuard<'a> {
    lock: &'a IrqLock,
    flags: usize,
    _not_send: PhantomData<NotThreadSafe>,
}

impl<'a> IrqGuard<'a> {
    fn new(lock: &'a IrqLock, flags: usize) -> Self {
        Self {
            lock,
            flags,
            _not_send: PhantomData,
        }
    }
}

impl Drop for IrqGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: `lock` created the guard after this context locked, and only this call unlocks.
        unsafe { ffi::fanlight_irq_unlock(self.lock.raw.get(), self.flags) };
    }
}
