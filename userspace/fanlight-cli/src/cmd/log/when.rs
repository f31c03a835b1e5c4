// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parses times for --since and --until.
//!
//! Accepts every date that this program prints, and what dmesg and journalctl accept:
//!
//! - `now`, `today`, `yesterday`, `tomorrow`
//! - `@1795179660.5`: seconds since 1970
//! - `+12.5`: seconds since boot; with a unit, such as `+5min`, from now on
//! - `-5min`, `1 month ago`, `2h 30min ago`: before now
//! - `2026-11-20`, `13:36`, `2026-11-20 13:36:33`, `20261120133633`
//! - `2026-11-20T13:36:33,123456+01:00`, and `Z`, ` UTC` or `+0100` after any time
//! - `Fri Nov 20 13:36:33 2026`, `Fri, 20 Nov 2026 13:36:33 +0000`, `Nov20 13:36`

use super::calendar::{checked_days, civil, MONTHS, WEEKDAYS};
use super::zone::Zone;
use crate::number;

/// Nanoseconds of a second.
pub const SECOND: i64 = 1_000_000_000;

/// A parsed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nanoseconds since the log's boot.
    SinceBoot(i64),
    /// Nanoseconds since 1970.
    Unix(i64),
}

/// Parses a time; `now` is in nanoseconds since 1970. `newest` is called for a date without a year,
/// and returns the date of the newest record, since the clock of the machine may be behind it.
pub fn parse(
    text: &str,
    now: i64,
    newest: impl FnOnce() -> Option<i64>,
    zone: &Zone,
) -> Option<When> {
    if let Some(rest) = text.strip_prefix('+') {
        return match seconds(rest.trim()) {
            Some(ns) => Some(When::SinceBoot(ns)),
            None => Some(When::Unix(now.checked_add(span(rest)?)?)),
        };
    }
    if let Some(epoch) = text.strip_prefix('@') {
        return seconds(epoch).map(When::Unix);
    }
    let ago = text.strip_prefix('-').or_else(|| text.strip_suffix(" ago"));
    if let Some(ago) = ago {
        return now.checked_sub(span(ago)?).map(When::Unix);
    }
    let day_of = |ns: i64| {
        let seconds = ns.div_euclid(SECOND);
        (seconds + zone.offset(seconds)).div_euclid(86400)
    };
    let today = day_of(now);
    match text {
        "now" => Some(When::Unix(now)),
        "today" => at(zone, today, 0).map(When::Unix),
        "yesterday" => at(zone, today - 1, 0).map(When::Unix),
        "tomorrow" => at(zone, today + 1, 0).map(When::Unix),
        _ => {
            let latest = || newest().map_or(today, |newest| today.max(day_of(newest)));
            Date::read(text)?.unix(today, latest, zone).map(When::Unix)
        }
    }
}

/// The parts of a date that were found.
#[derive(Default)]
struct Date {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    /// Nanoseconds since midnight.
    time: Option<i64>,
    /// Seconds east of Greenwich.
    east: Option<i64>,
}

/// Stores a part of a date; a second value for it is an error.
fn set(part: &mut Option<i64>, value: i64) -> Option<()> {
    part.replace(value).is_none().then_some(())
}

