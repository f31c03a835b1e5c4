// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight fb show`: shows a PNG file, scaled as requested.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use fanlight::{Canvas, Picture};

use super::draw::DrawResult;
use super::{colour, redraw, Run, Texts};
use crate::error::{Error, Result};
use crate::number::{self, ONE};
use crate::progress::Progress;
use crate::target::Target;

/// How a picture is scaled.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// Original size, but no larger than the screen.
    Natural,
    /// The largest size that fits.
    Fit,
    /// Original size; the parts that do not fit are cut off.
    Center,
    /// By a factor in billionths.
    By(u64),
}

#[derive(Args)]
pub struct Show {
    /// The picture; - is standard input
    #[arg(value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Scale the picture to the largest size that fits
    #[arg(short, long)]
    fit: bool,
    /// Keep the original size, and cut off the parts that do not fit
    #[arg(short, long)]
    center: bool,
    /// Scale the picture by N, such as 2 or 0.5
    #[arg(short, long, value_name = "N")]
    scale: Option<String>,
    /// The background colour, also of transparent pixels; the default is black
    #[arg(short, long, value_name = "COLOUR")]
    background: Option<String>,
}

impl Show {
    fn scale(&self) -> Result<Scale> {
        match (self.fit, self.center, self.scale.as_deref()) {
            (false, false, None) => Ok(Scale::Natural),
            (true, false, None) => Ok(Scale::Fit),
            (false, true, None) => Ok(Scale::Center),
            (false, false, Some(text)) => match number::decimal(text) {
                Some(factor) if (1..=1000 * ONE).contains(&factor) => Ok(Scale::By(factor)),
                _ => Err(Error::Usage(
                    "--scale takes a number above 0, up to 1000".into(),
                )),
            },
            _ => Err(Error::Usage(
                "--fit, --center and --scale exclude each other".into(),
            )),
        }
    }

    fn load(&self, background: Rgb888) -> Result<Picture> {
        let background = [background.r(), background.g(), background.b()];
        let mut progress = Progress::new("reading the picture");
        let progress = |done, all| progress.at(done, all);
        if self.file != Path::new("-") {
            return Ok(Picture::load_over(&self.file, background, progress)?);
        }
        let picture = Picture::decode_over(io::stdin().lock(), background, progress);
        picture.map_err(|error| Error::message(format!("standard input: {error}")))
    }
}

impl Run for Show {
    const NAME: &'static str = "show";
    const SUMMARY: &'static str = "Show a PNG file";
    const TEXTS: Texts = Texts {
        about: &["By default the picture has its original size, or the largest size that fits."],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let scale = self.scale()?;
        let background = colour::parse(self.background.as_deref().unwrap_or("black"))?;
        let picture = self.load(background)?;
        let mut screen = target.open_framebuffer()?;
        redraw(&mut screen, |canvas| {
            canvas.clear(background)?;
            draw(canvas, &picture, scale)
        })
    }
}

/// Draws the picture in the middle of the canvas.
fn draw(canvas: &mut Canvas, picture: &Picture, scale: Scale) -> DrawResult {
    let screen = canvas.geometry().area();
    let full = size(picture, screen.size, scale);
    let at = Point::new(
        (i64::from(screen.size.width) - i64::from(full.width)).div_euclid(2) as i32,
        (i64::from(screen.size.height) - i64::from(full.height)).div_euclid(2) as i32,
    );
    let visible = Rectangle::new(at, full).intersection(&screen);
    let skip = visible.top_left - at;
    let scaler = Scaler {
        picture,
        columns: weights(
            picture.width(),
            full.width,
            skip.x as u32,
            visible.size.width,
        ),
        rows: weights(
            picture.height(),
            full.height,
            skip.y as u32,
            visible.size.height,
        ),
    };
    let mut y = visible.top_left.y;
    let mut result = Ok(());
    scaler.lines(|line| {
        if result.is_ok() {
            result = canvas.blit_rgb(Point::new(visible.top_left.x, y), visible.size.width, line);
        }
        y += 1;
    });
    result
}

/// The size of the scaled picture.
fn size(picture: &Picture, screen: Size, scale: Scale) -> Size {
    let natural = Size::new(picture.width(), picture.height());
    let fit = || {
        // The side with less room decides.
        let (sw, sh) = (u64::from(screen.width), u64::from(screen.height));
        let (pw, ph) = (u64::from(natural.width), u64::from(natural.height));
        let round = |a: u64, b: u64| ((a + b / 2) / b).max(1) as u32;
        if sw * ph <= sh * pw {
            Size::new(screen.width, round(ph * sw, pw))
        } else {
            Size::new(round(pw * sh, ph), screen.height)
        }
    };
    match scale {
        Scale::Center => natural,
        Scale::Fit => fit(),
        Scale::Natural if natural.width <= screen.width && natural.height <= screen.height => {
            natural
        }
        Scale::Natural => fit(),
        Scale::By(factor) => {
            let by = |side: u32| {
                let scaled =
                    (u128::from(side) * u128::from(factor) + u128::from(ONE / 2)) / u128::from(ONE);
                scaled.clamp(1, 1_000_000_000) as u32
            };
            Size::new(by(natural.width), by(natural.height))
        }
    }
}

/// The source pixels that contribute to a pixel of the result, and their weights. The sum of the
/// weights is the side of the source, at most 65535, so that 255 times it fits in 32 bits.
type Weights = Vec<(u32, u32)>;

