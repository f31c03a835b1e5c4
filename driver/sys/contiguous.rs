// SPDX-License-Identifier: GPL-2.0-only

//! Physically contiguous kernel pages.
//!
//! A page must have the same memory type in all its mappings, the kernel's own included. Two kinds
//! of memory meet this requirement:
//!
//! - Cached pages of the page allocator, or of CMA if the page allocator has none. The kernel's own
//!   mapping of them is cached, too; those in high memory have none.
//! - Write-combined memory of the DMA API, for a device that is not DMA-coherent. On 32-bit ARM,
//!   the API changes the kernel's own mapping of pages from CMA. It does not change that of other
//!   pages, and it returns cached memory for a DMA-coherent device: both are refused. On arm64, the
//!   pages of every driver's write-combined memory stay in the cached linear mapping, by which
//!   nothing accesses them.
//!
//! Each cached page of the page allocator has its own reference count. User space can therefore map
//! them as pages, which get_user_pages() supports: O_DIRECT, vmsplice(), io_uring, ptrace(). A page
//! that is still pinned when the window is removed is freed when it is unpinned. The other memory
//! is mapped by page frame number: pages of CMA are freed together, and for a long-term pin of one
//! (io_uring's registered buffers), get_user_pages() would try to migrate it forever.
//!
//! C headers: [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h),
//! [`include/linux/cma.h`](srctree/include/linux/cma.h),
//! [`include/linux/gfp.h`](srctree/include/linux/gfp.h)

use super::{
    ffi,
    Cache,
    PAGE_SIZE, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    alloc::KVVec,
    bindings,
    device::{
        Bound,
        Device, //
    },
    error::to_result,
    prelude::*,
    sync::aref::ARef, //
};

/// How user space maps the pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MappedAs {
    /// As pages, which get_user_pages() supports.
    Pages,
    /// By page frame number: `remap_pfn_range`.
    Pfn,
}

/// Why the pages cannot be allocated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PagesError {
    /// No run of pages of this size is free.
    NoMemory,
    /// Write-combined, for a device that is DMA-coherent.
    Coherent,
    /// Write-combined, and the kernel would keep a cached mapping.
    Alias,
    /// Write-combined, and the DMA API does not return one run of pages.
    Scattered,
    /// Write-combined and mapped as pages, or noncached.
    Impossible,
    /// Mapped as pages, which is not possible for the pages of a pool.
    Pool,
}

impl PagesError {
    /// A sentence for the log, and the error of the probe.
    pub(crate) fn describe(self) -> (&'static str, Error) {
        match self {
            PagesError::NoMemory => (
                "no contiguous memory of its size (cma=SIZE on the kernel's command line reserves \
                 some, see CmaFree in /proc/meminfo)",
                ENOMEM,
            ),
            PagesError::Coherent => (
                "kernel pages cannot be writecombine, as this node is DMA-coherent: leave \
                 fanlight,cache out, or write dma-noncoherent; into the node",
                EINVAL,
            ),
            PagesError::Alias => (
                "kernel pages cannot be writecombine without CMA, as the kernel keeps a cached \
                 mapping of them: reserve some by cma=SIZE on the kernel's command line, or use a \
                 memory-region",
                EINVAL,
            ),
            PagesError::Scattered => (
                "its writecombine pages are not contiguous behind this IOMMU: leave fanlight,cache \
                 out, or use a memory-region",
                EINVAL,
            ),
            PagesError::Pool => (
                "pages of a shared-dma-pool are mapped by pfn: leave fanlight,mapping out",
                EINVAL,
            ),
            PagesError::Impossible => (
                "kernel pages are cached, or writecombine with fanlight,mapping = \"pfn\"",
                EINVAL,
            ),
        }
    }
}

/// Where the pages come from, and what is needed to free them.
enum Origin {
    /// The page allocator: each page has its own reference count.
    Pages,
    /// CMA.
    Cma(NonNull<ffi::Cma>),
    /// `dma_alloc_attrs`: the kernel's address and the device's.
    Dma {
        dev: ARef<Device>,
        addr: NonNull<u8>,
        handle: bindings::dma_addr_t,
    },
}

/// Zeroed, physically contiguous pages.
///
/// # Invariants
///
/// `page` is the first of `size / PAGE_SIZE` consecutive pages from `origin`. `list` is empty, or
/// has a pointer to each of them, in order; then `origin` is [`Origin::Pages`].
pub(crate) struct ContiguousArea {
    page: NonNull<bindings::page>,
    size: usize,
    list: KVVec<*mut bindings::page>,
    origin: Origin,
}

