// SPDX-License-Identifier: MIT OR Apache-2.0
//! A record as a line: for people, as /dev/kmsg has it, or as JSON.

use std::io::{self, IsTerminal, Write};

use fanlight::{Level, Log, Record};

use super::when::Clock;
use crate::args::Matches;
use crate::error::{Error, Result};
use crate::json::Object;

/// The words of --time.
pub const TIMES: &[&str] = &["boot", "local"];
/// The words of --color.
pub const COLORS: &[&str] = &["auto", "always", "never"];

enum Style {
    Text,
    /// With the field that tells who wrote, as /dev/kmsg has it in some kernels.
    Raw {
        callers: bool,
    },
    Json,
}

/// How records are printed.
pub struct Format<'a> {
    style: Style,
    color: bool,
    decode: bool,
    /// For local time.
    clock: Option<&'a Clock>,
}

impl<'a> Format<'a> {
    pub fn new(matches: &Matches, clock: &'a Clock, log: &Log) -> Result<Self> {
        let style = match (matches.has("raw"), matches.has("json")) {
            (true, true) => return Err(Error::Usage("--raw and --json exclude each other".into())),
            (true, false) => Style::Raw {
                callers: log.shows_callers(),
            },
            (false, true) => Style::Json,
            (false, false) => Style::Text,
        };
        let wanted = match matches.word("color", COLORS)? {
            None if matches.has("color") => "always",
            other => other.unwrap_or("auto"),
        };
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color =
            wanted == "always" || wanted == "auto" && !no_color && io::stdout().is_terminal();
        let local = matches.word("time", TIMES)? == Some("local");
        if local && !clock.knows_dates() {
            return Err(Error::message(
                "when another boot was is not known: use --time=boot",
            ));
        }
        Ok(Self {
            style,
            color,
            decode: matches.has("decode"),
            clock: local.then_some(clock),
        })
    }

    pub fn write(&self, out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
        match self.style {
            Style::Raw { callers } => record.write_kmsg(callers, out),
            Style::Json => writeln!(out, "{}", self.json(record)),
            Style::Text => self.text(out, record),
        }
    }

    fn text(&self, out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
        let mut head = String::new();
        if self.decode {
            head = format!(
                "{:6}:{:6}: ",
                record.facility.to_string(),
                record.level.name()
            );
        }
        let time = match self.clock.and_then(|clock| clock.local(record.ns)) {
            Some(local) => format!("[{local}]"),
            None => format!(
                "[{:5}.{:06}]",
                record.ns / 1_000_000_000,
                record.ns / 1000 % 1_000_000
            ),
        };
        let indent = head.len() + time.len() + 1;
        for (i, line) in record.text.split(|byte| *byte == b'\n').enumerate() {
            if i > 0 {
                write!(out, "{:indent$}", "")?;
                self.message(out, record.level, "", line)?;
            } else {
                out.write_all(head.as_bytes())?;
                self.colored(out, "32", |out| out.write_all(time.as_bytes()))?;
                out.write_all(b" ")?;
                let subsystem = subsystem(line);
                self.message(out, record.level, subsystem, &line[subsystem.len()..])?;
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// The text, in the colours that dmesg has.
    fn message(
        &self,
        out: &mut impl Write,
        level: Level,
        subsystem: &str,
        rest: &[u8],
    ) -> io::Result<()> {
        let color = match level {
            Level::Emerg | Level::Alert => "7;31",
            Level::Crit => "1;31",
            Level::Err => "31",
            Level::Warning => "1",
            _ => "",
        };
        if !subsystem.is_empty() {
            self.colored(out, "33", |out| print(out, subsystem.as_bytes()))?;
        }
        self.colored(out, color, |out| print(out, rest))
    }

    fn colored<W: Write>(
        &self,
        out: &mut W,
        color: &str,
        write: impl FnOnce(&mut W) -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.color || color.is_empty() {
            return write(out);
        }
        write!(out, "\x1b[{color}m")?;
        write(out)?;
        out.write_all(b"\x1b[0m")
    }

    fn json(&self, record: &Record<'_>) -> String {
        let mut dict = Object::new();
        for (key, value) in record.pairs() {
            dict = dict.text(
                &String::from_utf8_lossy(key),
                &String::from_utf8_lossy(value),
            );
        }
        let mut object = Object::new()
            .raw("seq", record.seq)
            .raw(
                "time",
                format_args!(
                    "{}.{:09}",
                    record.ns / 1_000_000_000,
                    record.ns % 1_000_000_000
                ),
            )
            .raw("level", record.level.number())
            .text("priority", record.level.name())
            .text("facility", &record.facility.to_string())
            .text("caller", &record.caller.to_string())
            .text("text", &record.text_lossy())
            .raw("dict", dict.end());
        if let Some(local) = self.clock.and_then(|clock| clock.local(record.ns)) {
            // JSON's readers know a point, not ISO's comma.
            object = object.text("date", &local.replace(',', "."));
        }
        for (name, set) in [
            ("user", record.user),
            ("continuation", record.continuation),
            ("emergency", record.emergency),
        ] {
            if set {
                object = object.raw(name, true);
            }
        }
        if record.lost > 0 {
            object = object.raw("lost", record.lost);
        }
        object.end()
    }
}

/// What stands before the first colon, as in `usb 1-1:`, if it looks like the name of something.
fn subsystem(line: &[u8]) -> &str {
    let Ok(text) = std::str::from_utf8(line) else {
        return "";
    };
    match text.find(": ") {
        Some(at) if at <= 40 && !text[..at].chars().any(|c| c.is_control()) => &text[..=at],
        _ => "",
    }
}

/// Text that cannot do anything to a terminal: control characters come out as `\x1b`.
fn print(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
            out.write_all(&rest.as_bytes()[..at])?;
            let mut after = rest[at..].chars();
            if let Some(c) = after.next() {
                write!(out, "\\x{:02x}", u32::from(c))?;
            }
            rest = after.as_str();
        }
        out.write_all(rest.as_bytes())?;
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use fanlight::Caller;

    use super::*;

    impl Format<'_> {
        fn plain(color: bool) -> Format<'static> {
            Format {
                style: Style::Text,
                color,
                decode: false,
                clock: None,
            }
        }
    }

