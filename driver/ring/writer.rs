// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The writing side: make the ring one's own, make room, copy, publish.
//!
//! The module's documentation (`mod.rs`) argues why the order of the memory accesses here is enough.

#![forbid(unsafe_code)]

use super::atomic::{copy_in, fence_acquire, Long, Word};
use super::layout::{Ring, Start};
use super::owner::Owner;
use super::record::{len_state, Entry, FILLER, OPEN, RECORD_HEADER, WHOLE};
use super::tail::make_room;

/// How a record is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A writer that is in the middle will go on.
    Normal,
    /// It never will, as in a panic: the ring is taken from it, and its record is left open.
    ///
    /// If it does go on, on a processor that could not be stopped, it does no harm as long as the ring has not gone
    /// round once since.
    Final,
}

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Text and dictionary together are longer than [`BODY_MAX`](super::BODY_MAX). It took no sequence number.
    TooLong,
    /// Another writer is in the middle.
    Busy,
}

/// What a writer has done so far.
///
/// `written + dropped + skipped` is the number of sequence numbers given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records appended.
    pub written: u64,
    /// Of these, how many the tail has passed over.
    pub overwritten: u64,
    /// Records given up because of [`Refused::Busy`].
    pub dropped: u64,
    /// Numbers passed over by [`Writer::skip`].
    pub skipped: u64,
}

/// The private state of a ring's writers; not in memory that anybody else can change.
///
/// # Invariants
///
/// - The ring's head and `base` change only by who has `owner`, and by who took it away.
/// - `base` is at or before the sequence number in `owner`, by less than 2^16.
pub struct Writer {
    pub(super) owner: Word,
    pub(super) base: Long,
    /// Sequence numbers to be passed over before the next record.
    missed: Word,
    first: Long,
    dropped: Long,
    skipped: Long,
}

impl Writer {
    /// The writer of a ring that was made with the same `start`.
    pub fn new(start: Start) -> Self {
        // INVARIANT: the numbers are the same.
        Self {
            owner: Word::new(Owner::free(start.seq).0),
            base: Long::new(start.seq),
            missed: Word::new(0),
            first: Long::new(start.seq),
            dropped: Long::new(0),
            skipped: Long::new(0),
        }
    }

    /// Appends a record and returns its sequence number. It waits for nobody: a writer that is interrupted in the middle,
    /// or is there on another processor, makes it give up ([`Mode::Normal`]), or give the other one up.
    ///
    /// What was given up took a sequence number, so that readers see that one is missing.
    #[inline]
    pub fn append(&self, ring: Ring<'_>, entry: &Entry<'_>, mode: Mode) -> Result<u64, Refused> {
        match self.try_append(ring, entry) {
            Err(Refused::Busy) if mode == Mode::Final => self.append_over(ring, entry),
            Err(Refused::Busy) => {
                self.give_up();
                Err(Refused::Busy)
            }
            done => done,
        }
    }

    /// As [`Writer::append`], but [`Refused::Busy`] leaves no trace: for who will try again, until [`Writer::give_up`].
    #[inline]
    pub fn try_append(&self, ring: Ring<'_>, entry: &Entry<'_>) -> Result<u64, Refused> {
        let (len, padding) = entry.measure().ok_or(Refused::TooLong)?;
        let owner = self.claim(len).ok_or(Refused::Busy)?;
        Ok(self.write(ring, owner, entry, len, padding))
    }

    /// Counts a record that could not be appended: it took a sequence number.
    #[cold]
    pub fn give_up(&self) {
        self.miss(1);
        add(&self.dropped, 1);
    }

    /// Makes the ring one's own.
    #[inline]
    fn claim(&self, len: usize) -> Option<Owner> {
        let free = Owner(self.owner.load());
        if !free.is_free() {
            return None;
        }
        let owner = if self.missed.load() == 0 {
            free
        } else {
            self.absorb(free)?
        };
        let claimed = owner.claimed(len);
        self.owner
            .swap_if_acquire(owner.0, claimed.0)
            .then_some(claimed)
    }

    /// Passes over the numbers that were missed, and returns what the free word is then.
    #[cold]
    fn absorb(&self, free: Owner) -> Option<Owner> {
        let owner = free.claimed(0);
        if !self.owner.swap_if_acquire(free.0, owner.0) {
            return None;
        }
        let missed = loop {
            let missed = self.missed.load();
            if self.missed.swap_if(missed, 0) {
                break missed;
            }
        };
        Some(self.pass(owner, u64::from(missed)))
    }

