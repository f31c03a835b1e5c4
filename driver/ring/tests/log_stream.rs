// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Compares random streams of records with a model: delivered records are as written, and others
//! are counted.

#![cfg(not(loom))]

mod common;

use std::collections::VecDeque;

use common::{check_lanes, few, intact, Made, Memory, Start};
use fanlight_ring::{
    AttachError, Cursor, End, Entry, Next, Read, Record, Refused, Ring, Writer, BODY_MAX,
    KERNEL_LANE_MIN, RECORD_MAX, USER, USER_LANE_MIN,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Skip(u64),
    GiveUp,
    Next(usize, usize),
    Copy(usize, usize),
    /// The reader, the limit in bytes, and how many of the records to read.
    Span(usize, usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop_oneof![0..100usize, 0..BODY_MAX, Just(BODY_MAX)].prop_map(Step::Write),
        1 => (0..5u64).prop_map(Step::Skip),
        1 => Just(Step::GiveUp),
        4 => (0..3usize, 0..40usize).prop_map(|(reader, n)| Step::Next(reader, n)),
        2 => (0..3usize, RECORD_MAX..3 * RECORD_MAX).prop_map(|(reader, n)| Step::Copy(reader, n)),
        2 => (0..3usize, 0..3 * RECORD_MAX, 0..60usize)
            .prop_map(|(reader, bytes, n)| Step::Span(reader, bytes, n)),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    let near = |wrap: u64| (0..200_000u64).prop_map(move |back| (wrap - back) & !7);
    let position = prop_oneof![Just(0u64), near(1 << 31), near(1 << 32), near(1 << 40)];
    let near = |wrap: u64| (0..300u64).prop_map(move |back| wrap - back);
    let seq = prop_oneof![Just(0u64), near(1 << 31), near(1 << 32), near(1 << 40)];
    (position, seq).prop_map(|(position, seq)| Start { position, seq })
}

fn lanes() -> impl Strategy<Value = Memory> {
    any::<bool>().prop_map(|both| match both {
        true => Memory::both(),
        false => Memory::new(KERNEL_LANE_MIN),
    })
}

/// A reader, and its state in the model.
struct Reader {
    cursor: Cursor,
    /// The number after that of the last record that was read or reported as lost.
    next: u64,
}

/// Checks that a record is the next one, and as it was written.
fn check(record: &Record<'_>, next: &mut u64, model: &VecDeque<(u64, Made)>) {
    assert_eq!(record.seq, *next);
    let made = model.iter().rev().find(|made| made.0 == record.seq);
    assert_eq!(record.entry, made.unwrap().1.entry());
    *next += 1;
}

fn run(memory: &Memory, start: Start, steps: Vec<Step>) {
    let (ring, writer, cursor) = memory.start(start);
    let ring = &ring;
    let mut model = VecDeque::new();
    let (mut next, mut given_up) = (start.seq, 0);
    let (mut written, mut skipped, mut dropped) = (0, 0, 0);
    let mut readers: Vec<_> = (0..3)
        .map(|_| Reader {
            cursor: cursor.clone(),
            next: start.seq,
        })
        .collect();
    let mut buffer = vec![0; 3 * RECORD_MAX];

    let drain = (0..3).map(|reader| Step::Next(reader, usize::MAX));
    for step in steps.into_iter().chain([Step::Write(0)]).chain(drain) {
        match step {
            Step::Write(body) => {
                next += given_up;
                given_up = 0;
                let made = Made::new(next, body);
                assert_eq!(writer.append(ring, &made.entry()).unwrap().seq, next);
                model.push_back((next, made));
                next += 1;
                written += 1;
            }
            Step::Skip(n) => {
                writer.skip(n);
                next += n;
                skipped += n;
            }
            Step::GiveUp => {
                writer.give_up();
                given_up += 1;
                dropped += 1;
            }
            Step::Next(reader, n) => {
                let Reader { cursor, next } = &mut readers[reader];
                for _ in 0..n {
                    match cursor.next(ring, &mut buffer) {
                        Next::Record(record) => check(&record, next, &model),
                        Next::Lost(n) => *next += n,
                        Next::Empty => break,
                        Next::Short(_) => unreachable!(),
                    }
                }
            }
            Step::Copy(reader, size) => {
                let Reader { cursor, next } = &mut readers[reader];
                match cursor.read(ring, usize::MAX, None) {
                    Read::Records(span) => {
                        let mut rest = span.copy(&mut buffer[..size]).unwrap();
                        assert!(!rest.is_empty());
                        while let Some(record) = Record::parse(rest) {
                            check(&record, next, &model);
                            rest = &rest[record.bytes().len()..];
                        }
                        assert!(rest.is_empty());
                    }
                    Read::Lost(n) => *next += n,
                    Read::Empty => {}
                }
                assert!(cursor.seq().is_none_or(|seq| seq == *next));
            }
            Step::Span(reader, bytes, n) => {
                let Reader { cursor, next } = &mut readers[reader];
                match cursor.read(ring, bytes, None) {
                    Read::Records(mut span) => {
                        let (mut largest, mut all) = (0, 0);
                        for record in span.by_ref().take(n) {
                            assert_eq!(record.seq(), *next);
                            let made = &model.iter().rev().find(|made| made.0 == *next).unwrap().1;
                            let copy = Record::parse(record.copy(&mut buffer).unwrap()).unwrap();
                            let entry = made.entry();
                            assert_eq!(copy.entry, entry);
                            let fields = (record.ns(), record.flags(), record.level());
                            assert_eq!(fields, (entry.ns, entry.flags, entry.level));
                            let fields = (record.facility(), record.caller(), record.text_len());
                            assert_eq!(fields, (entry.facility, entry.caller, entry.text.len()));
                            largest = largest.max(record.size());
                            all += record.size();
                            *next += 1;
                        }
                        // At least one record, and not more bytes than requested.
                        assert!(n == 0 || all != 0);
                        assert!(all <= bytes.max(largest));
                        assert_eq!(span.bytes(), all);
                        if n != 0 && n % 2 == 0 {
                            span.undo();
                            *next -= 1;
                        }
                        assert!(span.commit());
                        assert_eq!(cursor.seq(), Some(*next));
                    }
                    Read::Lost(n) => *next += n,
                    Read::Empty => {}
                }
            }
        }
        check_lanes(ring);
    }

    let counts = writer.counts();
    assert_eq!(writer.next_seq(), next);
    assert_eq!(
        (counts.written, counts.skipped, counts.dropped),
        (written, skipped, dropped)
    );
    for reader in &readers {
        assert_eq!(reader.cursor.damaged(), 0);
        assert_eq!(reader.cursor.unread_bytes(ring), 0);
        assert_eq!(reader.cursor.seq(), Some(reader.next));
        assert_eq!(Cursor::newest(ring).seq(), Some(reader.next));
    }
    let newest = writer.newest(ring);
    assert_eq!((newest.seq(), newest.unread_bytes(ring)), (Some(next), 0));
    // The remaining records can be read again from the oldest on; all others were overwritten.
    let mut cursor = Cursor::oldest(ring);
    let mut there = 0;
    loop {
        match cursor.next(ring, &mut buffer) {
            Next::Record(_) => there += 1,
            Next::Lost(_) => {}
            _ => break,
        }
    }
    assert_eq!(counts.overwritten + there, written);
}

proptest! {
    #![proptest_config(common::cases(400, 1))]

    #[test]
    fn log_stream_delivered_and_lost_make_written(
        memory in lanes(),
        start in start(),
        steps in prop::collection::vec(step(), 1..few(300, 40)),
    ) {
        run(&memory, start, steps);
    }

    #[test]
    fn log_stream_from_a_sequence_number(
        memory in lanes(), start in start(), n in 1..few(400u64, 40), from in 0..400u64,
    ) {
        let (ring, writer, _) = memory.start(start);
        for seq in start.seq..start.seq + n {
            writer.append(&ring, &Made::new(seq, 200).entry()).unwrap();
        }
        let from = start.seq + from.min(n);
        let mut cursor = Cursor::at_seq(&ring, from);
        let mut buffer = [0; RECORD_MAX];
        let mut heard = 0;
        loop {
            match cursor.next(&ring, &mut buffer) {
                Next::Record(record) => {
                    prop_assert!(intact(&record));
                    heard += 1;
                }
                Next::Lost(lost) => heard += lost,
                _ => break,
            }
        }
        prop_assert_eq!(from + heard, start.seq + n);
    }
}

fn text(text: &[u8], flags: u8) -> Entry<'_> {
    Entry {
        text,
        flags,
        ..Entry::default()
    }
}

