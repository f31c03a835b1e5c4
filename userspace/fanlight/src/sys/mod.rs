// SPDX-License-Identifier: MIT OR Apache-2.0
//! The only module with `unsafe` code: memory that other programs change, the ioctls, and the
//! signal that a revoked mapping raises.
//!
//! Its exports are safe, check their bounds, and never create references to shared memory, except
//! to atomics.
#![allow(unsafe_code)]

#[cfg(feature = "std")]
pub(crate) mod atomics;
#[cfg(feature = "std")]
pub mod barrier;
#[cfg(feature = "std")]
pub(crate) mod fault;
#[cfg(feature = "std")]
pub(crate) mod ioctl;
pub(crate) mod memory;
mod raw;
#[cfg(feature = "std")]
mod ring;
pub(crate) mod word;

pub(crate) use memory::Memory;
#[cfg(feature = "std")]
pub(crate) use memory::{Place, Rules};
#[cfg(feature = "std")]
pub(crate) use ring::MappedRing;
