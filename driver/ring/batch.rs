// SPDX-License-Identifier: GPL-2.0 OR MIT OR Apache-2.0

//! Reading many records by one copy and one check, for readers that are behind.

#![forbid(unsafe_code)]

use super::atomic::{copy_out, fence_acquire};
use super::cursor::Cursor;
use super::layout::{distance, Ring};
use super::record::{field, Record, Shape, WHOLE};

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
    /// bytes; with less it may be that no record ever fits.
    pub fn batch<'b>(&mut self, ring: Ring<'_>, buffer: &'b mut [u8]) -> Option<Batch<'b, '_>> {
        let ahead = self.ahead(ring)?;
        let room = ring.room(self.position);
        let len = ahead.min(room).min(buffer.len() & !7);
        let head = self.position.wrapping_add(ahead as u64);
        copy_out(ring.words_from(self.position), buffer.get_mut(..len)?);
        fence_acquire();

        // Of what was copied, that before the tail is void. The tail is the beginning of a record.
        let passed = distance(ring.header().tail.load(), self.position);
        let void = usize::try_from(passed).unwrap_or(0).min(len);
        if passed > 0 {
            self.position = self.position.wrapping_add(passed as u64);
        }
        Some(Batch {
            cursor: self,
            bytes: buffer.get(void..len)?,
            room: room - void,
            head,
        })
    }
}

impl<'b> Iterator for Batch<'b, '_> {
    type Item = Item<'b>;

    #[inline]
    fn next(&mut self) -> Option<Item<'b>> {
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
