// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight --version`.

use std::io::Write;

use fanlight::abi;

use crate::error::Result;
use crate::output;
use crate::target::Target;

/// Prints `fanlight 0.1.0, ABI 1; driver ABI 1`.
pub fn print(target: &Target) -> Result<()> {
    let driver = driver_abi(target);
    let mut out = output::stdout();
    let version = env!("CARGO_PKG_VERSION");
    write!(out, "fanlight {version}, ABI {}; ", abi::ABI)?;
    match driver {
        Some(driver) if driver > abi::ABI => writeln!(
            out,
            "driver ABI {driver}, which is newer: this program does not show what is new in it"
        )?,
        Some(driver) => writeln!(out, "driver ABI {driver}")?,
        None => writeln!(out, "no driver that answers")?,
    }
    Ok(out.flush()?)
}

/// The ABI of the first window that may be opened.
fn driver_abi(target: &Target) -> Option<u32> {
    let boards = target.boards_that_exist().ok()?;
    let mut windows = boards
        .iter()
        .filter_map(|board| board.windows().ok())
        .flatten();
    windows.find_map(|window| window.info().ok()?.abi)
}
