// SPDX-License-Identifier: MIT OR Apache-2.0
//! One record of the log: its text, level, facility, caller and times.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;
use std::time::Duration;

/// The level of a record, from the most urgent to the least.
///
/// ```
/// use fanlight::Level;
///
/// assert!(Level::Err < Level::Info);
/// assert_eq!("warn".parse(), Ok(Level::Warning));
/// assert_eq!("4".parse(), Ok(Level::Warning));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The system is unusable.
    Emerg,
    /// Immediate action is required.
    Alert,
    /// Critical.
    Crit,
    /// An error.
    Err,
    /// A warning.
    Warning,
    /// Normal, but significant.
    Notice,
    /// Informational.
    Info,
    /// For debugging.
    Debug,
}

impl Level {
    /// All levels, by number.
    pub const ALL: [Level; 8] = [
        Level::Emerg,
        Level::Alert,
        Level::Crit,
        Level::Err,
        Level::Warning,
        Level::Notice,
        Level::Info,
        Level::Debug,
    ];

    /// Its name in dmesg.
    pub const fn name(self) -> &'static str {
        [
            "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
        ][self as usize]
    }

    /// Its number, 0 to 7.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Text that does not name a level or a facility.
///
/// ```
/// assert!("loud".parse::<fanlight::Level>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName;

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown name")
    }
}

impl std::error::Error for UnknownName {}

impl FromStr for Level {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let alias = match text {
            "panic" => "emerg",
            "error" => "err",
            "warning" => "warn",
            other => other,
        };
        let named = Self::ALL.into_iter().find(|level| level.name() == alias);
        named
            .or_else(|| Self::ALL.get(text.parse::<usize>().ok()?).copied())
            .ok_or(UnknownName)
    }
}

/// The part of the system that wrote a record, by syslog's numbers.
///
/// ```
/// use fanlight::Facility;
///
/// assert_eq!(Facility::KERN.to_string(), "kern");
/// assert_eq!("local0".parse(), Ok(Facility(16)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facility(pub u8);

impl Facility {
    /// The kernel.
    pub const KERN: Facility = Facility(0);
    /// Programs.
    pub const USER: Facility = Facility(1);

    /// The names, by number.
    pub const NAMES: [&'static str; 24] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
        "authpriv", "ftp", "res0", "res1", "res2", "res3", "local0", "local1", "local2", "local3",
        "local4", "local5", "local6", "local7",
    ];
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.get(usize::from(self.0)) {
            Some(name) => f.pad(name),
            None => f.pad(&self.0.to_string()),
        }
    }
}

impl FromStr for Facility {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let named = Self::NAMES.iter().position(|name| *name == text);
        match named
            .and_then(|at| u8::try_from(at).ok())
            .or_else(|| text.parse().ok())
        {
            Some(number) => Ok(Facility(number)),
            None => Err(UnknownName),
        }
    }
}

/// The caller of a record: a task, or a processor outside of task context.
///
/// ```
/// use fanlight::Caller;
///
/// assert_eq!(Caller(1).to_string(), "T1");
/// assert_eq!(Caller(0x8000_0000).to_string(), "C0");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caller(pub u32);

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.0 & 0x8000_0000 != 0 { 'C' } else { 'T' };
        f.pad(&format!("{kind}{}", self.0 & 0x7fff_ffff))
    }
}

