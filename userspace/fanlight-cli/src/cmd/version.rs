// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight --version`.

use std::io::Write;

use fanlight::abi;

use crate::error::Result;
use crate::output;
use crate::target::Target;

/// Prints `fanlight 0.1.0, ABI 2; driver ABI 2`.
pub fn print(target: &Target) -> Result<()> {
    let driver = driver_abi(target);
    let mut out = output::stdout();
    let version = env!("CARGO_PKG_VERSION");
    write!(out, "fanlight {version}, ABI {}; ", abi::ABI)?;
    match driver {
        Some(driver) if driver > abi::ABI => writeln!(
            out,
            "driver ABI {driver}, which is newer: this program does not support its additions"
        )?,
        Some(driver) => writeln!(out, "driver ABI {driver}")?,
        None => writeln!(out, "no driver found")?,
    }
    Ok(out.flush()?)
}

/// The ABI that the first window which can be opened reports.
fn driver_abi(target: &Target) -> Option<u32> {
    let instances = target.existing_instances().ok()?;
    let mut windows = instances
        .iter()
        .filter_map(|instance| instance.windows().ok())
        .flatten();
    windows.find_map(|window| window.info().ok()?.abi)
}
