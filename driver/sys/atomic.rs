// SPDX-License-Identifier: GPL-2.0-only

//! The atomic words that the ring is made of, over the kernel's memory model; in place of `ring/atomic.rs`.
//!
//! C headers: [`include/linux/atomic.h`](srctree/include/linux/atomic.h),
//! [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)
//!
//! The kernel crate's `Atomic` calls a C function for each access, which costs more than the access. Here are the same
//! instructions in place, as `arch/arm/include/asm/atomic.h` has them for ARMv7: the only processors that the kernel's Rust
//! supports on 32-bit ARM, though its target is named after an older one: hence `.arch`.

use core::{
    arch::asm,
    cell::UnsafeCell, //
};

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
#[repr(transparent)]
pub struct Word(UnsafeCell<u32>);

// SAFETY: it is only ever accessed by single loads and stores of the whole word, or by exclusive ones.
unsafe impl Sync for Word {}

impl Word {
    /// A word that holds `value`.
    #[inline]
    pub const fn new(value: u32) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Loads without any ordering.
    #[inline]
    pub fn load(&self) -> u32 {
        // SAFETY: the pointer is that of a live word; a volatile load of an aligned word is READ_ONCE.
        unsafe { self.0.get().read_volatile() }
    }

    /// Loads; nothing that follows in program order happens before it.
    #[inline]
    pub fn load_acquire(&self) -> u32 {
        let value = self.load();
        barrier();
        value
    }

    /// Stores without any ordering.
    #[inline]
    pub fn store(&self, value: u32) {
        // SAFETY: the pointer is that of a live word; a volatile store of an aligned word is WRITE_ONCE.
        unsafe { self.0.get().write_volatile(value) };
    }

    /// Stores; everything that precedes in program order happens before it.
    #[inline]
    pub fn store_release(&self, value: u32) {
        barrier();
        self.store(value);
    }

    /// Stores `new` if the word holds `old`, without any ordering; says whether it did.
    #[inline]
    pub fn swap_if(&self, old: u32, new: u32) -> bool {
        let found: u32;
        // SAFETY: the pointer is that of a live, aligned word. As `arch_atomic_cmpxchg_relaxed`.
        unsafe {
            asm!(
                ".arch armv7-a",
                "2: ldrex {found}, [{at}]",
                "teq {found}, {old}",
                "bne 3f",
                "strex {failed}, {new}, [{at}]",
                "teq {failed}, #0",
                "bne 2b",
                "3:",
                found = out(reg) found,
                failed = out(reg) _,
                at = in(reg) self.0.get(),
                old = in(reg) old,
                new = in(reg) new,
                options(nostack),
            );
        }
        found == old
    }

    /// As [`Word::swap_if`]; when it stores, nothing that follows in program order happens before it.
    #[inline]
    pub fn swap_if_acquire(&self, old: u32, new: u32) -> bool {
        let done = self.swap_if(old, new);
        barrier();
        done
    }

    /// As [`Word::swap_if`]; when it stores, everything that precedes in program order happens before it.
    #[inline]
    pub fn swap_if_release(&self, old: u32, new: u32) -> bool {
        barrier();
        self.swap_if(old, new)
    }
}

// The kernel's Rust is for little-endian ARM only; by bytes the compiler would make a mess of it.
const _: () = assert!(cfg!(target_endian = "little"));

/// The words of a 64-bit number in the order in which they are in memory.
#[inline(always)]
fn halves(value: u64) -> (u32, u32) {
    (value as u32, (value >> 32) as u32)
}

/// The 64-bit number of two words as they are in memory.
#[inline(always)]
fn whole(first: u32, second: u32) -> u64 {
    u64::from(second) << 32 | u64::from(first)
}

/// A 64-bit word that other processors and other programs may change at any time, never seen half changed.
#[repr(C, align(8))]
pub struct Long(UnsafeCell<u64>);

// SAFETY: it is only ever accessed by exclusive loads and stores of the whole, or where halves of two values will do.
unsafe impl Sync for Long {}

