// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single loads and stores, each one instruction of one width.

use core::mem::size_of;

pub(super) mod sealed {
    /// One load or store instruction of this width, which the compiler neither repeats nor omits,
    /// nor reorders with other ones.
    ///
    /// A volatile access has these properties, too, but may be compiled to an instruction with
    /// writeback of the address register. A hypervisor that emulates the device cannot decode such
    /// an instruction from its trap, and ends the guest. The kernel's readl() and writel() are
    /// assembly for the same reason.
    pub trait Word: Copy {
        /// # Safety
        ///
        /// `from` is readable and aligned (`u64`: to four bytes), or a bus error there is handled.
        unsafe fn load_one(from: *const Self) -> Self;

        /// # Safety
        ///
        /// `into` is writable and aligned (`u64`: to four bytes), or a bus error there is handled.
        unsafe fn store_one(into: *mut Self, value: Self);
    }
    macro_rules! word {
        ($type:ty, $arm_load:literal, $arm_store:literal,
         $arm64_load:literal, $arm64_store:literal) => {
            impl Word for $type {
                #[inline(always)]
                unsafe fn load_one(from: *const Self) -> Self {
                    #[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
                    {
                        let value: u32;
                        // SAFETY: one load of the width of `Self`, by the function's precondition.
                        unsafe {
                            #[cfg(target_arch = "arm")]
                            core::arch::asm!(
                                $arm_load, value = out(reg) value, at = in(reg) from,
                                options(nostack, preserves_flags)
                            );
                            #[cfg(target_arch = "aarch64")]
                            core::arch::asm!(
                                $arm64_load, value = out(reg) value, at = in(reg) from,
                                options(nostack, preserves_flags)
                            );
                        }
                        value as Self
                    }
                    #[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
                    // SAFETY: the caller guarantees that `from` is readable and aligned, or that a
                    // bus error there is handled.
                    unsafe {
                        from.read_volatile()
                    }
                }

                #[inline(always)]
                unsafe fn store_one(into: *mut Self, value: Self) {
                    // SAFETY: one store of the width of `Self`, by the function's precondition.
                    unsafe {
                        #[cfg(target_arch = "arm")]
                        core::arch::asm!(
                            $arm_store, value = in(reg) u32::from(value), at = in(reg) into,
                            options(nostack, preserves_flags)
                        );
                        #[cfg(target_arch = "aarch64")]
                        core::arch::asm!(
                            $arm64_store, value = in(reg) u32::from(value), at = in(reg) into,
                            options(nostack, preserves_flags)
                        );
                        #[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
                        into.write_volatile(value);
                    }
                }
            }
        };
    }
    word!(
        u8,
        "ldrb {value}, [{at}]",
        "strb {value}, [{at}]",
        "ldrb {value:w}, [{at}]",
        "strb {value:w}, [{at}]"
    );
    word!(
        u16,
        "ldrh {value}, [{at}]",
        "strh {value}, [{at}]",
        "ldrh {value:w}, [{at}]",
        "strh {value:w}, [{at}]"
    );
    word!(
        u32,
        "ldr {value}, [{at}]",
        "str {value}, [{at}]",
        "ldr {value:w}, [{at}]",
        "str {value:w}, [{at}]"
    );

    /// On a 32-bit processor, two accesses of a word each, first the one at the lower address, like
    /// the kernel's lo_hi_readq() and lo_hi_writeq(): it has no instruction that accesses 64 bits
    /// of a device at once. One access on other processors.
    impl Word for u64 {
        #[inline(always)]
        unsafe fn load_one(from: *const Self) -> Self {
            #[cfg(target_pointer_width = "64")]
            if from.is_aligned() {
                #[cfg(target_arch = "aarch64")]
                {
                    let value: u64;
                    // SAFETY: one load of eight bytes, by the function's precondition.
                    unsafe {
                        core::arch::asm!(
                            "ldr {value}, [{at}]", value = out(reg) value, at = in(reg) from,
                            options(nostack, preserves_flags)
                        );
                    }
                    return value;
                }
                #[cfg(not(target_arch = "aarch64"))]
                // SAFETY: `from` is aligned, as checked above. The caller guarantees that it is
                // readable, or that a bus error there is handled.
                return unsafe { from.read_volatile() };
            }
            let half = from.cast::<u32>();
            // SAFETY: the eight bytes are two words, by the function's precondition.
            let halves = unsafe { [u32::load_one(half), u32::load_one(half.add(1))] };
            join(halves)
        }

        #[inline(always)]
        unsafe fn store_one(into: *mut Self, value: Self) {
            #[cfg(target_pointer_width = "64")]
            if into.is_aligned() {
                // SAFETY: one store of eight bytes, by the function's precondition.
                unsafe {
                    #[cfg(target_arch = "aarch64")]
                    core::arch::asm!(
                        "str {value}, [{at}]", value = in(reg) value, at = in(reg) into,
                        options(nostack, preserves_flags)
                    );
                    #[cfg(not(target_arch = "aarch64"))]
                    into.write_volatile(value);
                }
                return;
            }
            let half = into.cast::<u32>();
            let [first, second] = split(value);
            // SAFETY: the eight bytes are two words, by the function's precondition.
            unsafe {
                u32::store_one(half, first);
                u32::store_one(half.add(1), second);
            }
        }
    }

    /// The value of two words in the order of their addresses.
    fn join(halves: [u32; 2]) -> u64 {
        let [first, second] = halves.map(u32::to_ne_bytes);
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&first);
        bytes[4..].copy_from_slice(&second);
        u64::from_ne_bytes(bytes)
    }

    /// The two words of a value in the order of their addresses.
    fn split(value: u64) -> [u32; 2] {
        let [a, b, c, d, e, f, g, h] = value.to_ne_bytes();
        [[a, b, c, d], [e, f, g, h]].map(u32::from_ne_bytes)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn window_u64_is_two_words_where_it_is_not_aligned() {
            let mut words = [0u32; 4];
            for at in 0..3 {
                let place = words[at..].as_mut_ptr().cast::<u64>();
                // SAFETY: eight bytes of the array, aligned to four.
                unsafe { u64::store_one(place, 0x0102_0304_0506_0708) };
                // SAFETY: eight bytes of the array, aligned to four.
                assert_eq!(unsafe { u64::load_one(place) }, 0x0102_0304_0506_0708);
                assert_eq!(join([words[at], words[at + 1]]), 0x0102_0304_0506_0708);
            }
        }
    }
}

/// A type that is loaded and stored in one access: `u8`, `u16`, `u32` and `u64`.
///
/// On a 32-bit processor, `u64` is two accesses of a word each, first the one at the lower address,
/// as with the kernel's lo_hi_readq() and lo_hi_writeq(). A value that a device changes between the
/// two is torn.
///
/// ```
/// fn width<T: fanlight::Word>() -> usize {
///     T::BYTES
/// }
/// assert_eq!(width::<u16>(), 2);
/// ```
pub trait Word: sealed::Word + Into<u64> + Default {
    /// Its size in bytes.
    const BYTES: usize = size_of::<Self>();
}
impl Word for u8 {}
impl Word for u16 {}
impl Word for u32 {}
impl Word for u64 {}
