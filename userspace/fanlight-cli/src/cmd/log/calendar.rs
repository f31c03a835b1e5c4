// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Gregorian calendar: days since 1970, and dates.

pub const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// By the day since 1970, which was a Thursday, modulo 7.
pub const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Days since 1970 of a date of the Gregorian calendar, for which March is the year's first month.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
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

/// Days since 1970 of a date that a user wrote; `None` if there is no such day, as 31 April.
pub fn checked_days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days(year, month, day);
    (civil(days) == (year, month, day)).then_some(days)
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
