// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Readers and writers on real processors: torn copies are never delivered, and lost records are
//! counted.

#![cfg(not(loom))]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::thread;

use common::{few, intact, Made, Memory, Start};
use fanlight_ring::{Cursor, Next, Read, Record, Word, KERNEL_LANE_MIN, RECORD_MAX};

const RECORDS: u64 = few(200_000, 100);

const START: Start = Start {
    position: (1 << 32) - 40_000,
    seq: (1 << 31) - 1000,
};

#[derive(Clone, Copy)]
enum Form {
    Single,
    Copy,
    Span,
}

/// Reads until `end`; returns how many records were delivered, and lost.
fn read(memory: &Memory, mut cursor: Cursor, form: Form, end: &AtomicBool) -> (u64, u64) {
    let ring = &memory.attach();
    let mut buffer = vec![0; 4 * RECORD_MAX];
    let mut delivered = 0;
    let mut parse = |mut rest: &[u8]| {
        while let Some(record) = Record::parse(rest) {
            assert!(intact(&record));
            delivered += 1;
            rest = &rest[record.bytes().len()..];
        }
        assert!(rest.is_empty());
    };
    loop {
        // Loaded before the read, so that all records that were written before the end are read.
        let ended = end.load(Ordering::Acquire);
        let mut any = true;
        match form {
            Form::Single => match cursor.next(ring, &mut buffer) {
                Next::Record(record) => parse(record.bytes()),
                Next::Lost(_) => {}
                Next::Empty => any = false,
                Next::Short(_) => unreachable!(),
            },
            Form::Copy => match cursor.read(ring, usize::MAX, None) {
                Read::Records(span) => parse(span.copy(&mut buffer).unwrap_or_default()),
                Read::Lost(_) => {}
                Read::Empty => any = false,
            },
            Form::Span => match cursor.read(ring, 4 * RECORD_MAX, None) {
                Read::Records(mut span) => {
                    // All their words, to be checked once they are known to be valid.
                    let seen: Vec<u32> = span
                        .by_ref()
                        .flat_map(|record| record.words().iter().map(Word::load))
                        .collect();
                    if span.commit() {
                        let bytes: Vec<u8> =
                            seen.iter().flat_map(|word| word.to_ne_bytes()).collect();
                        parse(&bytes);
                    }
                }
                Read::Lost(_) => {}
                Read::Empty => any = false,
            },
        }
        if ended && !any {
            assert_eq!(cursor.damaged(), 0);
            return (delivered, cursor.lost());
        }
        if !any {
            thread::yield_now();
        }
    }
}

/// Three writers under a lock, two lanes, six readers.
fn storm(sizes: [usize; 2]) {
    let memory = Memory::with(sizes);
    let (ring, writer, cursor) = memory.start(START);
    let (ring, writer) = (&ring, &writer);
    let end = AtomicBool::new(false);
    let lock = Mutex::new(());
    thread::scope(|scope| {
        let readers: Vec<_> = (0..6usize)
            .map(|i| {
                let (memory, end, cursor) = (&memory, &end, cursor.clone());
                let form = [Form::Single, Form::Copy, Form::Span][i % 3];
                scope.spawn(move || read(memory, cursor, form, end))
            })
            .collect();
        let writers: Vec<_> = (0..3)
            .map(|_| {
                let lock = &lock;
                scope.spawn(move || {
                    for n in 0..RECORDS / 3 {
                        let _lock = lock.lock().unwrap();
                        let seq = writer.next_seq();
                        let made = Made::new(seq, (n * 7 % 97) as usize);
                        assert_eq!(writer.append(ring, &made.entry()).unwrap().seq, seq);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        end.store(true, Ordering::Release);
        for reader in readers {
            let (delivered, lost) = reader.join().unwrap();
            assert_eq!(delivered + lost, RECORDS / 3 * 3);
            assert!(delivered > 0);
        }
        assert_eq!(writer.counts().written, RECORDS / 3 * 3);
    });
}

#[test]
fn log_torn_copies_are_never_delivered() {
    storm([KERNEL_LANE_MIN, 0]);
}

#[test]
fn log_torn_copies_are_never_delivered_of_two_lanes() {
    storm([KERNEL_LANE_MIN, KERNEL_LANE_MIN / 2]);
}

#[test]
fn log_torn_span_is_void_after_it_was_overtaken() {
    let memory = Memory::new(KERNEL_LANE_MIN);
    let (ring, writer, mut cursor) = memory.start(START);
    let write = |n: u64| {
        let seq = START.seq + n;
        writer.append(&ring, &Made::new(seq, 200).entry()).unwrap();
    };
    write(0);
    let Read::Records(mut span) = cursor.read(&ring, 4096, None) else {
        panic!();
    };
    assert!(span.next().is_some());
    (1..200).for_each(write);
    assert!(!span.commit());
    let mut buffer = [0; RECORD_MAX];
    let Next::Lost(lost) = cursor.next(&ring, &mut buffer) else {
        panic!();
    };
    let Next::Record(record) = cursor.next(&ring, &mut buffer) else {
        panic!();
    };
    assert_eq!(record.seq, START.seq + lost);
    assert!(intact(&record));
}

/// A reader is stopped in the middle of a copy while the low halves of the positions wrap around.
#[test]
fn log_torn_span_is_void_after_the_position_went_round() {
    for ahead in [1u64 << 31, (1 << 32) - 8, 1 << 32, (1 << 32) + 8, 3 << 31] {
        let memory = Memory::new(KERNEL_LANE_MIN);
        let (ring, writer, mut cursor) = memory.start(Start::default());
        writer.append(&ring, &Made::new(0, 8).entry()).unwrap();
        let Read::Records(mut span) = cursor.read(&ring, 4096, None) else {
            panic!();
        };
        assert!(span.next().is_some());
        let lane = &memory.header.lanes[0];
        let to = u64::from(lane.head.load()) + ahead;
        lane.epoch.store((to >> 31) as u32);
        lane.tail.store(to as u32);
        lane.head.store(to as u32);
        assert!(!span.commit(), "{ahead:#x}");
    }
}
