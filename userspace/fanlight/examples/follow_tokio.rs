// SPDX-License-Identifier: MIT OR Apache-2.0
//! Follows the log in a tokio task, which waits without a thread.
//!
//! `cargo run --example follow_tokio -- [RECORDS]`

use std::io;

use fanlight::{Instance, Reader, Start};
use tokio::io::unix::AsyncFd;

fn main() -> io::Result<()> {
    let count: u64 = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(u64::MAX);
    // If the driver is unbound, the task ends with an error.
    fanlight::survive_revocation()?;
    let reader = Instance::open(0)?.log()?.reader(Start::Oldest)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async { tokio::spawn(follow(reader, count)).await? })
}

async fn follow(reader: Reader, count: u64) -> io::Result<()> {
    // SAFETY: a reader owns its descriptor, and keeps it until it is dropped.
    let mut reader = unsafe { AsyncFd::register(reader)? };
    let mut printed = 0;
    loop {
        while let Some(record) = reader.get_mut().next_record()? {
            if record.lost > 0 {
                eprintln!("({} records lost)", record.lost);
            }
            let time = record.since_boot().as_secs_f64();
            println!("[{time:12.6}] {}", record.text_lossy());
            printed += 1;
            if printed >= count {
                return Ok(());
            }
        }
        // The log of an earlier boot: no more records will come.
        if reader.get_ref().is_over() {
            return Ok(());
        }
        if !reader.get_mut().prepare_wait()? {
            reader.readable().await?.clear_ready();
        }
    }
}
