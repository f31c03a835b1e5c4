// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program cannot flood the log: write() appends a limited number of records per open file, and
//! records of programs do not displace the kernel's.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::dev::LOG;
use crate::support::log::{
    append, kernel_has_arrived, kmsg, stats, text, unique, unlimited, Messages,
};
use crate::support::sys;
use crate::support::wait;
use crate::tests;

tests! {
    everywhere:
        log_limit_is_ten_records_in_five_seconds,
        log_limit_counts_and_reports_what_it_suppressed,
        log_limit_reports_when_the_file_is_closed,
        log_limit_is_of_the_open_file,
        log_limit_counts_each_file_by_itself,
        log_limit_of_0_is_none,
        log_limit_refuses_what_is_no_number,
        log_flood_by_programs_leaves_the_kernels_records_in_the_ring;
}

fn limit() -> u32 {
    LOG.attribute("write_limit").parse().expect("write_limit")
}

/// The text of the report of suppressed records, after the program's name.
pub const REPORT: &str = "suppressed by the write limit";

/// Sets another limit until this is dropped.
pub struct Limit(u32);

impl Limit {
    pub fn set(value: u32) -> Self {
        let before = limit();
        fs::write(LOG.sysfs().join("write_limit"), format!("{value}\n")).expect("write_limit");
        Self(before)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = fs::write(LOG.sysfs().join("write_limit"), format!("{}\n", self.0));
    }
}

/// The records with these words.
fn with(words: &str) -> Vec<String> {
    let messages = Messages::of_log(&LOG).all();
    let texts = messages.iter().map(|message| text(message).to_owned());
    texts.filter(|text| text.contains(words)).collect()
}

fn limited() -> u64 {
    stats(LOG.open().raw()).limited
}

fn log_limit_is_ten_records_in_five_seconds() {
    assert_eq!(limit(), 10, "the default, as /dev/kmsg's");
    let (log, mark) = (LOG.open(), unique("limited"));
    let (before, began) = (limited(), Instant::now());
    for n in 0..30 {
        // It returns the length whether the record is appended or not.
        append(&log, &format!("{mark} {n}"));
    }
    let (kept, limited) = (with(&mark).len() as u64, limited() - before);
    // On a slow host, more intervals have passed.
    let intervals = began.elapsed().as_secs() / 5 + 1;
    assert!(
        (10..=10 * intervals).contains(&kept),
        "{kept} in {:?}",
        began.elapsed()
    );
    assert_eq!(kept + limited, 30);
}

fn log_limit_counts_and_reports_what_it_suppressed() {
    let _limit = Limit::set(3);
    let (log, mark) = (LOG.open(), unique("reported"));
    let (before, seen) = (limited(), with(REPORT).len());
    for n in 0..8 {
        append(&log, &format!("{mark} {n}"));
    }
    let suppressed = limited() - before;
    assert_eq!(with(&mark).len() as u64 + suppressed, 8);
    // At the end of the interval, or with the next record.
    std::thread::sleep(Duration::from_secs(6));
    append(&log, &format!("{mark} later"));
    let reports = || with(REPORT);
    assert!(wait::until(|| reports().len() > seen), "no report");
    let name = fs::read_to_string("/proc/self/comm").expect("comm");
    let report = &reports()[seen];
    assert_eq!(
        *report,
        format!("{suppressed} records of {} {REPORT}", name.trim())
    );
    assert_eq!(with(&format!("{mark} later")).len(), 1);
}

fn log_limit_reports_when_the_file_is_closed() {
    let _limit = Limit::set(2);
    let seen = with(REPORT).len();
    let log = LOG.open();
    for n in 0..5 {
        append(&log, &format!("closed soon {n}"));
    }
    drop(log);
    assert!(wait::until(|| with(REPORT).len() > seen));
}

fn log_limit_is_of_the_open_file() {
    let _limit = Limit::set(5);
    let mark = unique("two files");
    let (first, second) = (LOG.open(), LOG.open());
    for n in 0..5 {
        append(&first, &format!("{mark} {n}"));
        append(&second, &format!("{mark} {n}"));
    }
    assert_eq!(with(&mark).len(), 10);
}

fn log_limit_counts_each_file_by_itself() {
    let _limit = Limit::set(2);
    let (flood, innocent) = (LOG.open(), LOG.open());
    let before = limited();
    for n in 0..10 {
        append(&flood, &format!("too many {n}"));
    }
    append(&innocent, "only one");
    let (flood, innocent) = (stats(flood.raw()), stats(innocent.raw()));
    assert!(flood.own_limited > 0);
    assert_eq!(innocent.own_limited, 0);
    // Records of other writers may have been suppressed as well.
    assert!(innocent.limited >= before + flood.own_limited);
}

fn log_limit_of_0_is_none() {
    let _limit = Limit::set(0);
    let (log, mark) = (LOG.open(), unique("no limit"));
    let before = limited();
    for n in 0..500 {
        append(&log, &format!("{mark} {n}"));
    }
    assert_eq!(with(&mark).len(), 500);
    assert_eq!(limited(), before);
}

fn log_limit_refuses_what_is_no_number() {
    let path = LOG.sysfs().join("write_limit");
    let before = limit();
    for text in ["", "many\n", "-1\n", "99999999999\n"] {
        assert!(
            fs::write(&path, text).is_err() || text.is_empty(),
            "{text:?}"
        );
        assert_eq!(limit(), before, "{text:?}");
    }
}

fn log_flood_by_programs_leaves_the_kernels_records_in_the_ring() {
    let mark = unique("the kernel's own");
    kmsg(&format!("<5>{mark}"));
    kernel_has_arrived(&LOG);
    let _unlimited = unlimited(&LOG);
    let log = LOG.open();
    // Twice the size of the ring.
    let long = "p".repeat(900);
    for n in 0..2 * LOG.size / 900 {
        append(&log, &format!("flood {n} {long}"));
    }
    assert_eq!(with(&mark), [mark]);
    assert!(with("flood ").len() > 100, "and programs have a share");
    assert_eq!(
        sys::poll(log.raw(), libc::POLLIN, Duration::ZERO) & libc::POLLIN,
        libc::POLLIN
    );
}
