// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sources of records: the log of this boot or of an earlier one, a saved ring, or a file with
//! the text of /dev/kmsg.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use fanlight::{Ending, Log, Record, Salvaged, Start, WallClock};

use super::boot_id::{BootId, Cursor};
use super::clock::Clock;
use super::filed::{self, Ended, Header, HEADER};
use super::reset;
use crate::error::{plain, Error, Result};

/// The records of one boot, and the facts about that boot.
pub struct Source {
    pub records: Records,
    pub origin: Origin,
    pub boot_id: Option<BootId>,
}

pub enum Records {
    /// The ring of a node, or a ring in a file.
    Ring(Log),
    /// The records of a text file.
    Text(Vec<Record<'static>>),
}

/// The origin of the records.
pub enum Origin {
    /// The running boot.
    Running,
    /// An earlier boot, and how many boots ago it was, if the node's name shows it.
    Earlier { age: Option<u32>, found: Salvaged },
    /// A saved ring.
    Image,
    /// A text file, with its header.
    Text(Header),
}

impl Source {
    /// Why the hardware was reset, if that ended this boot and is known. The hardware reports the
    /// reason for the last reset only, which did not end earlier boots.
    pub fn reset_reason(&self) -> Option<String> {
        let found = self.salvaged()?;
        let ended = found.boots_ago == Some(1) && found.ending == Ending::Reset;
        ended.then(|| reset::reason(Path::new("/sys")))?
    }

    /// The log of a node.
    pub fn of_node(log: Log, age: Option<u32>) -> Result<Self> {
        let Some(found) = log.salvaged() else {
            return Ok(Self {
                boot_id: BootId::parse(&log.boot_id()?),
                records: Records::Ring(log),
                origin: Origin::Running,
            });
        };
        let boot_id = match &found.boot_id {
            Some(text) => BootId::parse(text),
            None => BootId::parse(&log.boot_id()?),
        };
        Ok(Self {
            records: Records::Ring(log),
            origin: Origin::Earlier { age, found },
            boot_id,
        })
    }

    /// Opens a file: a saved ring, or text.
    pub fn of_file(path: &Path) -> Result<Self> {
        if !path.exists() {
            let path = path.display();
            return Err(Error::message(format!("{path}: no such file")));
        }
        match Log::open_image(path) {
            Ok(log) => Ok(Self {
                boot_id: BootId::parse(&log.boot_id()?),
                records: Records::Ring(log),
                origin: Origin::Image,
            }),
            // Only a file that exists and is readable can be text.
            Err(
                error @ (fanlight::Error::NoDevice { .. } | fanlight::Error::Permission { .. }),
            ) if OpenOptions::new().read(true).open(path).is_err() => Err(error.into()),
            Err(error) => match text(path)? {
                Some(source) => Ok(source),
                None if matches!(error, fanlight::Error::Log { .. }) => Err(error.into()),
                None => Err(Error::message(format!(
                    "{} is not a log: neither a saved ring nor the text of /dev/kmsg",
                    path.display()
                ))),
            },
        }
    }

    /// The current offsets from the clock of its records to the wall clock, if they are known.
    pub fn wall_clock(&self) -> Option<WallClock> {
        match (&self.records, &self.origin) {
            (_, Origin::Text(header)) => header.wall.clone(),
            (Records::Ring(log), _) => log.wall_clock(),
            (Records::Text(_), _) => None,
        }
    }

    /// The clock for its dates.
    pub fn clock(&self) -> Clock {
        Clock::new(self.wall_clock())
    }

    pub fn is_running(&self) -> bool {
        matches!(self.origin, Origin::Running)
    }

    /// Whether it has no record at all.
    pub fn is_empty(&self) -> Result<bool> {
        match &self.records {
            Records::Ring(log) => Ok(log.reader(Start::Oldest)?.next_record()?.is_none()),
            Records::Text(records) => Ok(records.is_empty()),
        }
    }

    /// What the driver salvaged of it, if it is an earlier boot.
    pub fn salvaged(&self) -> Option<&Salvaged> {
        match &self.origin {
            Origin::Earlier { found, .. } => Some(found),
            _ => None,
        }
    }

