// SPDX-License-Identifier: GPL-2.0-only

//! Physical memory that is not the kernel's own: reserved regions, SRAM, registers.
//!
//! C headers: [`include/linux/ioport.h`](srctree/include/linux/ioport.h), [`include/linux/io.h`](srctree/include/linux/io.h)

use super::{
    ffi,
    of::Range,
    Cache,
    PAGE_SIZE, //
};
use crate::ring::Word;
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

/// Why a range can't be a carve-out.
pub(crate) enum Refusal {
    /// It is empty.
    Empty,
    /// Its start or its size is not a multiple of the page size.
    Unaligned,
    /// It lies beyond what this kernel can address.
    Unaddressable,
    /// The kernel uses some of it as its own memory: a second mapping of another type would corrupt it.
    SystemRam,
    /// Another window, or another driver, has some of it.
    Busy,
    /// The kernel has no memory to note it, or no addresses left to map it.
    NoMemory,
}

impl Refusal {
    /// A few words for the log, and the error that probe returns.
    pub(crate) fn describe(&self) -> (&'static str, Error) {
        match self {
            Refusal::Empty => ("its region has size 0", EINVAL),
            Refusal::Unaligned => ("its region is not a whole number of pages", EINVAL),
            Refusal::Unaddressable => ("its region is beyond what this kernel can map", EINVAL),
            Refusal::SystemRam => (
                "its region overlaps System RAM (is no-map missing?)",
                EINVAL,
            ),
            Refusal::Busy => ("its region is already in use", EBUSY),
            Refusal::NoMemory => (
                "no memory, or no kernel addresses, to map its region",
                ENOMEM,
            ),
        }
    }
}

/// A claim on a physical range, exclusive among this driver's windows.
struct Claim {
    range: Range,
    iomem: bool,
}

impl Claim {
    fn new(range: Range, iomem: bool) -> Result<Self, Refusal> {
        // SAFETY: no preconditions; the range may be any.
        match to_result(unsafe { ffi::fanlight_claim(range.start, range.size, iomem) }) {
            Ok(()) => Ok(Self { range, iomem }),
            Err(e) if e == ENOMEM => Err(Refusal::NoMemory),
            Err(_) => Err(Refusal::Busy),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // SAFETY: the range was claimed when `self` was made, and is released once.
        unsafe { ffi::fanlight_release(self.range.start, self.range.size, self.iomem) };
    }
}

/// A physical range outside of System RAM, claimed, and mapped for the kernel with the window's memory type.
///
/// Registers are not mapped for the kernel. ARM has no exception fixup for an external abort, so a
/// kernel access to a register of a device that is in reset, or whose clock is off, is an oops.
///
/// # Invariants
///
/// `addr` is `None` for registers. Otherwise it is a live kernel mapping of `range.size` bytes, made
/// by `memremap` if `cache` is cached and by `ioremap` or `ioremap_wc` otherwise.
pub(crate) struct Carveout {
    addr: Option<NonNull<u8>>,
    cache: Cache,
    // Last, so that the range is released after it was unmapped.
    claim: Claim,
}

// SAFETY: the mapping is valid in every context; accesses to it are volatile or raw copies that allow for races.
unsafe impl Send for Carveout {}
// SAFETY: as above.
unsafe impl Sync for Carveout {}

impl Carveout {
    /// Claims and maps `range`. `iomem`: also claim it among all drivers; not for a partition of an SRAM, which the SRAM's
    /// own driver has claimed already.
    pub(crate) fn new(range: Range, cache: Cache, iomem: bool) -> Result<Self, Refusal> {
        if range.size == 0 {
            return Err(Refusal::Empty);
        }
        if range.start % PAGE_SIZE as u64 != 0 || range.size % PAGE_SIZE as u64 != 0 {
            return Err(Refusal::Unaligned);
        }
        let last = range
            .start
            .checked_add(range.size - 1)
            .ok_or(Refusal::Unaddressable)?;
        let start = bindings::resource_size_t::try_from(range.start);
        let end = bindings::resource_size_t::try_from(last);
        let size = usize::try_from(range.size);
        let (Ok(start), Ok(_), Ok(size)) = (start, end, size) else {
            return Err(Refusal::Unaddressable);
        };
        // SAFETY: no preconditions.
        let intersects = unsafe {
            bindings::region_intersects(
                start,
                size,
                bindings::IORESOURCE_SYSTEM_RAM as usize,
                bindings::IORES_DESC_NONE as usize,
            )
        };
        if intersects as u32 != bindings::REGION_DISJOINT {
            return Err(Refusal::SystemRam);
        }
        let claim = Claim::new(range, iomem)?;
        if range.registers {
            // INVARIANT: registers have no kernel mapping.
            return Ok(Self {
                addr: None,
                cache,
                claim,
            });
        }
        if cache == Cache::Cached {
            // What the last owner or the boot loader left in the caches must not be written over
            // the contents later, nor hide them.
            flush_cache(range).map_err(|_| Refusal::NoMemory)?;
        }
        // SAFETY: the range is not System RAM and is ours, so that no mapping of another type exists.
        let addr = unsafe {
            match cache {
                Cache::WriteCombine => bindings::ioremap_wc(start, size),
                Cache::Noncached => bindings::ioremap(start, size),
                Cache::Cached => bindings::memremap(start, size, bindings::MEMREMAP_WB as usize),
            }
        };
        let addr = NonNull::new(addr.cast::<u8>()).ok_or(Refusal::NoMemory)?;
        // INVARIANT: mapped just now, in the way that `cache` says.
        Ok(Self {
            addr: Some(addr),
            cache,
            claim,
        })
    }

