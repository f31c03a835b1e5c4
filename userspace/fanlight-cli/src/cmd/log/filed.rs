// SPDX-License-Identifier: MIT OR Apache-2.0
//! The text of a filed log: a line about its boot, then its records in the format of /dev/kmsg.
//!
//! Additional fields before the semicolon have what that format leaves out. Readers of /dev/kmsg
//! ignore unknown fields: Documentation/ABI/testing/dev-kmsg of the kernel.
//!
//! | field | meaning |
//! |---|---|
//! | `ns=` | nanoseconds beyond the microseconds, if not 0 |
//! | `from=kernel`, `from=program` | the writer, if the facility suggests the other one |
//! | `module=yes` | written by a module of the kernel, not through printk |
//! | `emergency=yes` | written during a panic or an oops |

use std::io::{self, Write};
use std::time::Duration;

use fanlight::{Ending, Facility, Record, WallClock};

use super::boot_id::BootId;

/// The beginning of the first line.
pub const HEADER: &str = "# fanlight log:";

/// Facts about an earlier boot that only the driver knows, and the reason for its end that only the
/// hardware knows. The first line has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub boot_id: Option<BootId>,
    pub wall: Option<WallClock>,
    /// Whether the text form of its kernel has the caller.
    pub callers: Option<bool>,
    pub ended: Option<Ended>,
}

/// How a boot ended, and how much of its log is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub ending: Ending,
    /// Kept records that are missing.
    pub missing: u64,
    /// Places in the region without an intact record that should be there.
    pub damaged: u64,
    /// Why the hardware was reset.
    pub reason: Option<String>,
}

impl Header {
    /// The line, with its newline.
    pub fn line(&self) -> String {
        let mut line = HEADER.to_owned();
        if let Some(id) = self.boot_id {
            line.push_str(&format!(" boot_id={id}"));
        }
        if let Some(wall) = &self.wall {
            line.push_str(&format!(" clock_offset={}", offsets(wall)));
        }
        if let Some(callers) = self.callers {
            line.push_str(&format!(" callers={}", if callers { "yes" } else { "no" }));
        }
        if let Some(ended) = &self.ended {
            let Ended {
                ending,
                missing,
                damaged,
                reason,
            } = ended;
            line.push_str(&format!(
                " missing={missing} damaged={damaged} ending={ending}"
            ));
            // Last, since it may contain spaces.
            if let Some(reason) = reason {
                line.push_str(&format!(" reason={reason}"));
            }
        }
        line.push('\n');
        line
    }

    /// Parses the text after [`HEADER`]. Unknown fields are ignored.
    pub fn parse(fields: &str) -> Self {
        let (fields, reason) = match fields.split_once(" reason=") {
            Some((fields, reason)) => (fields, Some(reason.trim_end().to_owned())),
            None => (fields, None),
        };
        let value = |name: &str| {
            let fields = fields.split_whitespace();
            let mut named = fields.filter_map(|field| field.split_once('='));
            named.find(|(found, _)| *found == name).map(|found| found.1)
        };
        let number = |name| value(name).and_then(|value| value.parse().ok());
        Self {
            boot_id: value("boot_id").and_then(BootId::parse),
            wall: value("clock_offset").and_then(wall_clock),
            callers: value("callers").map(|value| value == "yes"),
            ended: value("ending").map(|ending| Ended {
                ending: ending.parse().unwrap_or(Ending::Unknown),
                missing: number("missing").unwrap_or(0),
                damaged: number("damaged").unwrap_or(0),
                reason,
            }),
        }
    }
}

/// `OFFSET`, or `OFFSET,TIME:OFFSET,...`: the nanoseconds to add to a record's time, and other ones
/// from a time on.
fn offsets(wall: &WallClock) -> String {
    let mut text = String::new();
    for (since_boot, offset) in wall.offsets() {
        if !text.is_empty() {
            text.push_str(&format!(",{}:", since_boot.as_nanos()));
        }
        text.push_str(&offset.to_string());
    }
    text
}

fn wall_clock(text: &str) -> Option<WallClock> {
    let mut offsets = Vec::new();
    for part in text.split(',') {
        let (ns, offset) = match part.split_once(':') {
            Some((ns, offset)) => (ns.parse().ok()?, offset),
            None if offsets.is_empty() => (0, part),
            None => return None,
        };
        offsets.push((Duration::from_nanos(ns), offset.parse().ok()?));
    }
    WallClock::from_offsets(offsets)
}

