// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock of a log: converts nanoseconds since boot to dates, and back.
//!
//! The time stamps of records count from boot. The ring has the offsets from this clock to the wall
//! clock, with the times of their changes, for the log of this boot and for those of earlier boots;
//! so do a saved ring and an archived log. Therefore a record has the same date wherever it is
//! read. Without offsets, dates are unknown.

use std::time::Duration;

use fanlight::WallClock;
use rustix::time::{clock_gettime, ClockId};

use super::calendar::{civil, MONTHS, WEEKDAYS};
use super::when::{self, When, SECOND};
use super::zone::Zone;
use crate::error::{Error, Result};

/// The clock of one boot's log.
pub struct Clock {
    /// `None` if dates are unknown.
    wall: Option<WallClock>,
    zone: Zone,
}

fn now() -> i64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec * SECOND + time.tv_nsec
}

impl Clock {
    pub fn new(wall: Option<WallClock>) -> Self {
        Self {
            wall,
            zone: Zone::local(),
        }
    }

    /// Replaces the offsets after the clocks have drifted, or after the clock was set.
    pub fn set(&mut self, wall: Option<WallClock>) {
        self.wall = wall;
    }

    pub fn knows_dates(&self) -> bool {
        self.wall.is_some()
    }

    /// A record's time in nanoseconds since 1970.
    pub fn unix(&self, ns: u64) -> Option<i64> {
        let offset = self.wall.as_ref()?.offset_at(Duration::from_nanos(ns));
        offset.checked_add_unsigned(ns)
    }

    /// Compares a record's time with a time from a user; `None` if that is not possible.
    pub fn compare(&self, ns: u64, time: When) -> Option<std::cmp::Ordering> {
        match time {
            When::SinceBoot(limit) => Some(i64::try_from(ns).unwrap_or(i64::MAX).cmp(&limit)),
            When::Unix(limit) => Some(self.unix(ns)?.cmp(&limit)),
        }
    }

    /// `2026-11-20T13:36:33,123456+00:00`, like `dmesg --time-format=iso`.
    pub fn iso(&self, ns: u64) -> Option<String> {
        let date = Date::of(self.unix(ns)?, &self.zone);
        Some(format!(
            "{},{:06}{}",
            date.seconds('T'),
            date.nanos / 1000,
            date.offset()
        ))
    }

    /// `2026-11-20T13:36:33+00:00`.
    pub fn iso_seconds(&self, ns: u64) -> Option<String> {
        let date = Date::of(self.unix(ns)?, &self.zone);
        Some(format!("{}{}", date.seconds('T'), date.offset()))
    }

    /// `Fri Nov 20 13:36:33 2026`, like `dmesg -T`.
    pub fn ctime(&self, ns: u64) -> Option<String> {
        let date = Date::of(self.unix(ns)?, &self.zone);
        Some(format!(
            "{} {} {:2} {} {:04}",
            date.weekday,
            date.month_name(),
            date.day,
            date.time(),
            date.year
        ))
    }

    /// `Nov20 13:36`, like the mark of a new minute in `dmesg -H`.
    pub fn minute(&self, ns: u64) -> Option<String> {
        let date = Date::of(self.unix(ns)?, &self.zone);
        Some(format!(
            "{}{:2} {}",
            date.month_name(),
            date.day,
            &date.time()[..5]
        ))
    }

    /// `20261120T133633Z`, for a file's name.
    pub fn compact_utc(&self, ns: u64) -> Option<String> {
        let date = Date::of(self.unix(ns)?, &Zone::utc());
        let seconds = date.seconds('T').replace(['-', ':'], "");
        Some(format!("{seconds}Z"))
    }

    /// Parses a time from a user; see WHEN in the help. `newest` returns the time of the newest
    /// record.
    pub fn read(&self, text: &str, newest: impl FnOnce() -> Option<u64>) -> Result<When> {
        self.read_at(text, now(), newest)
    }

