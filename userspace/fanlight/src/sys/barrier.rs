// SPDX-License-Identifier: MIT OR Apache-2.0
//! The order of accesses to windows and to memory.
//!
//! A processor reorders accesses, and keeps stores in buffers. What it guarantees depends on the
//! memory type of the window ([`Cache`](crate::Cache)):
//!
//! | First | Then | Ordered? |
//! |---|---|---|
//! | an access to a noncached window | an access to the same device | yes |
//! | a store to memory | [`write`] to a noncached window | yes, as with writel() |
//! | [`read`] of a noncached window | a load from memory | yes, as with readl() |
//! | [`write`] to a noncached window | an access to memory | no: call [`order`] |
//! | [`copy_to`], [`copy_from`], [`fill`] | an access to memory | no: call [`order`] |
//! | an access by a pointer of [`as_ptr`] | an access to memory | no: call [`order`] |
//! | an access to memory | an access to memory | no: call [`order`] |
//!
//! So a device that is started by `write` sees earlier stores to memory. After `read` of a status
//! register, the program sees what the device stored before it set the status.
//!
//! Here, memory means ordinary memory as well as cached and write-combined windows. The standard
//! library's atomic `fence()` orders accesses for other processors only; for a device, use
//! [`order`].
//!
//! A store to a device may be incomplete when the next instruction runs. [`write`], [`copy_from`]
//! and [`fill`] wait for their stores to a noncached window, so that the call returns an error if
//! no device accepts the store. For other stores, [`complete`] waits until they have left the
//! processor. To make sure that the device has acted on a store, read one of its registers.
//!
//! The barrier in the kernel's writel() also drains an outer cache (a PL310 beside a Cortex-A9, as
//! in Zynq-7000), which a program cannot do. There, share descriptors with a device in a noncached
//! window, not in a write-combined one.
//!
//! ```no_run
//! # let instance = fanlight::Instance::open(0)?;
//! // A ring of descriptors in write-combined memory, and a device's doorbell.
//! let mut ring = instance.window("descriptors")?.map_mut()?;
//! let mut doorbell = instance.window("regs")?.map_mut()?;
//! ring.write(8, 0x1000u32)?;
//! // The address is seen before the bit that makes the descriptor the device's.
//! fanlight::barrier::order();
//! ring.write(0, 1u32 << 31)?;
//! // The doorbell is noncached: write() orders it behind the descriptor.
//! doorbell.write(0, 1u32)?;
//! # Ok::<(), fanlight::Error>(())
//! ```
//!
//! [`as_ptr`]: crate::Map::as_ptr
//! [`copy_from`]: crate::MapMut::copy_from
//! [`copy_to`]: crate::Map::copy_to
//! [`fill`]: crate::MapMut::fill
//! [`read`]: crate::Map::read
//! [`write`]: crate::MapMut::write

/// Orders all accesses before it against all accesses after it, for processors and for devices:
/// `dmb sy` on ARM. It does not wait.
#[inline(always)]
pub fn order() {
    // SAFETY: a barrier has no preconditions. ARMv7 has the instruction, and an ARMv6 program that
    // has it still runs on the ARMv7 that the driver needs.
    #[cfg(target_arch = "arm")]
    unsafe {
        core::arch::asm!(".arch armv7-a", "dmb sy", options(nostack, preserves_flags));
    }
    // SAFETY: a barrier has no preconditions.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("dmb sy", options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}

/// Waits until all accesses before it are complete: `dsb sy` on ARM. Also orders accesses like
/// [`order`].
#[inline(always)]
pub fn complete() {
    // SAFETY: a barrier has no preconditions; as for `order`.
    #[cfg(target_arch = "arm")]
    unsafe {
        core::arch::asm!(".arch armv7-a", "dsb sy", options(nostack, preserves_flags));
    }
    // SAFETY: a barrier has no preconditions.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("dsb sy", options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}
