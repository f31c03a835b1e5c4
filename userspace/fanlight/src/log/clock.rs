// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time of day of a record.

use std::time::{Duration, SystemTime};

use fanlight_ring::{Clocks, CLOCKS};

/// The offsets from the clock of a boot's records to the wall clock; see
/// [`Log::wall_clock`](crate::Log::wall_clock).
///
/// The clock of the records drifts against the wall clock, and stops while the system is suspended.
/// So there may be several offsets, each of which applies to records from some time on.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// let clock = fanlight::WallClock::from_offset(1_700_000_000_000_000_000);
/// let time = clock.time_of(Duration::from_secs(5));
/// assert_eq!(time, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_005));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WallClock {
    /// Nanoseconds since boot, ascending, and offsets. There is at least one.
    offsets: Vec<(u64, i64)>,
}

impl WallClock {
    /// The clock of a boot that began this many nanoseconds after 1970.
    pub fn from_offset(offset: i64) -> Self {
        Self {
            offsets: vec![(0, offset)],
        }
    }

    /// A clock with several offsets: the time since boot from which each applies, and the
    /// nanoseconds to add. The first one also applies to all earlier records. `None` if there is no
    /// offset. The list ends before the first offset whose time is not later than the one before.
    ///
    /// ```
    /// use fanlight::WallClock;
    /// use std::time::Duration;
    ///
    /// let slept = Duration::from_secs(60);
    /// let clock = WallClock::from_offsets([(Duration::ZERO, 5), (slept, 7)]).unwrap();
    /// assert_eq!(clock.offset_at(Duration::from_secs(59)), 5);
    /// assert_eq!(clock.offset_at(slept), 7);
    /// assert_eq!(WallClock::from_offsets([]), None);
    /// ```
    pub fn from_offsets(offsets: impl IntoIterator<Item = (Duration, i64)>) -> Option<Self> {
        let mut kept: Vec<(u64, i64)> = Vec::new();
        for (since_boot, offset) in offsets {
            let ns = nanos(since_boot);
            if kept.last().is_some_and(|(before, _)| *before >= ns) {
                break;
            }
            kept.push((ns, offset));
        }
        (!kept.is_empty()).then_some(Self { offsets: kept })
    }

    pub(super) fn of_list(clocks: &Clocks) -> Option<Self> {
        let mut list = [(0, 0); CLOCKS];
        let count = clocks.copy(&mut list);
        let list = list[..count].iter();
        Self::from_offsets(list.map(|(ns, offset)| (Duration::from_nanos(*ns), *offset)))
    }

    /// The offsets, each with the time since boot from which it applies.
    pub fn offsets(&self) -> impl Iterator<Item = (Duration, i64)> + '_ {
        let offsets = self.offsets.iter();
        offsets.map(|(ns, offset)| (Duration::from_nanos(*ns), *offset))
    }

    /// Nanoseconds to add to this time since boot to get nanoseconds since 1970.
    pub fn offset_at(&self, since_boot: Duration) -> i64 {
        let ns = nanos(since_boot);
        let after = self.offsets.partition_point(|(from, _)| *from <= ns);
        self.offsets[after.saturating_sub(1)].1
    }

    /// The time of day at this time since boot.
    ///
    /// # Panics
    ///
    /// The time of day exceeds the range of [`SystemTime`], which never happens for a record.
    pub fn time_of(&self, since_boot: Duration) -> SystemTime {
        let offset = self.offset_at(since_boot);
        let distance = Duration::from_nanos(offset.unsigned_abs());
        if offset < 0 {
            SystemTime::UNIX_EPOCH + since_boot - distance
        } else {
            SystemTime::UNIX_EPOCH + distance + since_boot
        }
    }
}

/// The time since boot in the unit of records.
fn nanos(since_boot: Duration) -> u64 {
    u64::try_from(since_boot.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_dates_are_by_the_offset_of_their_time() {
        let list = [(10u64, 100i64), (20, 200), (30, -300)];
        let offsets = list.map(|(s, offset)| (Duration::from_secs(s), offset * 1_000_000_000));
        let clock = WallClock::from_offsets(offsets).unwrap();
        assert!(clock.offsets().eq(offsets));
        let date = |s| {
            let time = clock.time_of(Duration::from_secs(s));
            match time.duration_since(SystemTime::UNIX_EPOCH) {
                Ok(after) => after.as_secs() as i64,
                Err(error) => -(error.duration().as_secs() as i64),
            }
        };
        let dates = [0, 10, 19, 20, 29, 30, 500].map(date);
        assert_eq!(dates, [100, 110, 119, 220, 229, -270, 200]);
        // Not in order.
        let cut = WallClock::from_offsets([offsets[0], offsets[2], offsets[1]]).unwrap();
        assert!(cut.offsets().eq([offsets[0], offsets[2]]));
    }
}
