// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The writing side: reserve, make room, copy, publish.
//!
//! The module's documentation (`mod.rs`) argues why the order of the memory accesses here is enough.

#![forbid(unsafe_code)]

use super::atomic::{copy_in, fence_release, Long, Word};
use super::layout::{distance, Ring, Start};
use super::record::{
    len_state, wide, Entry, Shape, FILLER, OPEN, RECORD_HEADER, RECORD_MAX, WHOLE,
};

/// How a record is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every writer that was interrupted will run again.
    Normal,
    /// None of them ever will, as in a panic: what they left is published as it is, their unfinished records as
    /// open ones, and this record behind it.
    Final,
}

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Text and dictionary together are longer than [`BODY_MAX`](super::BODY_MAX). It took no sequence number.
    TooLong,
    /// Too many writers were interrupted in the middle, or what they left fills the ring. The record took a
    /// sequence number, so that readers see that one is missing.
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
    /// Records refused with [`Refused::Busy`].
    pub dropped: u64,
    /// Numbers passed over by [`Writer::skip`].
    pub skipped: u64,
}

/// Writers that may be in flight at once.
const IN_FLIGHT_MAX: u32 = 7;

/// The reservation word taken apart.
///
/// In the word: the low 32 bits of the next sequence number, 26 bits of the next position in units of 8, 3 bits of
/// generation, 3 bits with the number of writers in flight.
#[derive(Clone, Copy)]
struct State(u64);

impl State {
    const ONE: u64 = 1;
    /// A position is known modulo this.
    const WINDOW: u64 = 1 << 29;

    #[inline]
    fn pack(position: u64, seq: u64, generation: u32, in_flight: u32) -> Self {
        let low = (position as u32) << 3 | (generation & 7) << 3 | in_flight & 7;
        Self(seq << 32 | u64::from(low))
    }

    #[inline]
    fn in_flight(self) -> u32 {
        self.0 as u32 & 7
    }

    #[inline]
    fn generation(self) -> u32 {
        self.0 as u32 >> 3 & 7
    }

    /// The position, which is at or past `head` by less than [`State::WINDOW`].
    #[inline]
    fn position(self, head: u64) -> u64 {
        let low = self.0 as u32 >> 6 << 3;
        let ahead = low.wrapping_sub(head as u32) & (Self::WINDOW as u32 - 1);
        head.wrapping_add(u64::from(ahead))
    }

    /// The sequence number, which is at or past `base` by less than 2^32.
    #[inline]
    fn seq(self, base: u64) -> u64 {
        let ahead = ((self.0 >> 32) as u32).wrapping_sub(base as u32);
        base.wrapping_add(u64::from(ahead))
    }
}

/// The private state of a ring's writers; not in memory that anybody else can change.
///
/// # Invariants
///
/// - The position in `state` is at or past the ring's head, by less than 2^29.
/// - `base` is at or before the sequence number in `state`, by less than 2^32.
/// - While nobody is in flight, everything before the position in `state` is published.
pub struct Writer {
    state: Long,
    base: Long,
    /// Low half of the number after that of the newest published record.
    published: Word,
    first: Long,
    dropped: Long,
    skipped: Long,
}

impl Writer {
    /// The writer of a ring that was made with the same `start`.
    pub fn new(start: Start) -> Self {
        // INVARIANT: the head is at `start.position`, and nobody is in flight.
        Self {
            state: Long::new(State::pack(start.position, start.seq, 0, 0).0),
            base: Long::new(start.seq),
            published: Word::new(start.seq as u32),
            first: Long::new(start.seq),
            dropped: Long::new(0),
            skipped: Long::new(0),
        }
    }

    /// Appends a record and returns its sequence number.
    ///
    /// Normal writers should be serialised by a lock, for speed and so that nobody is dropped; correctness does not
    /// need it. A writer that interrupts another, or that could not wait for the lock, calls this all the same.
    #[inline]
    pub fn append(&self, ring: Ring<'_>, entry: &Entry<'_>, mode: Mode) -> Result<u64, Refused> {
        let (len, padding) = entry.measure().ok_or(Refused::TooLong)?;
        let slot = self.reserve(ring, len, mode)?;

        let words = ring.words(slot.record, len);
        if let [header @ .., last_but_one, last] = words {
            // Padding is at the end of the last two words, and not in the header, where there is none.
            if padding > 4 {
                last_but_one.store(0);
            }
            if padding != 0 {
                last.store(0);
            }
            // OPEN, but with its length, so that a panic which comes in between finds the end.
            let values = entry.words(len_state(OPEN, len, padding), 0, slot.seq);
            for (word, value) in words.iter().zip(values) {
                word.store(value);
            }
            copy_in(words, RECORD_HEADER, entry.text);
            if !entry.dict.is_empty() {
                copy_in(words, RECORD_HEADER + entry.text.len(), entry.dict);
            }
            if let Some(first) = header.first() {
                first.store_release(len_state(WHOLE, len, padding));
            }
        }

        self.publish(ring, slot.generation);
        Ok(slot.seq)
    }

