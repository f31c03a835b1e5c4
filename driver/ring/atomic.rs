// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The atomic words of the ring, over `core::sync::atomic`.
//!
//! The kernel driver replaces this file with `driver/sys/atomic.rs`, which has the same items. For
//! the model checker, the atomics are those of `atomic_loom.rs`. These functions do not block and
//! may be called in any context.

#![forbid(unsafe_code)]

#[cfg(loom)]
#[path = "atomic_loom.rs"]
mod model;

#[cfg(not(loom))]
use core::sync::atomic::{fence, AtomicU32, Ordering};
#[cfg(loom)]
use model::{fence, AtomicU32, Ordering};

/// A 32-bit word that other processors and other programs may change at any time.
#[derive(Debug)]
#[repr(transparent)]
pub struct Word(AtomicU32);

impl Word {
    /// Creates a word with this value.
    #[cfg(not(loom))]
    #[inline]
    pub const fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    /// Creates a word that the model checker watches.
    #[cfg(loom)]
    pub fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    /// Creates a word that the model checker does not watch.
    #[cfg(loom)]
    pub fn plain(value: u32) -> Self {
        Self(AtomicU32::plain(value))
    }

    /// Loads, relaxed.
    #[inline]
    pub fn load(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Loads, acquire.
    #[inline]
    pub fn load_acquire(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Stores, relaxed.
    #[inline]
    pub fn store(&self, value: u32) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Stores, release.
    #[inline]
    pub fn store_release(&self, value: u32) {
        self.0.store(value, Ordering::Release);
    }

    /// Stores `new` if the word is `current`, relaxed. Returns what the word was, as `Err` if it
    /// was something else.
    #[inline]
    pub fn compare_exchange(&self, current: u32, new: u32) -> Result<u32, u32> {
        self.0
            .compare_exchange(current, new, Ordering::Relaxed, Ordering::Relaxed)
    }

    /// Like [`Word::compare_exchange`], but release if it stores.
    #[inline]
    pub fn compare_exchange_release(&self, current: u32, new: u32) -> Result<u32, u32> {
        self.0
            .compare_exchange(current, new, Ordering::Release, Ordering::Relaxed)
    }
}

/// An acquire fence.
#[inline]
pub(super) fn fence_acquire() {
    fence(Ordering::Acquire);
}

/// A release fence.
#[inline]
pub(super) fn fence_release() {
    fence(Ordering::Release);
}

/// A full fence.
#[inline]
pub(super) fn fence_full() {
    fence(Ordering::SeqCst);
}

/// Stores `src` over the bytes of `dst` from byte `at` on; the other bytes of the words it touches
/// are kept.
///
/// The stores are relaxed. Only the caller stores to these words. Bytes that do not fit are left
/// out.
pub(super) fn copy_in(dst: &[Word], at: usize, src: &[u8]) {
    let mut words = dst.get(at / 4..).unwrap_or(&[]).iter();
    let (lead, rest) = src.split_at(src.len().min(at.wrapping_neg() & 3));
    if !lead.is_empty() {
        if let Some(word) = words.next() {
            merge(word, at % 4, lead);
        }
    }
    for bytes in rest.chunks(4) {
        let Some(word) = words.next() else { return };
        match <[u8; 4]>::try_from(bytes) {
            Ok(bytes) => word.store(u32::from_ne_bytes(bytes)),
            Err(_) => merge(word, 0, bytes),
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

/// Loads the first `dst.len()` bytes of `src` into `dst`. Bytes of `dst` beyond the end of `src`
/// are not changed.
///
/// The loads are relaxed, and the words may change concurrently: `dst` may get a mixture of old and
/// new bytes.
pub(super) fn copy_out(src: &[Word], dst: &mut [u8]) {
    // Eight words per iteration: the compiler does not unroll loops of atomic loads.
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

/// The four bytes as a word.
#[inline]
pub(super) fn word_of(bytes: &[u8; 4]) -> u32 {
    u32::from_ne_bytes(*bytes)
}

/// Stores a word as four bytes.
#[inline]
pub(super) fn store_word(to: &mut [u8; 4], word: u32) {
    *to = word.to_ne_bytes();
}

/// Not 0 if a byte of `word` is below 0x20, above 0x7e or a backslash.
#[inline]
pub(super) fn odd_bytes(word: u32) -> u32 {
    const ONES: u32 = 0x0101_0101;
    // Bits 0 to 6 of each byte.
    let low = word & (0x7f * ONES);
    // The sums set bit 7: `wide` for 0x20 and more, `other` for all but the backslash, `low + ONES`
    // for 0x7f.
    let wide = low + 0x60 * ONES;
    let other = (low ^ (0x5c * ONES)) + 0x7f * ONES;
    (word | !(wide & other) | (low + ONES)) & (0x80 * ONES)
}
