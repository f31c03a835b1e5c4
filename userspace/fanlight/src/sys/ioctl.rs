// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ioctls of the driver and of fbdev, each with its type.

use rustix::fd::BorrowedFd;
use rustix::io::Result;
use rustix::ioctl::{ioctl, Getter, IntegerSetter, NoArg, Setter, Updater};

use crate::abi;
use crate::fbdev;

pub(crate) fn info(fd: BorrowedFd<'_>) -> Result<abi::Info> {
    // SAFETY: FANLIGHT_IOC_INFO writes one struct fanlight_info, whose twin `Info` is: integers
    // only, same size.
    unsafe { ioctl(fd, Getter::<{ abi::IOC_INFO }, abi::Info>::new()) }
}

pub(crate) fn log_stats(fd: BorrowedFd<'_>) -> Result<abi::LogStats> {
    // SAFETY: FANLIGHT_IOC_LOG_STATS writes one struct fanlight_log_stats, whose twin `LogStats`
    // is.
    unsafe { ioctl(fd, Getter::<{ abi::IOC_LOG_STATS }, abi::LogStats>::new()) }
}

pub(crate) fn set_watermark(fd: BorrowedFd<'_>, mark: abi::Watermark) -> Result<()> {
    // SAFETY: FANLIGHT_IOC_LOG_WATERMARK reads one struct fanlight_watermark, whose twin
    // `Watermark` is.
    unsafe {
        ioctl(
            fd,
            Setter::<{ abi::IOC_LOG_WATERMARK }, abi::Watermark>::new(mark),
        )
    }
}

pub(crate) fn clear_log(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: FANLIGHT_IOC_LOG_CLEAR takes no argument.
    unsafe { ioctl(fd, NoArg::<{ abi::IOC_LOG_CLEAR }>::new()) }
}

pub(crate) fn forget_log(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: FANLIGHT_IOC_LOG_FORGET takes no argument.
    unsafe { ioctl(fd, NoArg::<{ abi::IOC_LOG_FORGET }>::new()) }
}

pub(crate) fn var_info(fd: BorrowedFd<'_>) -> Result<fbdev::VarInfo> {
    // SAFETY: FBIOGET_VSCREENINFO writes one struct fb_var_screeninfo, whose twin `VarInfo` is.
    unsafe {
        ioctl(
            fd,
            Getter::<{ fbdev::FBIOGET_VSCREENINFO }, fbdev::VarInfo>::new(),
        )
    }
}

pub(crate) fn fix_info(fd: BorrowedFd<'_>) -> Result<fbdev::FixInfo> {
    // SAFETY: FBIOGET_FSCREENINFO writes one struct fb_fix_screeninfo, whose twin `FixInfo` is.
    unsafe {
        ioctl(
            fd,
            Getter::<{ fbdev::FBIOGET_FSCREENINFO }, fbdev::FixInfo>::new(),
        )
    }
}

pub(crate) fn pan(fd: BorrowedFd<'_>, var: &mut fbdev::VarInfo) -> Result<()> {
    // SAFETY: FBIOPAN_DISPLAY reads one struct fb_var_screeninfo and writes it back.
    unsafe {
        ioctl(
            fd,
            Updater::<{ fbdev::FBIOPAN_DISPLAY }, fbdev::VarInfo>::new(var),
        )
    }
}

pub(crate) fn blank(fd: BorrowedFd<'_>, level: u32) -> Result<()> {
    // SAFETY: FBIOBLANK takes its argument by value.
    unsafe {
        ioctl(
            fd,
            IntegerSetter::<{ fbdev::FBIOBLANK }>::new_usize(level as usize),
        )
    }
}
