// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readers of different speed against a flood (rows 22 and 23): delivered and lost are all that was written, for each,
//! and nothing that is delivered is torn.

use std::time::Duration;

use libc::{O_NONBLOCK, O_RDONLY, O_WRONLY};

use crate::child::{Child, Signal};
use crate::dev::{LOG, LOG2};
use crate::log::{append, kmsg, number, stats, text, unique, Messages, Reader};
use crate::sys::{Ended, Errno};
use crate::tests;

tests! {
    cores:
        log_flood_readers_of_different_speed_account_for_every_record,
        log_flood_of_a_small_ring_never_gives_a_torn_record,
        log_flood_of_printk_and_writes_together_stays_in_order;
}

/// A body from which a reader can tell that it is whole: as many letters as its number says, all the same.
pub fn body(mark: &str, writer: usize, n: usize) -> String {
    let letter = (b'a' + (n % 26) as u8) as char;
    format!(
        "<6>{mark} {writer} {n} {}",
        String::from(letter).repeat(n * 31 % 200 + 1)
    )
}

/// Checks a text made by `body`; None if it is something else.
pub fn check(mark: &str, text: &str) -> Option<(usize, usize)> {
    let rest = text.strip_prefix(mark)?;
    let mut words = rest.split_whitespace();
    let (writer, n) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    assert_eq!(format!("<6>{text}"), body(mark, writer, n), "torn");
    Some((writer, n))
}

/// Delivered and lost since the start, by map.
fn by_map(mark: &str, last: &str, pause: u64, ready: &Signal) {
    let mut reader = Reader::at_the_end(&LOG2);
    let first = reader.next_seq().expect("a record before");
    ready.send();
    let mut delivered = 0;
    loop {
        while let Some(record) = reader.next() {
            delivered += 1;
            let text = record.text();
            check(mark, &text);
            if text == last {
                assert_eq!(
                    delivered + reader.lost,
                    record.seq + 1 - first,
                    "delivered {delivered}, lost {}",
                    reader.lost
                );
                return;
            }
            if pause > 0 && delivered % 64 == 0 {
                std::thread::sleep(Duration::from_micros(pause));
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The same by read().
fn by_read(mark: &str, last: &str, pause: u64, ready: &Signal) {
    let log = Messages {
        fd: LOG2.open_with(O_RDONLY | O_NONBLOCK).fd,
    };
    let first = number(log.all().last().expect("a record before")) + 1;
    let lost_before = stats(log.raw()).lost;
    ready.send();
    let mut delivered = 0;
    loop {
        match log.next() {
            Ok(message) => {
                delivered += 1;
                check(mark, text(&message));
                if text(&message) == last {
                    let lost = stats(log.raw()).lost - lost_before;
                    assert_eq!(
                        delivered + lost,
                        number(&message) + 1 - first,
                        "delivered {delivered}, lost {lost}"
                    );
                    return;
                }
                if pause > 0 && delivered % 64 == 0 {
                    std::thread::sleep(Duration::from_micros(pause));
                }
            }
            Err(Errno::EPIPE) => {}
            Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(1)),
            Err(other) => panic!("read: {other:?}"),
        }
    }
}

fn log_flood_readers_of_different_speed_account_for_every_record() {
    const WRITERS: usize = 3;
    const EACH: usize = 4000;
    let (mark, last) = (unique("flood"), unique("the last"));
    append(&LOG2.open(), "before the flood");
    let ready = Signal::new();
    let readers: Vec<Child> = [(0, 0), (0, 20_000), (1, 0), (1, 20_000)]
        .into_iter()
        .map(|(way, pause)| {
            let (mark, last, ready) = (&mark, &last, &ready);
            Child::spawn(move || {
                if way == 0 {
                    by_map(mark, last, pause, ready);
                } else {
                    by_read(mark, last, pause, ready);
                }
                0
            })
        })
        .collect();
    for _ in &readers {
        ready.wait();
    }
    let before = stats(LOG2.open().raw());
    let writers: Vec<Child> = (0..WRITERS)
        .map(|writer| {
            let mark = &mark;
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
    append(&LOG2.open(), &last);
    let after = stats(LOG2.open().raw());
    for reader in readers {
        assert_eq!(reader.wait(), Ended::Exit(0));
    }
    assert!(after.written - before.written >= (WRITERS * EACH + 1) as u64);
    assert_eq!(after.dropped, before.dropped);
}

fn log_flood_of_a_small_ring_never_gives_a_torn_record() {
    let (mark, last) = (unique("torn"), unique("the last"));
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
    // Stays as close to the tail as it can, where the writer is about to overwrite.
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

/// Whether a child still runs.
fn alive(child: &Child) -> bool {
    // SAFETY: all zero is a valid siginfo, and the kernel fills it in; the child is left to be waited for.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        libc::waitid(libc::P_PID, child.pid() as libc::id_t, &mut info, flags);
        info.si_pid() == 0
    }
}

fn log_flood_of_printk_and_writes_together_stays_in_order() {
    const EACH: usize = 300;
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
