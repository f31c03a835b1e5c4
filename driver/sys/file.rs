// SPDX-License-Identifier: GPL-2.0-only

//! An open file for the operations of a node.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::ffi;
use core::marker::PhantomData;
use kernel::{
    bindings,
    prelude::*, //
};

/// An open file during one of its operations.
///
/// # Invariants
///
/// The pointer is valid for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct OpenFile<'a>(*mut bindings::file, PhantomData<&'a bindings::file>);

impl OpenFile<'_> {
    /// # Safety
    ///
    /// `file` must be valid for the lifetime that is chosen.
    pub(super) unsafe fn from_raw(file: *mut bindings::file) -> Self {
        // INVARIANT: the caller chooses `'a` such that the file is valid for it.
        Self(file, PhantomData)
    }

    /// Whether an operation must not block. Read in each operation, since `fcntl` changes it.
    pub(crate) fn nonblocking(&self) -> bool {
        // SAFETY: the file is valid for `'a`. The field is one aligned word, which a concurrent
        // fcntl() may change: hence the volatile access, like READ_ONCE().
        unsafe { (&raw const (*self.0).f_flags).read_volatile() & bindings::O_NONBLOCK != 0 }
    }

    /// Whether it was opened for reading.
    pub(crate) fn is_readable(&self) -> bool {
        // SAFETY: the file is valid for `'a`, and the core sets these bits of `f_mode` before
        // `open` and does not change them later.
        unsafe { ffi::fanlight_file_is_readable(self.0) }
    }

    /// Whether it was opened for writing.
    pub(crate) fn is_writable(&self) -> bool {
        // SAFETY: the file is valid for `'a`, and the core sets these bits of `f_mode` before
        // `open` and does not change them later.
        unsafe { ffi::fanlight_file_is_writable(self.0) }
    }

    /// Moves the position within `0..=size` as lseek does, the end being `size`.
    pub(crate) fn seek_within(&self, offset: i64, whence: i32, size: usize) -> Result<i64> {
        // SAFETY: the file is valid for `'a`. The function locks the position of the file where
        // it depends on the current one.
        let pos = unsafe {
            bindings::fixed_size_llseek(self.0, offset, whence, size as bindings::loff_t)
        };
        if pos < 0 {
            return Err(Error::from_errno(pos as i32));
        }
        Ok(pos)
    }
}
