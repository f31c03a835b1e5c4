// SPDX-License-Identifier: MIT OR Apache-2.0
//! A record in the ring, without a copy.

use std::time::Duration;

use fanlight_ring::RecordRef;

use super::{Caller, Facility, Level};

/// A record in the ring. It may be overwritten while it is being read;
/// [`Reader::fold`](super::Reader::fold) checks that afterwards.
///
/// ```no_run
/// use fanlight::{Glimpse, Level, Start};
///
/// fn is_error(record: &Glimpse<'_>) -> bool {
///     record.level() <= Level::Err
/// }
/// ```
#[derive(Debug)]
pub struct Glimpse<'a>(pub(super) RecordRef<'a>);

impl Glimpse<'_> {
    /// Its number.
    #[inline]
    pub fn seq(&self) -> u64 {
        self.0.seq()
    }

    /// Nanoseconds since boot.
    #[inline]
    pub fn ns(&self) -> u64 {
        self.0.ns()
    }

    /// The time since boot.
    #[inline]
    pub fn since_boot(&self) -> Duration {
        Duration::from_nanos(self.ns())
    }

    /// Its level.
    #[inline]
    pub fn level(&self) -> Level {
        Level::ALL[usize::from(self.0.level() & 7)]
    }

    /// Its facility.
    #[inline]
    pub fn facility(&self) -> Facility {
        Facility(self.0.facility())
    }

    /// The task or the processor that wrote it.
    #[inline]
    pub fn caller(&self) -> Caller {
        Caller(self.0.caller())
    }

    /// Whether its text begins with these bytes.
    pub fn starts_with(&self, prefix: &[u8]) -> bool {
        let words = self.0.body().iter();
        let bytes = words.flat_map(|word| word.load().to_ne_bytes());
        prefix.len() <= self.0.text_len() && bytes.take(prefix.len()).eq(prefix.iter().copied())
    }
}
