// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The dates of records: the list of offsets from the clock that stamps records to the wall clock.
//! C header: `driver/uapi/fanlight.h`.
//!
//! An entry of the list applies to records whose time is not before that of the entry. Records that
//! are older than the first entry have the offset of the first entry. An entry is added when the
//! offset changes although both clocks are right:
//!
//! - NTP does not slew the clock of the records, so the clocks drift apart. An entry is added for
//!   each second of drift.
//! - The clock of the records stops while the system is suspended.
//!
//! If the wall clock is set by more than it can have drifted, it was wrong before. All entries are
//! then corrected, so that all records of the boot get the right dates. Nothing else changes an
//! entry, so a record has the same date whenever it is printed.
//!
//! The keys are times, not sequence numbers: numbers change when the driver is bound again, and a
//! record may be appended long after it was printed.

#![forbid(unsafe_code)]

use super::atomic::{fence_acquire, fence_release, Word};
use super::number::divide;
use super::record::halves;

/// Entries at most: `FANLIGHT_LOG_CLOCKS`.
pub const CLOCKS: usize = if cfg!(loom) { 2 } else { 60 };

/// The drift after which an entry is added, and so the accuracy of dates.
const DRIFT_NS: u64 = 1_000_000_000;
/// A wall clock that is off by less than one second in 2^13 (122 ppm) has drifted; it was not
/// wrong.
const DRIFT_SHIFT: u32 = 13;
/// What small steps of the wall clock may sum up to before a bind: ten seconds, and one second in
/// 2^10 of the time since boot.
const FIRST_NS: u64 = 10_000_000_000;
const FIRST_SHIFT: u32 = 10;
/// The error of a measurement, in addition to its uncertainty.
const NOISE_NS: u64 = 1_000_000;
/// An offset is accurate enough if its uncertainty is below this.
const NARROW_NS: u64 = 20_000;
/// The maximum number of measurements.
const SAMPLES_MAX: u32 = 8;
/// How many times a reader retries while the list changes.
const TRIES: usize = 1000;

/// A 64-bit number. A load may return the halves of two values; the callers allow for that.
#[derive(Debug)]
pub(super) struct Wide([Word; 2]);

impl Wide {
    pub(super) fn new(value: u64) -> Self {
        Self(halves(value).map(Word::new))
    }

    pub(super) fn load(&self) -> u64 {
        let [first, second] = self.0.each_ref().map(|half| u64::from(half.load()));
        if cfg!(target_endian = "little") {
            (second << 32) | first
        } else {
            (first << 32) | second
        }
    }

    pub(super) fn store(&self, value: u64) {
        for (word, half) in self.0.iter().zip(halves(value)) {
            word.store(half);
        }
    }
}

/// `struct fanlight_log_clock`.
#[derive(Debug)]
#[repr(C)]
pub struct Clock {
    /// The time of the first record that the entry applies to.
    ns: Wide,
    /// Nanoseconds from the time of a record to the wall clock.
    offset: Wide,
}

impl Clock {
    fn get(&self) -> (u64, i64) {
        // The same bits.
        (self.ns.load(), self.offset.load() as i64)
    }

    fn set(&self, (ns, offset): (u64, i64)) {
        self.ns.store(ns);
        // The same bits.
        self.offset.store(offset as u64);
    }
}

/// The list, in a ring's header: from `fanlight_log_header.clock_changes` on.
#[derive(Debug)]
#[repr(C)]
pub struct Clocks {
    /// Grows by one before the list is changed, and by one afterwards: odd while it changes.
    changes: Word,
    /// Entries in use, in the order of their times.
    count: Word,
    /// 0.
    reserved: [Word; 2],
    entries: [Clock; CLOCKS],
}

#[cfg(not(loom))]
const _: () = assert!(core::mem::size_of::<Clocks>() == 16 + CLOCKS * 16);

impl Clocks {
    /// An empty list: dates are unknown.
    pub fn empty() -> Self {
        Self {
            changes: Word::new(0),
            count: Word::new(0),
            reserved: [Word::new(0), Word::new(0)],
            entries: core::array::from_fn(|_| Clock {
                ns: Wide::new(0),
                offset: Wide::new(0),
            }),
        }
    }

