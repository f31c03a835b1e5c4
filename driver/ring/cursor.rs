// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The reading side: borrows records in the ring, reads them, then validates what was read.
//!
//! The memory of the ring is not trusted. Whatever it holds and however it changes, no call panics
//! or loops forever.

#![forbid(unsafe_code)]

use super::atomic::{copy_out, fence_acquire, Word};
use super::layout::{distance, wide, Lane, Ring, LANES};
use super::record::{Record, Shape, FLAGS, RECORD_HEADER, RECORD_MAX, WHOLE};

/// What [`Cursor::read`] found.
pub enum Read<'a, 'c> {
    /// Records.
    Records(Span<'a, 'c>),
    /// This many records were lost before the one that comes next. Reported once.
    Lost(u64),
    /// Nothing yet.
    Empty,
}

/// What [`Cursor::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A record. The cursor is now after it.
    Record(Record<'a>),
    /// This many records were lost before the one that comes next. Reported once.
    Lost(u64),
    /// Nothing yet.
    Empty,
    /// The buffer is too short for the next record, which has this many bytes. The cursor has not
    /// moved.
    Short(usize),
}

/// Where a reader stops: after the newest records at the time when this was created.
#[derive(Clone, Copy, Debug)]
pub struct End {
    heads: [u64; LANES],
}

impl End {
    /// The end of the current records.
    pub fn now(ring: &Ring<'_>) -> Self {
        Self {
            heads: ring.heads(),
        }
    }
}

/// The position of one reader in a ring.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// One position for each lane.
    positions: [u64; LANES],
    /// The lane of the record that was read last.
    lane: usize,
    /// The number of the next record if none is lost; `None` while it is unknown.
    seq: Option<u64>,
    /// Whether the next record may have a lower number.
    may_be_lower: bool,
    /// Records with lower numbers do not count as lost: they were overwritten before the cursor was
    /// made.
    floor: u64,
    lost: u64,
    damaged: u64,
}

/// The next record of one lane.
struct Found<'a> {
    seq: u64,
    len: usize,
    /// From this record to the end of the newest one, or to the end of the data.
    words: &'a [Word],
}

impl Cursor {
    /// Creates a cursor after the records that end at these positions. The next record has the
    /// number `seq`, or a lower one if it is appended concurrently.
    pub(super) fn behind(positions: [u64; LANES], seq: u64) -> Self {
        Self {
            positions,
            lane: 0,
            seq: Some(seq),
            may_be_lower: true,
            floor: seq,
            lost: 0,
            damaged: 0,
        }
    }

    /// Creates a cursor at the oldest record. Records that are already overwritten do not count as
    /// lost.
    pub fn oldest(ring: &Ring<'_>) -> Self {
        let mut used = ring.lanes().iter().filter(|lane| lane.size() != 0);
        let untouched = used.all(|lane| lane.head() == 0);
        let first_seq = ring.header().first_seq();
        let mut cursor = Self::behind(ring.lanes().map(|lane| lane.tail()), first_seq);
        cursor.may_be_lower = false;
        if untouched {
            // At position 0, so that records that are appended concurrently come after it, too.
            cursor.positions = [0; LANES];
            return cursor;
        }
        cursor.seq = None;
        // The numbers of the oldest records, so that they count as lost if they are overwritten
        // before they are read.
        for index in 0..LANES {
            if let Some(found) = cursor.look(ring, index) {
                cursor.floor = match cursor.seq {
                    Some(_) if distance(cursor.floor, found.seq) > 0 => cursor.floor,
                    _ => found.seq,
                };
                cursor.seq = match cursor.seq {
                    Some(seq) if distance(found.seq, seq) > 0 => Some(seq),
                    _ => Some(found.seq),
                };
            }
        }
        cursor
    }

    /// Creates a cursor after the newest record. It walks over all records; [`Writer::newest`] does
    /// not.
    ///
    /// [`Writer::newest`]: super::Writer::newest
    pub fn newest(ring: &Ring<'_>) -> Self {
        let end = End::now(ring);
        let mut cursor = Self::oldest(ring);
        cursor.pass(ring, &end, |_| true);
        cursor.lost = 0;
        cursor
    }

    /// Creates a cursor at record `seq`, or at the first one after it; then the records in between
    /// count as lost.
    pub fn at_seq(ring: &Ring<'_>, seq: u64) -> Self {
        let end = End::now(ring);
        let mut cursor = Self::oldest(ring);
        cursor.pass(ring, &end, |record| distance(record, seq) < 0);
        cursor.lost = 0;
        cursor.seq = Some(seq);
        cursor.floor = seq;
        cursor
    }

