// SPDX-License-Identifier: GPL-2.0-only

//! Ownership of displays, and of the memory that they show.
//!
//! C header: [`include/linux/aperture.h`](srctree/include/linux/aperture.h)

use super::{
    ffi,
    of::Range, //
};
use kernel::{
    error::to_result,
    prelude::*,
    str::CString, //
};

/// `FANLIGHT_DISPLAYS` and `FANLIGHT_OWNER_LEN` of helpers.h.
const DISPLAYS: u32 = 3;
const OWNER_LEN: usize = 96;

/// The name of an owner that C has written.
pub(crate) struct Owner([u8; OWNER_LEN]);

impl Owner {
    fn new() -> Self {
        Self([0; OWNER_LEN])
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        CStr::from_bytes_until_nul(&self.0)
            .ok()
            .and_then(|name| name.to_str().ok())
            .unwrap_or("?")
    }
}

/// A display that is claimed by a window. Dropping it releases the display.
pub(crate) struct DisplayClaim(u32);

impl DisplayClaim {
    /// Claims `display` for the window `name`, or returns the name of its owner.
    pub(crate) fn new(display: u32, name: &CString) -> Result<Self, Owner> {
        let mut owner = Owner::new();
        if display >= DISPLAYS {
            return Err(owner);
        }
        // SAFETY: C has `DISPLAYS` displays. `name` is a C string, which C copies, and `owner` has
        // `OWNER_LEN` bytes.
        let claimed = unsafe {
            ffi::fanlight_display_claim(display, name.as_char_ptr(), owner.0.as_mut_ptr().cast())
        };
        to_result(claimed)
            .map(|()| Self(display))
            .map_err(|_| owner)
    }
}

impl Drop for DisplayClaim {
    fn drop(&mut self) {
        // SAFETY: C has this display, since `new` claimed it.
        unsafe { ffi::fanlight_display_release(self.0) };
    }
}

/// Another owner of the framebuffer in a range.
pub(crate) enum Rival {
    None,
    /// A simple-framebuffer node at this path, which no driver has bound yet.
    Unbound(Owner),
    /// A node that a driver has bound.
    Bound(Owner),
    /// A node whose driver is removed, but whose framebuffer a program has open.
    Open(Owner),
}

/// Finds boot loaders' framebuffers that use a part of `range`. With `remove`, first removes their
/// drivers, as the native driver of a display does.
pub(crate) fn rival(range: Range, remove: bool) -> Rival {
    let mut owner = Owner::new();
    let name = owner.0.as_mut_ptr().cast();
    // SAFETY: the range may be any, and `owner` has `OWNER_LEN` bytes, the first of which is 0.
    let found = unsafe { ffi::fanlight_display_rival(range.start, range.size, remove, name) };
    match found {
        0 if owner.0[0] == 0 => Rival::None,
        0 => Rival::Unbound(owner),
        error if Err(ETXTBSY) == to_result(error) => Rival::Open(owner),
        _ => Rival::Bound(owner),
    }
}

/// Physical address of the kernel's zero page, which is never freed: a display
/// that cannot be turned off shows it.
pub(crate) fn zero_page() -> u64 {
    // SAFETY: no preconditions.
    u64::from(unsafe { ffi::fanlight_zero_page() })
}
