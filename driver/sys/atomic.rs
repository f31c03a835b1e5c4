// SPDX-License-Identifier: GPL-2.0-only

//! The atomic words that the ring is made of, over the kernel's memory model; in place of
//! `ring/atomic.rs`.
//!
//! C headers: [`include/linux/atomic.h`](srctree/include/linux/atomic.h),
//! [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)
//!
//! `kernel::sync::atomic::Atomic<u32>` has the same operations. But the kernel is built without
//! `CONFIG_RUST_INLINE_HELPERS` on ARM, so that each of its accesses is a call of a C function
//! (`rust_helper_atomic_read`, `rust_helper_smp_mb` and so on), and one record takes about forty.
//! Two things are therefore done here:
//!
//! - Loads and stores are volatile accesses of an aligned word, which is what `READ_ONCE` and
//!   `WRITE_ONCE` are.
//! - `smp_mb()` and the compare and exchange are the instructions of
//!   `arch/arm/include/asm/{barrier,cmpxchg}.h`. An append has two of each. The kernel's Rust
//!   supports no other 32-bit ARM processors than those of ARMv7, although its target is named
//!   after an older one: hence `.arch`.

use core::{
    arch::asm,
    cell::UnsafeCell, //
};

extern "C" {
    /// `memcpy()`, which is no data race where the memory is changed at the same time; of `copy.c`.
    fn fanlight_memcpy(to: *mut kernel::ffi::c_void, from: *const kernel::ffi::c_void, len: usize);
}

/// `smp_mb()`.
#[inline(always)]
fn barrier() {
    // SAFETY: a barrier changes nothing. The compiler takes it for an access to all memory.
    unsafe {
        asm!(
            ".arch armv7-a",
            "dmb ish",
            options(nostack, preserves_flags)
        )
    };
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
        let found: u32;
        // SAFETY: the pointer is that of a live, aligned word. These are the instructions of
        // `arch_atomic_cmpxchg_relaxed`.
        unsafe {
            asm!(
                ".arch armv7-a",
                "2: ldrex {found}, [{at}]",
                "teq {found}, {current}",
                "bne 3f",
                "strex {failed}, {new}, [{at}]",
                "teq {failed}, #0",
                "bne 2b",
                "3:",
                found = out(reg) found,
                failed = out(reg) _,
                at = in(reg) self.0.get(),
                current = in(reg) current,
                new = in(reg) new,
                options(nostack),
            );
        }
        if found == current {
            Ok(found)
        } else {
            Err(found)
        }
    }

    /// As [`Word::compare_exchange`], release if it stores.
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

/// Stores `src` over the bytes of `dst` from byte `at` on; the other bytes of the words it touches
/// are kept.
///
/// No ordering, neither against other accesses nor between the bytes. The caller is the only one
/// that stores to these words. What does not fit is left out.
#[inline]
pub(super) fn copy_in(dst: &[Word], at: usize, src: &[u8]) {
    let len = src.len().min((dst.len() * 4).saturating_sub(at));
    // SAFETY: `len` bytes from `at` on are inside `dst`, whose words may be changed through a
    // shared reference; `src` is other memory. Readers of these bytes race with this by design, and
    // the ring's positions tell them: hence C's memcpy(), since in Rust it would be a data race.
    unsafe {
        let to = dst.as_ptr().cast::<u8>().cast_mut().add(at);
        fanlight_memcpy(to.cast(), src.as_ptr().cast(), len);
    }
}

/// Loads the first `dst.len()` bytes of `src` into `dst`. Bytes of `dst` beyond the end of `src`
/// are not changed.
///
/// No ordering, neither against other accesses nor between the bytes, which may change at the same
/// time: `dst` may get a mixture of old and new.
#[inline]
pub(super) fn copy_out(src: &[Word], dst: &mut [u8]) {
    let len = dst.len().min(src.len() * 4);
    // SAFETY: `len` bytes are inside both, which are different memory. The copy races with writers
    // by design, as above.
    unsafe { fanlight_memcpy(dst.as_mut_ptr().cast(), src.as_ptr().cast(), len) };
}
