// SPDX-License-Identifier: GPL-2.0 OR MIT OR Apache-2.0

//! The reading side: a place in the ring, moved from record to record, that knows what it has lost.

use super::atomic::{copy_out, fence_acquire, Word};
use super::layout::{distance, Ring};
use super::record::{Record, Shape, FILLER, OPEN, RECORD_HEADER, RECORD_MAX, WHOLE};

/// What [`Cursor::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A record; the cursor is behind it now.
    Record(Record<'a>),
    /// Nothing yet.
    Empty,
    /// So many records were lost before the one that comes next. Said once.
    Lost(u64),
    /// The buffer is too short for the next record, which has so many bytes. The cursor has not moved.
    Short(usize),
}

/// One reader's place in a ring.
///
/// Nothing in the memory of the ring is trusted: whatever it holds, no call panics, and each one ends.
#[derive(Clone, Debug)]
pub struct Cursor {
    position: u64,
    /// The number that the next record has if none was lost; unknown until the first record where the ring was empty.
    seq: Option<u64>,
    lost: u64,
    damaged: u64,
}

impl Cursor {
    /// At the oldest record that is there. What was overwritten before is not lost.
    pub fn oldest(ring: Ring<'_>) -> Self {
        let mut cursor = Self::at(ring.header().tail.load_acquire(), None);
        // The first record's number, or that of the first one ever written.
        match cursor.peek(ring) {
            Peek::Record(slot) => cursor.seq = Some(slot.seq()),
            _ if ring.header().head.load_acquire() == ring.header().tail.load_acquire() => {}
            _ => {}
        }
        cursor
    }

    /// Behind the newest record.
    pub fn newest(ring: Ring<'_>) -> Self {
        let mut cursor = Self::oldest(ring);
        cursor.run_to(ring, None);
        cursor.lost = 0;
        cursor
    }

    /// At record `seq`, or the first one there is after it; those in between count as lost.
    pub fn at_seq(ring: Ring<'_>, seq: u64) -> Self {
        let mut cursor = Self::oldest(ring);
        cursor.run_to(ring, Some(seq));
        cursor.lost = 0;
        cursor.seq = Some(seq);
        cursor
    }

    fn at(position: u64, seq: Option<u64>) -> Self {
        Self {
            position,
            seq,
            lost: 0,
            damaged: 0,
        }
    }

    /// Moves up to record `seq`, or to the end.
    fn run_to(&mut self, ring: Ring<'_>, seq: Option<u64>) {
        // As many as there can be at once; a flood of new ones does not keep us here.
        for _ in 0..ring.size() / RECORD_HEADER {
            match self.peek(ring) {
                Peek::Record(slot) => {
                    if seq.is_some_and(|seq| distance(slot.seq(), seq) >= 0) {
                        return;
                    }
                    self.advance(&slot);
                }
                Peek::Lost(_) => {}
                Peek::Empty => return,
            }
        }
    }

    /// Copies the next record to `buffer` and takes it apart.
    #[inline]
    pub fn next<'b>(&mut self, ring: Ring<'_>, buffer: &'b mut [u8]) -> Next<'b> {
        loop {
            match self.peek(ring) {
                Peek::Empty => return Next::Empty,
                Peek::Lost(n) => return Next::Lost(n),
                Peek::Record(slot) => {
                    if buffer.len() < slot.len() {
                        return Next::Short(slot.len());
                    }
                    if !slot.copy(ring, buffer) {
                        // Overwritten meanwhile: `peek` counts what was lost.
                        continue;
                    }
                    self.advance(&slot);
                    break;
                }
            }
        }
        match Record::parse(buffer) {
            Some(record) => Next::Record(record),
            None => Next::Empty,
        }
    }

