// SPDX-License-Identifier: GPL-2.0-only

//! Telling the display hardware to show a window.

mod ramfb;
mod rpi;

use crate::{
    geometry::{
        Geometry,
        ScanoutKind, //
    },
    sys::of::Range, //
};
use kernel::prelude::*;

/// A display that shows memory. Dropping it stops it: nothing of the window is shown any more.
pub(crate) trait Scanout: Send + Sync {
    /// Shows one screen, which begins with this line of the window.
    fn show(&mut self, line: u32) -> Result;

    /// Shows nothing.
    fn blank(&mut self) -> Result;
}

/// A display for a window at physical address `window`; `None` where there is none to be.
pub(crate) fn new(geometry: Geometry, window: u64) -> Result<Option<KBox<dyn Scanout>>> {
    let display: KBox<dyn Scanout> = match geometry.scanout {
        ScanoutKind::None => return Ok(None),
        ScanoutKind::Ramfb => KBox::new(ramfb::Ramfb::new(geometry, window)?, GFP_KERNEL)?,
        // Its memory is the firmware's own: see `with_memory`.
        ScanoutKind::RpiFirmware => return Err(EINVAL),
    };
    Ok(Some(display))
}

/// A display that brings its own memory.
pub(crate) struct WithMemory {
    pub(crate) display: KBox<dyn Scanout>,
    /// Where a window of `geometry` is.
    pub(crate) range: Range,
    /// As it was asked for, but with the display's own stride.
    pub(crate) geometry: Geometry,
}

/// The display of the Raspberry Pi's firmware.
pub(crate) fn with_memory(geometry: Geometry) -> Result<WithMemory> {
    let (firmware, range, geometry) = rpi::Firmware::new(geometry)?;
    Ok(WithMemory {
        display: KBox::new(firmware, GFP_KERNEL)?,
        range,
        geometry,
    })
}
