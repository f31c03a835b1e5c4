// SPDX-License-Identifier: GPL-2.0-only

//! What the current task may see and do.
//!
//! C header: [`include/linux/capability.h`](srctree/include/linux/capability.h)

use super::ffi;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Whether the current task has `CAP_SYS_ADMIN` and so may see physical addresses.
pub(crate) fn may_show_addresses() -> bool {
    // SAFETY: no preconditions in task context, which the callers, operations of files, run in.
    unsafe { ffi::fanlight_may_show_addresses() }
}

/// Whether the current task may clear the kernel's log: it has `CAP_SYSLOG`.
pub(crate) fn may_clear_log() -> bool {
    // SAFETY: no preconditions in task context, which the callers, operations of files, run in.
    unsafe { ffi::fanlight_may_clear_log() }
}

/// Whether the current task may read the kernel's messages: it has `CAP_SYSLOG`, or may open
/// `/dev/kmsg` for reading now. The error is that of opening it.
pub(crate) fn may_read_kmsg() -> Result {
    // SAFETY: no preconditions in task context, which the callers, operations of files, run in.
    to_result(unsafe { ffi::fanlight_may_read_kmsg() })
}
