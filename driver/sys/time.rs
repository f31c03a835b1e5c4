// SPDX-License-Identifier: GPL-2.0-only

//! The clock that printk stamps its records with, and who is running.

use super::ffi;

/// Nanoseconds since boot, as printk has them. Safe in any context.
pub(crate) fn local_clock() -> u64 {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_local_clock() }
}

/// The current task's id, or `0x8000_0000 +` the processor's number outside of task context, as printk has it.
pub(crate) fn caller_id() -> u32 {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_caller_id() }
}

/// Whether a panic is under way: other contexts that this one has interrupted may never run again.
pub(crate) fn panic_in_progress() -> bool {
    // SAFETY: no preconditions.
    unsafe { kernel::bindings::panic_in_progress() }
}

/// Sixteen random bytes.
pub(crate) fn random_id() -> [u8; 16] {
    let mut id = [0u8; 16];
    // SAFETY: the buffer may be written for its length.
    unsafe { kernel::bindings::get_random_bytes(id.as_mut_ptr().cast(), id.len()) };
    id
}