// SAFETY: plain memory, which every thread may access and free; accesses to its contents are copies
// in C that allow for races.
unsafe impl Send for ContiguousArea {}
// SAFETY: the methods that take `&self` only read the fields.
unsafe impl Sync for ContiguousArea {}

const ATTRS: usize =
    (bindings::DMA_ATTR_WRITE_COMBINE | bindings::DMA_ATTR_FORCE_CONTIGUOUS) as usize;

fn as_raw(dev: &Device) -> *mut bindings::device {
    // `Device` is a transparent wrapper.
    ptr::from_ref(dev).cast::<bindings::device>().cast_mut()
}

impl ContiguousArea {
    /// Allocates `size` bytes, a multiple of the page size, for `dev`. The memory type is `cache`
    /// or, if that is `None`, the one in which the device sees the processor's writes.
    pub(crate) fn new(
        dev: &Device<Bound>,
        size: usize,
        cache: Option<Cache>,
        mapped_as: Option<MappedAs>,
    ) -> Result<Self, PagesError> {
        // SAFETY: `dev` is a valid device, and bound: its coherency is known.
        let coherent = unsafe { ffi::fanlight_dma_is_coherent(as_raw(dev)) };
        match cache {
            Some(Cache::Noncached) => Err(PagesError::Impossible),
            Some(Cache::WriteCombine) if coherent => Err(PagesError::Coherent),
            Some(Cache::Cached) => Self::cached(dev, size, mapped_as),
            None if coherent => Self::cached(dev, size, mapped_as),
            Some(Cache::WriteCombine) | None => match mapped_as {
                Some(MappedAs::Pages) => Err(PagesError::Impossible),
                _ => Self::write_combined(dev, size),
            },
        }
    }

    fn cached(
        dev: &Device<Bound>,
        size: usize,
        mapped_as: Option<MappedAs>,
    ) -> Result<Self, PagesError> {
        // SAFETY: `dev` is a valid device.
        let from_pool = unsafe { ffi::fanlight_has_pool(as_raw(dev)) };
        if from_pool && mapped_as == Some(MappedAs::Pages) {
            return Err(PagesError::Pool);
        }
        let page = if from_pool {
            ptr::null_mut()
        } else {
            // SAFETY: no preconditions but that this may sleep, as a probe does.
            unsafe { ffi::fanlight_pages_alloc(size) }
        };
        if let Some(page) = NonNull::new(page) {
            // INVARIANT: the pages were allocated just now, and the list is empty.
            let mut area = Self {
                page,
                size,
                list: KVVec::new(),
                origin: Origin::Pages,
            };
            if mapped_as != Some(MappedAs::Pfn) {
                let list = area.list_pages().map_err(|_| PagesError::NoMemory)?;
                // INVARIANT: `list` has all of the pages, in order.
                area.list = list;
            }
            return Ok(area);
        }
        if mapped_as == Some(MappedAs::Pages) {
            return Err(PagesError::NoMemory);
        }
        let mut cma = ptr::null_mut();
        // SAFETY: `dev` is a valid device, and `cma` may be written.
        let page = unsafe { ffi::fanlight_cma_alloc(as_raw(dev), size, &mut cma) };
        let (Some(page), Some(cma)) = (NonNull::new(page), NonNull::new(cma)) else {
            return Err(PagesError::NoMemory);
        };
        // INVARIANT: the pages were allocated just now from `cma`.
        Ok(Self {
            page,
            size,
            list: KVVec::new(),
            origin: Origin::Cma(cma),
        })
    }

