// SPDX-License-Identifier: MIT OR Apache-2.0
//! Follows the log and prints errors. A watermark for poll() makes wake-ups rare.
//!
//! `cargo run --example watch_errors`

use fanlight::abi::Watermark;
use fanlight::{Error, Instance, Level, Start};

fn main() -> Result<(), Error> {
    fanlight::survive_revocation()?;
    let mut reader = Instance::open(0)?.log()?.reader(Start::Oldest)?;
    // At 256 records, or half a second after the first of them.
    reader.set_watermark(Watermark {
        records: 256,
        delay_us: 500_000,
        ..Watermark::default()
    })?;
    loop {
        reader.drain(|record| {
            if record.lost > 0 {
                println!(
                    "({} records were overwritten before they could be read)",
                    record.lost
                );
            }
            if record.level <= Level::Err {
                println!("{}: {}", record.facility, record.text_lossy());
            }
            Ok::<(), Error>(())
        })?;
        reader.wait(None)?;
    }
}
