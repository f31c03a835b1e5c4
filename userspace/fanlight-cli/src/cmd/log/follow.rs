// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits for more records, until standard output is closed.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use fanlight::Reader;
use rustix::event::{poll, PollFd, PollFlags, Timespec};

use crate::error::{Error, Result};

/// The interval for checks of a file, which poll() always reports as ready.
const INTERVAL: Duration = Duration::from_millis(50);

/// Waits until there is a record. Also polls standard output, since otherwise the program would not
/// notice that the reader of its output is gone.
pub fn wait(reader: &mut Reader, is_file: bool) -> Result<()> {
    while !reader.prepare_wait()? {
        let stdout = io::stdout();
        // Without events, poll() reports errors only, such as a pipe whose reader is gone.
        let output = PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty());
        let closed;
        if is_file {
            let mut fds = [output];
            poll(&mut fds, Some(&Timespec::default())).map_err(failed)?;
            closed = fds[0].revents();
            if closed.is_empty() && reader.wait(Some(INTERVAL))? {
                return Ok(());
            }
        } else {
            let mut fds = [PollFd::new(&*reader, PollFlags::IN), output];
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(failed(error)),
            }
            closed = fds[1].revents();
            if fds[0].revents().contains(PollFlags::HUP) {
                // Returns the error that the device is gone.
                reader.wait(Some(Duration::ZERO))?;
            }
        }
        if closed.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
            return Err(Error::Output(io::ErrorKind::BrokenPipe.into()));
        }
    }
    Ok(())
}

fn failed(error: rustix::io::Errno) -> Error {
    Error::message(format!("cannot wait: {}", io::Error::from(error)))
}
