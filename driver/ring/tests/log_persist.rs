// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! What is salvaged from memory that a reset, lost bits or somebody else have been at.

#![cfg(not(loom))]

mod common;

use common::{few, intact, words, Made};
use fanlight_ring::crc::crc32_le;
use fanlight_ring::persist::{marks, salvage, Appender, Ending, Salvaged, DATA_OFFSET, REGION_MIN};
use fanlight_ring::{Word, BODY_MAX, RECORD_MAX};
use proptest::prelude::*;

const BOOT: [u8; 16] = *b"the boot before.";

fn region(bytes: usize) -> Vec<Word> {
    words(&vec![0; bytes / 4])
}

/// For the marks.
fn room(memory: &[Word]) -> Vec<u32> {
    vec![!0; marks(memory.len() * 4)]
}

fn dump(memory: &[Word]) -> Vec<u32> {
    memory.iter().map(Word::load).collect()
}

/// The numbers of the records that are found; each one is as it was made.
fn found(memory: &[Word]) -> (Vec<u64>, Salvaged) {
    let mut seqs = vec![];
    let stats = salvage(
        memory,
        crc32_le,
        &mut [0; RECORD_MAX],
        &mut room(memory),
        |record| {
            assert!(intact(record), "{record:?}");
            seqs.push(record.seq);
        },
    );
    assert_eq!(stats.intact, seqs.len() as u64);
    assert!(seqs
        .windows(2)
        .all(|pair| pair[1].wrapping_sub(pair[0]) as i64 > 0));
    let missing: u64 = seqs
        .windows(2)
        .map(|pair| pair[1].wrapping_sub(pair[0]) - 1)
        .sum();
    assert_eq!(stats.missing, missing);
    (seqs, stats)
}

/// Appends records with these numbers.
fn fill(memory: &[Word], seqs: impl Iterator<Item = u64>, body: impl Fn(u64) -> usize) {
    let appender = Appender::format(memory, &BOOT, crc32_le).unwrap();
    for seq in seqs {
        assert!(appender.append(&Made::new(seq, body(seq)).entry(), seq));
    }
}

fn sizes(seq: u64) -> usize {
    (seq.wrapping_mul(2654435761) >> 8) as usize % 150
}

#[test]
fn log_persist_all_records_before_the_first_round() {
    let memory = region(REGION_MIN);
    fill(&memory, 100..130, |_| 60);
    let (seqs, stats) = found(&memory);
    assert_eq!(seqs, (100..130).collect::<Vec<_>>());
    assert_eq!((stats.headers, stats.damaged, stats.disordered), (2, 0, 0));
    let info = stats.info.unwrap();
    assert_eq!((info.boot_id, info.ending), (BOOT, Ending::Unknown));
    assert_eq!(info.data_size as usize, REGION_MIN - DATA_OFFSET);
}

#[test]
fn log_persist_ending_is_kept() {
    let memory = region(REGION_MIN);
    let appender = Appender::format(&memory, &BOOT, crc32_le).unwrap();
    for ending in [Ending::Clean, Ending::Panic, Ending::Unknown] {
        appender.set_ending(ending);
        assert_eq!(found(&memory).1.info.unwrap().ending, ending);
    }
}

#[test]
fn log_persist_longest_record_and_not_longer() {
    let memory = region(REGION_MIN);
    let appender = Appender::format(&memory, &BOOT, crc32_le).unwrap();
    assert!(appender.append(&Made::new(1, BODY_MAX).entry(), 1));
    assert!(!appender.append(&Made::new(2, BODY_MAX + 1).entry(), 2));
    assert_eq!(found(&memory).0, [1]);
}

#[test]
fn log_persist_too_small_a_region_is_refused() {
    for bytes in [0, 4, DATA_OFFSET - 4, DATA_OFFSET, REGION_MIN - 4] {
        let memory = region(bytes);
        assert!(Appender::format(&memory, &BOOT, crc32_le).is_none());
        assert_eq!(found(&memory).0, []);
    }
}

#[test]
fn log_persist_formatting_forgets_the_previous_boot() {
    let memory = region(REGION_MIN);
    fill(&memory, 0..500, sizes);
    fill(&memory, 5..9, sizes);
    assert_eq!(found(&memory).0, [5, 6, 7, 8]);
}

