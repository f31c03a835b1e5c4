// SPDX-License-Identifier: MIT OR Apache-2.0
//! A record as it lies in the ring, not copied.

use fanlight_ring::Slot;

use super::{Caller, Facility, Level};

/// A record where it is in the ring, which may be overwritten while it is looked at: [`Reader::fold`](super::Reader::fold)
/// finds that out afterwards.
///
/// ```no_run
/// use fanlight::{Glimpse, Level, Start};
///
/// fn is_error(record: &Glimpse<'_>) -> bool {
///     record.level() <= Level::Err
/// }
/// ```
pub struct Glimpse<'a>(pub(super) Slot<'a>);

impl Glimpse<'_> {
    fn word(&self, at: usize) -> u32 {
        self.0.words().get(at).map_or(0, fanlight_ring::Word::load)
    }

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

    /// How urgent it is.
    #[inline]
    pub fn level(&self) -> Level {
        let [_, _, level_flags, _] = self.word(7).to_ne_bytes();
        Level::ALL[usize::from(level_flags >> 5)]
    }

    /// Which part of the system speaks.
    #[inline]
    pub fn facility(&self) -> Facility {
        let [.., facility] = self.word(7).to_ne_bytes();
        Facility(facility)
    }

    /// Who wrote it.
    #[inline]
    pub fn caller(&self) -> Caller {
        Caller(self.word(6))
    }

    /// Whether its text begins with these bytes.
    pub fn starts_with(&self, prefix: &[u8]) -> bool {
        let [text_a, text_b, ..] = self.word(7).to_ne_bytes();
        let words = self.0.words().iter().skip(8);
        let bytes = words.flat_map(|word| word.load().to_ne_bytes());
        prefix.len() <= usize::from(u16::from_ne_bytes([text_a, text_b]))
            && bytes.take(prefix.len()).eq(prefix.iter().copied())
    }
}