    /// Number of the first page frame.
    pub(crate) fn pfn(&self) -> usize {
        (self.claim.range.start / PAGE_SIZE as u64) as usize
    }

    /// Bytes, a multiple of the page size.
    pub(crate) fn size(&self) -> usize {
        self.claim.range.size as usize
    }

    /// Memory type of the mapping.
    pub(super) fn cache(&self) -> Cache {
        self.cache
    }

    /// The whole range as aligned words; none of Device memory, where the exclusive accesses of
    /// [`Word`] are UNPREDICTABLE.
    pub(crate) fn words(&self) -> &[Word] {
        let Some(addr) = self.addr.filter(|_| self.cache != Cache::Noncached) else {
            return &[];
        };
        // SAFETY: by the type invariant; `Word` is an atomic `u32` for which any bits are valid, and the mapping is
        // aligned to a page.
        unsafe { core::slice::from_raw_parts(addr.as_ptr().cast(), self.size() / 4) }
    }

    /// The kernel's address of the first byte; `None` for registers.
    pub(super) fn as_ptr(&self) -> Option<*mut u8> {
        self.addr.map(NonNull::as_ptr)
    }
}

impl Drop for Carveout {
    fn drop(&mut self) {
        let Some(addr) = self.addr else {
            return;
        };
        let addr = addr.as_ptr().cast();
        // SAFETY: by the type invariant.
        unsafe {
            match self.cache {
                Cache::Cached => bindings::memunmap(addr),
                _ => bindings::iounmap(addr),
            }
        }
        // No mapping is left: the next owner gets the contents from memory, and may map it with any
        // type.
        if self.cache == Cache::Cached && flush_cache(self.claim.range).is_err() {
            pr_err!(
                "no kernel addresses to clean the caches for {:#x}: its last stores may be lost\n",
                self.claim.range.start
            );
        }
    }
}

/// Writes what the caches have of `range` to memory, and invalidates it there. `range` has cached
/// mappings only, and is within what the kernel can address.
fn flush_cache(range: Range) -> Result {
    // SAFETY: the function checks what it maps; any physical range may be cleaned.
    to_result(unsafe {
        ffi::fanlight_flush_cache(range.start as bindings::phys_addr_t, range.size as usize)
    })
}
