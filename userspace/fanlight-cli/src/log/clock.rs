// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock of a log: from nanoseconds since boot to dates, and back.
//!
//! # The running boot
//!
//! The kernel stamps records with a clock that begins at boot and stands still during suspend, as
//! `CLOCK_MONOTONIC` does. The difference between the wall clock and `CLOCK_MONOTONIC` is a
//! constant of the kernel which changes only when somebody sets the wall clock (or the system
//! slept); NTP's slewing changes both clocks alike. A program can only read one clock after the
//! other, so each measurement is off by the time in between, and dates made of it would differ from
//! run to run. Hence [`measure`] reads monotonic, wall, monotonic: the constant is between `wall -
//! after` and `wall - before`. The intersection of several such brackets is well below a
//! microsecond wide. The constant is rounded to a millisecond, and where the bracket contains the
//! boundary between two milliseconds, the measurement goes on until it does not. So the same record
//! has the same date each time, at the price that all dates of a boot are up to half a millisecond
//! off, all by the same amount.
//!
//! # Earlier boots
//!
//! The driver keeps the offset of an earlier boot's clock with its log. If that boot never had the
//! time of day, there is none, and its dates are not known.

use rustix::time::{clock_gettime, ClockId};

use super::calendar::{civil, MONTHS, WEEKDAYS};
use super::when;
use super::zone::Zone;
use crate::error::{Error, Result};

pub const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// The clock of one boot's log.
pub struct Clock {
    /// Nanoseconds from 1970 to the zero of the log's clock; `None` if this is not known.
    zero: Option<i64>,
    /// The log is that of the running boot, whose wall clock may be set at any time.
    running: bool,
    zone: Zone,
}

/// Where the difference of the two clocks is, in nanoseconds.
#[derive(Clone, Copy)]
struct Bracket {
    low: i64,
    high: i64,
}

impl Bracket {
    /// One measurement.
    fn sample() -> Self {
        let before = now(ClockId::Monotonic);
        let wall = now(ClockId::Realtime);
        let after = now(ClockId::Monotonic);
        Self {
            low: wall - after,
            high: wall - before,
        }
    }

    /// The whole milliseconds that the lower and the upper end are rounded to.
    fn rounded(self) -> (i64, i64) {
        let round = |ns: i64| (ns + MILLISECOND / 2).div_euclid(MILLISECOND) * MILLISECOND;
        (round(self.low), round(self.high))
    }

    /// What is in both; the newer one if they exclude each other, since then the clock was set.
    fn narrowed(self, newer: Self) -> Self {
        let both = Self {
            low: self.low.max(newer.low),
            high: self.high.min(newer.high),
        };
        if both.low <= both.high {
            both
        } else {
            newer
        }
    }
}

fn now(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * SECOND + time.tv_nsec
}

/// Measures the difference between the wall clock and `CLOCK_MONOTONIC`.
fn measure() -> Bracket {
    const LEAST: u32 = 8;
    const MOST: u32 = 1000;
    let mut bracket = Bracket::sample();
    for count in 2..=MOST {
        bracket = bracket.narrowed(Bracket::sample());
        let (low, high) = bracket.rounded();
        if count >= LEAST && low == high {
            break;
        }
    }
    bracket
}

impl Clock {
    /// The clock of the running boot.
    pub fn running() -> Self {
        Self {
            zero: Some(measure().rounded().0),
            running: true,
            zone: Zone::local(),
        }
    }

    /// The clock of another boot, by what is known of it.
    pub fn of_offset(offset: Option<i64>) -> Self {
        Self {
            zero: offset,
            running: false,
            zone: Zone::local(),
        }
    }

    /// Measures again, and changes the offset if the wall clock was set since the last time.
    pub fn update(&mut self) {
        if !self.running {
            return;
        }
        // One look is enough as long as nothing has changed.
        let bracket = Bracket::sample();
        let kept = self.zero.is_some_and(|zero| {
            (bracket.low - MILLISECOND..=bracket.high + MILLISECOND).contains(&zero)
        });
        if !kept {
            self.zero = Some(measure().rounded().0);
        }
    }

