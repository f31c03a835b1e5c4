// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The writing side. The module's documentation (`mod.rs`) explains why the order of the memory
//! accesses is sufficient.

#![forbid(unsafe_code)]

use super::atomic::{copy_in, fence_full, fence_release, Word};
use super::count::Count;
use super::cursor::Cursor;
use super::layout::{distance, Lane, Ring};
use super::record::{len_state, Entry, Shape, BODY_MAX, FILLER, OPEN, RECORD_HEADER, USER, WHOLE};

/// Why a record was not appended. It took no sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Text and dictionary together are longer than [`BODY_MAX`](super::BODY_MAX).
    TooLong,
    /// The panicking processor has taken the ring over.
    Busy,
    /// [`Writer::append_with_seq`]: the ring already has a record with a higher number.
    Disordered,
}

/// A record that was appended.
#[derive(Clone, Copy, Debug)]
pub struct Appended<'a> {
    /// Its sequence number.
    pub seq: u64,
    /// The record in the ring, which does not change until the next append.
    pub words: &'a [Word],
}

/// The counters of a ring's writers.
///
/// `written + dropped + skipped` is the number of assigned sequence numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records appended.
    pub written: u64,
    /// Of these, records that were overwritten or cleared.
    pub overwritten: u64,
    /// Records that could not be appended, because their writer could not wait:
    /// [`Writer::give_up`].
    pub dropped: u64,
    /// Numbers skipped by [`Writer::skip`].
    pub skipped: u64,
}

/// The private state of a ring's writers.
///
/// It must not be in memory that user space can change. Unless a function's documentation says
/// otherwise, its caller holds the lock that serialises the writers.
#[derive(Debug)]
pub struct Writer {
    /// Length of the last record that was begun, with its lane in bit 0.
    open: Word,
    /// 1 after a take-over.
    taken: Word,
    /// The number of the next record.
    seq: Count,
    /// The number of calls of [`Writer::give_up`]; `dropped` follows it.
    given_up: Word,
    dropped: Count,
    skipped: Count,
    overwritten: Count,
    first_seq: u64,
}

impl Writer {
    /// Creates the writer of an empty ring, whose first record gets this number.
    pub fn new(first_seq: u64) -> Self {
        Self {
            open: Word::new(0),
            taken: Word::new(0),
            seq: Count::new(first_seq),
            given_up: Word::new(0),
            dropped: Count::new(0),
            skipped: Count::new(0),
            overwritten: Count::new(0),
            first_seq,
        }
    }

    /// Appends a record, to the programs' lane if it has the flag [`USER`] and there is one.
    #[inline(always)]
    pub fn append<'a>(&self, ring: &Ring<'a>, entry: &Entry<'_>) -> Result<Appended<'a>, Refused> {
        let (len, padding) = entry.measure().ok_or(Refused::TooLong)?;
        let (lane, index) = lane_of(ring, entry.flags);
        let head = lane.header().head.load();
        let mut seq = self.seq.own();
        self.open.store(len as u32 | index);
        // LMM(begin:A) pairs with LMM(take_over:A): either this writer sees the take-over, or the
        // take-over sees the open record. In the latter case, the head and the number were loaded
        // before the take-over.
        fence_full();
        if self.taken.load() != 0 {
            return Err(Refused::Busy);
        }
        let pending = self.pending();
        if pending != 0 {
            seq = self.pass_over(pending);
        }
        // Before the head: pairs with LMM(newest:A).
        self.seq.increment(seq);
        self.put(lane, head, entry, seq, len, padding)
    }

