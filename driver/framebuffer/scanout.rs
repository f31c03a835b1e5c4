// SPDX-License-Identifier: GPL-2.0-only

//! The display hardware that shows a window.
//!
//! A display shows one window. A second window that requests the same display is refused.

mod ramfb;
pub(crate) mod rpi;

use crate::{
    framebuffer::geometry::{
        Geometry,
        ScanoutKind, //
    },
    properties::Joined,
    refusal::{
        invalid_fmt,
        Refusal,
        Text, //
    },
    sys::{
        display::DisplayClaim,
        of::Range, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString, //
};

/// A display that shows a window's memory. When it is dropped, it stops showing the window.
pub(crate) trait Scanout: Send + Sync {
    /// Shows the page that begins at line `line` of the window.
    fn show(&mut self, line: u32) -> Result;

    /// Shows nothing.
    fn blank(&mut self) -> Result;

    /// Waits for the next vertical sync. `ENOTTY`: the display does not report it.
    fn wait_for_vsync(&mut self) -> Result {
        Err(ENOTTY)
    }
}

/// Claims a display for `window`.
fn claim(geometry: &Geometry, window: &CString) -> Result<DisplayClaim, Refusal> {
    let display = geometry.scanout;
    DisplayClaim::new(display as u32, window).map_err(|owner| {
        let (display, owner) = (display.name(), owner.as_str());
        Refusal::new(
            Text::new(fmt!("{display} already shows the window {owner}")),
            EBUSY,
        )
    })
}

/// Refuses a format that a display cannot show.
fn refuse_format(geometry: &Geometry, formats: &[&str]) -> Result<(), Refusal> {
    let format = geometry.format.name;
    if formats.contains(&format) {
        return Ok(());
    }
    let (display, formats) = (geometry.scanout.name(), Joined(formats.iter().copied()));
    Err(invalid_fmt(fmt!(
        "{display} cannot show {format}; it shows {formats}"
    )))
}

/// The refusal of a window whose display returned `error`.
pub(crate) fn failed(geometry: &Geometry, error: Error) -> Refusal {
    let (display, code) = (geometry.scanout.name(), error.to_errno());
    let reason = match error {
        e if e == EBUSY => Text::new(fmt!(
            "{display} is in use by another driver (qemu_fw_cfg?): unload that one"
        )),
        e if e == ENODEV => Text::new(fmt!("there is no {display} in this machine")),
        e if e == EPROBE_DEFER => Text::new(fmt!("the driver of {display} is not bound")),
        e if e == EIO => Text::new(fmt!("{display} does not report its memory")),
        _ => Text::new(fmt!("{display} does not accept the geometry: error {code}")),
    };
    Refusal::new(reason, error)
}

/// Refuses a geometry that its display cannot show, before another driver loses the display for it.
pub(crate) fn check(geometry: &Geometry) -> Result<(), Refusal> {
    match geometry.scanout {
        ScanoutKind::None => Ok(()),
        ScanoutKind::Ramfb => refuse_format(geometry, ramfb::FORMATS),
        ScanoutKind::RpiFirmware => refuse_format(geometry, rpi::FORMATS),
    }
}

/// The display for the window `name` at physical address `start`, which does not show it yet;
/// `None` if the geometry asks for no display.
pub(crate) fn new(
    name: &CString,
    geometry: Geometry,
    start: u64,
) -> Result<Option<KBox<dyn Scanout>>, Refusal> {
    match geometry.scanout {
        // The firmware's display has its own memory: see `reserve`.
        ScanoutKind::None | ScanoutKind::RpiFirmware => Ok(None),
        ScanoutKind::Ramfb => {
            let display = ramfb::Ramfb::new(name, geometry, start)?;
            Ok(Some(KBox::new(display, GFP_KERNEL)?))
        }
    }
}

/// A display that has its own memory.
pub(crate) struct WithMemory {
    pub(crate) display: KBox<dyn Scanout>,
    /// The physical range of the window's memory.
    pub(crate) range: Range,
    /// The requested geometry with the display's own stride.
    pub(crate) geometry: Geometry,
}

/// The display of the Raspberry Pi's firmware, reserved for the window `name`.
pub(crate) fn reserve(name: &CString, geometry: Geometry) -> Result<rpi::Reserved, Refusal> {
    rpi::Reserved::new(name, geometry)
}

/// Requests the memory of the window. The caller has removed the drivers of boot loaders'
/// framebuffers in the firmware's memory.
pub(crate) fn acquire(reserved: rpi::Reserved) -> Result<WithMemory, Refusal> {
    let (firmware, range, geometry) = reserved.acquire()?;
    Ok(WithMemory {
        display: KBox::new(firmware, GFP_KERNEL)?,
        range,
        geometry,
    })
}
