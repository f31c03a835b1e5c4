// SPDX-License-Identifier: MIT OR Apache-2.0
//! The progress of a long step.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// A line on stderr with the progress of a long step; only on a terminal, and only after a second.
pub struct Progress {
    what: &'static str,
    since: Instant,
    shown: bool,
}

impl Progress {
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            since: Instant::now(),
            shown: false,
        }
    }

    /// Shows that `done` of `all` is finished.
    pub fn at(&mut self, done: u32, all: u32) {
        if (self.shown || self.since.elapsed() > Duration::from_secs(1))
            && io::stderr().is_terminal()
        {
            eprint!(
                "\r{} {} %\x1b[K",
                self.what,
                u64::from(done) * 100 / u64::from(all.max(1))
            );
            self.shown = true;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
