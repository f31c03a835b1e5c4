// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The word by which a writer makes the ring its own: one compare and exchange to get it, one to give it back.
//!
//! Bit 0 says that somebody has it; then 9 bits of the length of the record that is being written, in units of 8; 6 bits of
//! generation, which changes when it is taken from somebody; and the low 16 bits of the next sequence number.

#![forbid(unsafe_code)]

use super::record::RECORD_MAX;

// The length has 9 bits.
const _: () = assert!(RECORD_MAX / 8 < 1 << 9);

/// The word of ownership.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner(pub(super) u32);

impl Owner {
    const GENERATION: u32 = 0xfc00;

    /// Nobody's, and the next record gets this number.
    pub(super) fn free(seq: u64) -> Self {
        // The low bits are wanted.
        Self((seq as u32) << 16)
    }

    #[inline]
    pub(super) fn is_free(self) -> bool {
        self.0 & 1 == 0
    }

    /// The length of the record that is being written; 0 if there is none.
    pub(super) fn len(self) -> usize {
        ((self.0 << 2) & 0xff8) as usize
    }

    /// Of a free one: owned, to write `len` bytes.
    #[inline]
    pub(super) fn claimed(self, len: usize) -> Self {
        // A multiple of 8 and at most 2048.
        Self(self.0 | ((len as u32) >> 2) | 1)
    }

    /// Taken from its owner, whose record is still what is there.
    pub(super) fn taken(self) -> Self {
        let generation = self.0.wrapping_add(1 << 10) & Self::GENERATION;
        Self(self.0 & !Self::GENERATION | generation)
    }

    /// Owned by the same one, to write `len` bytes now, with number `seq`.
    pub(super) fn with(self, len: usize, seq: u64) -> Self {
        Self(Self::free(seq).0 | self.0 & Self::GENERATION).claimed(len)
    }

    /// Free, and the next record gets number `seq`.
    #[inline]
    pub(super) fn released(self, seq: u64) -> Self {
        Self(Self::free(seq).0 | self.0 & Self::GENERATION)
    }

    /// The sequence number, which is at or past `base` by less than 2^16.
    #[inline]
    pub(super) fn seq(self, base: u64) -> u64 {
        base.wrapping_add(u64::from((self.0 >> 16).wrapping_sub(base as u32) & 0xffff))
    }
}
