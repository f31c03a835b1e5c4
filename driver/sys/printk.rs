// SPDX-License-Identifier: GPL-2.0-only

//! printk's buffer, and the levels of messages.
//!
//! C headers: [`include/linux/kmsg_dump.h`](srctree/include/linux/kmsg_dump.h),
//! [`include/linux/printk.h`](srctree/include/linux/printk.h)

use super::ffi;
use kernel::ffi::c_int;

/// Reads the message with the number `seq`, or the oldest one after it that printk has, in the form
/// of the kernel's dumpers. Returns its number and its length in `buffer`; a message that does not
/// fit is cut. `None`: there is no such message yet. Does not find messages before the last `dmesg
/// -C`.
///
/// Safe in any context.
pub(crate) fn dumped(seq: u64, buffer: &mut [u8]) -> Option<(u64, usize)> {
    let mut found = seq;
    // SAFETY: the buffer may be written for its length, and `found` for the call.
    let len =
        unsafe { ffi::fanlight_kmsg_dump(&mut found, buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(len).ok().map(|len| (found, len))
}

/// The length of message `seq` in that form. `None`: printk does not have it any longer.
///
/// Safe in any context.
pub(crate) fn dumped_size(seq: u64) -> Option<usize> {
    let mut found = seq;
    // SAFETY: without a buffer nothing is written but `found`, which may be for the call.
    let len = unsafe { ffi::fanlight_kmsg_dump(&mut found, core::ptr::null_mut(), 0) };
    usize::try_from(len).ok().filter(|_| found == seq)
}

/// Whether consoles suppress messages of this level now. printk does not report its exceptions:
/// `ignore_loglevel`, and messages that it forces on consoles.
///
/// Safe in any context.
pub(crate) fn is_suppressed(level: u8) -> bool {
    // SAFETY: no preconditions.
    c_int::from(level) >= unsafe { ffi::fanlight_console_loglevel() }
}

/// Numbers of printk's messages.
#[derive(Clone, Copy, Default)]
pub(crate) struct KmsgRange {
    /// The first message after the last `dmesg -C`.
    pub(crate) cleared: u64,
    /// The next message.
    pub(crate) next: u64,
}

/// The current numbers of printk. Safe in any context.
pub(crate) fn kmsg_range() -> KmsgRange {
    let mut range = KmsgRange::default();
    // SAFETY: both may be written for the call.
    unsafe { ffi::fanlight_kmsg_range(&mut range.cleared, &mut range.next) };
    range
}

/// The level of a message without one: `default_message_loglevel`.
pub(crate) fn default_level() -> u8 {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_default_level() }.clamp(0, 7) as u8
}
