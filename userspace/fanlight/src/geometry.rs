// SPDX-License-Identifier: MIT OR Apache-2.0
//! The geometry of a framebuffer: size, stride and pixel format.

use core::fmt;

use embedded_graphics_core::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics_core::prelude::{Point, Size};
use embedded_graphics_core::primitives::Rectangle;

use crate::abi::{PixelLayout, FORMATS};

/// The layout of a pixel in memory. The names are those of the simple-framebuffer device-tree
/// binding; pixels are little-endian.
///
/// ```
/// use fanlight::PixelFormat;
///
/// let format = PixelFormat::from_name("r5g6b5").unwrap();
/// assert_eq!(format.bytes(), 2);
/// assert_eq!(PixelFormat::from_fourcc(u32::from_le_bytes(*b"XR24")), Some(PixelFormat::X8R8G8B8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
// In the order of FORMATS.
pub enum PixelFormat {
    /// 16 bits: red in the top five, green six, blue five.
    R5G6B5,
    /// 16 bits: from the top, five each for red, green and blue, and one for alpha. Drawing writes
    /// opaque pixels.
    R5G5B5A1,
    /// 16 bits: from the top, an unused one, and five each for red, green and blue.
    X1R5G5B5,
    /// 16 bits: from the top, one for alpha, and five each for red, green and blue. Drawing writes
    /// opaque pixels.
    A1R5G5B5,
    /// 24 bits: from the top, red, green, blue.
    R8G8B8,
    /// 32 bits: from the top, 8 unused ones, red, green, blue.
    X8R8G8B8,
    /// 32 bits: from the top, alpha, red, green, blue. Drawing writes opaque pixels.
    A8R8G8B8,
    /// 32 bits: from the top, 8 unused ones, blue, green, red.
    X8B8G8R8,
    /// 32 bits: from the top, alpha, blue, green, red. Drawing writes opaque pixels.
    A8B8G8R8,
    /// 32 bits: from the top, 2 unused ones, and ten each for red, green and blue.
    X2R10G10B10,
    /// 32 bits: from the top, two for alpha, and ten each for red, green and blue. Drawing writes
    /// opaque pixels.
    A2R10G10B10,
}

/// Position and width of a colour in a pixel.
///
/// ```
/// let [red, green, blue, alpha] = fanlight::PixelFormat::R5G6B5.fields();
/// assert_eq!((red.offset, red.length), (11, 5));
/// assert_eq!((green.offset, green.length), (5, 6));
/// assert_eq!((blue.offset, blue.length), (0, 5));
/// assert_eq!(alpha.length, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// The lowest bit of the colour.
    pub offset: u32,
    /// The number of its bits; 0: the format does not have it.
    pub length: u32,
}

impl Field {
    /// The colour of a pixel in eight bits; 0 if the format does not have the field.
    fn decode(self, pixel: u32) -> u8 {
        let value = (pixel >> self.offset) & ((1 << self.length) - 1);
        match self.length {
            0 => 0,
            8.. => (value >> (self.length - 8)) as u8,
            length => {
                // Repeat the bits until there are eight.
                let (mut wide, mut bits) = (value, length);
                while bits < 8 {
                    (wide, bits) = ((wide << length) | value, bits + length);
                }
                (wide >> (bits - 8)) as u8
            }
        }
    }
}

impl PixelFormat {
    /// All formats.
    pub const ALL: [PixelFormat; 11] = [
        PixelFormat::R5G6B5,
        PixelFormat::R5G5B5A1,
        PixelFormat::X1R5G5B5,
        PixelFormat::A1R5G5B5,
        PixelFormat::R8G8B8,
        PixelFormat::X8R8G8B8,
        PixelFormat::A8R8G8B8,
        PixelFormat::X8B8G8R8,
        PixelFormat::A8B8G8R8,
        PixelFormat::X2R10G10B10,
        PixelFormat::A2R10G10B10,
    ];