/// Reset at every store of an append: each time, all records are there but that one and those it overwrites.
#[test]
fn log_persist_torn_append_loses_that_record_alone() {
    for count in [3u64, 90, 91, 92, 93, 94, 95, 96]
        .into_iter()
        .take(few(8, 1))
    {
        let memory = region(REGION_MIN);
        let appender = Appender::format(&memory, &BOOT, crc32_le).unwrap();
        for seq in 0..count {
            assert!(appender.append(&Made::new(seq, sizes(seq)).entry(), seq));
        }
        let before = dump(&memory);
        let (old, _) = found(&memory);
        assert!(appender.append(&Made::new(count, sizes(count)).entry(), count));
        let after = dump(&memory);
        let (new, _) = found(&memory);
        assert_eq!(new.last(), Some(&count));

        // The stores are: a filler, the first word cleared, all other words in order, the first word.
        let changed: Vec<usize> = (0..before.len())
            .filter(|&at| before[at] != after[at])
            .collect();
        let first = new_record_at(&after, count);
        let mut torn = before;
        for &at in changed
            .iter()
            .filter(|&&at| at < first || at > first + RECORD_MAX / 4)
        {
            torn[at] = after[at];
        }
        torn[first] = 0;
        let kept = &new[..new.len() - 1];
        for at in first + 1..=first + RECORD_MAX / 4 {
            if at % few(1, 64) == 0 {
                let (seqs, stats) = found(&words(&torn));
                assert!(seqs.ends_with(kept), "{seqs:?} {kept:?}");
                assert!(old.ends_with(&seqs));
                assert_eq!(stats.damaged, 0, "count {count} at {at}");
            }
            if at < torn.len() {
                torn[at] = after[at];
            }
        }
        torn[first] = after[first];
        assert_eq!(found(&words(&torn)).0, new);
    }
}

fn new_record_at(memory: &[u32], seq: u64) -> usize {
    (DATA_OFFSET / 4..memory.len())
        .step_by(2)
        .find(|&at| {
            memory[at] >> 24 == 0xa5 && u64::from(memory[at + 2]) == seq && memory[at + 3] == 0
        })
        .unwrap()
}

/// Each bit flipped: the record with it is lost and nothing else, and never is a wrong one accepted.
#[test]
fn log_persist_every_flipped_bit_costs_one_record() {
    let memory = region(REGION_MIN);
    // Goes round once and a bit.
    let count = 110;
    fill(&memory, 0..count, sizes);
    let (all, stats) = found(&memory);
    assert_eq!(stats.damaged, 0);
    assert!(all.len() < count as usize && *all.last().unwrap() == count - 1);
    for bit in (0..memory.len() * 32).step_by(few(1, 16_411)) {
        let word = &memory[bit / 32];
        let old = word.load();
        word.store(old ^ (1 << (bit % 32)));
        let (seqs, stats) = found(&memory);
        word.store(old);

        assert!(seqs.len() + 1 >= all.len());
        assert!(seqs.iter().all(|seq| all.contains(seq)));
        if bit / 8 < DATA_OFFSET {
            assert_eq!(seqs, all);
            assert!(stats.headers >= 1 && stats.info.is_some());
        } else if seqs.len() < all.len() && seqs.first() == all.first() && seqs.last() == all.last()
        {
            assert_eq!((stats.missing, stats.damaged), (1, 1), "bit {bit}");
        }
    }
}

#[test]
fn log_persist_both_headers_lost_and_all_records_found() {
    let memory = region(REGION_MIN);
    fill(&memory, 0..300, sizes);
    let (all, _) = found(&memory);
    for word in &memory[..DATA_OFFSET / 4] {
        word.store(!0);
    }
    let (seqs, stats) = found(&memory);
    assert_eq!(seqs, all);
    assert_eq!((stats.headers, stats.info), (0, None));
}

#[test]
fn log_persist_uniform_memory_holds_nothing() {
    for value in [0, !0, 0xa5a5_a5a5, 0xa500_0020, 0xa500_0800, 0x5a00_0008] {
        // Where everything looks like a record, each place costs a CRC.
        for bytes in [0, 8, 512, REGION_MIN, REGION_MIN + 4, 64 << 10]
            .into_iter()
            .take(few(6, 3))
        {
            let memory = words(&vec![value; bytes / 4]);
            assert_eq!(found(&memory).1, Salvaged::default());
        }
    }
}

#[test]
fn log_persist_other_version_is_left_alone() {
    let memory = region(REGION_MIN);
    fill(&memory, 0..10, sizes);
    for copy in [0, 128] {
        memory[copy + 1].store(0);
        let sum = memory[copy..copy + 15]
            .iter()
            .fold(!0, |sum, word| crc32_le(sum, &word.load().to_ne_bytes()));
        memory[copy + 15].store(!sum);
    }
    let (seqs, stats) = found(&memory);
    assert_eq!(seqs, []);
    assert_eq!((stats.headers, stats.info.unwrap().version), (2, 0));
}

