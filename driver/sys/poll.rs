// SPDX-License-Identifier: GPL-2.0-only

//! Poll events.
//!
//! C header: [`include/uapi/linux/eventpoll.h`](srctree/include/uapi/linux/eventpoll.h)

use core::ops::BitOr;
use kernel::bindings;

/// A set of poll events.
#[derive(Clone, Copy)]
pub(crate) struct Events(u32);

impl Events {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READABLE: Self = Self(bindings::POLLIN | bindings::POLLRDNORM);
    pub(crate) const WRITABLE: Self = Self(bindings::POLLOUT | bindings::POLLWRNORM);
    pub(crate) const HANG_UP: Self = Self(bindings::POLLHUP);
    /// The next read() reports that records are missing.
    pub(crate) const LOSS: Self = Self(Self::READABLE.0 | bindings::POLLERR | bindings::POLLPRI);
    /// The driver was unbound.
    pub(crate) const GONE: Self = Self(bindings::POLLERR | bindings::POLLHUP);

    /// `POLL*`.
    pub(super) fn bits(self) -> u32 {
        self.0
    }
}

impl BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