    /// Skips the records before `end` while `over` returns true for their numbers.
    fn pass(&mut self, ring: &Ring<'_>, end: &End, over: impl Fn(u64) -> bool) {
        // Each iteration skips a record, or finds that some were overwritten.
        for _ in 0..2 * (ring.size() / RECORD_HEADER) + 2 {
            match self.read(ring, 0, Some(end)) {
                Read::Empty => break,
                Read::Lost(_) => {}
                Read::Records(mut span) => match span.next() {
                    Some(record) if over(record.seq()) => {
                        let _ = span.commit();
                    }
                    _ => break,
                },
            }
        }
    }

    /// Finds the next records: at least one, and at most about `limit` bytes. `end`: none beyond
    /// it.
    ///
    /// `limit` should be much smaller than a lane, since the whole span is void if the writer
    /// overwrites its first record before [`Span::commit`].
    #[inline]
    pub fn read<'a>(&mut self, ring: &Ring<'a>, limit: usize, end: Option<&End>) -> Read<'a, '_> {
        let mut index = self.lane;
        let mut found = self.look(ring, index);
        // A record with the expected number is the next one, whatever the other lane holds.
        let expected = self.seq.filter(|_| !self.may_be_lower);
        if !matches!((&found, expected), (Some(found), Some(seq)) if found.seq == seq) {
            let other = self.look(ring, index ^ 1);
            if found.is_none() && other.is_some() {
                // Records are published in the order of their numbers. So if this lane gets a
                // record with a lower number than that of the other lane, it is visible now.
                found = self.look(ring, index);
            }
            match (&found, &other) {
                (Some(a), Some(b)) if distance(a.seq, b.seq) <= 0 => {}
                (_, Some(_)) => {
                    found = other;
                    index ^= 1;
                }
                (_, None) => {}
            }
        }
        let (Some(found), Some(&lane)) = (found, ring.lanes().get(index)) else {
            return Read::Empty;
        };
        let position = self.positions.get(index).copied().unwrap_or(0);
        let mut limit = limit;
        if let Some(end) = end {
            let head = end.heads.get(index).copied().unwrap_or(0);
            match distance(head, position) {
                1.. => limit = limit.min(distance(head, position) as usize),
                _ => return Read::Empty,
            }
        }
        self.lane = index;
        let lost = self.missing(found.seq);
        if lost != 0 {
            return Read::Lost(lost);
        }
        let len = found.words.len().min(limit.max(found.len) / 4);
        let words = found.words.get(..len).unwrap_or(&[]);
        Read::Records(Span {
            lane,
            all: words.len(),
            words,
            previous: words,
            seq: found.seq,
            cursor: self,
        })
    }

    /// Finds the next whole record of one lane, and moves the lane's position to it.
    #[inline]
    fn look<'a>(&mut self, ring: &Ring<'a>, index: usize) -> Option<Found<'a>> {
        let lane = ring.lanes().get(index)?;
        let size = lane.size();
        if size == 0 {
            return None;
        }
        let position = self.positions.get_mut(index)?;
        // Each iteration returns, or moves the position forward. The bound is for memory that other
        // programs write to.
        for _ in 0..size / 8 {
            let head = lane.head();
            let tail = lane.tail();
            if distance(tail, *position) > 0 || distance(*position, head) > size as i64 {
                // The writer has overtaken the cursor, or the ring was replaced.
                *position = tail;
            }
            let ahead = distance(head, *position);
            if ahead <= 0 {
                return None;
            }
            if ahead > size as i64 || *position & 7 != 0 {
                self.damaged = self.damaged.wrapping_add(1);
                *position = head;
                return None;
            }
            let offset = lane.offset(*position as u32);
            // At most the size of the lane.
            let room = size.wrapping_sub(offset).min(ahead as usize);
            let words = lane.words(offset, room);
            // LMM(reader_first_word:A)
            let shape = Shape::of(words.first().map_or(0, Word::load_acquire));
            let seq = wide(words, 2);
            if !valid(lane, *position) {
                continue;
            }
            if !shape.fits(room) {
                // Only the head is certain to be a boundary of records.
                self.damaged = self.damaged.wrapping_add(1);
                *position = head;
            } else if shape.state == WHOLE {
                return Some(Found {
                    seq,
                    len: shape.len,
                    words,
                });
            } else {
                *position = position.wrapping_add(shape.len as u64);
            }
        }
        None
    }

    /// Counts the records between the expected number and `seq`, which becomes the expected number.
    #[inline]
    fn missing(&mut self, seq: u64) -> u64 {
        let may_be_lower = core::mem::take(&mut self.may_be_lower);
        let Some(expected) = self.seq.replace(seq) else {
            return 0;
        };
        if seq == expected {
            return 0;
        }
        if distance(seq, expected) < 0 {
            // Writers never use a lower number.
            self.damaged = self.damaged.wrapping_add(u64::from(!may_be_lower));
            return 0;
        }
        let from = if distance(self.floor, expected) > 0 {
            self.floor
        } else {
            expected
        };
        let lost = u64::try_from(distance(seq, from)).unwrap_or(0);
        self.lost = self.lost.wrapping_add(lost);
        lost
    }

    /// Copies the next record to `buffer`.
    #[inline]
    pub fn next<'b>(&mut self, ring: &Ring<'_>, buffer: &'b mut [u8]) -> Next<'b> {
        self.next_before(ring, buffer, None)
    }

    /// Like [`Cursor::next`], but stops at `end`.
    #[inline]
    pub fn next_before<'b>(
        &mut self,
        ring: &Ring<'_>,
        buffer: &'b mut [u8],
        end: Option<&End>,
    ) -> Next<'b> {
        // Each iteration returns, or finds that the record was overwritten. The bound is for memory
        // that other programs write to.
        for _ in 0..ring.size() / 8 {
            let mut span = match self.read(ring, 0, end) {
                Read::Empty => return Next::Empty,
                Read::Lost(n) => return Next::Lost(n),
                Read::Records(span) => span,
            };
            let Some(record) = span.next() else {
                continue;
            };
            let size = record.size();
            let Some(bytes) = buffer.get_mut(..size) else {
                return Next::Short(size);
            };
            copy_out(record.words(), bytes);
            if !span.commit() {
                continue;
            }
            if let Some(record) = Record::parse(buffer) {
                return Next::Record(record);
            }
            // Its lengths are inconsistent, or a take-over has made it an open record.
            let first = buffer
                .first_chunk()
                .map_or(0, |word| u32::from_ne_bytes(*word));
            let whole = Shape::of(first).state == WHOLE;
            self.damaged = self.damaged.wrapping_add(u64::from(whole));
            self.lost = self.lost.wrapping_add(1);
            return Next::Lost(1);
        }
        Next::Empty
    }

    /// Counts a record with inconsistent lengths as lost.
    pub fn damage(&mut self) {
        self.damaged = self.damaged.wrapping_add(1);
        self.lost = self.lost.wrapping_add(1);
    }

    /// Moves the cursor back by the last `bytes` of the last committed span, to its record `seq`.
    pub fn step_back(&mut self, bytes: usize, seq: u64) {
        if let Some(position) = self.positions.get_mut(self.lane) {
            *position = position.wrapping_sub(bytes as u64);
            self.seq = Some(seq);
        }
    }

    /// The number of the next record if none is lost; `None` if it is unknown.
    pub fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// Bytes from the cursor to the ends of both lanes.
    pub fn unread_bytes(&self, ring: &Ring<'_>) -> u64 {
        let lanes = ring.lanes().iter().zip(self.positions);
        let unread = lanes
            .filter(|(lane, _)| lane.size() != 0)
            .map(|(lane, position)| {
                let unread = distance(lane.head(), position);
                u64::try_from(unread).map_or(0, |unread| unread.min(lane.size() as u64))
            });
        unread.sum()
    }

    /// Records lost so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// How many times the cursor found data that no writer can have written.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }
}