    /// Reserves `len` bytes that do not wrap, and makes room for them.
    #[inline]
    fn reserve(&self, ring: Ring<'_>, len: usize, mode: Mode) -> Result<Slot, Refused> {
        loop {
            // All three only grow. If the state is the same when it is replaced, the other two were not past it; if
            // they were, what is computed here is nonsense, but then the state has changed and it is not used.
            let base = self.base.load();
            let head = ring.header().head.load();
            let state = State(self.state.load());

            let start = state.position(head);
            let seq = state.seq(base);
            let room = ring.room(start);
            let filler = if len > room { room } else { 0 };
            let record = start.wrapping_add(filler as u64);
            let end = record.wrapping_add(len as u64);

            let takeover = mode == Mode::Final && state.in_flight() != 0;
            let next = if takeover {
                State::pack(end, seq.wrapping_add(1), state.generation() + 1, 1)
            } else if state.in_flight() == IN_FLIGHT_MAX
                || end.wrapping_sub(head) > ring.size() as u64
            {
                if self.refuse(state) {
                    return Err(Refused::Busy);
                }
                continue;
            } else {
                let (generation, in_flight) = (state.generation(), state.in_flight() + 1);
                State::pack(end, seq.wrapping_add(1), generation, in_flight)
            };
            if !self.state.swap_if_acquire(state.0, next.0) {
                continue;
            }

            if seq.wrapping_sub(base) >> 24 != 0 {
                // INVARIANT: `seq` was just in the state.
                self.base.swap_if(base, seq);
            }
            if takeover {
                self.close_gap(ring, start, seq);
            }
            make_room(ring, end.wrapping_sub(ring.size() as u64));
            if filler != 0 {
                if let Some(word) = ring.words_from(start).first() {
                    word.store(len_state(FILLER, filler, 0));
                }
            }
            return Ok(Slot {
                record,
                seq,
                generation: next.generation(),
            });
        }
    }

    /// Gives the sequence number of a record that is refused away; says whether the state was still the same.
    #[cold]
    fn refuse(&self, state: State) -> bool {
        let done = self.state.swap_if(state.0, state.0.wrapping_add(1 << 32));
        if done {
            add(&self.dropped, 1);
        }
        done
    }

    /// Leaves, and publishes what is whole if nobody else is in flight.
    #[inline]
    fn publish(&self, ring: Ring<'_>, generation: u32) {
        loop {
            let state = State(self.state.load_acquire());
            if state.generation() != generation {
                // A final writer has published past this record, and no longer counts who was in flight then.
                return;
            }
            if state.in_flight() == 1 {
                // Everybody before this position is done. While we are in flight nobody else publishes, unless it is
                // a final writer: then either the head is past the position already, which is nonsense, or it is
                // not the same any more when it is replaced.
                let head = ring.header().head.load();
                let end = state.position(head);
                if end.wrapping_sub(head) > ring.size() as u64
                    || !ring.header().head.swap_if_release(head, end)
                {
                    return;
                }
                self.published.store((state.0 >> 32) as u32);
            }
            let left = state.0.wrapping_sub(State::ONE);
            if self.state.swap_if_release(state.0, left) {
                return;
            }
        }
    }

