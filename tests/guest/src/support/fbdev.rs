// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of the fbdev ABI that a framebuffer window supports, as include/uapi/linux/fb.h defines
//! it for a program of this architecture.

use crate::support::sys::{self, Result};

pub const GET_VAR: u32 = 0x4600;
pub const PUT_VAR: u32 = 0x4601;
pub const GET_FIX: u32 = 0x4602;
pub const PAN: u32 = 0x4606;
pub const BLANK: u32 = 0x4611;
pub const GET_CMAP: u32 = 0x4604;
pub const PUT_CMAP: u32 = 0x4605;
/// `_IOW('F', 0x20, __u32)`
pub const WAIT_FOR_VSYNC: u32 = 0x4004_4620;

pub const ACTIVATE_NXTOPEN: u32 = 1;
pub const ACTIVATE_TEST: u32 = 2;
pub const ACTIVATE_INV_MODE: u32 = 256;
pub const VMODE_YWRAP: u32 = 256;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitfield {
    pub offset: u32,
    pub length: u32,
    pub msb_right: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Var {
    pub xres: u32,
    pub yres: u32,
    pub xres_virtual: u32,
    pub yres_virtual: u32,
    pub xoffset: u32,
    pub yoffset: u32,
    pub bits_per_pixel: u32,
    pub grayscale: u32,
    pub red: Bitfield,
    pub green: Bitfield,
    pub blue: Bitfield,
    pub transp: Bitfield,
    pub nonstd: u32,
    pub activate: u32,
    pub height: u32,
    pub width: u32,
    pub accel_flags: u32,
    pub timings: [u32; 7],
    pub sync: u32,
    pub vmode: u32,
    pub rotate: u32,
    pub colorspace: u32,
    pub reserved: [u32; 4],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Fix {
    pub id: [u8; 16],
    pub smem_start: libc::c_ulong,
    pub smem_len: u32,
    pub kind: u32,
    pub type_aux: u32,
    pub visual: u32,
    pub xpanstep: u16,
    pub ypanstep: u16,
    pub ywrapstep: u16,
    pub line_length: u32,
    pub mmio_start: libc::c_ulong,
    pub mmio_len: u32,
    pub accel: u32,
    pub capabilities: u16,
    pub reserved: [u16; 2],
}

/// `struct fb_cmap`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Cmap {
    pub start: u32,
    pub len: u32,
    pub red: *mut u16,
    pub green: *mut u16,
    pub blue: *mut u16,
    pub transp: *mut u16,
}

const _: () = assert!(size_of::<Var>() == 160);
// Two addresses, and padding to their alignment.
const _: () = assert!(size_of::<Fix>() == 56 + 3 * size_of::<libc::c_ulong>());

pub fn var(fd: i32) -> Var {
    let mut var = Var {
        reserved: [!0; 4],
        ..Var::default()
    };
    sys::ioctl(fd, GET_VAR, &mut var).expect("FBIOGET_VSCREENINFO");
    var
}

pub fn fix(fd: i32) -> Fix {
    let mut fix = Fix::default();
    sys::ioctl(fd, GET_FIX, &mut fix).expect("FBIOGET_FSCREENINFO");
    fix
}

/// Shows the screen that begins at this line.
pub fn pan(fd: i32, yoffset: u32) -> Result<usize> {
    let mut var = Var { yoffset, ..var(fd) };
    sys::ioctl(fd, PAN, &mut var)
}
