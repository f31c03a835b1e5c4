// SPDX-License-Identifier: GPL-2.0-only

//! Kernel accesses to parts of a window: read(), write(), and the accesses of a debugger.

use super::{
    super::{
        backing::Backing,
        carveout::KernelMapping,
        not_supported,
        PAGE_SIZE, //
    },
    Mapping, //
};
use core::ops::Range;
use kernel::prelude::*;

/// Bytes of a carve-out that the kernel maps at once. Some boards have 240 MiB of addresses for all
/// such mappings.
const PIECE: usize = 256 << 10;

impl Mapping {
    /// A part of the window for kernel accesses: at most `len` bytes from `offset` on. Empty at the
    /// end of the window and beyond.
    ///
    /// `ENODEV`: revoked; `EOPNOTSUPP`: the kernel does not access the window; `ENOMEM`: no kernel
    /// addresses for it.
    pub(crate) fn piece(&self, offset: usize, len: usize) -> Result<Piece<'_>> {
        if !self.is_live() {
            return Err(ENODEV);
        }
        if !self.accessible {
            return Err(not_supported());
        }
        let mut end = offset.saturating_add(len).min(self.size).max(offset);
        let mut memory = None;
        if !self.mapped && offset < end {
            let first = self.phys.ok_or(EIO)? + offset as u64;
            let in_page = (first % PAGE_SIZE as u64) as usize;
            end = end.min(offset.saturating_add(PIECE - in_page));
            let pages = (in_page + end - offset).next_multiple_of(PAGE_SIZE);
            let mapping = KernelMapping::new(first - in_page as u64, pages, self.cache)?;
            memory = Some((mapping, in_page));
        }
        Ok(Piece {
            mapping: self,
            memory,
            range: offset..end,
        })
    }
}

/// A part of a window that the kernel can access. If the kernel has no permanent mapping of the
/// window, this value maps the part. It may outlive the window, but then no access is made.
pub(crate) struct Piece<'a> {
    mapping: &'a Mapping,
    /// The temporary mapping, and the offset of the part in it.
    memory: Option<(KernelMapping, usize)>,
    range: Range<usize>,
}

impl Piece<'_> {
    /// Its range in the window.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Calls `f` with the memory, the address of the byte at `offset` in the temporary mapping if
    /// there is one, and the number of bytes from there on, at most `len`. Returns that number.
    fn access(
        &self,
        offset: usize,
        len: usize,
        f: impl FnOnce(&Backing, Option<*mut u8>, usize) -> Result,
    ) -> Result<usize> {
        let at = offset.checked_sub(self.range.start).ok_or(EINVAL)?;
        let len = len.min(self.range.end.saturating_sub(offset));
        let temporary = self.memory.as_ref();
        let temporary = temporary.map(|(memory, start)| memory.as_ptr().wrapping_add(start + at));
        if len == 0 {
            return Ok(0);
        }
        self.mapping
            .access(|backing| f(backing, temporary, len).map(|()| len))
    }

    /// Copies from the window at `offset` to `out`, within this part. `ENODEV`: revoked.
    pub(crate) fn read(&self, offset: usize, out: &mut [u8]) -> Result<usize> {
        self.access(offset, out.len(), |backing, temporary, len| {
            // SAFETY: the part has `len` bytes from `offset` on, and with it the window and the
            // temporary mapping, which is there if the window is a carve-out.
            unsafe { backing.read(offset, temporary, &mut out[..len]) }
        })
    }

    /// Copies from `data` to the window at `offset`, within this part. `ENODEV`: revoked.
    pub(crate) fn write(&self, offset: usize, data: &[u8]) -> Result<usize> {
        self.access(offset, data.len(), |backing, temporary, len| {
            // SAFETY: the part has `len` bytes from `offset` on, and with it the window and the
            // temporary mapping, which is there if the window is a carve-out.
            unsafe { backing.write(offset, temporary, &data[..len]) }
        })
    }
}
