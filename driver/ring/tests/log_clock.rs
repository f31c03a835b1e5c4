// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The list of offsets to the wall clock: a record has one date.

#![cfg(not(loom))]

use fanlight_ring::{Clocks, Keeper, Sample, CLOCKS};

const SECOND: i64 = 1_000_000_000;
const DAY: u64 = 86_400 * 1_000_000_000;
/// The wall clock minus the time since boot, in these tests.
const BOOT: i64 = 1_795_176_000 * SECOND;

/// A machine with three independent clocks.
struct Machine {
    clocks: Clocks,
    keeper: Keeper,
    /// The clock of the records, that of the time since boot, and the wall clock's setting.
    ns: u64,
    boot_time: i64,
    setting: i64,
}

impl Machine {
    fn new(setting: i64) -> Self {
        let machine = Self {
            clocks: Clocks::empty(),
            keeper: Keeper::new(0),
            ns: 3 * SECOND as u64 + 1_234_567,
            boot_time: 3 * SECOND + 1_234_567,
            setting,
        };
        machine.note();
        machine
    }

    fn wall(&self) -> i64 {
        self.boot_time + self.setting
    }

    fn note(&self) {
        let offset = self.wall() - self.ns as i64;
        self.keeper.note(&self.clocks, || Sample {
            ns: self.ns,
            low: offset - 5_000,
            high: offset + 5_000,
            to_boot_time: self.boot_time - self.ns as i64,
        });
    }

    /// Lets time pass; the clock of the records is slow by `slow_ppm`.
    fn run(&mut self, ns: u64, slow_ppm: i64) {
        const STEP: u64 = 60_000_000_000;
        let mut left = ns;
        while left != 0 {
            let step = left.min(STEP);
            self.boot_time += step as i64;
            self.ns += (step as i64 - step as i64 / 1_000_000 * slow_ppm) as u64;
            self.note();
            left -= step;
        }
    }

    fn suspend(&mut self, ns: i64) {
        self.boot_time += ns;
        self.note();
    }

    fn set(&mut self, by: i64) {
        self.setting += by;
        self.note();
    }

    fn list(&self) -> Vec<(u64, i64)> {
        let mut all = [(0, 0); CLOCKS];
        let count = self.clocks.copy(&mut all);
        all[..count].to_vec()
    }

    /// The error of a record's date.
    fn date(&self, ns: u64) -> i64 {
        let list = self.list();
        let entry = list.iter().rev().find(|entry| entry.0 <= ns);
        ns as i64 + entry.unwrap_or(&list[0]).1
    }
}

/// How far from the wall clock a date may be.
fn assert_is_date(found: i64, wall: i64) {
    assert!((found - wall).abs() <= SECOND + 10_000, "{}", found - wall);
}

#[test]
fn log_clock_drift_gives_no_record_another_date() {
    for slow_ppm in [-80, 50] {
        let mut machine = Machine::new(BOOT);
        let mut dated = vec![];
        for _ in 0..10 {
            dated.push((machine.ns, machine.date(machine.ns)));
            assert_is_date(machine.date(machine.ns), machine.wall());
            machine.run(DAY / 4, slow_ppm);
        }
        assert!(machine.list().len() > 5, "{:?}", machine.list());
        for (ns, date) in dated {
            assert_eq!(machine.date(ns), date);
        }
    }
}

#[test]
fn log_clock_suspend_gives_no_record_another_date() {
    let mut machine = Machine::new(BOOT);
    let mut dated = vec![];
    for n in 0..20 {
        machine.run(60 * SECOND as u64, 0);
        dated.push((machine.ns, machine.date(machine.ns)));
        machine.suspend(3600 * SECOND + n);
        // The next record.
        machine.ns += 1_000;
        machine.boot_time += 1_000;
        assert_is_date(machine.date(machine.ns), machine.wall());
    }
    for (ns, date) in dated {
        assert_eq!(machine.date(ns), date);
    }
    assert_eq!(machine.list().len(), 21);
}

