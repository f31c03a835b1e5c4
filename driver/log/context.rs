// SPDX-License-Identifier: GPL-2.0-only

//! In which context something is appended.

/// In which context a message is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// One that may wait for the lock.
    Normal,
    /// Any. The lock's owner may be what this context has interrupted.
    Atomic,
}
