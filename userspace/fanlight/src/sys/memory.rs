// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that the kernel, hardware or other programs may change at any time.
//!
//! Only raw pointers lead into it: single accesses of one word where the access itself matters
//! (registers), and plain stores of words where only the result does (pixels). The target is never
//! borrowed.

use alloc::boxed::Box;
use alloc::vec;
use core::mem::size_of;
use core::ptr::NonNull;

use crate::access::AccessError;
#[cfg(feature = "std")]
use crate::access::WindowName;
#[cfg(feature = "std")]
use crate::sys::fault::{Fault, Slot};

mod sealed {
    /// One load or store instruction of this width, which the compiler neither repeats, leaves out
    /// nor reorders among others.
    ///
    /// A volatile access would be that, too, but may become an instruction that also changes the
    /// address register (writeback). A hypervisor that emulates the device cannot decode such an
    /// instruction from its trap, and ends the guest; so the kernel's readl() and writel() are
    /// assembly for the same reason.
    pub trait Word: Copy {
        /// # Safety
        ///
        /// `from` is readable and aligned, or a bus error there is handled.
        unsafe fn load_one(from: *const Self) -> Self;

        /// # Safety
        ///
        /// `into` is writable and aligned, or a bus error there is handled.
        unsafe fn store_one(into: *mut Self, value: Self);
    }

