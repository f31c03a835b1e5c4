// SPDX-License-Identifier: GPL-2.0-only

//! The device tree beyond scalar properties: references to regions, addresses, aliases.
//!
//! C headers: [`include/linux/of.h`](srctree/include/linux/of.h),
//! [`include/linux/of_address.h`](srctree/include/linux/of_address.h)

use super::ffi;
use core::{
    ffi::CStr,
    mem::MaybeUninit,
    ptr, //
};
use kernel::{
    bindings,
    device::{
        self,
        property::FwNode,
        Core,
        Device, //
    },
    error::to_result,
    prelude::*,
    sync::aref::ARef, //
};

/// A physical range in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) size: u64,
    /// The range is a node's own `reg`: it may be registers, which the kernel must not access.
    pub(crate) registers: bool,
}

impl Range {
    /// Runs `fill`, which writes a resource if it succeeds.
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

    /// The range of entry `index` of `memory-region` of `node`.
    ///
    /// `ENOENT`: there is no such entry, or it does not point to a node; `EXDEV`: the node is not a
    /// child of `/reserved-memory`; `ENODEV`: the node is disabled; another error: the node has no
    /// range.
    pub(crate) fn reserved(node: &FwNode, index: u32) -> Result<Self> {
        // SAFETY: `node` is valid, and the resource may be written.
        Self::from_resource(|res| unsafe { ffi::fanlight_of_region(as_raw(node), index, res) })
    }

    /// The range that `sram` of `node` points to.
    ///
    /// `ENOENT`: it does not point to a node; `EXDEV`: the node is not a partition of an
    /// `mmio-sram`; `ENODEV`: the partition is disabled; `EBUSY`: the SRAM's driver gives the
    /// partition to others; `EPROBE_DEFER`: the SRAM's driver is not bound; another error: the
    /// partition has no range.
    pub(crate) fn sram(node: &FwNode) -> Result<Self> {
        // SAFETY: `node` is valid, and the resource may be written.
        Self::from_resource(|res| unsafe { ffi::fanlight_of_sram(as_raw(node), res) })
    }

    /// The node's own `reg`, translated to a physical range. `E2BIG`: `reg` is not exactly one
    /// range; another error: it cannot be translated.
    pub(crate) fn by_reg(node: &FwNode) -> Result<Self> {
        // SAFETY: `node` is valid, and the resource may be written.
        let range = Self::from_resource(|res| unsafe { ffi::fanlight_of_reg(as_raw(node), res) })?;
        Ok(Self {
            registers: true,
            ..range
        })
    }
}

/// Creates a device link, so that `dev`, which is being probed, is unbound before the driver of the
/// SRAM that the property `sram` of `node` refers to. `EPROBE_DEFER`: that driver is being unbound,
/// and the probe must fail; `ENOMEM`.
pub(crate) fn link_sram(dev: &Device<Core<'_>>, node: &FwNode) -> Result {
    // SAFETY: `dev` and `node` are valid, and `dev` is being probed.
    to_result(unsafe { ffi::fanlight_of_sram_link(as_raw(node), device_as_raw(dev)) })
}

/// Whether the driver of the SRAM that the property `sram` of `node` refers to maps it as Device
/// memory, instead of write-combined.
pub(crate) fn sram_is_device(node: &FwNode) -> bool {
    // SAFETY: `node` is valid.
    unsafe { ffi::fanlight_of_sram_is_device(as_raw(node)) }
}

/// The pool of a device. While this exists, the DMA API allocates the device's pages from it.
///
/// # Invariants
///
/// `0` was assigned the pool of its node.
pub(crate) struct Pool(ARef<Device>);

