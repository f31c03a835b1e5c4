// SPDX-License-Identifier: MIT OR Apache-2.0
//! Formats a record: for people, in the format of /dev/kmsg, as JSON, or for the journal.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use clap::Args;
use fanlight::{Level, Record};
use serde::Serialize;

use super::clock::Clock;
use super::export;
use super::source::Source;
use super::stamp::{Before, Stamp, Stamps};
use crate::error::{Error, Result};
use crate::json::{self, Pairs, Seconds};
use crate::printable;

#[derive(Args)]
pub struct Forms {
    #[command(flatten)]
    stamps: Stamps,
    /// Print facility and level
    #[arg(short = 'x', long)]
    decode: bool,
    /// Print colours: auto (on a terminal, the default), always or never
    #[arg(
        short = 'L',
        long,
        value_name = "WHEN",
        value_parser = ["auto", "always", "never"],
        hide_possible_values = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "always"
    )]
    color: Option<String>,
    /// short (the default), cat (only the text), json, raw, or export (for systemd-journal-remote)
    #[arg(
        short,
        long,
        value_name = "FORM",
        value_parser = ["short", "cat", "json", "raw", "export"],
        hide_possible_values = true
    )]
    output: Option<String>,
    /// Same as --output=json: one object per line; with --list-boots: one object
    #[arg(short = 'J', long)]
    pub json: bool,
    /// Same as --output=raw: the format of /dev/kmsg, but records are never cut
    #[arg(short, long)]
    raw: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Text,
    Raw,
    Json,
    Export,
}

/// How records are printed.
pub struct Format {
    style: Style,
    color: bool,
    decode: bool,
    stamp: Stamp,
    before: Before,
}

impl Format {
    pub fn new(forms: &Forms) -> Result<Self> {
        let mut stamp = Stamp::of(&forms.stamps)?;
        let named = match forms.output.as_deref() {
            None => None,
            Some("json") => Some(Style::Json),
            Some("raw") => Some(Style::Raw),
            Some("export") => Some(Style::Export),
            Some(text) => {
                if text == "cat" {
                    stamp = Stamp::None;
                }
                Some(Style::Text)
            }
        };
        let asked = [
            named,
            forms.raw.then_some(Style::Raw),
            forms.json.then_some(Style::Json),
        ];
        let mut asked = asked.into_iter().flatten();
        let style = asked.next().unwrap_or(Style::Text);
        if asked.any(|other| other != style) {
            return Err(Error::Usage(
                "--raw, --json and --output exclude each other".into(),
            ));
        }
        Ok(Self {
            style,
            color: color(forms.color.as_deref()),
            decode: forms.decode,
            stamp,
            before: Before::default(),
        })
    }