impl Long {
    /// A word that holds `value`.
    #[inline]
    pub const fn new(value: u64) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Loads without any ordering.
    #[inline]
    pub fn load(&self) -> u64 {
        let (first, second): (u32, u32);
        // SAFETY: the pointer is that of a live word, aligned to its size. As `arch_atomic64_read`: `ldrd` would not be
        // atomic on processors without LPAE.
        unsafe {
            asm!(
                ".arch armv7-a",
                "ldrexd r0, r1, [{at}]",
                at = in(reg) self.0.get(),
                out("r0") first,
                out("r1") second,
                options(nostack, preserves_flags),
            );
        }
        whole(first, second)
    }

    /// Loads; nothing that follows in program order happens before it.
    #[inline]
    pub fn load_acquire(&self) -> u64 {
        let value = self.load();
        barrier();
        value
    }

    /// Loads without any ordering, and maybe a mixture of the halves of two values, if it changes meanwhile.
    #[inline]
    pub fn glance(&self) -> u64 {
        // SAFETY: the pointer is that of a live word; a volatile load is READ_ONCE but for its size, and the halves
        // may be of two values, as the documentation says.
        unsafe { self.0.get().read_volatile() }
    }

    /// Stores without any ordering, and maybe one half after the other.
    #[inline]
    pub fn put(&self, value: u64) {
        // SAFETY: the pointer is that of a live word; a volatile store is WRITE_ONCE but for its size, and who loads it
        // may see the halves of two values, as the documentation says.
        unsafe { self.0.get().write_volatile(value) };
    }

    /// Loads the low half without any ordering.
    #[inline]
    pub fn low(&self) -> u32 {
        let at = if cfg!(target_endian = "little") { 0 } else { 1 };
        // SAFETY: both halves of a live word are aligned words; a volatile load of one is READ_ONCE.
        unsafe { self.0.get().cast::<u32>().add(at).read_volatile() }
    }

    /// Stores without any ordering.
    #[inline]
    pub fn store(&self, value: u64) {
        let (first, second) = halves(value);
        // SAFETY: the pointer is that of a live word, aligned to its size. As `arch_atomic64_set`.
        unsafe {
            asm!(
                ".arch armv7-a",
                "2: ldrexd r0, r1, [{at}]",
                "strexd {failed}, r2, r3, [{at}]",
                "teq {failed}, #0",
                "bne 2b",
                at = in(reg) self.0.get(),
                failed = out(reg) _,
                out("r0") _,
                out("r1") _,
                in("r2") first,
                in("r3") second,
                options(nostack),
            );
        }
    }

    /// Stores `new` if the word holds `old`, without any ordering; says whether it did.
    #[inline]
    pub fn swap_if(&self, old: u64, new: u64) -> bool {
        let (first, second) = halves(old);
        let (new_first, new_second) = halves(new);
        let differs: u32;
        // SAFETY: the pointer is that of a live word, aligned to its size. As `arch_atomic64_cmpxchg_relaxed`.
        unsafe {
            asm!(
                ".arch armv7-a",
                "2: ldrexd r0, r1, [{at}]",
                "eor r0, r0, {first}",
                "eor r1, r1, {second}",
                "orrs r0, r0, r1",
                "bne 3f",
                "strexd {failed}, r2, r3, [{at}]",
                "teq {failed}, #0",
                "bne 2b",
                "3:",
                at = in(reg) self.0.get(),
                first = in(reg) first,
                second = in(reg) second,
                failed = out(reg) _,
                out("r0") differs,
                out("r1") _,
                in("r2") new_first,
                in("r3") new_second,
                options(nostack),
            );
        }
        differs == 0
    }

    /// As [`Long::swap_if`]; when it stores, everything that precedes in program order happens before it.
    #[inline]
    pub fn swap_if_release(&self, old: u64, new: u64) -> bool {
        barrier();
        self.swap_if(old, new)
    }
}

/// Orders all loads before it against all loads and stores after it.
#[inline]
pub fn fence_acquire() {
    barrier();
}

/// Orders all loads and stores before it against all stores after it.
#[inline]
pub fn fence_release() {
    barrier();
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
