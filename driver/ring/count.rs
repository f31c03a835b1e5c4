// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! A 64-bit count without 64-bit atomics.

#![forbid(unsafe_code)]

use super::atomic::Word;
use super::layout::position;

/// A 64-bit count. One thread at a time adds to it, and other threads may load it.
///
/// Like the head of a lane, it consists of the low 32 bits and of the count shifted right by 31
/// (the epoch).
#[derive(Debug)]
pub struct Count {
    low: Word,
    epoch: Word,
}

impl Count {
    /// Creates a count with this value.
    pub fn new(value: u64) -> Self {
        Self {
            low: Word::new(value as u32),
            epoch: Word::new((value >> 31) as u32),
        }
    }

    /// Loads the count.
    ///
    /// LMM(count_load:A) pairs with LMM(count_store:A), so that the epoch is not older than the low
    /// bits.
    #[inline]
    pub fn load(&self) -> u64 {
        let low = self.low.load_acquire();
        position(low, self.epoch.load())
    }

    /// Loads the count in the thread that adds to it, where bit 31 of the low bits equals bit 0 of
    /// the epoch.
    #[inline]
    pub fn own(&self) -> u64 {
        (u64::from(self.epoch.load() >> 1) << 32) | u64::from(self.low.load())
    }

    /// Adds one to the count, which was `value`.
    #[inline]
    pub fn increment(&self, value: u64) {
        // The cast keeps the low bits.
        let low = (value as u32).wrapping_add(1);
        if low & 0x7fff_ffff == 0 {
            self.add(1);
        } else {
            self.low.store(low);
        }
    }

    /// The low 32 bits.
    #[inline]
    pub(super) fn low(&self) -> u32 {
        self.low.load()
    }

    /// Adds `n` to the count.
    #[cold]
    #[inline(never)]
    pub fn add(&self, n: u64) {
        self.set(self.own().wrapping_add(n));
    }

    /// Sets the count to `value`, which is not lower than the current one.
    ///
    /// LMM(count_store:A): stores a new epoch before the first low bits of it.
    pub fn set(&self, value: u64) {
        self.epoch.store((value >> 31) as u32);
        self.low.store_release(value as u32);
    }
}