    /// Passes over `n` numbers and gives the ring back.
    fn pass(&self, owner: Owner, n: u64) -> Owner {
        let seq = self.seq(owner, n);
        let free = owner.released(seq);
        self.owner.swap_if_release(owner.0, free.0);
        free
    }

    /// The number that is `n` past the one in `owner`, and will be in it when that is given back.
    #[inline]
    fn seq(&self, owner: Owner, n: u64) -> u64 {
        let base = self.base.glance();
        let seq = owner.seq(base).wrapping_add(n);
        if seq.wrapping_sub(base) >> 14 != 0 {
            // INVARIANT: at the number that will be in `owner`, or one before. It is seldom put, so that one who no longer
            // owns the ring and does not know it yet hardly ever puts it back, and then by a little only.
            self.base.put(seq);
        }
        seq
    }

    /// Writes the record of who owns the ring, publishes it and gives the ring back.
    #[inline]
    fn write(
        &self,
        ring: Ring<'_>,
        owner: Owner,
        entry: &Entry<'_>,
        len: usize,
        pad: usize,
    ) -> u64 {
        let seq = self.seq(owner, 0);
        if let Some(place) = self.place(ring, owner, len) {
            fill(ring, place.offset, seq, entry, len, pad);
            self.publish(ring, owner, &place, seq);
        }
        seq
    }

    /// Finds the place for `len` bytes that do not wrap, and makes room; `None` if the ring was taken away.
    #[inline]
    fn place(&self, ring: Ring<'_>, owner: Owner, len: usize) -> Option<Place> {
        // Only the owner changes it, and this is the owner's if nobody has taken the ring away until after it was loaded.
        let head = ring.header().head.glance();
        fence_acquire();
        if self.owner.load() != owner.0 {
            return None;
        }
        let offset = ring.offset(head as u32);
        let filler = filler(ring, offset, len);
        let end = head.wrapping_add(filler.wrapping_add(len) as u64);
        make_room(ring, end as u32);
        let offset = if filler != 0 {
            mark(ring, offset, len_state(FILLER, filler, 0));
            0
        } else {
            offset
        };
        Some(Place { head, end, offset })
    }

    /// Publishes the record and gives the ring back.
    #[inline]
    fn publish(&self, ring: Ring<'_>, owner: Owner, place: &Place, seq: u64) {
        // If the ring was taken away neither is as it was, and both stay as they are.
        ring.header().head.swap_if_release(place.head, place.end);
        let free = owner.released(seq.wrapping_add(1));
        self.owner.swap_if_release(owner.0, free.0);
    }

    /// Appends a record although another writer is in the middle: that one's is left open.
    #[cold]
    #[inline(never)]
    fn append_over(&self, ring: Ring<'_>, entry: &Entry<'_>) -> Result<u64, Refused> {
        let (len, padding) = entry.measure().ok_or(Refused::TooLong)?;
        let owner = loop {
            if let Some(owner) = self.claim(len) {
                return Ok(self.write(ring, owner, entry, len, padding));
            }
            let owner = Owner(self.owner.load());
            let taken = owner.taken();
            if !owner.is_free() && self.owner.swap_if_acquire(owner.0, taken.0) {
                break taken;
            }
        };

        // What it was writing goes from the head on, and stays free of others should it still be at it. If it has
        // published that already, there is a second hole of the same size; that costs nothing but room.
        let mut seq = owner.seq(self.base.glance());
        let hole = owner.len();
        if hole != 0 {
            seq = seq.wrapping_add(1);
            // Exchanged for itself, so that it is the latest.
            let head = loop {
                let head = ring.header().head.load();
                if ring.header().head.swap_if(head, head) {
                    break head;
                }
            };
            let offset = ring.offset(head as u32);
            let filler = filler(ring, offset, hole);
            let end = head.wrapping_add(filler.wrapping_add(hole) as u64);
            make_room(ring, end as u32);
            if filler != 0 {
                mark(ring, offset, len_state(FILLER, filler, 0));
            }
            let offset = if filler != 0 { 0 } else { offset };
            mark(ring, offset, len_state(OPEN, hole, 0));
            while !ring.header().head.swap_if_release(head, end) {
                // It has published it now, which is the same.
                if ring.header().head.load() == end {
                    break;
                }
            }
        }

        let mine = owner.with(len, seq);
        if !self.owner.swap_if_acquire(owner.0, mine.0) {
            // Another final writer has come in between.
            self.give_up();
            return Err(Refused::Busy);
        }
        Ok(self.write(ring, mine, entry, len, padding))
    }