impl Pool {
    /// The first `shared-dma-pool` with `reusable` in `memory-region` of the device's node, if
    /// there is one. Memory from the pool must be freed before this is dropped.
    pub(crate) fn of(dev: &Device<Core<'_>>) -> Result<Option<Self>> {
        // SAFETY: `dev` is valid, and is being probed: nothing was allocated for it.
        let ret = unsafe { ffi::fanlight_of_pool(device_as_raw(dev)) };
        if ret > 0 {
            let dev: &Device = dev;
            // INVARIANT: assigned just now.
            return Ok(Some(Self(dev.into())));
        }
        to_result(ret).map(|()| None)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: `new` has assigned a pool to this device, which is referenced by `self`, and only
        // this drop releases it.
        unsafe { ffi::fanlight_of_pool_release(device_as_raw(&self.0)) };
    }
}

/// A property of the tree.
pub(crate) struct Property<'a> {
    pub(crate) name: &'a CStr,
    pub(crate) value: &'a [u8],
}

impl Property<'_> {
    /// The number of its strings. A last one without a NUL does not count: see
    /// [`Property::is_strings`].
    pub(crate) fn strings(&self) -> usize {
        self.value.iter().filter(|byte| **byte == 0).count()
    }

    /// Whether the value is one string or more, and not numbers.
    pub(crate) fn is_strings(&self) -> bool {
        let printable = |byte: &u8| *byte == 0 || byte.is_ascii_graphic() || *byte == b' ';
        self.value.last() == Some(&0)
            && self.value.first() != Some(&0)
            && self.value.iter().all(printable)
            && !self.value.windows(2).any(|pair| pair == [0, 0])
    }
}

/// The properties of `node`.
pub(crate) fn properties(node: &FwNode) -> impl Iterator<Item = Property<'_>> {
    (0..).map_while(|index| {
        let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
        // SAFETY: `node` is valid, and the other pointers may be written.
        let found = unsafe {
            ffi::fanlight_of_property(as_raw(node), index, &mut name, &mut value, &mut len)
        };
        if !found {
            return None;
        }
        // SAFETY: a property and its name stay in memory, unchanged, as long as their node.
        let name = unsafe { CStr::from_char_ptr(name) };
        let value = match len {
            0 => &[],
            // SAFETY: a property stays in memory, unchanged, as long as its node. The value has
            // `len` bytes.
            _ => unsafe { core::slice::from_raw_parts(value.cast::<u8>(), len) },
        };
        Some(Property { name, value })
    })
}

/// The property `name` of `node`.
pub(crate) fn property<'a>(node: &'a FwNode, name: &CStr) -> Option<Property<'a>> {
    properties(node).find(|property| property.name == name)
}

/// Whether the probe of `dev` should stop waiting for other drivers, since the kernel's deferral
/// timeout has expired.
pub(crate) fn deferral_is_over(dev: &Device) -> bool {
    // SAFETY: `dev` is valid.
    unsafe { ffi::fanlight_deferral_is_over(device_as_raw(dev)) }
}

/// Stores why the probe of `dev` is deferred, for `devices_deferred` in debugfs.
pub(crate) fn defer_reason(dev: &Device, reason: &CStr) {
    // SAFETY: `dev` is valid, and `reason` is a C string, which is copied.
    unsafe { ffi::fanlight_defer_reason(device_as_raw(dev), reason.as_char_ptr()) };
}

/// Whether a memory node of the tree contains all of `range`. Elsewhere there may be no RAM.
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

fn device_as_raw<Ctx: device::DeviceContext>(dev: &Device<Ctx>) -> *mut bindings::device {
    // `Device` is a transparent wrapper.
    ptr::from_ref(dev).cast::<bindings::device>().cast_mut()
}

/// The number of the alias `<stem><number>` that points to `node`, if there is one.
pub(crate) fn alias(node: &FwNode, stem: &CStr) -> Option<u32> {
    // SAFETY: `node` is valid and `stem` is a C string.
    u32::try_from(unsafe { ffi::fanlight_of_alias(as_raw(node), stem.as_char_ptr()) }).ok()
}

/// Whether the tree has the alias `<stem><number>`, for any node.
pub(crate) fn has_alias(stem: &CStr, number: u32) -> bool {
    // SAFETY: `stem` is a C string.
    unsafe { ffi::fanlight_of_has_alias(stem.as_char_ptr(), number) }
}
