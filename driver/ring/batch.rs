// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Reading many records by one copy and one check, for readers that are behind.

#![forbid(unsafe_code)]

use super::atomic::{copy_out, fence_acquire, Word};
use super::cursor::{Cursor, Peek};
use super::layout::{distance, Ring};
use super::record::{field, Record, Shape, OPEN, WHOLE};

/// What a [`Batch`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A record.
    Record(Record<'a>),
    /// So many records were lost before the one that comes next.
    Lost(u64),
}

/// Records that were copied out of the ring together. The cursor moves as they are taken.
pub struct Batch<'b, 'c> {
    cursor: &'c mut Cursor,
    /// Lost before the first one.
    lost: u64,
    /// What is left of the copy.
    bytes: &'b [u8],
    /// Bytes from there to the end of the ring's data.
    room: usize,
    /// Where the cursor goes if the copy turns out to be no records.
    head: u64,
}

impl Cursor {
    /// Copies as many records to `buffer` as fit in and lie together, and gives them one by one; `None` if there is
    /// nothing new.
    ///
    /// There may be more even if the batch holds no record. `buffer` has at least [`RECORD_MAX`](super::RECORD_MAX)
    /// bytes; if the next record does not fit, it is as if there were nothing new.
    pub fn batch<'b>(&mut self, ring: Ring<'_>, buffer: &'b mut [u8]) -> Option<Batch<'b, '_>> {
        // Ends for the same reason as the loop of `peek`.
        for _ in 0..ring.size() / 8 {
            let ahead = self.ahead(ring)?;
            let head = self.position.wrapping_add(ahead as u64);
            let room = ring.room(self.position);
            let words = ring.words_from(self.position);
            let len = whole(words, ahead.min(buffer.len()), room);
            // Orders the states that were seen before the copy, and before the check that they were states at all.
            fence_acquire();
            if distance(ring.header().tail.load(), self.position) > 0 {
                continue;
            }

            let mut lost = 0;
            if len == 0 {
                match self.peek(ring) {
                    Peek::Record(slot) if slot.size() <= buffer.len() => continue,
                    Peek::Record(_) | Peek::Empty => return None,
                    Peek::Lost(n) => lost = n,
                }
            }
            copy_out(words, buffer.get_mut(..len)?);
            fence_acquire();

            // Of what was copied, that before the tail is void. The tail is the beginning of a record.
            let passed = distance(ring.header().tail.load(), self.position);
            let void = usize::try_from(passed).map_or(0, |passed| passed.min(len));
            self.position = self.position.wrapping_add(void as u64);
            return Some(Batch {
                cursor: self,
                lost,
                bytes: buffer.get(void..len)?,
                room: room - void,
                head,
            });
        }
        None
    }
}

/// Bytes of the whole records at the beginning of `words`, and a filler behind them; `limit` at most.
///
/// They are whole before they are copied: if not, the copy of one that a final writer has given up, but which is
/// finished all the same, could be whole by its state and not by its bytes.
fn whole(words: &[Word], limit: usize, room: usize) -> usize {
    let mut len = 0;
    while let Some(word) = words.get(len / 4) {
        let shape = Shape::of(word.load());
        if shape.state == OPEN || !shape.fits(room - len) || len + shape.len > limit {
            break;
        }
        len += shape.len;
    }
    len
}

impl Batch<'_, '_> {
    /// The cursor behind the record that was taken last: to come back to, should what follows not be wanted.
    #[inline]
    pub fn place(&self) -> Cursor {
        self.cursor.clone()
    }
}

impl<'b> Iterator for Batch<'b, '_> {
    type Item = Item<'b>;

    #[inline]
    fn next(&mut self) -> Option<Item<'b>> {
        if self.lost != 0 {
            return Some(Item::Lost(core::mem::take(&mut self.lost)));
        }
        loop {
            let shape = Shape::of(u32::from_ne_bytes(field(self.bytes, 0)?));
            if !shape.fits(self.room) {
                self.cursor.damaged = self.cursor.damaged.wrapping_add(1);
                self.cursor.position = self.head;
                self.bytes = &[];
                return None;
            }
            let (bytes, rest) = self.bytes.split_at_checked(shape.len)?;
            let item = if shape.state == WHOLE {
                match Record::parse(bytes) {
                    Some(record) => match self.cursor.missing(record.seq) {
                        0 => {
                            self.cursor.seq = Some(record.seq.wrapping_add(1));
                            Some(Item::Record(record))
                        }
                        lost => return Some(Item::Lost(lost)),
                    },
                    None => {
                        // The lengths in it contradict each other. It is missed at the next one.
                        self.cursor.damaged = self.cursor.damaged.wrapping_add(1);
                        None
                    }
                }
            } else {
                None
            };
            self.bytes = rest;
            self.room -= shape.len;
            self.cursor.position = self.cursor.position.wrapping_add(shape.len as u64);
            if item.is_some() {
                return item;
            }
        }
    }
}