    /// Passes over `n` sequence numbers: so many records never reached the ring.
    pub fn skip(&self, n: u64) {
        match self.claim(0) {
            Some(owner) => {
                self.pass(owner, n);
            }
            None => self.miss(u32::try_from(n).unwrap_or(u32::MAX)),
        }
        add(&self.skipped, n);
    }

    /// Has `n` more sequence numbers passed over before the next record.
    fn miss(&self, n: u32) {
        loop {
            let missed = self.missed.load();
            if self.missed.swap_if(missed, missed.saturating_add(n)) {
                return;
            }
        }
    }

    /// Appends a record that has its number already, as one that was salvaged. For the only writer of a ring.
    ///
    /// The numbers that are passed over are counted as skipped.
    pub fn append_with_seq(
        &self,
        ring: Ring<'_>,
        entry: &Entry<'_>,
        seq: u64,
    ) -> Result<u64, Refused> {
        self.skip(seq.wrapping_sub(self.next_seq()));
        self.append(ring, entry, Mode::Normal)
    }

    /// The number that the next record will get.
    pub fn next_seq(&self) -> u64 {
        loop {
            // Twice, since it may be seen half changed; and before the number, which must not be before it.
            let base = self.base.glance();
            let owner = Owner(self.owner.load_acquire());
            if self.base.glance() == base {
                return owner.seq(base).wrapping_add(u64::from(self.missed.load()));
            }
        }
    }

    /// The end of the newest record, and the number of the next; `None` while somebody is writing.
    pub(super) fn end(&self, ring: Ring<'_>) -> Option<(u64, u64)> {
        let before = Owner(self.owner.load_acquire());
        let head = ring.header().head.load_acquire();
        let base = self.base.glance();
        fence_acquire();
        let same = before.is_free() && self.owner.load() == before.0;
        same.then(|| (head, before.seq(base)))
    }

    /// What was done so far. Walks the records, so that appending one need not count.
    pub fn counts(&self, ring: Ring<'_>) -> Counts {
        let dropped = self.dropped.load();
        let skipped = self.skipped.load();
        let given = self.next_seq().wrapping_sub(self.first.load());
        let written = given.wrapping_sub(dropped).wrapping_sub(skipped);
        Counts {
            written,
            overwritten: written.saturating_sub(super::tail::count(ring)),
            dropped,
            skipped,
        }
    }
}

/// Where a record goes.
struct Place {
    head: u64,
    end: u64,
    /// In the data.
    offset: usize,
}

/// Writes the record at `offset`. Not inlined: too much is in registers already.
#[inline(never)]
fn fill(ring: Ring<'_>, offset: usize, seq: u64, entry: &Entry<'_>, len: usize, padding: usize) {
    let Some((header, body)) = ring.words_at(offset, len).split_first_chunk() else {
        return;
    };
    let header: &[Word; RECORD_HEADER / 4] = header;
    let [first, header @ ..] = header;
    let [len_state, values @ ..] = entry.words(len_state(WHOLE, len, padding), 0, seq);
    for (word, value) in header.iter().zip(values) {
        word.store(value);
    }
    if padding != 0 {
        // It is at the end of the last two words. The rest of them is overwritten.
        for word in body.iter().rev().take(2) {
            word.store(0);
        }
    }
    copy_in(body, 0, entry.text);
    if !entry.dict.is_empty() {
        copy_in(body, entry.text.len(), entry.dict);
    }
    // Last, for readers of the hole that is left of a record which was given up and finished all the same.
    first.store_release(len_state);
}

/// Bytes to be filled at `offset` so that `len` bytes behind them do not wrap.
#[inline]
fn filler(ring: Ring<'_>, offset: usize, len: usize) -> usize {
    let room = ring.size().wrapping_sub(offset);
    if len > room {
        room
    } else {
        0
    }
}

/// Stores the first word of what is no record.
fn mark(ring: Ring<'_>, offset: usize, first: u32) {
    if let Some(word) = ring.words_at(offset, 8).first() {
        word.store(first);
    }
}

/// Adds to a counter.
#[cold]
fn add(counter: &Long, n: u64) {
    loop {
        let old = counter.load();
        if counter.swap_if(old, old.wrapping_add(n)) {
            return;
        }
    }
}

#[cfg(all(test, not(loom)))]
#[path = "writer_tests.rs"]
mod tests;