    /// The words in memory.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        let Self {
            changes,
            count,
            reserved,
            entries,
        } = self;
        let entries = entries.iter();
        let entries = entries.flat_map(|entry| entry.ns.0.iter().chain(&entry.offset.0));
        [changes, count].into_iter().chain(reserved).chain(entries)
    }

    fn used(&self) -> &[Clock] {
        let count = (self.count.load() as usize).min(CLOCKS);
        self.entries.get(..count).unwrap_or(&[])
    }

    /// Copies the list: times and offsets, in the order of the times. Returns how many there are.
    ///
    /// The memory may hold anything and may change concurrently. The copy ends before the first
    /// entry that is out of order.
    pub fn copy(&self, to: &mut [(u64, i64); CLOCKS]) -> usize {
        // Fails if a panic has stopped the writer, or if a file holds invalid data.
        let copied = (0..TRIES).find_map(|_| self.try_copy(to));
        copied.unwrap_or_else(|| self.copy_once(to))
    }

    /// Like [`Clocks::copy`]; `None` if the list changed during the copy.
    pub fn try_copy(&self, to: &mut [(u64, i64); CLOCKS]) -> Option<usize> {
        let before = self.changes.load_acquire();
        let count = self.copy_once(to);
        // LMM(clocks_read:A) pairs with LMM(clocks_change:A).
        fence_acquire();
        (before & 1 == 0 && self.changes.load() == before).then_some(count)
    }

    fn copy_once(&self, to: &mut [(u64, i64); CLOCKS]) -> usize {
        let mut count = 0;
        let mut before = None;
        for (to, entry) in to.iter_mut().zip(self.used()) {
            let (ns, offset) = entry.get();
            if before.is_some_and(|before| before >= ns) {
                break;
            }
            before = Some(ns);
            *to = (ns, offset);
            count += 1;
        }
        count
    }

    /// The newest entry. For the writer of the list, or while the list does not change.
    pub fn last(&self) -> Option<(u64, i64)> {
        self.used().last().map(Clock::get)
    }

    /// Changes the list. No other thread does so at the same time.
    ///
    /// LMM(clocks_change:A): a reader that has seen a changed entry then sees the odd count or a
    /// later one.
    fn change(&self, change: impl FnOnce()) {
        // Odd, even if an earlier writer was stopped.
        let odd = self.changes.load() | 1;
        self.changes.store(odd);
        fence_release();
        change();
        self.changes.store_release(odd.wrapping_add(1));
    }

    /// Forgets all entries.
    pub fn clear(&self) {
        self.change(|| self.count.store(0));
    }

    /// Adds an entry, in place of one with the same time. Entries may be added in any order, as
    /// long as there is room.
    ///
    /// If the list is full, the two neighbours whose offsets differ least become one entry, so that
    /// dates change as little as possible.
    pub fn insert(&self, ns: u64, offset: i64) {
        self.change(|| {
            let used = self.used();
            let mut at = used.iter().take_while(|entry| entry.get().0 < ns).count();
            let mut count = used.len();
            match used.get(at) {
                Some(entry) if entry.get().0 == ns => return entry.set((ns, offset)),
                _ => {}
            }
            if count == CLOCKS {
                let step = |pair: &[Clock]| match pair {
                    [a, b] => a.get().1.abs_diff(b.get().1),
                    _ => u64::MAX,
                };
                let least = used.windows(2).enumerate();
                let least = least.min_by_key(|(_, pair)| step(pair));
                // The second of the two is removed.
                let goes = least.map_or(0, |(index, _)| index) + 1;
                for (to, from) in self
                    .entries
                    .iter()
                    .skip(goes)
                    .zip(used.iter().skip(goes + 1))
                {
                    to.set(from.get());
                }
                count -= 1;
                if goes < at {
                    at -= 1;
                }
            }
            let last = self.entries.get(at..=count).unwrap_or(&[]);
            for pair in last.windows(2).rev() {
                if let [from, to] = pair {
                    to.set(from.get());
                }
            }
            if let Some(entry) = last.first() {
                entry.set((ns, offset));
                self.count.store((count + 1) as u32);
            }
        });
    }

    /// Corrects all entries by `by` nanoseconds.
    fn shift(&self, by: i64) {
        self.change(|| {
            for entry in self.used() {
                let (ns, offset) = entry.get();
                entry.set((ns, offset.wrapping_add(by)));
            }
        });
    }
}

