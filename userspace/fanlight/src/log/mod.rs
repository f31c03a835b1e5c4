// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log: its mapped ring, its writer, and what is known of an earlier boot.

mod glimpse;
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

use fanlight_ring::{AttachError, Ring, VERSION};

pub use glimpse::Glimpse;
pub use previous::{Ending, Salvaged};
pub use reader::{Reader, Records, Start};
pub use record::{Caller, Facility, Level, Record, UnknownName};
pub use writer::LogWriter;

use crate::abi::{LogStats, Watermark};
use crate::error::{Error, Result};
use crate::info;
use crate::sys::{self, Memory};
use crate::window::Window;

/// A log ring, mapped for reading.
///
/// Any number of programs may read it; none of them slows the writer, which overwrites the oldest
/// records. A reader that is too slow is told exactly how many it has lost, and never gets a record
/// that was overwritten while it was copied.
///
/// ```no_run
/// let log = fanlight::Instance::open(0)?.log()?;
/// for record in log.records() {
///     let record = record?;
///     println!("{:>6} {} {}", record.seq, record.level, record.text_lossy());
/// }
/// # Ok::<(), fanlight::Error>(())
/// ```
pub struct Log {
    window: Window,
    memory: Memory,
    /// A ring in a file: nothing comes to it, or at least nobody says so.
    image: bool,
}

