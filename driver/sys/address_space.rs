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
        // SAFETY: the inode is not freed while `self` lives, and the file keeps `self` until its
        // release. In its `open`, no other thread uses `f_mapping` of the file.
        unsafe { ffi::fanlight_inode_adopt(self.0.as_ptr(), file) };
    }

    /// Unmaps every page of every mapping: the next access faults.
    pub(crate) fn unmap(&self) {
        // SAFETY: only the drop frees the inode, so it is valid while `self` is borrowed. The core
        // locks its list of mappings.
        unsafe { ffi::fanlight_inode_unmap(self.0.as_ptr()) };
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        // SAFETY: `new` got the inode, and this is the only place that frees it. No file uses it,
        // since each file keeps its `AddressSpace` until its release.
        unsafe { ffi::fanlight_inode_free(self.0.as_ptr()) };
    }
}