    /// Appends a record that already has a number. For a ring of an earlier boot.
    ///
    /// Numbers before it that are not used count as skipped.
    pub fn append_with_seq<'a>(
        &self,
        ring: &Ring<'a>,
        entry: &Entry<'_>,
        seq: u64,
    ) -> Result<Appended<'a>, Refused> {
        let ahead = distance(seq, self.next_seq());
        self.skip(u64::try_from(ahead).map_err(|_| Refused::Disordered)?);
        self.append(ring, entry)
    }

    /// Skips `n` sequence numbers: their records never reach the ring.
    pub fn skip(&self, n: u64) {
        if n != 0 && self.taken.load() == 0 {
            self.seq.add(n);
            self.skipped.add(n);
        }
    }

    /// Counts a record that could not be appended because its writer cannot wait for the lock; the
    /// next append skips its number. Any context, without the lock.
    #[cold]
    pub fn give_up(&self) {
        // Each failure means that another context has given up a record at the same time.
        for _ in 0..1000 {
            let n = self.given_up.load();
            if self.given_up.compare_exchange(n, n.wrapping_add(1)).is_ok() {
                return;
            }
        }
    }

    /// Records that were given up and whose numbers are not skipped yet.
    #[inline]
    fn pending(&self) -> u32 {
        self.given_up.load().wrapping_sub(self.dropped.low())
    }

    /// Skips the numbers of the records that were given up.
    #[cold]
    #[inline(never)]
    fn pass_over(&self, n: u32) -> u64 {
        self.dropped.add(n.into());
        self.seq.add(n.into());
        self.seq.own()
    }

    /// Writes the record at `head` and publishes it.
    #[inline(always)]
    fn put<'a>(
        &self,
        lane: &Lane<'a>,
        head: u32,
        entry: &Entry<'_>,
        seq: u64,
        len: usize,
        padding: usize,
    ) -> Result<Appended<'a>, Refused> {
        let place = self.place(lane, head, len).ok_or(Refused::Busy)?;
        let words = lane.record(place.offset, len).ok_or(Refused::Busy)?;
        fill(words, entry, seq, len, padding);
        publish(lane, head, place.end).map_err(|_| Refused::Busy)?;
        Ok(Appended { seq, words })
    }

    /// Finds the place at or after `head` for `len` bytes that do not wrap, and makes room.
    #[inline(always)]
    fn place(&self, lane: &Lane<'_>, head: u32, len: usize) -> Option<Place> {
        let offset = lane.offset(head);
        let room = lane.size().wrapping_sub(offset);
        let (offset, filler) = if len > room { (0, room) } else { (offset, 0) };
        let end = head.wrapping_add(filler as u32).wrapping_add(len as u32);
        if missing(lane, end, lane.header().tail.load()) > 0 && !self.move_tail(lane, end) {
            return None;
        }
        if filler != 0 {
            mark(lane, lane.offset(head), len_state(FILLER, filler, 0));
        }
        Some(Place { offset, end })
    }

    /// Moves the tail to make room for a record that ends at `end`, and a bit farther so that most
    /// appends need not move it.
    ///
    /// Bounded: the distance is at most two records and 4 KiB. Another writer can change the tail
    /// only during a take-over, and only once.
    #[cold]
    #[inline(never)]
    fn move_tail(&self, lane: &Lane<'_>, end: u32) -> bool {
        let tail = &lane.header().tail;
        for _ in 0..3 {
            let from = tail.load();
            let missing = missing(lane, end, from);
            let mut to = from;
            let mut records = 0u32;
            if missing > 0 {
                let slack = (lane.size() / 64).min(4096) as i32 & !7;
                while (to.wrapping_sub(from) as i32) < missing.wrapping_add(slack) {
                    let Some((next, whole)) = step(lane, to) else {
                        // The data is damaged. Only the head is certain to be a boundary of
                        // records.
                        to = lane.header().head.load();
                        break;
                    };
                    to = next;
                    records = records.wrapping_add(whole.into());
                }
            }
            if missing <= 0 || tail.compare_exchange(from, to).is_ok() {
                // LMM(make_room:A) pairs with LMM(validate:A): a reader that sees what is stored
                // from here on, by this writer or by a later one, sees this tail or a later one.
                fence_release();
                self.overwritten.add(records.into());
                return true;
            }
        }
        false
    }

    /// Takes the ring over, for the panicking processor if it could not get the lock. Called
    /// without the lock.
    ///
    /// From now on every [`Writer::append`] fails, and only the result can append. The record of
    /// the stopped writer stays in the ring as an open record, which becomes whole if that writer
    /// still finishes it. Returns `None` if the ring was taken over before.
    #[cold]
    pub fn take_over(&self, ring: &Ring<'_>) -> Option<Final> {
        self.taken.compare_exchange(0, 1).ok()?;
        // LMM(take_over:A) pairs with LMM(begin:A).
        fence_full();
        let open = self.open.load();
        // The open record has the number `seq`, or one less if its writer has stored the next
        // number already.
        let seq = self
            .seq
            .own()
            .wrapping_add(u64::from(self.pending()))
            .wrapping_add(1);
        let len = (open & !7) as usize;
        if let (Some(lane), 1..) = (ring.lanes().get((open & 1) as usize), len) {
            self.leave_open(lane, len);
        }
        Some(Final { seq })
    }

    /// Publishes an open record in the place of the stopped writer's record. If that record was
    /// already finished, this adds a hole of the same length, which only wastes space.
    fn leave_open(&self, lane: &Lane<'_>, len: usize) {
        let word = &lane.header().head;
        // The stopped writer can publish its record concurrently, but only once.
        for _ in 0..3 {
            let head = word.load();
            // Exchanged for itself, to make sure that it is the newest value.
            if word.compare_exchange(head, head).is_err() {
                continue;
            }
            let Some(place) = self.place(lane, head, len) else {
                return;
            };
            mark(lane, place.offset, len_state(OPEN, len, 0));
            if publish(lane, head, place.end).is_ok() {
                return;
            }
        }
    }

    /// Forgets all records.
    pub fn clear(&self, ring: &Ring<'_>) {
        if self.taken.load() != 0 {
            return;
        }
        for lane in ring.lanes() {
            let (head, mut at) = (lane.header().head.load(), lane.header().tail.load());
            while at != head {
                let Some((next, whole)) = step(lane, at) else {
                    break;
                };
                self.overwritten.add(whole.into());
                at = next;
            }
            lane.header().tail.store(head);
            // LMM(clear:A) pairs with LMM(validate:A), like make_room.
            fence_release();
            for word in lane.data() {
                word.store(0);
            }
        }
    }

    /// The number of the next record. Any context, without the lock.
    pub fn next_seq(&self) -> u64 {
        self.seq.load().wrapping_add(self.pending().into())
    }

    /// The counters. Any context, without the lock.
    pub fn counts(&self) -> Counts {
        let skipped = self.skipped.load();
        let dropped = self.dropped.load();
        let given = self.seq.load().wrapping_sub(self.first_seq);
        Counts {
            written: given.saturating_sub(dropped).saturating_sub(skipped),
            overwritten: self.overwritten.load(),
            dropped: dropped.wrapping_add(self.pending().into()),
            skipped,
        }
    }

    /// Creates a cursor after the newest record, without a walk over the records. Any context,
    /// without the lock.
    ///
    /// A record that is appended concurrently may be before or after the cursor.
    pub fn newest(&self, ring: &Ring<'_>) -> Cursor {
        let heads = ring.heads();
        // LMM(newest:A): the number is higher than that of the newest record before the heads.
        Cursor::behind(heads, self.seq.load())
    }
}

