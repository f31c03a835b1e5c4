// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program that writes to the kernel's log: by the macros of the crate log, and as lines of text.
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

    // The output of another program can be copied there with std::io::copy().
    let mut lines = instance.log_writer()?.with_level(Level::Notice);
    writeln!(lines, "door 1 opened\ndoor 2 opened")?;
    Ok(())
}
