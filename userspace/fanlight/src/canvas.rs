// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drawing into memory: an embedded-graphics target for every pixel format.

use alloc::vec;
use alloc::vec::Vec;

use embedded_graphics_core::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics_core::prelude::{Dimensions, DrawTarget, Point, Size};
use embedded_graphics_core::primitives::Rectangle;
use embedded_graphics_core::Pixel;

use crate::access_error::AccessError;
use crate::geometry::Geometry;
use crate::sys::Memory;

/// A picture in memory that embedded-graphics can draw on: a page of a `Framebuffer`, or ordinary
/// memory.
///
/// Colours are [`Rgb888`] in every format and are converted when they are stored; the colour of a
/// rectangle is converted once. Pixels outside the picture are not drawn.
///
/// ```
/// use embedded_graphics::pixelcolor::Rgb888;
/// use embedded_graphics::prelude::*;
/// use embedded_graphics::primitives::{Circle, PrimitiveStyle};
/// use fanlight::{Canvas, Geometry, PixelFormat};
///
/// let geometry = Geometry::packed(32, 32, PixelFormat::R5G6B5).unwrap();
/// let mut canvas = Canvas::in_memory(geometry);
/// let red = PrimitiveStyle::with_fill(Rgb888::RED);
/// Circle::new(Point::new(4, 4), 24).into_styled(red).draw(&mut canvas)?;
/// assert_eq!(canvas.pixel(16, 16)?, Rgb888::RED);
/// assert_eq!(canvas.pixel(0, 0)?, Rgb888::BLACK);
/// # Ok::<(), fanlight::AccessError>(())
/// ```
#[derive(Debug)]
pub struct Canvas {
    memory: Memory,
    geometry: Geometry,
    /// Offset of the first line in the memory.
    start: usize,
}

impl Canvas {
    /// A black picture in ordinary memory.
    pub fn in_memory(geometry: Geometry) -> Self {
        Self {
            memory: Memory::heap(geometry.bytes()),
            geometry,
            start: 0,
        }
    }

    /// A picture in `memory` that begins at `start`.
    pub(crate) fn from_memory(memory: Memory, geometry: Geometry, start: usize) -> Self {
        Self {
            memory,
            geometry,
            start,
        }
    }

    #[cfg(feature = "std")]
    pub(crate) fn set_start(&mut self, start: usize) {
        self.start = start;
    }

    #[cfg(feature = "std")]
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Size, stride and format.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The offset of a pixel, which is inside the geometry, in the memory.
    fn offset(&self, x: u32, y: u32) -> usize {
        self.start
            + y as usize * self.geometry.stride() as usize
            + x as usize * self.geometry.format().bytes()
    }

    /// The colour of a pixel.
    ///
    /// # Errors
    ///
    /// Outside of the picture, or the mapping was revoked.
    pub fn pixel(&self, x: u32, y: u32) -> Result<Rgb888, AccessError> {
        let format = self.geometry.format();
        if x >= self.geometry.width() || y >= self.geometry.height() {
            return Err(AccessError::OutOfBounds {
                offset: self.offset(x, y) as u64,
                count: format.bytes() as u64,
                size: self.geometry.bytes() as u64,
            });
        }
        let mut pixel = [0; 4];
        self.memory
            .read(self.offset(x, y), &mut pixel[..format.bytes()])?;
        Ok(format.decode(u32::from_le_bytes(pixel)))
    }

