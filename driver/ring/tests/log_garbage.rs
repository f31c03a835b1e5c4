// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Memory with arbitrary contents: every reader ends, and nothing panics.

#![cfg(not(loom))]

mod common;

use common::{few, Made, Memory, Start};
use fanlight_ring::{kmsg, Cursor, End, Next, Read, Record, Ring, RECORD_MAX};
use proptest::prelude::*;

/// Reads the ring in every possible way, a bounded number of times.
fn read(ring: &Ring<'_>) {
    let mut buffer = vec![0; 4096];
    let mut text = vec![0; kmsg::MESSAGE_MAX];
    let mut formatter = kmsg::Formatter::new(true);
    let cursors = [
        Cursor::oldest(ring),
        Cursor::newest(ring),
        Cursor::at_seq(ring, 17),
        Cursor::at_seq(ring, u64::MAX),
    ];
    let end = End::now(ring);
    for mut cursor in cursors.into_iter().take(few(4, 1)) {
        let mut others = [cursor.clone(), cursor.clone(), cursor.clone()];
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < 100_000);
            match cursor.next(ring, &mut buffer) {
                Next::Record(record) => {
                    assert!(record.bytes().len() <= RECORD_MAX);
                    assert_eq!(Record::parse(record.bytes()), Some(record));
                }
                Next::Empty => break,
                Next::Lost(_) => {}
                Next::Short(_) => unreachable!(),
            }
        }
        for (i, other) in others.iter_mut().enumerate() {
            turns = 0;
            loop {
                turns += 1;
                assert!(turns < 100_000);
                match other.read(ring, 1000, (i == 2).then_some(&end)) {
                    Read::Records(span) if i == 0 => {
                        assert!(!span.copy(&mut buffer).unwrap().is_empty());
                    }
                    Read::Records(mut span) => {
                        let mut some = false;
                        for record in span.by_ref() {
                            some = true;
                            let len = formatter.format_ref(&record, &mut buffer, &mut text);
                            assert!(len.unwrap() <= text.len());
                        }
                        assert!(some);
                        assert!(span.commit());
                    }
                    Read::Empty => break,
                    Read::Lost(_) => {}
                }
            }
        }
        let _ = cursor.unread_bytes(ring);
    }
}

fn position() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..100_000u64,
        (0..100_000u64).prop_map(|back| (1 << 32) - back),
        (0..1000u64).prop_map(|n| n * 8),
    ]
}

proptest! {
    #![proptest_config(common::cases(300, 1))]

    #[test]
    fn log_garbage_in_data_and_positions(
        heads in [position(), position()],
        back in prop_oneof![Just(0u64), 0..40_000u64, any::<u64>()],
        epoch in prop_oneof![Just(0u32), any::<u32>()],
        seed: [u64; 4],
        plausible: bool,
    ) {
        let memory = Memory::both();
        let ring = memory.ring(Start::default());
        for (lane, head) in memory.header.lanes.iter().zip(heads) {
            lane.head.store(head as u32);
            lane.tail.store(head.wrapping_sub(back) as u32);
            lane.epoch.store(((head >> 31) as u32) ^ epoch);
        }
        let mut random = seed[0];
        for (at, word) in memory.data.iter().enumerate() {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(seed[1] | 1);
            let value = (random >> 32) as u32;
            word.store(if plausible && at % 2 == 0 {
                let state = [0xa5, 0xa5, 0xa5, 0x3c, 0x5a][value as usize % 5];
                (state << 24) | (((value >> 8) & 0x7f) << 3) | (value >> 29)
            } else {
                value
            });
        }
        read(&ring);
    }

    /// A ring that was in use, with some words changed.
    #[test]
    fn log_garbage_in_some_words(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<u32>(), any::<bool>()),
            1..50,
        ),
        start in position(),
        take_over: bool,
    ) {
        let memory = Memory::both();
        let start = Start { position: start & !7 & (u64::MAX >> 1), seq: start & (u64::MAX >> 2) };
        let (ring, writer, _) = memory.start(start);
        for n in 0..few(500, 50) {
            let made = Made::new(n, n as usize % 150);
            writer.append(&ring, &made.entry()).unwrap();
        }
        for (at, value, flip) in &changes {
            let word = &memory.data[at.index(memory.data.len())];
            word.store(if *flip { word.load() ^ (1 << (value % 32)) } else { *value });
        }
        read(&ring);
        // A writer does not panic either.
        let mut last = take_over.then(|| writer.take_over(&ring).unwrap());
        for n in 0..few(1000, 50) {
            let made = Made::new(n, n as usize % 150);
            match &mut last {
                Some(last) => last.append(&writer, &ring, &made.entry()),
                None => writer.append(&ring, &made.entry()),
            }.unwrap();
        }
        read(&ring);
        writer.clear(&ring);
        read(&ring);
    }

    #[test]
    fn log_garbage_is_no_record(bytes in prop::collection::vec(any::<u8>(), 0..200), whole: bool) {
        let mut bytes = bytes;
        if whole && bytes.len() >= 4 {
            let first = 0xa500_0000u32 | bytes.len() as u32;
            bytes[..4].copy_from_slice(&first.to_ne_bytes());
        }
        if let Some(record) = Record::parse(&bytes) {
            assert!(record.bytes().len() <= bytes.len());
        }
    }
}

#[test]
fn log_garbage_header_is_refused() {
    let memory = Memory::both();
    for value in [0, 1, !0, 0x474c_4e46] {
        memory.header.magic.store(value);
        memory.header.version.store(value);
        memory.header.header_size.store(value);
        memory.header.data_size.store(value);
        assert!(Ring::attach(&memory.header, &memory.data).is_err());
    }
}