/// Numbers of the records from the cursor on.
fn numbers(ring: &Ring<'_>, cursor: &mut Cursor) -> Vec<u64> {
    let mut buffer = [0; RECORD_MAX];
    let mut seen = vec![];
    loop {
        match cursor.next(ring, &mut buffer) {
            Next::Record(record) => seen.push(record.seq),
            Next::Lost(_) => {}
            _ => return seen,
        }
    }
}

#[test]
fn log_lanes_programs_cannot_displace_the_kernel() {
    let memory = Memory::both();
    let (ring, writer, mut cursor) = memory.start(Start::default());
    for _ in 0..10 {
        writer.append(&ring, &text(b"kernel", 0)).unwrap();
    }
    for _ in 0..10_000 {
        writer.append(&ring, &text(b"program", USER)).unwrap();
    }
    writer.append(&ring, &text(b"kernel", 0)).unwrap();
    let seen = numbers(&ring, &mut cursor);
    assert_eq!(seen[..10], (0..10).collect::<Vec<u64>>()[..]);
    assert_eq!(*seen.last().unwrap(), 10_010);
    assert_eq!(seen.len() as u64 + cursor.lost(), 10_011);
    // Records that were overwritten before the reader was created are not lost, in neither lane.
    let mut late = Cursor::oldest(&ring);
    assert_eq!(numbers(&ring, &mut late), seen);
    assert_eq!(late.lost(), 0);
}

