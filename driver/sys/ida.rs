// SPDX-License-Identifier: GPL-2.0-only

//! Allocates the numbers of instances.
//!
//! C header: [`include/linux/idr.h`](srctree/include/linux/idr.h)

use super::ffi;
use kernel::{
    bindings,
    prelude::*, //
};

/// The number of an instance. Dropping it frees the number.
pub(crate) struct InstanceId(u32);

impl InstanceId {
    /// Allocates the lowest free number in `min..=max`; `ENOSPC`: all are in use.
    pub(crate) fn new(min: u32, max: u32) -> Result<Self> {
        // SAFETY: `fanlight_instances` is a static IDA of `file.c`, which does its own locking.
        let id = unsafe {
            bindings::ida_alloc_range(
                &raw mut ffi::fanlight_instances,
                min,
                max,
                bindings::GFP_KERNEL,
            )
        };
        u32::try_from(id)
            .map(Self)
            .map_err(|_| Error::from_errno(id))
    }

    /// The number.
    pub(crate) fn get(&self) -> u32 {
        self.0
    }
}

impl Drop for InstanceId {
    fn drop(&mut self) {
        // SAFETY: the IDA is static and initialised; `new` allocated the number, and drop runs
        // once.
        unsafe { bindings::ida_free(&raw mut ffi::fanlight_instances, self.0) };
    }
}
