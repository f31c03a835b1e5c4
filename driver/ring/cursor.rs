// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The reading side: a place in the ring, moved from record to record, that knows what it has lost.
//!
//! Nothing in the memory of the ring is trusted: whatever it holds and however it changes, no call here panics, and
//! each one ends.

#![forbid(unsafe_code)]

use super::atomic::{copy_out, fence_acquire, Word};
use super::layout::{distance, Ring};
use super::record::{wide, Record, Shape, WHOLE};
use super::writer::Writer;

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

/// What [`Cursor::peek`] found.
pub enum Peek<'a> {
    /// A record.
    Record(Slot<'a>),
    /// Nothing yet.
    Empty,
    /// So many records were lost before the one that comes next. Said once.
    Lost(u64),
}

/// One reader's place in a ring.
#[derive(Clone, Debug)]
pub struct Cursor {
    pub(super) position: u64,
    /// The number that the next record has if none is lost; unknown as long as none was seen.
    pub(super) seq: Option<u64>,
    pub(super) lost: u64,
    pub(super) damaged: u64,
}

impl Cursor {
    /// How often to look for a record that is being written.
    const PATIENCE: usize = if cfg!(loom) { 1 } else { 100 };

    /// At the oldest record that is there. What was overwritten before is not lost.
    pub fn oldest(ring: Ring<'_>) -> Self {
        let mut cursor = Self {
            position: ring.header().tail.load_acquire(),
            seq: None,
            lost: 0,
            damaged: 0,
        };
        // Its number, so that it is missed if it is overwritten before it is read.
        for _ in 0..Self::PATIENCE {
            match cursor.peek(ring) {
                Peek::Record(_) | Peek::Lost(_) => break,
                Peek::Empty if ring.untouched(cursor.position) => {
                    cursor.seq = Some(ring.header().first_seq.load());
                    break;
                }
                // The first record ever is being written.
                Peek::Empty => {}
            }
        }
        cursor
    }

    /// Behind the newest record. Goes over all there are; a writer knows better: [`Cursor::newest_of`].
    pub fn newest(ring: Ring<'_>) -> Self {
        let head = ring.header().head.load_acquire();
        let mut cursor = Self::oldest(ring);
        // At most as many as there is room for: what is overwritten meanwhile moves the position on, too.
        while distance(head, cursor.position) > 0 {
            match cursor.peek(ring) {
                Peek::Record(slot) => cursor.advance(&slot),
                Peek::Lost(_) => {}
                Peek::Empty => break,
            }
        }
        cursor.lost = 0;
        cursor
    }

    /// Behind the newest record of a ring whose writer is at hand.
    pub fn newest_of(ring: Ring<'_>, writer: &Writer) -> Self {
        match writer.end(ring) {
            Some((position, seq)) => Self {
                position,
                seq: Some(seq),
                lost: 0,
                damaged: 0,
            },
            None => Self::newest(ring),
        }
    }

    /// At record `seq`, or at the first one there is after it; then those in between are lost.
    pub fn at_seq(ring: Ring<'_>, seq: u64) -> Self {
        let head = ring.header().head.load_acquire();
        let mut cursor = Self::oldest(ring);
        while distance(head, cursor.position) > 0 {
            match cursor.peek(ring) {
                Peek::Record(slot) if distance(slot.seq, seq) < 0 => cursor.advance(&slot),
                Peek::Record(_) | Peek::Empty => break,
                Peek::Lost(_) => {}
            }
        }
        cursor.lost = 0;
        cursor.seq = Some(seq);
        cursor
    }

    /// Copies the next record to `buffer` and takes it apart.
    #[inline]
    pub fn next<'b>(&mut self, ring: Ring<'_>, buffer: &'b mut [u8]) -> Next<'b> {
        loop {
            match self.peek(ring) {
                Peek::Empty => return Next::Empty,
                Peek::Lost(n) => return Next::Lost(n),
                Peek::Record(slot) => {
                    if buffer.len() < slot.size() {
                        return Next::Short(slot.size());
                    }
                    // If not, it was overwritten meanwhile, and `peek` will count what is lost.
                    if slot.copy(ring, buffer) {
                        self.advance(&slot);
                        break;
                    }
                }
            }
        }
        match Record::parse(buffer) {
            Some(record) => Next::Record(record),
            None => {
                // A final writer has declared it open meanwhile. If not, the lengths in it contradict each other.
                let first = buffer
                    .first_chunk()
                    .map_or(0, |word| u32::from_ne_bytes(*word));
                if Shape::of(first).state == WHOLE {
                    self.damaged = self.damaged.wrapping_add(1);
                }
                self.lost = self.lost.wrapping_add(1);
                Next::Lost(1)
            }
        }
    }

