// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that the kernel, hardware or other programs may change at any time.
//!
//! Only raw pointers lead into it: volatile accesses of one word where the access itself matters
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
    pub trait Word: Copy {}
    impl Word for u8 {}
    impl Word for u16 {}
    impl Word for u32 {}
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
    /// Device memory: an access that is not aligned to its size faults.
    strict: bool,
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
            strict: false,
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
            strict: true,
            owner: Owner::Foreign,
        }
    }

    /// The first `len` bytes of a file or device, shared.
    #[cfg(feature = "std")]
    pub(crate) fn map(
        fd: rustix::fd::BorrowedFd<'_>,
        name: WindowName,
        len: usize,
        writable: bool,
        strict: bool,
    ) -> rustix::io::Result<Self> {
        let again = rustix::io::fcntl_dupfd_cloexec(fd, 0)?;
        let base = map_shared(fd, len, writable)?;
        let slot = crate::sys::fault::register(base.as_ptr() as usize, len);
        // INVARIANT: mmap gave `len` bytes, page-aligned, with the rights asked for, until the
        // munmap in drop.
        Ok(Self {
            base,
            len,
            writable,
            strict,
            owner: Owner::Mapping(Mapping {
                slot,
                fd: again,
                name,
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
                    offset: offset as u64,
                }
            }
        }
    }

    /// Maps the device again in place of the zero pages that the handler of SIGBUS has put there.
    /// If it cannot be mapped any more, the zero pages stay, and later accesses report a
    /// revocation.
    #[cfg(feature = "std")]
    fn restore(&self, mapping: &Mapping) {
        use rustix::fd::AsFd;
        use rustix::mm::{mremap_fixed, munmap, MremapFlags};

        let base = self.base.as_ptr().cast();
        if let Ok(new) = map_shared(mapping.fd.as_fd(), self.len, self.writable) {
            let new = new.as_ptr().cast();
            // SAFETY: `new` is a mapping made just now that nothing else uses. `base` is the
            // mapping that only `self` uses, by the type invariant, and it has the same length.
            let moved =
                unsafe { mremap_fixed(new, self.len, self.len, MremapFlags::MAYMOVE, base) };
            if moved.is_ok() {
                mapping.slot.restored();
                return;
            }
            // SAFETY: nothing else uses the mapping, which mremap() has left where it was.
            let _ = unsafe { munmap(new, self.len) };
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
    /// One volatile load.
    pub(crate) fn load<T: Word>(&self, offset: usize) -> Result<T, AccessError> {
        let pointer = self.at_word::<T>(offset)?;
        // SAFETY: inside, aligned (the base is aligned to four bytes), and every bit pattern is a
        // value of T.
        let value = unsafe { pointer.read_volatile() };
        self.checked(value)
    }

    #[cfg(feature = "std")]
    /// One volatile store.
    pub(crate) fn store<T: Word>(&self, offset: usize, value: T) -> Result<(), AccessError> {
        let pointer = self.at_word::<T>(offset)?;
        self.at_writable(offset, T::BYTES)?;
        // SAFETY: inside, aligned and writable.
        unsafe { pointer.write_volatile(value) };
        self.checked(())
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
        // SAFETY: `from` has `into.len()` readable bytes; `into` is ours and therefore elsewhere.
        unsafe { copy(from, into.as_mut_ptr(), into.len(), self.strict) };
        self.checked(())
    }

    /// Copies in. Words that are aligned on both sides are stored whole.
    pub(crate) fn write(&self, offset: usize, from: &[u8]) -> Result<(), AccessError> {
        let into = self.at_writable(offset, from.len())?;
        // SAFETY: `into` has `from.len()` writable bytes; `from` is a slice and therefore
        // elsewhere.
        unsafe { copy(from.as_ptr(), into, from.len(), self.strict) };
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
                // SAFETY: the range is the mapping that `map` made, or what the fault handler has
                // put in its place; `self` is the only way to it and is going.
                let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
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

/// `memcpy` in general; words and bytes in order where the memory takes aligned accesses only.
///
/// # Safety
///
/// `from` is readable and `into` writable for `count` bytes, and they do not overlap.
unsafe fn copy(from: *const u8, into: *mut u8, count: usize, strict: bool) {
    if !strict {
        // SAFETY: by the function's precondition.
        unsafe { core::ptr::copy_nonoverlapping(from, into, count) };
        return;
    }
    let word = size_of::<u32>();
    let mut i = 0;
    while i < count {
        // SAFETY: i < count, and for the word i + 4 <= count with both sides aligned.
        unsafe {
            if from.add(i) as usize % word == 0
                && into.add(i) as usize % word == 0
                && count - i >= word
            {
                into.add(i)
                    .cast::<u32>()
                    .write_volatile(from.add(i).cast::<u32>().read_volatile());
                i += word;
            } else {
                into.add(i).write_volatile(from.add(i).read_volatile());
                i += 1;
            }
        }
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
        Memory::map(file.as_fd(), WindowName::new("regs"), 8192, true, true).unwrap()
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
    fn window_bus_error_elsewhere_is_not_ours() {
        let file = file();
        let memory = map(&file);
        let base = memory.base.as_ptr() as usize;
        assert!(!fault::handle(0, 1234));
        assert!(!fault::handle(libc::BUS_ADRALN, base));
        assert_eq!(memory.load::<u32>(0), Ok(0));
    }
}
