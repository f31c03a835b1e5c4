// SPDX-License-Identifier: GPL-2.0-only

//! The instructions of ARMv7 that the ring's words need: those of
//! `arch/arm/include/asm/{barrier,cmpxchg}.h`.
//!
//! On 32-bit ARM, Rust in the kernel supports ARMv7 only, although its target is named after an
//! older architecture: hence `.arch`.

use super::{
    fanlight_memcpy,
    Word, //
};
use core::arch::asm;

/// `smp_mb()`.
#[inline(always)]
pub(super) fn barrier() {
    // SAFETY: a barrier changes nothing. The compiler takes it for an access to all memory.
    unsafe {
        asm!(
            ".arch armv7-a",
            "dmb ish",
            options(nostack, preserves_flags)
        )
    };
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
            at = in(reg) at,
            current = in(reg) current,
            new = in(reg) new,
            options(nostack),
        );
    }
    found
}

/// Bytes per iteration of [`blocks!`].
const BLOCK: usize = 32;

/// Copies blocks of [`BLOCK`] bytes from `$from` to `$to` while `$left` is at least one block, and
/// advances all three. `$load` and `$store` move the registers r0 to r3.
///
/// Replaces `memcpy()`, whose set-up takes too long for short records. In normal memory, ARMv7
/// accesses single words at any alignment, and several words at once if they are aligned.
macro_rules! blocks {
    ($from:ident, $to:ident, $left:ident, [$($load:literal)*], [$($store:literal)*]) => {
        asm!(
            "2:",
            $($load,)*
            $($store,)*
            $($load,)*
            $($store,)*
            "sub {left}, {left}, #32",
            "cmp {left}, #32",
            "bhs 2b",
            from = inout(reg) $from,
            to = inout(reg) $to,
            left = inout(reg) $left,
            out("r0") _,
            out("r1") _,
            out("r2") _,
            out("r3") _,
            options(nostack),
        )
    };
}

/// Stores `src` over the bytes of `dst` from byte `at` on; the other bytes of the words it touches
/// are kept.
///
/// No ordering, neither against other accesses nor between the bytes. Only the caller stores to
/// these words. Bytes that do not fit are left out.
#[inline(always)]
pub(in crate::ring) fn copy_in(dst: &[Word], at: usize, src: &[u8]) {
    let mut left = src.len().min((dst.len() * 4).saturating_sub(at));
    let mut from = src.as_ptr();
    // SAFETY: `left` bytes from `at` on are inside `dst`, whose words may be changed through a
    // shared reference; `src` is other memory. Readers of these bytes race with this by design, and
    // detect it from the ring's positions. The number of blocks is computed from `left`. The words
    // of a ring are in normal memory, and aligned, and so is `to` if `at` is.
    unsafe {
        let mut to = dst.as_ptr().cast::<u8>().cast_mut().wrapping_add(at);
        if left >= BLOCK && at % 4 == 0 {
            if from as usize % 4 == 0 {
                blocks!(
                    from,
                    to,
                    left,
                    ["ldm {from}!, {{r0-r3}}"],
                    ["stm {to}!, {{r0-r3}}"]
                );
            } else {
                blocks!(
                    from,
                    to,
                    left,
                    [
                        "ldr r0, [{from}], #4"
                        "ldr r1, [{from}], #4"
                        "ldr r2, [{from}], #4"
                        "ldr r3, [{from}], #4"
                    ],
                    ["stm {to}!, {{r0-r3}}"]
                );
            }
        }
        if left != 0 {
            // A C function, since in Rust it would be a data race.
            fanlight_memcpy(to.cast(), from.cast(), left);
        }
    }
}

/// Loads the first `dst.len()` bytes of `src` into `dst`. Bytes of `dst` beyond the end of `src`
/// are not changed.
///
/// No ordering, neither against other accesses nor between the bytes, which may change
/// concurrently: `dst` may get a mixture of old and new bytes.
#[inline(always)]
pub(in crate::ring) fn copy_out(src: &[Word], dst: &mut [u8]) {
    let mut left = dst.len().min(src.len() * 4);
    let mut from = src.as_ptr().cast::<u8>();
    let mut to = dst.as_mut_ptr();
    // SAFETY: `left` bytes are inside both, which are different memory. The copy races with writers
    // by design. The blocks are what `left` has of them. Both are normal memory, and `src` is
    // aligned.
    unsafe {
        if left >= BLOCK {
            blocks!(
                from,
                to,
                left,
                ["ldm {from}!, {{r0-r3}}"],
                [
                    "str r0, [{to}], #4"
                    "str r1, [{to}], #4"
                    "str r2, [{to}], #4"
                    "str r3, [{to}], #4"
                ]
            );
        }
        if left != 0 {
            fanlight_memcpy(to.cast(), from.cast(), left);
        }
    }
}

/// The four bytes as a word.
#[inline(always)]
pub(in crate::ring) fn word_of(bytes: &[u8; 4]) -> u32 {
    let word: u32;
    // SAFETY: the four bytes are valid, and in normal memory, where a load of a word needs no
    // alignment.
    unsafe {
        asm!(
            "ldr {word}, [{from}]",
            word = lateout(reg) word,
            from = in(reg) bytes.as_ptr(),
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    word
}

/// Stores a word as four bytes.
#[inline(always)]
pub(in crate::ring) fn store_word(to: &mut [u8; 4], word: u32) {
    // SAFETY: the four bytes may be written, and are in normal memory, where a store of a word
    // needs no alignment.
    unsafe {
        asm!(
            "str {word}, [{to}]",
            word = in(reg) word,
            to = in(reg) to.as_mut_ptr(),
            options(nostack, preserves_flags),
        );
    }
}

/// Not 0 if a byte of `word` is below 0x20, above 0x7e or a backslash.
///
/// Uses the SIMD instructions on four bytes. A saturating difference is 0 where it would be
/// negative.
#[inline(always)]
pub(in crate::ring) fn odd_bytes(word: u32) -> u32 {
    const ONES: u32 = 0x0101_0101;
    let odd: u32;
    // SAFETY: arithmetic only.
    unsafe {
        asm!(
            // 0 to 0x5e if the byte is 0x20 to 0x7e.
            "usub8 {odd}, {word}, {blank}",
            "uqsub8 {odd}, {odd}, {range}",
            // 1 if it is a backslash.
            "eor {other}, {word}, {backslash}",
            "uqsub8 {other}, {ones}, {other}",
            "orr {odd}, {odd}, {other}",
            odd = out(reg) odd,
            other = out(reg) _,
            word = in(reg) word,
            blank = in(reg) 0x20 * ONES,
            range = in(reg) 0x5e * ONES,
            backslash = in(reg) 0x5c * ONES,
            ones = in(reg) ONES,
            options(pure, nomem, nostack),
        );
    }
    odd
}