    /// The name in a device tree.
    pub const fn name(self) -> &'static str {
        self.layout().name
    }

    /// The format with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The DRM fourcc.
    pub const fn fourcc(self) -> u32 {
        self.layout().fourcc
    }

    /// The format with this DRM fourcc.
    pub fn from_fourcc(fourcc: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.fourcc() == fourcc)
    }

    /// The format with these fields of the fbdev ioctls: bits of a pixel, then red, green, blue and
    /// alpha.
    pub fn from_fields(bits: u32, fields: [Field; 4]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.bytes() as u32 * 8 == bits && format.fields() == fields)
    }

    /// Red, green, blue and alpha.
    pub const fn fields(self) -> [Field; 4] {
        const fn field((offset, length): (u32, u32)) -> Field {
            Field { offset, length }
        }
        let [red, green, blue, alpha] = self.layout().fields;
        [field(red), field(green), field(blue), field(alpha)]
    }

    /// Bytes of a pixel.
    pub const fn bytes(self) -> usize {
        self.layout().bits as usize / 8
    }

    const fn layout(self) -> &'static PixelLayout {
        &FORMATS[self as usize]
    }

    /// The stored value of a colour. Unused bits are set, so that hardware that interprets them as
    /// alpha shows the pixel.
    ///
    /// ```
    /// use embedded_graphics::pixelcolor::Rgb888;
    /// use fanlight::PixelFormat;
    ///
    /// assert_eq!(PixelFormat::R5G6B5.encode(Rgb888::new(0xff, 0x80, 0x08)), 0xfc01);
    /// assert_eq!(PixelFormat::X8R8G8B8.encode(Rgb888::new(1, 2, 3)), 0xff01_0203);
    /// ```
    #[inline]
    pub fn encode(self, colour: Rgb888) -> u32 {
        let (r, g, b) = (
            u32::from(colour.r()),
            u32::from(colour.g()),
            u32::from(colour.b()),
        );
        match self {
            PixelFormat::R5G6B5 => ((r >> 3) << 11) | ((g >> 2) << 5) | (b >> 3),
            PixelFormat::X8R8G8B8 | PixelFormat::A8R8G8B8 => 0xff00_0000 | (r << 16) | (g << 8) | b,
            PixelFormat::X8B8G8R8 | PixelFormat::A8B8G8R8 => 0xff00_0000 | (b << 16) | (g << 8) | r,
            PixelFormat::R8G8B8 => (r << 16) | (g << 8) | b,
            // Formats that are rare.
            _ => self.encode_fields([r, g, b]),
        }
    }

    /// The colour of a stored pixel. Narrow fields are widened by repeating their top bits, so that
    /// full stays full.
    ///
    /// ```
    /// use embedded_graphics::pixelcolor::Rgb888;
    /// use fanlight::PixelFormat;
    ///
    /// assert_eq!(PixelFormat::R5G6B5.decode(0xffff), Rgb888::new(255, 255, 255));
    /// assert_eq!(PixelFormat::X8B8G8R8.decode(0x0003_0201), Rgb888::new(1, 2, 3));
    /// ```
    #[inline]
    pub fn decode(self, pixel: u32) -> Rgb888 {
        let byte = |shift: u32| (pixel >> shift) as u8;
        match self {
            PixelFormat::R5G6B5 => {
                let (r, g, b) = (byte(11) & 0x1f, byte(5) & 0x3f, byte(0) & 0x1f);
                Rgb888::new(
                    (r << 3) | (r >> 2),
                    (g << 2) | (g >> 4),
                    (b << 3) | (b >> 2),
                )
            }
            PixelFormat::X8B8G8R8 | PixelFormat::A8B8G8R8 => {
                Rgb888::new(byte(0), byte(8), byte(16))
            }
            PixelFormat::R8G8B8 | PixelFormat::X8R8G8B8 | PixelFormat::A8R8G8B8 => {
                Rgb888::new(byte(16), byte(8), byte(0))
            }
            _ => {
                let [r, g, b, _] = self.fields().map(|field| field.decode(pixel));
                Rgb888::new(r, g, b)
            }
        }
    }

    /// Encodes a colour of eight bits each by the fields. All other bits are set.
    fn encode_fields(self, rgb: [u32; 3]) -> u32 {
        let mut pixel = u32::MAX >> (32 - 8 * self.bytes() as u32);
        for (field, value) in self.fields().into_iter().zip(rgb) {
            let mask = (1 << field.length) - 1;
            // Ten bits repeat the top two, so that full stays full.
            let value = ((value << 2) | (value >> 6)) >> (10 - field.length);
            pixel = (pixel & !(mask << field.offset)) | ((value & mask) << field.offset);
        }
        pixel
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Size, stride and pixel format of a picture in memory.
///
/// # Invariants
///
/// Neither side is 0 or above 65535, a line's pixels fit in its stride, and `stride * height` fits
/// in a `usize`.
///
/// ```
/// use fanlight::{Geometry, PixelFormat};
///
/// let geometry = Geometry::new(1024, 600, 4096, PixelFormat::X8R8G8B8).unwrap();
/// assert_eq!(geometry.to_string(), "1024x600 4096 x8r8g8b8");
/// assert_eq!(geometry.bytes(), 600 * 4096);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    width: u32,
    height: u32,
    stride: u32,
    format: PixelFormat,
}

impl Geometry {
    /// The largest width and height.
    pub const LIMIT: u32 = 65535;

    /// A geometry; `None` if it is invalid: a side of 0 or above [`LIMIT`](Self::LIMIT), or a
    /// stride that is shorter than a line.
    ///
    /// ```
    /// use fanlight::{Geometry, PixelFormat};
    ///
    /// assert!(Geometry::new(1024, 600, 1024, PixelFormat::X8R8G8B8).is_none());
    /// ```
    pub fn new(width: u32, height: u32, stride: u32, format: PixelFormat) -> Option<Self> {
        let sides = 1..=Self::LIMIT;
        let fits = sides.contains(&width)
            && sides.contains(&height)
            && u64::from(stride) >= u64::from(width) * format.bytes() as u64
            && usize::try_from(u64::from(stride) * u64::from(height))
                .is_ok_and(|bytes| bytes <= isize::MAX as usize);
        // INVARIANT: just checked.
        fits.then_some(Self {
            width,
            height,
            stride,
            format,
        })
    }

