// SPDX-License-Identifier: MIT OR Apache-2.0
//! The driver's ABI, as `driver/uapi/fanlight.h` has it for C.
//!
//! Plain integers and structures, for programs that talk to the driver themselves; the rest of the
//! crate gives them types.
//!
//! ```
//! // The number that strace prints for FANLIGHT_IOC_INFO.
//! assert_eq!(fanlight::abi::IOC_INFO, 0x8080_f400);
//! ```

use core::mem::size_of;

/// The newest version of the ABI that this crate knows.
///
/// ```
/// assert!(fanlight::abi::ABI >= 2);
/// ```
pub const ABI: u32 = 2;

/// Bytes of a window's name, with its NUL.
///
/// ```
/// assert_eq!(fanlight::abi::NAME_LEN, 32);
/// ```
pub const NAME_LEN: usize = 32;

/// `FANLIGHT_CACHE_NONCACHED`, a value of [`Info::cache`]: aligned accesses only.
///
/// ```
/// assert_eq!(fanlight::abi::CACHE_NONCACHED, 2);
/// ```
pub const CACHE_NONCACHED: u32 = 2;

/// What `FANLIGHT_IOC_INFO` tells of a window; see the header for each member.
///
/// ```
/// let info = fanlight::abi::Info::default();
/// assert_eq!(info.abi, 0);
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    missing_docs,
    reason = "the names are the header's, which documents them"
)]
pub struct Info {
    pub abi: u32,
    pub kind: u32,
    pub backing: u32,
    pub cache: u32,
    pub rights: u32,
    pub scanout: u32,
    pub size: u64,
    pub phys: u64,
    pub width: u32,
    pub height: u32,
    pub stride: u32,
    pub format: u32,
    pub pages: u32,
    pub instance: u32,
    pub name: [u8; NAME_LEN],
    pub reg_io_width: u32,
    pub offset: u32,
    pub reserved: [u32; 6],
}
const _: () = assert!(size_of::<Info>() == 128);

/// When `poll()` on a log reports a record: as soon as any of the three is reached.
///
/// ```
/// // Wake at 64 unread records, or when the oldest of them has waited for a second.
/// let mark = fanlight::abi::Watermark { records: 64, delay_us: 1_000_000, ..Default::default() };
/// assert_eq!(mark.bytes, 0);
/// ```
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

/// What the driver counts of a log.
///
/// ```
/// let stats = fanlight::abi::LogStats::default();
/// assert_eq!(stats.written, 0);
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Records appended since the ring was made.
    pub written: u64,
    /// Of these, records that were overwritten or cleared.
    pub overwritten: u64,
    /// Records that could not be appended because their writer could not wait, as in an emergency.
    pub dropped: u64,
    /// Messages that printk had, or has, but that could not be had.
    pub kernel_missed: u64,
    /// Records that the asking descriptor has lost.
    pub lost: u64,
    /// Records that `write()` has suppressed because of the write limit.
    pub limited: u64,
    /// Of these, records that were written by the asking descriptor.
    pub own_limited: u64,
    /// 0.
    pub reserved: [u64; 1],
}
const _: () = assert!(size_of::<LogStats>() == 64);

/// `FANLIGHT_IOC_INFO`.
///
/// ```
/// assert_eq!(fanlight::abi::IOC_INFO & 0xff00, 0xf400);
/// ```
pub const IOC_INFO: u32 = ioc(READ, 0x00, size_of::<Info>());
/// `FANLIGHT_IOC_LOG_FORM`.
///
/// ```
/// assert_eq!(fanlight::abi::IOC_LOG_FORM & 0xff, 0x10);
/// ```
pub const IOC_LOG_FORM: u32 = ioc(WRITE, 0x10, size_of::<u32>());
/// `FANLIGHT_IOC_LOG_WATERMARK`.
///
/// ```
/// assert_eq!(fanlight::abi::IOC_LOG_WATERMARK & 0xff, 0x11);
/// ```
pub const IOC_LOG_WATERMARK: u32 = ioc(WRITE, 0x11, size_of::<Watermark>());
/// `FANLIGHT_IOC_LOG_STATS`.
///
/// ```
/// assert_eq!(fanlight::abi::IOC_LOG_STATS & 0xff, 0x12);
/// ```
pub const IOC_LOG_STATS: u32 = ioc(READ, 0x12, size_of::<LogStats>());
/// `FANLIGHT_IOC_LOG_CLEAR`.
///
/// ```
/// assert_eq!(fanlight::abi::IOC_LOG_CLEAR, 0xf413);
/// ```
pub const IOC_LOG_CLEAR: u32 = ioc(0, 0x13, 0);
/// `FANLIGHT_IOC_LOG_FORGET`.
///
/// ```
/// assert_eq!(fanlight::abi::IOC_LOG_FORGET, 0xf414);
/// ```
pub const IOC_LOG_FORGET: u32 = ioc(0, 0x14, 0);

const WRITE: u32 = 1;
const READ: u32 = 2;

/// `_IOC` of the kernel's asm-generic/ioctl.h, which ARM, x86 and RISC-V use.
const fn ioc(direction: u32, number: u32, size: usize) -> u32 {
    (direction << 30) | ((size as u32) << 16) | (0xF4 << 8) | number
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that gcc computes from the header.
    #[test]
    fn window_ioctl_numbers_are_the_headers() {
        assert_eq!(IOC_INFO, 0x8080_f400);
        assert_eq!(IOC_LOG_FORM, 0x4004_f410);
        assert_eq!(IOC_LOG_WATERMARK, 0x4010_f411);
        assert_eq!(IOC_LOG_STATS, 0x8040_f412);
        assert_eq!(IOC_LOG_CLEAR, 0x0000_f413);
        assert_eq!(IOC_LOG_FORGET, 0x0000_f414);
    }
}
