// SPDX-License-Identifier: GPL-2.0-only

//! Whether an oops or a panic is under way.
//!
//! C header: [`include/linux/panic.h`](srctree/include/linux/panic.h)

use super::ffi;
use kernel::bindings;

/// Whether a panic is under way.
#[inline]
pub(crate) fn panic_in_progress() -> bool {
    // SAFETY: no preconditions.
    unsafe { bindings::panic_in_progress() }
}

/// Whether this processor is the one that panics.
pub(crate) fn panic_on_this_cpu() -> bool {
    // SAFETY: no preconditions.
    unsafe { bindings::panic_on_this_cpu() }
}

/// Whether an oops, until its report ends, or a panic is under way.
#[inline]
pub(crate) fn in_emergency() -> bool {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_in_emergency() }
}
