// SPDX-License-Identifier: GPL-2.0-only

//! Items that have different names in 7.2 and 7.3.

use kernel::bindings;

/// This module, for `owner` fields.
#[cfg(not(kernel_7_3))]
pub(super) const fn this_module() -> *mut bindings::module {
    crate::THIS_MODULE.as_ptr()
}

/// This module, for `owner` fields.
#[cfg(kernel_7_3)]
pub(super) const fn this_module() -> *mut bindings::module {
    kernel::module::this_module::<crate::LocalModule>().as_ptr()
}

#[cfg(not(kernel_7_3))]
pub(super) use bindings::hrtimer_restart_HRTIMER_NORESTART as HRTIMER_NORESTART;

#[cfg(kernel_7_3)]
pub(super) const HRTIMER_NORESTART: bindings::hrtimer_restart =
    bindings::hrtimer_restart::HRTIMER_NORESTART;
