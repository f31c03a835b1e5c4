// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The log ring of fanlight, as a library for the host and for user space.
//!
//! The kernel driver does not use this file: it includes `mod.rs` as a module of its own, so that
//! both run the same code.

#![cfg_attr(not(any(test, loom)), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[path = "mod.rs"]
mod ring;

pub use ring::*;
