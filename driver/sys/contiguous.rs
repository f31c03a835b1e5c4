// SPDX-License-Identifier: GPL-2.0-only

//! Physically contiguous kernel pages.
//!
//! They come from the DMA API, which takes them from CMA when they are many, and which changes the kernel's own mapping
//! where they are not to be cached: memory must not be mapped cached and not cached at once on ARM. Where user space maps
//! them Strongly-ordered, the kernel's mapping is Normal non-cacheable: neither is cached, and all that is lost is the order
//! of accesses between the two.
//!
//! C header: [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h)

use super::{
    ffi,
    version::DMA_BIDIRECTIONAL,
    Cache,
    PAGE_SIZE, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    device::Device,
    prelude::*,
    sync::aref::ARef, //
};

/// Zeroed, physically contiguous pages.
///
/// # Invariants
///
/// `addr` is the kernel's address of `size` bytes that `dma_alloc_pages` (when cached) or `dma_alloc_attrs` gave for
/// `dev`; `page` is the first page of them and `handle` its DMA address.
pub(crate) struct ContiguousArea {
    dev: ARef<Device>,
    addr: NonNull<u8>,
    page: NonNull<bindings::page>,
    handle: bindings::dma_addr_t,
    size: usize,
    cache: Cache,
}

// SAFETY: plain memory; accesses to its contents are raw copies that allow for races.
unsafe impl Send for ContiguousArea {}
// SAFETY: as above.
unsafe impl Sync for ContiguousArea {}

const ATTRS: usize = bindings::DMA_ATTR_WRITE_COMBINE as usize;

impl ContiguousArea {
    /// Allocates `size` bytes, rounded up to whole pages, for `dev`.
    pub(crate) fn new(dev: &Device, size: usize, cache: Cache) -> Result<Self> {
        let size = size.checked_next_multiple_of(PAGE_SIZE).ok_or(ENOMEM)?;
        let raw = core::ptr::from_ref(dev)
            .cast::<bindings::device>()
            .cast_mut();
        let mut handle = 0;
        let gfp = bindings::GFP_KERNEL | bindings::__GFP_NOWARN;
        let (addr, page) = if cache == Cache::Cached {
            // SAFETY: `raw` is a valid device since `Device` is a transparent wrapper of it.
            let page = unsafe {
                bindings::dma_alloc_pages(raw, size, &mut handle, DMA_BIDIRECTIONAL, gfp)
            };
            let page = NonNull::new(page).ok_or(ENOMEM)?;
            // SAFETY: `page` was just allocated; the DMA API gives no highmem pages here, so it has an address.
            (unsafe { ffi::fanlight_page_address(page.as_ptr()) }, page)
        } else {
            // SAFETY: as above.
            let addr = unsafe { bindings::dma_alloc_attrs(raw, size, &mut handle, gfp, ATTRS) };
            if addr.is_null() {
                return Err(ENOMEM);
            }
            // SAFETY: `addr` is a kernel address, linear or vmalloc, with a page behind it.
            let page = unsafe { ffi::fanlight_dma_page(addr) };
            (addr, NonNull::new(page).ok_or(ENOMEM)?)
        };
        let addr = NonNull::new(addr.cast::<u8>()).ok_or(ENOMEM)?;
        // INVARIANT: these are the values that the allocator gave.
        Ok(Self {
            dev: dev.into(),
            addr,
            page,
            handle,
            size,
            cache,
        })
    }

    /// Number of the first page frame.
    pub(crate) fn pfn(&self) -> usize {
        // SAFETY: by the type invariant.
        unsafe { ffi::fanlight_page_to_pfn(self.page.as_ptr()) }
    }

    /// Bytes in the area, a multiple of the page size.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The kernel's address of the first byte.
    pub(super) fn as_ptr(&self) -> *mut u8 {
        self.addr.as_ptr()
    }
}

impl Drop for ContiguousArea {
    fn drop(&mut self) {
        let raw = core::ptr::from_ref(&*self.dev)
            .cast::<bindings::device>()
            .cast_mut();
        if self.cache == Cache::Cached {
            // SAFETY: these are the values that `dma_alloc_pages` gave, by the type invariant.
            unsafe {
                bindings::dma_free_pages(
                    raw,
                    self.size,
                    self.page.as_ptr(),
                    self.handle,
                    DMA_BIDIRECTIONAL,
                )
            };
        } else {
            // SAFETY: these are the values that `dma_alloc_attrs` gave, by the type invariant.
            unsafe {
                bindings::dma_free_attrs(
                    raw,
                    self.size,
                    self.addr.as_ptr().cast(),
                    self.handle,
                    ATTRS,
                )
            };
        }
    }
}

/// Physical address of the kernel's page of zeros, which is there for ever.
pub(crate) fn zero_page() -> u64 {
    // SAFETY: no preconditions.
    u64::from(unsafe { ffi::fanlight_zero_page() })
}