#[test]
fn log_lanes_of_an_earlier_boot_are_one() {
    let memory = Memory::new(KERNEL_LANE_MIN);
    let (ring, writer, mut cursor) = memory.start(Start::default());
    writer.append(&ring, &text(b"kernel", 0)).unwrap();
    writer.append(&ring, &text(b"program", USER)).unwrap();
    assert_eq!(numbers(&ring, &mut cursor), [0, 1]);
}

/// A number and its position: the record in the lane that is checked first is the later one.
#[test]
fn log_lanes_are_merged_by_number() {
    let memory = Memory::both();
    let (ring, writer, mut cursor) = memory.start(Start::default());
    let pattern = [0, USER, USER, 0, 0, USER, 0, USER, USER, USER, 0];
    for round in 0..20 {
        for flags in pattern {
            writer.append(&ring, &text(b"x", flags)).unwrap();
        }
        let first = round * pattern.len() as u64;
        let expected: Vec<u64> = (first..first + pattern.len() as u64).collect();
        assert_eq!(numbers(&ring, &mut cursor), expected);
    }
    assert_eq!((cursor.lost(), cursor.damaged()), (0, 0));
}

/// The number of records that one append walks over is bounded, whatever the size of the ring.
#[test]
fn log_worst_append_walks_a_bounded_number_of_records() {
    for shift in 16..=few(24, 16) {
        let size = 1usize << shift;
        let memory = Memory::new(size);
        let (ring, writer, _) = memory.start(Start::default());
        let mut worst = 0;
        let mut before = 0;
        let small = size / 32;
        for n in 0..2 * small + small / 2 {
            // The shortest records, then with some of the longest among them.
            let body = if n > small && n % 1000 == 0 {
                BODY_MAX
            } else {
                0
            };
            let body = vec![b'x'; body];
            writer.append(&ring, &text(&body, 0)).unwrap();
            let overwritten = writer.counts().overwritten;
            worst = worst.max(overwritten - before);
            before = overwritten;
        }
        assert!(before > 0);
        // Twice the longest record, for one at the end of the data, and 4 KiB.
        assert!(worst <= (2 * 2048 + 4096) / 32, "{size}: {worst}");
    }
}

#[test]
fn log_end_is_where_the_heads_were() {
    let memory = Memory::both();
    let (ring, writer, mut cursor) = memory.start(Start::default());
    for n in 0..10 {
        writer.append(&ring, &text(b"before", n % 2)).unwrap();
    }
    let end = End::now(&ring);
    let mut buffer = [0; RECORD_MAX];
    let mut seen = 0;
    // The reader ends although there is a new record for each one that it reads.
    while let Next::Record(record) = cursor.next_before(&ring, &mut buffer, Some(&end)) {
        assert_eq!(record.entry.text, b"before");
        seen += 1;
        writer.append(&ring, &text(b"after", seen % 2)).unwrap();
    }
    assert_eq!(seen, 10);
    assert_eq!(numbers(&ring, &mut cursor).len(), 10);
}

/// The end also applies to a reader that was overtaken.
#[test]
fn log_end_is_met_when_overtaken() {
    let memory = Memory::both();
    let (ring, writer, mut cursor) = memory.start(Start::default());
    writer.append(&ring, &text(b"before", 0)).unwrap();
    let end = End::now(&ring);
    for _ in 0..10_000 {
        writer.append(&ring, &text(b"after", 0)).unwrap();
    }
    let mut buffer = [0; RECORD_MAX];
    let found = cursor.next_before(&ring, &mut buffer, Some(&end));
    assert_eq!(found, Next::Empty);
}

