// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! What the boot before has left in the copy that outlives a reboot: see [`persist`](super::persist) for its layout.

#![forbid(unsafe_code)]

use super::atomic::Word;
use super::crc::Crc;
use super::layout::distance;
use super::persist::{Info, COPIES, DATA_OFFSET, VERSION};
use super::record::{wide, Record, Shape, FILLER, RECORD_HEADER, RECORD_MAX, WHOLE};

/// Bytes from one place where a record may begin to the next.
const STEP: usize = 8;

/// How many words [`salvage`] needs for its marks in a region of so many bytes.
pub const fn marks(region: usize) -> usize {
    region.div_ceil(32 * STEP)
}

/// What salvaging has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// What the header said, if one copy was intact.
    pub info: Option<Info>,
    /// Header copies that were intact: 0 to 2.
    pub headers: u32,
    /// Records given to the sink.
    pub intact: u64,
    /// Sequence numbers that are missing between them.
    pub missing: u64,
    /// Stretches between intact records where there is none: each was one record or more.
    pub damaged: u64,
    /// Intact records that were not given to the sink, because their numbers did not fit in with the others.
    pub disordered: u64,
}

/// An intact record in the region.
#[derive(Clone, Copy)]
struct Found {
    at: usize,
    len: usize,
    seq: u64,
}

/// Gives every intact record to `sink`, in the order of their numbers.
///
/// Header copies are not needed for it; but if one is intact and of another version, nothing is taken. Whatever is in
/// `memory`, this ends and does not panic. `buffer` holds one record at a time, and `marks` is as long as [`marks`] says: a
/// record beyond its end is not found.
pub fn salvage(
    memory: &[Word],
    crc: Crc,
    buffer: &mut [u8; RECORD_MAX],
    marks: &mut [u32],
    mut sink: impl FnMut(&Record<'_>),
) -> Salvaged {
    let mut result = Salvaged::default();
    for at in COPIES {
        if let Some(info) = Info::load(memory, at, crc) {
            result.headers += 1;
            result.info.get_or_insert(info);
        }
    }
    let data = memory.get(DATA_OFFSET / 4..).unwrap_or(&[]);
    // A multiple of 8 bytes.
    let data = data.get(..data.len() & !1).unwrap_or(&[]);
    if result.info.is_some_and(|info| info.version != VERSION) {
        return result;
    }

    // Where intact records are, and the newest: what follows it is the oldest.
    marks.fill(0);
    let mut newest: Option<Found> = None;
    let mut at = 0;
    while let Some(found) = find(data, at, crc, buffer) {
        if let Some(mark) = marks.get_mut(found.at / STEP / 32) {
            *mark |= 1 << (found.at / STEP % 32);
        }
        if newest.is_none_or(|newest| distance(found.seq, newest.seq) > 0) {
            newest = Some(found);
        }
        at = found.at + found.len;
    }
    let Some(newest) = newest else {
        return result;
    };

    let mut order = Order {
        waiting: [None; Order::DEPTH],
        last: None,
    };
    let mut emit = |found: Found, buffer: &mut [u8; RECORD_MAX], result: &mut Salvaged| {
        load(
            data,
            found.at,
            buffer.get_mut(..found.len).unwrap_or(&mut []),
        );
        if let Some(record) = Record::parse(buffer) {
            result.intact += 1;
            sink(&record);
        }
    };
    let first = newest.at + newest.len;
    // Where the last record ended; not known for what follows the newest, which is half overwritten.
    let mut end = None;
    for (from, to) in [(first, data.len() * 4), (0, first)] {
        let mut at = from;
        while let Some(found) = marked(data, at, to, marks) {
            if end.is_some_and(|end| hole(data, end, found.at)) {
                result.damaged += 1;
            }
            at = found.at + found.len;
            end = Some(at);
            if let Some(found) = order.put(found, &mut result) {
                emit(found, buffer, &mut result);
            }
        }
        if to == data.len() * 4 && end.is_some_and(|end| hole(data, end, to)) {
            result.damaged += 1;
        }
        end = end.map(|_| 0);
    }
    while let Some(found) = order.take(&mut result) {
        emit(found, buffer, &mut result);
    }
    result
}

/// Whether there is something other than a filler between two records.
fn hole(data: &[Word], from: usize, to: usize) -> bool {
    let word = data.get(from / 4).map_or(0, Word::load);
    let shape = Shape::of(word);
    from < to
        && !(shape.state == FILLER && shape.fits(data.len() * 4 - from) && shape.len == to - from)
}

/// Puts records that are nearly in order in order: a writer that interrupts another may come first.
struct Order {
    waiting: [Option<Found>; Order::DEPTH],
    last: Option<u64>,
}

impl Order {
    const DEPTH: usize = 8;

    /// Adds a record, and returns the lowest one if there are enough.
    fn put(&mut self, found: Found, result: &mut Salvaged) -> Option<Found> {
        let full = self.waiting.iter().all(Option::is_some);
        let ready = if full { self.take(result) } else { None };
        if let Some(free) = self.waiting.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(found);
        }
        ready
    }

    /// Takes the record with the lowest number out.
    fn take(&mut self, result: &mut Salvaged) -> Option<Found> {
        loop {
            let slot = self
                .waiting
                .iter_mut()
                .filter(|slot| slot.is_some())
                .reduce(|a, b| match (&a, &b) {
                    (Some(x), Some(y)) if distance(y.seq, x.seq) < 0 => b,
                    _ => a,
                })?;
            let found = slot.take()?;
            let step = self.last.map_or(1, |last| distance(found.seq, last));
            if step <= 0 {
                result.disordered += 1;
                continue;
            }
            result.missing = result.missing.saturating_add(step as u64 - 1);
            self.last = Some(found.seq);
            return Some(found);
        }
    }
}

