// SPDX-License-Identifier: MIT OR Apache-2.0
//! A page of text.

use embedded_graphics::prelude::*;
use embedded_graphics::text::Alignment;
use fanlight::Canvas;

use super::super::draw::{fanlight, text, text_size, DrawResult, AMBER, DIM, INK, NIGHT};
use super::Facts;

/// Samples for a font: the first one that fits is used, so that no word is cut.
const SAMPLES: [&str; 5] = [
    "The quick brown fox jumps over the lazy dog 0123456789",
    "The quick brown fox jumps over the lazy dog",
    "The quick brown fox 0123456789",
    "The quick brown fox",
    "Fox 0123",
];

/// A page of text: facts about the machine, and samples of the fonts.
pub fn page(canvas: &mut Canvas, facts: &Facts) -> DrawResult {
    let geometry = canvas.geometry();
    let (width, height) = (geometry.width() as i32, geometry.height() as i32);
    canvas.clear(NIGHT)?;

    let margin = width / 24;
    let radius = (height / 6).min(width / 7);
    fanlight(
        canvas,
        Point::new(width - margin - radius, margin + radius),
        radius,
    )?;
    let title = text_size(height / 8);
    let room = width - 3 * margin - 2 * radius;
    let mut y = margin;
    if let Some(title) = title.fitting("fanlight", room) {
        text(
            canvas,
            "fanlight",
            Point::new(margin, y),
            title,
            AMBER,
            Alignment::Left,
        )?;
        y += title.height();
    }
    let size = text_size(height / 26);
    if let Some(size) = size.fitting(&facts.board, room) {
        text(
            canvas,
            &facts.board,
            Point::new(margin, y),
            size,
            INK,
            Alignment::Left,
        )?;
    }
    y = (y + size.height() * 2).max(margin + radius + radius / 3);

    let indent = size.width("geometry") + size.width("  ");
    for (name, value) in &facts.lines {
        text(
            canvas,
            name,
            Point::new(margin, y),
            size,
            DIM,
            Alignment::Left,
        )?;
        if let Some(size) = size.fitting(value, width - 2 * margin - indent) {
            text(
                canvas,
                value,
                Point::new(margin + indent, y),
                size,
                INK,
                Alignment::Left,
            )?;
        }
        y += size.height() * 6 / 5;
    }
    y += size.height();
    for height in [10, 13, 20, 40] {
        let size = text_size(height);
        let fits = |line: &&&str| size.width(line) <= width - 2 * margin;
        let line = SAMPLES.iter().find(fits).copied().unwrap_or_default();
        if y + size.height() <= canvas.geometry().height() as i32 - margin / 2 {
            text(
                canvas,
                line,
                Point::new(margin, y),
                size,
                INK,
                Alignment::Left,
            )?;
        }
        y += size.height() * 5 / 4;
    }
    let foot = text_size(height / 30);
    let line = "board memory and the kernel's log, mapped";
    if y + foot.height() < height - margin / 2 && foot.width(line) < width - 2 * margin {
        text(
            canvas,
            line,
            Point::new(margin, height - margin / 2 - foot.height()),
            foot,
            DIM,
            Alignment::Left,
        )?;
    }
    Ok(())
}
