// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Readers and writers on real processors: torn copies are never delivered, and what is lost is counted.

#![cfg(not(loom))]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use common::{few, intact, Made, Memory};
use fanlight_ring::{
    Cursor, Item, Look, Mode, Next, Peek, Record, Refused, Start, Word, Writer, DATA_MIN,
    RECORD_MAX,
};

const RECORDS: u64 = few(200_000, 100);

const START: Start = Start {
    position: 0u64.wrapping_sub(40_000),
    seq: 0u64.wrapping_sub(1000),
};

#[derive(Clone, Copy)]
enum Form {
    Single,
    Batch,
    Span,
}

/// Reads until `end`; returns how many records were delivered, and lost.
fn read(memory: &Memory, mut cursor: Cursor, form: Form, end: &AtomicBool) -> (u64, u64) {
    let ring = memory.attach();
    let mut buffer = vec![0; 4 * RECORD_MAX];
    let mut delivered = 0;
    loop {
        // Before it looks: what was written before the end is read.
        let ended = end.load(Ordering::Acquire);
        let mut any = false;
        match form {
            Form::Batch => {
                if let Some(batch) = cursor.batch(ring, &mut buffer) {
                    any = true;
                    for item in batch {
                        if let Item::Record(record) = item {
                            assert!(intact(&record));
                            delivered += 1;
                        }
                    }
                }
            }
            Form::Single => match cursor.next(ring, &mut buffer) {
                Next::Record(record) => {
                    assert!(intact(&record));
                    delivered += 1;
                    any = true;
                }
                Next::Lost(_) => any = true,
                Next::Empty => {}
                Next::Short(_) => unreachable!(),
            },
            Form::Span => match cursor.span(ring, 4 * RECORD_MAX) {
                Look::Records(mut span) => {
                    any = true;
                    // Every word of them, to be judged when they are known to be good.
                    let seen: Vec<u32> = span
                        .by_ref()
                        .flat_map(|slot| slot.words().iter().map(Word::load))
                        .collect();
                    if span.commit() {
                        let bytes: Vec<u8> =
                            seen.iter().flat_map(|word| word.to_ne_bytes()).collect();
                        let mut rest = &bytes[..];
                        while let Some(record) = Record::parse(rest) {
                            assert!(intact(&record));
                            delivered += 1;
                            rest = &rest[record.bytes().len()..];
                        }
                        assert!(rest.is_empty());
                    }
                }
                Look::Lost(_) => any = true,
                Look::Empty => {}
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

#[test]
fn log_torn_copies_are_never_delivered() {
    let memory = Memory::new(DATA_MIN);
    let ring = memory.ring(START);
    let writer = Writer::new(START);
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..6usize)
            .map(|i| {
                let (memory, end) = (&memory, &end);
                let cursor = Cursor::oldest(ring);
                let form = [Form::Single, Form::Batch, Form::Span][i % 3];
                scope.spawn(move || read(memory, cursor, form, end))
            })
            .collect();
        for n in 0..RECORDS {
            let seq = START.seq.wrapping_add(n);
            let made = Made::new(seq, (n * 7 % 97) as usize);
            assert_eq!(writer.append(ring, &made.entry(), Mode::Normal), Ok(seq));
        }
        end.store(true, Ordering::Release);
        for reader in readers {
            let (delivered, lost) = reader.join().unwrap();
            assert_eq!(delivered + lost, RECORDS);
            assert!(delivered > 0);
        }
    });
}

/// Many write without a lock. Who is refused has lost a record, and readers know.
#[test]
fn log_torn_many_writers_without_a_lock() {
    let memory = Memory::new(DATA_MIN);
    let ring = memory.ring(START);
    let writer = Writer::new(START);
    let end = AtomicBool::new(false);
    let refused = AtomicU64::new(0);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|i| {
                let (memory, end) = (&memory, &end);
                let cursor = Cursor::oldest(ring);
                scope.spawn(move || {
                    let mut cursor = cursor;
                    let ring = memory.attach();
                    let mut buffer = vec![0; 4 * RECORD_MAX];
                    let mut delivered = 0;
                    loop {
                        let ended = end.load(Ordering::Acquire);
                        match cursor.next(ring, &mut buffer) {
                            // The text says who wrote it.
                            Next::Record(record) => {
                                let [by, rest @ ..] = record.entry.text else {
                                    panic!("{record:?}");
                                };
                                assert!(rest.iter().all(|byte| byte == by));
                                assert_eq!(record.entry.caller, u32::from(*by));
                                delivered += 1;
                            }
                            Next::Lost(_) => {}
                            _ if ended => return (i, delivered + cursor.lost()),
                            _ => thread::yield_now(),
                        }
                    }
                })
            })
            .collect();
        let writers: Vec<_> = (0..3u8)
            .map(|by| {
                let (writer, refused) = (&writer, &refused);
                scope.spawn(move || {
                    for n in 0..RECORDS / 4 {
                        let text = vec![by; 1 + n as usize % 50];
                        let entry = fanlight_ring::Entry {
                            caller: u32::from(by),
                            text: &text,
                            ..Default::default()
                        };
                        match writer.append(ring, &entry, Mode::Normal) {
                            Ok(_) => {}
                            Err(Refused::Busy) => {
                                refused.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(Refused::TooLong) => unreachable!(),
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        // Numbers that were missed at the end are passed over by the next record.
        let last = fanlight_ring::Entry {
            text: &[0],
            ..Default::default()
        };
        writer.append(ring, &last, Mode::Normal).unwrap();
        end.store(true, Ordering::Release);

        let all = RECORDS / 4 * 3 + 1;
        let counts = writer.counts(ring);
        assert_eq!(counts.dropped, refused.load(Ordering::Relaxed));
        assert_eq!(counts.written, all - counts.dropped);
        assert_eq!(writer.next_seq(), START.seq.wrapping_add(all));
        for reader in readers {
            assert_eq!(reader.join().unwrap().1, all);
        }
    });
}

#[test]
fn log_torn_slot_is_void_after_it_was_overtaken() {
    let memory = Memory::new(DATA_MIN);
    let ring = memory.ring(START);
    let writer = Writer::new(START);
    let mut cursor = Cursor::oldest(ring);
    let write = |n: u64| {
        let seq = START.seq.wrapping_add(n);
        writer
            .append(ring, &Made::new(seq, 200).entry(), Mode::Normal)
            .unwrap();
    };
    write(0);
    let Peek::Record(slot) = cursor.peek(ring) else {
        panic!();
    };
    assert!(slot.still_valid(ring));
    let mut buffer = [0; RECORD_MAX];
    assert!(slot.copy(ring, &mut buffer));
    (1..200).for_each(write);
    assert!(!slot.still_valid(ring));
    assert!(!slot.copy(ring, &mut buffer));
    let Next::Lost(lost) = cursor.next(ring, &mut buffer) else {
        panic!();
    };
    let Next::Record(record) = cursor.next(ring, &mut buffer) else {
        panic!();
    };
    assert_eq!(record.seq, START.seq.wrapping_add(lost));
    assert!(intact(&record));
}
