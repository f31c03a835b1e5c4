// SPDX-License-Identifier: MIT OR Apache-2.0
//! A framebuffer window: a drawing target, page flips, blanking.

use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use embedded_graphics_core::pixelcolor::Rgb888;
use embedded_graphics_core::prelude::{Dimensions, DrawTarget};
use embedded_graphics_core::primitives::Rectangle;
use embedded_graphics_core::Pixel;
use rustix::io::Errno;

use crate::abi;
use crate::access_error::AccessError;
use crate::canvas::Canvas;
use crate::error::{Error, Result};
use crate::fbdev;
use crate::geometry::Geometry;
use crate::sys::{self, Rules};
use crate::window::{self, Part, Window};

/// A framebuffer, mapped, that embedded-graphics can draw on.
///
/// It uses the fbdev ioctls, so it works with any framebuffer that has packed pixels in one of the
/// formats of [`PixelFormat`](crate::PixelFormat): fanlight's, or another driver's `/dev/fb0`.
///
/// Drawing goes to the visible page, unless [`double_buffer`](Self::double_buffer) directs it to a
/// hidden one.
///
/// ```no_run
/// use embedded_graphics::pixelcolor::Rgb888;
/// use embedded_graphics::prelude::*;
/// use embedded_graphics::primitives::{Circle, PrimitiveStyle};
///
/// let mut screen = fanlight::Instance::open(0)?.framebuffer()?;
/// screen.clear(Rgb888::BLACK)?;
/// Circle::new(Point::new(20, 20), 200)
///     .into_styled(PrimitiveStyle::with_stroke(Rgb888::YELLOW, 3))
///     .draw(&mut screen)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Framebuffer {
    canvas: Canvas,
    /// `None`: a plain file, which has one page and no display.
    device: Option<Window>,
    path: PathBuf,
    pages: u32,
    shown: u32,
    double: bool,
}

