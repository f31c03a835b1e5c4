// SPDX-License-Identifier: GPL-2.0-only

//! Random numbers, and the boot id that the kernel has drawn.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use super::ffi;
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

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
    unsafe { bindings::get_random_bytes(bytes.as_mut_ptr().cast(), bytes.len()) };
    u32::from_ne_bytes(bytes)
}

/// Sixteen random bytes, where there is no boot id.
pub(crate) fn random_id() -> [u8; 16] {
    let mut id = [0u8; 16];
    // SAFETY: the buffer may be written for its length.
    unsafe { bindings::get_random_bytes(id.as_mut_ptr().cast(), id.len()) };
    id
}
