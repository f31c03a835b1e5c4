// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records that programs append.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::{Facility, Level};
use crate::diagnose;
use crate::error::{Error, Result};
use crate::sys;

/// A log, open for writing.
///
/// ```no_run
/// use fanlight::Level;
///
/// let mut log = fanlight::Instance::open(0)?.log_writer()?;
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

    /// Counts the records of this writer that the driver's write limit has suppressed. Writing such
    /// a record is no error; see the attribute `write_limit` of the node.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// ```no_run
    /// # let log = fanlight::LogWriter::open("/dev/fanlight0/log")?;
    /// assert_eq!(log.suppressed()?, 0);
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn suppressed(&self) -> Result<u64> {
        let stats = sys::ioctl::log_stats(self.file.as_fd());
        let what = || format!("ask {} for its counters", self.path.display());
        Ok(stats.map_err(|error| Error::io(what(), error))?.own_limited)
    }

    /// Appends a record of the facility `user`. A NUL, at which the driver would end the text, is
    /// written as the four characters `\x00`.
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

    /// Appends a record of any facility. The driver turns `kern` into `user`, as the kernel does:
    /// only the kernel writes as the kernel.
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
        let mut record = prefix(facility, level);
        record.extend_from_slice(&without_nul(text));
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

impl LogWriter {
    /// Appends a text of any length, as several records if it is too long for one. A character of
    /// UTF-8 is never divided.
    ///
    /// # Errors
    ///
    /// The device is gone. The records before the error are in the log.
    ///
    /// ```no_run
    /// # let mut log = fanlight::LogWriter::open("/dev/fanlight0/log")?;
    /// # let answer = Vec::new();
    /// log.write_split(fanlight::Facility::USER, fanlight::Level::Debug, &answer)?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn write_split(&mut self, facility: Facility, level: Level, text: &[u8]) -> Result<()> {
        let room = (WRITE_MAX - prefix(facility, level).len()).min(TEXT_MAX);
        let text = without_nul(text);
        let mut rest = &*text;
        loop {
            let (piece, more) = rest.split_at(boundary(rest, room));
            // The driver takes a newline from the end, as /dev/kmsg does.
            let ends = piece.last() == Some(&b'\n') && !more.is_empty();
            let (piece, more) = match piece.len() {
                2.. if ends => rest.split_at(piece.len() - 1),
                _ => (piece, more),
            };
            self.write_as(facility, level, piece)?;
            if more.is_empty() {
                return Ok(());
            }
            rest = more;
        }
    }
}

/// Bytes of one `write()` at most, the prefix included.
const WRITE_MAX: usize = 1024;
/// Bytes of a record's text at most.
const TEXT_MAX: usize = 1023;

/// `<30>`, by which the driver knows level and facility.
fn prefix(facility: Facility, level: Level) -> Vec<u8> {
    let number = (u32::from(facility.0) << 3) | u32::from(level.number());
    format!("<{number}>").into_bytes()
}

/// The text with `\x00` in place of each NUL.
fn without_nul(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&0) {
        return text.into();
    }
    text.split(|byte| *byte == 0)
        .collect::<Vec<_>>()
        .join(&b"\\x00"[..])
        .into()
}

/// Where to cut a text so that the first piece has at most `max` bytes and no character is divided.
fn boundary(text: &[u8], max: usize) -> usize {
    if text.len() <= max {
        return text.len();
    }
    // A character has at most three bytes behind its first; a text with more is not UTF-8.
    let begins = |at: &usize| text[*at] & 0xc0 != 0x80;
    (max - 3..=max).rev().find(begins).unwrap_or(max)
}

/// For asynchronous runtimes.
impl AsFd for LogWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_long_texts_are_cut_between_characters() {
        assert_eq!(boundary(b"abc", 10), 3);
        assert_eq!(boundary(b"abcdefghijkl", 10), 10);
        assert_eq!(boundary("aaaaaaaaa\u{e9}bb".as_bytes(), 10), 9);
        assert_eq!(boundary("aaaaaaaaaa\u{1f642}".as_bytes(), 13), 10);
        assert_eq!(boundary(&[0x80; 20], 10), 10);
    }

    #[test]
    fn log_texts_with_a_nul_are_written_whole() {
        let path = std::env::temp_dir().join(format!("fanlight-nul-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let mut log = LogWriter::open(&path).unwrap();
        log.write(Level::Err, b"before\0after\0").unwrap();
        log.write_split(Facility::USER, Level::Err, b"\0x").unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(written, r"<11>before\x00after\x00<11>\x00x");
    }

    #[test]
    fn log_long_texts_are_written_whole() {
        let path = std::env::temp_dir().join(format!("fanlight-split-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let mut log = LogWriter::open(&path).unwrap();
        let text = "0123456789".repeat(210);
        log.write_split(Facility(3), Level::Err, text.as_bytes())
            .unwrap();
        log.write_split(Facility(3), Level::Err, b"").unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let pieces: Vec<&str> = written.split("<27>").skip(1).collect();
        assert_eq!(pieces.len(), 4);
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| piece.len() + 4 <= WRITE_MAX));
    }
}