    /// A geometry whose stride is the length of a line, rounded up to a multiple of four bytes.
    ///
    /// ```
    /// use fanlight::{Geometry, PixelFormat};
    ///
    /// assert_eq!(Geometry::packed(3, 2, PixelFormat::R8G8B8).unwrap().stride(), 12);
    /// ```
    pub fn packed(width: u32, height: u32, format: PixelFormat) -> Option<Self> {
        let line = width.checked_mul(format.bytes() as u32)?;
        Self::new(width, height, line.checked_next_multiple_of(4)?, format)
    }

    /// Pixels of a line.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Lines.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Bytes from one line to the next.
    pub const fn stride(&self) -> u32 {
        self.stride
    }

    /// The pixel format.
    pub const fn format(&self) -> PixelFormat {
        self.format
    }

    /// Bytes of all lines.
    pub const fn bytes(&self) -> usize {
        self.stride as usize * self.height as usize
    }

    /// The whole area, for embedded-graphics.
    pub fn area(&self) -> Rectangle {
        Rectangle::new(Point::zero(), Size::new(self.width, self.height))
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}x{} {} {}",
            self.width, self.height, self.stride, self.format
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::pixelcolor::{raw::RawU16, Rgb555, Rgb565};

    #[test]
    fn fb_formats_are_in_the_order_of_the_abi() {
        assert_eq!(PixelFormat::ALL.len(), FORMATS.len());
        for (format, layout) in PixelFormat::ALL.into_iter().zip(FORMATS) {
            assert_eq!(format!("{format:?}").to_lowercase(), layout.name);
            assert_eq!(format.name(), layout.name);
        }
    }

    /// embedded-graphics has these layouts, too. It rounds where this crate repeats bits.
    #[test]
    fn fb_narrow_formats_are_those_of_embedded_graphics() {
        let same = |format: PixelFormat, pixel, theirs: Rgb888, set| {
            let ours = format.decode(pixel);
            for (ours, theirs) in [
                (ours.r(), theirs.r()),
                (ours.g(), theirs.g()),
                (ours.b(), theirs.b()),
            ] {
                assert!(ours.abs_diff(theirs) <= 1, "{format} {pixel:#x}");
            }
            for colour in [ours, theirs] {
                assert_eq!(format.encode(colour), pixel | set, "{format} {pixel:#x}");
            }
        };
        for value in 0..=0xffff_u16 {
            let pixel = u32::from(value);
            let colour = Rgb888::from(Rgb565::from(RawU16::new(value)));
            same(PixelFormat::R5G6B5, pixel, colour, 0);
            let colour = Rgb888::from(Rgb555::from(RawU16::new(value & 0x7fff)));
            same(PixelFormat::X1R5G5B5, pixel, colour, 0x8000);
            same(PixelFormat::A1R5G5B5, pixel, colour, 0x8000);
            same(PixelFormat::R5G5B5A1, (pixel << 1) & 0xffff, colour, 1);
        }
    }

    #[test]
    fn fb_formats_keep_black_white_and_each_colour() {
        let shades = [0, 255];
        for format in PixelFormat::ALL {
            for r in shades {
                for (g, b) in shades.into_iter().flat_map(|g| shades.map(|b| (g, b))) {
                    let colour = Rgb888::new(r, g, b);
                    let pixel = format.encode(colour);
                    assert_eq!(format.decode(pixel), colour, "{format} {pixel:#x}");
                    let [red, green, blue, alpha] = format.fields();
                    for (field, shade) in [(red, r), (green, g), (blue, b), (alpha, 255)] {
                        let mask = (1u32 << field.length) - 1;
                        let full = if shade == 0 { 0 } else { mask };
                        assert_eq!((pixel >> field.offset) & mask, full, "{format} {pixel:#x}");
                    }
                }
            }
        }
    }

    #[test]
    fn fb_ten_bits_hold_every_shade_of_eight() {
        for shade in 0..=255 {
            let colour = Rgb888::new(shade, 255 - shade, shade / 2);
            for format in [PixelFormat::X2R10G10B10, PixelFormat::A2R10G10B10] {
                assert_eq!(format.decode(format.encode(colour)), colour, "{format}");
            }
        }
    }

    #[test]
    fn fb_formats_have_names_and_codes_of_their_own() {
        for format in PixelFormat::ALL {
            assert_eq!(PixelFormat::from_name(format.name()), Some(format));
            assert_eq!(PixelFormat::from_fourcc(format.fourcc()), Some(format));
            let bits = format.bytes() as u32 * 8;
            assert_eq!(
                PixelFormat::from_fields(bits, format.fields()),
                Some(format)
            );
        }
    }
}
