// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times: nanoseconds since boot in the log, dates for people.

use std::time::{SystemTime, UNIX_EPOCH};

use super::zone::Zone;
use crate::error::{Error, Result};
use crate::number;

const SECOND: i64 = 1_000_000_000;

/// The clock of the log's boot.
pub struct Clock {
    /// Nanoseconds from 1970 to boot; unknown for another boot.
    boot: Option<i64>,
    /// Now, in nanoseconds since 1970.
    now: i64,
    zone: Zone,
}

impl Clock {
    /// `ours`: the log is that of the running kernel.
    pub fn of(ours: bool) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_nanos() as i64);
        // printk's clock stands still during suspend, as this one does.
        let up = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let up = up.tv_sec * SECOND + up.tv_nsec;
        Self {
            boot: ours.then_some(now - up),
            now,
            zone: Zone::local(),
        }
    }

    /// A time since boot as a local date: `2026-11-20T13:36:33,123456+00:00`, as `dmesg --time-format=iso`.
    pub fn local(&self, ns: u64) -> Option<String> {
        let unix = self.boot?.saturating_add_unsigned(ns);
        let seconds = unix.div_euclid(SECOND);
        let offset = self.zone.offset(seconds);
        let local = seconds + offset;
        let (year, month, day) = civil(local.div_euclid(86400));
        let second = local.rem_euclid(86400);
        let micros = unix.rem_euclid(SECOND) / 1000;
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
        Some(format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02},{micros:06}{sign}{hours:02}:{minutes:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        ))
    }

    pub fn knows_dates(&self) -> bool {
        self.boot.is_some()
    }

    /// Reads a time as a user writes it, as nanoseconds since boot; see WHEN in the help.
    pub fn read(&self, text: &str) -> Result<u64> {
        let wrong = || Error::Usage(format!("invalid time '{text}'; see 'fanlight log --help'"));
        if let Some(since_boot) = text.strip_prefix('+') {
            let ns = seconds(since_boot).ok_or_else(wrong)?;
            return u64::try_from(ns).map_err(|_| wrong());
        }
        let unix = self.date(text.trim()).ok_or_else(wrong)?;
        match self.boot {
            // Before boot is as good as at boot.
            Some(boot) => Ok(u64::try_from(unix - boot).unwrap_or(0)),
            None => Err(Error::message("when another boot was is not known: give times as seconds since boot, such as +12.5")),
        }
    }

    /// A date, in nanoseconds since 1970.
    fn date(&self, text: &str) -> Option<i64> {
        let today = {
            let local = self.now.div_euclid(SECOND) + self.zone.offset(self.now.div_euclid(SECOND));
            local.div_euclid(86400)
        };
        match text {
            "now" => return Some(self.now),
            "today" => return self.at(today, 0),
            "yesterday" => return self.at(today - 1, 0),
            _ => {}
        }
        if let Some(epoch) = text.strip_prefix('@') {
            return seconds(epoch);
        }
        let ago = text.strip_prefix('-').or_else(|| text.strip_suffix(" ago"));
        if let Some(ago) = ago {
            return self.now.checked_sub(span(ago.trim())?);
        }
        let (date, time) = match text.split_once(['T', ' ']) {
            Some((date, time)) => (Some(date), Some(time)),
            None if text.contains(':') => (None, Some(text)),
            None => (Some(text), None),
        };
        let day = match date {
            Some(date) => day(date)?,
            None => today,
        };
        let (time, utc) = match time {
            Some(time) => (time.strip_suffix('Z').unwrap_or(time), time.ends_with('Z')),
            None => ("00:00", false),
        };
        let of_day = time_of_day(time)?;
        if utc {
            return (day * 86400 * SECOND).checked_add(of_day);
        }
        self.at(day, of_day)
    }

    /// A day's time in the local zone.
    fn at(&self, day: i64, of_day: i64) -> Option<i64> {
        let local = day.checked_mul(86400)?.checked_add(of_day / SECOND)?;
        // The offset is that of the moment itself, which it helps to find: the second guess is right but around a change.
        let guess = local - self.zone.offset(local);
        let unix = local - self.zone.offset(guess);
        unix.checked_mul(SECOND)?.checked_add(of_day % SECOND)
    }
}

