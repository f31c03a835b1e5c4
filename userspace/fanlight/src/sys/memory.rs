// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that the kernel, hardware or other programs may change at any time.
//!
//! It is accessed by raw pointers only: by single accesses of one word if each access matters
//! (registers), and by plain stores of words if only the result matters (pixels). The memory is
//! never borrowed.

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use core::mem::size_of;
use core::ptr::NonNull;

use crate::access_error::AccessError;
#[cfg(feature = "std")]
use crate::access_error::WindowName;
#[cfg(feature = "std")]
use crate::sys::barrier;
#[cfg(feature = "std")]
use crate::sys::fault::{Before, Fault, Restored, Slot, Storing};
use crate::sys::word::sealed::Word as _;
#[cfg(feature = "std")]
use crate::sys::word::Word;

/// The rules for accesses to a memory.
#[cfg_attr(
    not(feature = "std"),
    expect(dead_code, reason = "only a driver has these")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Ordinary memory, cached: any access, atomic ones included.
    Cached,
    /// Ordinary memory that is not cached: any access except atomic ones.
    Uncached,
    /// Device memory, perhaps registers: single accesses in order, aligned to their width.
    Ordered,
    /// Registers: accesses of this many bytes only (`reg-io-width`).
    Width(usize),
}

impl Rules {
    /// Whether each access must be made singly.
    fn is_device(self) -> bool {
        matches!(self, Rules::Ordered | Rules::Width(_))
    }
}

/// The owner, which frees the memory.
enum Owner {
    /// A mapping, which drop unmaps.
    #[cfg(feature = "std")]
    Mapping(Mapping),
    /// Ordinary memory from a box, which drop restores. A box in this field would assert unique
    /// access to its memory each time it is moved.
    Heap(NonNull<[u32]>),
    /// The caller.
    Foreign,
}

/// The details of a mapping of a device or file.
#[cfg(feature = "std")]
struct Mapping {
    slot: &'static Slot,
    /// The file, to map it again after a bus error.
    fd: rustix::fd::OwnedFd,
    name: WindowName,
    place: Place,
}

/// The position of memory in a mapping, in a file and in a window.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// Offset of the mapping in the file: a multiple of the page size.
    pub(crate) offset: u64,
    /// Bytes of the mapping before the memory: a multiple of four.
    pub(crate) lead: usize,
    /// Offset of the memory in the window.
    pub(crate) first: u64,
}

/// A range of memory.
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

