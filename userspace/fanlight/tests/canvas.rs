// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures in ordinary memory: the same drawing in different ways. Small enough for miri, which
//! checks the raw pointers.

use core::ptr::NonNull;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use fanlight::{Canvas, Geometry, PixelFormat};

fn colour(i: u32) -> Rgb888 {
    Rgb888::new((i * 37) as u8, (i * 59 + 5) as u8, (i * 83 + 9) as u8)
}

fn geometries() -> impl Iterator<Item = Geometry> {
    PixelFormat::ALL.into_iter().flat_map(|format| {
        let line = 19 * format.bytes() as u32;
        [0, 1, 3]
            .into_iter()
            .filter_map(move |more| Geometry::new(19, 5, line + more, format))
    })
}

#[test]
fn fb_rectangles_and_single_pixels_agree() {
    for geometry in geometries() {
        let mut filled = Canvas::in_memory(geometry);
        let mut dotted = Canvas::in_memory(geometry);
        let areas = [
            (0, 0, 19, 5),
            (1, 1, 15, 2),
            (3, 4, 1, 1),
            (-4, -1, 9, 3),
            (17, 2, 9, 9),
        ];
        for (i, (x, y, w, h)) in (0..).zip(areas) {
            let area = Rectangle::new(Point::new(x, y), Size::new(w, h));
            filled.fill_solid(&area, colour(i)).unwrap();
            let pixels = area.points().map(|point| Pixel(point, colour(i)));
            dotted.draw_iter(pixels).unwrap();
            assert_eq!(filled.to_rgb(), dotted.to_rgb(), "{geometry} {area:?}");
        }
    }
}

#[test]
fn fb_memory_of_others_is_drawn_on_by_words_and_bytes() {
    for geometry in geometries() {
        let mut memory = [0u32; 19 * 5 * 4 / 4 + 5 * 3];
        // SAFETY: the array is aligned, longer than any of the geometries, and not used until the
        // canvas is gone.
        let mut canvas = unsafe { Canvas::from_raw(NonNull::from(&mut memory).cast(), geometry) };
        let colours = (0..19 * 5).map(colour);
        canvas.fill_contiguous(&geometry.area(), colours).unwrap();
        let format = geometry.format();
        for i in 0..19 * 5 {
            let held = format.decode(format.encode(colour(i)));
            assert_eq!(canvas.pixel(i % 19, i / 19), Ok(held), "{geometry}");
        }
        drop(canvas);
        let first = format.encode(colour(0)).to_le_bytes();
        let stored = memory[0].to_ne_bytes();
        assert_eq!(stored[..format.bytes()], first[..format.bytes()]);
    }
}