/// Merges the clock of a boot in a file with that of its log.
pub fn merge(now: Option<WallClock>, filed: Option<WallClock>) -> Option<WallClock> {
    let (now, filed) = match (now, filed) {
        (Some(now), Some(filed)) => (now, filed),
        (now, filed) => return now.or(filed),
    };
    let mut all: Vec<(Duration, i64)> = now.offsets().collect();
    for (from, offset) in filed.offsets() {
        let at = all.partition_point(|(other, _)| *other < from);
        if all.get(at).is_none_or(|(other, _)| *other != from) {
            all.insert(at, (from, offset));
        }
    }
    WallClock::from_offsets(all)
}

/// Writes a record, so that [`parse_record`] reads it.
pub fn write_record(record: &Record<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut text = Vec::new();
    record.write_kmsg(true, &mut text)?;
    let end = text.iter().position(|byte| *byte == b';');
    let (head, body) = text.split_at(end.unwrap_or(0));
    out.write_all(head)?;
    match record.ns % 1000 {
        0 => {}
        ns => write!(out, ",ns={ns}")?,
    }
    // The default of `Record::parse_kmsg`.
    match (record.user, record.facility != Facility::KERN) {
        (false, true) => out.write_all(b",from=kernel")?,
        (true, false) => out.write_all(b",from=program")?,
        _ => {}
    }
    for (is, name) in [(record.module, "module"), (record.emergency, "emergency")] {
        if is {
            write!(out, ",{name}=yes")?;
        }
    }
    out.write_all(body)
}

/// Parses a record of /dev/kmsg or of a filed log; `None` if it is invalid.
pub fn parse_record(text: &[u8]) -> Option<Record<'static>> {
    let mut record = Record::parse_kmsg(text)?;
    let head = text.split(|byte| *byte == b';').next()?;
    for field in head.split(|byte| *byte == b',').skip(4) {
        match field {
            b"from=kernel" => record.user = false,
            b"from=program" => record.user = true,
            b"module=yes" => record.module = true,
            b"emergency=yes" => record.emergency = true,
            _ => {
                let ns = std::str::from_utf8(field).ok();
                let ns = ns.and_then(|field| field.strip_prefix("ns="));
                let ns = ns.and_then(|digits| digits.parse::<u64>().ok());
                record.ns = record
                    .ns
                    .saturating_add(ns.filter(|ns| *ns < 1000).unwrap_or(0));
            }
        }
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use fanlight::{Caller, Level};

    use super::*;

    #[test]
    fn log_filed_records_of_every_kind_are_read_as_they_were() {
        let mut records = Vec::new();
        for bits in 0..64u32 {
            let on = |bit: u32| bits & (1 << bit) != 0;
            let mut record = Record::new(7, 1_500_000_000, Level::Warning, b"a;b\n\\c\xff,ns=5");
            record.user = on(0);
            record.module = on(1);
            record.emergency = on(2);
            record.continuation = on(3);
            record.facility = Facility(if on(4) { 16 } else { 0 });
            if on(5) {
                record.ns += 999;
                record.caller = Caller(0x8000_0003);
                record.dict = b"SUBSYSTEM=a;b\nDEVICE=+c,module=yes".as_slice().into();
            }
            records.push(record);
        }
        for record in records {
            let mut text = Vec::new();
            write_record(&record, &mut text).unwrap();
            assert_eq!(parse_record(&text), Some(record), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn log_filed_records_are_text_of_kmsg() {
        let mut record = Record::new(7, 1_500_000_001, Level::Err, b"usb 1-1: broken");
        record.caller = Caller(9);
        record.emergency = true;
        let mut text = Vec::new();
        write_record(&record, &mut text).unwrap();
        let expected = "3,7,1500000,-,caller=T9,ns=1,emergency=yes;usb 1-1: broken\n";
        assert_eq!(String::from_utf8_lossy(&text), expected);
        let known = Record::parse_kmsg(&text).unwrap();
        assert_eq!((&known.text, known.caller), (&record.text, record.caller));
    }

    #[test]
    fn log_filed_clocks_are_read_as_they_were() {
        for text in ["-7", "5,1000:6", "5,1000:6,2000:-7"] {
            assert_eq!(offsets(&wall_clock(text).unwrap()), text);
        }
        let merged = |now, filed| offsets(&merge(wall_clock(now), wall_clock(filed)).unwrap());
        assert_eq!(merged("6,2000:7", "5,1000:6,2000:8"), "6,1000:6,2000:7");
        assert_eq!(merged("5", ""), "5");
        assert_eq!(merged("", "6"), "6");
        for text in ["", "x", "5,6", "5,7:", "5,x:6", "1:"] {
            assert_eq!(wall_clock(text), None, "{text}");
        }
    }
}
