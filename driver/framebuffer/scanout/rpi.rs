// SPDX-License-Identifier: GPL-2.0-only

//! The framebuffer of the Raspberry Pi's firmware, in the firmware's own memory.
//!
//! The tags are described in the firmware's wiki, "Mailbox property interface". The buffer is never
//! released: the firmware replaces it when another one is requested.

use super::{
    claim,
    failed,
    Scanout, //
};
use crate::{
    framebuffer::geometry::Geometry,
    refusal::Refusal,
    sys::{
        display::DisplayClaim,
        firmware::property_list,
        of::Range,
        PAGE_SIZE, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString, //
};

/// The firmware supports one layout of 16 bits.
pub(super) const FORMATS: &[&str] = &[
    "r5g6b5", "r8g8b8", "x8r8g8b8", "a8r8g8b8", "x8b8g8r8", "a8b8g8r8",
];

const GET_VC_MEMORY: u32 = 0x0001_0006;
const ALLOCATE: u32 = 0x0004_0001;
const BLANK: u32 = 0x0004_0002;
const GET_PITCH: u32 = 0x0004_0008;
const SET_PHYSICAL_SIZE: u32 = 0x0004_8003;
const SET_VIRTUAL_SIZE: u32 = 0x0004_8004;
const SET_DEPTH: u32 = 0x0004_8005;
const SET_PIXEL_ORDER: u32 = 0x0004_8006;
const SET_VIRTUAL_OFFSET: u32 = 0x0004_8009;
const SET_VSYNC: u32 = 0x0004_800e;

/// Set by the firmware in the third word of a tag that it has processed.
const ANSWERED: u32 = 1 << 31;

/// Blue in the lowest bits, or red.
const ORDER_BGR: u32 = 0;
const ORDER_RGB: u32 = 1;

/// The firmware returns bus addresses, whose two highest bits select one of its caches.
const BUS_MASK: u32 = 0x3fff_ffff;

/// The display before it has a buffer for the window.
pub(crate) struct Reserved {
    claim: DisplayClaim,
    geometry: Geometry,
    /// The firmware's own memory, from which it allocates its buffers.
    pub(crate) memory: Range,
}

/// The display.
pub(crate) struct Firmware {
    _claim: DisplayClaim,
}

impl Reserved {
    /// Reserves the display for a buffer of `geometry` for the window `name`. The picture on the
    /// display does not change.
    pub(super) fn new(name: &CString, geometry: Geometry) -> Result<Self, Refusal> {
        let claim = claim(&geometry, name)?;
        let memory = Self::memory().map_err(|error| failed(&geometry, error))?;
        Ok(Self {
            claim,
            geometry,
            memory,
        })
    }

    /// Requests the buffer. Returns its physical range, and the geometry with the stride that the
    /// firmware chose.
    ///
    /// The firmware frees the buffer that it has shown so far. A driver of the boot loader's
    /// framebuffer would go on drawing into it, so that driver must be removed before.
    pub(super) fn acquire(self) -> Result<(Firmware, Range, Geometry), Refusal> {
        let (range, geometry) =
            Self::allocate(self.geometry).map_err(|error| failed(&self.geometry, error))?;
        Ok((Firmware { _claim: self.claim }, range, geometry))
    }

    /// The firmware's own memory. `EIO`: the firmware does not report it.
    fn memory() -> Result<Range> {
        let mut tags = [GET_VC_MEMORY, 8, 0, 0, 0];
        property_list(&mut tags)?;
        let [_, _, answer, base, size] = tags;
        if answer & ANSWERED == 0 || size == 0 {
            return Err(EIO);
        }
        Ok(Range {
            start: base.into(),
            size: size.into(),
            registers: false,
        })
    }

    /// `EINVAL`: the firmware chose another size or depth.
    fn allocate(geometry: Geometry) -> Result<(Range, Geometry)> {
        let Geometry {
            width,
            height,
            pages,
            format,
            ..
        } = geometry;
        // The order is that of bytes in memory: blue comes first if red is in the highest bits. It
        // does not apply to 16 bits: with the firmware's default order, red is in the highest bits.
        let order = if format.bits == 16 || format.fields[0].0 == 0 {
            ORDER_RGB
        } else {
            ORDER_BGR
        };
        #[rustfmt::skip]
        let mut tags = [
            SET_PHYSICAL_SIZE, 8, 0, width, height,
            SET_VIRTUAL_SIZE, 8, 0, width, height * pages,
            SET_DEPTH, 4, 0, format.bits,
            SET_PIXEL_ORDER, 4, 0, order,
            ALLOCATE, 8, 0, PAGE_SIZE as u32, 0,
            GET_PITCH, 4, 0, 0,
        ];
        property_list(&mut tags)?;
        let [_, _, _, w, h, _, _, _, vw, vh, _, _, _, depth, ..] = tags;
        let [.., base, size, _, _, _, pitch] = tags;
        if (w, h, vw, vh, depth) != (width, height, width, height * pages, format.bits) {
            return Err(EINVAL);
        }
        let geometry = Geometry {
            stride: pitch,
            ..geometry
        };
        let needed = geometry.bytes().next_multiple_of(PAGE_SIZE as u64);
        if base == 0 || pitch < width * format.bits / 8 || u64::from(size) < needed {
            return Err(EINVAL);
        }
        let range = Range {
            start: (base & BUS_MASK).into(),
            size: needed,
            registers: false,
        };
        Ok((range, geometry))
    }
}

/// Like [`property_list`], for calls after the probe. `ENODEV`: the firmware's driver was unbound.
fn tell(tags: &mut [u32]) -> Result {
    property_list(tags).map_err(|error| match error {
        e if e == EPROBE_DEFER => ENODEV,
        e => e,
    })
}

impl Scanout for Firmware {
    fn show(&mut self, line: u32) -> Result {
        let mut tags = [SET_VIRTUAL_OFFSET, 8, 0, 0, line, BLANK, 4, 0, 0];
        tell(&mut tags)?;
        // The firmware returns the offset that it applied.
        if tags[4] != line {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn blank(&mut self) -> Result {
        tell(&mut [BLANK, 4, 0, 1])
    }

    fn wait_for_vsync(&mut self) -> Result {
        let mut tags = [SET_VSYNC, 4, 0, 0];
        tell(&mut tags)?;
        // Firmware that does not support the tag leaves it unchanged.
        if tags[2] & ANSWERED == 0 {
            return Err(ENOTTY);
        }
        Ok(())
    }
}

impl Drop for Firmware {
    fn drop(&mut self) {
        // An error cannot be reported here.
        let _ = self.blank();
    }
}