#[test]
fn log_newest_is_behind_all_and_walks_nothing() {
    let memory = Memory::both();
    let (ring, writer, _) = memory.start(Start::default());
    assert_eq!(writer.newest(&ring).seq(), Some(0));
    for n in 0..3000 {
        writer.append(&ring, &text(b"x", (n % 2) as u8)).unwrap();
    }
    // Without records to walk over, the cursor is the same.
    let mut cursor = writer.newest(&ring);
    for word in &memory.data {
        word.store(0xffff_ffff);
    }
    let mut blind = writer.newest(&ring);
    assert_eq!(blind.seq(), Some(3000));
    for cursor in [&mut cursor, &mut blind] {
        assert_eq!((cursor.unread_bytes(&ring), cursor.damaged()), (0, 0));
    }
    writer.append(&ring, &text(b"x", 0)).unwrap();
    for cursor in [&mut cursor, &mut blind] {
        assert_eq!(numbers(&ring, cursor), [3000]);
        assert_eq!((cursor.lost(), cursor.damaged()), (0, 0));
    }
}

#[test]
fn log_clear_forgets_and_goes_on() {
    let memory = Memory::both();
    let (ring, writer, mut before) = memory.start(Start::default());
    for n in 0..1000 {
        writer
            .append(&ring, &text(b"secret", (n % 2) as u8))
            .unwrap();
    }
    writer.clear(&ring);
    assert!(memory.data.iter().all(|word| word.load() == 0));
    assert_eq!(writer.counts().overwritten, 1000);
    let mut buffer = [0; RECORD_MAX];
    assert_eq!(before.next(&ring, &mut buffer), Next::Empty);
    let mut after = Cursor::oldest(&ring);
    assert_eq!(after.next(&ring, &mut buffer), Next::Empty);
    writer.append(&ring, &text(b"new", 0)).unwrap();
    assert_eq!(numbers(&ring, &mut after), [1000]);
    assert_eq!(after.lost(), 0);
    assert_eq!(numbers(&ring, &mut before), [1000]);
    assert_eq!(before.lost(), 1000);
}

#[test]
fn log_record_with_contradictory_lengths_is_skipped() {
    let memory = Memory::new(KERNEL_LANE_MIN);
    let (ring, writer, mut cursor) = memory.start(Start::default());
    for _ in 0..3 {
        writer.append(&ring, &text(b"text", 0)).unwrap();
    }
    // The text of the second one is longer than the record.
    let word = &memory.data[10 + 7];
    word.store(word.load() | 0xffff);
    let mut buffer = [0; RECORD_MAX];
    assert!(matches!(cursor.next(&ring, &mut buffer), Next::Record(record) if record.seq == 0));
    assert_eq!(cursor.next(&ring, &mut buffer), Next::Lost(1));
    assert!(matches!(cursor.next(&ring, &mut buffer), Next::Record(record) if record.seq == 2));
    assert_eq!(cursor.next(&ring, &mut buffer), Next::Empty);
    assert_eq!((cursor.lost(), cursor.damaged()), (1, 1));
}

#[test]
fn log_stream_short_buffer_keeps_the_record() {
    let memory = Memory::new(KERNEL_LANE_MIN);
    let (ring, writer, mut cursor) = memory.start(Start::default());
    let made = Made::new(0, 100);
    writer.append(&ring, &made.entry()).unwrap();
    assert_eq!(cursor.next(&ring, &mut [0; 8]), Next::Short(136));
    assert_eq!(cursor.next(&ring, &mut [0; 135]), Next::Short(136));
    assert!(matches!(cursor.next(&ring, &mut [0; 136]), Next::Record(_)));
    assert_eq!(cursor.next(&ring, &mut [0; 136]), Next::Empty);
}

/// Only records whose writer could not wait count as dropped.
#[test]
fn log_stream_too_long_takes_no_number_and_is_not_dropped() {
    let memory = Memory::new(KERNEL_LANE_MIN);
    let (ring, writer, mut cursor) = memory.start(Start::default());
    let made = Made::new(0, BODY_MAX + 1);
    let refused = writer.append(&ring, &made.entry()).unwrap_err();
    assert_eq!(refused, Refused::TooLong);
    assert_eq!(writer.next_seq(), 0);
    assert_eq!(writer.counts(), Default::default());
    writer.give_up();
    writer.give_up();
    assert_eq!((writer.next_seq(), writer.counts().dropped), (2, 2));
    writer.append(&ring, &text(b"x", 0)).unwrap();
    assert_eq!(numbers(&ring, &mut cursor), [2]);
    assert_eq!(cursor.lost(), 2);
    let counts = writer.counts();
    assert_eq!((counts.written, counts.dropped), (1, 2));
}

