// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The ABI of the driver in Rust, shared by the driver and user space.
//!
//! C header: `fanlight.h`, which describes each number and each member. Names are those of the
//! header without `FANLIGHT_`.

#![forbid(unsafe_code)]

mod format;

pub use format::{PixelLayout, FORMATS};

use core::mem::size_of;

/// The version of the ABI.
pub const ABI: u32 = 2;

/// Bytes of a window's name, with its NUL.
pub const NAME_LEN: usize = 32;

/// [`Info::backing`]: reserved memory, SRAM or registers.
pub const BACKING_CARVEOUT: u32 = 1;
/// [`Info::backing`]: contiguous pages of the kernel.
pub const BACKING_CONTIGUOUS: u32 = 2;
/// [`Info::backing`]: scattered pages of the kernel.
pub const BACKING_VMALLOC: u32 = 3;

/// [`Info::cache`]: Normal memory that is not cached.
pub const CACHE_WRITECOMBINE: u32 = 1;
/// [`Info::cache`]: Device memory, for aligned accesses only.
pub const CACHE_NONCACHED: u32 = 2;
/// [`Info::cache`]: Normal memory with a write-back cache.
pub const CACHE_CACHED: u32 = 3;

/// [`Info::kind`]: plain memory or registers.
pub const KIND_MEMORY: u32 = 1;
/// [`Info::kind`]: memory with a geometry, which supports the fbdev ioctls.
pub const KIND_FRAMEBUFFER: u32 = 2;
/// [`Info::kind`]: a log ring.
pub const KIND_LOG: u32 = 3;

/// A bit of [`Info::rights`]: `read()`.
pub const RIGHT_READ: u32 = 0x01;
/// A bit of [`Info::rights`]: `write()`; for a log, to append a record.
pub const RIGHT_WRITE: u32 = 0x02;
/// A bit of [`Info::rights`]: to map for reading.
pub const RIGHT_MAP_READ: u32 = 0x04;
/// A bit of [`Info::rights`]: to map for writing.
pub const RIGHT_MAP_WRITE: u32 = 0x08;

/// [`Info::scanout`]: no hardware shows the window.
pub const SCANOUT_NONE: u32 = 0;
/// [`Info::scanout`]: QEMU's ramfb device.
pub const SCANOUT_RAMFB: u32 = 1;
/// [`Info::scanout`]: the firmware of the Raspberry Pi.
pub const SCANOUT_RPI: u32 = 2;

/// A form of `read()` of a log: one record per call, as /dev/kmsg. The default.
pub const FORM_KMSG: u32 = 0;
/// A form of `read()` of a log: as many whole records as fit, each in the format of /dev/kmsg.
pub const FORM_TEXT: u32 = 1;
/// A form of `read()` of a log: as many whole records of the ring as fit.
pub const FORM_BINARY: u32 = 2;

/// The description of a window by `FANLIGHT_IOC_INFO`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Info {
    /// [`ABI`] of the driver.
    pub abi: u32,
    /// `KIND_*`.
    pub kind: u32,
    /// `BACKING_*`.
    pub backing: u32,
    /// `CACHE_*`: the actual memory type.
    pub cache: u32,
    /// `RIGHT_*`.
    pub rights: u32,
    /// `SCANOUT_*`.
    pub scanout: u32,
    /// Bytes of the window.
    pub size: u64,
    /// Physical address; 0 if opened without `CAP_SYS_ADMIN`, and for vmalloc.
    pub phys: u64,
    /// Visible pixels; 0 if there is no geometry.
    pub width: u32,
    /// Visible lines.
    pub height: u32,
    /// Bytes from one line to the next.
    pub stride: u32,
    /// DRM fourcc: [`PixelLayout::fourcc`].
    pub format: u32,
    /// How many framebuffer pages of `height` lines the window holds.
    pub pages: u32,
    /// The N of /dev/fanlightN.
    pub instance: u32,
    /// The name of the window, padded with NULs.
    pub name: [u8; NAME_LEN],
    /// Bytes of every access to registers; 0: any.
    pub reg_io_width: u32,
    /// Offset of the first byte in a mapping, which begins at a page boundary.
    pub offset: u32,
    /// 0.
    pub reserved: [u32; 6],
}
const _: () = assert!(size_of::<Info>() == 128);

/// When `poll()` of a log reports a record: as soon as any of the three is reached.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermark {
    /// This many records are unread; 0: not considered.
    pub records: u32,
    /// This many bytes of the ring are unread; 0: not considered.
    pub bytes: u32,
    /// The oldest unread record is this old, in microseconds; 0: not considered.
    pub delay_us: u32,
    /// 0.
    pub reserved: u32,
}
const _: () = assert!(size_of::<Watermark>() == 16);

/// The driver's counters of a log.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Records appended since the ring was made.
    pub written: u64,
    /// Of these, records that were overwritten or cleared.
    pub overwritten: u64,
    /// Records that could not be appended because their writer could not wait, as in an emergency.
    pub dropped: u64,
    /// Messages that printk had, or has, but that could not be taken into the log.
    pub kernel_missed: u64,
    /// Records that this open file did not get by read().
    pub lost: u64,
    /// Records of `write()` beyond the write limit, which were not appended.
    pub limited: u64,
    /// Of these, records that were written by this descriptor.
    pub own_limited: u64,
    /// 0.
    pub reserved: [u64; 1],
}
const _: () = assert!(size_of::<LogStats>() == 64);

/// `FANLIGHT_IOC_INFO`: reads an [`Info`].
pub const IOC_INFO: u32 = ioc(READ, 0x00, size_of::<Info>());
/// `FANLIGHT_IOC_LOG_FORM`: sets the form of `read()`, a `u32`.
pub const IOC_LOG_FORM: u32 = ioc(WRITE, 0x10, size_of::<u32>());
/// `FANLIGHT_IOC_LOG_WATERMARK`: sets a [`Watermark`].
pub const IOC_LOG_WATERMARK: u32 = ioc(WRITE, 0x11, size_of::<Watermark>());
/// `FANLIGHT_IOC_LOG_STATS`: reads a [`LogStats`].
pub const IOC_LOG_STATS: u32 = ioc(READ, 0x12, size_of::<LogStats>());
/// `FANLIGHT_IOC_LOG_CLEAR`: clears the log of an earlier boot, in the node and in the region.
pub const IOC_LOG_CLEAR: u32 = ioc(0, 0x13, 0);
/// `FANLIGHT_IOC_LOG_FORGET`: forgets the log of an earlier boot in the region only.
pub const IOC_LOG_FORGET: u32 = ioc(0, 0x14, 0);

const WRITE: u32 = 1;
const READ: u32 = 2;

/// `_IOC()` of `include/uapi/asm-generic/ioctl.h`, which ARM, x86 and RISC-V use.
const fn ioc(direction: u32, number: u32, size: usize) -> u32 {
    (direction << 30) | ((size as u32) << 16) | (0xf4 << 8) | number
}
