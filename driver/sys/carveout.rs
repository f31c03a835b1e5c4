// SPDX-License-Identifier: GPL-2.0-only

//! Physical memory that is not the kernel's own: reserved regions, SRAM, registers.
//!
//! A region may be larger than the kernel's address space. The kernel therefore maps it only during
//! a copy ([`KernelMapping`]), and permanently only for the region of a log ([`MappedCarveout`]).
//!
//! C headers: [`include/linux/ioport.h`](srctree/include/linux/ioport.h),
//! [`include/linux/io.h`](srctree/include/linux/io.h)

use super::{
    ffi,
    of::Range,
    Cache,
    PAGE_SIZE, //
};
use crate::{
    refusal::Text,
    ring::Word, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    error::to_result,
    ffi::c_uint,
    prelude::*, //
};

/// Why a range can't be a carve-out.
pub(crate) enum CarveoutError {
    /// It is empty.
    Empty,
    /// Its start or its size is not a multiple of the page size, which is required here.
    Unaligned,
    /// It is beyond what this kernel, or the processor, can address.
    Unaddressable,
    /// The kernel uses some of it as its own memory: a second mapping of another type would corrupt
    /// it.
    SystemRam,
    /// The kernel uses some of the pages that contain it.
    SharesPage,
    /// Another window or driver has claimed a part of it: its name if it is known.
    Busy([u8; OWNER_LEN]),
    /// A window of another memory type has claimed some of the pages that contain it: its name.
    OtherType([u8; OWNER_LEN]),
    /// Its mapping shall be cached, but it is not whole pages.
    CachedPart,
    /// The cache operations cannot reach all of it.
    CachedEnd,
    /// There is no memory for the claim, or no kernel addresses for the mapping.
    NoMemory,
}

/// Bytes of the name of an owner, with its NUL.
const OWNER_LEN: usize = 64;

impl CarveoutError {
    /// The reason for the log, and the error that probe returns.
    pub(crate) fn describe(&self) -> (Text, Error) {
        let text = match self {
            CarveoutError::Empty => "its region has size 0",
            CarveoutError::Unaligned => "its region is not a whole number of pages",
            CarveoutError::Unaddressable if cfg!(CONFIG_ARM64) => {
                "its region is beyond what this processor can address"
            }
            CarveoutError::Unaddressable => {
                "its region is beyond what this kernel can address (above 4 GiB needs LPAE)"
            }
            CarveoutError::SystemRam => "its region overlaps System RAM (is no-map missing?)",
            CarveoutError::SharesPage => {
                "its region shares a page with System RAM: make the reserved region whole pages"
            }
            CarveoutError::Busy(owner) => {
                let text = match name(owner) {
                    "" => "its region is already in use (see /proc/iomem)".into(),
                    owner => Text::new(fmt!("its region is already in use by {owner}")),
                };
                return (text, EBUSY);
            }
            CarveoutError::OtherType(owner) => {
                let owner = name(owner);
                let text = Text::new(fmt!(
                    "its region shares a page with {owner}: give both the same fanlight,cache"
                ));
                return (text, EBUSY);
            }
            CarveoutError::CachedPart => {
                "fanlight,cache = \"cached\" needs a region of whole pages"
            }
            CarveoutError::CachedEnd => {
                "fanlight,cache = \"cached\" is not possible for the last page before 4 GiB, nor \
                 beyond it, on a machine with an outer cache"
            }
            CarveoutError::NoMemory => {
                return (
                    "no memory, or no kernel addresses, for its region".into(),
                    ENOMEM,
                )
            }
        };
        (text.into(), EINVAL)
    }
}

/// The name of an owner that C has written.
fn name(owner: &[u8; OWNER_LEN]) -> &str {
    CStr::from_bytes_until_nul(owner)
        .ok()
        .and_then(|owner| owner.to_str().ok())
        .unwrap_or("")
}

/// A claim on a physical range, exclusive among this driver's windows.
///
/// # Invariants
///
/// `0` is a claim that only this value releases.
struct Claim(NonNull<ffi::Claim>);

// SAFETY: a claim may be released by any thread.
unsafe impl Send for Claim {}
// SAFETY: there are no methods on `&Claim`.
unsafe impl Sync for Claim {}