    /// How its boot ended, if it is an earlier one.
    pub fn ended(&self) -> Option<Ended> {
        match &self.origin {
            Origin::Earlier { found, .. } => Some(Ended {
                ending: found.ending,
                missing: found.missing,
                damaged: found.damaged,
                reason: self.reset_reason(),
            }),
            Origin::Text(header) => header.ended.clone(),
            _ => None,
        }
    }

    /// Whether the text form of its kernel has the caller.
    pub fn shows_callers(&self) -> bool {
        match (&self.records, &self.origin) {
            (Records::Ring(log), _) => log.shows_callers(),
            (_, Origin::Text(Header { callers, .. })) if callers.is_some() => {
                *callers == Some(true)
            }
            (Records::Text(records), _) => records.iter().any(|record| record.caller.0 != 0),
        }
    }

    /// A record's cursor, for --after-cursor.
    pub fn cursor(&self, record: &Record<'_>) -> Option<Cursor> {
        self.boot_id.map(|boot| Cursor::of(boot, record))
    }

    /// The time of the newest record; `None` if there is none, or it cannot be read.
    pub fn newest(&self) -> Option<u64> {
        let mut newest = None;
        let read = self.each(Start::Oldest, |record| {
            newest = newest.max(Some(record.ns));
            Ok(())
        });
        newest.filter(|_| read.is_ok())
    }

    /// Calls `each` for the current records, from `start` on.
    pub fn each(
        &self,
        start: Start,
        mut each: impl FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<()> {
        match &self.records {
            Records::Ring(log) => log.reader(start)?.drain(each).map(drop),
            Records::Text(records) => {
                let first = match start {
                    Start::Oldest => 0,
                    Start::Sequence(seq) => seq,
                    Start::Newest => return Ok(()),
                };
                records
                    .iter()
                    .filter(|record| record.seq >= first)
                    .try_for_each(&mut each)
            }
        }
    }
}

/// The records and the header of an archived file; no records if it does not contain text of
/// /dev/kmsg.
pub fn archived(path: &Path) -> Result<(Vec<Record<'static>>, Header)> {
    match text(path)? {
        Some(Source {
            records: Records::Text(records),
            origin: Origin::Text(header),
            ..
        }) => Ok((records, header)),
        _ => Ok((Vec::new(), Header::default())),
    }
}

/// The maximum length of one read of /dev/kmsg.
const MESSAGE_MAX: usize = 2048;
/// The size of a read, which is larger.
const CHUNK: usize = 8192;

/// Reads a text file; `None` if its beginning is not text of /dev/kmsg.
fn text(path: &Path) -> Result<Option<Source>> {
    let failed = |error| {
        let error: io::Error = error;
        Error::message(format!("cannot read {}: {}", path.display(), plain(&error)))
    };
    let mut options = OpenOptions::new();
    options.read(true);
    // /dev/kmsg itself is read to its current end.
    let device = std::fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device());
    if device {
        // The value is positive on every architecture.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
        options.custom_flags(nonblocking.try_into().unwrap_or(0));
    }
    let file = options.open(path).map_err(failed)?;
    let Some((bytes, cut)) = read(file, device).map_err(failed)? else {
        return Ok(None);
    };
    if cut > 0 {
        let s = if cut == 1 { "" } else { "s" };
        eprintln!(
            "fanlight: {cut} record{s} of {} cut: a read returns at most {MESSAGE_MAX} bytes",
            path.display()
        );
    }
    Ok(parse(&bytes))
}

/// Reads to the current end, and counts the records that are cut; `None` if the beginning is not
/// text of /dev/kmsg.
fn read(mut file: impl Read, device: bool) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut bytes = Vec::new();
    let mut cut = 0;
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                let begins = bytes.is_empty();
                bytes.extend_from_slice(&chunk[..count]);
                // One read() of a node is one record. Keep the next one separate.
                if device {
                    let newline = bytes.ends_with(b"\n");
                    cut += u64::from(count == MESSAGE_MAX || !newline);
                    if !newline {
                        bytes.push(b'\n');
                    }
                }
                // Do not read all of a large file that is something else.
                if begins && !is_text(&bytes) {
                    return Ok(None);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if device && error.kind() == io::ErrorKind::WouldBlock => break,
            // The kernel has overwritten records before they were read.
            Err(error) if device && error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some((bytes, cut)))
}