#[test]
fn log_clock_that_is_set_was_wrong_for_all_records() {
    // Never set: 1970. Then a stored date, and then the date of a server.
    let mut machine = Machine::new(0);
    assert_eq!(machine.list(), [(0, 0)]);
    machine.run(20 * SECOND as u64, 0);
    machine.suspend(7200 * SECOND);
    let early = machine.date(0);
    let late = machine.date(machine.ns);
    machine.set(BOOT - 86_400 * SECOND);
    machine.run(40 * SECOND as u64, 0);
    // A minute after boot, 20 s is more than drift.
    machine.set(86_400 * SECOND);
    machine.set(20 * SECOND);
    assert_eq!(machine.date(0), early + BOOT + 20 * SECOND);
    assert_eq!(
        machine.date(20 * SECOND as u64),
        20 * SECOND + BOOT + 20 * SECOND
    );
    assert_is_date(machine.date(machine.ns), machine.wall());
    assert!(machine.date(23 * SECOND as u64 + 1_234_567) - late == BOOT + 20 * SECOND);
    // Set to a wrong time, and back.
    let right = machine.list();
    machine.set(-3600 * SECOND);
    assert_ne!(machine.list(), right);
    machine.set(3600 * SECOND);
    assert_eq!(machine.list(), right);
}

#[test]
fn log_clock_that_is_set_by_its_drift_keeps_the_dates_before() {
    // A clock that drifts by 40 ppm is corrected once a day.
    let mut machine = Machine::new(BOOT);
    let mut dated = vec![];
    for _ in 0..30 {
        machine.run(DAY, 0);
        dated.push((machine.ns, machine.date(machine.ns)));
        machine.set(-3456 * SECOND / 1000);
        machine.ns += 1_000;
        machine.boot_time += 1_000;
        assert_is_date(machine.date(machine.ns), machine.wall());
    }
    for (ns, date) in dated {
        assert_eq!(machine.date(ns), date);
    }
    // By less than a second: no change.
    let before = machine.list();
    machine.set(SECOND / 4);
    assert_eq!(machine.list(), before);
}

#[test]
fn log_clock_of_a_driver_that_is_bound_again_keeps_all_dates() {
    let mut machine = Machine::new(BOOT);
    let bind_again = |machine: &mut Machine| {
        machine.keeper = Keeper::new(machine.keeper.base());
        let before = machine.list();
        machine.note();
        assert_eq!(machine.list(), before);
    };
    for _ in 0..20 {
        machine.run(3600 * SECOND as u64, 0);
        machine.set(SECOND * 9 / 10);
        bind_again(&mut machine);
    }
    assert!(machine.list().len() > 5, "{:?}", machine.list());
    // What it is told is still corrected, also if it was not bound then, or suspended besides.
    for (set, suspended) in [
        (-(DAY as i64), 0),
        (DAY as i64, 0),
        (DAY as i64, 7200 * SECOND),
    ] {
        let before = machine.list();
        machine.keeper = Keeper::new(machine.keeper.base());
        machine.ns += 1_000_000;
        machine.boot_time += suspended + 1_000_000;
        machine.set(set);
        for (before, after) in before.iter().zip(machine.list()) {
            assert!(
                (before.1 + set - after.1).abs() <= 25 * SECOND,
                "{set} {suspended} {}",
                before.1 + set - after.1
            );
        }
    }
    // Suspension alone corrects nothing.
    let before = machine.list();
    machine.keeper = Keeper::new(machine.keeper.base());
    machine.ns += 1_000_000;
    machine.boot_time += 18 * SECOND;
    machine.note();
    assert_eq!(machine.list()[..before.len()], before[..]);
}

#[test]
fn log_clock_measurements_are_noisy() {
    let mut machine = Machine::new(BOOT);
    let before = machine.list();
    for n in 0..1000 {
        machine.ns += 1_000_000;
        machine.boot_time += 1_000_000;
        let offset = machine.wall() - machine.ns as i64;
        // The machine is stopped for some time between the reads of any two clocks.
        let late = [0, 7 * SECOND][n % 2];
        machine.keeper.note(&machine.clocks, || Sample {
            ns: machine.ns,
            low: offset - late,
            high: offset + 100,
            to_boot_time: machine.boot_time - machine.ns as i64 - [0, late][n / 2 % 2],
        });
    }
    assert_eq!(machine.list(), before);
}