    /// Copies a line to `rgb`, three bytes (red, green, blue) per pixel, as far as `rgb` has room.
    ///
    /// # Errors
    ///
    /// Below the picture, or the mapping was revoked.
    pub fn read_line(&self, y: u32, rgb: &mut [u8]) -> Result<(), AccessError> {
        let format = self.geometry.format();
        let bytes = format.bytes();
        if y >= self.geometry.height() {
            return Err(AccessError::OutOfBounds {
                offset: self.offset(0, y) as u64,
                count: u64::from(self.geometry.stride()),
                size: self.geometry.bytes() as u64,
            });
        }
        let mut chunk = [0; 64 * 4];
        let mut left = self.geometry.width() as usize;
        let mut from = self.offset(0, y);
        for rgb in rgb.chunks_mut(64 * 3) {
            let pixels = (rgb.len() / 3).min(left);
            let chunk = &mut chunk[..pixels * bytes];
            self.memory.read(from, chunk)?;
            for (pixel, rgb) in chunk.chunks_exact(bytes).zip(rgb.chunks_exact_mut(3)) {
                let mut value = [0; 4];
                value[..bytes].copy_from_slice(pixel);
                let colour = format.decode(u32::from_le_bytes(value));
                rgb.copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
            from += chunk.len();
            left -= pixels;
        }
        Ok(())
    }

    /// The whole picture, three bytes (red, green, blue) per pixel, line after line.
    ///
    /// # Errors
    ///
    /// The mapping was revoked.
    pub fn to_rgb(&self) -> Result<Vec<u8>, AccessError> {
        let line = self.geometry.width() as usize * 3;
        let mut rgb = vec![0; line * self.geometry.height() as usize];
        for (y, line) in (0..).zip(rgb.chunks_exact_mut(line)) {
            self.read_line(y, line)?;
        }
        Ok(rgb)
    }

    /// Copies a block of pixels into the picture: three bytes (red, green, blue) each, `width` per
    /// line.
    ///
    /// # Errors
    ///
    /// The mapping was revoked.
    ///
    /// ```
    /// # use embedded_graphics::{pixelcolor::Rgb888, prelude::*};
    /// # use fanlight::{Canvas, Geometry, PixelFormat};
    /// # let geometry = Geometry::packed(8, 8, PixelFormat::X8R8G8B8).unwrap();
    /// # let mut canvas = Canvas::in_memory(geometry);
    /// // Half of it is to the left of the picture.
    /// canvas.blit_rgb(Point::new(-1, 0), 2, &[255, 0, 0, 0, 255, 0])?;
    /// assert_eq!(canvas.pixel(0, 0)?, Rgb888::GREEN);
    /// # Ok::<(), fanlight::AccessError>(())
    /// ```
    pub fn blit_rgb(&mut self, at: Point, width: u32, rgb: &[u8]) -> Result<(), AccessError> {
        let line = width as usize * 3;
        if line == 0 {
            return Ok(());
        }
        let area = Rectangle::new(at, Size::new(width, (rgb.len() / line) as u32));
        let visible = area.intersection(&self.bounding_box());
        let format = self.geometry.format();
        for y in 0..visible.size.height {
            let skip = (visible.top_left - at) + Point::new(0, y as i32);
            let from = skip.y as usize * line + skip.x as usize * 3;
            let pixels = rgb[from..][..visible.size.width as usize * 3].chunks_exact(3);
            let into = self.offset(
                visible.top_left.x as u32,
                (visible.top_left.y + y as i32) as u32,
            );
            self.memory.store_pixels(
                into,
                format.bytes(),
                visible.size.width as usize,
                pixels.map(|rgb| format.encode(Rgb888::new(rgb[0], rgb[1], rgb[2]))),
            )?;
        }
        Ok(())
    }

    /// Copies the lines in `pixels`, which are in the picture's own format, into the picture.
    ///
    /// This is the fast way for a program that has its own buffer: one copy per line, or a single
    /// copy if the strides are equal.
    ///
    /// # Errors
    ///
    /// Below the picture, or the mapping was revoked.
    ///
    /// ```
    /// # use embedded_graphics::{pixelcolor::Rgb888, prelude::*};
    /// # use fanlight::{Canvas, Geometry, PixelFormat};
    /// # let mut canvas = Canvas::in_memory(Geometry::packed(2, 2, PixelFormat::R5G6B5).unwrap());
    /// canvas.blit_native(1, 4, &[0xff, 0xff, 0, 0])?;
    /// assert_eq!(canvas.pixel(0, 1)?, Rgb888::WHITE);
    /// # Ok::<(), fanlight::AccessError>(())
    /// ```
    pub fn blit_native(
        &mut self,
        first_line: u32,
        stride: u32,
        pixels: &[u8],
    ) -> Result<(), AccessError> {
        let size = self.geometry.bytes() as u64;
        let start = u64::from(first_line) * u64::from(self.geometry.stride());
        let lines = pixels.len().div_ceil(stride.max(1) as usize) as u64;
        if start + lines * u64::from(self.geometry.stride()) > size {
            return Err(AccessError::OutOfBounds {
                offset: start,
                count: pixels.len() as u64,
                size,
            });
        }
        if stride == self.geometry.stride() {
            return self.memory.write(self.offset(0, first_line), pixels);
        }
        let line = self.geometry.width() as usize * self.geometry.format().bytes();
        for (y, pixels) in (first_line..).zip(pixels.chunks(stride.max(1) as usize)) {
            self.memory
                .write(self.offset(0, y), &pixels[..pixels.len().min(line)])?;
        }
        Ok(())
    }
}

impl Dimensions for Canvas {
    fn bounding_box(&self) -> Rectangle {
        self.geometry.area()
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = AccessError;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), AccessError> {
        let format = self.geometry.format();
        for Pixel(point, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else {
                continue;
            };
            if x < self.geometry.width() && y < self.geometry.height() {
                let pixel = core::iter::once(format.encode(colour));
                self.memory
                    .store_pixels(self.offset(x, y), format.bytes(), 1, pixel)?;
            }
        }
        Ok(())
    }

    fn fill_contiguous<I: IntoIterator<Item = Rgb888>>(
        &mut self,
        area: &Rectangle,
        colours: I,
    ) -> Result<(), AccessError> {
        let format = self.geometry.format();
        let visible = area.intersection(&self.bounding_box());
        if visible.is_zero_sized() {
            return Ok(());
        }
        let mut colours = colours.into_iter();
        // `colours` has a colour for each pixel of the area: those outside the picture are skipped.
        let left = (visible.top_left.x - area.top_left.x) as usize;
        let above = (visible.top_left.y - area.top_left.y) as usize;
        let width = visible.size.width as usize;
        let right = area.size.width as usize - left - width;
        skip(&mut colours, above * area.size.width as usize);
        for y in 0..visible.size.height {
            skip(&mut colours, left);
            let into = self.offset(visible.top_left.x as u32, visible.top_left.y as u32 + y);
            let pixels = colours.by_ref().map(|colour| format.encode(colour));
            self.memory
                .store_pixels(into, format.bytes(), width, pixels)?;
            skip(&mut colours, right);
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), AccessError> {
        let format = self.geometry.format();
        let visible = area.intersection(&self.bounding_box());
        if visible.is_zero_sized() {
            return Ok(());
        }
        let pixel = format.encode(colour).to_le_bytes();
        let pattern = core::array::from_fn(|i| pixel[i % format.bytes()]);
        let line = visible.size.width as usize * format.bytes();
        for y in 0..visible.size.height {
            let into = self.offset(visible.top_left.x as u32, visible.top_left.y as u32 + y);
            self.memory.fill(into, line, pattern)?;
        }
        Ok(())
    }
}

/// Skips `count` items.
fn skip(items: &mut impl Iterator, count: usize) {
    if count > 0 {
        items.nth(count - 1);
    }
}
