// SPDX-License-Identifier: GPL-2.0-only

//! One address space for all files of a device, so that all their mappings can be found and
//! unmapped at once.
//!
//! A mapping is found through the address space of the inode of its file. Every device node has its
//! own inode, and a second `mknod` creates another. Like DRM and vfio (`drivers/gpu/drm/drm_drv.c`,
//! `drivers/vfio/device_cdev.c`), the driver therefore has one anonymous inode per device.

use super::ffi;
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

/// An anonymous inode.
///
/// # Invariants
///
/// `0` is an inode from `fanlight_inode_new` that has not been freed.
pub(crate) struct AddressSpace(NonNull<bindings::inode>);

// SAFETY: inodes may be used from any thread.
unsafe impl Send for AddressSpace {}
// SAFETY: `adopt` and `unmap` may run at the same time: the core locks.
unsafe impl Sync for AddressSpace {}

impl AddressSpace {
    /// Creates an inode.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: no preconditions.
        let inode = from_err_ptr(unsafe { ffi::fanlight_inode_new() })?;
        // INVARIANT: a new inode.
        Ok(Self(NonNull::new(inode).ok_or(ENOMEM)?))
    }

    /// Makes all future mappings of `file` belong to this address space.
    ///
    /// # Safety
    ///
    /// `file` must be valid, be in its `open`, and keep `self` alive until its `release`.
    pub(super) unsafe fn adopt(&self, file: *mut bindings::file) {
        // SAFETY: by the caller's promise and the type invariant.
        unsafe { ffi::fanlight_inode_adopt(self.0.as_ptr(), file) };
    }

    /// Unmaps every page of every mapping: the next access faults.
    pub(crate) fn unmap(&self) {
        // SAFETY: by the type invariant.
        unsafe { ffi::fanlight_inode_unmap(self.0.as_ptr()) };
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        // SAFETY: by the type invariant; no file is left, since each keeps this alive.
        unsafe { ffi::fanlight_inode_free(self.0.as_ptr()) };
    }
}