// SAFETY: nothing in it is tied to a thread.
unsafe impl Send for Memory {}
// SAFETY: as for ordinary memory, only a method with `&mut self` stores, so that no store races
// with another access by this program. A bus error of one thread is seen by the accesses of the
// others: see `fault.rs`.
unsafe impl Sync for Memory {}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("base", &self.base)
            .field("len", &self.len)
            .field("writable", &self.writable)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl Memory {
    /// Zeroed ordinary memory.
    pub(crate) fn heap(len: usize) -> Self {
        let words: Box<[u32]> = vec![0u32; len.div_ceil(size_of::<u32>())].into_boxed_slice();
        let words = NonNull::from(Box::leak(words));
        // INVARIANT: the box is aligned for u32, at least `len` bytes long, and owned by `self`
        // alone.
        Self {
            base: words.cast::<u8>(),
            len,
            writable: true,
            rules: Rules::Cached,
            owner: Owner::Heap(words),
        }
    }

    /// Memory that the caller owns.
    ///
    /// # Safety
    ///
    /// `base` is aligned to four bytes, and `len` bytes from it are readable and writable while the
    /// result lives.
    pub(crate) unsafe fn foreign(base: NonNull<u8>, len: usize) -> Self {
        // INVARIANT: the caller guarantees the alignment of `base`, and that `len` bytes from it
        // are readable and writable while the result lives.
        Self {
            base,
            len,
            writable: true,
            rules: Rules::Ordered,
            owner: Owner::Foreign,
        }
    }

    /// `len` bytes of a file or device, shared. `place.lead` is a multiple of four.
    #[cfg(feature = "std")]
    pub(crate) fn map(
        fd: rustix::fd::BorrowedFd<'_>,
        name: WindowName,
        len: usize,
        writable: bool,
        rules: Rules,
        place: Place,
    ) -> rustix::io::Result<Self> {
        let lead = place.lead;
        let whole = lead.checked_add(len).filter(|_| lead % 4 == 0);
        let whole = whole.ok_or(rustix::io::Errno::INVAL)?;
        let again = rustix::io::fcntl_dupfd_cloexec(fd, 0)?;
        let start = map_shared(fd, whole, writable, place.offset)?;
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
                place,
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

    #[cfg(feature = "std")]
    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    /// The required width of accesses, in bytes.
    #[cfg(feature = "std")]
    pub(crate) fn width(&self) -> Option<usize> {
        match self.rules {
            Rules::Width(width) => Some(width),
            _ => None,
        }
    }

    /// Whether the driver has revoked the memory, and zero pages are in its place.
    #[cfg(feature = "std")]
    pub(crate) fn is_revoked(&self) -> bool {
        matches!(self.fault_now(), Some(Fault::Revoked))
    }

    /// The error of the mapping while zero pages are in its place. This does not map the device
    /// again.
    #[cfg(feature = "std")]
    pub(crate) fn error(&self) -> Option<AccessError> {
        match (&self.owner, self.fault_now()?) {
            (Owner::Mapping(mapping), fault) => Some(self.error_of(mapping, fault)),
            _ => None,
        }
    }

    /// Checks whether all accesses by pointer since the last error have reached the memory. If not,
    /// maps the device again.
    #[cfg(feature = "std")]
    pub(crate) fn check(&self) -> Result<(), AccessError> {
        self.checked(self.before(), ())
    }

    #[cfg(feature = "std")]
    fn fault_now(&self) -> Option<Fault> {
        match &self.owner {
            Owner::Mapping(mapping) => mapping.slot.fault_now(),
            _ => None,
        }
    }

    /// The error of an access during which the handler of SIGBUS stored this fault.
    #[cfg(feature = "std")]
    #[cold]
    fn failed(&self, mapping: &Mapping, fault: Fault) -> AccessError {
        if let Fault::BusError(_) = fault {
            self.restore(mapping);
        }
        self.error_of(mapping, fault)
    }

    #[cfg(feature = "std")]
    fn error_of(&self, mapping: &Mapping, fault: Fault) -> AccessError {
        let Place { lead, first, .. } = mapping.place;
        match fault {
            Fault::Revoked => AccessError::Revoked,
            Fault::BusError(offset) => AccessError::BusError {
                window: mapping.name,
                offset: first + offset.saturating_sub(lead) as u64,
            },
        }
    }

    /// The start and the length of the mapping.
    #[cfg(feature = "std")]
    fn mapped(&self, mapping: &Mapping) -> (*mut core::ffi::c_void, usize) {
        let lead = mapping.place.lead;
        let start = self.base.as_ptr().wrapping_sub(lead);
        (start.cast(), lead + self.len)
    }

    /// Maps the device again in place of the zero pages of the SIGBUS handler. If it can never be
    /// mapped again, the zero pages stay, and later accesses report a revocation.
    #[cfg(feature = "std")]
    fn restore(&self, mapping: &Mapping) {
        use rustix::fd::AsFd;
        use rustix::mm::{mremap_fixed, munmap, MremapFlags};

        let (start, len) = self.mapped(mapping);
        mapping.slot.restore(|| {
            let fd = mapping.fd.as_fd();
            let new = match map_shared(fd, len, self.writable, mapping.place.offset) {
                Ok(new) => new.as_ptr().cast(),
                Err(error) => return later_or_never(error),
            };
            // SAFETY: `new` is a mapping made just now that nothing else uses. `start` is the
            // mapping of `self`, by the type invariant, and it has the same length. Accesses of
            // other threads see zero pages, the device, or wait in the kernel in between. If the
            // kernel has no memory, they may find nothing mapped, which ends the process.
            match unsafe { mremap_fixed(new, len, len, MremapFlags::MAYMOVE, start) } {
                Ok(_) => Restored::Done,
                Err(error) => {
                    // SAFETY: nothing else uses the mapping, which mremap() has left where it was.
                    let _ = unsafe { munmap(new, len) };
                    // SAFETY: `start` is the mapping of `self`, or nothing is mapped there.
                    unsafe { super::fault::fill_hole(start, len) };
                    later_or_never(error)
                }
            }
        });
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

    /// The state of the mapping, for [`checked`](Self::checked).
    #[cfg(feature = "std")]
    #[inline]
    fn before(&self) -> Option<Before> {
        match &self.owner {
            Owner::Mapping(mapping) => Some(mapping.slot.before()),
            _ => None,
        }
    }

    #[cfg(not(feature = "std"))]
    fn before(&self) {}

    /// Returns the value, or the error if some access since `before` has not reached the memory.
    #[cfg(feature = "std")]
    #[inline]
    fn checked<T>(&self, before: Option<Before>, value: T) -> Result<T, AccessError> {
        // The accesses must precede the second read of the state.
        core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
        let (Owner::Mapping(mapping), Some(before)) = (&self.owner, before) else {
            return Ok(value);
        };
        match mapping.slot.fault(before) {
            None => Ok(value),
            Some(fault) => Err(self.failed(mapping, fault)),
        }
    }

    #[cfg(not(feature = "std"))]
    fn checked<T>(&self, _before: (), value: T) -> Result<T, AccessError> {
        Ok(value)
    }

    /// One load. Later loads from memory are ordered after a load from a register, as with readl().
    #[cfg(feature = "std")]
    pub(crate) fn load<T: Word>(&self, offset: usize) -> Result<T, AccessError> {
        let pointer = self.at_word::<T>(offset)?;
        let before = self.before();
        // SAFETY: inside, and aligned, since the base is aligned to four bytes.
        let value = unsafe { T::load_one(pointer) };
        if self.rules.is_device() {
            barrier::order();
        }
        self.checked(before, value)
    }

    /// One store. The device sees earlier stores to memory, as with writel().
    #[cfg(feature = "std")]
    pub(crate) fn store<T: Word>(&mut self, offset: usize, value: T) -> Result<(), AccessError> {
        let pointer = self.at_word::<T>(offset)?;
        self.at_writable(offset, T::BYTES)?;
        let before = self.before();
        let storing = self.storing(offset);
        if self.rules.is_device() {
            barrier::order();
        }
        // SAFETY: inside, aligned and writable.
        unsafe { T::store_one(pointer, value) };
        self.complete(storing);
        self.checked(before, ())
    }

    /// Marks a store to a device, for [`complete`](Self::complete).
    #[cfg(feature = "std")]
    #[inline]
    fn storing(&self, offset: usize) -> Option<Storing> {
        match &self.owner {
            Owner::Mapping(mapping) if self.rules.is_device() => {
                // The mapping begins at a page boundary, the window perhaps later.
                let (start, _) = self.mapped(mapping);
                let lead = self.base.as_ptr() as usize - start as usize;
                Some(Storing::at(mapping.slot, lead + offset))
            }
            _ => None,
        }
    }

    #[cfg(not(feature = "std"))]
    fn storing(&self, _offset: usize) -> Option<()> {
        None
    }

    /// Waits for stores to a device, so that this call returns an error if the device does not
    /// accept one.
    #[cfg(feature = "std")]
    #[inline]
    fn complete(&self, storing: Option<Storing>) {
        if storing.is_some() {
            barrier::complete();
        }
    }

    #[cfg(not(feature = "std"))]
    fn complete(&self, _storing: Option<()>) {}

    /// The address of the first byte.
    #[cfg(feature = "std")]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// A pointer to a value at `offset` that is inside and aligned.
    #[cfg(feature = "std")]
    pub(crate) fn pointer<T>(&self, offset: usize) -> Result<NonNull<T>, AccessError> {
        let pointer = self.at(offset, size_of::<T>())?.cast::<T>();
        match NonNull::new(pointer).filter(|pointer| pointer.is_aligned()) {
            Some(pointer) => Ok(pointer),
            None => Err(AccessError::Misaligned {
                offset: offset as u64,
                width: align_of::<T>(),
            }),
        }
    }

    /// Checks that a range can be accessed with the required width.
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

    /// Copies out. Words that are aligned on both sides are loaded whole.
    pub(crate) fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), AccessError> {
        let from = self.at(offset, into.len())?;
        self.check_width(offset, into.len())?;
        let before = self.before();
        // SAFETY: `from` has `into.len()` readable bytes; `into` is ours and therefore elsewhere.
        unsafe {
            match self.rules {
                Rules::Cached | Rules::Uncached => {
                    core::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len());
                }
                rules => load_all(from, into, rules),
            }
        }
        #[cfg(feature = "std")]
        if self.rules.is_device() {
            // Before the second read of the state: another thread may have had a bus error.
            barrier::order();
        }
        self.checked(before, ())
    }

    /// Copies in. Words that are aligned on both sides are stored whole.
    pub(crate) fn write(&mut self, offset: usize, from: &[u8]) -> Result<(), AccessError> {
        let into = self.at_writable(offset, from.len())?;
        self.check_width(offset, from.len())?;
        let before = self.before();
        let storing = self.storing(offset);
        // SAFETY: `into` has `from.len()` writable bytes; `from` is a slice and therefore
        // elsewhere.
        unsafe {
            match self.rules {
                Rules::Cached | Rules::Uncached => {
                    core::ptr::copy_nonoverlapping(from.as_ptr(), into, from.len());
                }
                rules => store_each(from, into, rules),
            }
        }
        self.complete(storing);
        self.checked(before, ())
    }

    /// Repeats the twelve bytes of `pattern` over `count` bytes: whole pixels of two, three and
    /// four bytes all fit in it.
    pub(crate) fn fill(
        &mut self,
        offset: usize,
        count: usize,
        pattern: [u8; 12],
    ) -> Result<(), AccessError> {
        let base = self.at_writable(offset, count)?;
        if self.rules.is_device() {
            self.check_width(offset, count)?;
        }
        let before = self.before();
        if self.rules.is_device() {
            let bytes = |at| core::array::from_fn(|i| pattern[(at + i) % 12]);
            let storing = self.storing(offset);
            // SAFETY: `count` bytes from `base` are writable.
            unsafe { store_with(base, count, self.rules, bytes) };
            self.complete(storing);
            return self.checked(before, ());
        }
        let head = base.align_offset(size_of::<u32>()).min(count);
        let words = (count - head) / size_of::<u32>();

        // The pattern from `head` on, four times: a block that is stored by two stm instructions.
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
        self.checked(before, ())
    }

    /// Stores pixels of `bytes` (2, 3 or 4) bytes each, one after the other from `offset`, at most
    /// `count` of them.
    pub(crate) fn store_pixels(
        &mut self,
        offset: usize,
        bytes: usize,
        count: usize,
        pixels: impl Iterator<Item = u32>,
    ) -> Result<(), AccessError> {
        let base = self.at_writable(offset, bytes * count)?;
        if self.rules.is_device() {
            self.check_width(offset, bytes * count)?;
        }
        let before = self.before();
        let pixels = pixels.take(count);
        if self.rules.is_device() {
            // The compiler must not merge these.
            let storing = self.storing(offset);
            for (i, pixel) in pixels.enumerate() {
                let pixel = pixel.to_le_bytes();
                // SAFETY: `bytes` bytes for each of at most `count` pixels are writable.
                unsafe { store_each(&pixel[..bytes], base.add(i * bytes), self.rules) };
            }
            self.complete(storing);
            return self.checked(before, ());
        }
        let align = base as usize % size_of::<u32>();
        // Whole words and half-words if they are aligned; the last arm is for lines with an odd
        // stride.
        match bytes {
            // SAFETY: 4 bytes for each of at most `count` pixels are writable from `base`, which is
            // aligned.
            4 if align == 0 => unsafe { store_all(base.cast::<u32>(), pixels) },
            // SAFETY: 2 bytes for each of at most `count` pixels are writable from `base`, which is
            // aligned to 2 bytes.
            2 if align % 2 == 0 => unsafe {
                store_all(base.cast::<u16>(), pixels.map(|pixel| pixel as u16))
            },
            // SAFETY: `bytes` bytes for each of at most `count` pixels are writable from `base`,
            // and single bytes need no alignment.
            _ => unsafe {
                store_all(
                    base,
                    pixels.flat_map(|pixel| pixel.to_le_bytes().into_iter().take(bytes)),
                )
            },
        }
        self.checked(before, ())
    }
}

