// SPDX-License-Identifier: MIT OR Apache-2.0
//! A backend for the crate `log`.

use std::path::PathBuf;

use super::{Facility, Level, LogWriter};
use crate::error::Result;

/// A backend for the crate [`log`]: every message becomes a record, which begins with the name of
/// the module.
///
/// A message of several lines becomes one record; a long message becomes several. A message that
/// cannot be written is lost, since [`log::Log`] has no way to report an error. The driver does not
/// append records beyond the node's write limit ([`LogWriter::limited`] counts them).
///
/// ```no_run
/// use fanlight::{Instance, Logger};
///
/// let writer = Instance::open(0)?.log_writer()?;
/// Logger::new(writer).init(log::LevelFilter::Info)?;
/// log::warn!("battery at {} %", 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Logger {
    writer: LogWriter,
    facility: Facility,
}

impl Logger {
    /// A backend that writes to this log, with the facility `user`.
    pub fn new(writer: LogWriter) -> Self {
        Self {
            writer,
            facility: Facility::USER,
        }
    }

    /// A backend that writes to the log of this node.
    ///
    /// # Errors
    ///
    /// There is no such node, or it may not be written.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Ok(Self::new(LogWriter::open(path)?))
    }

    /// The backend with this facility.
    pub fn with_facility(mut self, facility: Facility) -> Self {
        self.facility = facility;
        self
    }

    /// Installs it as the program's backend, for messages up to this level.
    ///
    /// # Errors
    ///
    /// The program already has a backend.
    pub fn init(self, filter: log::LevelFilter) -> std::result::Result<(), log::SetLoggerError> {
        log::set_boxed_logger(Box::new(self))?;
        log::set_max_level(filter);
        Ok(())
    }
}

impl From<log::Level> for Level {
    /// `Trace` is [`Level::Debug`], too: syslog has no lower level.
    fn from(level: log::Level) -> Self {
        match level {
            log::Level::Error => Level::Err,
            log::Level::Warn => Level::Warning,
            log::Level::Info => Level::Info,
            log::Level::Debug | log::Level::Trace => Level::Debug,
        }
    }
}

impl log::Log for Logger {
    /// The crate filters messages by the level of `init` before.
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = format!("{}: {}", record.target(), record.args());
        let level = record.level().into();
        let _ = self
            .writer
            .append_pieces(self.facility, level, text.as_bytes());
    }

    /// Records are not buffered.
    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Log as _;

    #[test]
    fn log_messages_of_the_log_crate_become_records() {
        let path = std::env::temp_dir().join(format!("fanlight-logger-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let logger = Logger::open(&path).unwrap().with_facility(Facility(3));
        let metadata = |level| log::Metadata::builder().level(level).target("pump").build();
        for (level, text) in [
            (log::Level::Error, "stuck\nfor good"),
            (log::Level::Trace, "x"),
        ] {
            let mut record = log::Record::builder();
            record.metadata(metadata(level));
            logger.log(&record.args(format_args!("{text}")).build());
        }
        let written = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(written, "<27>pump: stuck\nfor good<31>pump: x");
    }
}
