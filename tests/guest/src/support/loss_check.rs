// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readers by map and by read(), of different speed, during a flood: for each of them, delivered
//! and lost records add up to the written ones, no delivered record is torn, and the records of
//! each writer are in order.

use std::collections::HashMap;
use std::time::Duration;

use libc::{O_NONBLOCK, O_RDONLY};

use crate::support::child::{Child, Signal};
use crate::support::dev::Spec;
use crate::support::log::{append, number, stats, text, unique, Messages, Reader};
use crate::support::sys::{Ended, Errno};

/// A text that lets a reader check that a record is whole: its number determines the letter and the
/// number of letters.
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

/// Four readers that wait for the last record, fast and slow, by map and by read().
pub struct Readers {
    spec: &'static Spec,
    /// The first word of the flood's records.
    pub mark: String,
    last: String,
    readers: Vec<Child>,
}

impl Readers {
    /// Returns when all readers are at the end of the log: they account for all later records.
    pub fn start(spec: &'static Spec, what: &str) -> Self {
        let (mark, last) = (unique(what), unique("the last"));
        append(&spec.open(), "before the flood");
        let ready = Signal::new();
        let readers: Vec<Child> = [(0, 0), (0, 20_000), (1, 0), (1, 20_000)]
            .into_iter()
            .map(|(way, pause)| {
                let (mark, last, ready) = (&mark, &last, &ready);
                Child::spawn(move || {
                    let read = if way == 0 { read_by_map } else { read_by_read };
                    read(spec, mark, last, pause, ready);
                    0
                })
            })
            .collect();
        for _ in &readers {
            ready.wait();
        }
        Self {
            spec,
            mark,
            last,
            readers,
        }
    }

    /// Writes the last record. Fails the test unless each reader accounts for all records before
    /// it.
    pub fn end(self) {
        append(&self.spec.open(), &self.last);
        for reader in self.readers {
            assert_eq!(reader.wait(), Ended::Exit(0));
        }
    }
}

/// The records of one reader: each is whole, and each stream is in order.
#[derive(Default)]
pub struct Delivered {
    count: u64,
    /// Those of the flood.
    pub ours: u64,
    next: HashMap<usize, usize>,
}

impl Delivered {
    pub fn add(&mut self, mark: &str, text: &str) {
        self.count += 1;
        let Some((stream, n)) = check(mark, text) else {
            return;
        };
        self.ours += 1;
        let next = self.next.entry(stream).or_default();
        assert!(n >= *next, "stream {stream}: {n} after {next}");
        *next = n + 1;
    }
}

fn read_by_map(spec: &Spec, mark: &str, last: &str, pause: u64, ready: &Signal) {
    let mut reader = Reader::at_the_end(spec);
    let first = reader.next_seq().expect("a record before");
    ready.send();
    let mut delivered = Delivered::default();
    loop {
        while let Some(record) = reader.next() {
            let text = record.text();
            delivered.add(mark, &text);
            if text == last {
                let lost = reader.lost;
                assert_eq!(
                    delivered.count + lost,
                    record.seq + 1 - first,
                    "lost {lost}"
                );
                return;
            }
            if pause > 0 && delivered.count % 64 == 0 {
                std::thread::sleep(Duration::from_micros(pause));
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn read_by_read(spec: &Spec, mark: &str, last: &str, pause: u64, ready: &Signal) {
    let log = Messages {
        fd: spec.open_with(O_RDONLY | O_NONBLOCK).fd,
    };
    let first = number(log.all().last().expect("a record before")) + 1;
    let lost_before = stats(log.raw()).lost;
    ready.send();
    let mut delivered = Delivered::default();
    loop {
        match log.next() {
            Ok(message) => {
                delivered.add(mark, text(&message));
                if text(&message) == last {
                    let lost = stats(log.raw()).lost - lost_before;
                    assert_eq!(
                        delivered.count + lost,
                        number(&message) + 1 - first,
                        "lost {lost}"
                    );
                    return;
                }
                if pause > 0 && delivered.count % 64 == 0 {
                    std::thread::sleep(Duration::from_micros(pause));
                }
            }
            Err(Errno::EPIPE) => {}
            Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(1)),
            Err(other) => panic!("read: {other:?}"),
        }
    }
}
