// SPDX-License-Identifier: GPL-2.0-only

//! The structures of the ABI and of the fbdev interface, as plain bytes for user space.
//!
//! C headers: `uapi/fanlight.h`, [`include/uapi/linux/fb.h`](srctree/include/uapi/linux/fb.h)

use crate::uapi::{
    self,
    Info,
    LogStats,
    Watermark, //
};
use core::mem::size_of;
use kernel::{
    build_assert::static_assert,
    ioctl::{
        _IO,
        _IOR,
        _IOW, //
    },
    transmute::{
        AsBytes,
        FromBytes, //
    }, //
};

// The kernel's own macros yield the same numbers.
static_assert!(uapi::IOC_INFO == _IOR::<Info>(0xf4, 0x00));
static_assert!(uapi::IOC_LOG_FORM == _IOW::<u32>(0xf4, 0x10));
static_assert!(uapi::IOC_LOG_CLEAR == _IO(0xf4, 0x13));

/// `struct fb_bitfield`.
#[repr(C)]
#[derive(Default, Clone, Copy)]
pub(crate) struct FbBitfield {
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) msb_right: u32,
}

/// `struct fb_var_screeninfo`.
#[repr(C)]
#[derive(Default, Clone, Copy)]
pub(crate) struct FbVar {
    pub(crate) xres: u32,
    pub(crate) yres: u32,
    pub(crate) xres_virtual: u32,
    pub(crate) yres_virtual: u32,
    pub(crate) xoffset: u32,
    pub(crate) yoffset: u32,
    pub(crate) bits_per_pixel: u32,
    pub(crate) grayscale: u32,
    pub(crate) red: FbBitfield,
    pub(crate) green: FbBitfield,
    pub(crate) blue: FbBitfield,
    pub(crate) transp: FbBitfield,
    pub(crate) nonstd: u32,
    pub(crate) activate: u32,
    /// Millimetres.
    pub(crate) height: u32,
    /// Millimetres.
    pub(crate) width: u32,
    pub(crate) accel_flags: u32,
    /// pixclock, margins, sync lengths: all 0 here.
    pub(crate) timings: [u32; 7],
    pub(crate) sync: u32,
    pub(crate) vmode: u32,
    pub(crate) rotate: u32,
    pub(crate) colorspace: u32,
    pub(crate) reserved: [u32; 4],
}
static_assert!(size_of::<FbVar>() == 160);

/// `struct fb_fix_screeninfo` of a 32-bit kernel.
#[repr(C)]
#[derive(Default, Clone, Copy)]
pub(crate) struct FbFix {
    pub(crate) id: [u8; 16],
    pub(crate) smem_start: u32,
    pub(crate) smem_len: u32,
    pub(crate) kind: u32,
    pub(crate) type_aux: u32,
    pub(crate) visual: u32,
    pub(crate) xpanstep: u16,
    pub(crate) ypanstep: u16,
    pub(crate) ywrapstep: u16,
    pub(crate) pad: u16,
    pub(crate) line_length: u32,
    pub(crate) mmio_start: u32,
    pub(crate) mmio_len: u32,
    pub(crate) accel: u32,
    pub(crate) capabilities: u16,
    pub(crate) reserved: [u16; 2],
    pub(crate) pad2: u16,
}
static_assert!(size_of::<FbFix>() == 68);

/// `struct fb_cmap_user`: a range of a colour map, and user addresses of its columns.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct FbCmap {
    pub(crate) start: u32,
    pub(crate) len: u32,
    /// Red, green, blue and transparency; the last one may be null.
    pub(crate) columns: [usize; 4],
}

// SAFETY: integers only, and no padding: the fields add up to the size asserted above.
unsafe impl AsBytes for Info {}
// SAFETY: integers only, and no padding: the fields add up to the size asserted above.
unsafe impl AsBytes for LogStats {}
// SAFETY: integers only, and no padding: the fields add up to the size asserted above.
unsafe impl AsBytes for FbVar {}
// SAFETY: integers only, and no padding: the fields add up to the size asserted above.
unsafe impl AsBytes for FbFix {}
// SAFETY: integers only: any bits are valid.
unsafe impl FromBytes for Watermark {}
// SAFETY: integers only: any bits are valid.
unsafe impl FromBytes for FbVar {}
// SAFETY: integers only: any bits are valid.
unsafe impl FromBytes for FbCmap {}