    /// Finds the next record without moving on. Its number can be trusted; of its bytes see [`Slot`].
    #[inline]
    pub fn peek<'a>(&mut self, ring: Ring<'a>) -> Peek<'a> {
        // Each turn returns, or moves the position forward. The bound is for memory that changes as we look.
        for _ in 0..ring.size() / 8 {
            let Some(ahead) = self.ahead(ring) else {
                return Peek::Empty;
            };
            let room = ring.room(self.position).min(ahead);
            let words = ring.words_from(self.position);
            let shape = Shape::of(words.first().map_or(0, Word::load_acquire));
            let seq = wide(words, 2);
            fence_acquire();
            if distance(ring.header().tail.load(), self.position) > 0 {
                continue;
            }
            if !shape.fits(room) {
                // Only the head is known to be the beginning of a record.
                self.damaged = self.damaged.wrapping_add(1);
                self.position = self.position.wrapping_add(ahead as u64);
                continue;
            }
            if shape.state != WHOLE {
                self.position = self.position.wrapping_add(shape.len as u64);
                continue;
            }
            match self.missing(seq) {
                0 => {
                    self.seq = Some(seq);
                    return Peek::Record(Slot {
                        words: words.get(..shape.len / 4).unwrap_or(&[]),
                        position: self.position,
                        seq,
                    });
                }
                lost => return Peek::Lost(lost),
            }
        }
        Peek::Empty
    }

    /// Moves behind the record that [`Cursor::peek`] has found.
    #[inline]
    pub fn advance(&mut self, slot: &Slot<'_>) {
        self.position = slot.position.wrapping_add(slot.size() as u64);
        self.seq = Some(slot.seq.wrapping_add(1));
    }

    /// Bytes from the position, which is moved to the tail if that has passed it, to the head. `None` if there are none.
    #[inline]
    pub(super) fn ahead(&mut self, ring: Ring<'_>) -> Option<usize> {
        let head = ring.header().head.load_acquire();
        let tail = ring.header().tail.load();
        let size = ring.size() as u64;
        if distance(tail, self.position) > 0 || distance(self.position, head) > size as i64 {
            // Overtaken; or this is another ring than the one before.
            self.position = tail;
        }
        let ahead = head.wrapping_sub(self.position);
        if ahead == 0 || distance(head, self.position) < 0 {
            return None;
        }
        if ahead > size || self.position & 7 != 0 {
            self.damaged = self.damaged.wrapping_add(1);
            self.position = head;
            return None;
        }
        // Not more than the size, which is a `usize`.
        Some(ahead as usize)
    }

    /// Counts the records between the one that was expected and `seq`, which is expected from now on.
    #[inline]
    pub(super) fn missing(&mut self, seq: u64) -> u64 {
        let lost = self.seq.map_or(0, |expected| distance(seq, expected));
        if lost == 0 {
            return 0;
        }
        self.seq = Some(seq);
        match u64::try_from(lost) {
            Ok(lost) => {
                self.lost = self.lost.wrapping_add(lost);
                lost
            }
            Err(_) => {
                // No writer goes back.
                self.damaged = self.damaged.wrapping_add(1);
                0
            }
        }
    }

    /// The number that the next record has if none is lost; `None` while none was ever seen.
    pub fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// Bytes between the cursor and the end of the newest record.
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

/// A record where it is in the ring, which the writer may overwrite at any moment.
///
/// Borrow, then validate: look at the words, and believe what was seen only if [`Slot::still_valid`] says so after it.
#[derive(Clone, Copy)]
pub struct Slot<'a> {
    words: &'a [Word],
    position: u64,
    seq: u64,
}

impl<'a> Slot<'a> {
    /// The record of that number in these words.
    #[inline]
    pub(super) fn at(words: &'a [Word], position: u64, seq: u64) -> Self {
        Self {
            words,
            position,
            seq,
        }
    }

    /// Its number.
    #[inline]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Bytes of the whole record.
    #[inline]
    pub fn size(&self) -> usize {
        self.words.len() * 4
    }

    /// Its words, as `struct fanlight_log_record`.
    pub fn words(&self) -> &'a [Word] {
        self.words
    }

    /// Its nanoseconds since boot.
    pub fn ns(&self) -> u64 {
        wide(self.words, 4)
    }

    /// Its flags: [`USER`](super::USER) and the others.
    pub fn flags(&self) -> u8 {
        let [_, _, level_flags, _] = self.words.get(7).map_or(0, Word::load).to_ne_bytes();
        level_flags & 0x1f
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
        let Some(buffer) = buffer.get_mut(..self.size()) else {
            return false;
        };
        copy_out(self.words, buffer);
        self.still_valid(ring)
    }
}
