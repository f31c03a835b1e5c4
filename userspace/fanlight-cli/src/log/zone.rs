// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local time zone: $TZ, or /etc/localtime, or UTC.

use tz::TimeZone;

/// A zone; `None` is UTC.
pub struct Zone(Option<TimeZone>);

impl Zone {
    pub fn local() -> Self {
        match std::env::var("TZ") {
            Ok(name) if !name.is_empty() => Self::named(&name),
            _ => Self(TimeZone::local().ok()),
        }
    }

    pub fn utc() -> Self {
        Self(None)
    }

    /// What $TZ may be: `Europe/Berlin`, or `CET-1CEST,M3.5.0,M10.5.0/3`.
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
