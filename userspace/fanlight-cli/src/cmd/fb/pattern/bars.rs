// SPDX-License-Identifier: MIT OR Apache-2.0
//! Colour bars, grey steps, ramps, and the name of the screen.

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::Alignment;
use fanlight::Canvas;

use super::super::draw::{
    area, columns, contrast, fanlight, text, text_in, text_size, DrawResult, AMBER, DIM, INK, NIGHT,
};
use super::Facts;

/// Colours at full strength, grey steps, and the name of the screen.
pub fn bars(canvas: &mut Canvas, facts: &Facts) -> DrawResult {
    const BARS: [(&str, Rgb888); 8] = [
        ("white", Rgb888::new(255, 255, 255)),
        ("yellow", Rgb888::new(255, 255, 0)),
        ("cyan", Rgb888::new(0, 255, 255)),
        ("green", Rgb888::new(0, 255, 0)),
        ("magenta", Rgb888::new(255, 0, 255)),
        ("red", Rgb888::new(255, 0, 0)),
        ("blue", Rgb888::new(0, 0, 255)),
        ("black", Rgb888::new(0, 0, 0)),
    ];
    let geometry = canvas.geometry();
    let (width, height) = (geometry.width() as i32, geometry.height() as i32);
    let (bars, greys) = (height * 58 / 100, height * 14 / 100);
    let label = text_size(height / 26);

    canvas.clear(NIGHT)?;
    for (bar, (name, colour)) in columns(area(0, 0, width, bars), 8).zip(BARS) {
        canvas.fill_solid(&bar, colour)?;
        let line = label.height() + 2;
        let below = |n: i32| {
            area(
                bar.top_left.x,
                bars - line * n - line / 2,
                bar.size.width as i32,
                line,
            )
        };
        text_in(canvas, name, below(2), label, contrast(colour))?;
        let value = format!("{:02x}{:02x}{:02x}", colour.r(), colour.g(), colour.b());
        text_in(canvas, &value, below(1), label, contrast(colour))?;
    }
    for (i, step) in (0..).zip(columns(area(0, bars, width, greys), 11)) {
        let shade = (255 * i / 10) as u8;
        canvas.fill_solid(&step, Rgb888::new(shade, shade, shade))?;
        text_in(
            canvas,
            &format!("{}%", i * 10),
            step,
            label,
            contrast(Rgb888::new(shade, shade, shade)),
        )?;
    }

    // The rest has the name of the screen.
    let foot = area(0, bars + greys, width, height - bars - greys);
    let radius = (foot.size.height as i32 * 62 / 100).min(width / 8);
    let base = foot.top_left.y + foot.size.height as i32 * 78 / 100;
    let margin = radius / 3 + 4;
    fanlight(canvas, Point::new(margin + radius, base), radius)?;
    let left = margin * 2 + radius * 2;
    let ramps = area(
        width * 60 / 100,
        base - radius,
        width * 40 / 100 - margin,
        radius + radius / 12,
    );
    let room = ramps.top_left.x - left - margin / 2;
    let title = text_size(height / 11);
    let line = text_size(height / 28);
    let mut y = base - radius;
    for (string, size, colour) in [
        ("fanlight".to_owned(), title, AMBER),
        (facts.board.clone(), line, INK),
        (geometry.to_string(), line, DIM),
    ] {
        if let Some(size) = size.fitting(&string, room) {
            text(
                canvas,
                &string,
                Point::new(left, y),
                size,
                colour,
                Alignment::Left,
            )?;
            y += size.height() * 5 / 4;
        }
    }
    // One ramp per colour: a display with too few bits shows bands here.
    let rows = RAMPS.len() as i32;
    let tall = ramps.size.height as i32;
    for (i, (_, part)) in (0..).zip(RAMPS) {
        let (top, bottom) = (tall * i / rows, tall * (i + 1) / rows - 2);
        ramp(
            canvas,
            area(
                ramps.top_left.x,
                ramps.top_left.y + top,
                ramps.size.width as i32,
                bottom - top,
            ),
            part,
        )?;
    }
    Ok(())
}

/// Colours, and their parts of red, green and blue.
pub const RAMPS: [(&str, [i32; 3]); 4] = [
    ("red", [1, 0, 0]),
    ("green", [0, 1, 0]),
    ("blue", [0, 0, 1]),
    ("grey", [1, 1, 1]),
];

/// From black on the left to the full colour on the right.
pub fn ramp(canvas: &mut Canvas, area: Rectangle, part: [i32; 3]) -> DrawResult {
    let (width, height) = (area.size.width as i32, area.size.height as i32);
    let line = (0..width).map(|x| shade(part, x * 255 / (width - 1).max(1)));
    canvas.fill_contiguous(&area, (0..height).flat_map(|_| line.clone()))
}

pub fn shade(part: [i32; 3], value: i32) -> Rgb888 {
    let [r, g, b] = part.map(|part| (part * value) as u8);
    Rgb888::new(r, g, b)
}