    fn record(text: &[u8]) -> Record<'_> {
        let mut record = Record::new(42, 12_345_678_901, Level::Err, text);
        record.caller = Caller(0x8000_0001);
        record.emergency = true;
        record.dict = b"SUBSYSTEM=usb\nDEVICE=+usb:1-1".as_slice().into();
        record.lost = 3;
        record
    }

    fn printed(format: &Format<'_>, text: &[u8]) -> String {
        let mut out = Vec::new();
        format.write(&mut out, &record(text)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn log_text_is_dmesgs() {
        let format = Format::plain(false);
        assert_eq!(
            printed(&format, b"usb 1-1: broken"),
            "[   12.345678] usb 1-1: broken\n"
        );
        assert_eq!(
            printed(&format, b"two\nlines"),
            "[   12.345678] two\n               lines\n"
        );
        let decoded = Format {
            decode: true,
            ..Format::plain(false)
        };
        assert_eq!(printed(&decoded, b"x"), "kern  :err   : [   12.345678] x\n");
    }

    #[test]
    fn log_text_cannot_drive_the_terminal() {
        assert_eq!(
            printed(&Format::plain(false), b"a\x1b[2Jb\xffc\xc2\x9b"),
            "[   12.345678] a\\x1b[2Jb\\xffc\\x9b\n"
        );
    }

    #[test]
    fn log_color_is_dmesgs() {
        let text = printed(&Format::plain(true), b"usb 1-1: broken");
        assert_eq!(
            text,
            "\x1b[32m[   12.345678]\x1b[0m \x1b[33musb 1-1:\x1b[0m\x1b[31m broken\x1b[0m\n"
        );
    }

    #[test]
    fn log_raw_is_kmsgs() {
        let raw = Format {
            style: Style::Raw { callers: false },
            ..Format::plain(false)
        };
        let expected =
            "3,42,12345678,-;back\\x5cslash \\xc3\\xa9\n SUBSYSTEM=usb\n DEVICE=+usb:1-1\n";
        assert_eq!(printed(&raw, "back\\slash é".as_bytes()), expected);
    }

    #[test]
    fn log_json_has_everything() {
        let json = Format {
            style: Style::Json,
            ..Format::plain(false)
        };
        let expected = concat!(
            r#"{"seq":42,"time":12.345678901,"level":3,"priority":"err","facility":"kern","caller":"C1","text":"a\"b","#,
            r#""dict":{"SUBSYSTEM":"usb","DEVICE":"+usb:1-1"},"emergency":true,"lost":3}"#,
            "\n"
        );
        assert_eq!(printed(&json, b"a\"b"), expected);
    }
}