    /// Publishes what writers that never run again have left before `start`, which is where record `seq` goes.
    #[cold]
    fn close_gap(&self, ring: Ring<'_>, start: u64, seq: u64) {
        let mut least = self.published.load();
        let mut at = ring.header().head.load_acquire();
        while distance(start, at) > 0 {
            let to_end = ring.room(at);
            // Less than the size of the ring.
            let room = to_end.min(start.wrapping_sub(at) as usize);
            let words = ring.words_from(at);
            let shape = Shape::of(words.first().map_or(0, Word::load_acquire));
            let known = shape.fits(room)
                && match shape.state {
                    FILLER => room == to_end,
                    WHOLE | OPEN if shape.len >= RECORD_HEADER => {
                        // What is left of an older record has an older number.
                        let number = wide(words, 2) as u32;
                        let new = number.wrapping_sub(least) < (seq as u32).wrapping_sub(least);
                        if new {
                            least = number.wrapping_add(1);
                        }
                        new
                    }
                    _ => false,
                };
            let len = if known {
                shape.len
            } else {
                // Its writer was interrupted before it could say how long it is.
                let len = room.min(RECORD_MAX);
                if let Some(word) = words.first() {
                    word.store(len_state(OPEN, len, 0));
                }
                len
            };
            at = at.wrapping_add(len as u64);
        }
        loop {
            // A writer on another processor may still be running and have published meanwhile, but not past `start`.
            let head = ring.header().head.load();
            if distance(start, head) <= 0 || ring.header().head.swap_if_release(head, start) {
                break;
            }
        }
        self.published.store(seq as u32);
    }

    /// Passes over `n` sequence numbers: so many records never reached the ring.
    ///
    /// At most 2^30 at once; of a larger number, which no kernel can have missed, that many are counted.
    pub fn skip(&self, n: u64) {
        let n = n.min(1 << 30);
        loop {
            let base = self.base.load();
            let state = State(self.state.load_acquire());
            let seq = state.seq(base);
            if self.state.swap_if(state.0, state.0.wrapping_add(n << 32)) {
                if seq != base {
                    // INVARIANT: `seq` was just in the state, and is less than 2^30 behind it now.
                    self.base.swap_if(base, seq);
                }
                add(&self.skipped, n);
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
        let next = self.next_seq();
        let state = self.state.load_acquire();
        // INVARIANT: the number in the state becomes `seq`, and so does `base`.
        self.state.swap_if(state, state & 0xffff_ffff | seq << 32);
        self.base.store(seq);
        add(&self.skipped, seq.wrapping_sub(next));
        self.append(ring, entry, Mode::Normal)
    }

    /// The number that the next record will get.
    pub fn next_seq(&self) -> u64 {
        // In this order, since the number in the state must not be before `base`.
        let base = self.base.load_acquire();
        State(self.state.load_acquire()).seq(base)
    }

    /// The end of the newest published record, and the number of the next; `None` while somebody is in flight.
    pub(super) fn end(&self, ring: Ring<'_>) -> Option<(u64, u64)> {
        let base = self.base.load_acquire();
        let head = ring.header().head.load_acquire();
        let state = State(self.state.load_acquire());
        let position = state.position(head);
        let sane = position.wrapping_sub(head) <= ring.size() as u64;
        (state.in_flight() == 0 && sane).then(|| (position, state.seq(base)))
    }

    /// What was done so far. Walks the records, so that appending one need not count.
    pub fn counts(&self, ring: Ring<'_>) -> Counts {
        let dropped = self.dropped.load();
        let skipped = self.skipped.load();
        let given = self.next_seq().wrapping_sub(self.first.load());
        let written = given.wrapping_sub(dropped).wrapping_sub(skipped);
        Counts {
            written,
            overwritten: written.saturating_sub(super::cursor::count(ring)),
            dropped,
            skipped,
        }
    }
}

/// What was reserved.
struct Slot {
    record: u64,
    seq: u64,
    generation: u32,
}

/// Moves the tail to `least` or past it, record by record. `least` is not past the head.
#[inline]
fn make_room(ring: Ring<'_>, least: u64) {
    let header = ring.header();
    loop {
        let tail = header.tail.load();
        if distance(least, tail) <= 0 {
            break;
        }
        let mut to = tail;
        while distance(least, to) > 0 {
            let shape = Shape::of(ring.words_from(to).first().map_or(0, Word::load));
            if !shape.fits(ring.room(to)) {
                // Another writer has moved the tail and begun to overwrite this record. If not, the data were
                // damaged, and nothing up to the head can be found any more.
                to = header.head.load();
                break;
            }
            to = to.wrapping_add(shape.len as u64);
        }
        // If the tail is where it was, nobody has overwritten what lies behind it, and the lengths were right.
        if header.tail.swap_if(tail, to) {
            break;
        }
    }
    // Whoever sees what is stored from here on sees the tail that was loaded or stored above, or a later one.
    fence_release();
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
