// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records of one's own.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::{Facility, Level};
use crate::diagnose;
use crate::error::{Error, Result};

/// A log, open for writing.
///
/// ```no_run
/// use fanlight::Level;
///
/// let mut log = fanlight::Board::open(0)?.log_writer()?;
/// log.write(Level::Warning, b"battery at 10 %")?;
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Debug)]
pub struct LogWriter {
    file: File,
    path: PathBuf,
}

impl LogWriter {
    /// Opens a log's node for writing.
    ///
    /// # Errors
    ///
    /// There is no such node, or it may not be written.
    ///
    /// ```no_run
    /// let log = fanlight::LogWriter::open("/dev/fanlight0/log")?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(error) => Err(diagnose::explain(&path, error)),
        }
    }

    /// Its node.
    ///
    /// ```no_run
    /// # let log = fanlight::LogWriter::open("/dev/fanlight0/log")?;
    /// assert!(log.path().ends_with("log"));
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record of the facility `user`.
    ///
    /// # Errors
    ///
    /// The text is too long for a record (about 1000 bytes), or the device is gone.
    ///
    /// ```no_run
    /// # let mut log = fanlight::LogWriter::open("/dev/fanlight0/log")?;
    /// log.write(fanlight::Level::Info, b"started")?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn write(&mut self, level: Level, text: &[u8]) -> Result<()> {
        self.write_as(Facility::USER, level, text)
    }

    /// Appends a record of any facility. The driver turns `kern` into `user`, as the kernel does: only the kernel is the kernel.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// ```no_run
    /// # let mut log = fanlight::LogWriter::open("/dev/fanlight0/log")?;
    /// log.write_as("daemon".parse().unwrap(), fanlight::Level::Err, b"no configuration")?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn write_as(&mut self, facility: Facility, level: Level, text: &[u8]) -> Result<()> {
        let mut record = format!(
            "<{}>",
            (u32::from(facility.0) << 3) | u32::from(level.number())
        )
        .into_bytes();
        record.extend_from_slice(text);
        // A record is one call: the rest of a short write would be a record of its own.
        match self.file.write(&record) {
            Ok(written) if written == record.len() => Ok(()),
            Ok(written) => Err(Error::Log {
                path: self.path.clone(),
                what: format!(
                    "only {written} bytes of a record of {} were taken",
                    record.len()
                ),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Err(Error::Log {
                path: self.path.clone(),
                what: format!("a record of {} bytes is too long", text.len()),
            }),
            Err(error) => Err(Error::io(
                format!("write to {}", self.path.display()),
                error,
            )),
        }
    }
}

/// For asynchronous runtimes.
impl AsFd for LogWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
