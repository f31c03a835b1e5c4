// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time stamp of a line, in one of dmesg's forms.

use clap::Args;

use super::clock::Clock;
use crate::error::{Error, Result};

#[derive(Args)]
pub struct Stamps {
    /// Print dates
    #[arg(short = 'T', long)]
    ctime: bool,
    /// Print each new minute, and the seconds between records
    #[arg(short = 'H', long)]
    human: bool,
    /// Print no times
    #[arg(short = 't', long)]
    notime: bool,
    /// raw (seconds since boot, the default), ctime, iso, delta, reltime or notime
    #[arg(
        long,
        value_name = "FORMAT",
        value_parser = ["raw", "ctime", "iso", "delta", "reltime", "notime"],
        hide_possible_values = true
    )]
    time_format: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// Seconds since boot.
    Raw,
    Ctime,
    Iso,
    /// Seconds since boot, and since the previous record.
    Delta,
    /// The minute if it is a new one, otherwise seconds since the previous record.
    Relative,
    None,
}

impl Stamp {
    /// The form that the options select.
    pub fn of(stamps: &Stamps) -> Result<Self> {
        let named = match stamps.time_format.as_deref() {
            None => None,
            Some("ctime") => Some(Self::Ctime),
            Some("iso") => Some(Self::Iso),
            Some("delta") => Some(Self::Delta),
            Some("reltime") => Some(Self::Relative),
            Some("notime") => Some(Self::None),
            Some(_) => Some(Self::Raw),
        };
        let asked = [
            named,
            stamps.ctime.then_some(Self::Ctime),
            stamps.human.then_some(Self::Relative),
            stamps.notime.then_some(Self::None),
        ];
        let mut asked = asked.into_iter().flatten();
        let first = asked.next().unwrap_or(Self::Raw);
        if asked.any(|other| other != first) {
            return Err(Error::Usage(
                "--ctime, --human, --notime and --time-format exclude each other".into(),
            ));
        }
        Ok(first)
    }

    /// Whether it has dates.
    pub fn needs_dates(self) -> bool {
        matches!(self, Self::Ctime | Self::Iso | Self::Relative)
    }
}

/// The previous record, for relative times.
#[derive(Default)]
pub struct Before {
    ns: Option<u64>,
    minute: Option<String>,
}

impl Before {
    /// The stamp of the next record, with a space after it.
    pub fn stamp(&mut self, stamp: Stamp, clock: &Clock, ns: u64) -> String {
        let raw = || seconds(ns, 5);
        // The clock of another processor may be slightly behind.
        let delta = ns.saturating_sub(self.ns.replace(ns).unwrap_or(ns));
        match stamp {
            Stamp::None => String::new(),
            Stamp::Raw => format!("[{}] ", raw()),
            Stamp::Ctime => format!("[{}] ", clock.ctime(ns).unwrap_or_else(raw)),
            Stamp::Iso => match clock.iso(ns) {
                Some(date) => format!("{date} "),
                None => format!("[{}] ", raw()),
            },
            Stamp::Delta => format!("[{} <{}>] ", raw(), seconds(delta, 5)),
            Stamp::Relative => {
                let minute = clock.minute(ns).unwrap_or_else(|| "since boot".to_owned());
                if self.minute.as_ref() == Some(&minute) {
                    return format!("[{:>11}] ", format!("+{}", seconds(delta, 0)));
                }
                let text = match clock.knows_dates() {
                    true => format!("[{minute}] "),
                    false => format!("[{}] ", raw()),
                };
                self.minute = Some(minute);
                text
            }
        }
    }
}

/// `   12.345678`
fn seconds(ns: u64, width: usize) -> String {
    format!("{:width$}.{:06}", ns / 1_000_000_000, ns / 1000 % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(stamp: Stamp, clock: &Clock) -> Vec<String> {
        let mut before = Before::default();
        [500_000_000, 12_345_678_901, 61_000_000_000]
            .map(|ns| before.stamp(stamp, clock, ns))
            .to_vec()
    }

    #[test]
    fn log_stamps_are_dmesgs() {
        let clock = Clock::new(Some(fanlight::WallClock::from_offset(0)));
        let raw = ["[    0.500000] ", "[   12.345678] ", "[   61.000000] "];
        assert_eq!(stamps(Stamp::Raw, &clock), raw);
        assert_eq!(stamps(Stamp::None, &clock), ["", "", ""]);
        assert_eq!(
            stamps(Stamp::Delta, &clock)[..2],
            [
                "[    0.500000 <    0.000000>] ",
                "[   12.345678 <   11.845678>] "
            ]
        );
        let relative = stamps(Stamp::Relative, &clock);
        assert!(relative[0].starts_with("[Jan 1 ") && relative[2].starts_with("[Jan 1 "));
        assert_eq!(relative[1], "[ +11.845678] ");
        assert!(stamps(Stamp::Ctime, &clock)[0].ends_with(" 1970] "));
        assert!(stamps(Stamp::Iso, &clock)[0].starts_with("1970-01-01T"));
    }

    #[test]
    fn log_stamps_without_dates_are_seconds_since_boot() {
        let clock = Clock::new(None);
        let raw = ["[    0.500000] ", "[   12.345678] ", "[   61.000000] "];
        assert_eq!(stamps(Stamp::Ctime, &clock), raw);
        assert_eq!(stamps(Stamp::Iso, &clock), raw);
        assert_eq!(
            stamps(Stamp::Relative, &clock),
            ["[    0.500000] ", "[ +11.845678] ", "[ +48.654321] "]
        );
    }
}
