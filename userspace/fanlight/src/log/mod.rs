// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log: its mapped ring, its writer, and the facts about an earlier boot.

mod clock;
mod glimpse;
#[cfg(feature = "log")]
mod logger;
mod previous;
mod reader;
mod record;
mod save;
mod writer;

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fanlight_ring::{AttachError, Ring, VERSION};

pub use clock::WallClock;
pub use glimpse::Glimpse;
#[cfg(feature = "log")]
pub use logger::Logger;
pub use previous::{Ending, Salvaged};
pub use reader::{Reader, Records, Start};
pub use record::{Caller, Facility, Level, Record, UnknownName};
pub use writer::LogWriter;

use crate::abi::LogStats;
use crate::error::{Error, Result};
use crate::sys::{self, MappedRing, Memory};
use crate::window::Window;

/// A log ring, mapped for reading.
///
/// Any number of programs may read it without slowing the writer, which overwrites the oldest
/// records. A slow reader gets the exact number of lost records, and never gets a record that was
/// overwritten during the copy.
///
/// ```no_run
/// let log = fanlight::Instance::open(0)?.log()?;
/// for record in log.records() {
///     let record = record?;
///     println!("{:>6} {} {}", record.seq, record.level, record.text_lossy());
/// }
/// # Ok::<(), fanlight::Error>(())
/// ```
///
/// A clone is the same log: it shares the mapping, which stays until the last clone, [`Reader`] and
/// [`Records`] is dropped. Threads can use one log, or clones of it, at the same time.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    window: Window,
    ring: MappedRing,
    /// A ring in a file: it is not written to, or at least without a notification.
    image: bool,
}

