// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for another process or the kernel. The limit is a time and not a number of attempts, and
//! it is long: a busy host makes a test slow and does not make it fail.

use std::time::{Duration, Instant};

/// How long a test waits for something that should happen immediately.
pub const LIMIT: Duration = Duration::from_secs(120);

/// The time between two attempts.
const INTERVAL: Duration = Duration::from_millis(5);

/// Calls `look` until it returns something, and returns that. `None` after [`LIMIT`].
pub fn for_some<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        // The time is read before the attempt, so that the last attempt is after the deadline.
        let late = Instant::now() >= deadline;
        if let Some(found) = look() {
            return Some(found);
        }
        if late {
            return None;
        }
        std::thread::sleep(INTERVAL);
    }
}

/// Calls `look` until it returns true. Returns false after [`LIMIT`].
pub fn until(mut look: impl FnMut() -> bool) -> bool {
    for_some(|| look().then_some(())).is_some()
}
