// SPDX-License-Identifier: GPL-2.0-only

//! The memory of a window, and copies from and to it.

use super::{
    carveout::Carveout,
    contiguous::ContiguousArea,
    ffi,
    not_supported,
    vmalloc::VmallocArea,
    Cache,
    PAGE_SIZE, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::Arc, //
};

/// The memory of a window.
pub(crate) enum Backing {
    /// Memory that is not the kernel's: `io_remap_pfn_range`.
    Carveout(Carveout),
    /// Contiguous kernel pages: mapped as pages, or by `remap_pfn_range`.
    Contiguous(ContiguousArea),
    /// Scattered kernel pages. `prefault`: mmap() maps all of them at once, and otherwise page
    /// faults do.
    Vmalloc {
        area: Arc<VmallocArea>,
        prefault: bool,
    },
}

impl Backing {
    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Backing::Carveout(c) => c.size(),
            Backing::Contiguous(c) => c.size(),
            Backing::Vmalloc { area, .. } => area.size(),
        }
    }

    /// Page frame number of the first byte, if the pages are contiguous.
    pub(super) fn pfn(&self) -> Option<usize> {
        match self {
            Backing::Carveout(c) => Some(c.pfn()),
            Backing::Contiguous(c) => Some(c.pfn()),
            Backing::Vmalloc { .. } => None,
        }
    }

    /// Offset of the first byte in its page.
    pub(super) fn page_offset(&self) -> usize {
        match self {
            Backing::Carveout(c) => c.page_offset(),
            _ => 0,
        }
    }

    /// Physical address of the first byte, if the pages are contiguous.
    pub(crate) fn phys(&self) -> Option<u64> {
        let page = self.pfn()? as u64 * PAGE_SIZE as u64;
        Some(page + self.page_offset() as u64)
    }

    /// The number of pages that can be mapped: all that contain the memory, or none.
    pub(super) fn page_count(&self) -> usize {
        match self {
            Backing::Carveout(c) if !c.is_mappable() => 0,
            _ => (self.page_offset() + self.size()).div_ceil(PAGE_SIZE),
        }
    }

    /// Whether the kernel may access the memory. If not, only user space does, through a mapping.
    pub(super) fn is_accessible(&self) -> bool {
        match self {
            Backing::Carveout(c) => c.is_accessible(),
            _ => true,
        }
    }

    /// Whether the kernel has a mapping at all times.
    pub(super) fn is_mapped(&self) -> bool {
        !matches!(self, Backing::Carveout(_))
    }

    /// Whether mmap() maps no page, but page faults do.
    pub(super) fn is_mapped_by_faults(&self) -> bool {
        let Backing::Vmalloc { prefault, .. } = self else {
            return false;
        };
        !prefault
    }

    /// Memory type of the kernel's mapping, and therefore of user mappings.
    pub(crate) fn cache(&self) -> Cache {
        match self {
            Backing::Carveout(c) => c.cache(),
            Backing::Contiguous(c) => c.cache(),
            Backing::Vmalloc { .. } => Cache::Cached,
        }
    }

    /// The pages, if user space maps them as pages.
    pub(super) fn pages(&self) -> Option<&[*mut bindings::page]> {
        match self {
            Backing::Carveout(_) => None,
            Backing::Contiguous(c) => c.pages(),
            Backing::Vmalloc { area, .. } => Some(area.pages()),
        }
    }

    /// Calls `f` with the kernel's address and the number of bytes of each piece of a range inside
    /// the memory. `temporary` is the kernel's address of the first byte of the range if this is a
    /// carve-out.
    fn for_pieces(
        &self,
        offset: usize,
        temporary: Option<*mut u8>,
        len: usize,
        mut f: impl FnMut(*mut u8, usize),
    ) -> Result {
        let first = match self {
            Backing::Carveout(_) => temporary.ok_or_else(not_supported)?,
            Backing::Contiguous(c) => {
                c.for_pieces(offset, len, f);
                return Ok(());
            }
            Backing::Vmalloc { area, .. } => area.as_ptr().wrapping_add(offset),
        };
        f(first, len);
        Ok(())
    }

    /// Whether the memory may be copied by `memcpy`. Device memory supports aligned accesses only.
    fn is_bulk(&self) -> bool {
        self.cache() != Cache::Noncached
    }

    /// Copies from the memory at `offset`. In Device memory, and in a short copy, each aligned
    /// word, half-word or byte is read once. `EOPNOTSUPP`: the kernel has no mapping of the memory.
    ///
    /// # Safety
    ///
    /// The memory must have as many bytes from `offset` on as `out`. `temporary` must be the
    /// kernel's address of these bytes if this is a carve-out.
    pub(super) unsafe fn read(
        &self,
        offset: usize,
        temporary: Option<*mut u8>,
        out: &mut [u8],
    ) -> Result {
        let len = out.len();
        let mut out = out;
        self.for_pieces(offset, temporary, len, |from, piece| {
            let (to, rest) = core::mem::take(&mut out).split_at_mut(piece);
            // SAFETY: `for_pieces` passes parts of the range that the caller has checked, each as
            // long as `to`, which is other memory. It may change at the same time, which the C
            // function allows.
            unsafe {
                ffi::fanlight_copy_from(
                    to.as_mut_ptr().cast(),
                    from.cast(),
                    to.len(),
                    self.is_bulk(),
                )
            };
            out = rest;
        })
    }

    /// Copies into the memory at `offset`, with the accesses of [`Backing::read`].
    ///
    /// # Safety
    ///
    /// As for [`Backing::read`], with `data` in place of `out`.
    pub(super) unsafe fn write(
        &self,
        offset: usize,
        temporary: Option<*mut u8>,
        data: &[u8],
    ) -> Result {
        let len = data.len();
        let mut data = data;
        self.for_pieces(offset, temporary, len, |to, piece| {
            let (from, rest) = data.split_at(piece);
            // SAFETY: `for_pieces` passes parts of the range that the caller has checked, each as
            // long as `from`, which is other memory. Programs and devices may access the part at
            // the same time, which the C function allows.
            unsafe {
                ffi::fanlight_copy_to(to.cast(), from.as_ptr().cast(), from.len(), self.is_bulk())
            };
            data = rest;
        })
    }
}
