// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Random streams of records against a model: what is delivered is what was written, and what is not is counted.

#![cfg(not(loom))]

mod common;

use std::collections::VecDeque;

use common::{few, Made, Memory};
use fanlight_ring::{
    Cursor, Item, Look, Mode, Next, Peek, Record, Refused, Start, Writer, BODY_MAX, DATA_MIN,
    RECORD_MAX,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Skip(u64),
    Next(usize, usize),
    Batch(usize, usize),
    /// Of so many bytes, of which so many records are looked at.
    Span(usize, usize, usize),
    Peek(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop_oneof![0..100usize, 0..BODY_MAX, Just(BODY_MAX)].prop_map(Step::Write),
        1 => (0..5u64).prop_map(Step::Skip),
        4 => (0..3usize, 0..40usize).prop_map(|(reader, n)| Step::Next(reader, n)),
        2 => (0..3usize, RECORD_MAX..3 * RECORD_MAX).prop_map(|(reader, n)| Step::Batch(reader, n)),
        2 => (0..3usize, 0..3 * RECORD_MAX, 0..60usize)
            .prop_map(|(reader, bytes, n)| Step::Span(reader, bytes, n)),
        1 => (0..3usize).prop_map(Step::Peek),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    let near = |wrap: u64| (0..200_000u64).prop_map(move |back| wrap.wrapping_sub(back) & !7);
    let position = prop_oneof![
        Just(0u64),
        near(1 << 32),
        near(0),
        near(1 << 29),
        near(1 << 63)
    ];
    let near = |wrap: u64| (0..300u64).prop_map(move |back| wrap.wrapping_sub(back));
    let seq = prop_oneof![
        Just(0u64),
        near(1 << 32),
        near(0),
        near(1 << 24),
        near(1 << 63)
    ];
    (position, seq).prop_map(|(position, seq)| Start { position, seq })
}

/// A reader, and what it has seen.
struct Reader {
    cursor: Cursor,
    /// The number after that of the last thing it has heard of.
    next: u64,
}

impl Reader {
    fn lost(&mut self, n: u64) {
        assert_ne!(n, 0);
        self.next = self.next.wrapping_add(n);
    }

    /// A record is the next one, and it is as it was written.
    fn record(&mut self, record: &fanlight_ring::Record<'_>, model: &VecDeque<(u64, Made)>) {
        assert_eq!(record.seq, self.next);
        let made = &model
            .iter()
            .rev()
            .find(|made| made.0 == record.seq)
            .unwrap()
            .1;
        assert_eq!(record.entry, made.entry());
        self.next = self.next.wrapping_add(1);
    }
}

fn run(start: Start, steps: Vec<Step>) {
    let memory = Memory::new(DATA_MIN);
    let ring = memory.ring(start);
    let writer = Writer::new(start);
    let mut model = VecDeque::new();
    let mut next = start.seq;
    let (mut written, mut skipped) = (0, 0);
    let mut readers: Vec<_> = (0..3)
        .map(|_| Reader {
            cursor: Cursor::oldest(ring),
            next: start.seq,
        })
        .collect();
    let mut buffer = vec![0; 3 * RECORD_MAX];

    let drain = (0..3).map(|reader| Step::Next(reader, usize::MAX));
    for step in steps.into_iter().chain(drain) {
        match step {
            Step::Write(body) => {
                let made = Made::new(next, body);
                assert_eq!(writer.append(ring, &made.entry(), Mode::Normal), Ok(next));
                model.push_back((next, made));
                next = next.wrapping_add(1);
                written += 1;
            }
            Step::Skip(n) => {
                writer.skip(n);
                next = next.wrapping_add(n);
                skipped += n;
            }
            Step::Next(reader, n) => {
                let reader = &mut readers[reader];
                for _ in 0..n {
                    match reader.cursor.next(ring, &mut buffer) {
                        Next::Record(record) => reader.record(&record, &model),
                        Next::Lost(n) => reader.lost(n),
                        Next::Empty => break,
                        Next::Short(_) => unreachable!(),
                    }
                }
            }
            Step::Batch(reader, size) => {
                let Reader { mut cursor, next } = std::mem::replace(
                    &mut readers[reader],
                    Reader {
                        cursor: Cursor::newest(ring),
                        next: 0,
                    },
                );
                let mut at = Reader {
                    cursor: cursor.clone(),
                    next,
                };
                if let Some(batch) = cursor.batch(ring, &mut buffer[..size]) {
                    for item in batch {
                        match item {
                            Item::Record(record) => at.record(&record, &model),
                            Item::Lost(n) => at.lost(n),
                        }
                    }
                }
                at.cursor = cursor;
                readers[reader] = at;
            }
            Step::Span(reader, bytes, n) => {
                let Reader { cursor, next } = &mut readers[reader];
                match cursor.span(ring, bytes) {
                    Look::Records(mut span) => {
                        let mut largest = 0;
                        let mut all = 0;
                        for slot in span.by_ref().take(n) {
                            assert_eq!(slot.seq(), *next);
                            let made = &model.iter().rev().find(|made| made.0 == *next).unwrap().1;
                            assert!(slot.copy(ring, &mut buffer));
                            assert_eq!(Record::parse(&buffer).unwrap().entry, made.entry());
                            assert_eq!(
                                (slot.ns(), slot.flags()),
                                (made.entry().ns, made.entry().flags)
                            );
                            largest = largest.max(slot.size());
                            all += slot.size();
                            *next = next.wrapping_add(1);
                        }
                        // Of one record at least, and not of more bytes than were asked for.
                        assert!(n == 0 || all != 0);
                        assert!(all <= bytes.max(largest));
                        assert!(span.commit());
                        assert_eq!(cursor.seq(), Some(*next));
                    }
                    Look::Lost(n) => *next = next.wrapping_add(n),
                    Look::Empty => {}
                }
            }
            Step::Peek(reader) => {
                let reader = &mut readers[reader];
                match reader.cursor.peek(ring) {
                    Peek::Record(slot) => {
                        assert_eq!(slot.seq(), reader.next);
                        assert!(slot.still_valid(ring));
                    }
                    Peek::Lost(n) => reader.lost(n),
                    Peek::Empty => {}
                }
            }
        }
    }

    let counts = writer.counts(ring);
    assert_eq!(writer.next_seq(), next);
    assert_eq!(
        (counts.written, counts.skipped, counts.dropped),
        (written, skipped, 0)
    );
    let newest = Cursor::newest(ring);
    for reader in &readers {
        assert_eq!(reader.cursor.damaged(), 0);
        assert_eq!(reader.cursor.unread_bytes(ring), 0);
        assert_eq!(reader.cursor.seq(), Some(reader.next));
        assert_eq!(newest.seq(), Some(reader.next));
        assert_eq!(Cursor::newest_of(ring, &writer).unread_bytes(ring), 0);
    }
    // What is still there can be read again from the oldest on, and the rest is what was overwritten.
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
        start in start(),
        steps in prop::collection::vec(step(), 1..few(300, 40)),
    ) {
        run(start, steps);
    }

    #[test]
    fn log_stream_from_a_sequence_number(start in start(), n in 1..few(400u64, 40), from in 0..400u64) {
        let memory = Memory::new(DATA_MIN);
        let ring = memory.ring(start);
        let writer = Writer::new(start);
        for i in 0..n {
            let seq = start.seq.wrapping_add(i);
            writer.append(ring, &Made::new(seq, 200).entry(), Mode::Normal).unwrap();
        }
        let from = start.seq.wrapping_add(from.min(n));
        let mut cursor = Cursor::at_seq(ring, from);
        let mut buffer = [0; RECORD_MAX];
        let mut heard = 0;
        loop {
            match cursor.next(ring, &mut buffer) {
                Next::Record(record) => {
                    prop_assert!(common::intact(&record));
                    heard += 1;
                }
                Next::Lost(lost) => heard += lost,
                _ => break,
            }
        }
        prop_assert_eq!(from.wrapping_add(heard), start.seq.wrapping_add(n));
    }
}

