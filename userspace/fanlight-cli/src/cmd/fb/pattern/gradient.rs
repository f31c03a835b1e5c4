// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ramps, and all hues.

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::text::Alignment;
use fanlight::Canvas;

use super::super::draw::{area, columns, text, text_size, DrawResult, INK, NIGHT};
use super::bars::{ramp, shade, RAMPS};

/// Ramps of each colour, smooth and in steps; in a format with fewer bits, the smooth one has
/// bands, too.
pub fn gradient(canvas: &mut Canvas) -> DrawResult {
    let geometry = canvas.geometry();
    let (width, height) = (geometry.width() as i32, geometry.height() as i32);
    let size = text_size(height / 30);
    let band = height * 15 / 100;
    canvas.clear(NIGHT)?;

    for (i, (name, part)) in (0..).zip(RAMPS) {
        let top = i * band;
        // Two thirds smooth, one third in the 32 steps of a colour of five bits.
        let smooth = band * 2 / 3;
        ramp(canvas, area(0, top, width, smooth), part)?;
        for (step, column) in
            (0..).zip(columns(area(0, top + smooth, width, band - smooth - 2), 32))
        {
            canvas.fill_solid(&column, shade(part, step * 255 / 31))?;
        }
        text(
            canvas,
            name,
            Point::new(8, top + 6),
            size,
            INK,
            Alignment::Left,
        )?;
    }

    // All hues, from black through full colour to white.
    let top = band * 4;
    let rest = height - top;
    let half = (rest / 2).max(1);
    let field = (0..rest).flat_map(|y| {
        (0..width).map(move |x| {
            let pure = hue(x * 1530 / width);
            let blend = |part: i32| {
                if y < half {
                    part * y / half
                } else {
                    part + (255 - part) * (y - half) / (rest - half).max(1)
                }
            };
            let [r, g, b] = pure.map(|part| blend(part) as u8);
            Rgb888::new(r, g, b)
        })
    });
    canvas.fill_contiguous(&area(0, top, width, rest), field)?;
    let label = format!("hue by lightness, {}", geometry.format());
    text(
        canvas,
        &label,
        Point::new(8, top + 6),
        size,
        INK,
        Alignment::Left,
    )
}

/// A pure colour; 1530 is once around the circle.
fn hue(at: i32) -> [i32; 3] {
    let rise = at % 255;
    match at / 255 {
        0 => [255, rise, 0],
        1 => [255 - rise, 255, 0],
        2 => [0, 255, rise],
        3 => [0, 255 - rise, 255],
        4 => [rise, 0, 255],
        _ => [255, 0, 255 - rise],
    }
}
