// SPDX-License-Identifier: GPL-2.0-only

//! Safe types over the kernel interfaces that the kernel crate does not cover.
//!
//! All `unsafe` code of the driver is in this module. Each file wraps one interface. The C
//! functions are declared in [`ffi`] or in `kernel::bindings`; the rest of the driver uses the
//! wrappers without `unsafe`.

pub(crate) mod abi;
pub(crate) mod address_space;
pub(crate) mod backing;
pub(crate) mod capability;
pub(crate) mod carveout;
pub(crate) mod chardev;
pub(crate) mod console;
pub(crate) mod contiguous;
pub(crate) mod display;
mod ffi;
pub(crate) mod file;
pub(crate) mod firmware;
pub(crate) mod fw_cfg;
pub(crate) mod ida;
pub(crate) mod irq_lock;
pub(crate) mod mapping;
pub(crate) mod of;
pub(crate) mod panic;
pub(crate) mod persistent;
pub(crate) mod poll;
pub(crate) mod printk;
pub(crate) mod random;
pub(crate) mod ring_area;
mod rw_semaphore;
pub(crate) mod sysfs;
pub(crate) mod task;
pub(crate) mod time;
pub(crate) mod try_cell;
mod version;
mod vm_ops;
pub(crate) mod vmalloc;
pub(crate) mod wait;
pub(crate) mod wait_queue;

use crate::uapi;
use kernel::{
    bindings,
    error::Error, //
};

pub(crate) use kernel::page::PAGE_SIZE;

/// `EOPNOTSUPP`, which the kernel crate does not declare.
pub(crate) fn not_supported() -> Error {
    Error::from_errno(-(bindings::EOPNOTSUPP as i32))
}

/// Memory type of a mapping; the values are `FANLIGHT_CACHE_*` of the UAPI header.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Cache {
    /// Normal memory, non-cacheable: writes may be merged.
    WriteCombine = uapi::CACHE_WRITECOMBINE,
    /// Device memory: every access is made exactly once, at its width, and must be aligned. Never
    /// executable.
    Noncached = uapi::CACHE_NONCACHED,
    /// Normal memory, write-back.
    Cached = uapi::CACHE_CACHED,
}

/// Makes a value with raw pointers usable in a `static`.
#[repr(transparent)]
struct AssertSync<T>(T);

// SAFETY: only used for tables of function pointers that are never written.
unsafe impl<T> Sync for AssertSync<T> {}
