// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The atomic words that the ring is made of, over `core::sync::atomic`.
//!
//! The kernel driver replaces this file by one with the same items over the kernel's memory model, and the model
//! checker by `atomic_loom.rs`. Everything below may be called in any context and never blocks.

#![forbid(unsafe_code)]

use core::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

/// A 32-bit word that other processors and other programs may change at any time.
#[repr(transparent)]
pub struct Word(AtomicU32);

impl Word {
    /// A word that holds `value`.
    #[inline]
    pub const fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    /// Loads without any ordering.
    #[inline]
    pub fn load(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Loads; nothing that follows in program order happens before it.
    #[inline]
    pub fn load_acquire(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Stores without any ordering.
    #[inline]
    pub fn store(&self, value: u32) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Stores; everything that precedes in program order happens before it.
    #[inline]
    pub fn store_release(&self, value: u32) {
        self.0.store(value, Ordering::Release);
    }

    /// Stores `new` if the word holds `old`, without any ordering; says whether it did.
    #[inline]
    pub fn swap_if(&self, old: u32, new: u32) -> bool {
        self.0
            .compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// As [`Word::swap_if`]; when it stores, nothing that follows in program order happens before it.
    #[inline]
    pub fn swap_if_acquire(&self, old: u32, new: u32) -> bool {
        self.0
            .compare_exchange(old, new, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// As [`Word::swap_if`]; when it stores, everything that precedes in program order happens before it.
    #[inline]
    pub fn swap_if_release(&self, old: u32, new: u32) -> bool {
        self.0
            .compare_exchange(old, new, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }
}

/// A 64-bit word that other processors and other programs may change at any time, never seen half changed.
///
/// Loading one compiles to a plain load (`ldrexd` on ARMv7), so that it may be in memory which is mapped read-only.
#[repr(transparent)]
pub struct Long(AtomicU64);

impl Long {
    /// A word that holds `value`.
    #[inline]
    pub const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// Loads without any ordering.
    #[inline]
    pub fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Loads; nothing that follows in program order happens before it.
    #[inline]
    pub fn load_acquire(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Loads without any ordering, and maybe a mixture of the halves of two values, if it changes meanwhile.
    #[inline]
    pub fn glance(&self) -> u64 {
        self.load()
    }

    /// Stores without any ordering, and maybe one half after the other.
    #[inline]
    pub fn put(&self, value: u64) {
        self.store(value);
    }

    /// Loads the low half without any ordering.
    #[inline]
    pub fn low(&self) -> u32 {
        // The half that is wanted.
        self.load() as u32
    }

    /// Stores without any ordering.
    #[inline]
    pub fn store(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Stores `new` if the word holds `old`, without any ordering; says whether it did.
    #[inline]
    pub fn swap_if(&self, old: u64, new: u64) -> bool {
        self.0
            .compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// As [`Long::swap_if`]; when it stores, everything that precedes in program order happens before it.
    #[inline]
    pub fn swap_if_release(&self, old: u64, new: u64) -> bool {
        self.0
            .compare_exchange(old, new, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }
}

/// Orders all loads before it against all loads and stores after it.
#[inline]
pub fn fence_acquire() {
    fence(Ordering::Acquire);
}

/// Orders all loads and stores before it against all stores after it.
#[inline]
pub fn fence_release() {
    fence(Ordering::Release);
}

/// Stores `src` over the bytes of `dst` that begin at byte `at`; the other bytes of the words it touches are kept.
///
/// No ordering, neither against other accesses nor between the bytes. The caller is the only one who stores to these
/// words. What does not fit is left out.
pub fn copy_in(dst: &[Word], at: usize, src: &[u8]) {
    let mut words = dst.get(at / 4..).unwrap_or(&[]).iter();
    let mut rest = src;

    let lead = at % 4;
    if lead != 0 && !rest.is_empty() {
        let (first, more) = rest.split_at(rest.len().min(4 - lead));
        if let Some(word) = words.next() {
            merge(word, lead, first);
        }
        rest = more;
    }

    let quads = rest.chunks_exact(4);
    let end = quads.remainder();
    // In this order: when the bytes are at their end no word is taken.
    for (quad, word) in quads.zip(words.by_ref()) {
        if let Ok(bytes) = <[u8; 4]>::try_from(quad) {
            word.store(u32::from_ne_bytes(bytes));
        }
    }
    if !end.is_empty() {
        if let Some(word) = words.next() {
            merge(word, 0, end);
        }
    }
}

/// Replaces `bytes.len()` bytes of `word` from byte `at` on.
fn merge(word: &Word, at: usize, bytes: &[u8]) {
    let mut old = word.load().to_ne_bytes();
    for (to, from) in old.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
    word.store(u32::from_ne_bytes(old));
}

/// Loads the first `dst.len()` bytes of `src` into `dst`; bytes of `dst` beyond the end of `src` are left alone.
///
/// No ordering, neither against other accesses nor between the bytes, which may change meanwhile: what arrives may
/// be a mixture of old and new.
pub fn copy_out(src: &[Word], dst: &mut [u8]) {
    // Eight words a turn: the compiler does not unroll loops of atomic loads by itself.
    let mut blocks = dst.chunks_exact_mut(32);
    let mut words = src.chunks_exact(8);
    for (block, words) in blocks.by_ref().zip(words.by_ref()) {
        for (to, word) in block.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.load().to_ne_bytes());
        }
    }
    let done = dst.len().min(src.len() * 4) & !31;
    let rest = dst.get_mut(done..).unwrap_or(&mut []);
    for (to, word) in rest.chunks_mut(4).zip(src.iter().skip(done / 4)) {
        for (to, from) in to.iter_mut().zip(word.load().to_ne_bytes()) {
            *to = from;
        }
    }
}
