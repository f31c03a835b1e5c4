// SPDX-License-Identifier: MIT OR Apache-2.0
//! Test pictures. Each is drawn from the geometry and the facts alone, so that drawing it twice gives the same pixels.

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::Alignment;
use fanlight::Canvas;

use super::draw::{area, columns, fanlight, on, ring, text, text_in, text_size, Drawn, AMBER, DIM, INK, NIGHT};

/// What a pattern tells about the machine.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The board's name.
    pub board: String,
    /// Lines of a name and a value.
    pub lines: Vec<(&'static str, String)>,
}

/// The patterns, the first of which is the default.
pub const NAMES: &[&str] = &["bars", "grid", "gradient", "text"];

/// Draws the pattern of that name, which is one of [`NAMES`].
pub fn draw(name: &str, canvas: &mut Canvas, facts: &Facts) -> Drawn {
    match name {
        "grid" => grid(canvas),
        "gradient" => gradient(canvas),
        "text" => page(canvas, facts),
        _ => bars(canvas, facts),
    }
}

/// Colours at full strength, grey steps, and which screen this is.
fn bars(canvas: &mut Canvas, facts: &Facts) -> Drawn {
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
        let below = |n: i32| area(bar.top_left.x, bars - line * n - line / 2, bar.size.width as i32, line);
        text_in(canvas, name, below(2), label, on(colour))?;
        let value = format!("{:02x}{:02x}{:02x}", colour.r(), colour.g(), colour.b());
        text_in(canvas, &value, below(1), label, on(colour))?;
    }
    for (i, step) in (0..).zip(columns(area(0, bars, width, greys), 11)) {
        let shade = (255 * i / 10) as u8;
        canvas.fill_solid(&step, Rgb888::new(shade, shade, shade))?;
        text_in(canvas, &format!("{}%", i * 10), step, label, on(Rgb888::new(shade, shade, shade)))?;
    }

    // The rest tells which screen this is.
    let foot = area(0, bars + greys, width, height - bars - greys);
    let radius = (foot.size.height as i32 * 62 / 100).min(width / 8);
    let base = foot.top_left.y + foot.size.height as i32 * 78 / 100;
    let margin = radius / 3 + 4;
    fanlight(canvas, Point::new(margin + radius, base), radius)?;
    let left = margin * 2 + radius * 2;
    let ramps = area(width * 60 / 100, base - radius, width * 40 / 100 - margin, radius + radius / 12);
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
            text(canvas, &string, Point::new(left, y), size, colour, Alignment::Left)?;
            y += size.height() * 5 / 4;
        }
    }
    // One ramp of each colour: a picture that is shown with too few bits has bands here.
    let rows = RAMPS.len() as i32;
    let tall = ramps.size.height as i32;
    for (i, (_, part)) in (0..).zip(RAMPS) {
        let (top, bottom) = (tall * i / rows, tall * (i + 1) / rows - 2);
        ramp(canvas, area(ramps.top_left.x, ramps.top_left.y + top, ramps.size.width as i32, bottom - top), part)?;
    }
    Ok(())
}

/// Colours, and how much of red, green and blue is in them.
const RAMPS: [(&str, [i32; 3]); 4] =
    [("red", [1, 0, 0]), ("green", [0, 1, 0]), ("blue", [0, 0, 1]), ("grey", [1, 1, 1])];

/// From black on the left to the full colour on the right.
fn ramp(canvas: &mut Canvas, area: Rectangle, part: [i32; 3]) -> Drawn {
    let (width, height) = (area.size.width as i32, area.size.height as i32);
    let line = (0..width).map(|x| shade(part, x * 255 / (width - 1).max(1)));
    canvas.fill_contiguous(&area, (0..height).flat_map(|_| line.clone()))
}

fn shade(part: [i32; 3], value: i32) -> Rgb888 {
    let [r, g, b] = part.map(|part| (part * value) as u8);
    Rgb888::new(r, g, b)
}

