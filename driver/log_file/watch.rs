// SPDX-License-Identifier: GPL-2.0-only

//! Waiting for the log by poll(): what a file would read next, and when it wants to be told.

use super::LogFile;
use crate::{
    ring::{
        Cursor,
        Peek,
        Ring,
        USER, //
    },
    sys::{
        file::Poll,
        time::local_clock,
        wait::Wish, //
    }, //
};
use kernel::bindings;

/// What [`LogFile::peek`] saw.
enum Seen {
    Nothing,
    /// A record of this time.
    Record(u64),
    Loss,
}

impl LogFile {
    /// `POLLIN` when there is as much as the watermark asks for, with `POLLERR | POLLPRI` when some were lost before.
    pub(crate) fn poll(&self, poll: &Poll<'_>) -> u32 {
        const READABLE: u32 = bindings::POLLIN | bindings::POLLRDNORM;
        poll.wait(&self.log.waiters);
        self.log.catch_up();
        let guard = self.reader.lock();
        let (mut cursor, watermark) = (guard.cursor.clone(), guard.watermark);
        drop(guard);
        let events = bindings::POLLOUT | bindings::POLLWRNORM;
        // Said before looking, so that what comes in between wakes.
        if !watermark.is_modest() {
            self.log.waiters.wish(Wish::ANY);
        }
        let Ok(ring) = self.ring() else {
            return bindings::POLLERR | bindings::POLLHUP;
        };
        if !watermark.is_modest() {
            return match self.peek(&mut cursor, ring) {
                Seen::Nothing => events,
                Seen::Record(_) => events | READABLE,
                Seen::Loss => events | READABLE | bindings::POLLERR | bindings::POLLPRI,
            };
        }
        let oldest = match self.peek(&mut cursor, ring) {
            Seen::Loss => return events | READABLE | bindings::POLLERR | bindings::POLLPRI,
            Seen::Nothing => None,
            Seen::Record(ns) => Some(ns),
        };
        let age = oldest.map(|ns| local_clock().saturating_sub(ns));
        let delay = u64::from(watermark.delay_us) * 1000;
        let first = cursor.seq().unwrap_or(0);
        let start = ring
            .header()
            .head
            .load()
            .wrapping_sub(cursor.unread_bytes(ring));
        let wish = Wish {
            seq: match (watermark.records, delay, age) {
                // The clock starts at the first record.
                (_, 1.., None) => 0,
                (0, ..) => u64::MAX,
                (n, ..) => first.saturating_add(u64::from(n) - 1),
            },
            position: match watermark.bytes {
                0 => u64::MAX,
                n => start.saturating_add(n.into()),
            },
            timeout_ns: age
                .filter(|_| delay != 0)
                .map(|age| delay.saturating_sub(age)),
        };
        self.log.waiters.wish(wish);
        let there = |wanted: u32, got: u64| wanted != 0 && got >= wanted.into();
        let ready = there(
            watermark.records,
            self.log.writer().next_seq().saturating_sub(first),
        ) || there(watermark.bytes, cursor.unread_bytes(ring))
            || age.is_some_and(|age| delay != 0 && age >= delay);
        if ready && oldest.is_some() {
            events | READABLE
        } else {
            events
        }
    }

    /// What read() would find next, without moving the file's cursor.
    fn peek(&self, cursor: &mut Cursor, ring: Ring<'_>) -> Seen {
        loop {
            match cursor.peek(ring) {
                Peek::Empty => return Seen::Nothing,
                Peek::Lost(_) => return Seen::Loss,
                Peek::Record(slot) => {
                    let (ns, flags) = (slot.ns(), slot.flags());
                    if !slot.still_valid(ring) {
                        continue;
                    }
                    if self.kernel || flags & USER != 0 {
                        return Seen::Record(ns);
                    }
                    cursor.advance(&slot);
                }
            }
        }
    }
}
