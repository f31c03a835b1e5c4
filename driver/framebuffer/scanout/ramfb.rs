// SPDX-License-Identifier: GPL-2.0-only

//! QEMU's `-device ramfb`: a display of guest memory, configured by the file `etc/ramfb` of fw_cfg.

use super::{
    claim,
    failed,
    Scanout, //
};
use crate::{
    framebuffer::geometry::Geometry,
    refusal::Refusal,
    sys::{
        display::{
            zero_page,
            DisplayClaim, //
        },
        fw_cfg::FwCfg, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString, //
};

/// The formats of QEMU's qemu_drm_format_to_pixman(). QEMU accepts other formats, but shows
/// nothing.
pub(super) const FORMATS: &[&str] = &["r8g8b8", "x8r8g8b8", "a8r8g8b8", "x8b8g8r8", "a8b8g8r8"];

/// The display.
pub(super) struct Ramfb {
    fw_cfg: FwCfg,
    file: u16,
    geometry: Geometry,
    /// Physical address of the window.
    window: u64,
    /// Whether it has shown the window. Before that it may show the boot loader's framebuffer.
    shown: bool,
    // Last: the display is released after it has stopped showing the window.
    _claim: DisplayClaim,
}

impl Ramfb {
    /// For the window `name` at physical address `window`.
    pub(super) fn new(name: &CString, geometry: Geometry, window: u64) -> Result<Self, Refusal> {
        let claim = claim(&geometry, name)?;
        let fw_cfg = FwCfg::new().map_err(|error| failed(&geometry, error))?;
        let file = fw_cfg
            .find(b"etc/ramfb")
            .map_err(|_| failed(&geometry, ENODEV))?;
        Ok(Self {
            fw_cfg,
            file,
            geometry,
            window,
            shown: false,
            _claim: claim,
        })
    }

    /// Writes `struct RAMFBCfg` of QEMU's hw/display/ramfb.c.
    fn configure(&mut self, start: u64, width: u32, height: u32, stride: u32) -> Result {
        let mut config = [0; 28];
        config[0..8].copy_from_slice(&start.to_be_bytes());
        config[8..12].copy_from_slice(&self.geometry.format.fourcc.to_be_bytes());
        // 12..16: flags, none are defined.
        config[16..20].copy_from_slice(&width.to_be_bytes());
        config[20..24].copy_from_slice(&height.to_be_bytes());
        config[24..28].copy_from_slice(&stride.to_be_bytes());
        self.fw_cfg.write(self.file, &config)
    }
}

impl Scanout for Ramfb {
    fn show(&mut self, line: u32) -> Result {
        let start = self.window + self.geometry.offset(line);
        let Geometry {
            width,
            height,
            stride,
            ..
        } = self.geometry;
        self.shown = true;
        self.configure(start, width, height, stride)
    }

    fn blank(&mut self) -> Result {
        // ramfb cannot be turned off. The smallest geometry that it accepts fits into the zero
        // page, which is never freed.
        self.configure(zero_page(), 16, 16, 16 * self.geometry.format.bits / 8)
    }
}

impl Drop for Ramfb {
    fn drop(&mut self) {
        // An error cannot be reported here. The device returns none for a geometry that it has
        // accepted before.
        if self.shown {
            let _ = self.blank();
        }
    }
}