/// The right to append after [`Writer::take_over`].
#[derive(Debug)]
pub struct Final {
    seq: u64,
}

impl Final {
    /// Appends a record to the ring that was taken over. Without the lock.
    pub fn append<'a>(
        &mut self,
        writer: &Writer,
        ring: &Ring<'a>,
        entry: &Entry<'_>,
    ) -> Result<Appended<'a>, Refused> {
        let (len, padding) = entry.measure().ok_or(Refused::TooLong)?;
        if writer.taken.load() == 0 {
            return Err(Refused::Busy);
        }
        let (lane, _) = lane_of(ring, entry.flags);
        let head = lane.header().head.load();
        let seq = self.seq;
        // `Writer::seq` is not changed: the stopped writer may be about to load it.
        self.seq = seq.wrapping_add(1);
        writer.put(lane, head, entry, seq, len, padding)
    }
}

/// Where a record goes.
struct Place {
    /// Its offset in the data.
    offset: usize,
    /// Low half of the position at its end.
    end: u32,
}

/// The lane of a record with these flags, and its index.
#[inline]
fn lane_of<'r, 'a>(ring: &'r Ring<'a>, flags: u8) -> (&'r Lane<'a>, u32) {
    let [kernel, user] = ring.lanes();
    if flags & USER != 0 && user.size() != 0 {
        (user, 1)
    } else {
        (kernel, 0)
    }
}

