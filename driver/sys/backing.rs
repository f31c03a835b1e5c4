// SPDX-License-Identifier: GPL-2.0-only

//! What is behind a window, and copying from and to it.

use super::{
    carveout::Carveout,
    contiguous::ContiguousArea,
    ffi,
    not_supported,
    vmalloc::VmallocArea,
    Cache, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::Arc, //
};

/// What is behind a window.
pub(crate) enum Backing {
    /// Memory that is not the kernel's: `io_remap_pfn_range`.
    Carveout(Carveout),
    /// Contiguous kernel pages: mapped as pages, or by `remap_pfn_range`.
    Contiguous(ContiguousArea),
    /// Scattered kernel pages, mapped as they are touched.
    Vmalloc(Arc<VmallocArea>),
    /// Scattered kernel pages, mapped all at once by mmap.
    Prefault(Arc<VmallocArea>),
}

impl Backing {
    /// Bytes, a multiple of the page size.
    pub(crate) fn size(&self) -> usize {
        match self {
            Backing::Carveout(c) => c.size(),
            Backing::Contiguous(c) => c.size(),
            Backing::Vmalloc(v) | Backing::Prefault(v) => v.size(),
        }
    }

    /// Number of the first page frame, where the pages are contiguous.
    pub(crate) fn pfn(&self) -> Option<usize> {
        match self {
            Backing::Carveout(c) => Some(c.pfn()),
            Backing::Contiguous(c) => Some(c.pfn()),
            Backing::Vmalloc(_) | Backing::Prefault(_) => None,
        }
    }

    /// Whether only user space can access the memory, through a mapping: registers.
    pub(super) fn is_map_only(&self) -> bool {
        matches!(self, Backing::Carveout(c) if c.as_ptr().is_none())
    }

    /// Memory type of the kernel's mapping, and so of user space's.
    pub(crate) fn cache(&self) -> Cache {
        match self {
            Backing::Carveout(c) => c.cache(),
            Backing::Contiguous(c) => c.cache(),
            Backing::Vmalloc(_) | Backing::Prefault(_) => Cache::Cached,
        }
    }

    /// Whether it is cached RAM: the only memory from which user space may execute. The processor
    /// may fetch instructions speculatively from all memory that is executable, which changes the
    /// state of a device, and which memory of another type need not support.
    #[expect(dead_code, reason = "for the flags of mappings")]
    pub(super) fn is_cached_ram(&self) -> bool {
        self.cache() == Cache::Cached && !self.is_map_only()
    }

    /// The pages, where user space maps them as such.
    pub(super) fn pages(&self) -> Option<&[*mut bindings::page]> {
        match self {
            Backing::Carveout(_) => None,
            Backing::Contiguous(c) => c.pages(),
            Backing::Vmalloc(v) | Backing::Prefault(v) => Some(v.pages()),
        }
    }

    /// Calls `f` with the kernel's address and the number of bytes of each piece of a range. The
    /// range is inside the memory. `EOPNOTSUPP` for registers.
    fn for_pieces(&self, offset: usize, len: usize, mut f: impl FnMut(*mut u8, usize)) -> Result {
        let base = match self {
            Backing::Carveout(c) => c.as_ptr().ok_or_else(not_supported)?,
            Backing::Contiguous(c) => {
                c.for_pieces(offset, len, f);
                return Ok(());
            }
            Backing::Vmalloc(v) | Backing::Prefault(v) => v.as_ptr(),
        };
        f(base.wrapping_add(offset), len);
        Ok(())
    }

    /// Whether it may be copied by `memcpy`. Device memory supports aligned accesses only.
    fn is_bulk(&self) -> bool {
        self.cache() != Cache::Noncached
    }

    /// Copies from the memory. Of Device memory, and where it is little, each aligned word,
    /// half-word or byte is read once. Returns how much there was, and `EOPNOTSUPP` for registers.
    pub(crate) fn read(&self, offset: usize, out: &mut [u8]) -> Result<usize> {
        let len = out.len().min(self.size().saturating_sub(offset));
        let mut out = &mut out[..len];
        self.for_pieces(offset, len, |from, piece| {
            let (to, rest) = core::mem::take(&mut out).split_at_mut(piece);
            // SAFETY: the piece is a part of the memory, which `self` owns, and as long as `to`,
            // which is other memory. It may change at the same time, which the C function allows.
            unsafe {
                ffi::fanlight_copy_from(
                    to.as_mut_ptr().cast(),
                    from.cast(),
                    to.len(),
                    self.is_bulk(),
                )
            };
            out = rest;
        })?;
        Ok(len)
    }

    /// Copies into the memory as [`Backing::read`] does from it. Returns how much there was room
    /// for, and `EOPNOTSUPP` for registers.
    pub(crate) fn write(&self, offset: usize, data: &[u8]) -> Result<usize> {
        let len = data.len().min(self.size().saturating_sub(offset));
        let mut data = &data[..len];
        self.for_pieces(offset, len, |to, piece| {
            let (from, rest) = data.split_at(piece);
            // SAFETY: as in `read`, in the other direction: the piece is a part of the memory, as
            // long as `from`, and may be accessed at the same time.
            unsafe {
                ffi::fanlight_copy_to(to.cast(), from.as_ptr().cast(), from.len(), self.is_bulk())
            };
            data = rest;
        })?;
        Ok(len)
    }
}
