// SPDX-License-Identifier: GPL-2.0-only

//! `stack`: a write fills the unused part of the writing task's kernel stack with a pattern. A read
//! returns the largest number of bytes that the task has used since then, and the size of the
//! stack.

use crate::sys;
use kernel::{
    fmt,
    prelude::*,
    uaccess::UserSliceReader, //
};

pub(crate) struct Stack;

pub(crate) fn fill(_: &Stack, _: &mut UserSliceReader) -> Result {
    sys::stack_fill();
    Ok(())
}

pub(crate) fn show(_: &Stack, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{} {}", sys::stack_used(), sys::stack_size())
}