impl Date {
    fn read(text: &str) -> Option<Self> {
        let mut date = Self::default();
        let mut words = 0;
        for word in text.split([' ', '\t']).filter(|word| !word.is_empty()) {
            date.word(word)?;
            words += 1;
        }
        (words > 0).then_some(date)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let bytes = word.as_bytes();
        let digits = bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if WEEKDAYS.contains(&word.strip_suffix(',').unwrap_or(word)) {
            return Some(());
        }
        if let Some(month) = word.get(..3).and_then(month_number) {
            set(&mut self.month, month)?;
            return match &word[3..] {
                "" => Some(()),
                day => set(&mut self.day, two_digits(day)?),
            };
        }
        if matches!(word, "UTC" | "GMT" | "Z") {
            return set(&mut self.east, 0);
        }
        // `+0100` after a time.
        if self.time.is_some() && matches!(bytes[0], b'+' | b'-') {
            return set(&mut self.east, east(word)?);
        }
        // `20261120133633` and `20261120T133633Z`.
        if digits == 14 && bytes.len() == 14 {
            self.compact_day(&word[..8])?;
            return set(&mut self.time, compact_time(&word[8..])?);
        }
        if let Some((day, time)) = word.split_once('T') {
            if day.len() == 8 && !day.contains('-') {
                self.compact_day(day)?;
            } else {
                self.iso_day(day)?;
            }
            return self.time(time);
        }
        if word.contains(':') {
            return self.time(word);
        }
        if word.contains('-') {
            return self.iso_day(word);
        }
        // The day of the month or the year, if a month is named.
        match digits {
            _ if digits != bytes.len() => None,
            1 | 2 => set(&mut self.day, two_digits(word)?),
            4 => set(&mut self.year, word.parse().ok()?),
            _ => None,
        }
    }

    /// `2026-11-20`, or `26-11-20`, which dmesg accepts.
    fn iso_day(&mut self, text: &str) -> Option<()> {
        let mut parts = text.splitn(3, '-');
        let year = parts.next()?;
        let number: i64 = year.parse::<u32>().ok()?.into();
        let year = match year.len() {
            4 => number,
            // Like %y of strptime().
            2 if number < 69 => 2000 + number,
            2 => 1900 + number,
            _ => return None,
        };
        set(&mut self.year, year)?;
        set(&mut self.month, two_digits(parts.next()?)?)?;
        set(&mut self.day, two_digits(parts.next()?)?)
    }

    /// `20261120`
    fn compact_day(&mut self, text: &str) -> Option<()> {
        set(&mut self.year, text.get(..4)?.parse::<u32>().ok()?.into())?;
        set(&mut self.month, two_digits(text.get(4..6)?)?)?;
        set(&mut self.day, two_digits(text.get(6..)?)?)
    }

    /// `13:36`, `13:36:33,5` or `133633`, with or without an offset.
    fn time(&mut self, text: &str) -> Option<()> {
        let end = text.find(['+', '-', 'Z']).unwrap_or(text.len());
        let (time, offset) = text.split_at(end);
        if !offset.is_empty() {
            set(&mut self.east, east(offset)?)?;
        }
        let time = if time.contains(':') {
            time_of_day(time)?
        } else {
            compact_time(time)?
        };
        set(&mut self.time, time)
    }

    /// Nanoseconds since 1970. The default day is today; without a year, it is the last such day
    /// that is not after `latest`.
    fn unix(&self, today: i64, latest: impl FnOnce() -> i64, zone: &Zone) -> Option<i64> {
        let day = match (self.year, self.month, self.day) {
            (None, None, None) => {
                self.time?;
                today
            }
            (Some(year), Some(month), Some(day)) => checked_days(year, month, day)?,
            (None, Some(month), Some(day)) => {
                let latest = latest();
                let year = civil(latest).0;
                let this = checked_days(year, month, day).filter(|day| *day <= latest);
                // The last leap day may be eight years ago.
                let earlier = || (1..=8).find_map(|n| checked_days(year - n, month, day));
                this.or_else(earlier)?
            }
            _ => return None,
        };
        let time = self.time.unwrap_or(0);
        match self.east {
            Some(east) => nanoseconds(day * 86400 - east, time),
            None => at(zone, day, time),
        }
    }
}

/// A time on a day in a zone.
fn at(zone: &Zone, day: i64, time: i64) -> Option<i64> {
    let local = day.checked_mul(86400)?.checked_add(time / SECOND)?;
    // The offset depends on the time that is computed from it: the second guess is right except
    // near a change of the offset.
    let guess = local - zone.offset(local);
    nanoseconds(local - zone.offset(guess), time % SECOND)
}