#[test]
fn log_persist_region_that_became_smaller_or_larger() {
    let memory = region(few(64, 13) << 10);
    fill(&memory, 0..100, sizes);
    let (all, _) = found(&memory);
    assert_eq!(all.len(), 100);
    // Only what is in the part that is left; what lies at its end is cut.
    let (part, _) = found(&memory[..REGION_MIN / 4]);
    assert!(!part.is_empty() && all.starts_with(&part));
    let mut larger = dump(&memory);
    larger.extend(vec![0; few(10_001, 101)]);
    assert_eq!(found(&words(&larger)).0, all);
}

#[test]
fn log_persist_record_inside_a_text_is_no_record() {
    let memory = region(REGION_MIN);
    let appender = Appender::format(&memory, &BOOT, crc32_le).unwrap();
    let inner = Made::new(1000, 40);
    assert!(appender.append(&inner.entry(), 1000));
    let bytes: Vec<u8> = dump(&memory)[DATA_OFFSET / 4..][..72 / 4]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect();

    let appender = Appender::format(&memory, &BOOT, crc32_le).unwrap();
    let made = Made::new(3, 0);
    let mut outer = made.entry();
    outer.text = &bytes;
    assert!(appender.append(&outer, 3));
    let mut texts = vec![];
    salvage(
        &memory,
        crc32_le,
        &mut [0; RECORD_MAX],
        &mut room(&memory),
        |record| {
            texts.push(record.entry.text.to_vec());
        },
    );
    assert_eq!(texts, [bytes]);
}

/// A writer that is interrupted by another has the lower number and the higher place.
#[test]
fn log_persist_records_slightly_out_of_order_are_sorted() {
    let memory = region(REGION_MIN);
    let order = [0, 2, 1, 3, 6, 5, 4, 7, 8, 10, 9];
    fill(&memory, order.into_iter(), |_| 10);
    let (seqs, stats) = found(&memory);
    assert_eq!(seqs, (0..11).collect::<Vec<_>>());
    assert_eq!(stats.disordered, 0);
}

proptest! {
    #![proptest_config(common::cases(200, 1))]

    /// Any number of rounds: what is there is the newest without a gap, and as many as there is room for.
    #[test]
    fn log_persist_newest_records_are_there(
        count in 1..few(700u64, 50), start: u64, bytes in (REGION_MIN / 4..REGION_MIN / 2), body in 0..600usize,
    ) {
        let memory = region(bytes * 4);
        let last = start.wrapping_add(count);
        let seqs = (0..count).map(|n| start.wrapping_add(n));
        fill(&memory, seqs, |seq| sizes(seq) * body / 150);
        let (seqs, stats) = found(&memory);
        let there = seqs.len() as u64;
        let expected: Vec<u64> = (0..there).map(|n| last.wrapping_sub(there - n)).collect();
        prop_assert_eq!(seqs, expected);
        prop_assert_eq!((stats.damaged, stats.missing, stats.disordered), (0, 0, 0));
        let room = (bytes * 4 - DATA_OFFSET) / (32 + 8 + body) ;
        prop_assert!(there >= count.min(room as u64 - 3));
    }

    #[test]
    fn log_persist_random_memory_holds_nothing(values in prop::collection::vec(any::<u32>(), 0..few(9000, 500))) {
        prop_assert_eq!(found(&words(&values)).0, []);
    }

    /// Memory of nothing but beginnings of records, which costs the most.
    #[test]
    fn log_persist_plausible_memory_ends(lens in prop::collection::vec((0..300u32, 0..8u32), few(4000, 300))) {
        let memory: Vec<u32> = lens.iter().flat_map(|(len, pad)| [(0xa5 << 24) | (len << 3) | pad, 0]).collect();
        prop_assert_eq!(found(&words(&memory)).0, []);
    }

    #[test]
    fn log_persist_many_flips_accept_no_damaged_record(
        flips in prop::collection::vec(any::<(prop::sample::Index, u32)>(), 0..65),
    ) {
        let memory = region(few(64, 9) << 10);
        fill(&memory, 0..few(1500, 50), sizes);
        let (all, _) = found(&memory);
        for (at, bit) in &flips {
            let word = &memory[at.index(memory.len())];
            word.store(word.load() ^ (1 << (bit % 32)));
        }
        // `found` checks each record; what it does not find, a flip has hit.
        let (seqs, stats) = found(&memory);
        prop_assert!(seqs.len() + flips.len() >= all.len());
        prop_assert!(stats.damaged <= flips.len() as u64);
    }
}
