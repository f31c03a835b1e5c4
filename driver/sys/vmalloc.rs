// SPDX-License-Identifier: GPL-2.0-only

//! Kernel pages that are contiguous in the kernel's addresses only.
//!
//! C header: [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h)

use super::{
    ffi,
    PAGE_SIZE, //
};
use crate::ring::Word;
use core::ptr::NonNull;
use kernel::{
    alloc::KVVec,
    bindings,
    prelude::*, //
};

/// Zeroed pages from `vmalloc`, which user space may map.
///
/// # Invariants
///
/// `addr` is the start of a live vmalloc area of `pages.len()` pages, one at least, and `pages[i]`
/// is the page behind its `i`th page.
pub(crate) struct VmallocArea {
    addr: NonNull<u8>,
    pages: KVVec<*mut bindings::page>,
}

// SAFETY: the area is plain memory; all accesses to its contents are by atomics or by raw copies
// that allow for races.
unsafe impl Send for VmallocArea {}
// SAFETY: all accesses to the contents are by atomics or by raw copies that allow for races.
unsafe impl Sync for VmallocArea {}

impl VmallocArea {
    /// Allocates `size` bytes, rounded up to whole pages.
    pub(crate) fn new(size: usize) -> Result<Self> {
        let count = size.div_ceil(PAGE_SIZE);
        let size = count.checked_mul(PAGE_SIZE).ok_or(ENOMEM)?;
        if count == 0 {
            return Err(EINVAL);
        }
        // Without this check the list of pages could itself have more than the machine's memory.
        // SAFETY: no preconditions.
        if unsafe { ffi::fanlight_exceeds_memory(count) } {
            return Err(ENOMEM);
        }
        let mut pages = KVVec::with_capacity(count, GFP_KERNEL)?;
        // SAFETY: no preconditions; returns a null pointer on failure.
        let addr = unsafe { ffi::fanlight_vmalloc(size) };
        let addr = NonNull::new(addr.cast::<u8>()).ok_or(ENOMEM)?;
        for i in 0..count {
            // SAFETY: the address is inside the area that was just made.
            let page = unsafe {
                bindings::vmalloc_to_page(addr.as_ptr().add(i * PAGE_SIZE).cast_const().cast())
            };
            // The capacity was reserved above: this can't fail.
            if pages.push(page, GFP_KERNEL).is_err() {
                break;
            }
        }
        // INVARIANT: the area is live, and its pages are listed in order.
        Ok(Self { addr, pages })
    }

    /// Bytes in the area, a multiple of the page size.
    pub(crate) fn size(&self) -> usize {
        self.pages.len() * PAGE_SIZE
    }

    /// The pages, for `vm_insert_pages` and similar functions, which only read the list.
    pub(super) fn pages(&self) -> &[*mut bindings::page] {
        &self.pages
    }

    /// The words from byte `offset` on; empty if `offset` is outside the area.
    pub(crate) fn words(&self, offset: usize) -> &[Word] {
        let Some(len) = self.size().checked_sub(offset) else {
            return &[];
        };
        // SAFETY: the range is inside the area by the check above, `Word` is an atomic `u32` for
        // which any bits are valid, and `offset` is rounded down to its alignment.
        unsafe { core::slice::from_raw_parts(self.addr.as_ptr().add(offset & !3).cast(), len / 4) }
    }

    /// The kernel's address of the first byte.
    pub(super) fn as_ptr(&self) -> *mut u8 {
        self.addr.as_ptr()
    }
}

impl Drop for VmallocArea {
    fn drop(&mut self) {
        // SAFETY: `addr` is from `fanlight_vmalloc`, and is freed here only. User mappings hold
        // references of their own to the pages.
        unsafe { ffi::vfree(self.addr.as_ptr().cast()) };
    }
}
