// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The end of the ring that gives way.

#![forbid(unsafe_code)]

use super::atomic::{fence_release, Word};
use super::layout::{distance, Ring};
use super::record::{Shape, FILLER, RECORD_HEADER, WHOLE};

/// Moves the tail out of the way of what ends at `end`, a position of which half is enough.
#[inline]
pub(super) fn make_room(ring: Ring<'_>, end: u32) {
    if missing(ring, end, ring.header().tail.low()) > 0 {
        move_tail(ring, end);
    }
    // Whoever sees what is stored from here on sees the tail that was loaded or stored above, or a later one.
    fence_release();
}

/// How many bytes the tail is short of one ring before `end`; or how many it is past that, if negative.
#[inline]
fn missing(ring: Ring<'_>, end: u32, tail: u32) -> i32 {
    // Less than twice the size of a ring, so that half of each position is enough.
    end.wrapping_sub(ring.size() as u32).wrapping_sub(tail) as i32
}

/// Moves the tail by what is missing and a bit more, record by record.
#[cold]
#[inline(never)]
fn move_tail(ring: Ring<'_>, end: u32) {
    let header = ring.header();
    loop {
        let tail = header.tail.load();
        let missing = missing(ring, end, tail as u32);
        if missing <= 0 {
            return;
        }
        // The more at once, the cheaper; what is left is far more than is ever written at once.
        let least = (missing as usize).wrapping_add((ring.size() / 64) & !7);
        let mut moved = 0;
        while moved < least {
            let offset = ring.offset((tail as u32).wrapping_add(moved as u32));
            let first = ring.words_at(offset, 8).first().map_or(0, Word::load);
            let shape = Shape::of(first);
            // Nearly all are whole ones, which need no closer look.
            let usual = shape.state == WHOLE && shape.len >= RECORD_HEADER;
            if !usual && !shape.fits(ring.size().wrapping_sub(offset)) {
                break;
            }
            moved = moved.wrapping_add(shape.len);
        }
        let to = if moved < least {
            // Another writer has moved the tail and begun to overwrite this record. If not, the data were damaged, and
            // nothing up to the head can be found any more.
            header.head.load()
        } else {
            tail.wrapping_add(moved as u64)
        };
        // If the tail is where it was, nobody has overwritten what lies behind it, and the lengths were right.
        if header.tail.swap_if(tail, to) {
            return;
        }
    }
}

/// Records that are in the ring.
pub(super) fn count(ring: Ring<'_>) -> u64 {
    let head = ring.header().head.load_acquire();
    let mut at = ring.header().tail.load();
    let mut n = 0;
    for _ in 0..ring.size() / RECORD_HEADER {
        if distance(head, at) <= 0 {
            break;
        }
        let shape = Shape::of(ring.words_from(at).first().map_or(0, Word::load));
        if !shape.fits(ring.room(at)) {
            break;
        }
        if shape.state != FILLER {
            n += 1;
        }
        at = at.wrapping_add(shape.len as u64);
    }
    n
}