/// How many bytes the tail must still advance to be one lane before `end`; negative if it is
/// already past that.
#[inline]
fn missing(lane: &Lane<'_>, end: u32, tail: u32) -> i32 {
    // Less than twice the size of a lane.
    end.wrapping_sub(lane.size() as u32).wrapping_sub(tail) as i32
}

/// The position after the record at `at`, and whether the record is whole. `None` if there is no
/// record.
#[inline]
fn step(lane: &Lane<'_>, at: u32) -> Option<(u32, bool)> {
    let offset = lane.offset(at);
    let shape = Shape::of(lane.data().get(offset / 4)?.load());
    let room = lane.size().wrapping_sub(offset);
    // Nearly all records are whole.
    if shape.state == WHOLE
        && shape.len.wrapping_sub(RECORD_HEADER) <= BODY_MAX
        && shape.len <= room
    {
        return Some((at.wrapping_add(shape.len as u32), true));
    }
    let fits = shape.fits(room);
    fits.then_some((at.wrapping_add(shape.len as u32), shape.state == WHOLE))
}

/// Writes the record to `words`, which has its length.
#[inline(always)]
fn fill(words: &[Word], entry: &Entry<'_>, seq: u64, len: usize, padding: usize) {
    let Some((header, body)) = words.split_first_chunk() else {
        return;
    };
    let header: &[Word; RECORD_HEADER / 4] = header;
    let [first, header @ ..] = header;
    let [len_state, values @ ..] = entry.words(len_state(WHOLE, len, padding), 0, seq);
    for (word, value) in header.iter().zip(values) {
        word.store(value);
    }
    if padding != 0 {
        // The padding is in the last two words. The rest of them is overwritten below.
        if let [.., a, b] = body {
            a.store(0);
            b.store(0);
        }
    }
    copy_in(body, 0, entry.text);
    if !entry.dict.is_empty() {
        copy_in(body, entry.text.len(), entry.dict);
    }
    // LMM(first_word:A) pairs with LMM(reader_first_word:A): a reader that sees that an open record
    // has become whole sees all of it.
    first.store_release(len_state);
}

/// Publishes the record that ends at `end`, if the head has not moved.
#[inline]
fn publish(lane: &Lane<'_>, head: u32, end: u32) -> Result<u32, u32> {
    if (head ^ end) >> 31 != 0 {
        let epoch = lane.header().epoch.load();
        // A writer that was stopped here may already have stored it.
        lane.header()
            .epoch
            .store(epoch.wrapping_add((epoch ^ (end >> 31)) & 1));
    }
    // LMM(publish:A) pairs with LMM(lane_head:A): a reader that sees this head sees the record, and
    // the epoch.
    lane.header().head.compare_exchange_release(head, end)
}

/// Stores the first word of a filler or of an open record.
fn mark(lane: &Lane<'_>, offset: usize, first: u32) {
    if let Some(word) = lane.words(offset, 8).first() {
        word.store(first);
    }
}