    pub fn knows_dates(&self) -> bool {
        self.zero.is_some()
    }

    /// The offset itself.
    pub fn offset(&self) -> Option<i64> {
        self.zero
    }

    /// A record's time in nanoseconds since 1970.
    pub fn unix(&self, ns: u64) -> Option<i64> {
        self.zero?.checked_add_unsigned(ns)
    }

    /// `2026-11-20T13:36:33,123456+00:00`, as `dmesg --time-format=iso`.
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

    /// `Fri Nov 20 13:36:33 2026`, as `dmesg -T`.
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

    /// `Nov20 13:36`, as `dmesg -H` marks a new minute.
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

    /// Reads a time as a user writes it, as nanoseconds since boot; see WHEN in the help.
    pub fn read(&self, text: &str) -> Result<u64> {
        self.read_at(text, now(ClockId::Realtime))
    }

    fn read_at(&self, text: &str, now: i64) -> Result<u64> {
        let text = text.trim();
        let wrong = || Error::Usage(format!("invalid time '{text}'; see 'fanlight log --help'"));
        match when::parse(text, now, &self.zone).ok_or_else(wrong)? {
            when::When::SinceBoot(ns) => Ok(ns),
            when::When::Unix(unix) => match self.zero {
                // Before boot is as good as at boot.
                Some(zero) => Ok(u64::try_from(unix.saturating_sub(zero)).unwrap_or(0)),
                None => Err(Error::message(
                    "the dates of this log are not known: give times as seconds since its boot, \
                     such as +12.5",
                )),
            },
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
            zero: Some((days(2026, 11, 20) * 86400 + 13 * 3600) * SECOND),
            running: false,
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
                let read = |text: String| clock.read_at(&text, now).unwrap();
                assert_eq!(read(clock.iso(ns + micro).unwrap()), ns + micro);
                // As JSON has it.
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
        let clock = Clock::of_offset(None);
        assert_eq!(clock.read("+1.5").unwrap(), 1_500_000_000);
        assert!(clock.read("today").is_err());
        assert!(clock.iso(0).is_none() && clock.ctime(0).is_none() && !clock.knows_dates());
    }

    #[test]
    fn log_clock_is_measured_alike_each_time() {
        let clock = Clock::running();
        for _ in 0..20 {
            // Between two measurements nobody sets this machine's clock, but NTP may step it.
            let again = Clock::running();
            let apart = again.zero.unwrap().abs_diff(clock.zero.unwrap());
            assert!(apart == 0 || apart > MILLISECOND as u64, "{apart} ns");
            assert_eq!(again.zero.unwrap() % MILLISECOND, 0);
        }
    }

    #[test]
    fn log_clock_that_was_set_is_measured_anew() {
        let right = Clock::running();
        let mut clock = Clock {
            zero: right.zero.map(|zero| zero - 3600 * SECOND),
            ..Clock::running()
        };
        clock.update();
        assert!(clock.zero.unwrap().abs_diff(right.zero.unwrap()) <= 2 * MILLISECOND as u64);
        // A difference as small as the rounding is none: dates stay as they were.
        let near = clock.zero.map(|zero| zero + MILLISECOND / 2);
        clock.zero = near;
        clock.update();
        assert_eq!(clock.zero, near);
        // The offset of an earlier boot is what it is.
        let mut earlier = Clock::of_offset(Some(7));
        earlier.update();
        assert_eq!(earlier.zero, Some(7));
    }

    #[test]
    fn log_clock_brackets_begin_anew_when_the_clock_is_set() {
        let bracket = |low, high| Bracket { low, high };
        let both = bracket(0, 10).narrowed(bracket(5, 20));
        assert_eq!((both.low, both.high), (5, 10));
        let newer = bracket(0, 10).narrowed(bracket(50, 60));
        assert_eq!((newer.low, newer.high), (50, 60));
    }
}
