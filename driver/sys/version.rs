// SPDX-License-Identifier: GPL-2.0-only

//! What 7.2 and 7.3 call by different names.

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

/// A full barrier between processors.
#[cfg(not(kernel_7_3))]
pub(super) use kernel::sync::barrier::smp_mb;

/// A full barrier between processors.
#[cfg(kernel_7_3)]
#[inline]
pub(super) fn smp_mb() {
    kernel::sync::barrier::smp_mb(kernel::sync::barrier::Full);
}

#[cfg(not(kernel_7_3))]
pub(super) use bindings::{
    dma_data_direction_DMA_BIDIRECTIONAL as DMA_BIDIRECTIONAL,
    hrtimer_restart_HRTIMER_NORESTART as HRTIMER_NORESTART, //
};

#[cfg(kernel_7_3)]
pub(super) const DMA_BIDIRECTIONAL: bindings::dma_data_direction =
    bindings::dma_data_direction::DMA_BIDIRECTIONAL;
#[cfg(kernel_7_3)]
pub(super) const HRTIMER_NORESTART: bindings::hrtimer_restart =
    bindings::hrtimer_restart::HRTIMER_NORESTART;
