// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Reading many records where they lie, by one check and no copy, for readers that only look.
//!
//! The order of the loads is that of the module's documentation (`mod.rs`): the head, acquire; each record's first word,
//! acquire, and the rest of it; a fence; the tail. That the records were copied is no part of the argument.

#![forbid(unsafe_code)]

use super::atomic::{fence_acquire, Word};
use super::cursor::{Cursor, Peek, Slot};
use super::layout::{distance, Ring};
use super::record::{wide, Shape, RECORD_HEADER, RECORD_MAX, WHOLE};

/// What [`Cursor::span`] found.
pub enum Look<'a, 'c> {
    /// Records. The cursor moves behind them if [`Span::commit`] says so.
    Records(Span<'a, 'c>),
    /// Nothing yet.
    Empty,
    /// So many records were lost before the one that comes next. Said once.
    Lost(u64),
}

/// Records that lie together in the ring and have consecutive numbers, given one by one as they are there.
///
/// Borrow, then validate: what was seen of them may be believed only if [`Span::commit`] says so afterwards, since the
/// writer may have overwritten them meanwhile.
pub struct Span<'a, 'c> {
    cursor: &'c mut Cursor,
    ring: Ring<'a>,
    /// What is left, published and not beyond the end of the data.
    words: &'a [Word],
    /// Words there were at first.
    all: usize,
    /// Of the next record.
    seq: u64,
}

impl Cursor {
    /// Looks at the records that come next, at most about `limit` bytes of them, but at least one.
    ///
    /// Much less than the ring holds, since all of them are void if the writer passes the first one meanwhile.
    #[inline]
    pub fn span<'a>(&mut self, ring: Ring<'a>, limit: usize) -> Look<'a, '_> {
        let slot = match self.peek(ring) {
            Peek::Empty => return Look::Empty,
            Peek::Lost(n) => return Look::Lost(n),
            Peek::Record(slot) => slot,
        };
        // `peek` has left the position at the record. The head was loaded before; it only grows.
        let ahead = ring
            .header()
            .head
            .load_acquire()
            .wrapping_sub(self.position);
        let len = usize::try_from(ahead)
            .unwrap_or(usize::MAX)
            .min(ring.room(self.position))
            .min(limit.max(slot.size()));
        let words = ring.words(self.position, len & !7);
        Look::Records(Span {
            seq: slot.seq(),
            all: words.len(),
            words,
            cursor: self,
            ring,
        })
    }
}

impl Span<'_, '_> {
    /// The position of the next record.
    #[inline]
    fn place(&self) -> u64 {
        let seen = (self.all - self.words.len()) * 4;
        self.cursor.position.wrapping_add(seen as u64)
    }

    /// Whether everything that was seen of the records before this call was theirs. If so the cursor is behind them; if
    /// not it has not moved, and the next look at the ring tells how many were lost.
    #[inline]
    pub fn commit(self) -> bool {
        // Orders all loads of the records before the tail's.
        fence_acquire();
        let good = distance(self.ring.header().tail.load(), self.cursor.position) <= 0;
        if good {
            self.cursor.position = self.place();
            self.cursor.seq = Some(self.seq);
        }
        good
    }
}

impl<'a> Iterator for Span<'a, '_> {
    type Item = Slot<'a>;

    #[inline]
    fn next(&mut self) -> Option<Slot<'a>> {
        // Acquire: a hole that a final writer has left may turn whole as we look, its first word last.
        let Shape { state, len } = Shape::of(self.words.first()?.load_acquire());
        // Anything but the record that is expected is for `peek`: fillers, open records, losses, damage, and what a
        // writer has put here after it had passed us.
        if state != WHOLE || !(RECORD_HEADER..=RECORD_MAX).contains(&len) {
            return None;
        }
        let (words, rest) = self.words.split_at_checked(len / 4)?;
        if wide(words, 2) != self.seq {
            return None;
        }
        let slot = Slot::at(words, self.place(), self.seq);
        self.words = rest;
        self.seq = self.seq.wrapping_add(1);
        Some(slot)
    }
}
