// SPDX-License-Identifier: GPL-2.0-only

//! What is behind a window, and copying from and to it.

use super::{
    carveout::Carveout,
    contiguous::ContiguousArea,
    not_supported,
    vmalloc::VmallocArea,
    Cache,
    PAGE_SIZE, //
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
    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Backing::Carveout(c) => c.size(),
            Backing::Contiguous(c) => c.size(),
            Backing::Vmalloc(v) | Backing::Prefault(v) => v.size(),
        }
    }

    /// Number of the page frame of the first byte, where the pages are contiguous.
    fn pfn(&self) -> Option<usize> {
        match self {
            Backing::Carveout(c) => Some(c.pfn()),
            Backing::Contiguous(c) => Some(c.pfn()),
            Backing::Vmalloc(_) | Backing::Prefault(_) => None,
        }
    }

    /// Where the first byte is in its page.
    pub(super) fn page_offset(&self) -> usize {
        match self {
            Backing::Carveout(c) => c.page_offset(),
            _ => 0,
        }
    }

    /// Physical address of the first byte, where the pages are contiguous.
    pub(crate) fn phys(&self) -> Option<u64> {
        let page = self.pfn()? as u64 * PAGE_SIZE as u64;
        Some(page + self.page_offset() as u64)
    }

    /// How many pages can be mapped: all that contain the memory, or none.
    pub(super) fn page_count(&self) -> usize {
        match self {
            Backing::Carveout(c) if !c.is_mappable() => 0,
            _ => (self.page_offset() + self.size()).div_ceil(PAGE_SIZE),
        }
    }

    /// Whether the kernel may access the memory; otherwise only user space does, through a mapping.
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

    /// The kernel's address of the byte at `offset`, which for a carve-out is `temporary`.
    fn address(&self, offset: usize, temporary: Option<*mut u8>) -> Result<*mut u8> {
        let base = match self {
            Backing::Carveout(_) => return temporary.ok_or_else(not_supported),
            Backing::Contiguous(c) => c.as_ptr(),
            Backing::Vmalloc(v) | Backing::Prefault(v) => v.as_ptr(),
        };
        Ok(base.wrapping_add(offset))
    }

    /// Whether `len` bytes may be copied by `memcpy`. A noncached carve-out takes aligned accesses
    /// only.
    fn is_bulk(&self, len: usize) -> bool {
        let aligned = matches!(self, Backing::Carveout(c) if c.cache() == Cache::Noncached);
        len > BULK && !aligned
    }

    /// Copies from the memory at `offset`. Of a noncached carve-out, and where it is little, each
    /// aligned word, half-word or byte is read once. `EOPNOTSUPP`: the kernel has no mapping of it.
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
        let from = self.address(offset, temporary)?.cast_const();
        let len = out.len();
        if self.is_bulk(len) {
            // SAFETY: `from` has `len` bytes by the caller's promise; `out` is other memory. User
            // space may change the memory concurrently: what arrives may be a mixture.
            unsafe { ptr::copy_nonoverlapping(from, out.as_mut_ptr(), len) };
            return Ok(());
        }
        let mut at = 0;
        while at < len {
            // SAFETY: `at` and the steps after it are inside the memory by the caller's promise;
            // `step` sees to the alignment. User space may change the memory concurrently: the
            // accesses are volatile.
            unsafe {
                let from = from.add(at);
                at += match step(from.addr(), len - at) {
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
        Ok(())
    }

    /// Copies into the memory at `offset` as [`Backing::read`] does from it.
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
        let to = self.address(offset, temporary)?;
        let len = data.len();
        if self.is_bulk(len) {
            // SAFETY: `to` has `len` bytes by the caller's promise; `data` is other memory.
            unsafe { ptr::copy_nonoverlapping(data.as_ptr(), to, len) };
            return Ok(());
        }
        let mut at = 0;
        while at < len {
            // SAFETY: `at` and the steps after it are inside the memory by the caller's promise;
            // `step` sees to the alignment.
            unsafe {
                let to = to.add(at);
                at += match (step(to.addr(), len - at), &data[at..len]) {
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
        Ok(())
    }
}

/// Up to so many bytes are taken one by one in all memory.
const BULK: usize = 64;

/// The widest access that is aligned at `address` and not longer than `left` bytes.
fn step(address: usize, left: usize) -> usize {
    match (address % 4, left) {
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
