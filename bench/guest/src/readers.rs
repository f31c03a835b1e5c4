// SPDX-License-Identifier: MIT OR Apache-2.0
//! 10: several readers that follow a busy log without losses.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;

use fanlight::abi::{Watermark, IOC_LOG_WATERMARK};
use fanlight_ring::{Cursor, Read as Found};

use crate::device::{self, Kind, LOG};
use crate::drain::map_log;
use crate::meter::Sheet;
use crate::sys;

const COUNT: usize = 10_000;
/// Records that the kernel makes between two chances for the readers to run.
const BURST: usize = 10;
const LEN: usize = 64;

/// The results that a reader reports at its end.
#[derive(Clone, Copy, Default)]
pub struct Reading {
    records: u64,
    waits: u64,
    /// Instructions that it spent in the records, outside of the kernel.
    inside: u64,
    /// All of its processor time.
    pub all: u64,
}

pub fn readers(sheet: &mut Sheet) {
    let ours = run(4, COUNT, Kind::Fanlight, by_map);
    note(sheet, "fanlight map, 4 readers", &ours, 4);
    let ours = run(4, COUNT, Kind::Fanlight, |count, ready| {
        by_read(LOG, count, ready)
    });
    note(sheet, "fanlight read(), 4 readers", &ours, 4);
    let theirs = device::without_fanlight(|| {
        run(4, COUNT, Kind::Printk, |count, ready| {
            by_read("/dev/kmsg", count, ready)
        })
    });
    note(sheet, "/dev/kmsg, 4 readers", &theirs, 4);
}

fn note(sheet: &mut Sheet, name: &str, readings: &[Reading], readers: usize) {
    let all = COUNT * readers;
    let sum = |field: fn(&Reading) -> u64| readings.iter().map(field).sum::<u64>();
    let (cost, inside) = (sum(|reading| reading.all), sum(|reading| reading.inside));
    sheet.put(
        name,
        "records delivered",
        sum(|reading| reading.records) as f64,
    );
    sheet.each(name, "instructions/record and reader", cost, all);
    sheet.each(
        name,
        "of these in the kernel",
        cost.saturating_sub(inside),
        all,
    );
    sheet.put(
        name,
        "waits of all readers",
        sum(|reading| reading.waits) as f64,
    );
}

/// The work with `readers` readers, and their results.
pub fn run(
    readers: usize,
    count: usize,
    kind: Kind,
    reader: impl Fn(usize, &mut dyn FnMut()) -> Reading,
) -> Vec<Reading> {
    let mut children = Vec::new();
    for _ in 0..readers {
        let (mut from, mut to) = sys::pipe();
        let pid = sys::child(|| {
            let waits = sys::faults_and_waits().1;
            let mut start = 0;
            let mut reading = reader(count, &mut || {
                to.write_all(b"!").expect("the parent");
                start = sys::own_time();
            });
            reading.all = sys::own_time() - start;
            reading.waits = (sys::faults_and_waits().1 - waits) as u64;
            for number in [reading.records, reading.waits, reading.inside, reading.all] {
                to.write_all(&number.to_ne_bytes()).expect("the parent");
            }
        });
        drop(to);
        from.read_exact(&mut [0]).expect("a reader that is ready");
        children.push((pid, from));
    }
    for first in (0..count).step_by(BURST) {
        device::emit(kind, LEN, first, BURST);
    }
    let hear = |(pid, mut from): (_, std::fs::File)| {
        let mut number = || {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes)
                .expect("the results of a reader");
            u64::from_ne_bytes(bytes)
        };
        let reading = Reading {
            records: number(),
            waits: number(),
            inside: number(),
            all: number(),
        };
        sys::wait(pid);
        reading
    };
    children.into_iter().map(hear).collect()
}

/// One record per call, as dmesg and syslog daemons do.
pub fn by_read(path: &str, count: usize, ready: &mut dyn FnMut()) -> Reading {
    let file = sys::open(path);
    sys::seek_end(file.as_raw_fd());
    ready();
    let mut buffer = [0; 2048];
    let mut next = 0;
    while next < count {
        let len = sys::read(file.as_raw_fd(), &mut buffer).unwrap_or(0);
        // After the prefix, which ends with a semicolon.
        let text = buffer[..len]
            .splitn(2, |&byte| byte == b';')
            .nth(1)
            .unwrap_or_default();
        if text.get(..6) == Some(b"bench ") {
            let number = std::str::from_utf8(&text[6..14])
                .ok()
                .and_then(|hex| usize::from_str_radix(hex, 16).ok());
            assert_eq!(number, Some(next), "the next record");
            next += 1;
        }
    }
    Reading {
        records: next as u64,
        ..Reading::default()
    }
}

/// By map, woken for a thousand records or after a tenth of a second.
pub fn by_map(count: usize, ready: &mut dyn FnMut()) -> Reading {
    let file = sys::open(LOG);
    let map = map_log(LOG, 2 << 20);
    let ring = map.ring();
    let mut mark = Watermark {
        records: 1000,
        delay_us: 100_000,
        ..Watermark::default()
    };
    sys::ioctl(file.as_raw_fd(), IOC_LOG_WATERMARK, &mut mark);
    let mut cursor = Cursor::newest(&ring);
    ready();
    let (mut next, mut inside) = (0, 0);
    while next < count {
        sys::seek_end(file.as_raw_fd());
        if cursor.unread_bytes(&ring) == 0 {
            sys::poll_in(file.as_raw_fd());
        }
        let start = sys::now();
        loop {
            match cursor.read(&ring, 64 << 10, None) {
                Found::Empty => break,
                Found::Lost(lost) => panic!("{lost} records lost"),
                Found::Records(mut span) => {
                    let before = next;
                    for slot in span.by_ref() {
                        // "bench", a space and eight digits, of which the last four are looked at.
                        let words = slot.words();
                        if words.get(8).map(fanlight_ring::Word::load)
                            == Some(u32::from_ne_bytes(*b"benc"))
                        {
                            let digits = [10, 11].map(|at| words[at].load().to_ne_bytes());
                            let number = digits.as_flattened()[2..6].iter().fold(0, |n, &digit| {
                                (n << 4)
                                    | usize::from(if digit > b'9' {
                                        digit - b'a' + 10
                                    } else {
                                        digit - b'0'
                                    })
                            });
                            assert_eq!(number, next & 0xffff, "the next record");
                            next += 1;
                        }
                    }
                    if !span.commit() {
                        next = before;
                    }
                }
            }
        }
        inside += sys::now() - start;
    }
    Reading {
        records: next as u64,
        inside,
        ..Reading::default()
    }
}
