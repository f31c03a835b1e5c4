// SPDX-License-Identifier: GPL-2.0-only

//! Reading and writing a window by read() and write(), for shell tools.
//!
//! Described in docs/abi/memory-window.md.

use crate::sys::{
    mapping::Mapping,
    not_supported,
    PAGE_SIZE, //
};
use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};

/// Whether the kernel may copy from and to the window. `ENODEV`: revoked. `EOPNOTSUPP`: it can only
/// be mapped.
fn may_copy(mapping: &Mapping) -> Result {
    if !mapping.is_live() {
        return Err(ENODEV);
    }
    if mapping.is_map_only() {
        return Err(not_supported());
    }
    Ok(())
}

/// A position in the window, or `None` where it is beyond the end.
fn offset(pos: i64, mapping: &Mapping) -> Result<Option<usize>> {
    if pos < 0 {
        return Err(EINVAL);
    }
    Ok(usize::try_from(pos)
        .ok()
        .filter(|pos| *pos < mapping.size()))
}

/// Copies from the window to user space: 0 bytes at the end and beyond.
pub(crate) fn read(mapping: &Mapping, pos: &mut i64, to: &mut IovIterDest<'_>) -> Result<usize> {
    may_copy(mapping)?;
    let Some(mut at) = offset(*pos, mapping)? else {
        return Ok(0);
    };
    // The window is not copied straight to user space: that may fault and so sleep, which an access must not.
    let mut bounce = KVec::from_elem(0u8, to.len().min(PAGE_SIZE), GFP_KERNEL)?;
    let mut done = 0;
    while !to.is_empty() && at < mapping.size() {
        let chunk = bounce.len().min(to.len());
        let got = mapping.read(at, &mut bounce[..chunk])?;
        let copied = to.copy_to_iter(&bounce[..got]);
        done += copied;
        at += copied;
        if copied < got {
            if done == 0 {
                return Err(EFAULT);
            }
            break;
        }
    }
    *pos += done as i64;
    Ok(done)
}

/// Copies from user space to the window: `ENOSPC` at the end and beyond.
pub(crate) fn write(
    mapping: &Mapping,
    pos: &mut i64,
    from: &mut IovIterSource<'_>,
) -> Result<usize> {
    may_copy(mapping)?;
    if from.is_empty() {
        return Ok(0);
    }
    let mut at = offset(*pos, mapping)?.ok_or(ENOSPC)?;
    let mut bounce = KVec::from_elem(0u8, from.len().min(PAGE_SIZE), GFP_KERNEL)?;
    let mut done = 0;
    while !from.is_empty() && at < mapping.size() {
        let chunk = bounce.len().min(from.len()).min(mapping.size() - at);
        let got = from.copy_from_iter(&mut bounce[..chunk]);
        let written = mapping.write(at, &bounce[..got])?;
        done += written;
        at += written;
        if written < chunk {
            if done == 0 {
                return Err(EFAULT);
            }
            break;
        }
    }
    *pos += done as i64;
    Ok(done)
}
