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
#[cfg(feature = "std")]
mod access;
mod access_error;
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
#[cfg(feature = "std")]
pub use access::{Map, MapMut};
pub use access_error::{AccessError, WindowName};
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

/// Makes this program survive the unbinding of a driver whose windows it has mapped.
///
/// Unbinding the driver revokes every mapping, and the next access to one raises SIGBUS, which ends
/// a program without a handler. This call installs a handler that replaces the mapping by zero
/// pages: from then on every access, drawing operation and record read fails with
/// [`AccessError::Revoked`]. Other SIGBUS signals go to the previous handler. One call per process
/// is enough; a handler that is installed later should pass on the signals that it does not handle.
///
/// The same handler converts a bus error to an error: an access to an address of a register window
/// where no device responds fails with [`AccessError::BusError`], and later accesses to the window
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