/// Weights of `count` pixels from `skip` on, if `from` pixels become `to`. The weight of a source
/// pixel is the area that it covers in the result's pixel: enlarging by an integer only repeats
/// pixels, and shrinking uses all of them.
fn weights(from: u32, to: u32, skip: u32, count: u32) -> Vec<Weights> {
    let (from, to) = (u64::from(from), u64::from(to));
    (u64::from(skip)..u64::from(skip) + u64::from(count))
        .map(|i| {
            // On a scale where a source pixel is `to` long and a pixel of the result is `from`
            // long.
            let (start, end) = (i * from, (i + 1) * from);
            (start / to..end.div_ceil(to))
                .map(|source| {
                    let overlap = end.min((source + 1) * to) - start.max(source * to);
                    (source as u32, overlap as u32)
                })
                .collect()
        })
        .collect()
}

struct Scaler<'a> {
    picture: &'a Picture,
    columns: Vec<Weights>,
    rows: Vec<Weights>,
}

impl Scaler<'_> {
    /// Calls `each` for each line of the result.
    fn lines(&self, mut each: impl FnMut(&[u8])) {
        let stride = self.picture.width() as usize * 3;
        let mut narrow = vec![0u8; self.columns.len() * 3];
        let mut held = None;
        let mut sums = vec![0u32; narrow.len()];
        let mut line = vec![0u8; narrow.len()];
        for row in &self.rows {
            let total: u32 = row.iter().map(|(_, weight)| *weight).sum();
            let alone = row.len() == 1;
            sums.fill(0);
            for (source, weight) in row {
                if held != Some(*source) {
                    let from = &self.picture.rgb()[*source as usize * stride..][..stride];
                    self.narrow(from, &mut narrow);
                    held = Some(*source);
                }
                if !alone {
                    let values = sums.iter_mut().zip(&narrow);
                    values.for_each(|(sum, value)| *sum += u32::from(*value) * weight);
                }
            }
            if alone {
                each(&narrow);
                continue;
            }
            for (value, sum) in line.iter_mut().zip(&sums) {
                *value = ((sum + total / 2) / total) as u8;
            }
            each(&line);
        }
    }

    /// Scales the width of one line of the source.
    fn narrow(&self, source: &[u8], into: &mut [u8]) {
        for (weights, pixel) in self.columns.iter().zip(into.chunks_exact_mut(3)) {
            if let [(x, _)] = weights.as_slice() {
                // The result's pixel is inside one source pixel, as always with an integer scale.
                pixel.copy_from_slice(&source[*x as usize * 3..][..3]);
                continue;
            }
            let mut sums = [0u32; 3];
            let mut total = 0;
            for (x, weight) in weights {
                let from = &source[*x as usize * 3..][..3];
                sums.iter_mut()
                    .zip(from)
                    .for_each(|(sum, value)| *sum += u32::from(*value) * weight);
                total += weight;
            }
            for (value, sum) in pixel.iter_mut().zip(sums) {
                *value = ((sum + total / 2) / total) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fanlight::{Geometry, PixelFormat};

    use super::*;

    fn drawn(picture: &Picture, width: u32, height: u32, scale: Scale) -> Vec<u8> {
        let mut canvas =
            Canvas::in_memory(Geometry::packed(width, height, PixelFormat::X8R8G8B8).unwrap());
        draw(&mut canvas, picture, scale).unwrap();
        // One component is enough for grey.
        canvas
            .to_rgb()
            .unwrap()
            .chunks_exact(3)
            .map(|pixel| pixel[0])
            .collect()
    }

    fn grey(width: u32, values: &[u8]) -> Picture {
        let rgb = values.iter().flat_map(|value| [*value; 3]).collect();
        Picture::new(width, values.len() as u32 / width, rgb).unwrap()
    }

    #[test]
    fn fb_show_repeats_pixels_when_the_scale_is_whole() {
        let picture = grey(2, &[10, 20]);
        assert_eq!(
            drawn(&picture, 6, 2, Scale::By(2 * ONE)),
            [0, 10, 10, 20, 20, 0, 0, 10, 10, 20, 20, 0]
        );
    }

    #[test]
    fn fb_show_averages_when_it_shrinks() {
        let picture = grey(4, &[0, 100, 50, 150]);
        assert_eq!(drawn(&picture, 2, 1, Scale::By(ONE / 2)), [50, 100]);
        assert_eq!(drawn(&picture, 2, 1, Scale::Natural), [50, 100]);
        // The middle pixel contributes to both pixels.
        assert_eq!(drawn(&grey(3, &[0, 90, 180]), 2, 1, Scale::Fit), [30, 150]);
    }

    #[test]
    fn fb_show_cuts_off_what_does_not_fit() {
        let picture = grey(5, &[1, 2, 3, 4, 5]);
        assert_eq!(drawn(&picture, 3, 1, Scale::Center), [2, 3, 4]);
        assert_eq!(drawn(&picture, 3, 1, Scale::By(1000 * ONE)), [3, 3, 3]);
    }

    #[test]
    fn fb_show_fits_the_tighter_side() {
        let picture = grey(4, &[7; 8]);
        assert_eq!(
            size(&picture, Size::new(100, 100), Scale::Fit),
            Size::new(100, 50)
        );
        assert_eq!(
            size(&picture, Size::new(100, 10), Scale::Fit),
            Size::new(20, 10)
        );
        assert_eq!(
            size(&picture, Size::new(100, 100), Scale::Natural),
            Size::new(4, 2)
        );
        // Never smaller than one pixel.
        assert_eq!(
            size(&grey(1000, &[0; 1000]), Size::new(10, 10), Scale::Fit),
            Size::new(10, 1)
        );
    }
}
