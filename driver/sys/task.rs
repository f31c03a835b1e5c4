// SPDX-License-Identifier: GPL-2.0-only

//! The current task.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use super::ffi;

/// Bytes of a task's name and its NUL: `TASK_COMM_LEN`.
const COMM_LEN: usize = 16;

/// The current task's name, padded with zeros.
pub(crate) fn comm() -> [u8; COMM_LEN] {
    let mut name = [0; COMM_LEN];
    // SAFETY: the buffer is as long as the function expects.
    unsafe { ffi::fanlight_comm(name.as_mut_ptr().cast()) };
    name
}

/// Lets other tasks run; returns whether the current one was killed. Task context only.
pub(crate) fn should_stop() -> bool {
    // SAFETY: only called in task context, without a spinlock, as the documentation of this
    // function requires.
    unsafe { ffi::fanlight_should_stop() }
}