    macro_rules! word {
        ($type:ty, $arm_load:literal, $arm_store:literal, $arm64_load:literal, $arm64_store:literal) => {
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
                    // SAFETY: by the function's precondition.
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
}

/// Orders accesses to a device's registers against those to memory that it reads and writes, as the
/// barriers in readl() and writel() do. `fence()` would do so for processors only.
#[cfg(feature = "std")]
#[inline(always)]
fn device_barrier() {
    // SAFETY: a barrier has no preconditions. ARMv7 has the instruction, and an ARMv6 program that
    // has it still runs on the ARMv7 that the driver needs.
    #[cfg(target_arch = "arm")]
    unsafe {
        core::arch::asm!(".arch armv7-a", "dmb sy", options(nostack, preserves_flags));
    }
    // SAFETY: a barrier has no preconditions.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("dmb sy", options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}

/// What a memory's accesses have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Ordinary memory: any.
    Any,
    /// Device memory, perhaps registers: single ones in order, aligned to their width.
    Ordered,
    /// Registers that are accessed with this many bytes only (`reg-io-width`).
    Width(usize),
}

/// What can be loaded and stored in one access: `u8`, `u16` and `u32`.
///
/// ```
/// fn width<T: fanlight::Word>() -> usize {
///     T::BYTES
/// }
/// assert_eq!(width::<u16>(), 2);
/// ```
pub trait Word: sealed::Word + Into<u32> + Default {
    /// Bytes of it.
    ///
    /// ```
    /// assert_eq!(<u32 as fanlight::Word>::BYTES, 4);
    /// ```
    const BYTES: usize = size_of::<Self>();
}
impl Word for u8 {}
impl Word for u16 {}
impl Word for u32 {}

/// Who gives the memory back.
enum Owner {
    /// A mapping, undone by drop.
    #[cfg(feature = "std")]
    Mapping(Mapping),
    /// Ordinary memory, a box that drop makes again. A box in here would claim its memory for
    /// itself each time it is moved.
    Heap(NonNull<[u32]>),
    /// Somebody else.
    Foreign,
}

/// What belongs to a mapping of a device or file.
#[cfg(feature = "std")]
struct Mapping {
    slot: &'static Slot,
    /// To map it again after a bus error.
    fd: rustix::fd::OwnedFd,
    name: WindowName,
    /// Bytes of the mapping before the memory.
    lead: usize,
}

/// A piece of memory with a beginning and an end.
///
/// # Invariants
///
/// `base` is aligned to four bytes and `len` bytes from it are readable for as long as `self`
/// lives, and writable if `writable`.
pub(crate) struct Memory {
    base: NonNull<u8>,
    len: usize,
    writable: bool,
    rules: Rules,
    owner: Owner,
}

// SAFETY: nothing in it is tied to a thread. It is not `Sync`, so that its plain stores never race
// with one another.
unsafe impl Send for Memory {}

impl Memory {
    /// Zeroed ordinary memory.
    pub(crate) fn heap(len: usize) -> Self {
        let words: Box<[u32]> = vec![0u32; len.div_ceil(size_of::<u32>())].into_boxed_slice();
        let words = NonNull::from(Box::leak(words));
        // INVARIANT: the box is aligned for u32, at least `len` bytes long, and nobody's but
        // `self`'s.
        Self {
            base: words.cast::<u8>(),
            len,
            writable: true,
            rules: Rules::Any,
            owner: Owner::Heap(words),
        }
    }

    /// Memory of somebody else.
    ///
    /// # Safety
    ///
    /// `base` is aligned to four bytes, and `len` bytes from it are readable and writable while the
    /// result lives.
    pub(crate) unsafe fn foreign(base: NonNull<u8>, len: usize) -> Self {
        // INVARIANT: by the function's precondition.
        Self {
            base,
            len,
            writable: true,
            rules: Rules::Ordered,
            owner: Owner::Foreign,
        }
    }

    /// `len` bytes of a file or device, from byte `lead` of a mapping on, shared. `lead` is a
    /// multiple of four.
    #[cfg(feature = "std")]
    pub(crate) fn map(
        fd: rustix::fd::BorrowedFd<'_>,
        name: WindowName,
        len: usize,
        writable: bool,
        rules: Rules,
        lead: usize,
    ) -> rustix::io::Result<Self> {
        let whole = lead.checked_add(len).filter(|_| lead % 4 == 0);
        let whole = whole.ok_or(rustix::io::Errno::INVAL)?;
        let again = rustix::io::fcntl_dupfd_cloexec(fd, 0)?;
        let start = map_shared(fd, whole, writable)?;
        let slot = crate::sys::fault::register(start.as_ptr() as usize, whole);
        // SAFETY: the mapping has `lead + len` bytes.
        let base = unsafe { start.add(lead) };
        // INVARIANT: mmap gave `len` bytes from `base` on, which is `lead`, a multiple of four,
        // from a page boundary, with the rights asked for, until the munmap in drop.
        Ok(Self {
            base,
            len,
            writable,
            rules,
            owner: Owner::Mapping(Mapping {
                slot,
                fd: again,
                name,
                lead,
            }),
        })
    }

    #[cfg(feature = "std")]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[cfg(feature = "std")]
    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// The only width that accesses may have, in bytes.
    #[cfg(feature = "std")]
    pub(crate) fn width(&self) -> Option<usize> {
        match self.rules {
            Rules::Width(width) => Some(width),
            _ => None,
        }
    }

    /// Whether the driver has taken the memory away, and zeroes have been put in its place.
    #[cfg(feature = "std")]
    pub(crate) fn is_revoked(&self) -> bool {
        match &self.owner {
            #[cfg(feature = "std")]
            Owner::Mapping(mapping) => mapping.slot.fault().is_some(),
            _ => false,
        }
    }

    /// The error of an access after which the handler of SIGBUS had noted this fault.
    #[cfg(feature = "std")]
    #[cold]
    fn failed(&self, mapping: &Mapping, fault: Fault) -> AccessError {
        match fault {
            Fault::Revoked => AccessError::Revoked,
            Fault::BusError(offset) => {
                self.restore(mapping);
                AccessError::BusError {
                    window: mapping.name,
                    offset: offset.saturating_sub(mapping.lead) as u64,
                }
            }
        }
    }

    /// Where the mapping begins, and how long it is.
    #[cfg(feature = "std")]
    fn mapped(&self, mapping: &Mapping) -> (*mut core::ffi::c_void, usize) {
        let start = self.base.as_ptr().wrapping_sub(mapping.lead);
        (start.cast(), mapping.lead + self.len)
    }

    /// Maps the device again in place of the zero pages that the handler of SIGBUS has put there.
    /// If it cannot be mapped any more, the zero pages stay, and later accesses report a
    /// revocation.
    #[cfg(feature = "std")]
    fn restore(&self, mapping: &Mapping) {
        use rustix::fd::AsFd;
        use rustix::mm::{mremap_fixed, munmap, MremapFlags};

        let (start, len) = self.mapped(mapping);
        if let Ok(new) = map_shared(mapping.fd.as_fd(), len, self.writable) {
            let new = new.as_ptr().cast();
            // SAFETY: `new` is a mapping made just now that nothing else uses. `start` is the
            // mapping that only `self` uses, by the type invariant, and it has the same length.
            let moved = unsafe { mremap_fixed(new, len, len, MremapFlags::MAYMOVE, start) };
            if moved.is_ok() {
                mapping.slot.restored();
                return;
            }
            // SAFETY: nothing else uses the mapping, which mremap() has left where it was.
            let _ = unsafe { munmap(new, len) };
        }
        mapping.slot.revoked();
    }

    /// The pointer to `count` bytes at `offset`, if they are all inside.
    fn at(&self, offset: usize, count: usize) -> Result<*mut u8, AccessError> {
        if offset > self.len || count > self.len - offset {
            return Err(AccessError::OutOfBounds {
                offset: offset as u64,
                count: count as u64,
                size: self.len as u64,
            });
        }
        // SAFETY: `offset` is at most `len`, so the result is inside of the memory or one past its
        // end.
        Ok(unsafe { self.base.as_ptr().add(offset) })
    }

    fn at_writable(&self, offset: usize, count: usize) -> Result<*mut u8, AccessError> {
        if self.writable {
            self.at(offset, count)
        } else {
            Err(AccessError::ReadOnly)
        }
    }

    #[cfg(feature = "std")]
    fn at_word<T: Word>(&self, offset: usize) -> Result<*mut T, AccessError> {
        let pointer = self.at(offset, T::BYTES)?;
        if let Rules::Width(width) = self.rules {
            if width != T::BYTES {
                return Err(AccessError::Width {
                    wanted: T::BYTES,
                    width,
                });
            }
        }
        if offset % T::BYTES != 0 {
            return Err(AccessError::Misaligned {
                offset: offset as u64,
                width: T::BYTES,
            });
        }
        Ok(pointer.cast())
    }

    fn checked<T>(&self, value: T) -> Result<T, AccessError> {
        // The accesses before have to have happened when the flag is looked at.
        core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
        match &self.owner {
            #[cfg(feature = "std")]
            Owner::Mapping(mapping) => match mapping.slot.fault() {
                None => Ok(value),
                Some(fault) => Err(self.failed(mapping, fault)),
            },
            _ => Ok(value),
        }
    }

    #[cfg(feature = "std")]
    /// One load. What is read of memory after it is not older than what it has read of a register,
    /// as with readl().
    pub(crate) fn load<T: Word>(&self, offset: usize) -> Result<T, AccessError> {
        let pointer = self.at_word::<T>(offset)?;
        // SAFETY: inside, and aligned, since the base is aligned to four bytes.
        let value = unsafe { T::load_one(pointer) };
        if self.rules != Rules::Any {
            device_barrier();
        }
        self.checked(value)
    }

    #[cfg(feature = "std")]
    /// One store. A device that it reaches sees what was written to memory before, as with
    /// writel().
    pub(crate) fn store<T: Word>(&self, offset: usize, value: T) -> Result<(), AccessError> {
        let pointer = self.at_word::<T>(offset)?;
        self.at_writable(offset, T::BYTES)?;
        if self.rules != Rules::Any {
            device_barrier();
        }
        // SAFETY: inside, aligned and writable.
        unsafe { T::store_one(pointer, value) };
        self.checked(())
    }

    /// Checks a range that is accessed with the only width there may be.
    fn check_width(&self, offset: usize, count: usize) -> Result<(), AccessError> {
        match self.rules {
            Rules::Width(width) if offset % width != 0 || count % width != 0 => {
                Err(AccessError::Misaligned {
                    offset: (if offset % width != 0 {
                        offset
                    } else {
                        offset + count
                    }) as u64,
                    width,
                })
            }
            _ => Ok(()),
        }
    }

    /// The log ring that the memory holds: its header, and the words of its data.
    #[cfg(feature = "std")]
    pub(crate) fn ring(&self) -> Option<(&fanlight_ring::Header, &[fanlight_ring::Word])> {
        use fanlight_ring::{Header, Word, HEADER_SIZE};

        let words = self.len.checked_sub(HEADER_SIZE)? / size_of::<Word>();
        let header = self.at(0, HEADER_SIZE).ok()?.cast::<Header>();
        let data = self
            .at(HEADER_SIZE, words * size_of::<Word>())
            .ok()?
            .cast::<Word>();
        if !header.is_aligned() || !data.is_aligned() {
            return None;
        }
        // SAFETY: both are inside and aligned, and live as long as `self`. They consist of atomics
        // alone, which may change under a shared reference, and for which every bit pattern is a
        // value.
        Some(unsafe { (&*header, core::slice::from_raw_parts(data, words)) })
    }

    /// Copies out. Words that are aligned on both sides are loaded whole.
    pub(crate) fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), AccessError> {
        let from = self.at(offset, into.len())?;
        self.check_width(offset, into.len())?;
        // SAFETY: `from` has `into.len()` readable bytes; `into` is ours and therefore elsewhere.
        unsafe {
            match self.rules {
                Rules::Any => core::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()),
                rules => load_all(from, into, rules),
            }
        }
        self.checked(())
    }

