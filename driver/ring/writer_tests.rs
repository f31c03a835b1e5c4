// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Writers that stop in the middle, here at chosen places; `tests/loom.rs` has them stop everywhere, on tiny rings.

#![forbid(unsafe_code)]

use super::super::{Cursor, Header, Next, DATA_MIN, RECORD_MAX};
use super::*;
use proptest::prelude::*;

/// Where a writer stops.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// Before it knows where to write.
    Claimed,
    /// After it has made room.
    Placed,
    /// Before it publishes.
    Filled,
    /// Before it gives the ring back.
    Published,
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    /// A writer stops, so many are refused, a final one comes; and then the first one goes on or does not.
    Stuck(usize, Stop, u64, usize, bool),
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    let stop = prop_oneof![
        Just(Stop::Claimed),
        Just(Stop::Placed),
        Just(Stop::Filled),
        Just(Stop::Published),
    ];
    prop_oneof![
        4 => (0..400usize).prop_map(Step::Write),
        1 => (0..2016usize, stop, 0..4u64, 0..2016usize, any::<bool>())
            .prop_map(|(a, b, c, d, e)| Step::Stuck(a, b, c, d, e)),
        1 => Just(Step::Read),
    ]
}

/// The text tells who wrote it.
fn entry(tag: u64, text: &mut Vec<u8>, body: usize) -> Entry<'_> {
    text.clear();
    text.resize(body, tag as u8);
    Entry {
        ns: tag,
        text,
        ..Entry::default()
    }
}

fn run(start: Start, steps: Vec<Step>) {
    let header = Header::empty();
    let data: Vec<Word> = (0..DATA_MIN / 4).map(|_| Word::new(0)).collect();
    let ring = Ring::init(&header, &data, &[0; 16], start).unwrap();
    let writer = Writer::new(start);
    let mut cursor = Cursor::oldest(ring);
    let mut buffer = [0; RECORD_MAX];
    let (mut text, mut other) = (vec![], vec![]);
    // What is written under each number from the start on; none if it may or must be missing.
    let mut tags: Vec<Option<u64>> = vec![];
    let mut heard = 0;
    let mut tag = 0;
    let mut late = vec![];

    for step in steps.into_iter().chain([Step::Write(1), Step::Read]) {
        tag += 1;
        match step {
            Step::Write(body) => {
                let entry = entry(tag, &mut text, body);
                let expected = start.seq.wrapping_add(tags.len() as u64);
                let seq = writer.append(ring, &entry, Mode::Normal);
                assert_eq!(seq, Ok(expected));
                tags.push(Some(tag));
            }
            Step::Stuck(body, stop, refused, final_body, goes_on) => {
                let stuck = entry(tag, &mut text, body);
                let (len, pad) = stuck.measure().unwrap();
                let owner = writer.claim(len).unwrap();
                let seq = writer.seq(owner, 0);
                assert_eq!(seq, start.seq.wrapping_add(tags.len() as u64));
                let place = match stop {
                    Stop::Claimed => None,
                    _ => writer.place(ring, owner, len),
                };
                if matches!(stop, Stop::Filled | Stop::Published) {
                    fill(ring, place.as_ref().unwrap().offset, seq, &stuck, len, pad);
                }
                if let (Stop::Published, Some(place)) = (stop, &place) {
                    assert!(header.head.swap_if_release(place.head, place.end));
                }
                // Nobody but a final one gets through.
                for _ in 0..refused {
                    let refusal = writer.append(ring, &Entry::default(), Mode::Normal);
                    assert_eq!(refusal, Err(Refused::Busy));
                }
                let last = entry(tag + 1000, &mut other, final_body);
                let done = writer.append(ring, &last, Mode::Final);
                assert_eq!(done, Ok(seq.wrapping_add(1)));
                tags.push(Some(tag));
                tags.push(Some(tag + 1000));
                tags.extend((0..refused).map(|_| None));

                if goes_on {
                    // It goes on where it stopped, and finishes.
                    match (stop, &place) {
                        (Stop::Claimed, _) => {
                            assert!(writer.place(ring, owner, len).is_none());
                        }
                        (_, Some(place)) => {
                            fill(ring, place.offset, seq, &stuck, len, pad);
                            writer.publish(ring, owner, place, seq);
                        }
                        _ => unreachable!(),
                    }
                } else {
                    late.push(owner);
                }
            }
            Step::Read => loop {
                match cursor.next(ring, &mut buffer) {
                    Next::Record(record) => {
                        let n = record.seq.wrapping_sub(start.seq);
                        assert_eq!(n, heard);
                        heard += 1;
                        assert_eq!(Some(record.entry.ns), tags[n as usize]);
                        let byte = record.entry.ns as u8;
                        assert!(record.entry.text.iter().all(|other| *other == byte));
                    }
                    Next::Lost(n) => heard += n,
                    Next::Empty => break,
                    Next::Short(_) => unreachable!(),
                }
            },
        }
        assert_eq!(cursor.damaged(), 0);
        let size = header.head.load().wrapping_sub(header.tail.load());
        assert!(size <= DATA_MIN as u64);
    }
    assert_eq!(heard, tags.len() as u64);
    assert_eq!(writer.next_seq(), start.seq.wrapping_add(heard));
    // Who was given up can give nothing back any more.
    for owner in late {
        assert!(!writer.owner.swap_if(owner.0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 300 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn log_writer_stopped_anywhere_costs_its_record_at_most(
        start in prop_oneof![Just(0u64), (0..100_000u64).prop_map(|back| 0u64.wrapping_sub(back))],
        steps in prop::collection::vec(step(), 1..if cfg!(miri) { 8 } else { 120 }),
    ) {
        run(Start { position: start & !7, seq: start }, steps);
    }
}

#[test]
fn log_writer_skipped_while_busy_is_passed_over() {
    let header = Header::empty();
    let data: Vec<Word> = (0..DATA_MIN / 4).map(|_| Word::new(0)).collect();
    let ring = Ring::init(&header, &data, &[0; 16], Start::default()).unwrap();
    let writer = Writer::new(Start::default());
    let owner = writer.claim(32).unwrap();
    writer.skip(5);
    let seq = writer.write(ring, owner, &Entry::default(), 32, 0);
    assert_eq!(seq, 0);
    assert_eq!(writer.next_seq(), 6);
    assert_eq!(writer.append(ring, &Entry::default(), Mode::Normal), Ok(6));
    writer.skip(1 << 40);
    let seq = writer.append(ring, &Entry::default(), Mode::Final);
    assert_eq!(seq, Ok(7 + (1 << 40)));
    assert_eq!(writer.counts(ring).skipped, 5 + (1 << 40));
    assert_eq!(writer.counts(ring).written, 3);
}

#[test]
fn log_writer_try_leaves_no_trace() {
    let header = Header::empty();
    let data: Vec<Word> = (0..DATA_MIN / 4).map(|_| Word::new(0)).collect();
    let ring = Ring::init(&header, &data, &[0; 16], Start::default()).unwrap();
    let writer = Writer::new(Start::default());
    let owner = writer.claim(32).unwrap();
    let refusal = writer.try_append(ring, &Entry::default());
    assert_eq!(refusal, Err(Refused::Busy));
    writer.write(ring, owner, &Entry::default(), 32, 0);
    assert_eq!(writer.try_append(ring, &Entry::default()), Ok(1));
    assert_eq!(writer.counts(ring).dropped, 0);
}