/// Seconds and nanoseconds as nanoseconds. The seconds alone may exceed the range.
fn nanoseconds(seconds: i64, nanos: i64) -> Option<i64> {
    let sum = i128::from(seconds) * i128::from(SECOND) + i128::from(nanos);
    sum.try_into().ok()
}

fn month_number(name: &str) -> Option<i64> {
    let at = MONTHS.iter().position(|month| *month == name)?;
    i64::try_from(at + 1).ok()
}

fn two_digits(text: &str) -> Option<i64> {
    let digits = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// `Z`, `+01`, `+01:00`, `+0100`, `-0330`: seconds east of Greenwich.
fn east(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None => digits.split_at_checked(2)?,
    };
    let minutes = match minutes {
        "" if !digits.contains(':') => 0,
        minutes if minutes.len() == 2 => two_digits(minutes)?,
        _ => return None,
    };
    let hours = two_digits(hours).filter(|_| hours.len() == 2)?;
    (hours <= 15 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// `12`, `12.5`: nanoseconds.
fn seconds(text: &str) -> Option<i64> {
    number::decimal(text)?.try_into().ok()
}

/// `90`, `90s`, `5min`, `2 h`, `1day`, `2h 30min`: nanoseconds.
fn span(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut sum = 0i64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let after = after.trim_start();
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let nanos = i128::from(seconds(number)?) * i128::from(factor(unit)?) / i128::from(MICROS);
        sum = sum.checked_add(nanos.try_into().ok()?)?;
        rest = after.trim_start();
    }
    Some(sum)
}

const MICROS: i64 = 1_000_000;

/// Microseconds of a unit. A month and a year are those of systemd.time(7).
fn factor(unit: &str) -> Option<i64> {
    Some(match unit {
        "us" | "usec" => 1,
        "ms" | "msec" => 1000,
        "" | "s" | "sec" | "second" | "seconds" => MICROS,
        "m" | "min" | "minute" | "minutes" => 60 * MICROS,
        "h" | "hr" | "hour" | "hours" => 3600 * MICROS,
        "d" | "day" | "days" => 86400 * MICROS,
        "w" | "week" | "weeks" => 7 * 86400 * MICROS,
        "M" | "month" | "months" => 2_629_800 * MICROS,
        "y" | "year" | "years" => 31_557_600 * MICROS,
        _ => return None,
    })
}

/// `13:36` or `13:36:33.5`, as nanoseconds since midnight.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    let second = match parts.next() {
        // ISO 8601 allows a comma, which dmesg prints.
        Some(second) => seconds(&second.replace(',', "."))?,
        None => 0,
    };
    (hour < 24 && minute < 60 && second < 61 * SECOND)
        .then(|| (hour * 3600 + minute * 60) * SECOND + second)
}

/// `133633`
fn compact_time(text: &str) -> Option<i64> {
    let split = (text.len() == 6).then(|| Some((text.get(..2)?, text.get(2..4)?, text.get(4..)?)));
    let (hour, minute, second) = split??;
    time_of_day(&format!("{hour}:{minute}:{second}"))
}

#[cfg(test)]
mod tests {
    use super::super::calendar::days;
    use super::*;

    const MINUTE: i64 = 60 * SECOND;

    /// 2026-11-20 14:00:00 UTC.
    fn now() -> i64 {
        (days(2026, 11, 20) * 86400 + 14 * 3600) * SECOND
    }

    fn berlin() -> Zone {
        Zone::named("CET-1CEST,M3.5.0,M10.5.0/3")
    }

