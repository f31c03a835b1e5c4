// SPDX-License-Identifier: GPL-2.0-only

//! What is behind a window, and copying from and to it.

use super::{
    carveout::Carveout,
    contiguous::ContiguousArea,
    not_supported,
    vmalloc::VmallocArea,
    Cache, //
};
use core::ptr;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What is behind a window.
pub(crate) enum Backing {
    /// Memory that is not the kernel's: `io_remap_pfn_range`.
    Carveout(Carveout),
    /// Contiguous kernel pages: `remap_pfn_range`.
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

    /// The kernel's address of the first byte; `None` for registers, which the kernel does not map.
    fn as_ptr(&self) -> Option<*mut u8> {
        match self {
            Backing::Carveout(c) => c.as_ptr(),
            Backing::Contiguous(c) => Some(c.as_ptr()),
            Backing::Vmalloc(v) | Backing::Prefault(v) => Some(v.as_ptr()),
        }
    }

    /// Whether only user space can access the memory, through a mapping.
    pub(super) fn is_map_only(&self) -> bool {
        self.as_ptr().is_none()
    }

    /// Whether `len` bytes may be copied by `memcpy`. A noncached carve-out takes aligned accesses
    /// only.
    fn is_bulk(&self, len: usize) -> bool {
        let aligned = matches!(self, Backing::Carveout(c) if c.cache() == Cache::Noncached);
        len > BULK && !aligned
    }

    /// Copies from the memory. Of a noncached carve-out, and where it is little, each aligned word,
    /// half-word or byte is read once. Returns how much there was, and `EOPNOTSUPP` for registers.
    pub(crate) fn read(&self, offset: usize, out: &mut [u8]) -> Result<usize> {
        let base = self.as_ptr().ok_or_else(not_supported)?;
        let len = out.len().min(self.size().saturating_sub(offset));
        if self.is_bulk(len) {
            // SAFETY: `len` bytes are inside the memory, which `self` owns, and inside `out`, which
            // is other memory. User space may change it meanwhile: what arrives may be a mixture.
            unsafe { ptr::copy_nonoverlapping(base.add(offset), out.as_mut_ptr(), len) };
            return Ok(len);
        }
        let mut at = 0;
        while at < len {
            // SAFETY: `offset + at` and the steps after it are inside the memory, which `self`
            // owns; `step` sees to the alignment. User space may change it meanwhile: the accesses
            // are volatile.
            unsafe {
                let from = base.add(offset + at);
                at += match step(offset + at, len - at) {
                    4 => {
                        let words = out[at..len].chunks_exact_mut(4);
                        let count = words.len();
                        for (n, to) in words.enumerate() {
                            let word = from.cast::<u32>().add(n).read_volatile();
                            to.copy_from_slice(&word.to_ne_bytes());
                        }
                        4 * count
                    }
                    2 => put(out, at, &from.cast::<u16>().read_volatile().to_ne_bytes()),
                    _ => put(out, at, &[from.read_volatile()]),
                };
            }
        }
        Ok(len)
    }

    /// Copies into the memory as [`Backing::read`] does from it. Returns how much there was room
    /// for, and `EOPNOTSUPP` for registers.
    pub(crate) fn write(&self, offset: usize, data: &[u8]) -> Result<usize> {
        let base = self.as_ptr().ok_or_else(not_supported)?;
        let len = data.len().min(self.size().saturating_sub(offset));
        if self.is_bulk(len) {
            // SAFETY: as in `read`.
            unsafe { ptr::copy_nonoverlapping(data.as_ptr(), base.add(offset), len) };
            return Ok(len);
        }
        let mut at = 0;
        while at < len {
            // SAFETY: as in `read`.
            unsafe {
                let to = base.add(offset + at);
                at += match (step(offset + at, len - at), &data[at..len]) {
                    (4, rest) => {
                        let words = rest.chunks_exact(4);
                        let count = words.len();
                        for (n, word) in words.enumerate() {
                            if let Ok(word) = word.try_into() {
                                to.cast::<u32>()
                                    .add(n)
                                    .write_volatile(u32::from_ne_bytes(word));
                            }
                        }
                        4 * count
                    }
                    (2, &[a, b, ..]) => {
                        to.cast::<u16>().write_volatile(u16::from_ne_bytes([a, b]));
                        2
                    }
                    (_, rest) => {
                        to.write_volatile(rest[0]);
                        1
                    }
                };
            }
        }
        Ok(len)
    }
}

/// Up to so many bytes are taken one by one in all memory.
const BULK: usize = 64;

/// The widest access that is aligned at `offset` and not longer than `left` bytes.
fn step(offset: usize, left: usize) -> usize {
    match (offset % 4, left) {
        (0, 4..) => 4,
        (0 | 2, 2..) => 2,
        _ => 1,
    }
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    if let Some(out) = out.get_mut(at..at + bytes.len()) {
        out.copy_from_slice(bytes);
    }
    bytes.len()
}