    fn read_at(&self, text: &str, now: i64, newest: impl FnOnce() -> Option<u64>) -> Result<When> {
        let text = text.trim();
        let wrong = || Error::Usage(format!("invalid time '{text}'; see 'fanlight log --help'"));
        let newest = || self.unix(newest()?);
        match when::parse(text, now, newest, &self.zone).ok_or_else(wrong)? {
            When::Unix(_) if !self.knows_dates() => Err(Error::message(
                "the dates of this log are not known: give times as seconds since its boot, such \
                 as +12.5",
            )),
            time => Ok(time),
        }
    }
}

/// A date in a zone.
struct Date {
    year: i64,
    month: i64,
    day: i64,
    weekday: &'static str,
    /// Seconds since midnight.
    second: i64,
    nanos: i64,
    /// Seconds east of Greenwich.
    east: i64,
}

impl Date {
    fn of(unix: i64, zone: &Zone) -> Self {
        let seconds = unix.div_euclid(SECOND);
        let east = zone.offset(seconds);
        let local = seconds + east;
        let days = local.div_euclid(86400);
        let (year, month, day) = civil(days);
        Self {
            year,
            month,
            day,
            weekday: usize::try_from(days.rem_euclid(7)).map_or("", |day| WEEKDAYS[day]),
            second: local.rem_euclid(86400),
            nanos: unix.rem_euclid(SECOND),
            east,
        }
    }

