// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Gregorian calendar: days since 1970, and dates.

use tz::UtcDateTime;

pub const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// By the day since 1970, which was a Thursday, modulo 7.
pub const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

const DAY: i64 = 86400;

/// The year, the month and the day of the month of a day since 1970.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let date = days.checked_mul(DAY);
    let date = date.and_then(|seconds| UtcDateTime::from_timespec(seconds, 0).ok());
    // Nanoseconds in 64 bits do not exceed the year 2262, so the date is always valid.
    date.map_or((1970, 1, 1), |date| {
        let (month, day) = (date.month(), date.month_day());
        (date.year().into(), month.into(), day.into())
    })
}

/// Days since 1970 of a date from a user; `None` if it does not exist, such as 31 April.
pub fn checked_days(year: i64, month: i64, day: i64) -> Option<i64> {
    let year = i32::try_from(year)
        .ok()
        .filter(|year| (0..=9999).contains(year))?;
    let (month, day) = (month.try_into().ok()?, day.try_into().ok()?);
    let date = UtcDateTime::new(year, month, day, 0, 0, 0, 0).ok()?;
    Some(date.unix_time().div_euclid(DAY))
}

/// Like [`checked_days`], for a date that exists.
#[cfg(test)]
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    checked_days(year, month, day).expect("a date")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_dates_go_both_ways() {
        for day in (-200_000..200_000).step_by(13) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(checked_days(2026, 4, 31), None);
        // West of Greenwich, a clock that was never set shows this day.
        assert_eq!(checked_days(1969, 12, 31), Some(-1));
        // 20 November 2026 is a Friday.
        assert_eq!(WEEKDAYS[(days(2026, 11, 20) % 7) as usize], "Fri");
    }
}
