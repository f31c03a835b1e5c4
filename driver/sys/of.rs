// SPDX-License-Identifier: GPL-2.0-only

//! What the device tree says beyond scalar properties: references to regions, addresses, aliases.
//!
//! C headers: [`include/linux/of.h`](srctree/include/linux/of.h),
//! [`include/linux/of_address.h`](srctree/include/linux/of_address.h)

use super::ffi;
use core::{
    ffi::CStr,
    mem::MaybeUninit, //
};
use kernel::{
    bindings,
    device::property::FwNode,
    error::to_result,
    prelude::*, //
};

/// A physical range in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) size: u64,
    /// The range is a node's own `reg`: it may be a device's registers, which the kernel must not
    /// access on its own.
    pub(crate) registers: bool,
}

impl Range {
    /// Runs `fill`, which on success has written a resource.
    fn from_resource(fill: impl FnOnce(*mut bindings::resource) -> i32) -> Result<Self> {
        let mut res = MaybeUninit::<bindings::resource>::zeroed();
        to_result(fill(res.as_mut_ptr()))?;
        // SAFETY: `fill` succeeded, and all zeroes was a valid resource before.
        let res = unsafe { res.assume_init() };
        let start = u64::from(res.start);
        Ok(Self {
            start,
            size: u64::from(res.end).wrapping_sub(start).wrapping_add(1),
            registers: false,
        })
    }

    /// The range of the node that `property` of `node` points to; `ENOENT` when there is no such
    /// property.
    pub(crate) fn by_phandle(node: &FwNode, property: &CStr) -> Result<Self> {
        // SAFETY: `node` is valid, `property` is a C string, and the resource may be written.
        Self::from_resource(|res| unsafe {
            ffi::fanlight_of_region(as_raw(node), property.as_char_ptr(), res)
        })
    }

    /// The first entry of the node's own `reg`, translated to a physical range.
    pub(crate) fn by_reg(node: &FwNode) -> Result<Self> {
        // SAFETY: `node` is valid, and the resource may be written.
        let range = Self::from_resource(|res| unsafe { ffi::fanlight_of_reg(as_raw(node), res) })?;
        Ok(Self {
            registers: true,
            ..range
        })
    }
}

/// Whether the SRAM that the property `sram` of `node` points into is mapped as Device memory by its
/// own driver, instead of write-combined.
pub(crate) fn sram_is_device(node: &FwNode) -> bool {
    // SAFETY: `node` is valid.
    unsafe { ffi::fanlight_of_sram_is_device(as_raw(node)) }
}

/// Whether a memory node of the tree has all of `range`: only there can RAM be expected to answer.
pub(crate) fn is_memory(range: Range) -> bool {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_of_is_memory(range.start, range.size) }
}

fn as_raw(node: &FwNode) -> *mut bindings::fwnode_handle {
    // `FwNode` is a transparent wrapper.
    core::ptr::from_ref(node)
        .cast::<bindings::fwnode_handle>()
        .cast_mut()
}

/// The number of the alias `<stem><number>` that points to `node`, if there is one.
pub(crate) fn alias(node: &FwNode, stem: &CStr) -> Option<u32> {
    // SAFETY: `node` is valid and `stem` is a C string.
    u32::try_from(unsafe { ffi::fanlight_of_alias(as_raw(node), stem.as_char_ptr()) }).ok()
}

/// Whether the tree has the alias `<stem><number>`, whatever node it points to.
pub(crate) fn has_alias(stem: &CStr, number: u32) -> bool {
    // SAFETY: `stem` is a C string.
    unsafe { ffi::fanlight_of_has_alias(stem.as_char_ptr(), number) }
}
