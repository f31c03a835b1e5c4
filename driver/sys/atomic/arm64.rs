// SPDX-License-Identifier: GPL-2.0-only

//! The instructions of ARMv8 that the ring's words need: those of
//! `arch/arm64/include/asm/{barrier,atomic_ll_sc}.h`.
//!
//! The compare and exchange uses exclusive accesses, which every processor has. `cmpxchg()` of C
//! chooses at boot between these and the instructions of ARMv8.1 by patching the code, which is not
//! possible for Rust code. Plain Rust and `memcpy()` are fast enough for the rest.

use super::{
    fanlight_memcpy,
    Word, //
};
use core::arch::asm;

/// `smp_mb()`.
#[inline(always)]
pub(super) fn barrier() {
    // SAFETY: a barrier changes nothing. The compiler takes it for an access to all memory.
    unsafe { asm!("dmb ish", options(nostack, preserves_flags)) };
}

/// `arch_atomic_cmpxchg_relaxed()`: stores `new` if the word is `current`, and returns what it was.
///
/// # Safety
///
/// `at` must be the address of a live, aligned word.
#[inline(always)]
pub(super) unsafe fn compare_exchange(at: *mut u32, current: u32, new: u32) -> u32 {
    let found: u32;
    // SAFETY: the caller passes the address of a live, aligned word.
    unsafe {
        asm!(
            "2: ldxr {found:w}, [{at}]",
            "cmp {found:w}, {current:w}",
            "b.ne 3f",
            "stxr {failed:w}, {new:w}, [{at}]",
            "cbnz {failed:w}, 2b",
            "3:",
            found = out(reg) found,
            failed = out(reg) _,
            at = in(reg) at,
            current = in(reg) current,
            new = in(reg) new,
            options(nostack),
        );
    }
    found
}

/// Stores `src` over the bytes of `dst` from byte `at` on; the other bytes of the words it touches
/// are kept.
///
/// No ordering, neither against other accesses nor between the bytes. Only the caller stores to
/// these words. Bytes that do not fit are left out.
#[inline(always)]
pub(in crate::ring) fn copy_in(dst: &[Word], at: usize, src: &[u8]) {
    let len = src.len().min((dst.len() * 4).saturating_sub(at));
    // SAFETY: `len` bytes from `at` on are inside `dst`, whose words may be changed through a
    // shared reference; `src` is other memory. Readers of these bytes race with this by design, and
    // detect it from the ring's positions. A C function, since in Rust it would be a data race.
    unsafe {
        let to = dst.as_ptr().cast::<u8>().cast_mut().wrapping_add(at);
        fanlight_memcpy(to.cast(), src.as_ptr().cast(), len);
    }
}

/// Loads the first `dst.len()` bytes of `src` into `dst`. Bytes of `dst` beyond the end of `src`
/// are not changed.
///
/// No ordering, neither against other accesses nor between the bytes, which may change
/// concurrently: `dst` may get a mixture of old and new bytes.
#[inline(always)]
pub(in crate::ring) fn copy_out(src: &[Word], dst: &mut [u8]) {
    let len = dst.len().min(src.len() * 4);
    // SAFETY: `len` bytes are inside both, which are different memory. The copy races with writers
    // by design. A C function, since in Rust it would be a data race.
    unsafe { fanlight_memcpy(dst.as_mut_ptr().cast(), src.as_ptr().cast(), len) };
}

/// The four bytes as a word.
#[inline(always)]
pub(in crate::ring) fn word_of(bytes: &[u8; 4]) -> u32 {
    u32::from_ne_bytes(*bytes)
}

/// Stores a word as four bytes.
#[inline(always)]
pub(in crate::ring) fn store_word(to: &mut [u8; 4], word: u32) {
    *to = word.to_ne_bytes();
}

/// Not 0 if a byte of `word` is below 0x20, above 0x7e or a backslash.
#[inline(always)]
pub(in crate::ring) fn odd_bytes(word: u32) -> u32 {
    const ONES: u32 = 0x0101_0101;
    // Bits 0 to 6 of each byte.
    let low = word & (0x7f * ONES);
    // The sums set bit 7: `wide` for 0x20 and more, `other` for all but the backslash, `low + ONES`
    // for 0x7f.
    let wide = low + 0x60 * ONES;
    let other = (low ^ (0x5c * ONES)) + 0x7f * ONES;
    (word | !(wide & other) | (low + ONES)) & (0x80 * ONES)
}
