// SPDX-License-Identifier: GPL-2.0-only

//! The atomic words of the ring in the kernel's memory model; replaces `ring/atomic.rs`.
//!
//! C headers: [`include/linux/atomic.h`](srctree/include/linux/atomic.h),
//! [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)
//!
//! `kernel::sync::atomic::Atomic<u32>` has the same operations. But the kernel is usually built
//! without `CONFIG_RUST_INLINE_HELPERS`, so each access would call a C function
//! (`rust_helper_atomic_read`, `rust_helper_smp_mb` and so on), about forty times per record. This
//! file therefore has its own versions. Loads and stores are volatile accesses to an aligned word,
//! like `READ_ONCE` and `WRITE_ONCE`. What takes instructions of the processor is in one file per
//! architecture.

#[cfg(CONFIG_ARM)]
#[path = "atomic/arm.rs"]
mod arch;
#[cfg(CONFIG_ARM64)]
#[path = "atomic/arm64.rs"]
mod arch;

pub(super) use arch::{
    copy_in,
    copy_out,
    odd_bytes,
    store_word,
    word_of, //
};

use arch::barrier;
use core::cell::UnsafeCell;

extern "C" {
    /// `memcpy()` of `copy.c`: not a data race if the memory changes concurrently.
    fn fanlight_memcpy(to: *mut kernel::ffi::c_void, from: *const kernel::ffi::c_void, len: usize);
}

/// A 32-bit word that other processors and other programs may change at any time.
#[derive(Debug)]
#[repr(transparent)]
pub struct Word(UnsafeCell<u32>);

// SAFETY: all accesses are single loads and stores of the whole word, or exclusive ones.
unsafe impl Sync for Word {}

impl Word {
    /// Creates a word with this value.
    #[inline]
    pub const fn new(value: u32) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Loads, relaxed.
    #[inline(always)]
    pub fn load(&self) -> u32 {
        // SAFETY: the pointer is that of a live word; a volatile load of an aligned word is
        // READ_ONCE.
        unsafe { self.0.get().read_volatile() }
    }

    /// Loads, acquire.
    #[inline(always)]
    pub fn load_acquire(&self) -> u32 {
        let value = self.load();
        barrier();
        value
    }

    /// Stores, relaxed.
    #[inline(always)]
    pub fn store(&self, value: u32) {
        // SAFETY: the pointer is that of a live word; a volatile store of an aligned word is
        // WRITE_ONCE.
        unsafe { self.0.get().write_volatile(value) };
    }

    /// Stores, release.
    #[inline(always)]
    pub fn store_release(&self, value: u32) {
        barrier();
        self.store(value);
    }

    /// Stores `new` if the word is `current`, relaxed. Returns what the word was, as `Err` if it
    /// was something else.
    #[inline(always)]
    pub fn compare_exchange(&self, current: u32, new: u32) -> Result<u32, u32> {
        // SAFETY: the pointer is that of a live, aligned word.
        let found = unsafe { arch::compare_exchange(self.0.get(), current, new) };
        if found == current {
            Ok(found)
        } else {
            Err(found)
        }
    }

    /// Like [`Word::compare_exchange`], but release if it stores.
    #[inline(always)]
    pub fn compare_exchange_release(&self, current: u32, new: u32) -> Result<u32, u32> {
        barrier();
        self.compare_exchange(current, new)
    }
}

/// An acquire fence: orders all loads before it against all accesses after it.
#[inline(always)]
pub(super) fn fence_acquire() {
    barrier();
}

/// A release fence: orders all accesses before it against all stores after it.
#[inline(always)]
pub(super) fn fence_release() {
    barrier();
}

/// A full fence: `smp_mb()`.
#[inline(always)]
pub(super) fn fence_full() {
    barrier();
}