/// `12`, `12.5`: nanoseconds.
fn seconds(text: &str) -> Option<i64> {
    number::decimal(text)?.try_into().ok()
}

/// `90`, `90s`, `5min`, `2 h`, `1day`: nanoseconds.
fn span(text: &str) -> Option<i64> {
    let unit = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let factor = match &text[unit..] {
        "" | "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86400,
        "week" | "weeks" => 7 * 86400,
        _ => return None,
    };
    seconds(text[..unit].trim())?.checked_mul(factor)
}

/// `2026-11-20`, as days since 1970.
fn day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (
        i64::from(parts.next()??),
        i64::from(parts.next()??),
        i64::from(parts.next()??),
    );
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days(year, month, day);
    // 31 April is no date.
    (civil(days) == (year, month, day)).then_some(days)
}

/// `13:36` or `13:36:33.5`, as nanoseconds since midnight.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let hour: u32 = parts.next()?.parse().ok()?;
    let minute: u32 = parts.next()?.parse().ok()?;
    let second = parts.next().map_or(Some(0), seconds)?;
    (hour < 24 && minute < 60 && second < 61 * SECOND)
        .then(|| (i64::from(hour) * 3600 + i64::from(minute) * 60) * SECOND + second)
}

/// Days since 1970 of a date of the Gregorian calendar, for which March is the year's first month.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days`]: year, month and day.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (
        era * 400 + year + i64::from(month <= 2),
        month,
        of_year - (153 * shifted + 2) / 5 + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Booted at 2026-11-20 13:00:00 UTC, an hour ago.
    fn clock(tz: &str) -> Clock {
        let boot = days(2026, 11, 20) * 86400 * SECOND + 13 * 3600 * SECOND;
        Clock {
            boot: Some(boot),
            now: boot + 3600 * SECOND,
            zone: Zone::named(tz),
        }
    }

    #[test]
    fn log_time_local_is_iso_with_the_zones_offset() {
        assert_eq!(
            clock("UTC0").local(1_500_000_000).unwrap(),
            "2026-11-20T13:00:01,500000+00:00"
        );
        assert_eq!(
            clock("CET-1CEST,M3.5.0,M10.5.0/3").local(0).unwrap(),
            "2026-11-20T14:00:00,000000+01:00"
        );
        assert_eq!(
            clock("NST3:30").local(0).unwrap(),
            "2026-11-20T09:30:00,000000-03:30"
        );
    }

    #[test]
    fn log_since_reads_what_people_write() {
        let minute = 60 * SECOND as u64;
        let clock = clock("CET-1CEST,M3.5.0,M10.5.0/3");
        for (text, minutes) in [
            ("+90", 1.5),
            ("now", 60.0),
            ("-30min", 30.0),
            ("30 min ago", 30.0),
            ("-90", 58.5),
            ("14:20", 20.0),
            ("2026-11-20 14:20:30", 20.5),
            ("2026-11-20T13:20:30Z", 20.5),
            ("@1795179660", 1.0),
            ("today", 0.0),
            ("yesterday", 0.0),
            ("2026-11-20", 0.0),
        ] {
            assert_eq!(
                clock.read(text).unwrap(),
                (minutes * minute as f64) as u64,
                "{text}"
            );
        }
        for text in [
            "",
            "+",
            "soon",
            "25:00",
            "2026-04-31",
            "2026-13-01",
            "-5 parsecs",
            "+1e9",
            "12-1-1 99:99",
            "::",
        ] {
            assert!(clock.read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn log_times_of_another_boot_are_since_boot_only() {
        let clock = Clock {
            boot: None,
            ..clock("UTC0")
        };
        assert_eq!(clock.read("+1.5").unwrap(), 1_500_000_000);
        assert!(clock.read("today").is_err());
        assert!(clock.local(0).is_none());
    }

    #[test]
    fn log_dates_go_both_ways() {
        for day in (-200_000..200_000).step_by(13) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(civil(11_016), (2000, 2, 29));
    }
}