/// One record of a log.
///
/// ```
/// use fanlight::{Level, Record};
///
/// let mut record = Record::new(7, 1_500_000_000, Level::Info, b"usb 1-1: new device");
/// record.dict = b"SUBSYSTEM=usb\nDEVICE=+usb:1-1".as_slice().into();
/// let mut text = Vec::new();
/// record.write_kmsg(false, &mut text)?;
/// assert_eq!(text, b"6,7,1500000,-;usb 1-1: new device\n SUBSYSTEM=usb\n DEVICE=+usb:1-1\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record<'a> {
    /// Its sequence number; consecutive records have consecutive numbers.
    pub seq: u64,
    /// Nanoseconds since boot; [`since_boot`](Self::since_boot) returns it as a [`Duration`].
    pub ns: u64,
    /// Its level.
    pub level: Level,
    /// Its facility.
    pub facility: Facility,
    /// Its caller.
    pub caller: Caller,
    /// Written by a program, not by the kernel.
    pub user: bool,
    /// Continues the line of the previous record.
    pub continuation: bool,
    /// Written during an oops or a panic.
    pub emergency: bool,
    /// Written by a module of the kernel, not through printk.
    pub module: bool,
    /// The raw text, without a newline at its end. It may contain newlines.
    pub text: Cow<'a, [u8]>,
    /// The dictionary, which the kernel adds for programs: lines of `KEY=value`.
    pub dict: Cow<'a, [u8]>,
    /// How many records the reader lost directly before this one.
    pub lost: u64,
}

impl<'a> Record<'a> {
    /// A record of the kernel with a number, nanoseconds since boot, a level and a text; all other
    /// fields are empty.
    pub fn new(seq: u64, ns: u64, level: Level, text: &'a [u8]) -> Self {
        Self {
            seq,
            ns,
            level,
            facility: Facility::KERN,
            caller: Caller(0),
            user: false,
            continuation: false,
            emergency: false,
            module: false,
            text: text.into(),
            dict: Cow::default(),
            lost: 0,
        }
    }

    pub(super) fn from_ring(record: &fanlight_ring::Record<'a>, lost: u64) -> Self {
        Self::from_entry(record.seq, &record.entry, lost)
    }

    fn from_entry(seq: u64, entry: &fanlight_ring::Entry<'a>, lost: u64) -> Self {
        Self {
            seq,
            ns: entry.ns,
            level: Level::ALL[usize::from(entry.level & 7)],
            facility: Facility(entry.facility),
            caller: Caller(entry.caller),
            user: entry.flags & fanlight_ring::USER != 0,
            continuation: entry.flags & fanlight_ring::CONT != 0,
            emergency: entry.flags & fanlight_ring::EMERGENCY != 0,
            module: entry.flags & fanlight_ring::MODULE != 0,
            text: entry.text.into(),
            dict: entry.dict.into(),
            lost,
        }
    }

