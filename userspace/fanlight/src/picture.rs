// SPDX-License-Identifier: MIT OR Apache-2.0
//! PNG files: reads pictures, writes screenshots.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, Encoder, EncodingError, Limits, Transformations};

use crate::error::{Error, Result};
use crate::geometry::Geometry;

/// The maximum size of a decoded picture in bytes, three per pixel: about 22 million pixels.
pub const PICTURE_LIMIT: usize = 64 << 20;

/// A picture: three bytes (red, green, blue) per pixel, line after line.
///
/// ```
/// use fanlight::Picture;
///
/// let picture = Picture::new(2, 1, vec![255, 0, 0, 0, 0, 255]).unwrap();
/// let mut png = Vec::new();
/// picture.encode(&mut png)?;
/// assert_eq!(Picture::decode(png.as_slice(), |_, _| ())?, picture);
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture of the pixels `rgb`; `None` if they are not `width * height` times three bytes, or
    /// a side is above [`Geometry::LIMIT`].
    ///
    /// ```
    /// assert!(fanlight::Picture::new(2, 2, vec![0; 11]).is_none());
    /// ```
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let pixels = u64::from(width) * u64::from(height);
        let fits = pixels > 0
            && width.max(height) <= Geometry::LIMIT
            && pixels.checked_mul(3)? == rgb.len() as u64;
        fits.then_some(Self { width, height, rgb })
    }

    /// Pixels of a line.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Lines.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Reads a PNG file; the background of transparent pixels is black. `progress` is called with
    /// the number of finished lines, and of all lines.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not a PNG file, is damaged, or is larger than [`PICTURE_LIMIT`].
    pub fn load(path: &Path, progress: impl FnMut(u32, u32)) -> Result<Self> {
        Self::load_over(path, [0; 3], progress)
    }

    /// Like [`load`](Self::load), with a background for transparent pixels: red, green, blue.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_over(
        path: &Path,
        background: [u8; 3],
        progress: impl FnMut(u32, u32),
    ) -> Result<Self> {
        let file = File::open(path)
            .map_err(|error| Error::io(format!("open {}", path.display()), error))?;
        Self::decode_over(file, background, progress).map_err(|error| match error {
            Error::Picture { what } => Error::Picture {
                what: format!("{}: {what}", path.display()),
            },
            Error::Io { source, .. } => Error::io(format!("read {}", path.display()), source),
            other => other,
        })
    }

    /// Like [`load`](Self::load), from any reader.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn decode(from: impl Read, progress: impl FnMut(u32, u32)) -> Result<Self> {
        Self::decode_over(from, [0; 3], progress)
    }

    /// Like [`load_over`](Self::load_over), from any reader.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn decode_over(
        mut from: impl Read,
        background: [u8; 3],
        mut progress: impl FnMut(u32, u32),
    ) -> Result<Self> {
        const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
        let limits = Limits {
            bytes: PICTURE_LIMIT,
        };
        let mut read = |bytes: &mut Vec<u8>, limit: usize| {
            let part = from.by_ref().take(limit as u64).read_to_end(bytes);
            part.map_err(|error| Error::io("read the picture", error))
        };
        // The decoder needs to seek, which a pipe does not support. Input that is not a picture is
        // not read to its end.
        let mut bytes = Vec::new();
        read(&mut bytes, SIGNATURE.len())?;
        if bytes != SIGNATURE {
            return Err(Error::Picture {
                what: "not a PNG picture".into(),
            });
        }
        read(&mut bytes, PICTURE_LIMIT)?;
        if bytes.len() > PICTURE_LIMIT {
            return Err(too_large("the file"));
        }
        let mut decoder = Decoder::new_with_limits(std::io::Cursor::new(bytes), limits);
        decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
        let mut reader = decoder.read_info().map_err(explain)?;
        let (width, height) = (reader.info().width, reader.info().height);
        let pixels = u64::from(width) * u64::from(height);
        if pixels.saturating_mul(3) > PICTURE_LIMIT as u64 || width.max(height) > Geometry::LIMIT {
            return Err(too_large(&format!("{width}x{height}")));
        }
        let (colour, depth) = reader.output_color_type();
        if depth != BitDepth::Eight {
            return Err(Error::Picture {
                what: format!("{} bits per colour are not supported", depth as u8),
            });
        }
        let mut rgb = Vec::with_capacity(pixels as usize * 3);
        if reader.info().interlaced {
            // Its lines are complete only at the end.
            let size = reader
                .output_buffer_size()
                .ok_or_else(|| too_large(&format!("{width}x{height}")))?;
            let mut frame = vec![0; size];
            reader.next_frame(&mut frame).map_err(explain)?;
            append(&mut rgb, &frame, colour, background);
        } else {
            let mut line = 0u32;
            while let Some(row) = reader.next_row().map_err(explain)? {
                append(&mut rgb, row.data(), colour, background);
                line += 1;
                if line % 64 == 0 {
                    progress(line, height);
                }
            }
        }
        progress(height, height);
        Self::new(width, height, rgb).ok_or_else(|| Error::Picture {
            what: "the PNG picture is truncated".into(),
        })
    }

    /// Writes a PNG file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    ///
    /// ```no_run
    /// let screen = fanlight::Instance::open(0)?.framebuffer()?;
    /// let (width, height) = (screen.geometry().width(), screen.geometry().height());
    /// let pixels = screen.to_rgb()?;
    /// let picture = fanlight::Picture::new(width, height, pixels).expect("a screen has pixels");
    /// picture.save("screen.png".as_ref())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = |error| Error::io(format!("write {}", path.display()), error);
        let file = File::create(path).map_err(failed)?;
        self.encode(file).map_err(|error| match error {
            Error::Io { source, .. } => failed(source),
            other => other,
        })
    }

    /// Like [`save`](Self::save), to any writer.
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn encode(&self, to: impl Write) -> Result<()> {
        let mut to = BufWriter::new(to);
        let mut encoder = Encoder::new(&mut to, self.width, self.height);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&self.rgb)?;
            writer.finish()
        });
        // The conversion of the png crate loses the kind of the error.
        let of_io = |error| match error {
            EncodingError::IoError(error) => error,
            other => std::io::Error::other(other.to_string()),
        };
        written
            .map_err(of_io)
            .and_then(|()| to.flush())
            .map_err(|error| Error::io("write the picture", error))
    }
}