    /// Copies in. Words that are aligned on both sides are stored whole.
    pub(crate) fn write(&self, offset: usize, from: &[u8]) -> Result<(), AccessError> {
        let into = self.at_writable(offset, from.len())?;
        self.check_width(offset, from.len())?;
        // SAFETY: `into` has `from.len()` writable bytes; `from` is a slice and therefore
        // elsewhere.
        unsafe {
            match self.rules {
                Rules::Any => core::ptr::copy_nonoverlapping(from.as_ptr(), into, from.len()),
                rules => store_each(from, into, rules),
            }
        }
        self.checked(())
    }

    /// Repeats the twelve bytes of `pattern` over `count` bytes: whole pixels of two, three and
    /// four bytes all fit in it.
    pub(crate) fn fill(
        &self,
        offset: usize,
        count: usize,
        pattern: [u8; 12],
    ) -> Result<(), AccessError> {
        let base = self.at_writable(offset, count)?;
        if self.rules != Rules::Any {
            self.check_width(offset, count)?;
            let bytes = |at| core::array::from_fn(|i| pattern[(at + i) % 12]);
            // SAFETY: `count` bytes from `base` are writable.
            unsafe { store_with(base, count, self.rules, bytes) };
            return self.checked(());
        }
        let head = base.align_offset(size_of::<u32>()).min(count);
        let words = (count - head) / size_of::<u32>();

        // The pattern as the words see it, that is from `head` on, four times over: a block that
        // becomes two stm.
        let mut block = [0u32; 12];
        for (i, word) in block.iter_mut().enumerate() {
            *word = u32::from_ne_bytes(core::array::from_fn(|j| pattern[(head + 4 * i + j) % 12]));
        }
        let store_bytes = |range: core::ops::Range<usize>| {
            for i in range {
                // SAFETY: i < count.
                unsafe { base.add(i).write_volatile(pattern[i % 12]) };
            }
        };

        store_bytes(0..head);
        // SAFETY: head <= count.
        let first = unsafe { base.add(head) }.cast::<u32>();
        for i in 0..words / block.len() {
            // SAFETY: block i ends at or before `words`, `first` is aligned for u32.
            unsafe { first.add(i * block.len()).cast::<[u32; 12]>().write(block) };
        }
        for i in words / block.len() * block.len()..words {
            // SAFETY: i < words.
            unsafe { first.add(i).write(block[i % block.len()]) };
        }
        store_bytes(head + words * size_of::<u32>()..count);
        self.checked(())
    }

