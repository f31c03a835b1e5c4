// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local time zone: $TZ, or /etc/localtime if $TZ is not set, or UTC.

use std::ffi::OsStr;

use tz::TimeZone;

/// A zone; `None` is UTC.
pub struct Zone(Option<TimeZone>);

impl Zone {
    pub fn local() -> Self {
        Self::of_environment(std::env::var_os("TZ").as_deref())
    }

    /// Interprets $TZ like the C library: an empty one, and one that does not name a zone, is UTC.
    fn of_environment(tz: Option<&OsStr>) -> Self {
        match tz.map(OsStr::to_str) {
            None => Self(TimeZone::local().ok()),
            Some(Some(name)) if !name.is_empty() => Self::named(name),
            Some(_) => Self::utc(),
        }
    }

    pub fn utc() -> Self {
        Self(None)
    }

    /// The zone of a value of $TZ: `Europe/Berlin`, or `CET-1CEST,M3.5.0,M10.5.0/3`.
    pub fn named(name: &str) -> Self {
        Self(TimeZone::from_posix_tz(name).ok())
    }

    /// Seconds east of Greenwich at a time, in seconds since 1970.
    pub fn offset(&self, unix: i64) -> i64 {
        let kind = self
            .0
            .as_ref()
            .and_then(|zone| zone.find_local_time_type(unix).ok());
        kind.map_or(0, |kind| i64::from(kind.ut_offset()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_zone_is_that_of_the_environment() {
        let zone = |tz: &str| Zone::of_environment(Some(OsStr::new(tz)));
        assert_eq!(zone("EST5").offset(0), -5 * 3600);
        // UTC according to POSIX, whatever /etc/localtime is.
        assert!(zone("").0.is_none());
        assert!(zone("no such zone").0.is_none());
    }
}
