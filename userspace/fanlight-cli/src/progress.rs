// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a long step is.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// A line on stderr that says how far a long step is; only on a terminal, and only after a second.
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

    /// So much of all is done.
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
