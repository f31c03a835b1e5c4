// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program whose messages go to the log of the kernel: by the macros of the crate log, and as
//! lines that it prints.
//!
//! `cargo run --features log --example logger`

use std::io::Write;

use fanlight::{Instance, Level, Logger};
use log::LevelFilter;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let instance = Instance::open(0)?;
    Logger::new(instance.log_writer()?).init(LevelFilter::Info)?;
    log::info!("started");
    log::warn!("battery at {} %", 10);
    log::debug!("not written: the filter is info");

    // What another program prints can be sent there in the same way, by std::io::copy().
    let mut lines = instance.log_writer()?.with_level(Level::Notice);
    writeln!(lines, "door 1 opened\ndoor 2 opened")?;
    Ok(())
}
