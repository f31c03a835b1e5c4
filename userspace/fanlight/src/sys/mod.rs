// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one place with `unsafe`: memory that others change, the ioctls, and the signal that a revoked mapping raises.
//!
//! What is exported from here is safe, checks its bounds, and never makes a reference to shared memory.
#![allow(unsafe_code)]

#[cfg(feature = "std")]
pub(crate) mod fault;
#[cfg(feature = "std")]
pub(crate) mod ioctl;
pub(crate) mod memory;
mod raw;

pub(crate) use memory::Memory;
#[cfg(feature = "std")]
pub(crate) use memory::Rules;