impl Log {
    /// Opens and maps a log's node.
    ///
    /// # Errors
    ///
    /// There is no such node, it may not be opened, or it is no log that this library can read.
    ///
    /// ```no_run
    /// let log = fanlight::Log::open("/dev/fanlight0/log")?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let window = Window::open_read_only(path)?;
        let memory = window.memory(false)?;
        let log = Self {
            window,
            memory,
            image: false,
        };
        log.ring()?;
        Ok(log)
    }

    /// Opens a ring that was saved to a file: a copy of the window's memory, as a debugger or a
    /// crash dump gives it.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds no ring that this library can read.
    ///
    /// ```
    /// assert!(fanlight::Log::open_image("/etc/passwd").is_err());
    /// ```
    pub fn open_image(path: impl Into<PathBuf>) -> Result<Self> {
        let window = Window::open_read_only(path)?;
        let memory = window.file_memory()?;
        let log = Self {
            window,
            memory,
            image: true,
        };
        log.ring()?;
        Ok(log)
    }

    fn ring(&self) -> Result<Ring<'_>> {
        let path = || self.path().to_owned();
        let Some((header, data)) = self.memory.ring() else {
            return Err(Error::WrongKind {
                path: path(),
                wanted: "a log",
            });
        };
        Ring::attach(header, data).map_err(|error| match error {
            AttachError::Magic => Error::WrongKind {
                path: path(),
                wanted: "a log",
            },
            AttachError::Version(version) => {
                let hint = match (self.image, version > VERSION) {
                    (_, true) => "update the program",
                    (true, false) => "read it with the release of fanlight that it was saved with",
                    (false, false) => "update the driver",
                };
                self.error(&format!(
                    "a ring of format {version}; this program reads {VERSION}: {hint}"
                ))
            }
            AttachError::Size => self.error("its header has sizes that no ring has"),
        })
    }

    fn error(&self, what: &str) -> Error {
        Error::Log {
            path: self.path().to_owned(),
            what: what.to_owned(),
        }
    }

    /// Its node.
    ///
    /// ```no_run
    /// # let log = fanlight::Log::open("/dev/fanlight0/log")?;
    /// assert!(log.path().ends_with("log"));
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        self.window.path()
    }

    /// The records from the oldest to the newest that there are now. Records that come later are
    /// not among them.
    ///
    /// ```no_run
    /// # let log = fanlight::Log::open("/dev/fanlight0/log")?;
    /// let is_error = |record: &fanlight::Record| record.level <= fanlight::Level::Err;
    /// let errors = log.records().filter(|record| record.as_ref().is_ok_and(is_error)).count();
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn records(&self) -> Records<'_> {
        Records::new(self.reader(Start::Oldest))
    }

    /// A reader with a place of its own, which can wait for more.
    ///
    /// # Errors
    ///
    /// The device is gone.
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
    pub fn reader(&self, start: Start) -> Result<Reader<'_>> {
        if !self.image {
            // The driver first waits until the log has what printk has. What it answers does not matter.
            let _ = rustix::fs::seek(self.as_fd(), rustix::fs::SeekFrom::Start(0));
        }
        Ok(Reader::new(self, self.ring()?, start))
    }

    /// The boot whose records these are, as /proc/sys/kernel/random/boot_id writes it.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// ```no_run
    /// # let log = fanlight::Log::open("/dev/fanlight0/log")?;
    /// println!("boot {}", log.boot_id()?);
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn boot_id(&self) -> Result<String> {
        let id = self.ring()?.header().boot_id();
        self.check()?;
        let mut text = String::new();
        for (i, byte) in id.iter().enumerate() {
            let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
            text.push_str(&format!("{dash}{byte:02x}"));
        }
        Ok(text)
    }

    /// Nanoseconds to add to a record's time to get the time since 1970, as the wall clock is set
    /// now; for the log of an earlier boot, as it was set then. `None` if that is not known.
    ///
    /// The driver keeps this number until the clock is set or has drifted by a millisecond, so that
    /// a record has the same date whenever it is printed.
    ///
    /// ```no_run
    /// let log = fanlight::Instance::open(0)?.log()?;
    /// for record in log.records() {
    ///     let ns = record?.ns;
    ///     let unix = log.clock_offset().map(|offset| offset.saturating_add_unsigned(ns));
    /// }
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn clock_offset(&self) -> Option<i64> {
        if self.image {
            let offset = self.ring().ok()?.header().clock_offset();
            return Some(offset).filter(|offset| *offset != 0);
        }
        previous::clock_offset(&info::sysfs(self.path())?)
    }

    /// Whether this kernel shows in its text form who wrote a record (`CONFIG_PRINTK_CALLER`), as a
    /// `read()` of the node does. False for an image, and for a log without records.
    ///
    /// ```no_run
    /// # let log = fanlight::Log::open("/dev/fanlight0/log")?;
    /// println!("{}", log.shows_callers());
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn shows_callers(&self) -> bool {
        // A descriptor of its own: reading moves a descriptor's position.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nonblocking)
            .open(self.path());
        let (Ok(file), false) = (file, self.image) else {
            return false;
        };
        has_caller(file)
    }

    /// Bytes of records that the ring can hold.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// ```no_run
    /// # let log = fanlight::Log::open("/dev/fanlight0/log")?;
    /// assert!(log.capacity()?.is_power_of_two());
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn capacity(&self) -> Result<usize> {
        Ok(self.ring()?.size())
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
        let written = self.ring()?.written_bytes();
        self.check()?;
        Ok(written)
    }

    /// What the driver counts.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// ```no_run
    /// # let log = fanlight::Log::open("/dev/fanlight0/log")?;
    /// println!("{} records written", log.stats()?.written);
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn stats(&self) -> Result<LogStats> {
        sys::ioctl::log_stats(self.as_fd()).map_err(|error| {
            Error::io(
                format!("ask {} for its counters", self.path().display()),
                error,
            )
        })
    }

    /// Says when `poll` is to report records, so that a busy log wakes its reader seldom.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// ```no_run
    /// use fanlight::abi::Watermark;
    ///
    /// let log = fanlight::Log::open("/dev/fanlight0/log")?;
    /// // At a hundred records, or a quarter of a second after the first.
    /// log.set_watermark(Watermark { records: 100, delay_us: 250_000, ..Default::default() })?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn set_watermark(&self, mark: Watermark) -> Result<()> {
        sys::ioctl::set_watermark(self.as_fd(), mark).map_err(|error| {
            Error::io(
                format!("set the watermark of {}", self.path().display()),
                error,
            )
        })
    }

    /// What was salvaged of the previous boot; `None` if this is not `log.prev`.
    ///
    /// ```no_run
    /// let log = fanlight::Instance::open(0)?.previous_log()?;
    /// println!("{:?}", log.salvaged());
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn salvaged(&self) -> Option<Salvaged> {
        Salvaged::of(self.path())
    }

    /// Forgets what was salvaged of the previous boot; for `log.prev` only.
    ///
    /// # Errors
    ///
    /// It is not `log.prev`, or it may not be written.
    ///
    /// ```no_run
    /// fanlight::Instance::open(0)?.previous_log()?.clear()?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn clear(&self) -> Result<()> {
        self.let_go("clear", sys::ioctl::clear_log)
    }

    /// Frees the space that the log of an earlier boot has in the persistent region, when its
    /// records are stored elsewhere: the next boot does not find them any more. They can be read
    /// until the driver is unbound.
    ///
    /// # Errors
    ///
    /// As those of [`Log::clear`].
    ///
    /// ```no_run
    /// fanlight::Instance::open(0)?.previous_log()?.forget()?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn forget(&self) -> Result<()> {
        self.let_go("forget", sys::ioctl::forget_log)
    }

    fn let_go(
        &self,
        what: &str,
        request: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<()>,
    ) -> Result<()> {
        // Reading needs no right to write; this does.
        let window = Window::open(self.path())?;
        // Unbinding revokes this mapping. So the node that was just opened is still that of this
        // log, and not of another boot's log that has its name since the driver was bound again.
        self.check()?;
        match request(window.as_fd()) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::NOTTY) => Err(Error::WrongKind {
                path: self.path().into(),
                wanted: "a log of the previous boot",
            }),
            Err(error) => Err(Error::io(
                format!("{what} {}", self.path().display()),
                error,
            )),
        }
    }

    /// An error if the mapping was revoked.
    fn check(&self) -> Result<()> {
        if self.memory.is_revoked() {
            return Err(Error::access(
                self.path(),
                crate::access::AccessError::Revoked,
            ));
        }
        Ok(())
    }

    fn gone(&self) -> Error {
        let gone = io::Error::from_raw_os_error(rustix::io::Errno::NODEV.raw_os_error());
        Error::io(format!("follow {}", self.path().display()), gone)
    }
}

/// Whether the next record of a log's node has the field that says who wrote it.
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

/// For `poll` and for asynchronous runtimes; see [`Reader::prepare_wait`].
impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.window.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that returns EPIPE a number of times, as one under load does.
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
