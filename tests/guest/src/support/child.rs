// SPDX-License-Identifier: MIT OR Apache-2.0
//! Child processes of a test, and synchronisation between them.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::support::{sys, wait};

/// A child of a test: runs `body` and exits with its result. It is killed when the test ends.
pub struct Child {
    pid: libc::pid_t,
}

impl Child {
    pub fn spawn(body: impl FnOnce() -> i32) -> Self {
        match sys::fork() {
            0 => {
                sys::die_with_parent();
                let status =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(101);
                let _ = std::io::stdout().flush();
                sys::exit_now(status)
            }
            pid => Self { pid },
        }
    }

    pub fn pid(&self) -> libc::pid_t {
        self.pid
    }

    pub fn wait(self) -> sys::Ended {
        sys::wait(self.pid)
    }
}

/// Lets two processes wait for each other: what one of them writes, the other one reads.
pub struct Signal {
    reader: File,
    writer: File,
}

impl Signal {
    pub fn new() -> Self {
        let (reader, writer) = sys::pipe();
        Self { reader, writer }
    }

    pub fn send(&self) {
        self.send_value(0);
    }

    pub fn send_value(&self, value: u64) {
        (&self.writer)
            .write_all(&value.to_ne_bytes())
            .expect("write to a pipe");
    }

    /// Waits for the other process, with a time limit: it may have failed.
    pub fn wait(&self) -> u64 {
        self.wait_for(wait::LIMIT)
            .expect("the other process sent nothing")
    }

    fn take(&self) -> u64 {
        let mut value = [0; 8];
        (&self.reader)
            .read_exact(&mut value)
            .expect("read from a pipe");
        u64::from_ne_bytes(value)
    }

    /// Whether something was sent before the time is up.
    pub fn wait_for(&self, time: Duration) -> Option<u64> {
        sys::poll_in(&[self.reader.as_raw_fd()], time)[0].then(|| self.take())
    }
}
