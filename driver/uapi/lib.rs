// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The ABI of the fanlight driver, as a library for user space.
//!
//! The kernel driver does not use this file: it includes `mod.rs` as a module of its own, so that
//! both have the same numbers and structures.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[path = "mod.rs"]
mod uapi;

pub use uapi::*;
