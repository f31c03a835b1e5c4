// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why the hardware was reset, if it reports a reason.
//!
//! Watchdogs report it in `bootstatus` (bits of include/uapi/linux/watchdog.h), and some power and
//! reset controllers in `power_on_reason`. Both are about the last reset only, which ended the boot
//! before this one.

use std::fs;
use std::path::Path;

/// Bits of `bootstatus` and what they mean.
const BITS: &[(u32, &str)] = &[
    (0x20, "watchdog"),
    (0x01, "overheat"),
    (0x02, "fan failure"),
    (0x04, "external relay 1"),
    (0x08, "external relay 2"),
    (0x10, "power fault"),
    (0x40, "overvoltage"),
];

/// The maximum depth of `power_on_reason` below the platform devices.
const DEPTH: u32 = 4;

/// The reason for the last reset; `sys` is the mount point of sysfs.
pub fn reason(sys: &Path) -> Option<String> {
    watchdogs(sys).or_else(|| power_on_reason(&sys.join("devices/platform"), DEPTH))
}

fn watchdogs(sys: &Path) -> Option<String> {
    let mut status = 0;
    for entry in fs::read_dir(sys.join("class/watchdog")).ok()?.flatten() {
        let text = fs::read_to_string(entry.path().join("bootstatus")).unwrap_or_default();
        let text = text.trim();
        status |= match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).unwrap_or(0),
            None => text.parse().unwrap_or(0),
        };
    }
    let set = BITS.iter().filter(|(bit, _)| status & bit != 0);
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn power_on_reason(directory: &Path, depth: u32) -> Option<String> {
    if let Ok(text) = fs::read_to_string(directory.join("power_on_reason")) {
        let text = text.trim();
        return (!text.is_empty() && text != "unknown reason").then(|| text.to_owned());
    }
    if depth == 0 {
        return None;
    }
    // Do not follow links, which lead to other devices and back.
    fs::read_dir(directory).ok()?.flatten().find_map(|entry| {
        let real = entry.file_type().is_ok_and(|kind| kind.is_dir());
        real.then(|| power_on_reason(&entry.path(), depth - 1))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_reset_reason_is_the_watchdogs_or_the_reset_controllers() {
        let sys = std::env::temp_dir().join(format!("fanlight-reset-{}", std::process::id()));
        let watchdog = sys.join("class/watchdog/watchdog0");
        fs::create_dir_all(&watchdog).unwrap();
        assert_eq!(reason(&sys), None);
        fs::write(watchdog.join("bootstatus"), "0\n").unwrap();
        assert_eq!(reason(&sys), None);
        let device = sys.join("devices/platform/soc/f8000000.rstc");
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("power_on_reason"), "unknown reason\n").unwrap();
        assert_eq!(reason(&sys), None);
        fs::write(device.join("power_on_reason"), "brown-out reset\n").unwrap();
        assert_eq!(reason(&sys).unwrap(), "brown-out reset");
        fs::write(watchdog.join("bootstatus"), "33\n").unwrap();
        assert_eq!(reason(&sys).unwrap(), "watchdog, overheat");
        fs::remove_dir_all(&sys).unwrap();
    }
}
