// SPDX-License-Identifier: GPL-2.0-only

//! The structures of the ABI and of the fbdev interface, as plain bytes for user space.
//!
//! C headers: `uapi/fanlight.h`, [`include/uapi/linux/fb.h`](srctree/include/uapi/linux/fb.h)

use super::ffi;
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
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
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

/// The size of `long`, which the structures of fbdev contain, in the program of the current system
/// call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Long {
    Bits32,
    Bits64,
}

impl Long {
    /// That of the current task: on a 64-bit kernel, it may be a 32-bit program.
    pub(crate) fn of_caller() -> Self {
        // SAFETY: no preconditions.
        if cfg!(CONFIG_64BIT) && !unsafe { ffi::fanlight_in_compat_syscall() } {
            Long::Bits64
        } else {
            Long::Bits32
        }
    }

    /// Bytes.
    fn size(self) -> usize {
        match self {
            Long::Bits32 => 4,
            Long::Bits64 => 8,
        }
    }

    fn read(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Long::Bits32 => Some(u32::from_ne_bytes(bytes.try_into().ok()?) as usize),
            Long::Bits64 => u64::from_ne_bytes(bytes.try_into().ok()?).try_into().ok(),
        }
    }
}

/// The fields of `struct fb_fix_screeninfo` that are not 0.
pub(crate) struct FbFix {
    pub(crate) id: [u8; 16],
    pub(crate) smem_start: u64,
    pub(crate) smem_len: u32,
    pub(crate) visual: u32,
    pub(crate) ypanstep: u16,
    pub(crate) line_length: u32,
}

impl FbFix {
    /// The most bytes that the structure has.
    const MAX: usize = 80;

    /// Calls `write` with the bytes of the structure. As in fbdev, a program whose `long` does not
    /// hold the address gets its low 32 bits, whose offset within the page is the right one.
    pub(crate) fn write(&self, long: Long, write: impl FnOnce(&[u8]) -> Result) -> Result {
        let mut bytes = [0; Self::MAX];
        let mut put = |at: usize, value: &[u8]| {
            if let Some(to) = bytes.get_mut(at..at + value.len()) {
                to.copy_from_slice(value);
            }
        };
        put(0, &self.id);
        // Little-endian: the low half is first.
        let start = match long {
            Long::Bits32 => u64::from(self.smem_start as u32),
            Long::Bits64 => self.smem_start,
        };
        put(16, &start.to_ne_bytes());
        let after = 16 + long.size();
        put(after, &self.smem_len.to_ne_bytes());
        // Then type and type_aux.
        put(after + 12, &self.visual.to_ne_bytes());
        // Then xpanstep.
        put(after + 18, &self.ypanstep.to_ne_bytes());
        // Then ywrapstep and padding.
        put(after + 24, &self.line_length.to_ne_bytes());
        // Then padding to a long, mmio_start (a long), mmio_len, accel, capabilities, reserved.
        let len = match long {
            Long::Bits32 => 68,
            Long::Bits64 => Self::MAX,
        };
        write(&bytes[..len])
    }
}

/// `struct fb_cmap_user`: a range of a colour map, and user addresses of its columns.
pub(crate) struct FbCmap {
    pub(crate) start: u32,
    pub(crate) len: u32,
    /// Red, green, blue and transparency; the last one may be null.
    pub(crate) columns: [usize; 4],
}

impl FbCmap {
    /// Reads the structure at `address` in the memory of the current task.
    pub(crate) fn read(long: Long, address: usize) -> Result<Self> {
        let mut bytes = [0; 40];
        let len = 8 + 4 * long.size();
        UserSlice::new(UserPtr::from_addr(address), len)
            .reader()
            .read_slice(&mut bytes[..len])?;
        let (numbers, columns) = bytes[..len].split_at(8);
        let (start, length) = numbers.split_at(4);
        let number = |bytes: &[u8]| Long::Bits32.read(bytes).map(|value| value as u32);
        let mut columns = columns.chunks_exact(long.size()).map(|c| long.read(c));
        let mut column = || columns.next().flatten().ok_or(EINVAL);
        Ok(Self {
            start: number(start).ok_or(EINVAL)?,
            len: number(length).ok_or(EINVAL)?,
            columns: [column()?, column()?, column()?, column()?],
        })
    }
}

// SAFETY: integers only, and no padding: the fields add up to the size asserted above.
unsafe impl AsBytes for Info {}
// SAFETY: integers only, and no padding: the fields add up to the size asserted above.
unsafe impl AsBytes for LogStats {}
// SAFETY: integers only, and no padding: the fields add up to the size asserted above.
unsafe impl AsBytes for FbVar {}
// SAFETY: integers only: any bits are valid.
unsafe impl FromBytes for Watermark {}
// SAFETY: integers only: any bits are valid.
unsafe impl FromBytes for FbVar {}