    /// Stores pixels of `bytes` (2, 3 or 4) bytes each, one after the other from `offset`, at most
    /// `count` of them.
    pub(crate) fn store_pixels(
        &self,
        offset: usize,
        bytes: usize,
        count: usize,
        pixels: impl Iterator<Item = u32>,
    ) -> Result<(), AccessError> {
        let base = self.at_writable(offset, bytes * count)?;
        let pixels = pixels.take(count);
        let align = base as usize % size_of::<u32>();
        // Whole words and halves where they are aligned; lines of an odd stride take the last way.
        match bytes {
            // SAFETY: 4 bytes for each of at most `count` pixels are writable from `base`, which is
            // aligned.
            4 if align == 0 => unsafe { store_all(base.cast::<u32>(), pixels) },
            // SAFETY: the same with 2 bytes.
            2 if align % 2 == 0 => unsafe {
                store_all(base.cast::<u16>(), pixels.map(|pixel| pixel as u16))
            },
            // SAFETY: the same with `bytes` bytes, one by one.
            _ => unsafe {
                store_all(
                    base,
                    pixels.flat_map(|pixel| pixel.to_le_bytes().into_iter().take(bytes)),
                )
            },
        }
        self.checked(())
    }
}

/// Stores values one after the other.
///
/// # Safety
///
/// `base` is aligned, and writable for as many values as come.
unsafe fn store_all<T>(base: *mut T, values: impl Iterator<Item = T>) {
    for (i, value) in values.enumerate() {
        // SAFETY: by the function's precondition.
        unsafe { base.add(i).write(value) };
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        match &self.owner {
            #[cfg(feature = "std")]
            Owner::Mapping(mapping) => {
                mapping.slot.release();
                let (start, len) = self.mapped(mapping);
                // SAFETY: the range is the mapping that `map` made, or what the fault handler has
                // put in its place; `self` is the only way to it and is going.
                let _ = unsafe { rustix::mm::munmap(start, len) };
            }
            // SAFETY: it comes from a leaked box, and `self` is the only way to it and is going.
            Owner::Heap(words) => drop(unsafe { Box::from_raw(words.as_ptr()) }),
            Owner::Foreign => {}
        }
    }
}

