// SPDX-License-Identifier: MIT OR Apache-2.0
//! The terminal: its size, speed and keys, and its saved state.

use std::io::{self, Read, Write};
use std::time::Duration;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::termios::{tcgetattr, tcgetwinsize, tcsetattr, OptionalActions, Termios};

/// A terminal in raw mode, on its alternate screen. Drop restores everything.
pub struct Terminal {
    before: Termios,
}

impl Terminal {
    pub fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        let this = Self { before };
        let mut out = io::stdout();
        // Alternate screen, no cursor, cleared.
        out.write_all(b"\x1b[?1049h\x1b[?25l\x1b[0m\x1b[2J")?;
        out.flush()?;
        Ok(this)
    }

    /// Columns and lines. A serial line does not report them; 80x24 is the default.
    pub fn size() -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => (80, 24),
        }
    }

    /// Bytes that the line can transmit in `time`; a large number if it is not a serial line.
    pub fn budget(&self, time: Duration) -> usize {
        match self.before.output_speed() {
            // The speed of pseudo-terminals, by default 38400, has no meaning. On a serial line,
            // use a bit less than its speed.
            speed if speed >= 9600 && !self.is_pseudo() => {
                (u64::from(speed) * 8 / 100 * time.as_millis() as u64 / 1000) as usize
            }
            _ => 1 << 20,
        }
    }

    fn is_pseudo(&self) -> bool {
        rustix::termios::ttyname(io::stdout(), Vec::new())
            .is_ok_and(|name| name.to_bytes().starts_with(b"/dev/pts/"))
    }

    /// The next key, if one is pressed before the timeout.
    pub fn key(&self, timeout: Duration) -> io::Result<Option<u8>> {
        let stdin = io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut key = [0];
        match stdin.lock().read(&mut key)? {
            // Hung up.
            0 => Ok(Some(b'q')),
            _ => Ok(Some(key[0])),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut out = io::stdout();
        // An error cannot be reported here.
        let _ = out.write_all(b"\x1b[0m\x1b[?25h\x1b[?1049l");
        let _ = out.flush();
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
