// SPDX-License-Identifier: GPL-2.0-only

//! The framebuffer that a Raspberry Pi's firmware keeps in its own memory and shows.
//!
//! The tags are described in the firmware's wiki, "Mailbox property interface". The buffer is never released: the firmware
//! replaces it when another one is asked for.

use super::Scanout;
use crate::{
    geometry::Geometry,
    sys::{
        firmware::property_list,
        of::Range,
        PAGE_SIZE, //
    }, //
};
use kernel::prelude::*;

const ALLOCATE: u32 = 0x0004_0001;
const BLANK: u32 = 0x0004_0002;
const GET_PITCH: u32 = 0x0004_0008;
const SET_PHYSICAL_SIZE: u32 = 0x0004_8003;
const SET_VIRTUAL_SIZE: u32 = 0x0004_8004;
const SET_DEPTH: u32 = 0x0004_8005;
const SET_PIXEL_ORDER: u32 = 0x0004_8006;
const SET_VIRTUAL_OFFSET: u32 = 0x0004_8009;

/// Blue in the lowest bits, or red.
const ORDER_BGR: u32 = 0;
const ORDER_RGB: u32 = 1;

/// The firmware gives bus addresses: the two highest bits choose one of its caches.
const BUS_MASK: u32 = 0x3fff_ffff;

/// The display.
pub(super) struct Firmware(());

impl Firmware {
    /// Asks for a buffer of `geometry`; gives where it is, and the geometry with the stride that the firmware chose.
    ///
    /// `EINVAL`: it gave another size or depth.
    pub(super) fn new(geometry: Geometry) -> Result<(Self, Range, Geometry)> {
        let Geometry {
            width,
            height,
            pages,
            format,
            ..
        } = geometry;
        let order = if format.fields[0].0 == 0 {
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
        let [_, _, _, w, h, _, _, _, vw, vh, _, _, _, depth, _, _, _, _, _, _, _, base, size, _, _, _, pitch] =
            tags;
        if (w, h, vw, vh, depth) != (width, height, width, height * pages, format.bits) {
            return Err(EINVAL);
        }
        let geometry = Geometry {
            stride: pitch,
            ..geometry
        };
        let needed = geometry.bytes();
        if base == 0 || pitch < width * format.bits / 8 || u64::from(size) < needed {
            return Err(EINVAL);
        }
        let range = Range {
            start: (base & BUS_MASK).into(),
            size: needed.next_multiple_of(PAGE_SIZE as u64),
            registers: false,
        };
        Ok((Self(()), range, geometry))
    }
}

impl Scanout for Firmware {
    fn show(&mut self, line: u32) -> Result {
        let mut tags = [SET_VIRTUAL_OFFSET, 8, 0, 0, line, BLANK, 4, 0, 0];
        property_list(&mut tags)?;
        // It says where it really went.
        if tags[4] != line {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn blank(&mut self) -> Result {
        property_list(&mut [BLANK, 4, 0, 1])
    }
}

impl Drop for Firmware {
    fn drop(&mut self) {
        // Nobody can be told of an error here.
        let _ = self.blank();
    }
}