impl Claim {
    fn new(range: Range, cache: Cache, claims: Claims<'_>) -> Result<Self, CarveoutError> {
        let mut owner = [0; OWNER_LEN];
        // SAFETY: the range may be any; the name is a C string, which is copied, and the buffer for
        // the owner has the length that is given.
        let claim = from_err_ptr(unsafe {
            ffi::fanlight_claim_new(
                range.start,
                range.size,
                claims.pages,
                cache as c_uint,
                claims.name.as_char_ptr(),
                owner.as_mut_ptr().cast(),
                OWNER_LEN,
            )
        });
        match claim {
            // INVARIANT: made just now.
            Ok(claim) => NonNull::new(claim).map(Self).ok_or(CarveoutError::NoMemory),
            Err(e) if e == ENOMEM => Err(CarveoutError::NoMemory),
            Err(e) if e == EXDEV => Err(CarveoutError::OtherType(owner)),
            Err(_) => Err(CarveoutError::Busy(owner)),
        }
    }

    /// Also claims the range among all drivers.
    fn acquire(&mut self, range: Range) -> Result<(), CarveoutError> {
        let mut owner = [0; OWNER_LEN];
        // SAFETY: the claim is live and only here; the buffer has the length that is given.
        let acquired = to_result(unsafe {
            ffi::fanlight_claim_iomem(
                self.0.as_ptr(),
                range.start,
                range.size,
                owner.as_mut_ptr().cast(),
                OWNER_LEN,
            )
        });
        acquired.map_err(|error| match error {
            e if e == ENOMEM => CarveoutError::NoMemory,
            _ => CarveoutError::Busy(owner),
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // SAFETY: the pointer is from `fanlight_claim_new`, and this is the only place that frees
        // it.
        unsafe { ffi::fanlight_claim_free(self.0.as_ptr()) };
    }
}

/// How a range is claimed.
#[derive(Clone, Copy)]
pub(crate) struct Claims<'a> {
    /// The name of the owner in /proc/iomem.
    pub(crate) name: &'a CStr,
    /// Claim the range among all drivers. Not for a partition of an SRAM, which the SRAM's driver
    /// has claimed.
    pub(crate) iomem: bool,
    /// All pages that contain the range are mapped, although it is not whole pages.
    pub(crate) pages: bool,
}

/// A range that is claimed among this driver's windows only: another driver may still use it.
pub(crate) struct Reserved {
    range: Range,
    cache: Cache,
    pages: bool,
    iomem: bool,
    claim: Claim,
}

impl Reserved {
    /// Checks whether [`Reserved::acquire`] would succeed without the drivers of boot loaders'
    /// framebuffers, as far as that can be known.
    pub(crate) fn check(&self) -> Result<(), CarveoutError> {
        if !self.iomem {
            return Ok(());
        }
        let mut owner = [0; OWNER_LEN];
        let (start, size) = (self.range.start, self.range.size);
        // SAFETY: the range may be any, and the buffer has the length that is given.
        let free = to_result(unsafe {
            ffi::fanlight_claim_check(start, size, owner.as_mut_ptr().cast(), OWNER_LEN)
        });
        free.map_err(|_| CarveoutError::Busy(owner))
    }

    /// Claims the range among all drivers.
    pub(crate) fn acquire(mut self) -> Result<Carveout, CarveoutError> {
        if self.iomem {
            self.claim.acquire(self.range)?;
        }
        if self.cache == Cache::Cached {
            // Cache lines that the last owner or the boot loader left must neither overwrite nor
            // hide the contents later.
            flush_cache(self.range).map_err(|_| CarveoutError::NoMemory)?;
        }
        // INVARIANT: `Carveout::reserve` has checked the range.
        Ok(Carveout {
            range: self.range,
            cache: self.cache,
            pages: self.pages,
            _claim: self.claim,
        })
    }
}

/// A physical range outside of System RAM, claimed.
///
/// # Invariants
///
/// `range` is not empty and is addressable. The pages that contain it are not System RAM.
pub(crate) struct Carveout {
    range: Range,
    cache: Cache,
    pages: bool,
    _claim: Claim,
}

impl Carveout {
    /// Claims `range`, which need not be whole pages.
    pub(crate) fn new(
        range: Range,
        cache: Cache,
        claims: Claims<'_>,
    ) -> Result<Self, CarveoutError> {
        Self::reserve(range, cache, claims)?.acquire()
    }

