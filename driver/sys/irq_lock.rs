// SPDX-License-Identifier: GPL-2.0-only

//! A spinlock that may be taken in any context but NMI, `raw_spin_lock_irqsave`, and what it masks alone.
//!
//! C headers: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h),
//! [`arch/arm/include/asm/irqflags.h`](srctree/arch/arm/include/asm/irqflags.h). The kernel crate's `SpinLock` has no form that
//! masks interrupts before 7.3, and is not raw, as a lock taken below printk has to be.

use super::ffi;
use core::{
    arch::asm,
    marker::PhantomData, //
};
use kernel::{
    bindings,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

/// The lock alone: what it serialises is said where it is used.
#[pin_data]
pub(crate) struct IrqLock {
    #[pin]
    raw: Opaque<bindings::raw_spinlock_t>,
}

// SAFETY: locks are made to be shared.
unsafe impl Send for IrqLock {}
// SAFETY: as above.
unsafe impl Sync for IrqLock {}

impl IrqLock {
    /// An unlocked lock.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: the slot may be written, and stays where it is.
            raw <- Opaque::ffi_init(|slot| unsafe { ffi::fanlight_irq_lock_init(slot) }),
        })
    }

    /// Masks interrupts on this processor and waits for the lock.
    pub(crate) fn lock(&self) -> IrqGuard<'_> {
        // SAFETY: `raw` was initialised in `new`.
        let flags = unsafe { ffi::fanlight_irq_lock(self.raw.get()) };
        IrqGuard::new(self, flags)
    }

    /// The same without waiting: `None` when somebody has it, perhaps the context that this one interrupted.
    pub(crate) fn try_lock(&self) -> Option<IrqGuard<'_>> {
        let mut flags = 0;
        // SAFETY: `raw` was initialised in `new`.
        unsafe { ffi::fanlight_irq_trylock(self.raw.get(), &mut flags) }
            .then(|| IrqGuard::new(self, flags))
    }
}

/// The lock is held as long as this lives.
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
        // SAFETY: the guard's existence says that this context holds the lock.
        unsafe { ffi::fanlight_irq_unlock(self.lock.raw.get(), self.flags) };
    }
}

/// Interrupts are masked on this processor as long as this lives: `raw_local_irq_save`.
///
/// In there nothing that lockdep watches may be called: it is not told.
pub(crate) struct IrqsMasked {
    flags: u32,
    _not_send: PhantomData<NotThreadSafe>,
}

impl IrqsMasked {
    /// Masks them.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        let flags;
        // SAFETY: the kernel runs in a privileged mode, and may be left without interrupts for a while. The compiler takes
        // it for an access to all memory, so that nothing moves out from behind it.
        unsafe {
            asm!(
                ".arch armv7-a",
                "mrs {flags}, cpsr",
                "cpsid i",
                flags = out(reg) flags,
                options(nostack, preserves_flags),
            )
        };
        Self {
            flags,
            _not_send: PhantomData,
        }
    }
}

impl Drop for IrqsMasked {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: only the control bits are written, as `new` found them; `self` is not `Send`, so that this is the same
        // processor, and those who nest unmask in reverse.
        unsafe {
            asm!(
                ".arch armv7-a",
                "msr cpsr_c, {flags}",
                flags = in(reg) self.flags,
                options(nostack, preserves_flags),
            )
        };
    }
}
