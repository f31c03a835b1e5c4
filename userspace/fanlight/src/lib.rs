// SPDX-License-Identifier: MIT OR Apache-2.0
#![cfg_attr(feature = "std", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "std"),
    doc = "The drawing core of fanlight, without the devices."
)]
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]
#![warn(
    missing_debug_implementations,
    missing_docs,
    clippy::undocumented_unsafe_blocks
)]

extern crate alloc;

pub mod abi;
mod access;
mod canvas;
#[cfg(feature = "std")]
mod diagnose;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod fbdev;
#[cfg(feature = "std")]
mod framebuffer;
mod geometry;
#[cfg(feature = "std")]
mod info;
#[cfg(feature = "std")]
mod instance;
#[cfg(feature = "std")]
mod log;
#[cfg(feature = "png")]
mod picture;
mod sys;
#[cfg(feature = "std")]
mod window;

#[cfg(feature = "log")]
pub use self::log::Logger;
#[cfg(feature = "std")]
pub use self::log::{
    Caller, Ending, Facility, Glimpse, Level, Log, LogWriter, Reader, Record, Records, Salvaged,
    Start, UnknownName, WallClock,
};
pub use access::{AccessError, WindowName};
#[cfg(feature = "std")]
pub use access::{Map, MapMut};
pub use canvas::Canvas;
#[cfg(feature = "std")]
pub use error::{Error, Result};
#[cfg(feature = "std")]
pub use framebuffer::Framebuffer;
pub use geometry::{Field, Geometry, PixelFormat};
#[cfg(feature = "std")]
pub use info::{Backing, Cache, Info, Kind, Rights, Scanout};
#[cfg(feature = "std")]
pub use instance::{Instance, Locator, WindowEntry};
#[cfg(feature = "png")]
pub use picture::{Picture, PICTURE_LIMIT};
#[cfg(feature = "std")]
pub use sys::atomics::{Atomic, Atomics};
#[cfg(feature = "std")]
pub use sys::barrier;
pub use sys::word::Word;
#[cfg(feature = "std")]
pub use window::Window;

/// Lets this program live on when a device goes away under its mappings.
///
/// Unbinding the driver revokes every mapping, and the next touch of one raises SIGBUS, which ends
/// a program that did not expect it. After this call it does not: a handler puts zero pages in
/// place of the mapping, and every access, drawing operation and record read from then on fails
/// with [`AccessError::Revoked`]. SIGBUS from elsewhere goes to the handler that was there before.
/// Once for a process is enough; a handler that is installed later should pass on what it does not
/// know.
///
/// The same handler makes an error of a bus error: an access to an address of a register window at
/// which no device responds fails with [`AccessError::BusError`], and later accesses to the window
/// reach the device again.
///
/// # Errors
///
/// The handler cannot be installed.
///
/// ```
/// fanlight::survive_revocation()?;
/// # Ok::<(), fanlight::Error>(())
/// ```
#[cfg(feature = "std")]
pub fn survive_revocation() -> Result<()> {
    sys::fault::install().map_err(|error| Error::io("install a handler for SIGBUS", error))
}