#[test]
fn log_clock_list_is_bounded_and_merges_what_differs_least() {
    let mut machine = Machine::new(BOOT);
    machine.suspend(7200 * SECOND);
    let asleep = machine.ns;
    machine.run(200 * DAY, 60);
    let list = machine.list();
    assert_eq!(list.len(), CLOCKS);
    assert!(list.windows(2).all(|pair| pair[0].0 < pair[1].0));
    // Two hours of suspend stay accurate, however many seconds of drift there were.
    assert_eq!(machine.date(0), BOOT);
    let key = (asleep / 1000 + 1) * 1000;
    assert_eq!(machine.date(key), BOOT + 7200 * SECOND + key as i64);
    assert_is_date(machine.date(machine.ns), machine.wall());
}

#[test]
fn log_clock_entries_are_found_in_any_order() {
    let clocks = Clocks::empty();
    for n in [5, 1, 9, 3, 3, 0, 7] {
        clocks.insert(n, -(n as i64));
    }
    let mut all = [(0, 0); CLOCKS];
    let count = clocks.copy(&mut all);
    assert_eq!(all[..count], [0, 1, 3, 5, 7, 9].map(|n| (n, -(n as i64))));
    for n in 0..10 * CLOCKS as u64 {
        clocks.insert(n * 7919 % 1000, i64::MIN);
        clocks.insert(u64::MAX - n, i64::MAX);
    }
    assert_eq!(clocks.copy(&mut all), CLOCKS);
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0));
    clocks.clear();
    assert_eq!((clocks.copy(&mut all), clocks.last()), (0, None));
}

/// A list in a file, or in memory that other programs write to.
#[test]
fn log_clock_list_that_is_no_list_is_cut() {
    let from = |words: &[u32]| {
        let clocks = Clocks::empty();
        for (to, word) in clocks.words().zip(words) {
            to.store(*word);
        }
        let mut all = [(0, 0); CLOCKS];
        let count = clocks.copy(&mut all);
        all[..count].to_vec()
    };
    // Native order: times and offsets that fit into a word on a little-endian machine.
    if cfg!(target_endian = "big") {
        return;
    }
    let entries = [[0, 0, 5, 0], [9, 0, 6, 0], [9, 0, 7, 0], [20, 0, 8, 0]].concat();
    let list = |changes, count| [&[changes, count, 0, 0], &entries[..]].concat();
    assert_eq!(from(&list(2, 4)), [(0, 5), (9, 6)]);
    assert_eq!(from(&list(2, 1)), [(0, 5)]);
    assert_eq!(from(&list(2, 0)), []);
    // Always changing, and with a count of more entries than exist: zeros are not in order.
    assert_eq!(from(&list(3, 4)), [(0, 5), (9, 6)]);
    assert_eq!(from(&list(2, u32::MAX)), [(0, 5), (9, 6)]);
    assert_eq!(from(&[u32::MAX; 300]).len(), 1);
}

/// A reader gets the list before or after a change.
#[test]
fn log_clock_list_is_read_whole_while_it_changes() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let clocks = Clocks::empty();
    let done = AtomicBool::new(false);
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let keeper = Keeper::new(0);
            for round in 0..rounds {
                let offset = round * 1000 * SECOND;
                keeper.note(&clocks, || Sample {
                    ns: 0,
                    low: offset,
                    high: offset,
                    to_boot_time: 0,
                });
            }
            done.store(true, Ordering::Release);
        });
        let mut newest = i64::MIN;
        while !done.load(Ordering::Acquire) {
            let mut list = [(0, 0); CLOCKS];
            if let Some(1) = clocks.try_copy(&mut list) {
                let found = list[0].1;
                assert!(found >= newest && found % (1000 * SECOND) == 0, "{found}");
                newest = found;
            }
        }
    });
}
