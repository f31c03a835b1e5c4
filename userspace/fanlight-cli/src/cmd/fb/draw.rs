// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drawing for the patterns: text of any size, boxes, the picture of a fanlight.

use embedded_graphics::geometry::AngleUnit;
use embedded_graphics::mono_font::ascii::{FONT_10X20, FONT_6X10, FONT_8X13};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{
    Circle, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, Sector,
};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use embedded_graphics::Pixel;
use fanlight::{AccessError, Canvas};

/// The result of drawing, which fails only if the device is gone.
pub type DrawResult = Result<(), AccessError>;

pub const INK: Rgb888 = Rgb888::new(0xf4, 0xf1, 0xe8);
pub const DIM: Rgb888 = Rgb888::new(0x9a, 0xa4, 0xb4);
pub const NIGHT: Rgb888 = Rgb888::new(0x12, 0x18, 0x26);
pub const AMBER: Rgb888 = Rgb888::new(0xff, 0xb8, 0x38);

/// A font, and the factor by which its pixels are magnified.
#[derive(Clone, Copy)]
pub struct TextSize {
    font: &'static MonoFont<'static>,
    factor: u32,
}

/// The size of text whose lines are at most `height` pixels high.
pub fn text_size(height: i32) -> TextSize {
    match u32::try_from(height).unwrap_or(0) {
        0..13 => TextSize {
            font: &FONT_6X10,
            factor: 1,
        },
        13..20 => TextSize {
            font: &FONT_8X13,
            factor: 1,
        },
        height => TextSize {
            font: &FONT_10X20,
            factor: height / 20,
        },
    }
}

impl TextSize {
    pub fn width(self, text: &str) -> i32 {
        (self.font.character_size.width * self.factor) as i32 * text.chars().count() as i32
    }

    pub fn height(self) -> i32 {
        (self.font.character_size.height * self.factor) as i32
    }

    /// The largest size up to this one in which the text is at most `width` pixels wide, if any.
    pub fn fitting(self, text: &str, width: i32) -> Option<TextSize> {
        let smaller = (1..=self.height()).rev().map(text_size);
        std::iter::once(self)
            .chain(smaller)
            .find(|size| size.width(text) <= width)
    }
}

/// Draws text with its top at `at`; `alignment` selects the side of the text that is there.
pub fn text(
    canvas: &mut Canvas,
    text: &str,
    at: Point,
    size: TextSize,
    colour: Rgb888,
    alignment: Alignment,
) -> DrawResult {
    let style = TextStyleBuilder::new()
        .alignment(alignment)
        .baseline(Baseline::Top)
        .build();
    let mut target = Magnified {
        canvas,
        origin: at,
        factor: size.factor,
    };
    Text::with_text_style(
        text,
        Point::zero(),
        MonoTextStyle::new(size.font, colour),
        style,
    )
    .draw(&mut target)?;
    Ok(())
}

/// Draws text in the middle of an area, in a smaller size if necessary. Draws nothing if no size
/// fits.
pub fn text_in(
    canvas: &mut Canvas,
    string: &str,
    area: Rectangle,
    size: TextSize,
    colour: Rgb888,
) -> DrawResult {
    match size.fitting(string, area.size.width as i32 - 4) {
        Some(size) if size.height() <= area.size.height as i32 => {
            let middle = area.top_left
                + Point::new(
                    area.size.width as i32 / 2,
                    (area.size.height as i32 - size.height()) / 2,
                );
            text(canvas, string, middle, size, colour, Alignment::Center)
        }
        _ => Ok(()),
    }
}

/// Repeats each pixel `factor` times in both directions.
struct Magnified<'a> {
    canvas: &'a mut Canvas,
    origin: Point,
    factor: u32,
}

impl Dimensions for Magnified<'_> {
    fn bounding_box(&self) -> Rectangle {
        // Large enough for all text; pixels outside the canvas are not drawn.
        Rectangle::new(Point::new(-0x4000, -0x4000), Size::new(0x8000, 0x8000))
    }
}

impl DrawTarget for Magnified<'_> {
    type Color = Rgb888;
    type Error = AccessError;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> DrawResult {
        for Pixel(point, colour) in pixels {
            let dot = Rectangle::new(
                self.origin + point * self.factor as i32,
                Size::new_equal(self.factor),
            );
            self.canvas.fill_solid(&dot, colour)?;
        }
        Ok(())
    }
}

pub fn area(x: i32, y: i32, width: i32, height: i32) -> Rectangle {
    Rectangle::new(
        Point::new(x, y),
        Size::new(width.max(0) as u32, height.max(0) as u32),
    )
}

/// Splits an area into `count` columns without gaps.
pub fn columns(whole: Rectangle, count: i32) -> impl Iterator<Item = Rectangle> {
    let width = whole.size.width as i32;
    (0..count).map(move |i| {
        let (left, right) = (width * i / count, width * (i + 1) / count);
        area(
            whole.top_left.x + left,
            whole.top_left.y,
            right - left,
            whole.size.height as i32,
        )
    })
}

/// Black or white, whichever has more contrast to a colour.
pub fn contrast(colour: Rgb888) -> Rgb888 {
    let light = u32::from(colour.r()) * 3 + u32::from(colour.g()) * 6 + u32::from(colour.b());
    if light > 1275 {
        Rgb888::BLACK
    } else {
        Rgb888::WHITE
    }
}

/// The window over a door: half a disc of panes. `foot` is the middle of its lower edge.
pub fn fanlight(canvas: &mut Canvas, foot: Point, radius: i32) -> DrawResult {
    const PANES: [Rgb888; 5] = [
        Rgb888::new(0xff, 0xe2, 0x9a),
        Rgb888::new(0xff, 0xcf, 0x6b),
        Rgb888::new(0xff, 0xbc, 0x42),
        Rgb888::new(0xf7, 0xa1, 0x2d),
        Rgb888::new(0xe8, 0x84, 0x1f),
    ];
    if radius < 8 {
        return Ok(());
    }
    let bar = (radius / 24).max(1) as u32;
    let side = (radius * 2) as u32;
    for (i, colour) in (0u8..).zip(PANES) {
        let style = PrimitiveStyleBuilder::new()
            .fill_color(colour)
            .stroke_color(NIGHT)
            .stroke_width(bar)
            .build();
        let start = (180.0 + 36.0 * f32::from(i)).deg();
        Sector::with_center(foot, side, start, 36.0.deg())
            .into_styled(style)
            .draw(canvas)?;
    }
    let hub = Sector::with_center(foot, side / 3, 180.0.deg(), 180.0.deg());
    hub.into_styled(
        PrimitiveStyleBuilder::new()
            .fill_color(INK)
            .stroke_color(NIGHT)
            .stroke_width(bar)
            .build(),
    )
    .draw(canvas)?;
    // The sill.
    let sill = area(
        foot.x - radius - bar as i32,
        foot.y,
        radius * 2 + 2 * bar as i32,
        (bar * 2) as i32,
    );
    canvas.fill_solid(&sill, INK)
}

pub fn ring(canvas: &mut Canvas, centre: Point, diameter: i32, colour: Rgb888) -> DrawResult {
    Circle::with_center(centre, diameter.max(0) as u32)
        .into_styled(PrimitiveStyle::with_stroke(colour, 1))
        .draw(canvas)
}