    #[test]
    fn log_since_reads_what_people_write() {
        let day = 24 * 60;
        for (text, minutes) in [
            ("now", 0.0),
            ("-30min", -30.0),
            ("30 min ago", -30.0),
            ("-90", -1.5),
            ("-1h 30min", -90.0),
            ("2h 30min ago", -150.0),
            ("1 month ago", -43830.0),
            ("1 year ago", -525_960.0),
            ("+5min", 5.0),
            ("+ 1 day", f64::from(day)),
            ("14:20", -40.0),
            ("2026-11-20 14:20:30", -39.5),
            ("2026-11-20T13:20:30Z", -39.5),
            ("2026-11-20 13:20:30 UTC", -39.5),
            ("2026-11-20T14:20:30,000000+01:00", -39.5),
            ("2026-11-20 14:20:30 +0100", -39.5),
            ("2026-11-20 14:20:30+01", -39.5),
            ("2026-11-20 09:50:30-03:30", -39.5),
            ("20261120142030", -39.5),
            ("26-11-20 14:20", -40.0),
            ("Fri Nov 20 14:20:30 2026", -39.5),
            ("Fri Nov 20 13:20:30 UTC 2026", -39.5),
            ("Fri, 20 Nov 2026 14:20:30 +0100", -39.5),
            ("Nov 20 14:20", -40.0),
            ("Nov20 14:20", -40.0),
            ("@1795179660", -59.0),
            ("today", -15.0 * 60.0),
            ("yesterday", -39.0 * 60.0),
            ("tomorrow", 9.0 * 60.0),
            ("2026-11-20", -15.0 * 60.0),
            ("2026-11-20  14:20", -40.0),
        ] {
            let expected = When::Unix(now() + (minutes * MINUTE as f64) as i64);
            let read = parse(text, now(), || None, &berlin());
            assert_eq!(read, Some(expected), "{text}");
        }
        assert_eq!(
            parse("+12.5", now(), || None, &berlin()),
            Some(When::SinceBoot(12_500_000_000))
        );
        // The last 21 November in the past.
        assert_eq!(
            parse("Nov 21 00:00 UTC", now(), || None, &berlin()),
            Some(When::Unix(days(2025, 11, 21) * 86400 * SECOND))
        );
    }

    #[test]
    fn log_since_without_a_year_means_the_last_such_day_of_the_log() {
        // A machine without a real-time clock begins each boot at the same date.
        let reset = days(2026, 1, 1) * 86400 * SECOND;
        for (newest, text, year) in [
            (Some(now()), "Nov20 13:01", 2026),
            (Some(now()), "Nov21 13:01", 2025),
            (Some(now()), "Jan 1", 2026),
            (None, "Nov20 13:01", 2025),
            // A log from before now has no effect.
            (Some(reset - SECOND), "Nov20 13:01", 2025),
            (Some(reset - SECOND), "Jan 1", 2026),
        ] {
            let read = parse(text, reset, || newest, &Zone::utc());
            let Some(When::Unix(unix)) = read else {
                panic!("{text}: {read:?}");
            };
            assert_eq!(civil(unix.div_euclid(86400 * SECOND)).0, year, "{text}");
        }
        // Only dates without a year call `newest`.
        for text in [
            "2026-11-20",
            "13:01",
            "today",
            "-5min",
            "Fri Nov 20 13:01:00 2026",
        ] {
            assert!(parse(text, reset, || panic!("{text}"), &Zone::utc()).is_some());
        }
    }

    #[test]
    fn log_since_refuses_what_is_no_time() {
        for text in [
            "",
            "+",
            "-",
            " ago",
            "soon",
            "25:00",
            "2026-04-31",
            "2026-13-01",
            "-5 parsecs",
            "+1e9",
            "12-1-1 99:99",
            "::",
            "2026",
            "20",
            "Nov",
            "13:36 13:37",
            "13:36+1",
            "13:36+25:00",
            "13:36+01:0",
            "2026-11-20T",
            "2026-11-20 14:00 CET",
            "9999999999999999d ago",
            "é",
            "2026-11-20é",
            "T",
        ] {
            assert_eq!(parse(text, now(), || None, &berlin()), None, "{text}");
        }
    }
}