/// The first intact record at `from` or behind it; it is in `buffer` then.
fn find(data: &[Word], from: usize, crc: Crc, buffer: &mut [u8; RECORD_MAX]) -> Option<Found> {
    let end = data.len() * 4;
    let mut at = from;
    while at + RECORD_HEADER <= end {
        let shape = Shape::of(data.get(at / 4)?.load());
        if shape.state == WHOLE && shape.fits(end - at) {
            let bytes = buffer.get_mut(..shape.len)?;
            load(data, at, bytes);
            if let Some(record) = Record::parse(bytes) {
                if record.crc() == sum(crc, record.bytes()) {
                    return Some(Found {
                        at,
                        len: shape.len,
                        seq: record.seq,
                    });
                }
            }
        }
        at += STEP;
    }
    None
}

/// The first record that was marked at `from` or behind it and before `to`.
fn marked(data: &[Word], from: usize, to: usize, marks: &[u32]) -> Option<Found> {
    let mut at = from;
    while at < to {
        let mark = marks.get(at / STEP / 32)? >> (at / STEP % 32);
        if mark == 0 {
            at = (at / STEP / 32 + 1) * 32 * STEP;
            continue;
        }
        at += mark.trailing_zeros() as usize * STEP;
        if at >= to {
            break;
        }
        let words = data.get(at / 4..)?;
        let Shape { len, .. } = Shape::of(words.first()?.load());
        return Some(Found {
            at,
            len,
            seq: wide(words, 2),
        });
    }
    None
}

/// The CRC of a record: of all its bytes but those of the CRC.
fn sum(crc: Crc, bytes: &[u8]) -> u32 {
    let head = crc(!0, bytes.get(..4).unwrap_or(&[]));
    !crc(head, bytes.get(8..).unwrap_or(&[]))
}

/// Loads bytes from byte `at` on, a multiple of 4, by words.
fn load(data: &[Word], at: usize, bytes: &mut [u8]) {
    let words = data.get(at / 4..).unwrap_or(&[]);
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.load().to_ne_bytes());
    }
}
