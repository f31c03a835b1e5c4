// SPDX-License-Identifier: GPL-2.0-only

//! The clock of printk's time stamps, the current task, the boot id, and whether an oops or a panic
//! is under way.

use super::ffi;
use crate::ring::Sample;
use core::mem::MaybeUninit;
use kernel::{
    error::to_result,
    prelude::*, //
};

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

/// Bytes of a task's name and its NUL: `TASK_COMM_LEN`.
const COMM_LEN: usize = 16;

/// The current task's name, padded with zeros.
pub(crate) fn comm() -> [u8; COMM_LEN] {
    let mut name = [0; COMM_LEN];
    // SAFETY: the buffer is as long as the function expects.
    unsafe { ffi::fanlight_comm(name.as_mut_ptr().cast()) };
    name
}

/// The level of a message without one: `default_message_loglevel`.
pub(crate) fn default_level() -> u8 {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_default_level() }.clamp(0, 7) as u8
}

/// Whether a panic is under way.
#[inline]
pub(crate) fn panic_in_progress() -> bool {
    // SAFETY: no preconditions.
    unsafe { kernel::bindings::panic_in_progress() }
}

/// Whether this processor is the one that panics.
pub(crate) fn panic_on_this_cpu() -> bool {
    // SAFETY: no preconditions.
    unsafe { kernel::bindings::panic_on_this_cpu() }
}

/// Whether an oops, until its report ends, or a panic is under way.
#[inline]
pub(crate) fn in_emergency() -> bool {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_in_emergency() }
}

/// Waits until every store so far has reached memory, beyond write buffers and an outer cache:
/// `wmb()`. Any context.
pub(crate) fn drain_stores() {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_drain() };
}

/// Lets other tasks run; returns whether the current one was killed. Task context only.
pub(crate) fn should_stop() -> bool {
    // SAFETY: only called in task context, without a spinlock, as the documentation of this
    // function requires.
    unsafe { ffi::fanlight_should_stop() }
}

/// The kernel's boot id, as bytes. May sleep.
pub(crate) fn boot_id() -> Result<[u8; 16]> {
    let mut id = [0u8; 16];
    // SAFETY: the buffer is as long as the function expects.
    to_result(unsafe { ffi::fanlight_boot_id(id.as_mut_ptr()) })?;
    Ok(id)
}

/// A random number.
pub(crate) fn random_u32() -> u32 {
    let mut bytes = [0u8; 4];
    // SAFETY: the buffer may be written for its length.
    unsafe { kernel::bindings::get_random_bytes(bytes.as_mut_ptr().cast(), bytes.len()) };
    u32::from_ne_bytes(bytes)
}

/// Sixteen random bytes, where there is no boot id.
pub(crate) fn random_id() -> [u8; 16] {
    let mut id = [0u8; 16];
    // SAFETY: the buffer may be written for its length.
    unsafe { kernel::bindings::get_random_bytes(id.as_mut_ptr().cast(), id.len()) };
    id
}