    /// Checks `range`, and claims it among this driver's windows.
    pub(crate) fn reserve(
        range: Range,
        cache: Cache,
        claims: Claims<'_>,
    ) -> Result<Reserved, CarveoutError> {
        if range.size == 0 {
            return Err(CarveoutError::Empty);
        }
        let last = range
            .start
            .checked_add(range.size - 1)
            .ok_or(CarveoutError::Unaddressable)?;
        // SAFETY: no preconditions.
        let highest = unsafe { ffi::fanlight_phys_max() };
        let addressable = last <= highest
            && bindings::resource_size_t::try_from(last).is_ok()
            && usize::try_from(last / PAGE_SIZE as u64).is_ok()
            && usize::try_from(range.size.next_multiple_of(PAGE_SIZE as u64)).is_ok();
        if !addressable {
            return Err(CarveoutError::Unaddressable);
        }
        if is_system_ram(range.start, range.size) {
            return Err(CarveoutError::SystemRam);
        }
        // The kernel maps its own memory by whole pages, cached.
        let start = range.start - range.start % PAGE_SIZE as u64;
        let end = (last / PAGE_SIZE as u64 + 1) * PAGE_SIZE as u64;
        // SAFETY: no preconditions; any address may be asked for.
        let mapped = |address| unsafe { ffi::fanlight_is_mapped(address) };
        if is_system_ram(start, end - start) || mapped(range.start) || mapped(last) {
            return Err(CarveoutError::SharesPage);
        }
        let whole = range.start == start && range.size % PAGE_SIZE as u64 == 0;
        // A cache line at its border may also contain bytes of other owners.
        if cache == Cache::Cached && !whole {
            return Err(CarveoutError::CachedPart);
        }
        // SAFETY: no preconditions.
        let reached = unsafe {
            ffi::fanlight_can_flush_cache(range.start as bindings::phys_addr_t, range.size as usize)
        };
        if cache == Cache::Cached && !reached {
            return Err(CarveoutError::CachedEnd);
        }
        Ok(Reserved {
            range,
            cache,
            pages: whole || claims.pages,
            iomem: claims.iomem,
            claim: Claim::new(range, cache, claims)?,
        })
    }

    /// Page frame number of the first byte.
    pub(crate) fn pfn(&self) -> usize {
        (self.range.start / PAGE_SIZE as u64) as usize
    }

    /// Offset of the first byte in its page.
    pub(crate) fn page_offset(&self) -> usize {
        (self.range.start % PAGE_SIZE as u64) as usize
    }

    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        self.range.size as usize
    }

    /// Whether the pages that contain it can be mapped.
    pub(crate) fn is_mappable(&self) -> bool {
        self.pages
    }

    /// Memory type of every mapping.
    pub(super) fn cache(&self) -> Cache {
        self.cache
    }

    /// Whether the kernel accesses it. It does not access registers: ARM has no exception fixup for
    /// an external abort, so access to a device that is in reset, or whose clock is off, would be
    /// an oops.
    pub(super) fn is_accessible(&self) -> bool {
        !self.range.registers
    }
}

fn is_system_ram(start: u64, size: u64) -> bool {
    // SAFETY: no preconditions; the callers have checked that the range is addressable.
    let intersects = unsafe {
        bindings::region_intersects(
            start as bindings::resource_size_t,
            size as usize,
            bindings::IORESOURCE_SYSTEM_RAM as usize,
            bindings::IORES_DESC_NONE as usize,
        )
    };
    intersects as u32 != bindings::REGION_DISJOINT
}

/// A kernel mapping of a physical range.
///
/// # Invariants
///
/// `addr` is a live kernel mapping, made by `memremap` if `cache` is cached and by `ioremap` or
/// `ioremap_wc` otherwise.
pub(super) struct KernelMapping {
    addr: NonNull<u8>,
    cache: Cache,
}

