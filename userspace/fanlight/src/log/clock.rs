// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time of day of a record.

use std::time::{Duration, SystemTime};

/// The distance between the clock of a boot's records and the wall clock; see
/// [`Log::wall_clock`](crate::Log::wall_clock).
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// let clock = fanlight::WallClock::from_offset(1_700_000_000_000_000_000);
/// let time = clock.time_of(Duration::from_secs(5));
/// assert_eq!(time, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_005));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WallClock {
    offset: i64,
}

impl WallClock {
    /// A clock of which the boot began this many nanoseconds after 1970, as
    /// [`Log::clock_offset`](crate::Log::clock_offset) and
    /// [`Salvaged::clock_offset`](crate::Salvaged::clock_offset) have it.
    ///
    /// ```
    /// assert_eq!(fanlight::WallClock::from_offset(-5).offset(), -5);
    /// ```
    pub const fn from_offset(offset: i64) -> Self {
        Self { offset }
    }

    /// Nanoseconds from 1970 to the beginning of the boot.
    ///
    /// ```
    /// assert_eq!(fanlight::WallClock::from_offset(7).offset(), 7);
    /// ```
    pub const fn offset(self) -> i64 {
        self.offset
    }

    /// The time of day when this much time had passed since boot.
    ///
    /// # Panics
    ///
    /// The time of day is beyond what a [`SystemTime`] can be, which no record's is.
    ///
    /// ```
    /// use fanlight::{Level, Record, WallClock};
    ///
    /// let clock = WallClock::from_offset(1_700_000_000_000_000_000);
    /// let record = Record::new(0, 250_000_000, Level::Info, b"text");
    /// let time = clock.time_of(record.since_boot());
    /// assert_eq!(time.duration_since(std::time::UNIX_EPOCH)?.as_millis(), 1_700_000_000_250);
    /// # Ok::<(), std::time::SystemTimeError>(())
    /// ```
    pub fn time_of(self, since_boot: Duration) -> SystemTime {
        let distance = Duration::from_nanos(self.offset.unsigned_abs());
        if self.offset < 0 {
            SystemTime::UNIX_EPOCH + since_boot - distance
        } else {
            SystemTime::UNIX_EPOCH + distance + since_boot
        }
    }
}
