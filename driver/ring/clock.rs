// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The dates of records: the list of offsets from the clock that stamps records to the wall clock.
//! C header: `driver/uapi/fanlight.h`.
//!
//! An entry of the list holds for records whose time is not before that of the entry. Records that
//! are older than the first entry have the first one's offset. The entries are for what moves the
//! clocks against each other without anything being wrong:
//!
//! - The clock of the records is not slewed by NTP, so that the clocks drift apart. An entry is
//!   added for each second.
//! - The clock of the records stops while the system is suspended.
//!
//! When the wall clock is set by more than it can have drifted, it was wrong before. All entries
//! are then corrected, so that the records of the boot get the dates of the clock that is right.
//! Nothing else changes an entry, so a record has the same date whenever it is printed.
//!
//! The keys are times, not sequence numbers: numbers change when the driver is bound again, and a
//! record may be appended long after it was printed.

#![forbid(unsafe_code)]

use super::atomic::{fence_acquire, fence_release, Word};
use super::number::divide;
use super::record::halves;

/// Entries at most: `FANLIGHT_LOG_CLOCKS`.
pub const CLOCKS: usize = if cfg!(loom) { 2 } else { 60 };

/// How far the clocks may have drifted apart before an entry is added. Dates are as exact as that.
const DRIFT_NS: u64 = 1_000_000_000;
/// A wall clock that drifts by less than one second in 2^13, 122 ppm, was not wrong.
const DRIFT_SHIFT: u32 = 13;
/// What a measurement may be off, beside its uncertainty.
const NOISE_NS: u64 = 1_000_000;
/// An offset is exact enough if it is known to this.
const NARROW_NS: u64 = 20_000;
/// Measurements at most.
const SAMPLES_MAX: u32 = 8;
/// How often a reader looks at a list that changes.
const TRIES: usize = 1000;

/// A 64-bit number. Nothing depends on its not being seen half changed.
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
    /// The time of the first record for which it holds.
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
    /// An empty list: dates are not known.
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
    /// The memory may hold anything, and may be changed at the same time. What is behind an entry
    /// that is not in order is left out.
    pub fn copy(&self, to: &mut [(u64, i64); CLOCKS]) -> usize {
        // If it never works: a writer that was stopped by a panic, or a file.
        let copied = (0..TRIES).find_map(|_| self.try_copy(to));
        copied.unwrap_or_else(|| self.copy_once(to))
    }

    /// As [`Clocks::copy`]; `None` if the list has changed meanwhile.
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

    /// The newest entry. Only for those that change the list, or while it does not change.
    pub fn last(&self) -> Option<(u64, i64)> {
        self.used().last().map(Clock::get)
    }

    /// Changes the list. The caller is the only one that does.
    ///
    /// LMM(clocks_change:A): a reader that has seen a changed entry sees an odd number afterwards,
    /// or a later one.
    fn change(&self, change: impl FnOnce()) {
        // Odd, also after a writer that was stopped.
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

    /// Adds an entry, in place of one with the same time. Other times may come in any order, as
    /// long as there is room.
    ///
    /// If the list is full, the two neighbours whose offsets differ least become one, so that as
    /// few dates as possible change by as little as possible.
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
                // The second one of the two goes.
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

/// A measurement of the clocks. They are read one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The clock of the records.
    pub ns: u64,
    /// The lowest and the highest number of nanoseconds that there can be from the clock of the
    /// records to the wall clock.
    pub low: i64,
    /// See `low`.
    pub high: i64,
    /// Nanoseconds from the clock of the records to the time since boot that counts suspension and
    /// is slewed like the wall clock: CLOCK_BOOTTIME. As exact as the others.
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

/// Keeps the list of a log up to date.
///
/// All calls are made by one writer at a time. In a panic, another one may follow one that was
/// stopped in between.
#[derive(Debug)]
pub struct Keeper {
    /// The wall clock minus CLOCK_BOOTTIME, when it was measured last. Only setting the wall clock
    /// changes it.
    setting: Wide,
    /// When that was, by the clock of the records.
    set_at: Wide,
    /// The same number as it was noted first, with the corrections of the list since.
    base: Wide,
    /// 1 after the first measurement.
    measured: Word,
}

impl Keeper {
    /// What keeps a list that is empty; or one that was found in the persistent region, with the
    /// `base` of then.
    pub fn new(base: i64) -> Self {
        // The same bits.
        Self {
            setting: Wide::new(base as u64),
            set_at: Wide::new(0),
            base: Wide::new(base as u64),
            measured: Word::new(0),
        }
    }

    /// A number that all entries of the list have in common: what is corrected when the wall clock
    /// is set changes it, and not their difference to it.
    pub fn base(&self) -> i64 {
        // The same bits.
        self.base.load() as i64
    }

    /// Measures by `sample`, and changes the list if it is not right any more.
    ///
    /// Not inlined, for the stack of the caller.
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
            // After the driver was bound again, the jump has all small ones since boot in it, which
            // entries have already. Suspension makes the offset greater, never less.
            let lacks = exact.unsigned_abs() > DRIFT_NS
                && (exact < 0 || exact.abs_diff(jump) <= DRIFT_NS + (best.ns >> DRIFT_SHIFT));
            if jump.unsigned_abs() > drift && (!is_first || lacks) {
                // The clock was wrong. All dates change, so that they may as well become exact.
                let by = if is_first || is_near { exact } else { jump };
                last = last.wrapping_add(by);
                self.base.store(self.base().wrapping_add(by) as u64);
                clocks.shift(by);
            }
        }
        let least = best.low.saturating_sub_unsigned(DRIFT_NS);
        let most = best.high.saturating_add_unsigned(DRIFT_NS);
        if last < least || most < last {
            // The next whole microsecond, as printk's times are: no record that there is gets
            // another date.
            let micros = divide::<1000>(best.ns).0.wrapping_add(1);
            clocks.insert(micros.wrapping_mul(1000), measured);
        }
    }
}