/// Maps the first `len` bytes of a file or device, shared, wherever there is room.
#[cfg(feature = "std")]
fn map_shared(
    fd: rustix::fd::BorrowedFd<'_>,
    len: usize,
    writable: bool,
) -> rustix::io::Result<NonNull<u8>> {
    use rustix::mm::{MapFlags, ProtFlags};

    let prot = if writable {
        ProtFlags::READ | ProtFlags::WRITE
    } else {
        ProtFlags::READ
    };
    // SAFETY: without MAP_FIXED the kernel picks a free range; no memory of this program is
    // touched.
    let base =
        unsafe { rustix::mm::mmap(core::ptr::null_mut(), len, prot, MapFlags::SHARED, fd, 0)? };
    NonNull::new(base.cast::<u8>()).ok_or(rustix::io::Errno::FAULT)
}

/// Bytes of the next access at an address that is `at`: the only width there may be, or a word
/// where one is aligned and not beyond the end.
fn step(at: usize, left: usize, rules: Rules) -> usize {
    match rules {
        Rules::Width(width) => width,
        _ if at % 4 == 0 && left >= 4 => 4,
        _ => 1,
    }
}

/// Copies out by single accesses, in order.
///
/// # Safety
///
/// `from` is readable for the length of `into`, and they do not overlap.
unsafe fn load_all(from: *const u8, into: &mut [u8], rules: Rules) {
    use sealed::Word;

    let count = into.len();
    let mut i = 0;
    while i < count {
        let step = step(from as usize + i, count - i, rules);
        // SAFETY: i + step <= count, since a width divides the count (`Memory::check_width`), and
        // the address is aligned to the step for the same reason.
        let value = unsafe {
            let from = from.add(i);
            match step {
                1 => u8::load_one(from).into(),
                2 => u16::load_one(from.cast()).into(),
                _ => u32::load_one(from.cast()),
            }
        };
        into[i..i + step].copy_from_slice(&value.to_le_bytes()[..step]);
        i += step;
    }
}