/// One-pixel lines, a circle, and marks in the corners: is every pixel there, square, and in its place?
fn grid(canvas: &mut Canvas) -> Drawn {
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
    Line::new(Point::zero(), Point::new(right, bottom)).into_styled(thin).draw(canvas)?;
    Line::new(Point::new(right, 0), Point::new(0, bottom)).into_styled(thin).draw(canvas)?;

    // The circle is round if pixels are square; the small ones show the corners.
    let side = width.min(height);
    ring(canvas, centre, side - 2, AMBER)?;
    ring(canvas, centre, side / 2, AMBER)?;
    let small = side / 5;
    for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let inset = small / 2 + 8;
        let at = Point::new(if x == 0 { inset } else { right - inset }, if y == 0 { inset } else { bottom - inset });
        ring(canvas, at, small, DIM)?;
    }
    // The outermost pixels, and a line of alternating ones that a scaled screen would smear.
    Rectangle::new(Point::zero(), canvas.geometry().area().size)
        .into_styled(PrimitiveStyle::with_stroke(INK, 1))
        .draw(canvas)?;
    let (comb, tall) = (side / 4, side / 20);
    let (left, first, second) = (centre.x - comb / 2, centre.y + side / 20, centre.y + side / 20 + tall + 4);
    for x in (0..comb).step_by(2) {
        canvas.fill_solid(&area(left + x, first, 1, tall), INK)?;
    }
    for y in (0..tall).step_by(2) {
        canvas.fill_solid(&area(left, second + y, comb, 1), INK)?;
    }
    corners(canvas, right, bottom)?;

    // Inside of the inner circle.
    let label = geometry.to_string();
    if let Some(size) = text_size(height / 20).fitting(&label, side * 2 / 5 - 16) {
        let wide = size.width(&label) + 16;
        let plate = area(centre.x - wide / 2, centre.y - side / 9 - size.height() / 2, wide, size.height() + 8);
        canvas.fill_solid(&plate, NIGHT)?;
        text_in(canvas, &label, plate, size, INK)?;
    }
    Ok(())
}

/// White angles in the corners, with their coordinates.
fn corners(canvas: &mut Canvas, right: i32, bottom: i32) -> Drawn {
    let arm = (right.min(bottom) / 12).max(1);
    let size = text_size(right.min(bottom) / 30);
    for (x, y) in [(0, 0), (right, 0), (0, bottom), (right, bottom)] {
        let (left, top) = (x == 0, y == 0);
        canvas.fill_solid(&area(if left { 0 } else { x - arm + 1 }, if top { 0 } else { y - 2 }, arm, 3), Rgb888::WHITE)?;
        canvas.fill_solid(&area(if left { 0 } else { x - 2 }, if top { 0 } else { y - arm + 1 }, 3, arm), Rgb888::WHITE)?;
        let alignment = if left { Alignment::Left } else { Alignment::Right };
        let at = Point::new(if left { 8 } else { x - 8 }, if top { 8 } else { y - 8 - size.height() });
        text(canvas, &format!("{x},{y}"), at, size, INK, alignment)?;
    }
    Ok(())
}

