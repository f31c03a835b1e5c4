// SPDX-License-Identifier: GPL-2.0-only

//! Reading and writing a window by read() and write(), for shell tools.

use crate::sys::{
    mapping::Mapping,
    PAGE_SIZE, //
};
use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};

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
    let Some(mut at) = offset(*pos, mapping)? else {
        return if mapping.is_live() {
            Ok(0)
        } else {
            Err(ENODEV)
        };
    };
    // The window is not copied straight to user space: that may fault, and a fault of ours needs the window's mutex.
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
