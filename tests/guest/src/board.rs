// SPDX-License-Identifier: MIT OR Apache-2.0
//! The board that the tests run on, where they must know.

use std::fs;

use crate::uapi;

/// Whether the root of the device tree says so.
pub fn is_compatible(with: &str) -> bool {
    let list = fs::read("/proc/device-tree/compatible").unwrap_or_default();
    list.split(|byte| *byte == 0)
        .any(|name| name == with.as_bytes())
}

/// Whether the framebuffer is the one that a Raspberry Pi's firmware gives.
pub fn is_raspberry_pi() -> bool {
    is_compatible("raspberrypi,2-model-b")
}

/// Where a carve-out of the tests is that virt-arm has at `address`: the runner moves it to where the board has memory.
pub fn carveout(address: usize) -> usize {
    if is_raspberry_pi() {
        address - 0x5000_0000 + 0x2000_0000
    } else {
        address
    }
}

/// Where the framebuffer is, if that is for the device tree to say.
pub fn framebuffer() -> Option<usize> {
    (!is_raspberry_pi()).then_some(0x5000_0000)
}

/// The same as sysfs and the tool name it.
pub fn scanout_name() -> &'static str {
    if is_raspberry_pi() {
        "rpi"
    } else {
        "ramfb"
    }
}

/// What shows the framebuffer.
pub fn scanout() -> u32 {
    if is_raspberry_pi() {
        uapi::SCANOUT_RPI
    } else {
        uapi::SCANOUT_RAMFB
    }
}
