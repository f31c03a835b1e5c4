// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records that programs append.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
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
/// log.append(Level::Warning, b"battery at 10 %")?;
/// # Ok::<(), fanlight::Error>(())
/// ```
///
/// It implements [`Write`], too: each line becomes a record with the facility and the level of the
/// writer, by default `user` and `info`. The text after the last newline is appended when its
/// newline is written, by `flush()`, before the next record, or when the writer is dropped.
///
/// ```no_run
/// use std::io::Write;
///
/// let mut log = fanlight::Instance::open(0)?.log_writer()?.with_level(fanlight::Level::Notice);
/// writeln!(log, "battery at {} %", 10)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct LogWriter {
    file: File,
    path: PathBuf,
    facility: Facility,
    level: Level,
    /// An incomplete line.
    line: Vec<u8>,
}

impl LogWriter {
    /// Opens a log's node for writing.
    ///
    /// # Errors
    ///
    /// There is no such node, or it may not be opened for writing.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) => Ok(Self {
                file,
                path,
                facility: Facility::USER,
                level: Level::Info,
                line: Vec::new(),
            }),
            Err(error) => Err(diagnose::explain(&path, error)),
        }
    }

    /// Sets the level of records by [`Write`].
    pub fn with_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Sets the facility of records by [`Write`].
    pub fn with_facility(mut self, facility: Facility) -> Self {
        self.facility = facility;
        self
    }

    /// Its node.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of this writer's limited records: those beyond the driver's write limit, which
    /// were not appended. Writing such a record is not an error; see the attribute `write_limit` of
    /// the node.
    ///
    /// # Errors
    ///
    /// The device is gone.
    pub fn limited(&self) -> Result<u64> {
        let stats = sys::ioctl::log_stats(self.file.as_fd());
        let what = || format!("read the counters of {}", self.path.display());
        Ok(stats.map_err(|error| Error::io(what(), error))?.own_limited)
    }

    /// Appends a record with the facility `user`. A NUL, which would end the text, is written as
    /// the four characters `\x00`.
    ///
    /// # Errors
    ///
    /// The text is too long for a record (about 1000 bytes), or the device is gone.
    pub fn append(&mut self, level: Level, text: &[u8]) -> Result<()> {
        self.append_as(Facility::USER, level, text)
    }

    /// Appends a record with any facility. The driver replaces `kern` by `user`, as /dev/kmsg does,
    /// since only the kernel may use `kern`.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn append_as(&mut self, facility: Facility, level: Level, text: &[u8]) -> Result<()> {
        self.append_line()?;
        self.append_record(facility, level, text)
    }

    /// Appends one record by one system call. Any thread may call this at any time.
    pub(super) fn append_record(
        &self,
        facility: Facility,
        level: Level,
        text: &[u8],
    ) -> Result<()> {
        let mut record = prefix(facility, level);
        record.extend_from_slice(&without_nul(text));
        // A record is one call: the rest of a short write would become another record.
        match (&self.file).write(&record) {
            Ok(written) if written == record.len() => Ok(()),
            Ok(written) => Err(Error::Log {
                path: self.path.clone(),
                what: format!(
                    "only {written} bytes of a record of {} were written",
                    record.len()
                ),
            }),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(Error::Log {
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
    /// Appends a text of any length, as several records if it is too long for one. Does not split
    /// UTF-8 characters.
    ///
    /// # Errors
    ///
    /// The device is gone. The records before the error are in the log.
    pub fn append_split(&mut self, facility: Facility, level: Level, text: &[u8]) -> Result<()> {
        self.append_line()?;
        self.append_pieces(facility, level, text)
    }

    /// The pieces of a text, as many records as it needs.
    pub(super) fn append_pieces(
        &self,
        facility: Facility,
        level: Level,
        text: &[u8],
    ) -> Result<()> {
        let text = without_nul(text);
        let room = room(facility, level);
        let mut rest = &*text;
        loop {
            let mut end = boundary(rest, room);
            let mut next = end;
            if end < rest.len() {
                // The driver drops a newline at the end of a record, as /dev/kmsg does.
                let text = rest[..end].iter().rposition(|byte| *byte != b'\n');
                match text {
                    Some(last) => (end, next) = (last + 1, last + 1),
                    // Only newlines: one is dropped, and begins the next piece.
                    None => next = end - 1,
                }
            }
            self.append_record(facility, level, &rest[..end])?;
            rest = &rest[next..];
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Appends the text after the last newline.
    fn append_line(&mut self) -> Result<()> {
        if self.line.is_empty() {
            return Ok(());
        }
        // Not restored after an error.
        let line = std::mem::take(&mut self.line);
        self.append_pieces(self.facility, self.level, &line)
    }
}

/// Lines become records.
impl Write for LogWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // At most one line, so that an error is about text that was not written.
        let end = text.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(text.len(), |end| end + 1);
        match end {
            // An empty line is a record, too.
            Some(0) if self.line.is_empty() => {
                self.append_record(self.facility, self.level, b"")?
            }
            Some(end) => {
                self.line.extend_from_slice(&text[..end]);
                self.append_line()?;
            }
            None => self.line.extend_from_slice(text),
        }
        // A long line must not fill the memory.
        let room = room(self.facility, self.level);
        while self.line.len() > room {
            let rest = self.line.split_off(boundary(&self.line, room));
            let piece = std::mem::replace(&mut self.line, rest);
            self.append_pieces(self.facility, self.level, &piece)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(self.append_line()?)
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // As in a BufWriter, an error cannot be returned here.
        let _ = self.append_line();
    }
}

/// The maximum number of bytes of one write(), prefix included.
const WRITE_MAX: usize = 1024;
/// The maximum number of bytes of a record's text.
const TEXT_MAX: usize = 1023;

/// The maximum number of bytes of a record's text with this prefix.
fn room(facility: Facility, level: Level) -> usize {
    (WRITE_MAX - prefix(facility, level).len()).min(TEXT_MAX)
}

/// The prefix for level and facility, such as `<30>`.
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

/// Where to split a text so that the first piece has at most `max` bytes and no character is split.
fn boundary(text: &[u8], max: usize) -> usize {
    if text.len() <= max {
        return text.len();
    }
    // A character has at most three bytes after its first; a text with more is not UTF-8.
    let begins = |at: &usize| text[*at] & 0xc0 != 0x80;
    (max - 3..=max).rev().find(begins).unwrap_or(max)
}

/// For asynchronous runtimes.
impl AsFd for LogWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// For interfaces that need the number.
impl AsRawFd for LogWriter {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
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
        log.append(Level::Err, b"before\0after\0").unwrap();
        log.append_split(Facility::USER, Level::Err, b"\0x")
            .unwrap();
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
        log.append_split(Facility(3), Level::Err, text.as_bytes())
            .unwrap();
        log.append_split(Facility(3), Level::Err, b"").unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let pieces: Vec<&str> = written.split("<27>").skip(1).collect();
        assert_eq!(pieces.len(), 4);
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| piece.len() + 4 <= WRITE_MAX));
    }

    #[test]
    fn log_long_texts_keep_the_newlines_where_they_are_cut() {
        let path = std::env::temp_dir().join(format!("fanlight-cut-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let mut log = LogWriter::open(&path).unwrap();
        for text in [
            format!("{}\n\n\nrest", "x".repeat(TEXT_MAX - 5)),
            // Pieces of newlines only.
            format!("{}rest", "\n".repeat(3 * TEXT_MAX)),
            format!("begin{}rest", "\n".repeat(2 * TEXT_MAX)),
        ] {
            std::fs::write(&path, "").unwrap();
            log.append_split(Facility(3), Level::Err, text.as_bytes())
                .unwrap();
            let written = std::fs::read_to_string(&path).unwrap();
            let pieces = written.split("<27>").skip(1);
            // The driver drops one newline at the end of each.
            let kept = pieces.map(|piece| piece.strip_suffix('\n').unwrap_or(piece));
            assert_eq!(kept.collect::<String>(), text);
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn log_lines_that_are_written_become_records() {
        let path = std::env::temp_dir().join(format!("fanlight-lines-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let mut log = LogWriter::open(&path).unwrap().with_facility(Facility(3));
        write!(log, "one {}\n\ntwo", 1).unwrap();
        writeln!(log, " three").unwrap();
        log.write_all(b"four").unwrap();
        // Before the next record, and in order.
        log.append(Level::Err, b"five").unwrap();
        log.write_all(b"six").unwrap();
        log.flush().unwrap();
        log.flush().unwrap();
        let long = "0123456789".repeat(210);
        log.write_all(long.as_bytes()).unwrap();
        assert!(log.line.len() <= TEXT_MAX);
        drop(log);
        let written = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let records: Vec<&str> = written.split("<30>").collect();
        assert_eq!(
            records[..6],
            ["", "one 1", "", "two three", "four<11>five", "six"]
        );
        assert_eq!(records[6..].concat(), long);
        assert!(records[6..].iter().all(|piece| piece.len() <= TEXT_MAX));
    }
}