/// Whether the data that was loaded from `position` on before this call was not overwritten.
///
/// LMM(validate:A) pairs with LMM(make_room:A).
#[inline]
fn valid(lane: &Lane<'_>, position: u64) -> bool {
    fence_acquire();
    distance(lane.tail(), position) <= 0
}

/// An iterator over adjacent records of one lane with consecutive numbers, borrowed in the ring.
///
/// The writer may overwrite them at any time. What was read is valid only if [`Span::commit`]
/// returns true afterwards.
pub struct Span<'a, 'c> {
    cursor: &'c mut Cursor,
    lane: Lane<'a>,
    /// The words that the iterator has not returned yet.
    words: &'a [Word],
    /// The value of `words` before the last record.
    previous: &'a [Word],
    /// The number of words at the start.
    all: usize,
    /// The number of the next record.
    seq: u64,
}

impl Span<'_, '_> {
    /// Puts the last record back, so that it is the next one again. At most once per record.
    #[inline]
    pub fn undo(&mut self) {
        if self.words.len() != self.previous.len() {
            self.words = self.previous;
            self.seq = self.seq.wrapping_sub(1);
        }
    }

    /// Bytes of the records that were returned.
    #[inline]
    pub fn bytes(&self) -> usize {
        (self.all - self.words.len()) * 4
    }