// SAFETY: the mapping is valid in every context, and may be removed by any thread.
unsafe impl Send for KernelMapping {}
// SAFETY: accesses to it are volatile or raw copies that allow for races.
unsafe impl Sync for KernelMapping {}

impl KernelMapping {
    /// Maps `size` bytes from physical address `start` on. `ENOMEM`: no kernel addresses, or no
    /// memory for page tables. May sleep.
    ///
    /// The caller of each access must know that there is memory, and that it may be accessed.
    pub(super) fn new(start: u64, size: usize, cache: Cache) -> Result<Self> {
        let start = bindings::resource_size_t::try_from(start).map_err(|_| EINVAL)?;
        // SAFETY: no preconditions: a range that cannot be mapped gives a null pointer.
        let addr = unsafe {
            match cache {
                Cache::WriteCombine => ffi::fanlight_ioremap_wc(start, size),
                Cache::Noncached => bindings::ioremap(start, size),
                Cache::Cached => bindings::memremap(start, size, bindings::MEMREMAP_WB as usize),
            }
        };
        // INVARIANT: mapped just now, with the memory type `cache`.
        Ok(Self {
            addr: NonNull::new(addr.cast::<u8>()).ok_or(ENOMEM)?,
            cache,
        })
    }

    /// The address of the first byte.
    pub(super) fn as_ptr(&self) -> *mut u8 {
        self.addr.as_ptr()
    }
}

impl Drop for KernelMapping {
    fn drop(&mut self) {
        let addr = self.addr.as_ptr().cast();
        // SAFETY: `new` made the mapping by the function that belongs to the one that is called
        // here for this memory type. The owners of this value end their accesses to the memory
        // before they drop it.
        unsafe {
            match self.cache {
                Cache::Cached => bindings::memunmap(addr),
                _ => bindings::iounmap(addr),
            }
        }
    }
}

/// A carve-out of whole pages that the kernel has mapped: the region of a log, which is written to
/// in any context.
///
/// # Invariants
///
/// `memory` maps all of `carveout`.
pub(crate) struct MappedCarveout {
    memory: KernelMapping,
    // Last, so that the range is unmapped before it is released.
    carveout: Carveout,
}

impl MappedCarveout {
    /// Claims and maps `range`.
    pub(crate) fn new(range: Range, cache: Cache, name: &CStr) -> Result<Self, CarveoutError> {
        if range.start % PAGE_SIZE as u64 != 0 || range.size % PAGE_SIZE as u64 != 0 {
            return Err(CarveoutError::Unaligned);
        }
        let claims = Claims {
            name,
            iomem: true,
            pages: false,
        };
        let carveout = Carveout::new(range, cache, claims)?;
        let memory = KernelMapping::new(range.start, carveout.size(), cache)
            .map_err(|_| CarveoutError::NoMemory)?;
        // INVARIANT: mapped just now.
        Ok(Self { memory, carveout })
    }

    /// Bytes, a multiple of the page size.
    pub(crate) fn size(&self) -> usize {
        self.carveout.size()
    }

    /// The whole range as aligned words.
    pub(crate) fn words(&self) -> &[Word] {
        // SAFETY: the kernel's mapping of the range lives as long as `self`. `Word` is an atomic
        // `u32` for which any bits are valid, and the mapping is aligned to a page.
        unsafe { core::slice::from_raw_parts(self.memory.as_ptr().cast(), self.size() / 4) }
    }
}

impl Drop for Carveout {
    fn drop(&mut self) {
        // The range is not written to any longer. The next owner, which may map it with another
        // type, must get the contents from memory. A kernel mapping of an interrupted copy may last
        // a little longer, but is not used for an access, and prefetched lines are never dirty.
        if self.cache == Cache::Cached && flush_cache(self.range).is_err() {
            pr_err!(
                "no kernel addresses to clean the caches for {:#x}: its last stores may be lost\n",
                self.range.start
            );
        }
    }
}

/// Cleans and invalidates the caches for `range`, which has cached mappings only and can be
/// addressed by the kernel.
fn flush_cache(range: Range) -> Result {
    // SAFETY: the function checks what it maps; any physical range may be cleaned.
    to_result(unsafe {
        ffi::fanlight_flush_cache(range.start as bindings::phys_addr_t, range.size as usize)
    })
}