/// Stores values one after the other.
///
/// # Safety
///
/// `base` is aligned, and writable for as many values as come.
unsafe fn store_all<T>(base: *mut T, values: impl Iterator<Item = T>) {
    for (i, value) in values.enumerate() {
        // SAFETY: the caller guarantees that `base` is aligned, and writable for every value that
        // `values` yields, so also for the one with index `i`.
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

/// Interprets a failure to map the device again.
#[cfg(feature = "std")]
fn later_or_never(error: rustix::io::Errno) -> Restored {
    use rustix::io::Errno;

    match error {
        Errno::NOMEM | Errno::AGAIN | Errno::INTR => Restored::Later,
        _ => Restored::Never,
    }
}

/// Maps `len` bytes of a file or device from `offset` on, shared, at an address that the kernel
/// chooses.
#[cfg(feature = "std")]
fn map_shared(
    fd: rustix::fd::BorrowedFd<'_>,
    len: usize,
    writable: bool,
    offset: u64,
) -> rustix::io::Result<NonNull<u8>> {
    use rustix::mm::{MapFlags, ProtFlags};

    let prot = if writable {
        ProtFlags::READ | ProtFlags::WRITE
    } else {
        ProtFlags::READ
    };
    // SAFETY: without MAP_FIXED the kernel picks a free range; no memory of this program is
    // touched.
    let base = unsafe {
        rustix::mm::mmap(
            core::ptr::null_mut(),
            len,
            prot,
            MapFlags::SHARED,
            fd,
            offset,
        )?
    };
    NonNull::new(base.cast::<u8>()).ok_or(rustix::io::Errno::FAULT)
}

/// Bytes of the next access at address `at`: the required width, or a word if that is aligned and
/// fits in `left`, or else a byte.
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
    let count = into.len();
    let mut i = 0;
    while i < count {
        let step = step(from as usize + i, count - i, rules);
        // SAFETY: i + step <= count, since a width divides the count (`Memory::check_width`), and
        // the address is aligned to the step for the same reason.
        let value = unsafe {
            let from = from.add(i);
            match step {
                1 => u32::from(u8::load_one(from)),
                2 => u32::from(u16::load_one(from.cast())),
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
    // SAFETY: the caller guarantees that `into` is writable for the length of `from`, which is the
    // number of bytes that this call stores.
    unsafe { store_with(into, from.len(), rules, bytes) };
}

/// Stores `count` bytes by single accesses, in order. `bytes` returns four bytes from an index on;
/// those beyond the end are ignored.
///
/// # Safety
///
/// `into` is writable for `count` bytes.
unsafe fn store_with(into: *mut u8, count: usize, rules: Rules, bytes: impl Fn(usize) -> [u8; 4]) {
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
        let place = Place {
            lead,
            ..Place::default()
        };
        place_of(file, 8192 - lead, Rules::Ordered, place)
    }

    fn place_of(file: &std::fs::File, len: usize, rules: Rules, place: Place) -> Memory {
        let name = WindowName::new("regs");
        Memory::map(file.as_fd(), name, len, true, rules, place).unwrap()
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
        let mut memory = map(&file);
        memory.store(0x1010, 7u32).unwrap();
        // The call of the SIGBUS handler: 32-bit ARM reports an external abort with the code 0.
        assert!(fault::handle(
            0,
            memory.base.as_ptr() as usize + 0x1014,
            false
        ));
        assert_eq!(memory.load::<u32>(0x1014), Err(bus_error(0x1014)));
        assert_eq!(memory.load::<u32>(0x1010), Ok(7));
        memory.store(0x1018, 8u32).unwrap();
        assert_eq!(memory.load::<u32>(0x1018), Ok(8));
    }

    #[test]
    fn window_bus_error_without_its_address_is_that_of_the_store() {
        let file = file();
        let memory = map(&file);
        let nowhere = &raw const file as usize;
        // This thread does not store, so this SIGBUS is not ours.
        assert!(!fault::handle(libc::BUS_OBJERR, nowhere, true));
        // The address can be anything, for example that of another window.
        let other = map(&file);
        let elsewhere = other.base.as_ptr() as usize;
        let others = other.before();
        assert!(!fault::handle(0, elsewhere, true));
        assert_eq!(other.checked(others, ()), Ok(()));
        let before = memory.before();
        let storing = memory.storing(0x1014);
        // A store by a handler of another signal.
        drop(other.storing(0x20));
        assert!(fault::handle(0, elsewhere, true));
        drop(storing);
        assert_eq!(other.checked(others, ()), Ok(()));
        assert_eq!(memory.checked(before, ()), Err(bus_error(0x1014)));
        assert!(!fault::handle(libc::BUS_OBJERR, nowhere, true));
    }

    #[test]
    fn window_pixels_on_a_device_are_stored_with_its_width() {
        let file = file();
        let mut memory = place_of(&file, 8192, Rules::Width(4), Place::default());
        memory.store_pixels(8, 4, 2, [1, 2].into_iter()).unwrap();
        let words = [8, 12].map(|at| memory.load::<u32>(at).unwrap());
        assert_eq!(words, [1, 2]);
        // This device does not accept half-words.
        assert!(memory.store_pixels(2, 2, 1, [7].into_iter()).is_err());
        assert_eq!(memory.load::<u32>(0), Ok(0));
    }

    #[test]
    fn window_bus_error_of_a_store_or_a_copy_is_an_error() {
        let file = file();
        let mut memory = map(&file);
        let base = memory.base.as_ptr() as usize;
        assert!(fault::handle(libc::BUS_OBJERR, base, false));
        assert_eq!(memory.store(0, 1u8), Err(bus_error(0)));
        assert!(fault::handle(0, base + 64, false));
        assert_eq!(memory.read(0, &mut [0; 128]), Err(bus_error(64)));
        assert!(fault::handle(0, base + 8191, false));
        assert_eq!(memory.write(8000, &[1; 192]), Err(bus_error(8191)));
        assert_eq!(memory.read(0, &mut [0; 128]), Ok(()));
    }

    #[test]
    fn window_that_does_not_begin_with_a_page_is_used_as_one_that_does() {
        let file = file();
        let (mut memory, whole) = (map_from(&file, 0x204), map(&file));
        memory.store(0, 7u32).unwrap();
        assert_eq!(whole.load::<u32>(0x204), Ok(7));
        assert_eq!(memory.len(), 8192 - 0x204);
        assert!(memory.load::<u32>(8192 - 0x204).is_err());
        assert!(fault::handle(0, memory.base.as_ptr() as usize + 16, false));
        assert_eq!(memory.load::<u32>(16), Err(bus_error(16)));
        assert_eq!(memory.load::<u32>(0), Ok(7));
    }

    #[test]
    fn window_bus_error_behind_a_range_counts_from_the_window() {
        let file = file();
        let place = Place {
            offset: 4096,
            lead: 8,
            first: 4096 + 8 - 4,
        };
        let mut memory = place_of(&file, 64, Rules::Ordered, place);
        memory.store(0, 7u32).unwrap();
        assert_eq!(map(&file).load::<u32>(4096 + 8), Ok(7));
        assert!(fault::handle(0, memory.base.as_ptr() as usize + 16, false));
        assert_eq!(memory.load::<u32>(0), Err(bus_error(4096 + 8 - 4 + 16)));
        // The same part of the file is mapped again.
        assert_eq!(memory.load::<u32>(0), Ok(7));
    }

    /// While one thread has bus errors, the others get an error or the device's value, and never
    /// the zeroes of the zero pages.
    #[test]
    fn window_bus_error_of_one_thread_gives_no_zero_to_another() {
        let file = file();
        let mut memory = map(&file);
        memory.fill(0, 8192, [0x5a; 12]).unwrap();
        let memory = &memory;
        let done = &std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(move || {
                        let (mut good, mut bad) = (0u32, 0u32);
                        while !done.load(std::sync::atomic::Ordering::Relaxed) || good == 0 {
                            // Long enough for the device to be replaced and mapped again during the
                            // copy.
                            let mut bytes = [0; 8192];
                            match memory.read(0, &mut bytes) {
                                Ok(()) => {
                                    assert_eq!(bytes.iter().position(|byte| *byte != 0x5a), None);
                                    good += 1;
                                }
                                Err(AccessError::BusError { .. }) => bad += 1,
                                Err(other) => panic!("{other}"),
                            }
                        }
                        (good, bad)
                    })
                })
                .collect();
            let faults: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(move || {
                        for _ in 0..2000 {
                            assert!(fault::handle(0, memory.base.as_ptr() as usize + 64, false));
                            // One of the threads reports it, and maps the device again.
                            let _ = memory.load::<u32>(128);
                        }
                    })
                })
                .collect();
            faults.into_iter().for_each(|thread| thread.join().unwrap());
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            for reader in readers {
                assert!(reader.join().unwrap().0 > 0);
            }
        });
        let _ = memory.check();
        assert_eq!(memory.load::<u32>(256), Ok(0x5a5a_5a5a));
    }

    #[test]
    fn window_bus_error_by_pointer_is_reported_once() {
        let file = file();
        let mut memory = map(&file);
        memory.store(32, 7u32).unwrap();
        assert_eq!(memory.check(), Ok(()));
        assert!(fault::handle(0, memory.base.as_ptr() as usize + 32, false));
        assert_eq!(memory.check(), Err(bus_error(32)));
        assert_eq!(memory.check(), Ok(()));
        assert_eq!(memory.load::<u32>(32), Ok(7));
    }

    #[test]
    fn window_pointers_are_inside_and_aligned() {
        let memory = map(&file());
        let out_of_bounds = |offset, count| AccessError::OutOfBounds {
            offset,
            count,
            size: 8192,
        };
        assert_eq!(
            memory.pointer::<[u32; 2]>(8188),
            Err(out_of_bounds(8188, 8))
        );
        let wrong = AccessError::Misaligned {
            offset: 2,
            width: 4,
        };
        assert_eq!(memory.pointer::<u32>(2), Err(wrong));
        let inside = memory.pointer::<[u32; 2]>(8184).unwrap();
        assert_eq!(inside.as_ptr() as usize - memory.as_ptr() as usize, 8184);
    }

    #[test]
    fn window_bus_error_elsewhere_is_not_ours() {
        let file = file();
        let memory = map(&file);
        let base = memory.base.as_ptr() as usize;
        assert!(!fault::handle(0, 1234, false));
        assert!(!fault::handle(libc::BUS_ADRALN, base, false));
        assert_eq!(memory.load::<u32>(0), Ok(0));
    }

    #[test]
    fn window_of_a_register_width_is_accessed_with_it_only() {
        let file = file();
        for width in [1, 2, 4] {
            let mut memory = place_of(&file, 8192, Rules::Width(width), Place::default());
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
        let mut memory = map(&file());
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
