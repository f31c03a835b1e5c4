// SPDX-License-Identifier: GPL-2.0-only

//! QEMU's `-device ramfb`: a display that shows guest memory as the file `etc/ramfb` of fw_cfg
//! says.

use super::{
    claim,
    failed,
    Scanout, //
};
use crate::{
    framebuffer::geometry::Geometry,
    spec::Refusal,
    sys::{
        contiguous::zero_page,
        display::DisplayClaim,
        fw_cfg::FwCfg, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString, //
};

/// What QEMU's qemu_drm_format_to_pixman() knows. QEMU accepts other formats, and then shows
/// nothing.
pub(super) const FORMATS: &[&str] = &["r8g8b8", "x8r8g8b8", "a8r8g8b8", "x8b8g8r8", "a8b8g8r8"];

/// The display.
pub(super) struct Ramfb {
    fw_cfg: FwCfg,
    file: u16,
    geometry: Geometry,
    /// Physical address of the window.
    window: u64,
    /// Whether it has shown the window. Before, it may show what the bootloader has set up.
    shown: bool,
    // Last: the display is free when it shows nothing of the window.
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
        // There is no switch to turn it off. The smallest picture it takes fits the page of zeros,
        // which is for ever.
        self.configure(zero_page(), 16, 16, 16 * self.geometry.format.bits / 8)
    }
}

impl Drop for Ramfb {
    fn drop(&mut self) {
        // Nobody can be told of an error here, and the device gives none for a picture that it took
        // before.
        if self.shown {
            let _ = self.blank();
        }
    }
}
