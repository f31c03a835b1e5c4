// SPDX-License-Identifier: GPL-2.0-only

//! The atomic words that the ring is made of, over the kernel's memory model; in place of `ring/atomic.rs`.
//!
//! C headers: [`include/linux/atomic.h`](srctree/include/linux/atomic.h),
//! [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)

use kernel::sync::{
    atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    barrier::smp_mb, //
};

/// A 32-bit word that other processors and other programs may change at any time.
#[repr(transparent)]
pub struct Word(Atomic<u32>);

impl Word {
    /// A word that holds `value`.
    #[inline]
    pub const fn new(value: u32) -> Self {
        Self(Atomic::<u32>::new(value))
    }

    /// Loads without any ordering.
    #[inline]
    pub fn load(&self) -> u32 {
        // SAFETY: the pointer is that of a live atomic; a volatile load of an aligned word is READ_ONCE.
        unsafe { self.0.as_ptr().read_volatile() }
    }

    /// Loads; nothing that follows in program order happens before it.
    #[inline]
    pub fn load_acquire(&self) -> u32 {
        self.0.load(Acquire)
    }

    /// Stores without any ordering.
    #[inline]
    pub fn store(&self, value: u32) {
        // SAFETY: the pointer is that of a live atomic; a volatile store of an aligned word is WRITE_ONCE.
        unsafe { self.0.as_ptr().write_volatile(value) };
    }

    /// Stores; everything that precedes in program order happens before it.
    #[inline]
    pub fn store_release(&self, value: u32) {
        self.0.store(value, Release);
    }

    /// Stores `new` if the word holds `old`, without any ordering; says whether it did.
    #[inline]
    pub fn swap_if(&self, old: u32, new: u32) -> bool {
        self.0.cmpxchg(old, new, Relaxed).is_ok()
    }

    /// As [`Word::swap_if`]; when it stores, nothing that follows in program order happens before it.
    #[inline]
    pub fn swap_if_acquire(&self, old: u32, new: u32) -> bool {
        self.0.cmpxchg(old, new, Acquire).is_ok()
    }

    /// As [`Word::swap_if`]; when it stores, everything that precedes in program order happens before it.
    #[inline]
    pub fn swap_if_release(&self, old: u32, new: u32) -> bool {
        self.0.cmpxchg(old, new, Release).is_ok()
    }
}

/// A 64-bit word that other processors and other programs may change at any time, never seen half changed.
#[repr(transparent)]
pub struct Long(Atomic<u64>);

impl Long {
    /// A word that holds `value`.
    #[inline]
    pub const fn new(value: u64) -> Self {
        Self(Atomic::<u64>::new(value))
    }

    /// Loads without any ordering.
    #[inline]
    pub fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Loads; nothing that follows in program order happens before it.
    #[inline]
    pub fn load_acquire(&self) -> u64 {
        self.0.load(Acquire)
    }

    /// Loads without any ordering, and maybe a mixture of the halves of two values, if it changes meanwhile.
    #[inline]
    pub fn glance(&self) -> u64 {
        // SAFETY: the pointer is that of a live atomic; a volatile load is READ_ONCE but for its size, and the halves
        // may be of two values, as the documentation says.
        unsafe { self.0.as_ptr().read_volatile() }
    }

    /// Stores without any ordering, and maybe one half after the other.
    #[inline]
    pub fn put(&self, value: u64) {
        // SAFETY: the pointer is that of a live atomic; a volatile store is WRITE_ONCE but for its size, and who loads it
        // may see the halves of two values, as the documentation says.
        unsafe { self.0.as_ptr().write_volatile(value) };
    }

    /// Loads the low half without any ordering.
    #[inline]
    pub fn low(&self) -> u32 {
        let at = if cfg!(target_endian = "little") { 0 } else { 1 };
        // SAFETY: both halves of a live atomic are aligned words; a volatile load of one is READ_ONCE.
        unsafe { self.0.as_ptr().cast::<u32>().add(at).read_volatile() }
    }

    /// Stores without any ordering.
    #[inline]
    pub fn store(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Stores `new` if the word holds `old`, without any ordering; says whether it did.
    #[inline]
    pub fn swap_if(&self, old: u64, new: u64) -> bool {
        self.0.cmpxchg(old, new, Relaxed).is_ok()
    }

    /// As [`Long::swap_if`]; when it stores, everything that precedes in program order happens before it.
    #[inline]
    pub fn swap_if_release(&self, old: u64, new: u64) -> bool {
        self.0.cmpxchg(old, new, Release).is_ok()
    }
}

/// Orders all loads before it against all loads and stores after it.
#[inline]
pub fn fence_acquire() {
    smp_mb();
}

/// Orders all loads and stores before it against all stores after it.
#[inline]
pub fn fence_release() {
    smp_mb();
}

/// Stores `src` over the bytes of `dst` that begin at byte `at`; the other bytes of the words it touches are kept.
///
/// No ordering, neither against other accesses nor between the bytes. The caller is the only one who stores to these
/// words. What does not fit is left out.
pub fn copy_in(dst: &[Word], at: usize, src: &[u8]) {
    let len = src.len().min((dst.len() * 4).saturating_sub(at));
    // SAFETY: `len` bytes from `at` on are inside `dst`, whose words may be changed through a shared reference; `src` is
    // other memory. Readers of these bytes race with this by design, and find that out by the ring's positions.
    unsafe {
        let to = dst.as_ptr().cast::<u8>().cast_mut().add(at);
        core::ptr::copy_nonoverlapping(src.as_ptr(), to, len);
    }
}

/// Loads the first `dst.len()` bytes of `src` into `dst`; bytes of `dst` beyond the end of `src` are left alone.
///
/// No ordering, neither against other accesses nor between the bytes, which may change meanwhile: what arrives may
/// be a mixture of old and new.
pub fn copy_out(src: &[Word], dst: &mut [u8]) {
    let len = dst.len().min(src.len() * 4);
    // SAFETY: `len` bytes are inside both, which are different memory. The copy races with writers by design.
    unsafe { core::ptr::copy_nonoverlapping(src.as_ptr().cast::<u8>(), dst.as_mut_ptr(), len) };
}
