// SPDX-License-Identifier: MIT OR Apache-2.0
//! systemd's journal export format, for systemd-journal-remote.
//!
//! An entry consists of fields and an empty line. A field is `NAME=value` and a newline. If the
//! value has a control character or is not UTF-8, the field is the name, a newline, the value's
//! length in 64 bits (little endian), the value and a newline. The fields are those that journald
//! derives from a record of /dev/kmsg. The binary form contains bytes without escapes; it is not
//! for terminals.
//!
//! <https://systemd.io/JOURNAL_EXPORT_FORMATS/>

use std::io::{self, Write};

use fanlight::{Facility, Record};

use super::clock::Clock;
use super::source::Source;
use crate::printable;

pub fn write(
    out: &mut impl Write,
    source: &Source,
    clock: &Clock,
    record: &Record<'_>,
) -> io::Result<()> {
    if let Some(cursor) = source.cursor(record) {
        writeln!(out, "__CURSOR={cursor}")?;
    }
    if let Some(unix) = clock.unix(record.ns).filter(|unix| *unix >= 0) {
        writeln!(out, "__REALTIME_TIMESTAMP={}", unix / 1000)?;
    }
    writeln!(out, "__MONOTONIC_TIMESTAMP={}", record.ns / 1000)?;
    if let Some(id) = source.boot_id {
        writeln!(out, "_BOOT_ID={}", id.simple())?;
    }
    writeln!(out, "_TRANSPORT=kernel")?;
    writeln!(out, "_SOURCE_MONOTONIC_TIMESTAMP={}", record.ns / 1000)?;
    writeln!(out, "PRIORITY={}", record.level.number())?;
    writeln!(out, "SYSLOG_FACILITY={}", record.facility.0)?;
    let mut message = &*record.text;
    if record.facility == Facility::KERN {
        writeln!(out, "SYSLOG_IDENTIFIER=kernel")?;
    } else if let Some((identifier, pid, rest)) = identifier(&record.text) {
        writeln!(out, "SYSLOG_IDENTIFIER={identifier}")?;
        if let Some(pid) = pid {
            writeln!(out, "SYSLOG_PID={pid}")?;
        }
        message = rest;
    }
    for (key, value) in record.pairs() {
        match key {
            b"SUBSYSTEM" => field(out, "_KERNEL_SUBSYSTEM", value)?,
            b"DEVICE" => field(out, "_KERNEL_DEVICE", value)?,
            _ => {}
        }
    }
    field(out, "MESSAGE", message)?;
    out.write_all(b"\n")
}

/// Parses `name[123]: text` or `name: text`, as journald does with the text of programs.
fn identifier(text: &[u8]) -> Option<(&str, Option<&str>, &[u8])> {
    let colon = text.iter().position(|byte| matches!(byte, b':' | b' '))?;
    let rest = text.get(colon..)?.strip_prefix(b": ")?;
    let head = std::str::from_utf8(text.get(..colon)?).ok()?;
    let (name, pid) = match head.strip_suffix(']').and_then(|head| head.split_once('[')) {
        Some((name, pid)) => (name, Some(pid)),
        None => (head, None),
    };
    let digits = |pid: &str| pid.bytes().all(|byte| byte.is_ascii_digit()) && !pid.is_empty();
    let graphic = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    (graphic && pid.is_none_or(digits)).then_some((name, pid, rest))
}

fn field(out: &mut impl Write, name: &str, value: &[u8]) -> io::Result<()> {
    let printable = std::str::from_utf8(value)
        .is_ok_and(|text| !text.contains(|c: char| printable::is_unsafe(c) && c != '\t'));
    if printable {
        write!(out, "{name}=")?;
    } else {
        writeln!(out, "{name}")?;
        // A record's text is much shorter.
        let len = u64::try_from(value.len()).unwrap_or(u64::MAX);
        out.write_all(&len.to_le_bytes())?;
    }
    out.write_all(value)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_export_knows_the_names_of_programs() {
        assert_eq!(
            identifier(b"init[1]: started: it"),
            Some(("init", Some("1"), &b"started: it"[..]))
        );
        assert_eq!(identifier(b"sshd: x"), Some(("sshd", None, &b"x"[..])));
        for other in [
            "",
            "hello",
            "two words: x",
            ": x",
            "a:b",
            "a[]: x",
            "a[x]: x",
            "\u{e9}: x",
        ] {
            assert_eq!(identifier(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn log_export_is_the_journals() {
        let mut out = Vec::new();
        field(&mut out, "MESSAGE", "plain é\t".as_bytes()).unwrap();
        field(&mut out, "MESSAGE", b"two\nlines").unwrap();
        field(&mut out, "MESSAGE", b"\xff").unwrap();
        field(&mut out, "MESSAGE", "\u{202e}".as_bytes()).unwrap();
        let expected = b"MESSAGE=plain \xc3\xa9\t\n\
            MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n\
            MESSAGE\n\x01\0\0\0\0\0\0\0\xff\n\
            MESSAGE\n\x03\0\0\0\0\0\0\0\xe2\x80\xae\n";
        assert_eq!(out, expected);
    }
}
