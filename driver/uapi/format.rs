// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The pixel formats that a framebuffer can have.

/// The layout of a pixel format. Pixels are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelLayout {
    /// The name in the simple-framebuffer binding.
    pub name: &'static str,
    /// The DRM fourcc code (`include/uapi/drm/drm_fourcc.h`).
    pub fourcc: u32,
    /// Bits of a pixel.
    pub bits: u32,
    /// The lowest bit and the number of bits of red, green, blue and alpha.
    pub fields: [(u32, u32); 4],
}

const fn format(
    name: &'static str,
    code: &[u8; 4],
    bits: u32,
    fields: [(u32, u32); 4],
) -> PixelLayout {
    PixelLayout {
        name,
        fourcc: u32::from_le_bytes(*code),
        bits,
        fields,
    }
}

/// All formats. Names and layouts are those of `include/linux/platform_data/simplefb.h`.
#[rustfmt::skip]
pub const FORMATS: [PixelLayout; 11] = [
    format("r5g6b5", b"RG16", 16, [(11, 5), (5, 6), (0, 5), (0, 0)]),
    format("r5g5b5a1", b"RA15", 16, [(11, 5), (6, 5), (1, 5), (0, 1)]),
    format("x1r5g5b5", b"XR15", 16, [(10, 5), (5, 5), (0, 5), (0, 0)]),
    format("a1r5g5b5", b"AR15", 16, [(10, 5), (5, 5), (0, 5), (15, 1)]),
    format("r8g8b8", b"RG24", 24, [(16, 8), (8, 8), (0, 8), (0, 0)]),
    format("x8r8g8b8", b"XR24", 32, [(16, 8), (8, 8), (0, 8), (0, 0)]),
    format("a8r8g8b8", b"AR24", 32, [(16, 8), (8, 8), (0, 8), (24, 8)]),
    format("x8b8g8r8", b"XB24", 32, [(0, 8), (8, 8), (16, 8), (0, 0)]),
    format("a8b8g8r8", b"AB24", 32, [(0, 8), (8, 8), (16, 8), (24, 8)]),
    format("x2r10g10b10", b"XR30", 32, [(20, 10), (10, 10), (0, 10), (0, 0)]),
    format("a2r10g10b10", b"AR30", 32, [(20, 10), (10, 10), (0, 10), (30, 2)]),
];