    fn write_combined(dev: &Device<Bound>, size: usize) -> Result<Self, PagesError> {
        let mut handle = 0;
        let gfp = bindings::GFP_KERNEL | bindings::__GFP_NOWARN;
        // SAFETY: `dev` is a valid device, and `handle` may be written.
        let addr = unsafe { bindings::dma_alloc_attrs(as_raw(dev), size, &mut handle, gfp, ATTRS) };
        let addr = NonNull::new(addr.cast::<u8>()).ok_or(PagesError::NoMemory)?;
        let mut page = ptr::null_mut();
        // SAFETY: these are the values of an allocation that exists, and `page` may be written.
        let one_run = to_result(unsafe {
            ffi::fanlight_dma_page(
                as_raw(dev),
                addr.as_ptr().cast(),
                handle,
                size,
                ATTRS,
                &mut page,
            )
        });
        let (Some(page), Ok(())) = (NonNull::new(page), one_run) else {
            // SAFETY: these are the values that the allocation gave, and no one else has them.
            unsafe {
                bindings::dma_free_attrs(as_raw(dev), size, addr.as_ptr().cast(), handle, ATTRS)
            };
            return Err(PagesError::Scattered);
        };
        // INVARIANT: the pages are one run, from `page` on, by the check above.
        let area = Self {
            page,
            size,
            list: KVVec::new(),
            origin: Origin::Dma {
                dev: dev.into(),
                addr,
                handle,
            },
        };
        // SAFETY: `page` is the page of `addr`. All pages of a run are of the same kind.
        if unsafe { ffi::fanlight_page_has_alias(page.as_ptr(), addr.as_ptr().cast()) } {
            return Err(PagesError::Alias);
        }
        Ok(area)
    }

    fn list_pages(&self) -> Result<KVVec<*mut bindings::page>> {
        let count = self.size / PAGE_SIZE;
        let mut list = KVVec::with_capacity(count, GFP_KERNEL)?;
        for index in 0..count {
            list.push(self.page_at(index), GFP_KERNEL)?;
        }
        Ok(list)
    }

    /// Page `index` of the area, which has more than `index` pages.
    fn page_at(&self, index: usize) -> *mut bindings::page {
        // SAFETY: arithmetic on page numbers: the callers pass the number of a page of the area.
        unsafe { ffi::fanlight_page_at(self.page.as_ptr(), index) }
    }

    /// Page frame number of the first page.
    pub(crate) fn pfn(&self) -> usize {
        // SAFETY: `page` is the first page of the area, which `self` keeps allocated.
        unsafe { ffi::fanlight_page_to_pfn(self.page.as_ptr()) }
    }

    /// Bytes in the area, a multiple of the page size.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The memory type of the kernel's mapping, which user mappings must have, too.
    pub(crate) fn cache(&self) -> Cache {
        match self.origin {
            Origin::Pages | Origin::Cma(_) => Cache::Cached,
            Origin::Dma { .. } => Cache::WriteCombine,
        }
    }

    /// The pages, if user space maps them as pages; the core only reads the list.
    pub(super) fn pages(&self) -> Option<&[*mut bindings::page]> {
        (!self.list.is_empty()).then_some(&self.list)
    }

    /// Calls `f` with the kernel's address and the length of each piece of a range inside the area.
    /// `f` must not sleep.
    pub(super) fn for_pieces(&self, offset: usize, len: usize, mut f: impl FnMut(*mut u8, usize)) {
        if let Origin::Dma { addr, .. } = &self.origin {
            f(addr.as_ptr().wrapping_add(offset), len);
            return;
        }
        let (mut at, end) = (offset, offset + len);
        while at < end {
            let piece = (end - at).min(PAGE_SIZE - at % PAGE_SIZE);
            // SAFETY: `at` is inside the area, and so is the page. The mapping is undone below, and
            // those that `f` makes are undone before it returns.
            let page = unsafe { ffi::fanlight_page_map(self.page_at(at / PAGE_SIZE)) };
            f(page.cast::<u8>().wrapping_add(at % PAGE_SIZE), piece);
            // SAFETY: mapped above.
            unsafe { ffi::fanlight_page_unmap(page) };
            at += piece;
        }
    }
}

impl Drop for ContiguousArea {
    fn drop(&mut self) {
        let page = self.page.as_ptr();
        // SAFETY: page, size and origin are those of the allocation, which is freed here only.
        // Either the window was revoked, so that no mapping of user space and no access of the
        // kernel is left; or the probe failed before there was one. Both happen before the device's
        // DMA configuration is taken down. A page that is pinned has a reference of its own, and
        // only [`Origin::Pages`] has pages that can be pinned.
        unsafe {
            match &self.origin {
                Origin::Pages => ffi::fanlight_pages_free(page, self.size),
                Origin::Cma(cma) => ffi::fanlight_cma_free(cma.as_ptr(), page, self.size),
                Origin::Dma { dev, addr, handle } => bindings::dma_free_attrs(
                    as_raw(dev),
                    self.size,
                    addr.as_ptr().cast(),
                    *handle,
                    ATTRS,
                ),
            }
        }
    }
}
