// SPDX-License-Identifier: GPL-2.0-only

//! Why a window, or the copy of a log, cannot be created: one line for the kernel's log, and the
//! error that probe returns.

use crate::sys::of::defer_reason;
use core::ffi::CStr;
use kernel::{
    alloc::AllocError,
    device::{
        property::FwNode,
        Device, //
    },
    fmt,
    prelude::*,
    str::CString, //
};

/// A text: a constant, or formatted at run time.
pub(crate) enum Text {
    Static(&'static str),
    Made(CString),
}

impl Text {
    /// Formats a text; "out of memory" if that fails.
    pub(crate) fn new(text: fmt::Arguments<'_>) -> Self {
        CString::try_from_fmt(text).map_or(Self::Static(OUT_OF_MEMORY), Self::Made)
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Made(text) => text.to_str().unwrap_or("?"),
        }
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}

pub(crate) const OUT_OF_MEMORY: &str = "out of memory";

/// Why a window is refused.
pub(crate) struct Refusal {
    pub(crate) reason: Text,
    pub(crate) error: Error,
}

impl Refusal {
    pub(crate) fn new(reason: impl Into<Text>, error: Error) -> Self {
        Self {
            reason: reason.into(),
            error,
        }
    }

    /// A refusal because of a lack of memory.
    pub(crate) fn no_memory(error: Error) -> Self {
        Self::new(OUT_OF_MEMORY, error)
    }

    /// Prints the reason, and returns the error.
    pub(crate) fn report(&self, dev: &Device, name: &CStr, node: &FwNode) -> Error {
        let name = name.to_str().unwrap_or("?");
        dev_err!(
            dev,
            "window {}: {} (node {})\n",
            name,
            self.reason.as_str(),
            node
        );
        self.error
    }

    /// Stores the reason for `devices_deferred` in debugfs. The core will call the probe again.
    pub(crate) fn note_deferred(&self, dev: &Device, name: &CStr) {
        let name = name.to_str().unwrap_or("?");
        let reason = self.reason.as_str();
        if let Ok(reason) = CString::try_from_fmt(fmt!("window {name}: {reason}")) {
            defer_reason(dev, &reason);
        }
    }
}

/// A refusal of an invalid device tree.
pub(crate) fn invalid(reason: &'static str) -> Refusal {
    Refusal::new(reason, EINVAL)
}

/// A refusal of an invalid device tree, with formatted values.
pub(crate) fn invalid_fmt(reason: fmt::Arguments<'_>) -> Refusal {
    Refusal::new(Text::new(reason), EINVAL)
}

impl From<AllocError> for Refusal {
    fn from(_: AllocError) -> Self {
        Self::new(OUT_OF_MEMORY, ENOMEM)
    }
}