    /// Parses a record from read() of /dev/kmsg or from [`write_kmsg`](Self::write_kmsg), with the
    /// lines of its dictionary; `None` if the text is invalid. Its time has a resolution of a
    /// microsecond. A record with another facility than `kern` counts as written by a program.
    ///
    /// ```
    /// use fanlight::{Level, Record};
    ///
    /// let record = Record::parse_kmsg(b"6,7,1500000,-;a\\x0ab\n SUBSYSTEM=usb\n").unwrap();
    /// assert_eq!((record.seq, record.level), (7, Level::Info));
    /// assert_eq!(&*record.text, b"a\nb");
    /// assert!(Record::parse_kmsg(b"root:x:0:0:root:/root:/bin/sh").is_none());
    /// ```
    pub fn parse_kmsg(text: &[u8]) -> Option<Record<'static>> {
        let mut buffer = vec![0; text.len()];
        let line = match text {
            // The maximum length of a read of /dev/kmsg, so the text was cut.
            [.., last] if text.len() == fanlight_ring::kmsg::MESSAGE_MAX && *last != b'\n' => {
                fanlight_ring::kmsg::parse(text, &mut buffer)?
            }
            _ => fanlight_ring::kmsg::parse_whole(text, &mut buffer)?,
        };
        let mut record = Record::from_entry(line.seq, &line.entry, 0).into_owned();
        record.user = record.facility != Facility::KERN;
        Some(record)
    }

    /// A copy that does not borrow.
    pub fn into_owned(self) -> Record<'static> {
        Record {
            text: self.text.into_owned().into(),
            dict: self.dict.into_owned().into(),
            ..self
        }
    }

    /// The time since boot. [`WallClock`](crate::WallClock) converts it to the time of day.
    pub fn since_boot(&self) -> Duration {
        Duration::from_nanos(self.ns)
    }

    /// The text, with replacement characters for invalid UTF-8.
    pub fn text_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }

    /// The pairs of the dictionary.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.dict.split(|byte| *byte == b'\n').filter_map(|line| {
            let equals = line.iter().position(|byte| *byte == b'=')?;
            Some((&line[..equals], &line[equals + 1..]))
        })
    }

    /// Writes the record as read() of /dev/kmsg returns it, byte for byte:
    /// `priority,seq,microseconds,-;text`, then the dictionary, one line per pair, with escapes for
    /// unprintable bytes. `with_caller`: include the caller; see
    /// [`Log::shows_callers`](crate::Log::shows_callers).
    ///
    /// Unlike read(), which cuts a record at 2048 bytes, this writes each record whole, with a
    /// newline at its end.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    ///
    /// ```no_run
    /// # let log = fanlight::Instance::open(0)?.log()?;
    /// let with_caller = log.shows_callers();
    /// for record in log.records() {
    ///     record?.write_kmsg(with_caller, &mut std::io::stdout().lock()).expect("stdout");
    /// }
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn write_kmsg(&self, with_caller: bool, out: &mut impl Write) -> io::Result<()> {
        let entry = fanlight_ring::Entry {
            level: self.level.number(),
            facility: self.facility.0,
            flags: if self.continuation {
                fanlight_ring::CONT
            } else {
                0
            },
            ns: self.ns,
            caller: self.caller.0,
            text: &self.text,
            dict: &self.dict,
        };
        let mut text = [0; fanlight_ring::kmsg::MESSAGE_MAX];
        // The buffer is as long as necessary.
        let len =
            fanlight_ring::kmsg::format(self.seq, &entry, with_caller, &mut text).unwrap_or(0);
        let text = &text[..len];
        if len < fanlight_ring::kmsg::MESSAGE_MAX {
            return out.write_all(text);
        }
        // The line can be cut after the fields, which do not contain a semicolon.
        let fields = text.split_inclusive(|byte| *byte == b';').next();
        out.write_all(fields.unwrap_or_default())?;
        write_escaped(out, &self.text)?;
        for pair in self.dict.split(|byte| *byte == b'\n') {
            if !self.dict.is_empty() {
                out.write_all(b"\n ")?;
                write_escaped(out, pair)?;
            }
        }
        out.write_all(b"\n")
    }
}

/// Writes text with the escapes of /dev/kmsg.
fn write_escaped(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    for byte in text {
        match byte {
            b'\\' => write!(out, "\\x5c")?,
            b' '..=b'~' => out.write_all(&[*byte])?,
            _ => write!(out, "\\x{byte:02x}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_raw_text_is_whole_however_long_it_is() {
        for (len, dict) in [
            (0, ""),
            (500, ""),
            (507, "KEY=value"),
            (1000, ""),
            (1000, "A=1\nB=\u{1}"),
        ] {
            let text: Vec<u8> = (0..len).map(|n| [1, b'\\', b'a'][n % 3]).collect();
            let mut record = Record::new(7, 1_500_000_000, Level::Info, &text);
            record.dict = dict.as_bytes().into();
            record.caller = Caller(3);
            let mut lines = Vec::new();
            record.write_kmsg(true, &mut lines).unwrap();
            assert_eq!(lines.last(), Some(&b'\n'), "{len} bytes");
            let read = Record::parse_kmsg(&lines).unwrap();
            assert_eq!((&read.text, &read.dict), (&record.text, &record.dict));
            assert_eq!((read.seq, read.ns, read.caller), (7, record.ns, Caller(3)));
        }
        // Just as long as a read may be.
        let text = vec![b'a'; 2048 - "6,7,1500000,-;\n".len()];
        let record = Record::new(7, 1_500_000_000, Level::Info, &text);
        let mut lines = Vec::new();
        record.write_kmsg(false, &mut lines).unwrap();
        assert_eq!((lines.len(), lines.last()), (2048, Some(&b'\n')));
    }
}
