// SPDX-License-Identifier: GPL-2.0-only

//! read() and write() of a window, for shell tools.
//!
//! Described in docs/abi/memory-window.md.

use crate::sys::{
    mapping::{
        Mapping,
        Piece, //
    },
    task::should_stop,
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

/// Copies at most `len` bytes of the window, beginning at `start`. `each` is called with a part of
/// the window, a position in it and a number of bytes; it returns how many of them it copied. A
/// copy can be large, so it ends early when the task is killed.
///
/// Returns how many bytes were copied, or an error if none were.
fn copy(
    mapping: &Mapping,
    start: usize,
    len: usize,
    mut each: impl FnMut(&Piece<'_>, usize, usize) -> Result<usize>,
) -> Result<usize> {
    let mut done = 0;
    let result = (|| {
        while done < len {
            let piece = mapping.piece(start + done, len - done)?;
            let range = piece.range();
            if range.is_empty() {
                break;
            }
            for at in range.clone().step_by(PAGE_SIZE) {
                if should_stop() {
                    return Err(EINTR);
                }
                let chunk = PAGE_SIZE.min(range.end - at);
                let copied = each(&piece, at, chunk)?;
                done += copied;
                if copied < chunk {
                    return Err(EFAULT);
                }
            }
        }
        Ok(())
    })();
    match result {
        Err(error) if done == 0 => Err(error),
        _ => Ok(done),
    }
}

/// Copies from the window to user space: 0 bytes at the end and beyond.
pub(crate) fn read(mapping: &Mapping, pos: &mut i64, to: &mut IovIterDest<'_>) -> Result<usize> {
    // Also at the end: a window that cannot be read, or is revoked, returns an error and not 0.
    mapping.piece(0, 0)?;
    let Some(start) = offset(*pos, mapping)? else {
        return Ok(0);
    };
    // Through a buffer: a copy to user space may fault and sleep, which an access to the window
    // must not.
    let mut bounce = KVec::from_elem(0u8, to.len().min(PAGE_SIZE), GFP_KERNEL)?;
    let done = copy(mapping, start, to.len(), |piece, at, chunk| {
        let got = piece.read(at, &mut bounce[..chunk])?;
        Ok(to.copy_to_iter(&bounce[..got]))
    })?;
    *pos += done as i64;
    Ok(done)
}

/// Copies from user space to the window: `ENOSPC` at the end and beyond.
pub(crate) fn write(
    mapping: &Mapping,
    pos: &mut i64,
    from: &mut IovIterSource<'_>,
) -> Result<usize> {
    mapping.piece(0, 0)?;
    if from.is_empty() {
        return Ok(0);
    }
    let start = offset(*pos, mapping)?.ok_or(ENOSPC)?;
    let mut bounce = KVec::from_elem(0u8, from.len().min(PAGE_SIZE), GFP_KERNEL)?;
    let done = copy(mapping, start, from.len(), |piece, at, chunk| {
        let got = from.copy_from_iter(&mut bounce[..chunk]);
        piece.write(at, &bounce[..got])
    })?;
    *pos += done as i64;
    Ok(done)
}