impl Framebuffer {
    /// Opens and maps a framebuffer's node, for reading and writing.
    ///
    /// # Errors
    ///
    /// There is no such node, it may not be opened, or it is not a framebuffer that this library
    /// can draw on.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::from_window(Window::open(path)?, true)
    }

    /// Opens and maps a framebuffer's node for reading only: for screenshots.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_read_only(path: impl Into<PathBuf>) -> Result<Self> {
        Self::from_window(Window::open_read_only(path)?, false)
    }

    fn from_window(device: Window, writable: bool) -> Result<Self> {
        let fd = device.as_fd();
        let path = device.path().to_owned();
        let ask = |error| match error {
            Errno::NOTTY | Errno::INVAL => Error::WrongKind {
                path: path.clone(),
                wanted: "a framebuffer",
            },
            other => Error::io(format!("read the geometry of {}", path.display()), other),
        };
        let var = sys::ioctl::var_info(fd).map_err(ask)?;
        let fix = sys::ioctl::fix_info(fd).map_err(ask)?;
        // Another driver's framebuffer does not have this ioctl.
        let info = sys::ioctl::info(fd).ok();
        let Some(geometry) = var.geometry(&fix) else {
            let what = format!(
                "its pixels of {} bits are in a format that is not supported",
                var.bits_per_pixel
            );
            return Err(match info {
                Some(info) if info.abi > abi::ABI => Error::AbiNewer {
                    path,
                    driver: info.abi,
                    what,
                },
                _ => Error::Mode { path, what },
            });
        };
        let len = fix.smem_len as usize;
        if len < geometry.bytes() {
            let what = format!("its {len} bytes are less than one picture of {geometry}");
            return Err(Error::Mode { path, what });
        }
        let fit = (len / geometry.bytes()) as u32;
        // A framebuffer that cannot pan shows its first page, however much memory it has.
        let pages = match fix.ypanstep {
            0 => 1,
            _ => (var.yres_virtual / geometry.height()).clamp(1, fit),
        };
        let rules = if info.is_some_and(|info| info.cache == abi::CACHE_NONCACHED) {
            Rules::Ordered
        } else {
            Rules::Uncached
        };
        let part = Part {
            offset: info.map_or(0, |info| info.offset.into()),
            first: 0,
            len,
        };
        let memory = window::map(device.file(), &path, part, writable, rules)?;
        let shown = (var.yoffset / geometry.height()).min(pages - 1);
        let canvas = Canvas::from_memory(memory, geometry, shown as usize * geometry.bytes());
        Ok(Self {
            canvas,
            device: Some(device),
            path,
            pages,
            shown,
            double: false,
        })
    }

    /// Maps a plain file as if it were a framebuffer: for tests, and for pictures that other
    /// programs read.
    ///
    /// # Errors
    ///
    /// The file is too short, or cannot be mapped.
    ///
    /// ```
    /// use embedded_graphics::{pixelcolor::Rgb888, prelude::*};
    /// use fanlight::{Framebuffer, Geometry, PixelFormat};
    ///
    /// let path = std::env::temp_dir().join(format!("fanlight-doc-{}", std::process::id()));
    /// let geometry = Geometry::packed(4, 2, PixelFormat::R5G6B5).unwrap();
    /// let mut options = std::fs::OpenOptions::new();
    /// let file = options.read(true).write(true).create(true).truncate(true).open(&path)?;
    /// file.set_len(geometry.bytes() as u64)?;
    /// Framebuffer::over_file(file, &path, geometry)?.clear(Rgb888::WHITE)?;
    /// assert_eq!(std::fs::read(&path)?, [0xff; 16]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn over_file(file: File, path: impl Into<PathBuf>, geometry: Geometry) -> Result<Self> {
        let path = path.into();
        let len = file
            .metadata()
            .map_err(|error| Error::io(format!("query {}", path.display()), error))?
            .len();
        if len < geometry.bytes() as u64 {
            let what = format!("its {len} bytes are less than one picture of {geometry}");
            return Err(Error::Mode { path, what });
        }
        let part = Part {
            offset: 0,
            first: 0,
            len: geometry.bytes(),
        };
        let memory = window::map(&file, &path, part, true, Rules::Cached)?;
        let canvas = Canvas::from_memory(memory, geometry, 0);
        Ok(Self {
            canvas,
            device: None,
            path,
            pages: 1,
            shown: 0,
            double: false,
        })
    }

    /// Its node.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of its pages, each of which is a whole picture.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// The index of the visible page.
    pub fn shown_page(&self) -> u32 {
        self.shown
    }

    /// Directs drawing to a hidden page, until [`present`](Self::present) shows it. Returns false
    /// if there is a single page: then drawing stays visible, and `present` does nothing.
    ///
    /// The hidden page holds an older picture; draw all of it.
    ///
    /// ```no_run
    /// use embedded_graphics::{pixelcolor::Rgb888, prelude::*};
    ///
    /// let mut screen = fanlight::Instance::open(0)?.framebuffer()?;
    /// screen.double_buffer();
    /// for shade in 0..=255 {
    ///     screen.clear(Rgb888::new(shade, shade, shade))?;
    ///     screen.present()?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn double_buffer(&mut self) -> bool {
        self.double = self.pages > 1;
        self.place();
        self.double
    }

    /// Shows the drawn page, and directs drawing to the page that was visible before.
    ///
    /// # Errors
    ///
    /// The driver refused, or the device is gone.
    pub fn present(&mut self) -> Result<()> {
        if self.canvas.memory().is_revoked() {
            return Err(Error::access(&self.path, AccessError::Revoked));
        }
        if !self.double {
            return Ok(());
        }
        self.show_page((self.shown + 1) % self.pages)
    }

    /// Shows the page with this index.
    ///
    /// # Errors
    ///
    /// There is no such page, the driver refused, or the device is gone.
    pub fn show_page(&mut self, page: u32) -> Result<()> {
        if let Some(device) = &self.device {
            let failed = |error| {
                Error::io(
                    format!("show page {page} of {}", self.path.display()),
                    error,
                )
            };
            let mut var = sys::ioctl::var_info(device.as_fd()).map_err(failed)?;
            (var.xoffset, var.yoffset) = (0, page.saturating_mul(self.canvas.geometry().height()));
            sys::ioctl::pan(device.as_fd(), &mut var).map_err(failed)?;
            self.shown = page;
            self.place();
        }
        Ok(())
    }

    /// Directs drawing to the right page: the next one, or the visible one.
    fn place(&mut self) {
        let page = if self.double {
            (self.shown + 1) % self.pages
        } else {
            self.shown
        };
        self.canvas
            .set_start(page as usize * self.canvas.geometry().bytes());
    }

    /// Blanks the display, or turns it on again. The picture stays in memory.
    ///
    /// # Errors
    ///
    /// The display of this framebuffer cannot do that, or the device is gone.
    pub fn blank(&self, dark: bool) -> Result<()> {
        let Some(device) = &self.device else {
            return Err(Error::Mode {
                path: self.path.clone(),
                what: "no display shows it".into(),
            });
        };
        let level = if dark {
            fbdev::FB_BLANK_POWERDOWN
        } else {
            fbdev::FB_BLANK_UNBLANK
        };
        match sys::ioctl::blank(device.as_fd(), level) {
            Ok(()) => Ok(()),
            Err(Errno::NOTTY | Errno::INVAL | Errno::OPNOTSUPP) => Err(Error::Mode {
                path: self.path.clone(),
                what: "the display of this framebuffer cannot blank it".into(),
            }),
            Err(error) => Err(Error::io(format!("blank {}", self.path.display()), error)),
        }
    }

    /// The open window, unless it is a plain file.
    pub fn window(&self) -> Option<&Window> {
        self.device.as_ref()
    }

    /// Adds the name of the node to an error of drawing.
    ///
    /// ```no_run
    /// # use embedded_graphics::{pixelcolor::Rgb888, prelude::*};
    /// let mut screen = fanlight::Instance::open(0)?.framebuffer()?;
    /// screen.clear(Rgb888::BLACK).map_err(|error| screen.name_error(error))?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn name_error(&self, error: AccessError) -> Error {
        Error::access(&self.path, error)
    }
}

/// For `poll` and for asynchronous runtimes; `None` for a plain file.
impl Framebuffer {
    /// The descriptor of the device.
    pub fn device_fd(&self) -> Option<BorrowedFd<'_>> {
        self.device.as_ref().map(AsFd::as_fd)
    }
}

/// All methods of a picture.
impl Deref for Framebuffer {
    type Target = Canvas;

    fn deref(&self) -> &Canvas {
        &self.canvas
    }
}

impl DerefMut for Framebuffer {
    fn deref_mut(&mut self) -> &mut Canvas {
        &mut self.canvas
    }
}

impl Dimensions for Framebuffer {
    fn bounding_box(&self) -> Rectangle {
        self.canvas.bounding_box()
    }
}

impl DrawTarget for Framebuffer {
    type Color = Rgb888;
    type Error = AccessError;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> std::result::Result<(), AccessError> {
        self.canvas.draw_iter(pixels)
    }

    fn fill_contiguous<I: IntoIterator<Item = Rgb888>>(
        &mut self,
        area: &Rectangle,
        colours: I,
    ) -> std::result::Result<(), AccessError> {
        self.canvas.fill_contiguous(area, colours)
    }

    fn fill_solid(
        &mut self,
        area: &Rectangle,
        colour: Rgb888,
    ) -> std::result::Result<(), AccessError> {
        self.canvas.fill_solid(area, colour)
    }
}