    fn month_name(&self) -> &'static str {
        let month = usize::try_from(self.month - 1).ok();
        month
            .and_then(|month| MONTHS.get(month))
            .copied()
            .unwrap_or("")
    }

    fn time(&self) -> String {
        let (hour, minute) = (self.second / 3600, self.second / 60 % 60);
        format!("{hour:02}:{minute:02}:{:02}", self.second % 60)
    }

    fn seconds(&self, separator: char) -> String {
        let (year, month, day) = (self.year, self.month, self.day);
        format!("{year:04}-{month:02}-{day:02}{separator}{}", self.time())
    }

    fn offset(&self) -> String {
        let sign = if self.east < 0 { '-' } else { '+' };
        let minutes = self.east.abs() / 60;
        format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::days;
    use super::*;

    /// Zero is at 2026-11-20 13:00:00 UTC.
    fn clock(tz: &str) -> Clock {
        Clock {
            wall: Some(WallClock::from_offset(
                (days(2026, 11, 20) * 86400 + 13 * 3600) * SECOND,
            )),
            zone: Zone::named(tz),
        }
    }

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    #[test]
    fn log_dates_have_dmesgs_forms() {
        let ns = 1_500_000_000;
        let utc = clock("UTC0");
        assert_eq!(utc.iso(ns).unwrap(), "2026-11-20T13:00:01,500000+00:00");
        assert_eq!(utc.ctime(ns).unwrap(), "Fri Nov 20 13:00:01 2026");
        assert_eq!(utc.minute(ns).unwrap(), "Nov20 13:00");
        assert_eq!(utc.compact_utc(ns).unwrap(), "20261120T130001Z");
        assert_eq!(
            clock(BERLIN).iso(0).unwrap(),
            "2026-11-20T14:00:00,000000+01:00"
        );
        assert_eq!(
            clock("NST3:30").iso(0).unwrap(),
            "2026-11-20T09:30:00,000000-03:30"
        );
        assert_eq!(clock(BERLIN).compact_utc(0).unwrap(), "20261120T130000Z");
    }

    #[test]
    fn log_dates_that_are_printed_are_read() {
        for zone in ["UTC0", BERLIN, "NST3:30", "<+0545>-5:45"] {
            let clock = clock(zone);
            let now = clock.unix(0).unwrap() + 86400 * SECOND;
            let micro = 123_456_000;
            for ns in [0u64, 59_000_000_000, 3_600_000_000_000, 86_399_000_000_000] {
                let read = |text: String| match clock.read_at(&text, now, || None).unwrap() {
                    When::Unix(unix) => u64::try_from(unix - clock.unix(0).unwrap()).unwrap(),
                    time => panic!("{text}: {time:?}"),
                };
                assert_eq!(read(clock.iso(ns + micro).unwrap()), ns + micro);
                // The form in JSON.
                let json = clock.iso(ns + micro).unwrap().replace(',', ".");
                assert_eq!(read(json), ns + micro);
                assert_eq!(read(clock.iso_seconds(ns + micro).unwrap()), ns);
                assert_eq!(read(clock.ctime(ns + micro).unwrap()), ns);
                assert_eq!(read(clock.compact_utc(ns + micro).unwrap()), ns);
                let minute = ns / 60_000_000_000 * 60_000_000_000;
                assert_eq!(read(clock.minute(ns).unwrap()), minute);
            }
        }
    }

    #[test]
    fn log_times_without_a_clock_are_since_boot_only() {
        let clock = Clock::new(None);
        assert_eq!(
            clock.read("+1.5", || None).unwrap(),
            When::SinceBoot(1_500_000_000)
        );
        assert!(clock.read("today", || None).is_err());
        assert!(clock.iso(0).is_none() && clock.ctime(0).is_none() && !clock.knows_dates());
    }

    #[test]
    fn log_dates_of_odd_clocks_are_read() {
        // A clock that was never set, in a zone where that was still 1969; the earliest and the
        // latest time.
        for (zero, zone) in [
            (0, "EST5"),
            (-3600 * SECOND, "UTC0"),
            (i64::MIN, "UTC0"),
            (i64::MAX - 3_600_000_000_000, "UTC0"),
        ] {
            let clock = Clock {
                wall: Some(WallClock::from_offset(zero)),
                zone: Zone::named(zone),
            };
            let ns = 56_000_000_000;
            let micros = clock.unix(ns).unwrap().rem_euclid(SECOND) / 1000 * 1000;
            let whole = clock.unix(ns).unwrap().div_euclid(SECOND);
            for (text, unix) in [
                (clock.iso(ns), i128::from(micros)),
                (clock.iso_seconds(ns), 0),
                (clock.ctime(ns), 0),
                (clock.compact_utc(ns), 0),
            ] {
                let text = text.unwrap();
                let read = clock.read_at(&text, clock.unix(ns).unwrap(), || None);
                let expected = i128::from(whole) * i128::from(SECOND) + unix;
                let expected = i64::try_from(expected).unwrap();
                assert_eq!(read.unwrap(), When::Unix(expected), "{text}");
            }
        }
    }

    #[test]
    fn log_times_before_boot_are_before_all_records() {
        let clock = clock("UTC0");
        for text in ["1999-01-01", "2026-11-20 12:59:59", "@0"] {
            let time = clock.read(text, || None).unwrap();
            assert_eq!(
                clock.compare(0, time),
                Some(std::cmp::Ordering::Greater),
                "{text}"
            );
        }
    }

    #[test]
    fn log_dates_before_and_after_suspension_are_their_own() {
        let hour = 3600 * SECOND;
        let zero = clock("UTC0").unix(0).unwrap();
        let slept = Duration::from_secs(100);
        let offsets = [(Duration::ZERO, zero), (slept, zero + hour)];
        let clock = Clock {
            wall: WallClock::from_offsets(offsets),
            zone: Zone::named("UTC0"),
        };
        let second = SECOND.unsigned_abs();
        let dates = [99, 100].map(|s| clock.ctime(s * second).unwrap());
        assert_eq!(
            dates,
            ["Fri Nov 20 13:01:39 2026", "Fri Nov 20 14:01:40 2026"]
        );
        // Half an hour into it, by either kind of time.
        let time = clock.read("2026-11-20 13:30:00", || None).unwrap();
        let compared = [99, 100].map(|s| clock.compare(s * second, time).unwrap());
        assert_eq!(
            compared,
            [std::cmp::Ordering::Less, std::cmp::Ordering::Greater]
        );
        let time = clock.read("+99.5", || None).unwrap();
        let compared = [99, 100].map(|s| clock.compare(s * second, time).unwrap());
        assert_eq!(
            compared,
            [std::cmp::Ordering::Less, std::cmp::Ordering::Greater]
        );
    }
}
