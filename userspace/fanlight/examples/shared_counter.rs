// SPDX-License-Identifier: MIT OR Apache-2.0
//! A counter that programs and their threads share in a cached window. Several instances may run at
//! the same time; no count is lost.
//!
//! `cargo run --example shared_counter -- /dev/fanlight0/shared [COUNT]`

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use fanlight::{Error, Window};

const THREADS: u32 = 4;

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let node = args
        .next()
        .unwrap_or_else(|| "/dev/fanlight0/shared".into());
    let count: u32 = args
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1000);
    fanlight::survive_revocation()?;
    // The first page is enough.
    let words = Window::open(node)?
        .map_range_mut(..4096)?
        .into_atomics::<AtomicU32>()?;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..count {
                    words[0].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let total = words[0].load(Ordering::Relaxed);
    // If the driver was unbound, the counter was in private memory.
    words.check()?;
    println!("{} added, {total} in all", THREADS * count);
    Ok(())
}
