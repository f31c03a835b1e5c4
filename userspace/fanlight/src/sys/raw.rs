// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drawing into memory of a program without a driver.

use core::ptr::NonNull;

use crate::canvas::Canvas;
use crate::geometry::Geometry;
use crate::sys::Memory;

impl Canvas {
    /// A picture in the caller's memory, for programs without a driver: a boot loader, firmware.
    ///
    /// # Safety
    ///
    /// `base` is aligned to four bytes, and [`Geometry::bytes`] bytes from it can be read and
    /// written for as long as the canvas lives.
    ///
    /// ```
    /// use core::ptr::NonNull;
    /// use fanlight::{Canvas, Geometry, PixelFormat};
    ///
    /// let geometry = Geometry::packed(8, 2, PixelFormat::X8R8G8B8).unwrap();
    /// let mut memory = [0u32; 16];
    /// // SAFETY: 16 words, aligned, and used by nothing else.
    /// let canvas = unsafe { Canvas::from_raw(NonNull::from(&mut memory).cast(), geometry) };
    /// assert_eq!(canvas.geometry().bytes(), 64);
    /// ```
    pub unsafe fn from_raw(base: NonNull<u8>, geometry: Geometry) -> Self {
        // SAFETY: the caller guarantees that `base` is aligned to four bytes, and that all bytes of
        // the picture can be read and written while the canvas lives, which owns the `Memory`.
        let memory = unsafe { Memory::foreign(base, geometry.bytes()) };
        Self::from_memory(memory, geometry, 0)
    }
}