#[test]
fn log_stream_short_buffer_keeps_the_record() {
    let memory = Memory::new(DATA_MIN);
    let ring = memory.ring(Start::default());
    let writer = Writer::new(Start::default());
    let mut cursor = Cursor::oldest(ring);
    let made = Made::new(0, 100);
    writer.append(ring, &made.entry(), Mode::Normal).unwrap();
    assert_eq!(cursor.next(ring, &mut [0; 8]), Next::Short(136));
    assert_eq!(cursor.next(ring, &mut [0; 135]), Next::Short(136));
    assert!(matches!(cursor.next(ring, &mut [0; 136]), Next::Record(_)));
    assert_eq!(cursor.next(ring, &mut [0; 136]), Next::Empty);
}

#[test]
fn log_stream_too_long_takes_no_number() {
    let memory = Memory::new(DATA_MIN);
    let ring = memory.ring(Start::default());
    let writer = Writer::new(Start::default());
    let made = Made::new(0, BODY_MAX + 1);
    let refused = writer.append(ring, &made.entry(), Mode::Normal);
    assert_eq!(refused, Err(Refused::TooLong));
    assert_eq!(writer.next_seq(), 0);
    assert_eq!(writer.counts(ring).written, 0);
}

#[test]
fn log_stream_salvaged_numbers_are_kept() {
    let memory = Memory::new(DATA_MIN);
    let start = Start {
        seq: 17,
        ..Start::default()
    };
    let ring = memory.ring(start);
    let writer = Writer::new(start);
    let mut cursor = Cursor::oldest(ring);
    let mut buffer = [0; RECORD_MAX];
    for seq in [17, 18, 1 << 40, u64::MAX / 3] {
        let made = Made::new(seq, 40);
        assert_eq!(writer.append_with_seq(ring, &made.entry(), seq), Ok(seq));
    }
    let mut seen = vec![];
    loop {
        match cursor.next(ring, &mut buffer) {
            Next::Record(record) => {
                assert!(common::intact(&record));
                seen.push(record.seq);
            }
            Next::Lost(_) => {}
            _ => break,
        }
    }
    assert_eq!(seen, [17, 18, 1 << 40, u64::MAX / 3]);
    assert_eq!(writer.counts(ring).written, 4);
    assert_eq!(cursor.lost(), u64::MAX / 3 - 17 - 3);
}

#[test]
fn log_stream_attach_checks_the_header() {
    use fanlight_ring::{AttachError, Ring};
    let memory = Memory::new(DATA_MIN);
    assert_eq!(
        Ring::attach(&memory.header, &memory.data).err(),
        Some(AttachError::Magic)
    );
    let ring = memory.ring(Start::default());
    assert_eq!(ring.header().boot_id(), [7; 16]);
    assert_eq!(memory.attach().size(), DATA_MIN);
    assert_eq!(
        Ring::attach(&memory.header, &memory.data[1..]).err(),
        Some(AttachError::Size)
    );
    memory.header.data_size.store(3 * DATA_MIN as u32);
    assert_eq!(memory.header.check(), Err(AttachError::Size));
    memory.header.version.store(2);
    assert_eq!(memory.header.check(), Err(AttachError::Version));
}