    /// Copies as many of the records as fit in `buffer`, and commits. Returns the copy; `None` if
    /// it is void.
    ///
    /// The copy consists of whole records, for [`Record::parse`]. `buffer` should have
    /// [`RECORD_MAX`] bytes at least.
    pub fn copy(mut self, buffer: &mut [u8]) -> Option<&[u8]> {
        let from = self.words;
        let before = self.bytes();
        while self.next().is_some() {
            if self.bytes() - before > buffer.len() {
                self.undo();
                break;
            }
        }
        let len = self.bytes() - before;
        let buffer = buffer.get_mut(..len)?;
        copy_out(from, buffer);
        self.commit().then_some(buffer)
    }

    /// Returns whether what was read of the records is valid. If so, the cursor is after the
    /// records that were returned. If not, the cursor has not moved, and the next read reports how
    /// many records were lost.
    #[inline]
    pub fn commit(self) -> bool {
        let bytes = self.bytes();
        let Some(position) = self.cursor.positions.get_mut(self.cursor.lane) else {
            return false;
        };
        let good = valid(&self.lane, *position);
        if good {
            *position = position.wrapping_add(bytes as u64);
            self.cursor.seq = Some(self.seq);
        }
        good
    }
}

impl<'a> Iterator for Span<'a, '_> {
    type Item = RecordRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<RecordRef<'a>> {
        // LMM(reader_first_word:B): an open record may become whole concurrently.
        let Shape { state, len } = Shape::of(self.words.first()?.load_acquire());
        // `read` handles everything but the expected record: fillers, open records, losses, damage,
        // and data of a writer that has overtaken the cursor.
        if state != WHOLE || !(RECORD_HEADER..=RECORD_MAX).contains(&len) {
            return None;
        }
        let (words, rest) = self.words.split_at_checked(len / 4)?;
        let (header, body) = words.split_first_chunk()?;
        if wide(header, 2) != self.seq {
            return None;
        }
        let seq = self.seq;
        self.previous = self.words;
        self.words = rest;
        self.seq = seq.wrapping_add(1);
        Some(RecordRef {
            header,
            body,
            words,
            seq,
        })
    }
}

/// A record in the ring. All but its number and its size may be void: see [`Span`].
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    header: &'a [Word; RECORD_HEADER / 4],
    body: &'a [Word],
    /// Both.
    words: &'a [Word],
    seq: u64,
}

/// The fields of the last word of a record's header. May be void: see [`Span`].
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The level: 0 (emergency) to 7 (debug).
    pub level: u8,
    /// Syslog facility.
    pub facility: u8,
    /// The flags: [`USER`](super::USER) and the others.
    pub flags: u8,
    /// Bytes of the text; not more than the record has.
    pub text_len: usize,
}

impl<'a> RecordRef<'a> {
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
    #[inline]
    pub fn words(&self) -> &'a [Word] {
        self.words
    }

    /// Nanoseconds since boot.
    #[inline]
    pub fn ns(&self) -> u64 {
        wide(self.header, 4)
    }

    /// Task id, or `0x8000_0000` + processor.
    #[inline]
    pub fn caller(&self) -> u32 {
        let [.., caller, _] = self.header;
        caller.load()
    }

    /// Level, facility, flags and length of the text, by one load.
    #[inline]
    pub fn about(&self) -> About {
        let [.., last] = self.header;
        let [text_a, text_b, level_flags, facility] = last.load().to_ne_bytes();
        let text_len = usize::from(u16::from_ne_bytes([text_a, text_b]));
        About {
            level: level_flags >> 5,
            facility,
            flags: level_flags & FLAGS,
            text_len: text_len.min(self.body.len() * 4),
        }
    }

    /// The level: 0 (emergency) to 7 (debug).
    #[inline]
    pub fn level(&self) -> u8 {
        self.about().level
    }

    /// Syslog facility.
    #[inline]
    pub fn facility(&self) -> u8 {
        self.about().facility
    }

    /// The flags: [`USER`](super::USER) and the others.
    #[inline]
    pub fn flags(&self) -> u8 {
        self.about().flags
    }

    /// Bytes of the text; not more than the record has.
    #[inline]
    pub fn text_len(&self) -> usize {
        self.about().text_len
    }

    /// The words from the beginning of the text on.
    #[inline]
    pub fn body(&self) -> &'a [Word] {
        self.body
    }

    /// Copies the whole record to `buffer`, for [`Record::parse`]; `None` if it does not fit.
    #[inline]
    pub fn copy<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let buffer = buffer.get_mut(..self.size())?;
        copy_out(self.words, buffer);
        Some(buffer)
    }
}