#[test]
fn log_stream_appended_words_are_the_record() {
    let memory = Memory::both();
    let (ring, writer, _) = memory.start(Start::default());
    for n in 0..1000u64 {
        let made = Made::new(n, n as usize % 200);
        let appended = writer.append(&ring, &made.entry()).unwrap();
        let words = appended.words.iter();
        let bytes: Vec<u8> = words.flat_map(|word| word.load().to_ne_bytes()).collect();
        let record = Record::parse(&bytes).unwrap();
        assert_eq!((record.seq, appended.seq), (n, n));
        assert_eq!((record.entry, record.check()), (made.entry(), 0));
        assert_eq!(record.bytes(), &bytes[..]);
    }
}

#[test]
fn log_stream_numbers_of_an_earlier_boot_are_kept() {
    let memory = Memory::new(KERNEL_LANE_MIN);
    let start = Start {
        seq: 17,
        position: 0,
    };
    let (ring, writer, mut cursor) = memory.start(start);
    let seqs = [17, 18, 1 << 40, 1 << 61];
    for seq in seqs {
        let made = Made::new(seq, 40);
        let appended = writer.append_with_seq(&ring, &made.entry(), seq);
        assert_eq!(appended.unwrap().seq, seq);
    }
    let again = writer.append_with_seq(&ring, &Made::new(18, 40).entry(), 18);
    assert_eq!(again.unwrap_err(), Refused::Disordered);
    assert_eq!(numbers(&ring, &mut cursor), seqs);
    assert_eq!(writer.counts().written, 4);
    assert_eq!(cursor.lost(), (1 << 61) - 17 - 3);
}

#[test]
fn log_stream_attach_checks_the_header() {
    let memory = Memory::both();
    let attach = |data| Ring::attach(&memory.header, data).err();
    assert_eq!(attach(&memory.data), Some(AttachError::Magic));
    let ring = memory.ring(Start::default());
    assert_eq!(ring.header().boot_id(), [7; 16]);
    assert_eq!(memory.attach().size(), KERNEL_LANE_MIN + USER_LANE_MIN);
    assert_eq!(attach(&memory.data[1..]), Some(AttachError::Size));
    for (lane, field, value) in [
        (0, 0, 3 * KERNEL_LANE_MIN as u32),
        (0, 0, 0),
        (0, 0, KERNEL_LANE_MIN as u32 / 2),
        (1, 0, KERNEL_LANE_MIN as u32),
        (1, 1, 4096 + KERNEL_LANE_MIN as u32 + 8),
        (1, 1, 4096 + KERNEL_LANE_MIN as u32 - 4),
        (0, 1, 0),
        (0, 1, u32::MAX),
    ] {
        let lane = &memory.header.lanes[lane];
        let word = [&lane.size, &lane.offset][field];
        let good = word.load();
        word.store(value);
        assert_eq!(attach(&memory.data), Some(AttachError::Size), "{value}");
        word.store(good);
    }
    assert_eq!(attach(&memory.data), None);
    memory.header.version.store(1);
    assert_eq!(attach(&memory.data), Some(AttachError::Version(1)));
}

fn writer_of(memory: &Memory) -> (Ring<'_>, Writer) {
    let (ring, writer, _) = memory.start(Start::default());
    (ring, writer)
}

#[test]
fn log_final_writer_is_the_only_one() {
    let memory = Memory::both();
    let (ring, writer) = writer_of(&memory);
    writer.append(&ring, &text(b"first", 0)).unwrap();
    let mut last = writer.take_over(&ring).unwrap();
    assert!(writer.take_over(&ring).is_none());
    for flags in [0, USER] {
        let refused = writer.append(&ring, &text(b"late", flags)).unwrap_err();
        assert_eq!(refused, Refused::Busy);
    }
    for _ in 0..5000 {
        last.append(&writer, &ring, &text(b"Kernel panic", 0))
            .unwrap();
    }
    // The right to append is valid for one ring only.
    let other = Memory::both();
    let (other, other_writer) = writer_of(&other);
    let refused = last
        .append(&other_writer, &other, &text(b"x", 0))
        .unwrap_err();
    assert_eq!(refused, Refused::Busy);
    let mut cursor = Cursor::oldest(&ring);
    let seen = numbers(&ring, &mut cursor);
    assert!(seen.len() > 100);
    assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(cursor.damaged(), 0);
}
