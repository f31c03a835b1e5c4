// SPDX-License-Identifier: MIT OR Apache-2.0
//! A picture of boxes, lines and text, as SVG and as PNG.

use std::fmt::Write;

use embedded_graphics::mono_font::iso_8859_1::FONT_6X10;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};

use crate::Error;

pub type Colour = [u8; 3];
/// Width and height of a letter.
pub const LETTER: (i32, i32) = (6, 10);

enum Shape {
    Box {
        at: (i32, i32),
        size: (i32, i32),
        colour: Colour,
    },
    Line {
        from: (i32, i32),
        to: (i32, i32),
        colour: Colour,
    },
    Text {
        at: (i32, i32),
        text: String,
        colour: Colour,
    },
}

pub struct Picture {
    size: (i32, i32),
    shapes: Vec<Shape>,
}

impl Picture {
    pub fn new(width: i32, height: i32) -> Self {
        Self {
            size: (width, height),
            shapes: Vec::new(),
        }
    }

    pub fn rectangle(&mut self, at: (i32, i32), size: (i32, i32), colour: Colour) {
        self.shapes.push(Shape::Box { at, size, colour });
    }

    pub fn line(&mut self, from: (i32, i32), to: (i32, i32), colour: Colour) {
        self.shapes.push(Shape::Line { from, to, colour });
    }

    /// Text with its upper left corner there.
    pub fn text(&mut self, at: (i32, i32), text: impl Into<String>, colour: Colour) {
        self.shapes.push(Shape::Text {
            at,
            text: text.into(),
            colour,
        });
    }

    pub fn svg(&self) -> String {
        let (width, height) = self.size;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" font-size=\"10\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        );
        let hex = |[r, g, b]: Colour| format!("#{r:02x}{g:02x}{b:02x}");
        for shape in &self.shapes {
            let _ = match shape {
                Shape::Box {
                    at: (x, y),
                    size: (w, h),
                    colour,
                } => {
                    writeln!(
                        svg,
                        "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{}\"/>",
                        hex(*colour)
                    )
                }
                Shape::Line {
                    from: (x1, y1),
                    to: (x2, y2),
                    colour,
                } => {
                    let colour = hex(*colour);
                    writeln!(
                        svg,
                        "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" \
                         stroke=\"{colour}\" stroke-width=\"1.5\"/>"
                    )
                }
                Shape::Text {
                    at: (x, y),
                    text,
                    colour,
                } => {
                    let text = text.replace('&', "&amp;").replace('<', "&lt;");
                    let width = text.chars().count() as i32 * LETTER.0;
                    let y = y + LETTER.1 - 2;
                    writeln!(
                        svg,
                        "<text x=\"{x}\" y=\"{y}\" textLength=\"{width}\" \
                         fill=\"{}\">{text}</text>",
                        hex(*colour)
                    )
                }
            };
        }
        svg.push_str("</svg>\n");
        svg
    }

    pub fn png(&self) -> Result<Vec<u8>, Error> {
        let mut pixels = Pixels {
            size: self.size,
            bytes: vec![0xff; (self.size.0 * self.size.1 * 3) as usize],
        };
        let rgb = |[r, g, b]: Colour| Rgb888::new(r, g, b);
        for shape in &self.shapes {
            let Ok(()) = match shape {
                Shape::Box { at, size, colour } => Rectangle::new(
                    Point::from(*at),
                    Size::new(size.0.max(0) as u32, size.1.max(0) as u32),
                )
                .into_styled(PrimitiveStyle::with_fill(rgb(*colour)))
                .draw(&mut pixels),
                Shape::Line { from, to, colour } => Line::new(Point::from(*from), Point::from(*to))
                    .into_styled(PrimitiveStyle::with_stroke(rgb(*colour), 1))
                    .draw(&mut pixels),
                Shape::Text { at, text, colour } => {
                    let style = MonoTextStyle::new(&FONT_6X10, rgb(*colour));
                    Text::with_baseline(text, Point::from(*at), style, Baseline::Top)
                        .draw(&mut pixels)
                        .map(drop)
                }
            };
        }
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.size.0 as u32, self.size.1 as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&pixels.bytes)?;
        Ok(out)
    }
}

struct Pixels {
    size: (i32, i32),
    bytes: Vec<u8>,
}

impl OriginDimensions for Pixels {
    fn size(&self) -> Size {
        Size::new(self.size.0 as u32, self.size.1 as u32)
    }
}

impl DrawTarget for Pixels {
    type Color = Rgb888;
    type Error = core::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Self::Error> {
        for Pixel(point, colour) in pixels {
            if (0..self.size.0).contains(&point.x) && (0..self.size.1).contains(&point.y) {
                let at = ((point.y * self.size.0 + point.x) * 3) as usize;
                self.bytes[at..at + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}