impl Log {
    /// Opens and maps a log's node.
    ///
    /// # Errors
    ///
    /// There is no such node, it may not be opened, or it is not a log that this library can read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let window = Window::open_read_only(path)?;
        let memory = window.memory(false)?;
        Self::attach(window, memory, false)
    }

    /// Opens a ring in a file: a copy of the window's memory, for example from a debugger or a
    /// crash dump.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or does not hold a ring that this library can read.
    pub fn open_image(path: impl Into<PathBuf>) -> Result<Self> {
        let window = Window::open_read_only(path)?;
        let memory = window.file_memory()?;
        Self::attach(window, memory, true)
    }

    fn attach(window: Window, memory: Memory, image: bool) -> Result<Self> {
        let path = || window.path().to_owned();
        let log_error = |what: &str| Error::Log {
            path: path(),
            what: what.to_owned(),
        };
        let ring = MappedRing::attach(memory).map_err(|error| match error {
            None | Some(AttachError::Magic) => Error::WrongKind {
                path: path(),
                wanted: "a log",
            },
            Some(AttachError::Version(version)) => {
                let hint = match (image, version > VERSION) {
                    (_, true) => "update the program",
                    (true, false) => "read it with the release of fanlight that it was saved with",
                    (false, false) => "update the driver",
                };
                log_error(&format!(
                    "a ring of format {version}; this program reads {VERSION}: {hint}"
                ))
            }
            Some(AttachError::Size) => log_error("its header has invalid sizes"),
        })?;
        let shared = Shared {
            window,
            ring,
            image,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    fn ring(&self) -> Ring<'_> {
        self.shared.ring.ring()
    }

    fn is_image(&self) -> bool {
        self.shared.image
    }

    /// The file of the log itself. All clones share it, so its position must not be used: each
    /// reader that waits opens its own file.
    fn window(&self) -> &Window {
        &self.shared.window
    }

    fn error(&self, what: &str) -> Error {
        Error::Log {
            path: self.path().to_owned(),
            what: what.to_owned(),
        }
    }

    /// Its node.
    pub fn path(&self) -> &Path {
        self.window().path()
    }

    /// The records from the oldest to the currently newest one. Later records are not included.
    pub fn records(&self) -> Records {
        self.let_driver_catch_up();
        Records::new(self.clone())
    }

    /// The driver waits until the log has all of printk's messages. The result is ignored.
    fn let_driver_catch_up(&self) {
        if !self.is_image() {
            let _ = rustix::fs::seek(self.window().as_fd(), rustix::fs::SeekFrom::Start(0));
        }
    }

    /// A reader with its own position, which can wait for more records.
    ///
    /// It opens the node once more, so that readers wait independently of each other. A program
    /// that drops its privileges must create its readers before.
    ///
    /// # Errors
    ///
    /// The device is gone, or the node may no longer be opened.
    ///
    /// ```no_run
    /// use fanlight::Start;
    ///
    /// let log = fanlight::Log::open("/dev/fanlight0/log")?;
    /// let mut reader = log.reader(Start::Newest)?;
    /// loop {
    ///     while let Some(record) = reader.next_record()? {
    ///         println!("{}", record.text_lossy());
    ///     }
    ///     reader.wait(None)?;
    /// }
    /// # #[allow(unreachable_code)]
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn reader(&self, start: Start) -> Result<Reader> {
        Reader::new(self.clone(), start)
    }

    /// The boot id of the records, in the format of /proc/sys/kernel/random/boot_id.
    ///
    /// # Errors
    ///
    /// The device is gone.
    pub fn boot_id(&self) -> Result<String> {
        let id = self.ring().header().boot_id();
        self.check()?;
        let mut text = String::new();
        for (i, byte) in id.iter().enumerate() {
            let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
            text.push_str(&format!("{dash}{byte:02x}"));
        }
        Ok(text)
    }

    /// The clock that converts a record's time to the time of day; `None` if dates are unknown,
    /// because the clock of that boot was never set.
    ///
    /// Drift and suspension change the offset of later records. The dates of existing records
    /// change only if the wall clock of the running boot was wrong and is set. A program that
    /// follows a log for a long time should call this again from time to time.
    ///
    /// ```no_run
    /// use std::time::SystemTime;
    ///
    /// let log = fanlight::Instance::open(0)?.log()?;
    /// let clock = log.wall_clock();
    /// for record in log.records() {
    ///     let record = record?;
    ///     let time: Option<SystemTime> =
    ///         clock.as_ref().map(|clock| clock.time_of(record.since_boot()));
    ///     println!("{time:?} {}", record.text_lossy());
    /// }
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn wall_clock(&self) -> Option<WallClock> {
        WallClock::of_list(&self.ring().header().clocks)
    }

    /// Whether the text form of this kernel, which read() of the node returns, has the caller of a
    /// record (`CONFIG_PRINTK_CALLER`). False for an image, and for a log without records.
    pub fn shows_callers(&self) -> bool {
        // A separate descriptor, since reading moves its position.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nonblocking)
            .open(self.path());
        let (Ok(file), false) = (file, self.is_image()) else {
            return false;
        };
        has_caller(file)
    }

    /// Bytes of records that the ring can hold.
    pub fn capacity(&self) -> usize {
        self.ring().size()
    }

    /// Bytes of records ever written, modulo 2^64.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// ```no_run
    /// # let log = fanlight::Log::open("/dev/fanlight0/log")?;
    /// let before = log.position()?;
    /// std::thread::sleep(std::time::Duration::from_secs(1));
    /// println!("{} bytes a second", log.position()?.wrapping_sub(before));
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn position(&self) -> Result<u64> {
        let written = self.ring().written_bytes();
        self.check()?;
        Ok(written)
    }

    /// The driver's counters.
    ///
    /// # Errors
    ///
    /// The device is gone.
    pub fn stats(&self) -> Result<LogStats> {
        sys::ioctl::log_stats(self.window().as_fd()).map_err(|error| {
            Error::io(
                format!("read the counters of {}", self.path().display()),
                error,
            )
        })
    }

    /// What was salvaged of the previous boot; `None` if this is not `log.prev`.
    pub fn salvaged(&self) -> Option<Salvaged> {
        Salvaged::of(self.path())
    }

    /// Clears the log of an earlier boot, in the node and in the persistent region.
    ///
    /// # Errors
    ///
    /// It is not the log of an earlier boot, or the caller does not have CAP_SYSLOG.
    pub fn clear(&self) -> Result<()> {
        self.let_go("clear", sys::ioctl::clear_log)
    }

    /// Frees the space of an earlier boot's log in the persistent region, for example after its
    /// records were stored elsewhere. The next boot will not find them. They can be read until the
    /// driver is unbound.
    ///
    /// # Errors
    ///
    /// As for [`Log::clear`].
    pub fn forget(&self) -> Result<()> {
        self.let_go("forget", sys::ioctl::forget_log)
    }

    fn let_go(
        &self,
        what: &str,
        request: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<()>,
    ) -> Result<()> {
        // A new descriptor: that of the log is open for reading only.
        let window = Window::open(self.path())?;
        self.check_same_node()?;
        match request(window.as_fd()) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::NOTTY) => Err(Error::WrongKind {
                path: self.path().into(),
                wanted: "the log of an earlier boot",
            }),
            Err(error) => Err(Error::io(
                format!("{what} {}", self.path().display()),
                error,
            )),
        }
    }

    /// Returns an error if the mapping was revoked, so that zeroes were read.
    #[inline]
    fn check(&self) -> Result<()> {
        match self.shared.ring.memory().error() {
            None => Ok(()),
            Some(error) => Err(Error::access(self.path(), error)),
        }
    }

    /// To be called after the node was opened again. Unbinding revokes the mapping, which a load
    /// detects. So if the mapping is intact, the node still belongs to this log, and not to another
    /// log with the same name after the driver was bound again.
    fn check_same_node(&self) -> Result<()> {
        let _ = self.ring().written_bytes();
        self.check()
    }

    fn gone(&self) -> Error {
        let gone = io::Error::from_raw_os_error(rustix::io::Errno::NODEV.raw_os_error());
        Error::io(format!("follow {}", self.path().display()), gone)
    }
}

/// Whether the next record of a log's node has the field of the caller.
fn has_caller(mut file: impl Read) -> bool {
    let mut text = [0; fanlight_ring::kmsg::MESSAGE_MAX];
    let broken = Some(rustix::io::Errno::PIPE.raw_os_error());
    // EPIPE: the record was overwritten before it was read. The next read returns another one.
    for _ in 0..1000 {
        match file.read(&mut text) {
            Err(error) if error.raw_os_error() == broken => {}
            Err(_) => break,
            Ok(len) => {
                let head = text[..len].split(|byte| *byte == b';').next();
                return head
                    .unwrap_or_default()
                    .split(|byte| *byte == b',')
                    .any(|field| field.starts_with(b"caller="));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that returns EPIPE a number of times, like one under load.
    struct Node(u32, &'static [u8]);

    impl Read for Node {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 > 0 {
                self.0 -= 1;
                return Err(rustix::io::Errno::PIPE.into());
            }
            self.1.read(buffer)
        }
    }

    #[test]
    fn log_callers_are_found_behind_lost_records() {
        for lost in [0, 1, 50] {
            assert!(has_caller(Node(lost, b"6,1,2,-,caller=T1;text\n")));
            assert!(!has_caller(Node(lost, b"6,1,2,-;text,caller=T1\n")));
        }
        assert!(!has_caller(Node(u32::MAX, b"")));
    }
}