/// Whether the first line is a record or the header.
fn is_text(bytes: &[u8]) -> bool {
    let first = bytes.split_inclusive(|byte| *byte == b'\n').next();
    first.is_some_and(|line| {
        line.starts_with(HEADER.as_bytes()) || Record::parse_kmsg(line).is_some()
    })
}

/// Parses text. A record is a line and all following lines that begin with a space. Other lines are
/// skipped: the kernel cuts records that are too long.
fn parse(bytes: &[u8]) -> Option<Source> {
    if !is_text(bytes) {
        return None;
    }
    let mut header = Header::default();
    let mut records: Vec<Record<'static>> = Vec::new();
    let mut begin = 0;
    let mut at = 0;
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for (i, line) in lines.iter().enumerate() {
        let end = at + line.len();
        if let Some(fields) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.strip_prefix(HEADER))
        {
            header = Header::parse(fields);
            begin = end;
        } else if lines.get(i + 1).is_none_or(|next| !next.starts_with(b" ")) {
            records.extend(filed::parse_record(&bytes[begin..end]));
            begin = end;
        }
        at = end;
    }
    Some(Source {
        records: Records::Text(records),
        boot_id: header.boot_id,
        origin: Origin::Text(header),
    })
}

#[cfg(test)]
mod tests {
    use fanlight::Ending;

    use super::*;

    fn texts(source: &Source) -> Vec<String> {
        let mut all = Vec::new();
        source
            .each(Start::Oldest, |record| {
                all.push(format!("{} {}", record.seq, record.text_lossy()));
                Ok(())
            })
            .unwrap();
        all
    }

    #[test]
    fn log_text_of_kmsg_is_read() {
        let text = b"6,1,500000,-;one\n4,2,1500000,-,caller=T7;two\\x0alines\n SUBSYSTEM=usb\n \
            DEVICE=+usb:1\n<garbage\n3,9,2000000,c;three\n";
        let source = parse(text).unwrap();
        assert_eq!(texts(&source), ["1 one", "2 two\nlines", "9 three"]);
        assert!(source.shows_callers());
        let Records::Text(records) = &source.records else {
            panic!("not text");
        };
        assert_eq!(&*records[1].dict, b"SUBSYSTEM=usb\nDEVICE=+usb:1");
        assert!(records[2].continuation);
        for other in [
            "",
            "root:x:0:0",
            "# a comment\n",
            " \n",
            "[    0.5] hello\n",
        ] {
            assert!(parse(other.as_bytes()).is_none(), "{other}");
        }
    }

    /// Returns one record per read(), like a node.
    struct Node(Vec<&'static [u8]>);

    impl Read for Node {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.0.remove(0).read(buffer)
        }
    }

    #[test]
    fn log_text_of_a_node_is_a_record_per_read() {
        let node = Node(vec![
            b"6,1,500000,-;one\n",
            b"6,2,500000,-;cut\\x0",
            b"6,3,500000,-;behind it\n KEY=cut",
            b"6,4,500000,-;last\n",
        ]);
        let (bytes, cut) = read(node, true).unwrap().unwrap();
        assert_eq!(cut, 2);
        let source = parse(&bytes).unwrap();
        assert_eq!(texts(&source), ["1 one", "2 cut", "3 behind it", "4 last"]);
        assert!(read(Node(vec![b"root:x:0:0\n"]), true).unwrap().is_none());
    }

    #[test]
    fn log_text_keeps_what_the_header_says() {
        let id = BootId::parse("0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c11");
        let kept = Header {
            boot_id: id,
            wall: Some(WallClock::from_offset(-7)),
            callers: Some(true),
            ended: Some(Ended {
                ending: Ending::Reset,
                missing: 3,
                damaged: 1,
                reason: Some("watchdog, fan failure".into()),
            }),
        };
        let mut text = kept.line().into_bytes();
        // A file with a header need not have records.
        let empty = parse(&text).unwrap();
        assert_eq!(texts(&empty), [""; 0]);
        text.extend(b"6,1,500000,-;one\n");
        let source = parse(&text).unwrap();
        assert_eq!(texts(&source), ["1 one"]);
        assert_eq!(source.boot_id, id);
        assert_eq!(source.wall_clock(), kept.wall);
        assert_eq!(source.ended(), kept.ended);
        let unknown = parse(Header::default().line().as_bytes()).unwrap();
        assert!(unknown.boot_id.is_none() && !unknown.clock().knows_dates());
    }
}