/// Appends decoded pixels, transparent ones blended with the background.
fn append(rgb: &mut Vec<u8>, pixels: &[u8], colour: ColorType, background: [u8; 3]) {
    let over = |i: usize, value: u8, alpha: u8| {
        let (alpha, behind) = (u16::from(alpha), u16::from(background[i]));
        ((u16::from(value) * alpha + behind * (255 - alpha) + 127) / 255) as u8
    };
    match colour {
        ColorType::Rgb => rgb.extend_from_slice(pixels),
        ColorType::Rgba => rgb.extend(
            pixels
                .chunks_exact(4)
                .flat_map(|p| [0, 1, 2].map(|i| over(i, p[i], p[3]))),
        ),
        ColorType::GrayscaleAlpha => rgb.extend(
            pixels
                .chunks_exact(2)
                .flat_map(|p| [0, 1, 2].map(|i| over(i, p[0], p[1]))),
        ),
        // Indexed pictures have been expanded.
        ColorType::Grayscale | ColorType::Indexed => {
            rgb.extend(pixels.iter().flat_map(|p| [*p; 3]))
        }
    }
}

fn too_large(what: &str) -> Error {
    Error::Picture {
        what: format!(
            "{what} is too large: the limits are {} MiB decoded, and {} pixels per side",
            PICTURE_LIMIT >> 20,
            Geometry::LIMIT
        ),
    }
}

fn explain(error: png::DecodingError) -> Error {
    match error {
        png::DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::Picture {
                what: "the PNG picture is truncated".into(),
            }
        }
        png::DecodingError::LimitsExceeded => too_large("the picture"),
        other => Error::Picture {
            what: format!("the PNG picture is damaged: {}", plain(&other.to_string())),
        },
    }
}

/// The text of the decoder's error, in which a chunk's type is printed as Rust code.
fn plain(text: &str) -> String {
    const CODE: &str = "ChunkType { type: ";
    match text.split_once(CODE) {
        Some((before, chunk)) => {
            let (name, rest) = chunk.split_once(',').unwrap_or((chunk, ""));
            let rest = rest.split_once('}').map_or("", |(_, rest)| rest);
            format!("{before}{name}{}", plain(rest))
        }
        None => text.to_owned(),
    }
}
