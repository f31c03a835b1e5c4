// SPDX-License-Identifier: GPL-2.0-only

//! The geometry of a framebuffer, parsed from the device tree.
//!
//! The property names and formats are those of simple-framebuffer.

use crate::{
    properties::{
        read_choice,
        read_string,
        read_u32,
        text,
        Joined, //
    },
    refusal::{
        invalid,
        invalid_fmt,
        Refusal, //
    },
    uapi::{
        self,
        PixelLayout,
        FORMATS, //
    }, //
};
use core::fmt::Write;
use kernel::{
    device::property::FwNode,
    prelude::*, //
};

/// What hardware shows a framebuffer.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum ScanoutKind {
    None = uapi::SCANOUT_NONE,
    Ramfb = uapi::SCANOUT_RAMFB,
    RpiFirmware = uapi::SCANOUT_RPI,
}

impl ScanoutKind {
    /// Its name in the device tree.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ramfb => "ramfb",
            Self::RpiFirmware => "rpi-firmware",
        }
    }
}

/// Width, height, stride and format of a framebuffer.
#[derive(Clone, Copy)]
pub(crate) struct Geometry {
    /// Pixels.
    pub(crate) width: u32,
    /// Lines of one page.
    pub(crate) height: u32,
    /// Bytes from one line to the next.
    pub(crate) stride: u32,
    /// How many pages (whole pictures) the window holds, one after the other.
    pub(crate) pages: u32,
    pub(crate) format: PixelLayout,
    pub(crate) scanout: ScanoutKind,
}

impl Geometry {
    /// Bytes from the start of the window to `line`.
    pub(crate) fn offset(&self, line: u32) -> u64 {
        u64::from(line) * u64::from(self.stride)
    }

    /// Bytes of all pages.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.stride) * u64::from(self.height) * u64::from(self.pages)
    }

    /// Reads and checks the geometry of `node`; `None` if it has none.
    pub(crate) fn read(node: &FwNode) -> Result<Option<Self>, Refusal> {
        let properties = [c"width", c"height", c"stride", c"format"];
        if !properties.iter().any(|p| node.property_present(p)) {
            if node.property_present(c"fanlight,scanout")
                || node.property_present(c"fanlight,pages")
            {
                return Err(invalid(
                    "fanlight,scanout and fanlight,pages need a geometry",
                ));
            }
            return Ok(None);
        }
        let incomplete =
            || invalid("a geometry needs width, height, stride (1 to 65536) and format");
        let required = |property| {
            read_u32(node, property)?
                .filter(|value| *value != 0 && *value <= 1 << 16)
                .ok_or_else(incomplete)
        };
        let (width, height, stride) = (
            required(c"width")?,
            required(c"height")?,
            required(c"stride")?,
        );
        let name = read_string(node, c"format")?.ok_or_else(incomplete)?;
        let known = FORMATS
            .iter()
            .find(|f| f.name.as_bytes() == name.to_bytes());
        let Some(&format) = known else {
            let (name, formats) = (text(&name), Joined(FORMATS.iter().map(|f| f.name)));
            return Err(invalid_fmt(fmt!("unknown format {name}: choose {formats}")));
        };
        let pixel = format.bits / 8;
        // Programs write pixels as aligned words, except three-byte pixels.
        if stride < width * pixel || (pixel != 3 && stride % pixel != 0) {
            return Err(invalid_fmt(fmt!(
                "stride is {stride}, which is not a whole number of pixels, or less than a line"
            )));
        }
        let pages = read_u32(node, c"fanlight,pages")?.unwrap_or(1);
        if !(1..=4).contains(&pages) {
            return Err(invalid_fmt(fmt!("fanlight,pages is 1 to 4, not {pages}")));
        }
        let scanout = read_choice(
            node,
            c"fanlight,scanout",
            &[
                (c"none", ScanoutKind::None),
                (c"ramfb", ScanoutKind::Ramfb),
                (c"rpi-firmware", ScanoutKind::RpiFirmware),
            ],
            "fanlight,scanout is none, ramfb or rpi-firmware",
        )?
        .unwrap_or(ScanoutKind::None);
        Ok(Some(Geometry {
            width,
            height,
            stride,
            pages,
            format,
            scanout,
        }))
    }

    /// Writes the geometry in the format of sysfs.
    pub(crate) fn show(&self, out: &mut dyn Write) -> core::fmt::Result {
        write!(
            out,
            "{}x{} {} {}",
            self.width, self.height, self.stride, self.format.name
        )
    }
}