/// A measurement of the clocks, which are read one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The clock of the records.
    pub ns: u64,
    /// The lower bound of nanoseconds from the clock of the records to the wall clock.
    pub low: i64,
    /// The upper bound.
    pub high: i64,
    /// Nanoseconds from the clock of the records to CLOCK_BOOTTIME, which counts suspension and is
    /// slewed like the wall clock. Has the same uncertainty.
    pub to_boot_time: i64,
}

impl Sample {
    fn width(&self) -> u64 {
        self.high.abs_diff(self.low)
    }

    fn middle(&self) -> i64 {
        self.low.wrapping_add(self.high.wrapping_sub(self.low) / 2)
    }
}

/// Keeps the clock list of a log up to date.
///
/// All calls are made by one writer at a time. In a panic, another writer may follow one that was
/// stopped within a call.
#[derive(Debug)]
pub struct Keeper {
    /// The wall clock minus CLOCK_BOOTTIME at the last measurement. Only setting the wall clock
    /// changes it.
    setting: Wide,
    /// The time of that measurement by the clock of the records.
    set_at: Wide,
    /// The wall clock minus CLOCK_BOOTTIME at the first measurement, plus the corrections of the
    /// list since then.
    base: Wide,
    /// 1 after the first measurement.
    measured: Word,
}

impl Keeper {
    /// Creates the keeper of an empty list, or of a list from the persistent region with its
    /// `base`.
    pub fn new(base: i64) -> Self {
        // The same bits.
        Self {
            setting: Wide::new(base as u64),
            set_at: Wide::new(0),
            base: Wide::new(base as u64),
            measured: Word::new(0),
        }
    }

    /// The base of all entries: a correction of the list changes the base, but not the difference
    /// between an entry and the base.
    pub fn base(&self) -> i64 {
        // The same bits.
        self.base.load() as i64
    }

    /// Measures the clocks by `sample`, and updates the list if necessary.
    ///
    /// Not inlined, to save stack of the caller.
    #[inline(never)]
    pub fn note(&self, clocks: &Clocks, mut sample: impl FnMut() -> Sample) {
        let mut best = sample();
        for _ in 1..SAMPLES_MAX {
            if best.width() <= NARROW_NS {
                break;
            }
            let other = sample();
            if other.width() < best.width() {
                best = other;
            }
        }
        let measured = best.middle();
        let setting = measured.wrapping_sub(best.to_boot_time);
        let is_first = self.measured.load() == 0;
        self.measured.store(1);
        let Some((_, last)) = clocks.last() else {
            // The same bits.
            self.setting.store(setting as u64);
            self.base.store(setting as u64);
            clocks.insert(0, measured);
            return;
        };
        let mut last = last;
        let jump = setting.wrapping_sub(self.setting.load() as i64);
        if jump.unsigned_abs() > NOISE_NS.saturating_add(best.width()) {
            let since = best.ns.saturating_sub(self.set_at.load());
            let drift = DRIFT_NS + (since >> DRIFT_SHIFT);
            self.setting.store(setting as u64);
            self.set_at.store(best.ns);
            let exact = measured.wrapping_sub(last);
            let is_near = exact.abs_diff(jump) <= DRIFT_NS;
            // After the driver was bound again, the jump includes all small ones since boot, for
            // which there are already entries: it counts only if it is clearly larger.
            let small = FIRST_NS + (best.ns >> FIRST_SHIFT);
            let (drift, is_near) = if is_first {
                (small, exact.abs_diff(jump) <= small)
            } else {
                (drift, is_near)
            };
            if jump.unsigned_abs() > drift && (!is_first || exact.unsigned_abs() > DRIFT_NS) {
                // The clock was wrong, so all dates change. Apply the measured offset exactly.
                let by = if is_near { exact } else { jump };
                last = last.wrapping_add(by);
                self.base.store(self.base().wrapping_add(by) as u64);
                clocks.shift(by);
            }
        }
        let least = best.low.saturating_sub_unsigned(DRIFT_NS);
        let most = best.high.saturating_add_unsigned(DRIFT_NS);
        if last < least || most < last {
            // The next whole microsecond, the resolution of printk's times, so that no existing
            // record gets another date.
            let micros = divide::<1000>(best.ns).0.wrapping_add(1);
            clocks.insert(micros.wrapping_mul(1000), measured);
        }
    }
}