    /// The warning on stderr if the dates that this form needs are unknown.
    pub fn without_dates(&self) -> Option<&'static str> {
        match self.style {
            Style::Text if self.stamp.needs_dates() => {
                Some("the dates of this log are not known: times are seconds since its boot")
            }
            Style::Export => Some(
                "the dates of this log are not known: systemd-journal-remote refuses its records",
            ),
            _ => None,
        }
    }

    /// Whether this form can show the caller of a record.
    pub fn shows_callers(&self) -> bool {
        self.style == Style::Raw
    }

    pub fn write(
        &mut self,
        out: &mut impl Write,
        source: &Source,
        clock: &Clock,
        callers: bool,
        record: &Record<'_>,
    ) -> io::Result<()> {
        match self.style {
            Style::Raw => record.write_kmsg(callers, out),
            Style::Json => json::line(out, &Object::of(source, clock, record)),
            Style::Export => export::write(out, source, clock, record),
            Style::Text => self.text(out, clock, record),
        }
    }

    fn text(&mut self, out: &mut impl Write, clock: &Clock, record: &Record<'_>) -> io::Result<()> {
        let mut head = String::new();
        if self.decode {
            head = format!(
                "{:6}:{:6}: ",
                record.facility.to_string(),
                record.level.name()
            );
        }
        let stamp = self.before.stamp(self.stamp, clock, record.ns);
        let indent = head.len() + stamp.len();
        for (i, line) in record.text.split(|byte| *byte == b'\n').enumerate() {
            if i > 0 {
                write!(out, "{:indent$}", "")?;
                self.message(out, record.level, "", line)?;
            } else {
                out.write_all(head.as_bytes())?;
                let time = stamp.trim_end();
                if !time.is_empty() {
                    self.colored(out, "32", |out| out.write_all(time.as_bytes()))?;
                    out.write_all(b" ")?;
                }
                let subsystem = subsystem(line);
                self.message(out, record.level, subsystem, &line[subsystem.len()..])?;
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// The text, in dmesg's colours.
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
            self.colored(out, "33", |out| {
                printable::write_line(out, subsystem.as_bytes())
            })?;
        }
        self.colored(out, color, |out| printable::write_line(out, rest))
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
}

/// Whether to print colours: as --color requires, or if the terminal supports them.
fn color(wanted: Option<&str>) -> bool {
    let wanted = wanted.unwrap_or("auto");
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let terminal = || {
        io::stdout().is_terminal()
            && variable("NO_COLOR").is_none()
            // On a serial console, TERM is often not set, or dumb.
            && variable("TERM").is_some_and(|term| term != "dumb")
    };
    wanted == "always" || wanted == "auto" && terminal()
}

/// A record as a JSON object.
#[derive(Serialize)]
struct Object<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    time: Seconds,
    level: u8,
    priority: &'static str,
    facility: String,
    caller: String,
    text: Cow<'a, str>,
    dict: Pairs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    user: bool,
    #[serde(skip_serializing_if = "is_false")]
    continuation: bool,
    #[serde(skip_serializing_if = "is_false")]
    emergency: bool,
    #[serde(skip_serializing_if = "is_false")]
    module: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl<'a> Object<'a> {
    fn of(source: &Source, clock: &Clock, record: &'a Record<'_>) -> Self {
        let key = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
        // Readers of JSON expect a point where ISO 8601 prefers the comma.
        let date = clock.iso(record.ns).map(|date| date.replace(',', "."));
        Self {
            seq: record.seq,
            cursor: source.cursor(record).map(|cursor| cursor.to_string()),
            time: Seconds(record.ns),
            level: record.level.number(),
            priority: record.level.name(),
            facility: record.facility.to_string(),
            caller: record.caller.to_string(),
            text: record.text_lossy(),
            dict: Pairs(
                record
                    .pairs()
                    .map(|(name, value)| (key(name), value))
                    .collect(),
            ),
            date,
            user: record.user,
            continuation: record.continuation,
            emergency: record.emergency,
            module: record.module,
            // Gaps in the numbers of an earlier boot's log do not mean lost records: see `missing`
            // of the node.
            lost: Some(record.lost).filter(|lost| *lost > 0 && source.is_running()),
        }
    }
}

/// The text before the first colon, as in `usb 1-1:`, if it looks like a name.
fn subsystem(line: &[u8]) -> &str {
    let Ok(text) = std::str::from_utf8(line) else {
        return "";
    };
    match text.find(": ") {
        Some(at) if at <= 40 && !text[..at].chars().any(printable::is_unsafe) => &text[..=at],
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use fanlight::Caller;

    use super::super::boot_id::BootId;
    use super::super::source::{Origin, Records};
    use super::*;

    impl Format {
        fn plain(style: Style) -> Format {
            Format {
                style,
                color: false,
                decode: false,
                stamp: Stamp::Raw,
                before: Before::default(),
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

    fn printed(mut format: Format, text: &[u8]) -> String {
        let source = Source {
            records: Records::Text(Vec::new()),
            origin: Origin::Running,
            boot_id: BootId::parse("0fb8a0b2d94a4d1b8a2b8e0a0f6a3c11"),
        };
        let clock = Clock::new(None);
        let mut out = Vec::new();
        format
            .write(&mut out, &source, &clock, false, &record(text))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn log_text_is_dmesgs() {
        assert_eq!(
            printed(Format::plain(Style::Text), b"usb 1-1: broken"),
            "[   12.345678] usb 1-1: broken\n"
        );
        assert_eq!(
            printed(Format::plain(Style::Text), b"two\nlines"),
            "[   12.345678] two\n               lines\n"
        );
        let decoded = Format {
            decode: true,
            ..Format::plain(Style::Text)
        };
        assert_eq!(printed(decoded, b"x"), "kern  :err   : [   12.345678] x\n");
        let bare = Format {
            stamp: Stamp::None,
            ..Format::plain(Style::Text)
        };
        assert_eq!(printed(bare, b"two\nlines"), "two\nlines\n");
    }

    #[test]
    fn log_text_cannot_drive_the_terminal() {
        assert_eq!(
            printed(Format::plain(Style::Text), b"a\x1b[2Jb\xffc\xc2\x9b"),
            "[   12.345678] a\\x1b[2Jb\\xffc\\xc2\\x9b\n"
        );
    }

    #[test]
    fn log_color_is_dmesgs() {
        let colored = Format {
            color: true,
            ..Format::plain(Style::Text)
        };
        assert_eq!(
            printed(colored, b"usb 1-1: broken"),
            "\x1b[32m[   12.345678]\x1b[0m \x1b[33musb 1-1:\x1b[0m\x1b[31m broken\x1b[0m\n"
        );
    }

    #[test]
    fn log_raw_is_kmsgs() {
        let expected =
            "3,42,12345678,-;back\\x5cslash \\xc3\\xa9\n SUBSYSTEM=usb\n DEVICE=+usb:1-1\n";
        let raw = Format::plain(Style::Raw);
        assert_eq!(printed(raw, "back\\slash é".as_bytes()), expected);
    }

    #[test]
    fn log_json_has_everything() {
        let expected = concat!(
            r#"{"seq":42,"cursor":"0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c11:42:12345678:"#,
            r#"e646a119048964d8","#,
            r#""time":12.345678901,"level":3,"priority":"err","facility":"kern","caller":"C1","#,
            r#""text":"a\"b","dict":{"SUBSYSTEM":"usb","DEVICE":"+usb:1-1"},"#,
            r#""emergency":true,"lost":3}"#,
            "\n"
        );
        assert_eq!(printed(Format::plain(Style::Json), b"a\"b"), expected);
    }

    #[test]
    fn log_export_has_the_journals_fields() {
        let expected = concat!(
            "__CURSOR=0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c11:42:12345678:b164662ad16fa660\n",
            "__MONOTONIC_TIMESTAMP=12345678\n",
            "_BOOT_ID=0fb8a0b2d94a4d1b8a2b8e0a0f6a3c11\n",
            "_TRANSPORT=kernel\n",
            "_SOURCE_MONOTONIC_TIMESTAMP=12345678\n",
            "PRIORITY=3\n",
            "SYSLOG_FACILITY=0\n",
            "SYSLOG_IDENTIFIER=kernel\n",
            "_KERNEL_SUBSYSTEM=usb\n",
            "_KERNEL_DEVICE=+usb:1-1\n",
            "MESSAGE=broken\n\n"
        );
        assert_eq!(printed(Format::plain(Style::Export), b"broken"), expected);
    }
}
