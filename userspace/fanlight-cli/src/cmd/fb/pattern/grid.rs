// SPDX-License-Identifier: MIT OR Apache-2.0
//! One-pixel lines, circles, and marks in the corners.

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::Alignment;
use fanlight::Canvas;

use super::super::draw::{
    area, ring, text, text_in, text_size, DrawResult, AMBER, DIM, INK, NIGHT,
};

/// One-pixel lines, a circle, and marks in the corners: show whether every pixel is visible, square
/// and in its place.
pub fn grid(canvas: &mut Canvas) -> DrawResult {
    const CELL: usize = 32;
    const FINE: Rgb888 = Rgb888::new(0x2c, 0x3a, 0x52);
    const COARSE: Rgb888 = Rgb888::new(0x55, 0x6a, 0x8c);
    let geometry = canvas.geometry();
    let (width, height) = (geometry.width() as i32, geometry.height() as i32);
    let (right, bottom) = (width - 1, height - 1);
    let centre = Point::new(width / 2, height / 2);
    canvas.clear(NIGHT)?;

    // From the middle outwards, so that the picture is symmetric.
    let shade = |i: usize| if i % 4 == 0 { COARSE } else { FINE };
    for (i, d) in (0..=centre.x).step_by(CELL).enumerate() {
        canvas.fill_solid(&area(centre.x - d, 0, 1, height), shade(i))?;
        canvas.fill_solid(&area(centre.x + d, 0, 1, height), shade(i))?;
    }
    for (i, d) in (0..=centre.y).step_by(CELL).enumerate() {
        canvas.fill_solid(&area(0, centre.y - d, width, 1), shade(i))?;
        canvas.fill_solid(&area(0, centre.y + d, width, 1), shade(i))?;
    }
    let thin = PrimitiveStyle::with_stroke(FINE, 1);
    Line::new(Point::zero(), Point::new(right, bottom))
        .into_styled(thin)
        .draw(canvas)?;
    Line::new(Point::new(right, 0), Point::new(0, bottom))
        .into_styled(thin)
        .draw(canvas)?;

    // The circle is round if pixels are square; the small circles are near the corners.
    let side = width.min(height);
    ring(canvas, centre, side - 2, AMBER)?;
    ring(canvas, centre, side / 2, AMBER)?;
    let small = side / 5;
    for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let inset = small / 2 + 8;
        let at = Point::new(
            if x == 0 { inset } else { right - inset },
            if y == 0 { inset } else { bottom - inset },
        );
        ring(canvas, at, small, DIM)?;
    }
    // The outermost pixels, and a line of alternating ones that a scaled screen would smear.
    Rectangle::new(Point::zero(), canvas.geometry().area().size)
        .into_styled(PrimitiveStyle::with_stroke(INK, 1))
        .draw(canvas)?;
    let (comb, tall) = (side / 4, side / 20);
    let (left, first, second) = (
        centre.x - comb / 2,
        centre.y + side / 20,
        centre.y + side / 20 + tall + 4,
    );
    for x in (0..comb).step_by(2) {
        canvas.fill_solid(&area(left + x, first, 1, tall), INK)?;
    }
    for y in (0..tall).step_by(2) {
        canvas.fill_solid(&area(left, second + y, comb, 1), INK)?;
    }
    corners(canvas, right, bottom)?;

    // Inside the inner circle.
    let label = geometry.to_string();
    if let Some(size) = text_size(height / 20).fitting(&label, side * 2 / 5 - 16) {
        let wide = size.width(&label) + 16;
        let plate = area(
            centre.x - wide / 2,
            centre.y - side / 9 - size.height() / 2,
            wide,
            size.height() + 8,
        );
        canvas.fill_solid(&plate, NIGHT)?;
        text_in(canvas, &label, plate, size, INK)?;
    }
    Ok(())
}

/// White angles in the corners, with their coordinates.
fn corners(canvas: &mut Canvas, right: i32, bottom: i32) -> DrawResult {
    let arm = (right.min(bottom) / 12).max(1);
    let size = text_size(right.min(bottom) / 30);
    for (x, y) in [(0, 0), (right, 0), (0, bottom), (right, bottom)] {
        let (left, top) = (x == 0, y == 0);
        canvas.fill_solid(
            &area(
                if left { 0 } else { x - arm + 1 },
                if top { 0 } else { y - 2 },
                arm,
                3,
            ),
            Rgb888::WHITE,
        )?;
        canvas.fill_solid(
            &area(
                if left { 0 } else { x - 2 },
                if top { 0 } else { y - arm + 1 },
                3,
                arm,
            ),
            Rgb888::WHITE,
        )?;
        let alignment = if left {
            Alignment::Left
        } else {
            Alignment::Right
        };
        let at = Point::new(
            if left { 8 } else { x - 8 },
            if top { 8 } else { y - 8 - size.height() },
        );
        text(canvas, &format!("{x},{y}"), at, size, INK, alignment)?;
    }
    Ok(())
}
