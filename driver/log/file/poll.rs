// SPDX-License-Identifier: GPL-2.0-only

//! poll() of the log: what a file would read next, and the threshold at which it is woken.

use super::{
    LogFile,
    STRIDE, //
};
use crate::{
    ring::{
        Cursor,
        Read,
        Ring,
        RECORD_MAX, //
    },
    sys::{
        file::OpenFile,
        poll::Events,
        task::should_stop,
        time::local_clock,
        wait::Threshold, //
    },
    uapi::Watermark, //
};

/// What [`LogFile::peek`] found.
enum Seen {
    Nothing,
    /// A record with this time.
    Record(u64),
    Loss,
}

/// Whether it asks for more than one record.
fn waits_for_more(watermark: &Watermark) -> bool {
    watermark.records > 1 || watermark.bytes > 0 || watermark.delay_us > 0
}

impl LogFile {
    /// `POLLIN` when the watermark is reached, with `POLLERR | POLLPRI` when records were lost. The
    /// log of an earlier boot is always readable, with `POLLHUP` at its end.
    pub(crate) fn poll(&self, file: OpenFile<'_>) -> Events {
        let (mut cursor, watermark) = {
            let place = self.place.lock();
            (place.cursor.clone(), place.watermark)
        };
        let Ok(ring) = self.ring() else {
            return Events::GONE;
        };
        let Some(intake) = &self.intake else {
            return match self.peek(&mut cursor, ring) {
                Seen::Nothing => Events::READABLE | Events::HANG_UP,
                _ => Events::READABLE,
            };
        };
        let events = if file.is_writable() {
            Events::WRITABLE
        } else {
            Events::NONE
        };
        if !waits_for_more(&watermark) {
            // Armed before the check, so that a record that is appended in between wakes the
            // caller.
            self.log.arm(&Threshold::ANY);
            if self.log.is_gone() {
                return Events::GONE;
            }
            return match self.peek(&mut cursor, ring) {
                Seen::Nothing => events,
                Seen::Record(_) => events | Events::READABLE,
                Seen::Loss => events | Events::LOSS,
            };
        }
        let oldest = match self.peek(&mut cursor, ring) {
            Seen::Loss => return events | Events::LOSS,
            Seen::Nothing => None,
            Seen::Record(ns) => Some(ns),
        };
        let age = oldest.map(|ns| local_clock().saturating_sub(ns));
        let delay = u64::from(watermark.delay_us) * 1000;
        let first = cursor.seq().unwrap_or(0);
        // In this order: a record that is appended in between makes the threshold lower, not
        // higher.
        let bytes = intake.bytes();
        let unread = cursor.unread_bytes(ring);
        let wanted = |n: u32| (n != 0).then_some(n);
        let threshold = Threshold {
            // The delay counts from the first record.
            any: delay != 0 && age.is_none(),
            seq: wanted(watermark.records).map(|n| (first as u32).wrapping_add(n - 1)),
            bytes: wanted(watermark.bytes).map(|n| {
                let missing = u64::from(n).saturating_sub(unread);
                bytes.wrapping_add(missing as u32)
            }),
            timeout_ns: age
                .filter(|_| delay != 0)
                .map(|age| delay.saturating_sub(age)),
        };
        self.log.arm(&threshold);
        if self.log.is_gone() {
            return Events::GONE;
        }
        let reached = |wanted: u32, got: u64| wanted != 0 && got >= wanted.into();
        let ready = reached(watermark.records, intake.next_seq().saturating_sub(first))
            || reached(watermark.bytes, cursor.unread_bytes(ring))
            || age.is_some_and(|age| delay != 0 && age >= delay);
        if ready && oldest.is_some() {
            events | Events::READABLE
        } else {
            events
        }
    }

    /// What read() would return next. Does not move the file's cursor.
    fn peek(&self, cursor: &mut Cursor, ring: &Ring<'_>) -> Seen {
        let mut passed = 0usize;
        loop {
            let mut span = match cursor.read(ring, RECORD_MAX, None) {
                Read::Empty => return Seen::Nothing,
                // In the log of an earlier boot, a gap in the numbers shows the loss.
                Read::Lost(_) if self.intake.is_none() => continue,
                Read::Lost(_) => return Seen::Loss,
                Read::Records(span) => span,
            };
            let seen = span.next().map(|record| (record.ns(), record.flags()));
            if seen.is_some_and(|(_, flags)| self.may_see(flags)) {
                span.undo();
            }
            if !span.commit() {
                continue;
            }
            match seen {
                Some((ns, flags)) if self.may_see(flags) => return Seen::Record(ns),
                _ => {}
            }
            passed += 1;
            if passed % STRIDE == 0 && should_stop() {
                return Seen::Nothing;
            }
        }
    }
}