    /// Finds the next record without moving. Its number can be trusted; of its bytes see [`Slot`].
    #[inline]
    pub fn peek<'a>(&mut self, ring: Ring<'a>) -> Peek<'a> {
        // Each turn moves the position forward or returns; the bound is for memory that changes as we look.
        for _ in 0..ring.size() / 8 {
            let head = ring.header().head.load_acquire();
            let tail = ring.header().tail.load();
            if distance(tail, self.position) > 0 {
                self.position = tail;
            }
            let ahead = distance(head, self.position);
            if ahead <= 0 {
                return Peek::Empty;
            }
            if ahead > ring.size() as i64 || self.position % 8 != 0 {
                self.damage(head);
                continue;
            }
            let room = ring.room(self.position).min(ahead as usize);
            let words = ring.words_from(self.position);
            let first = words.first().map_or(0, Word::load_acquire);
            let shape = Shape::of(first);
            let mut bytes = [0; RECORD_HEADER];
            copy_out(words, &mut bytes);
            fence_acquire();
            if distance(ring.header().tail.load(), self.position) > 0 {
                continue;
            }
            if !shape.fits(room) {
                self.damage(head);
                continue;
            }
            if shape.state == FILLER || shape.state == OPEN {
                self.position = self.position.wrapping_add(shape.len as u64);
                continue;
            }
            let slot = Slot {
                words: words.get(..shape.len / 4).unwrap_or(&[]),
                position: self.position,
                seq: super::record::field(&bytes, 8).map_or(0, u64::from_ne_bytes),
                len: shape.len,
            };
            let lost = self.seq.map_or(0, |seq| distance(slot.seq, seq));
            if lost < 0 {
                self.damaged = self.damaged.wrapping_add(1);
                self.position = self.position.wrapping_add(shape.len as u64);
                continue;
            }
            self.seq = Some(slot.seq);
            if lost > 0 {
                self.lost = self.lost.wrapping_add(lost as u64);
                return Peek::Lost(lost as u64);
            }
            return Peek::Record(slot);
        }
        Peek::Empty
    }

    /// What is there is no record: all up to the head is given up.
    #[cold]
    fn damage(&mut self, head: u64) {
        self.damaged = self.damaged.wrapping_add(1);
        self.position = head;
    }

    /// Moves behind the record that [`Cursor::peek`] has found.
    #[inline]
    pub fn advance(&mut self, slot: &Slot<'_>) {
        self.position = slot.position.wrapping_add(slot.len as u64);
        self.seq = Some(slot.seq.wrapping_add(1));
    }

    /// The number that the next record has if none is lost; `None` while no record was ever seen.
    pub fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// Bytes that are between the cursor and the newest record.
    pub fn unread_bytes(&self, ring: Ring<'_>) -> u64 {
        let unread = distance(ring.header().head.load_acquire(), self.position);
        u64::try_from(unread).map_or(0, |unread| unread.min(ring.size() as u64))
    }

    /// Records lost so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// How often something was found that no writer can have written.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }
}

/// What [`Cursor::peek`] found.
pub enum Peek<'a> {
    /// A record.
    Record(Slot<'a>),
    /// Nothing yet.
    Empty,
    /// So many records were lost before the one that comes next. Said once.
    Lost(u64),
}

/// A record where it is in the ring, which the writer may overwrite at any moment.
///
/// Borrow, then validate: look at the words, and believe what was seen only if [`Slot::still_valid`] says so after it.
#[derive(Clone, Copy)]
pub struct Slot<'a> {
    words: &'a [Word],
    position: u64,
    seq: u64,
    len: usize,
}

impl<'a> Slot<'a> {
    /// Its number.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Bytes of the whole record.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Its words, as `struct fanlight_log_record`.
    pub fn words(&self) -> &'a [Word] {
        self.words
    }

    /// Whether everything that was loaded from the words before this call was the record's.
    #[inline]
    pub fn still_valid(&self, ring: Ring<'_>) -> bool {
        fence_acquire();
        distance(ring.header().tail.load(), self.position) <= 0
    }

    /// Copies the record; says whether the copy is good. Bytes of `buffer` behind it are left alone.
    #[inline]
    pub fn copy(&self, ring: Ring<'_>, buffer: &mut [u8]) -> bool {
        let Some(buffer) = buffer.get_mut(..self.len) else {
            return false;
        };
        copy_out(self.words, buffer);
        self.still_valid(ring)
    }
}

/// Records that are in the ring, open ones included.
pub(super) fn count(ring: Ring<'_>) -> u64 {
    let head = ring.header().head.load_acquire();
    let mut at = ring.header().tail.load();
    let mut n = 0;
    for _ in 0..ring.size() / 8 {
        if distance(head, at) <= 0 {
            break;
        }
        let shape = Shape::of(ring.words_from(at).first().map_or(0, Word::load));
        if !shape.fits(ring.room(at)) {
            break;
        }
        if shape.state == WHOLE || shape.state == OPEN {
            n += 1;
        }
        at = at.wrapping_add(shape.len.min(RECORD_MAX) as u64);
    }
    n
}
