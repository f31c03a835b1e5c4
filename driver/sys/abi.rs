// SPDX-License-Identifier: GPL-2.0-only

//! The structures of `uapi/fanlight.h` and of the fbdev interface, as plain bytes for user space.
//!
//! C headers: `uapi/fanlight.h`, [`include/uapi/linux/fb.h`](srctree/include/uapi/linux/fb.h)

use core::mem::size_of;
use kernel::{
    build_assert::static_assert,
    transmute::{
        AsBytes,
        FromBytes, //
    }, //
};

/// Version of the ABI: `FANLIGHT_ABI`.
pub(crate) const ABI: u32 = 2;

/// `struct fanlight_info`.
#[repr(C)]
#[derive(Default, Clone, Copy)]
pub(crate) struct Info {
    pub(crate) abi: u32,
    pub(crate) kind: u32,
    pub(crate) backing: u32,
    pub(crate) cache: u32,
    pub(crate) rights: u32,
    pub(crate) scanout: u32,
    pub(crate) size: u64,
    pub(crate) phys: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) stride: u32,
    pub(crate) format: u32,
    pub(crate) pages: u32,
    pub(crate) instance: u32,
    pub(crate) name: [u8; 32],
    pub(crate) reg_io_width: u32,
    pub(crate) offset: u32,
    pub(crate) reserved: [u32; 6],
}
static_assert!(size_of::<Info>() == 128);

/// `struct fanlight_watermark`.
#[repr(C)]
#[derive(Default, Clone, Copy)]
pub(crate) struct Watermark {
    pub(crate) records: u32,
    pub(crate) bytes: u32,
    pub(crate) delay_us: u32,
    pub(crate) reserved: u32,
}
static_assert!(size_of::<Watermark>() == 16);

impl Watermark {
    /// Whether it asks for more than one record.
    pub(crate) fn is_modest(&self) -> bool {
        self.records > 1 || self.bytes > 0 || self.delay_us > 0
    }
}

/// `struct fanlight_log_stats`.
#[repr(C)]
#[derive(Default, Clone, Copy)]
pub(crate) struct LogStats {
    pub(crate) written: u64,
    pub(crate) overwritten: u64,
    pub(crate) dropped: u64,
    pub(crate) kernel_missed: u64,
    pub(crate) lost: u64,
    pub(crate) limited: u64,
    pub(crate) own_limited: u64,
    pub(crate) reserved: [u64; 1],
}
static_assert!(size_of::<LogStats>() == 64);

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
// SAFETY: as above.
unsafe impl AsBytes for LogStats {}
// SAFETY: as above.
unsafe impl AsBytes for FbVar {}
// SAFETY: as above.
unsafe impl AsBytes for FbFix {}
// SAFETY: integers only: any bits are valid.
unsafe impl FromBytes for Watermark {}
// SAFETY: as above.
unsafe impl FromBytes for FbVar {}
// SAFETY: as above.
unsafe impl FromBytes for FbCmap {}
