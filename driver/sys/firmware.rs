// SPDX-License-Identifier: GPL-2.0-only

//! The Raspberry Pi's firmware, through its mailbox.
//!
//! C header:
//! [`include/soc/bcm2835/raspberrypi-firmware.h`](srctree/include/soc/bcm2835/raspberrypi-firmware.h)

use super::ffi;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Sends a list of property tags, each `[tag, bytes, bytes, values…]`. The firmware writes its
/// answers to the same place.
///
/// `ENODEV`: there is no such firmware; `EPROBE_DEFER`: its driver is not bound yet; `EINVAL`: the
/// firmware does not support a tag. May sleep.
pub(crate) fn property_list(tags: &mut [u32]) -> Result {
    let bytes = core::mem::size_of_val(tags);
    // SAFETY: `tags` may be read and written for `bytes` bytes.
    to_result(unsafe { ffi::fanlight_rpi_property_list(tags.as_mut_ptr().cast(), bytes) })
}