/// Copies in by single accesses, in order.
///
/// # Safety
///
/// `into` is writable for the length of `from`, and they do not overlap.
unsafe fn store_each(from: &[u8], into: *mut u8, rules: Rules) {
    let bytes = |at: usize| core::array::from_fn(|i| from.get(at + i).copied().unwrap_or(0));
    // SAFETY: by the function's precondition.
    unsafe { store_with(into, from.len(), rules, bytes) };
}

/// Stores `count` bytes by single accesses, in order. `bytes` has four of them from an index on, of
/// which those beyond the end do not matter.
///
/// # Safety
///
/// `into` is writable for `count` bytes.
unsafe fn store_with(into: *mut u8, count: usize, rules: Rules, bytes: impl Fn(usize) -> [u8; 4]) {
    use sealed::Word;

    let mut i = 0;
    while i < count {
        let step = step(into as usize + i, count - i, rules);
        let value = u32::from_le_bytes(bytes(i));
        // SAFETY: i + step <= count, since a width divides the count (`Memory::check_width`), and
        // the address is aligned to the step for the same reason.
        unsafe {
            let into = into.add(i);
            match step {
                1 => u8::store_one(into, value as u8),
                2 => u16::store_one(into.cast(), value as u16),
                _ => u32::store_one(into.cast(), value),
            }
        }
        i += step;
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::sys::fault;
    use rustix::fd::AsFd;

    fn file() -> std::fs::File {
        let fd = rustix::fs::memfd_create("regs", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let file = std::fs::File::from(fd);
        file.set_len(8192).unwrap();
        file
    }

    fn map(file: &std::fs::File) -> Memory {
        map_from(file, 0)
    }

    fn map_from(file: &std::fs::File, lead: usize) -> Memory {
        let name = WindowName::new("regs");
        Memory::map(file.as_fd(), name, 8192 - lead, true, Rules::Ordered, lead).unwrap()
    }

    fn bus_error(offset: u64) -> AccessError {
        AccessError::BusError {
            window: WindowName::new("regs"),
            offset,
        }
    }

    #[test]
    fn window_bus_error_names_the_offset_and_leaves_the_window_usable() {
        let file = file();
        let memory = map(&file);
        memory.store(0x1010, 7u32).unwrap();
        // What the handler of SIGBUS does: 32-bit ARM reports an external abort with the code 0.
        assert!(fault::handle(0, memory.base.as_ptr() as usize + 0x1014));
        assert_eq!(memory.load::<u32>(0x1014), Err(bus_error(0x1014)));
        assert_eq!(memory.load::<u32>(0x1010), Ok(7));
        memory.store(0x1018, 8u32).unwrap();
        assert_eq!(memory.load::<u32>(0x1018), Ok(8));
    }

    #[test]
    fn window_bus_error_of_a_store_or_a_copy_is_an_error() {
        let file = file();
        let memory = map(&file);
        let base = memory.base.as_ptr() as usize;
        assert!(fault::handle(libc::BUS_OBJERR, base));
        assert_eq!(memory.store(0, 1u8), Err(bus_error(0)));
        assert!(fault::handle(0, base + 64));
        assert_eq!(memory.read(0, &mut [0; 128]), Err(bus_error(64)));
        assert!(fault::handle(0, base + 8191));
        assert_eq!(memory.write(8000, &[1; 192]), Err(bus_error(8191)));
        assert_eq!(memory.read(0, &mut [0; 128]), Ok(()));
    }

    #[test]
    fn window_that_does_not_begin_with_a_page_is_used_as_one_that_does() {
        let file = file();
        let (memory, whole) = (map_from(&file, 0x204), map(&file));
        memory.store(0, 7u32).unwrap();
        assert_eq!(whole.load::<u32>(0x204), Ok(7));
        assert_eq!(memory.len(), 8192 - 0x204);
        assert!(memory.load::<u32>(8192 - 0x204).is_err());
        assert!(fault::handle(0, memory.base.as_ptr() as usize + 16));
        assert_eq!(memory.load::<u32>(16), Err(bus_error(16)));
        assert_eq!(memory.load::<u32>(0), Ok(7));
    }

    #[test]
    fn window_bus_error_elsewhere_is_not_ours() {
        let file = file();
        let memory = map(&file);
        let base = memory.base.as_ptr() as usize;
        assert!(!fault::handle(0, 1234));
        assert!(!fault::handle(libc::BUS_ADRALN, base));
        assert_eq!(memory.load::<u32>(0), Ok(0));
    }

    #[test]
    fn window_of_a_register_width_is_accessed_with_it_only() {
        let file = file();
        for width in [1, 2, 4] {
            let name = WindowName::new("regs");
            let rules = Rules::Width(width);
            let memory = Memory::map(file.as_fd(), name, 8192, true, rules, 0).unwrap();
            let wrong = |wanted| AccessError::Width { wanted, width };
            let misaligned = |offset| AccessError::Misaligned { offset, width };
            for wanted in [1, 2, 4] {
                let (loaded, stored) = match wanted {
                    1 => (memory.load::<u8>(8).map(u32::from), memory.store(8, 1u8)),
                    2 => (memory.load::<u16>(8).map(u32::from), memory.store(8, 1u16)),
                    _ => (memory.load::<u32>(8), memory.store(8, 1u32)),
                };
                if wanted == width {
                    assert!(loaded.is_ok() && stored.is_ok());
                } else {
                    assert_eq!((loaded, stored), (Err(wrong(wanted)), Err(wrong(wanted))));
                }
            }
            memory.write(0, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
            let mut bytes = [0; 8];
            memory.read(0, &mut bytes).unwrap();
            assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8]);
            memory.fill(0, 8, [9; 12]).unwrap();
            memory.read(0, &mut bytes).unwrap();
            assert_eq!(bytes, [9; 8]);
            if width > 1 {
                assert_eq!(memory.read(1, &mut bytes), Err(misaligned(1)));
                assert_eq!(memory.write(0, &[0; 7]), Err(misaligned(7)));
                assert_eq!(memory.fill(3, 4, [0; 12]), Err(misaligned(3)));
            }
        }
    }

    #[test]
    fn window_of_ordered_memory_is_copied_at_any_alignment() {
        let memory = map(&file());
        let bytes: Vec<u8> = (0..32).collect();
        for at in 0..4 {
            for count in 0..16 {
                memory.fill(0, 32, [0xee; 12]).unwrap();
                memory.write(at, &bytes[..count]).unwrap();
                let mut all = [0; 32];
                memory.read(0, &mut all).unwrap();
                assert_eq!(all[at..at + count], bytes[..count]);
                assert_eq!((all[at + count], all[31]), (0xee, 0xee));
                let mut some = vec![0; count];
                memory.read(at, &mut some).unwrap();
                assert_eq!(some, bytes[..count]);
            }
        }
    }
}