/// Ramps of each colour, smooth and in steps; where a format has fewer bits, the smooth one has bands too.
fn gradient(canvas: &mut Canvas) -> Drawn {
    let geometry = canvas.geometry();
    let (width, height) = (geometry.width() as i32, geometry.height() as i32);
    let size = text_size(height / 30);
    let band = height * 15 / 100;
    canvas.clear(NIGHT)?;

    for (i, (name, part)) in (0..).zip(RAMPS) {
        let top = i * band;
        // Two thirds smooth, one third in as many steps as a colour of five bits has.
        let smooth = band * 2 / 3;
        ramp(canvas, area(0, top, width, smooth), part)?;
        for (step, column) in (0..).zip(columns(area(0, top + smooth, width, band - smooth - 2), 32)) {
            canvas.fill_solid(&column, shade(part, step * 255 / 31))?;
        }
        text(canvas, name, Point::new(8, top + 6), size, INK, Alignment::Left)?;
    }

    // All hues, from black over full to white.
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
    text(canvas, &label, Point::new(8, top + 6), size, INK, Alignment::Left)
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

/// A page of text: what machine this is, and how the fonts look.
fn page(canvas: &mut Canvas, facts: &Facts) -> Drawn {
    const PANGRAM: &str = "The quick brown fox jumps over the lazy dog 0123456789";
    let geometry = canvas.geometry();
    let (width, height) = (geometry.width() as i32, geometry.height() as i32);
    canvas.clear(NIGHT)?;

    let margin = width / 24;
    let radius = (height / 6).min(width / 7);
    fanlight(canvas, Point::new(width - margin - radius, margin + radius), radius)?;
    let title = text_size(height / 8);
    let room = width - 3 * margin - 2 * radius;
    let mut y = margin;
    if let Some(title) = title.fitting("fanlight", room) {
        text(canvas, "fanlight", Point::new(margin, y), title, AMBER, Alignment::Left)?;
        y += title.height();
    }
    let size = text_size(height / 26);
    if let Some(size) = size.fitting(&facts.board, room) {
        text(canvas, &facts.board, Point::new(margin, y), size, INK, Alignment::Left)?;
    }
    y = (y + size.height() * 2).max(margin + radius + radius / 3);

    let indent = size.width("geometry") + size.width("  ");
    for (name, value) in &facts.lines {
        text(canvas, name, Point::new(margin, y), size, DIM, Alignment::Left)?;
        if let Some(size) = size.fitting(value, width - 2 * margin - indent) {
            text(canvas, value, Point::new(margin + indent, y), size, INK, Alignment::Left)?;
        }
        y += size.height() * 6 / 5;
    }
    y += size.height();
    for height in [10, 13, 20, 40] {
        let size = text_size(height);
        // As much of it as there is room for.
        let fits = ((width - 2 * margin) / size.width("x").max(1)).max(0) as usize;
        let line = PANGRAM.get(..fits.min(PANGRAM.len())).unwrap_or("");
        if y + size.height() <= canvas.geometry().height() as i32 - margin / 2 {
            text(canvas, line, Point::new(margin, y), size, INK, Alignment::Left)?;
        }
        y += size.height() * 5 / 4;
    }
    let foot = text_size(height / 30);
    let line = "board memory and the kernel's log, mapped";
    if y + foot.height() < height - margin / 2 && foot.width(line) < width - 2 * margin {
        text(canvas, line, Point::new(margin, height - margin / 2 - foot.height()), foot, DIM, Alignment::Left)?;
    }
    Ok(())
}

#[cfg(all(test, feature = "png"))]
mod tests {
    use fanlight::{Geometry, Picture, PixelFormat};

    use super::*;

    fn facts() -> Facts {
        Facts {
            board: "linux,dummy-virt".into(),
            lines: vec![
                ("node", "/dev/fanlight0/fb".into()),
                ("geometry", "1024x600 4096 x8r8g8b8".into()),
                ("memory", "2.3M, carveout, writecombine".into()),
                ("scanout", "ramfb".into()),
                ("kernel", "Linux 7.2.0-fanlight armv7l".into()),
                ("driver", "ABI 1".into()),
                ("tool", "fanlight 0.1.0".into()),
            ],
        }
    }

    fn drawn(name: &str, geometry: Geometry) -> Picture {
        let mut canvas = Canvas::in_memory(geometry);
        draw(name, &mut canvas, &facts()).unwrap();
        Picture::new(geometry.width(), geometry.height(), canvas.to_rgb().unwrap()).unwrap()
    }

    /// The screen is what it was, pixel for pixel. FANLIGHT_BLESS=1 makes the pictures anew; look at them then.
    #[test]
    fn fb_patterns_are_the_golden_ones() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        for (width, height, format) in [(320, 200, PixelFormat::X8R8G8B8), (240, 136, PixelFormat::R5G6B5)] {
            for name in NAMES {
                let picture = drawn(name, Geometry::packed(width, height, format).unwrap());
                let path = directory.join(format!("{name}-{format}.png"));
                if std::env::var_os("FANLIGHT_BLESS").is_some() {
                    picture.save(&path).unwrap();
                }
                assert!(Picture::load(&path, |_, _| ()).unwrap() == picture, "{} differs", path.display());
            }
        }
    }

    /// The same picture in every format that loses nothing, and whatever the stride is.
    #[test]
    fn fb_patterns_do_not_depend_on_the_format() {
        let reference = drawn("bars", Geometry::packed(200, 120, PixelFormat::X8R8G8B8).unwrap());
        for format in [PixelFormat::A8R8G8B8, PixelFormat::X8B8G8R8, PixelFormat::R8G8B8] {
            let geometry = Geometry::new(200, 120, 200 * format.bytes() as u32 + 7, format).unwrap();
            let mut canvas = Canvas::in_memory(geometry);
            // The same words on it: they are in the facts.
            let facts = Facts { board: facts().board, lines: facts().lines };
            draw("gradient", &mut canvas, &facts).unwrap();
            canvas.clear(NIGHT).unwrap();
            draw("bars", &mut canvas, &facts).unwrap();
            let rgb = canvas.to_rgb().unwrap();
            let bars = 120 * 58 / 100 * 200 * 3;
            assert!(rgb[..bars] == reference.rgb()[..bars], "{format}");
        }
    }

    /// However small or odd the screen is: no panic.
    #[test]
    fn fb_patterns_fit_every_screen() {
        for (width, height) in [(1, 1), (2, 3), (7, 300), (300, 7), (64, 64), (129, 77), (480, 272)] {
            for name in NAMES {
                drawn(name, Geometry::packed(width, height, PixelFormat::R5G6B5).unwrap());
            }
        }
    }

    /// Makes the pictures in the sizes of real screens, for a person to look at: FANLIGHT_PICTURES says where.
    #[test]
    #[ignore = "for a person to look at"]
    fn fb_patterns_to_look_at() {
        let directory = std::path::PathBuf::from(std::env::var_os("FANLIGHT_PICTURES").unwrap());
        for (width, height, format) in
            [(1024, 600, PixelFormat::X8R8G8B8), (800, 480, PixelFormat::R5G6B5), (320, 240, PixelFormat::R5G6B5)]
        {
            for name in NAMES {
                let picture = drawn(name, Geometry::packed(width, height, format).unwrap());
                picture.save(&directory.join(format!("{name}-{width}x{height}.png"))).unwrap();
            }
        }
    }
}
