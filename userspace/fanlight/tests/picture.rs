// SPDX-License-Identifier: MIT OR Apache-2.0
//! Valid and invalid PNG files.
#![cfg(feature = "png")]

use fanlight::{Picture, PICTURE_LIMIT};

fn encoded(picture: &Picture) -> Vec<u8> {
    let mut png = Vec::new();
    picture.encode(&mut png).unwrap();
    png
}

fn decode(png: &[u8]) -> Result<Picture, String> {
    Picture::decode(png, |_, _| ()).map_err(|error| error.to_string())
}

fn sample() -> Picture {
    let rgb = (0..64 * 48 * 3).map(|i| (i * i / 7) as u8).collect();
    Picture::new(64, 48, rgb).unwrap()
}

/// The chunks of a PNG file with the given header and otherwise invalid data.
fn header(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([depth, colour, 0, 0, 0]);
    png.extend(13u32.to_be_bytes());
    let crc = !chunk.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 }
        })
    });
    png.extend(chunk);
    png.extend(crc.to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    png
}

#[test]
fn fb_picture_survives_a_file() {
    assert_eq!(decode(&encoded(&sample())), Ok(sample()));
}

#[test]
fn fb_picture_that_is_none_is_refused() {
    for bytes in [
        b"".as_slice(),
        b"GIF89a",
        b"\x89PNG",
        b"\x89PNG\r\n\x1a",
        b"<html>",
    ] {
        assert_eq!(decode(bytes).unwrap_err(), "not a PNG picture");
    }
}

#[test]
fn fb_picture_that_is_truncated_is_refused() {
    let png = encoded(&sample());
    for len in (8..png.len() - 12).step_by(97) {
        let error = decode(&png[..len]).unwrap_err();
        assert!(
            error.contains("truncated") || error.contains("damaged"),
            "{len}: {error}"
        );
    }
}

#[test]
fn fb_picture_that_is_damaged_is_refused_or_read() {
    let png = encoded(&sample());
    for at in (8..png.len()).step_by(11) {
        let mut png = png.clone();
        png[at] ^= 0x10;
        // Not every error is detected, but nothing panics.
        let _ = decode(&png);
    }
}

#[test]
fn fb_picture_that_is_huge_is_refused_before_it_takes_memory() {
    for (width, height) in [
        (100_000, 100_000),
        (u32::MAX >> 1, u32::MAX >> 1),
        (1, PICTURE_LIMIT as u32),
        (8192, 8192),
    ] {
        let error = decode(&header(width, height, 8, 2)).unwrap_err();
        assert!(
            error.contains("too large") || error.contains("damaged"),
            "{width}x{height}: {error}"
        );
    }
    assert!(decode(&header(8192, 8192, 8, 2))
        .unwrap_err()
        .contains("too large"));
    assert!(decode(&header(0, 5, 8, 2)).is_err());
}

/// A picture of one line, encoded by the crate that the library uses.
fn line(colour: png::ColorType, pixels: &[u8], width: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, 1);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn fb_picture_that_is_transparent_shows_the_background() {
    let lime = [0, 255, 0];
    let rgba = [255, 0, 0, 255, 255, 0, 0, 0, 255, 0, 0, 128];
    let png = line(png::ColorType::Rgba, &rgba, 3);
    let over = Picture::decode_over(&png[..], lime, |_, _| ()).unwrap();
    assert_eq!(over.rgb(), [255, 0, 0, 0, 255, 0, 128, 127, 0]);
    let black = Picture::decode(&png[..], |_, _| ()).unwrap();
    assert_eq!(black.rgb(), [255, 0, 0, 0, 0, 0, 128, 0, 0]);
    let png = line(png::ColorType::GrayscaleAlpha, &[200, 0, 200, 255], 2);
    let over = Picture::decode_over(&png[..], lime, |_, _| ()).unwrap();
    assert_eq!(over.rgb(), [0, 255, 0, 200, 200, 200]);
}

/// A pipe whose reader has closed it after the first bytes.
struct Closed(usize);

impl std::io::Write for Closed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.0 -= 1;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn fb_picture_into_a_closed_pipe_is_that_error() {
    // More than fits into any buffer, so that the write fails at each position.
    let noise = (0..300_000u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8);
    let picture = Picture::new(1000, 100, noise.collect()).unwrap();
    let failed = (0..).map_while(|writes| picture.encode(Closed(writes)).err());
    let kinds: Vec<_> = failed
        .map(|error| match error {
            fanlight::Error::Io { source, .. } => source.kind(),
            other => panic!("{other}"),
        })
        .collect();
    assert!(kinds.len() > 1, "{kinds:?}");
    assert!(kinds
        .iter()
        .all(|kind| *kind == std::io::ErrorKind::BrokenPipe));
}
