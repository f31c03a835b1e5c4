// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of the kernel's fbdev ABI (`linux/fb.h`) that a framebuffer window supports.

use core::mem::size_of;

use crate::geometry::{Field, Geometry, PixelFormat};

pub(crate) const FBIOGET_VSCREENINFO: u32 = 0x4600;
pub(crate) const FBIOGET_FSCREENINFO: u32 = 0x4602;
pub(crate) const FBIOPAN_DISPLAY: u32 = 0x4606;
pub(crate) const FBIOBLANK: u32 = 0x4611;

pub(crate) const FB_BLANK_UNBLANK: u32 = 0;
pub(crate) const FB_BLANK_POWERDOWN: u32 = 4;

/// `struct fb_bitfield`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bitfield {
    offset: u32,
    length: u32,
    msb_right: u32,
}

/// `struct fb_var_screeninfo`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VarInfo {
    pub xres: u32,
    pub yres: u32,
    pub xres_virtual: u32,
    pub yres_virtual: u32,
    pub xoffset: u32,
    pub yoffset: u32,
    pub bits_per_pixel: u32,
    grayscale: u32,
    red: Bitfield,
    green: Bitfield,
    blue: Bitfield,
    transp: Bitfield,
    nonstd: u32,
    activate: u32,
    height: u32,
    width: u32,
    accel_flags: u32,
    timing: [u32; 7],
    sync: u32,
    vmode: u32,
    rotate: u32,
    colorspace: u32,
    reserved: [u32; 4],
}
const _: () = assert!(size_of::<VarInfo>() == 160);

/// `struct fb_fix_screeninfo`; the addresses are `unsigned long`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FixInfo {
    pub id: [u8; 16],
    smem_start: usize,
    pub smem_len: u32,
    kind: u32,
    type_aux: u32,
    visual: u32,
    xpanstep: u16,
    pub ypanstep: u16,
    ywrapstep: u16,
    pub line_length: u32,
    mmio_start: usize,
    mmio_len: u32,
    accel: u32,
    capabilities: u16,
    reserved: [u16; 2],
}
const _: () = assert!(size_of::<FixInfo>() == if size_of::<usize>() == 4 { 68 } else { 80 });

impl VarInfo {
    /// The geometry of the two structures; `None` for a mode that this crate does not support.
    pub(crate) fn geometry(&self, fix: &FixInfo) -> Option<Geometry> {
        // Type 0 is packed pixels.
        if fix.kind != 0 || self.grayscale != 0 || self.nonstd != 0 {
            return None;
        }
        let field = |bits: &Bitfield| {
            (bits.msb_right == 0).then_some(Field {
                offset: bits.offset,
                length: bits.length,
            })
        };
        let [red, green, blue] = [field(&self.red)?, field(&self.green)?, field(&self.blue)?];
        let alpha = match field(&self.transp)? {
            Field { length: 0, .. } => Field::default(),
            other => other,
        };
        let format = PixelFormat::from_fields(self.bits_per_pixel, [red, green, blue, alpha])?;
        Geometry::new(self.xres, self.yres, fix.line_length, format)
    }
}
