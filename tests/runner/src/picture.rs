// SPDX-License-Identifier: MIT OR Apache-2.0
//! Captured screens: reads, compares and computes checksums of them.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// Pixels as red, green, blue, row by row.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Reads a PNG of 8 bits per channel, without alpha.
    pub fn read(path: &Path) -> io::Result<Self> {
        let context = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", path.display()))
        };
        let mut decoder = png::Decoder::new(BufReader::new(
            File::open(path).map_err(|error| context(&error))?,
        ));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(|error| context(&error))?;
        let size = reader
            .output_buffer_size()
            .ok_or_else(|| context(&"too large"))?;
        let mut bytes = vec![0; size];
        let info = reader
            .next_frame(&mut bytes)
            .map_err(|error| context(&error))?;
        bytes.truncate(info.buffer_size());
        let rgb = match info.color_type {
            png::ColorType::Rgb => bytes,
            png::ColorType::Rgba => bytes
                .chunks_exact(4)
                .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
                .collect(),
            png::ColorType::Grayscale => bytes
                .iter()
                .flat_map(|grey| [*grey, *grey, *grey])
                .collect(),
            png::ColorType::GrayscaleAlpha => bytes
                .chunks_exact(2)
                .flat_map(|pixel| [pixel[0]; 3])
                .collect(),
            png::ColorType::Indexed => return Err(context(&"palette not expanded")),
        };
        Ok(Self {
            width: info.width,
            height: info.height,
            rgb,
        })
    }

    /// CRC-32 (IEEE) of the pixels' bytes, which the request `screen` returns to the guest.
    pub fn crc32(&self) -> u32 {
        // A table, since this runs without optimization.
        let table: [u32; 256] = std::array::from_fn(|byte| {
            (0..8).fold(byte as u32, |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        });
        !self.rgb.iter().fold(!0u32, |crc, byte| {
            (crc >> 8) ^ table[usize::from(crc as u8 ^ byte)]
        })
    }

    /// A description of the first difference; `None` where all pixels are equal.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if (self.width, self.height) != (other.width, other.height) {
            return Some(format!(
                "{}x{} against {}x{}",
                self.width, self.height, other.width, other.height
            ));
        }
        let pixels = || {
            self.rgb
                .chunks_exact(3)
                .zip(other.rgb.chunks_exact(3))
                .enumerate()
        };
        let count = pixels().filter(|(_, (a, b))| a != b).count();
        let (at, (a, b)) = pixels().find(|(_, (a, b))| a != b)?;
        let width = self.width as usize;
        Some(format!(
            "{count} pixels differ, the first at {},{}: {a:02x?} against {b:02x?}",
            at % width,
            at / width
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_crc32_is_the_usual_one() {
        let picture = Picture {
            width: 3,
            height: 1,
            rgb: b"123456789".to_vec(),
        };
        assert_eq!(picture.crc32(), 0xcbf4_3926);
    }

    #[test]
    fn build_difference_names_the_first_pixel() {
        let black = Picture {
            width: 2,
            height: 2,
            rgb: vec![0; 12],
        };
        let mut other = black.clone();
        assert_eq!(black.difference(&other), None);
        other.rgb[9] = 1;
        assert!(black
            .difference(&other)
            .unwrap()
            .starts_with("1 pixels differ, the first at 1,1"));
    }
}
