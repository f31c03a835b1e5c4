// SPDX-License-Identifier: GPL-2.0-only

//! `stack`: a write fills what is free of the kernel's stack of the task that writes. A read gives the bytes that the
//! task has used of it since then, at the same time, and the bytes that it has.

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
