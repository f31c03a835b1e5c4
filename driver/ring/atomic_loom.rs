// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The items of `atomic.rs` for the model checker: every access is one that loom may reorder and interrupt.
//!
//! Loom tries every value that a load may see, so that records of eight words take it too long. A model therefore
//! chooses which words it watches ([`Word::new`]); the others ([`Word::plain`]) are of the standard library.

#![forbid(unsafe_code)]

use loom::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

/// A 32-bit word.
pub struct Word(Kind);

enum Kind {
    Watched(AtomicU32),
    Plain(std::sync::atomic::AtomicU32),
}

impl Word {
    /// A word that loom watches.
    pub fn new(value: u32) -> Self {
        Self(Kind::Watched(AtomicU32::new(value)))
    }

    /// A word that loom does not know of.
    pub fn plain(value: u32) -> Self {
        Self(Kind::Plain(std::sync::atomic::AtomicU32::new(value)))
    }

    fn load_as(&self, order: Ordering) -> u32 {
        match &self.0 {
            Kind::Watched(word) => word.load(order),
            Kind::Plain(word) => word.load(order),
        }
    }

    fn store_as(&self, value: u32, order: Ordering) {
        match &self.0 {
            Kind::Watched(word) => word.store(value, order),
            Kind::Plain(word) => word.store(value, order),
        }
    }

    /// Loads, relaxed.
    pub fn load(&self) -> u32 {
        self.load_as(Ordering::Relaxed)
    }

    /// Loads, acquire.
    pub fn load_acquire(&self) -> u32 {
        self.load_as(Ordering::Acquire)
    }

    /// Stores, relaxed.
    pub fn store(&self, value: u32) {
        self.store_as(value, Ordering::Relaxed);
    }

    /// Stores, release.
    pub fn store_release(&self, value: u32) {
        self.store_as(value, Ordering::Release);
    }

    fn swap_if_as(&self, old: u32, new: u32, order: Ordering) -> bool {
        match &self.0 {
            Kind::Watched(word) => word.compare_exchange(old, new, order, Ordering::Relaxed),
            Kind::Plain(word) => word.compare_exchange(old, new, order, Ordering::Relaxed),
        }
        .is_ok()
    }

    /// Compares and exchanges, relaxed.
    pub fn swap_if(&self, old: u32, new: u32) -> bool {
        self.swap_if_as(old, new, Ordering::Relaxed)
    }

    /// Compares and exchanges, acquire.
    pub fn swap_if_acquire(&self, old: u32, new: u32) -> bool {
        self.swap_if_as(old, new, Ordering::Acquire)
    }

    /// Compares and exchanges, release.
    pub fn swap_if_release(&self, old: u32, new: u32) -> bool {
        self.swap_if_as(old, new, Ordering::Release)
    }
}

/// A 64-bit word.
pub struct Long(AtomicU64);

impl Long {
    /// A word that holds `value`.
    pub fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// Loads, relaxed.
    pub fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Loads, acquire.
    pub fn load_acquire(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Loads, relaxed.
    pub fn glance(&self) -> u64 {
        self.load()
    }

    /// Stores, relaxed.
    pub fn put(&self, value: u64) {
        self.store(value);
    }

    /// Loads the low half, relaxed.
    pub fn low(&self) -> u32 {
        self.load() as u32
    }

    /// Stores, relaxed.
    pub fn store(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn swap_if_as(&self, old: u64, new: u64, order: Ordering) -> bool {
        let swapped = self.0.compare_exchange(old, new, order, Ordering::Relaxed);
        swapped.is_ok()
    }

    /// Compares and exchanges, relaxed.
    pub fn swap_if(&self, old: u64, new: u64) -> bool {
        self.swap_if_as(old, new, Ordering::Relaxed)
    }

    /// Compares and exchanges, release.
    pub fn swap_if_release(&self, old: u64, new: u64) -> bool {
        self.swap_if_as(old, new, Ordering::Release)
    }
}

/// An acquire fence.
pub fn fence_acquire() {
    fence(Ordering::Acquire);
}

/// A release fence.
pub fn fence_release() {
    fence(Ordering::Release);
}

/// Stores bytes; the records of the models have none behind their headers.
pub fn copy_in(_dst: &[Word], _at: usize, src: &[u8]) {
    assert!(src.is_empty());
}

/// Loads bytes, whole words only.
pub fn copy_out(src: &[Word], dst: &mut [u8]) {
    for (to, word) in dst.chunks_exact_mut(4).zip(src) {
        to.copy_from_slice(&word.load().to_ne_bytes());
    }
}
