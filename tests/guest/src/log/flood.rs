// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readers of different speed during a flood (docs/test-plan.md, rows 22 and 23): for each of them,
//! delivered and lost records add up to the written ones, and no delivered record is torn.

use std::time::Duration;

use libc::O_WRONLY;

use crate::support::child::Child;
use crate::support::dev::{LOG, LOG2};
use crate::support::log::{append, kmsg, stats, unique, unlimited, Reader};
use crate::support::loss_check::{body, check, Readers};
use crate::support::sys::Ended;
use crate::tests;

tests! {
    cores:
        log_flood_readers_of_different_speed_account_for_every_record,
        log_flood_of_a_small_ring_never_returns_a_torn_record,
        log_flood_of_printk_and_writes_together_stays_in_order;
}

fn log_flood_readers_of_different_speed_account_for_every_record() {
    const WRITERS: usize = 3;
    const EACH: usize = 4000;
    let readers = Readers::start(&LOG2, "flood");
    let _unlimited = unlimited(&LOG2);
    let before = stats(LOG2.open().raw());
    let writers: Vec<Child> = (0..WRITERS)
        .map(|writer| {
            let mark = &readers.mark;
            Child::spawn(move || {
                let log = LOG2.open_with(O_WRONLY);
                for n in 0..EACH {
                    append(&log, &body(mark, writer, n));
                }
                0
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.wait(), Ended::Exit(0));
    }
    readers.end();
    let after = stats(LOG2.open().raw());
    assert!(after.written - before.written >= (WRITERS * EACH + 1) as u64);
    assert_eq!(after.dropped, before.dropped);
}

fn log_flood_of_a_small_ring_never_returns_a_torn_record() {
    let (mark, last) = (unique("torn"), unique("the last"));
    let _unlimited = unlimited(&LOG2);
    append(&LOG2.open(), "before the flood");
    let writer = {
        let (mark, last) = (&mark, &last);
        Child::spawn(move || {
            let log = LOG2.open_with(O_WRONLY);
            for n in 0..30_000 {
                append(&log, &body(mark, 0, n));
            }
            append(&log, last);
            0
        })
    };
    // Reads as close to the tail as possible, where the writer is about to overwrite.
    let mut records = 0_u64;
    loop {
        let mut reader = Reader::new(&LOG2);
        let mut seen_last = false;
        for _ in 0..20 {
            let Some(record) = reader.next() else { break };
            records += 1;
            check(&mark, &record.text());
            seen_last |= record.text() == last;
        }
        if seen_last || !alive(&writer) {
            break;
        }
    }
    assert_eq!(writer.wait(), Ended::Exit(0));
    let all = Reader::new(&LOG2).all();
    assert_eq!(
        all.iter()
            .rfind(|record| record.text().starts_with("the last"))
            .map(|r| r.text()),
        Some(last)
    );
    println!("{records} records");
}

/// Whether a child is running.
fn alive(child: &Child) -> bool {
    // SAFETY: all zero is a valid siginfo, and the kernel fills it in; the child
    // remains waitable.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        libc::waitid(libc::P_PID, child.pid() as libc::id_t, &mut info, flags);
        info.si_pid() == 0
    }
}

fn log_flood_of_printk_and_writes_together_stays_in_order() {
    const EACH: usize = 300;
    let _unlimited = unlimited(&LOG);
    let mark = unique("together");
    let mut reader = Reader::at_the_end(&LOG);
    let children: Vec<Child> = (0..4)
        .map(|writer| {
            let mark = &mark;
            Child::spawn(move || {
                let log = LOG.open_with(O_WRONLY);
                for n in 0..EACH {
                    if writer % 2 == 0 {
                        append(&log, &body(mark, writer, n));
                    } else {
                        kmsg(&body(mark, writer, n));
                    }
                }
                0
            })
        })
        .collect();
    for child in children {
        assert_eq!(child.wait(), Ended::Exit(0));
    }
    let last = unique("the last");
    kmsg(&last);
    let mut next = [0; 4];
    loop {
        let Some(record) = reader.next() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        if record.text() == last {
            break;
        }
        if let Some((writer, n)) = check(&mark, &record.text()) {
            assert_eq!(n, next[writer], "writer {writer}");
            next[writer] += 1;
        }
    }
    assert_eq!(next, [EACH; 4]);
    assert_eq!(reader.lost, 0);
}
