// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drawing into mapped files: compares the stored bytes of every format with a simple model.
#![cfg(feature = "std")]

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, PrimitiveStyle, Rectangle};
use fanlight::{AccessError, Framebuffer, Geometry, PixelFormat};

/// A file that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, len: u64) -> (Self, File) {
        let path =
            std::env::temp_dir().join(format!("fanlight-test-{}-{name}", std::process::id()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        file.set_len(len).unwrap();
        (Self(path), file)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The bytes of a pixel. The name of a format lists its fields from the top bit, each with its
/// width, so they are computed without the code under test and without its table of formats.
fn bytes(format: PixelFormat, colour: Rgb888) -> Vec<u8> {
    let mut fields: Vec<(char, u32)> = Vec::new();
    for character in format.name().chars() {
        match (character.to_digit(10), fields.last_mut()) {
            (Some(digit), Some((_, width))) => *width = *width * 10 + digit,
            _ => fields.push((character, 0)),
        }
    }
    let (mut pixel, mut bits) = (0_u32, 0);
    for (field, width) in fields {
        let value = u32::from(match field {
            'r' => colour.r(),
            'g' => colour.g(),
            'b' => colour.b(),
            // Drawing sets alpha and unused bits.
            _ => 255,
        });
        // Fields of more than eight bits repeat the top bits of the colour.
        pixel = (pixel << width) | (((value << 8) | value) >> (16 - width));
        bits += width as usize;
    }
    pixel.to_le_bytes()[..bits / 8].to_vec()
}

fn colour(x: u32, y: u32) -> Rgb888 {
    Rgb888::new(
        (x * 37 + y) as u8,
        (y * 59 + x * 3) as u8,
        (x * y * 7 + 11) as u8,
    )
}

/// Strides that are packed, padded, and odd if possible.
fn geometries(width: u32, height: u32) -> impl Iterator<Item = Geometry> {
    PixelFormat::ALL.into_iter().flat_map(move |format| {
        let line = width * format.bytes() as u32;
        [0, 1, 2, 5, 64]
            .into_iter()
            .filter_map(move |more| Geometry::new(width, height, line + more, format))
    })
}

#[test]
fn fb_rectangles_are_exactly_their_pixels() {
    for geometry in geometries(29, 17) {
        let (scratch, file) = Scratch::new(
            &format!("fill-{}-{}", geometry.format(), geometry.stride()),
            geometry.bytes() as u64,
        );
        let mut screen = Framebuffer::over_file(file, &scratch.0, geometry).unwrap();
        let mut model = vec![0u8; geometry.bytes()];
        // All sizes at all alignments, some of them partly outside.
        for (i, (x, y, w, h)) in [
            (0, 0, 29, 17),
            (1, 1, 1, 1),
            (3, 2, 13, 4),
            (-5, 8, 9, 3),
            (27, 15, 9, 9),
            (2, 12, 26, 1),
            (40, 40, 5, 5),
        ]
        .into_iter()
        .enumerate()
        {
            let fill = colour(i as u32 + 1, 5);
            screen
                .fill_solid(&Rectangle::new(Point::new(x, y), Size::new(w, h)), fill)
                .unwrap();
            for py in y.max(0)..(y + h as i32).min(17) {
                for px in x.max(0)..(x + w as i32).min(29) {
                    let at = py as usize * geometry.stride() as usize
                        + px as usize * geometry.format().bytes();
                    model[at..at + geometry.format().bytes()]
                        .copy_from_slice(&bytes(geometry.format(), fill));
                }
            }
            assert_eq!(
                fs::read(&scratch.0).unwrap(),
                model,
                "{geometry} rectangle {i}"
            );
        }
    }
}

#[test]
fn fb_contiguous_fills_and_single_pixels_agree() {
    for geometry in geometries(23, 11) {
        let (scratch, file) = Scratch::new(
            &format!("contiguous-{}-{}", geometry.format(), geometry.stride()),
            geometry.bytes() as u64,
        );
        let mut screen = Framebuffer::over_file(file, &scratch.0, geometry).unwrap();
        for (x, y, w, h) in [(0, 0, 23, 11), (-3, -2, 9, 5), (20, 8, 7, 7), (5, 5, 0, 3)] {
            let area = Rectangle::new(Point::new(x, y), Size::new(w, h));
            let colours = || (0..h).flat_map(move |y| (0..w).map(move |x| colour(x, y)));
            screen.clear(Rgb888::BLACK).unwrap();
            screen.fill_contiguous(&area, colours()).unwrap();
            let filled = fs::read(&scratch.0).unwrap();
            screen.clear(Rgb888::BLACK).unwrap();
            screen
                .draw_iter(
                    area.points()
                        .zip(colours())
                        .map(|(point, colour)| Pixel(point, colour)),
                )
                .unwrap();
            assert_eq!(fs::read(&scratch.0).unwrap(), filled, "{geometry} {area:?}");
            screen.clear(Rgb888::BLACK).unwrap();
            let rgb: Vec<u8> = colours()
                .flat_map(|colour| [colour.r(), colour.g(), colour.b()])
                .collect();
            screen.blit_rgb(area.top_left, w, &rgb).unwrap();
            assert_eq!(
                fs::read(&scratch.0).unwrap(),
                filled,
                "{geometry} {area:?} blit"
            );
        }
    }
}

#[test]
fn fb_pixels_are_read_back_as_they_were_stored() {
    for geometry in geometries(9, 5) {
        let (scratch, file) = Scratch::new(
            &format!("back-{}-{}", geometry.format(), geometry.stride()),
            geometry.bytes() as u64,
        );
        let mut screen = Framebuffer::over_file(file, &scratch.0, geometry).unwrap();
        let colours = (0..5).flat_map(|y| (0..9).map(move |x| colour(x, y)));
        screen.fill_contiguous(&geometry.area(), colours).unwrap();
        let rgb = screen.to_rgb().unwrap();
        let format = geometry.format();
        for (i, pixel) in rgb.chunks_exact(3).enumerate() {
            let (x, y) = (i as u32 % 9, i as u32 / 9);
            // The colour at the precision of the format.
            let held = format.decode(format.encode(colour(x, y)));
            assert_eq!(screen.pixel(x, y).unwrap(), held);
            assert_eq!(pixel, [held.r(), held.g(), held.b()]);
            if format.bytes() > 2 {
                assert_eq!(held, colour(x, y));
            }
        }
        assert!(matches!(
            screen.pixel(9, 0),
            Err(AccessError::OutOfBounds { .. })
        ));
        assert!(matches!(
            screen.read_line(5, &mut [0; 3]),
            Err(AccessError::OutOfBounds { .. })
        ));
    }
}

#[test]
fn fb_native_lines_are_copied_whole() {
    let geometry = Geometry::new(4, 3, 20, PixelFormat::X8R8G8B8).unwrap();
    let (scratch, file) = Scratch::new("native", geometry.bytes() as u64);
    let mut screen = Framebuffer::over_file(file, &scratch.0, geometry).unwrap();
    let lines: Vec<u8> = (0..48).collect();
    screen.blit_native(0, 16, &lines).unwrap();
    let stored = fs::read(&scratch.0).unwrap();
    for y in 0..3 {
        assert_eq!(stored[y * 20..y * 20 + 16], lines[y * 16..y * 16 + 16]);
        assert_eq!(stored[y * 20 + 16..y * 20 + 20], [0; 4]);
    }
    assert!(screen.blit_native(1, 16, &lines).is_err());
    screen.blit_native(1, 20, &[9; 40]).unwrap();
    assert_eq!(fs::read(&scratch.0).unwrap()[20..], [9; 40]);
}

#[test]
fn fb_shapes_that_reach_outside_are_cut() {
    let geometry = Geometry::packed(20, 20, PixelFormat::R5G6B5).unwrap();
    let (scratch, file) = Scratch::new("outside", geometry.bytes() as u64);
    let mut screen = Framebuffer::over_file(file, &scratch.0, geometry).unwrap();
    for point in [
        Point::new(-10, -10),
        Point::new(15, 15),
        Point::new(i32::MIN / 4, 0),
        Point::new(1 << 20, 1 << 20),
    ] {
        Circle::new(point, 18)
            .into_styled(PrimitiveStyle::with_fill(Rgb888::RED))
            .draw(&mut screen)
            .unwrap();
    }
    assert_eq!(screen.pixel(0, 0).unwrap(), Rgb888::RED);
    assert_eq!(screen.pixel(12, 12).unwrap(), Rgb888::BLACK);
}

#[test]
fn fb_geometries_that_make_no_sense_are_refused() {
    for (width, height, stride) in [
        (0, 1, 4),
        (1, 0, 4),
        (2, 1, 7),
        (65536, 1, 1 << 20),
        (1, 65536, 4),
        (u32::MAX, 1, u32::MAX),
    ] {
        assert_eq!(
            Geometry::new(width, height, stride, PixelFormat::X8R8G8B8),
            None
        );
    }
    let geometry = Geometry::packed(64, 64, PixelFormat::X8R8G8B8).unwrap();
    let (scratch, file) = Scratch::new("short", geometry.bytes() as u64 - 1);
    assert!(Framebuffer::over_file(file, &scratch.0, geometry).is_err());
}

#[test]
fn fb_present_of_a_single_page_changes_nothing() {
    let geometry = Geometry::packed(8, 8, PixelFormat::X8R8G8B8).unwrap();
    let (scratch, file) = Scratch::new("single", geometry.bytes() as u64);
    let mut screen = Framebuffer::over_file(file, &scratch.0, geometry).unwrap();
    assert!(!screen.double_buffer());
    screen.clear(Rgb888::WHITE).unwrap();
    screen.present().unwrap();
    assert_eq!((screen.pages(), screen.shown_page()), (1, 0));
    assert_eq!(fs::read(&scratch.0).unwrap(), [255; 256]);
}
