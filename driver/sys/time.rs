// SPDX-License-Identifier: GPL-2.0-only

//! The clocks: that of printk's time stamps, and its offset to others.

use super::ffi;
use crate::ring::Sample;
use core::mem::MaybeUninit;

/// Nanoseconds since boot by printk's clock. Safe in any context.
#[inline]
pub(crate) fn local_clock() -> u64 {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_local_clock() }
}

/// Measures the clocks: [`local_clock`], the wall clock and CLOCK_BOOTTIME. Safe in any context.
pub(crate) fn clock_sample() -> Sample {
    let mut sample = MaybeUninit::uninit();
    // SAFETY: `sample` may be written for the call, which initialises all of it.
    let ffi::Sample {
        ns,
        low,
        high,
        to_boot_time,
    } = unsafe {
        ffi::fanlight_clock_sample(sample.as_mut_ptr());
        sample.assume_init()
    };
    Sample {
        ns,
        low,
        high,
        to_boot_time,
    }
}

/// The caller, the time and the context of a record.
#[derive(Clone, Copy)]
pub(crate) struct Moment(ffi::Moment);

impl Moment {
    /// The current time, caller and context. Safe in any context.
    ///
    /// One call of a C function, since each record needs all three.
    #[inline]
    pub(crate) fn now() -> Self {
        let mut moment = MaybeUninit::uninit();
        // SAFETY: `moment` may be written for the call, which initialises all of it.
        Self(unsafe {
            ffi::fanlight_moment(moment.as_mut_ptr());
            moment.assume_init()
        })
    }

    /// Nanoseconds since boot, as [`local_clock`] returns them.
    #[inline]
    pub(crate) fn ns(&self) -> u64 {
        self.0.ns
    }

    /// As in printk: the current task's id, or `0x8000_0000 +` the processor's number outside of
    /// task context.
    #[inline]
    pub(crate) fn caller(&self) -> u32 {
        self.0.caller
    }

    /// Whether the context must not wait for a lock: an NMI or an emergency.
    #[inline]
    pub(crate) fn is_atomic(&self) -> bool {
        self.0.context != 0
    }

    /// Whether an oops, until its report ends, or a panic is under way.
    #[inline]
    pub(crate) fn is_emergency(&self) -> bool {
        self.0.context & ffi::CONTEXT_EMERGENCY != 0
    }
}
