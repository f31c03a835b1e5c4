// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! What later boots find in the persistent copy of the log.

#[path = "common/region.rs"]
mod region;

mod ring {
    pub use fanlight_ring::*;
}

use fanlight_ring::persist::{blocks, Appender, Block, Boot, Ending, Scan, Share};
use fanlight_ring::persist::{BLOCK, BOOTS_MAX, MAGIC, REGION_MIN, VERSION};
use fanlight_ring::{Word, BODY_MAX, RECORD_MAX};
use proptest::prelude::*;
use region::*;
use std::cell::Cell;

/// Bytes of records that fit into a block, and words before the first one.
const ROOM: usize = BLOCK - 168;
const DATA: usize = 168 / 4;

/// The sum over words, according to the documentation.
fn sum(start: u32, words: &[u32]) -> u32 {
    words.iter().fold(start, |sum, word| {
        let product = (sum ^ word).wrapping_mul(0x85eb_ca6b);
        product ^ (product >> 15)
    })
}

fn few<T>(many: T, miri: T) -> T {
    if cfg!(miri) {
        miri
    } else {
        many
    }
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        // FANLIGHT_FUZZ=1: more cases.
        cases: if std::env::var_os("FANLIGHT_FUZZ").is_some() {
            cases * 100
        } else {
            // An emulator runs the tests for ARM, and is ten times slower.
            let part = if cfg!(target_arch = "arm") { 8 } else { 1 };
            few(cases.div_ceil(part), 1)
        },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn log_persist_all_records_come_back_in_order() {
    let memory = region(8);
    let live = Live::bind(&memory, 1);
    assert!(live.scan.boots().is_empty() && live.scan.continued().is_none());
    for seq in 100..200 {
        let share = if seq % 7 == 3 {
            Share::Programs
        } else {
            Share::Kernel
        };
        assert!(live.append(share, seq, seq as usize % 150));
    }
    live.appender.set_clock(-5, 0, 0);
    live.appender.set_ending(Ending::Clean);
    let expected = View {
        boot: 1,
        ending: Ending::Clean,
        clocks: vec![(0, -5)],
        missing: 0,
        damaged: 0,
        seqs: (100..200).collect(),
    };
    assert_eq!(view(&memory), [expected]);
}

#[test]
fn log_persist_every_loop_over_blocks_lets_others_run() {
    thread_local!(static PAUSES: Cell<usize> = const { Cell::new(0) });
    let memory = region(few(64, 8));
    let live = Live::bind(&memory, 1);
    live.kernel(0..few(2000, 250), 100);
    let copy = dump(&memory);
    let count = blocks(copy.len() * 4);
    let mut table = vec![Block::default(); count];
    let mut scan = Box::new(Scan::EMPTY);
    let links = words(&vec![0; count]);
    let appender = Appender::new(&memory, &links, &id(2), 3).unwrap();
    let pauses = || PAUSES.replace(0);

    scan.run(&copy, &id(2), &mut table, || {
        PAUSES.set(PAUSES.get() + 1);
    });
    let used = table.iter().filter(|block| **block != Block::default());
    let used = used.count();
    assert!(used >= count / 4, "{used} of {count}");
    // Two loops over the region, and for the blocks in use two of the sort, one of the table and
    // one of the records.
    let (made, wanted) = (pauses(), 2 * count + 7 * used / 2 - 1);
    assert!(made >= wanted, "{made} of {wanted}");
    appender.adopt(&scan, &table);
    let (made, wanted) = (pauses(), count + 2 * used);
    assert!(made >= wanted, "{made} of {wanted}");
}

#[test]
fn log_persist_nothing_is_written_before_the_first_record() {
    let memory = region(8);
    Live::bind(&memory, 1).kernel(0..100, 60);
    let before = dump(&memory);
    for boot in [1, 2] {
        let live = Live::bind(&memory, boot);
        live.appender.set_clock(77, 0, 0);
        assert!(dump(&memory) == before);
    }
}

#[test]
fn log_persist_ending_and_clock_are_kept_and_a_panic_stays() {
    let memory = region(4);
    let live = Live::bind(&memory, 1);
    live.kernel(0..1, 10);
    assert_eq!(view(&memory)[0].ending, Ending::Reset);
    for (ending, found) in [
        (Ending::Clean, Ending::Clean),
        (Ending::Reset, Ending::Reset),
        (Ending::Panic, Ending::Panic),
        (Ending::Clean, Ending::Panic),
    ] {
        live.appender.set_ending(ending);
        assert_eq!(view(&memory)[0].ending, found);
    }
    // Also in the following blocks.
    live.appender.set_clock(i64::MIN, 0, 0);
    live.kernel(1..1000, 10);
    assert_eq!(view(&memory)[0].ending, Ending::Panic);
    assert_eq!(view(&memory)[0].clocks, [(0, i64::MIN)]);
}

#[test]
fn log_persist_clock_entries_are_kept_over_blocks_and_binds() {
    let memory = region(12);
    let live = Live::bind(&memory, 1);
    live.appender.set_clock(1_000_000, 0, 5);
    live.kernel(0..10, 60);
    // Setting the clock changes `clock`; drift and suspend add entries.
    live.append(Share::Programs, 10, 60);
    live.appender.set_clock(1_000_000, 70, 6);
    live.kernel(11..60, 60);
    live.appender.set_clock(2_000_000, 70, 6);
    let both = vec![(0, 2_000_005), (70, 2_000_006)];
    assert_eq!(view(&memory)[0].clocks, both);
    // An unchanged value is not stored again.
    let before = dump(&memory);
    live.appender.set_clock(2_000_000, 70, 6);
    assert!(dump(&memory) == before);

    live.appender.unbind(60, 60);
    let live = Live::bind_salted(&memory, 1, 3);
    let (_, found) = continued(&memory, 1).unwrap();
    assert_eq!(found.clocks, both);
    live.appender.set_clock(2_000_000, 90, 7);
    live.append(Share::Programs, 60, 60);
    let all = [both, vec![(90, 2_000_007)]].concat();
    assert_eq!(view(&memory)[0].clocks, all);
    assert_eq!((view(&memory)[0].missing, view(&memory)[0].damaged), (0, 0));

    // The kernel's blocks are reused: the entries for the remaining records exist.
    live.kernel(61..2000, 60);
    let found = view(&memory).remove(0);
    assert!(!found.seqs.contains(&61));
    assert_eq!(found.clocks, all);
}

#[test]
fn log_persist_clock_that_was_never_set_gives_no_dates() {
    let memory = region(12);
    let live = Live::bind(&memory, 1);
    live.appender.set_clock(0, 0, 5);
    live.kernel(0..60, 60);
    assert_eq!(view(&memory)[0].clocks, []);
    live.appender.set_clock(7, 0, 5);
    assert_eq!(view(&memory)[0].clocks, [(0, 12)]);
}

#[test]
fn log_persist_longest_record_is_kept_and_no_longer_one() {
    let memory = region(3);
    let live = Live::bind(&memory, 1);
    assert!(live.append(Share::Kernel, 1, BODY_MAX));
    assert!(!live.append(Share::Kernel, 2, BODY_MAX + 1));
    assert!(live.append(Share::Kernel, 3, 0));
    assert_eq!(view(&memory)[0].seqs, [1, 3]);
}

#[test]
fn log_persist_too_small_a_region_is_refused() {
    for bytes in [0, 4, BLOCK, REGION_MIN - 4] {
        let memory = words(&vec![0; bytes / 4]);
        let links = words(&[0; 8]);
        let start = Appender::new(&memory, &links, &id(1), 1);
        assert!(start.is_none());
        assert_eq!(view(&memory), []);
    }
    let memory = region(3);
    let links = words(&[0; 2]);
    assert!(Appender::new(&memory, &links, &id(1), 1).is_none());
}

#[test]
fn log_persist_uniform_memory_holds_nothing() {
    for value in [0, !0, MAGIC, VERSION, 0xa5a5_a5a5, 0xa500_0020, 0xa500_0800] {
        for bytes in [0, 8, 512, REGION_MIN, REGION_MIN + 4, 64 << 10] {
            let copy = vec![value; bytes / 4];
            assert_eq!(view_copy(&copy), []);
            // And it can be used.
            if bytes >= REGION_MIN {
                let memory = words(&copy);
                Live::bind(&memory, 1).kernel(0..10, 60);
                assert_eq!(view(&memory)[0].seqs, (0..10).collect::<Vec<_>>());
                assert_eq!((view(&memory)[0].missing, view(&memory)[0].damaged), (0, 0));
            }
        }
    }
}

#[test]
fn log_persist_filtered_records_are_not_missing() {
    let memory = region(8);
    Live::bind(&memory, 1).kernel((0..1000).filter(|seq| seq % 9 == 0), 60);
    let found = &view(&memory)[0];
    assert_eq!(found.seqs.len(), 112);
    assert_eq!((found.missing, found.damaged), (0, 0));
}

#[test]
fn log_persist_blocks_used_again_for_want_of_space_are_not_missing() {
    let memory = region(8);
    let live = Live::bind(&memory, 1);
    for seq in 0..5000 {
        let share = if seq % 3 == 0 {
            Share::Programs
        } else {
            Share::Kernel
        };
        assert!(live.append(share, seq, 40));
        if seq % 50 == 0 {
            let found = &view(&memory)[0];
            assert_eq!((found.missing, found.damaged), (0, 0));
            assert_eq!(found.seqs.last(), Some(&seq));
        }
    }
}

#[test]
fn log_persist_boots_are_listed_newest_first_and_at_most_15() {
    let memory = region(64);
    for boot in 1..=30 {
        let live = Live::bind(&memory, boot);
        let newest: Vec<u32> = view(&memory).iter().map(|view| view.boot).collect();
        let expected: Vec<u32> = (1..boot).rev().take(BOOTS_MAX).collect();
        assert_eq!(newest, expected);
        live.kernel(0..20, 60);
        let ending = [Ending::Reset, Ending::Clean][boot as usize % 2];
        live.appender.set_ending(ending);
        assert_eq!(view(&memory)[0].ending, ending);
        for view in view(&memory) {
            assert_eq!(view.seqs, (0..20).collect::<Vec<_>>());
        }
    }
}

/// Changes the generation in all headers of a boot, with a valid sum.
fn forge_generation(memory: &[Word], boot: u32, generation: u32) {
    for block in memory.chunks(BLOCK / 4) {
        for copy in [&block[..18], &block[18..36]] {
            let mut words = dump(copy);
            if words[0] == MAGIC && words[4] == boot {
                words[14] = generation;
                copy[14].store(generation);
                copy[17].store(sum(0x4642_4c4b, &words[..17]));
            }
        }
    }
}

#[test]
fn log_persist_order_of_boots_heals_after_a_forged_generation() {
    let powers = (0..32).map(|bit| 1u32 << bit);
    let near = powers.flat_map(|power| [power, power - 1, power.saturating_sub(2)]);
    for forged in near.chain([u32::MAX, u32::MAX - 1]) {
        for forgers in [&[1][..], &[1, 3, 4], &[2, 3]] {
            let memory = region(24);
            for boot in 1..12 {
                let live = Live::bind(&memory, boot);
                live.kernel(0..3, 60);
                if boot == 6 || boot == 9 {
                    // Bound again.
                    live.appender.unbind(3, 3);
                    Live::bind(&memory, boot).kernel(3..4, 60);
                }
                if forgers.contains(&boot) {
                    forge_generation(&memory, boot, forged);
                }
            }
            let scan = Live::bind(&memory, 20).scan;
            let boots: Vec<(u32, u32)> = (scan.boots().iter())
                .map(|boot| {
                    (
                        u32::from_ne_bytes(boot.boot_id[..4].try_into().unwrap()),
                        boot.ago,
                    )
                })
                .collect();
            assert_eq!(
                boots[..4],
                [(11, 1), (10, 2), (9, 3), (8, 4)],
                "{forged:#x} in {forgers:?}: {boots:?}"
            );
        }
    }
}

#[test]
fn log_persist_panics_stay_on_the_list_of_boots() {
    let memory = region(64);
    for boot in 1..=40 {
        let live = Live::bind(&memory, boot);
        live.kernel(0..20, 60);
        if [1, 5, 6].contains(&boot) {
            live.appender.set_ending(Ending::Panic);
        }
        let listed: Vec<u32> = view(&memory).iter().map(|view| view.boot).collect();
        for panic in [1, 5, 6].into_iter().filter(|&panic| panic <= boot) {
            assert!(listed.contains(&panic), "{listed:?}");
        }
        assert_eq!(listed[0], boot);
        assert_eq!(listed.len(), (boot as usize).min(BOOTS_MAX));
        assert!(listed.is_sorted_by(|a, b| a > b));
    }
}

#[test]
fn log_persist_newest_boot_is_on_the_list_however_many_panicked() {
    let memory = region(64);
    for boot in 1..=20 {
        let live = Live::bind(&memory, boot);
        live.kernel(0..20, 60);
        if boot != 20 {
            live.appender.set_ending(Ending::Panic);
        }
    }
    let listed: Vec<u32> = view(&memory).iter().map(|view| view.boot).collect();
    assert_eq!(listed.len(), BOOTS_MAX);
    assert_eq!((listed[0], listed[1], listed[BOOTS_MAX - 1]), (20, 19, 1));
}

/// Floods a boot's log with more than the region holds. The programs' numbers follow those of the
/// kernel.
fn flood(live: &Live<'_>, share: Share, blocks: usize) -> u64 {
    let count = (blocks * BLOCK / 100 * 3) as u64;
    let first = if share == Share::Kernel { 0 } else { count };
    for seq in first..first + count {
        live.append(share, seq, 68);
    }
    count
}

#[test]
fn log_persist_uncleared_panic_outlives_later_boots_and_so_does_the_boot_before() {
    for blocks in [3, 4, 5, 8, 16, 33, 64] {
        let memory = region(blocks);
        let live = Live::bind(&memory, 1);
        let last = flood(&live, Share::Kernel, blocks) - 1;
        live.appender.set_ending(Ending::Panic);
        let mut kept = vec![];
        for boot in 2..=few(30, 4) {
            let live = Live::bind(&memory, boot);
            let count = flood(&live, Share::Kernel, blocks);
            flood(&live, Share::Programs, blocks);
            live.appender.set_ending(Ending::Clean);
            let found = view(&memory);
            let panic = found.iter().find(|view| view.boot == 1).unwrap();
            assert_eq!(panic.ending, Ending::Panic);
            assert_eq!(
                panic.seqs.last(),
                Some(&last),
                "{blocks} blocks, boot {boot}"
            );
            assert_eq!((panic.missing, panic.damaged), (0, 0));
            kept.push(panic.seqs.len());
            if boot > 2 && blocks > 3 {
                let before = found.iter().find(|view| view.boot == boot - 1).unwrap();
                assert!(before.seqs.contains(&(count - 1)), "{blocks}, {boot}");
                // All but the open block, and at least one record of that.
                let full = (blocks / 4).max(1) - 1;
                assert!(before.seqs.len() > full * (ROOM / 104), "{blocks}, {boot}");
            }
        }
        // It does not shrink. Up to seven blocks are too few for two and a half boots.
        let whole = if blocks > 7 {
            kept[0]
        } else {
            kept[kept.len().min(10) - 1]
        };
        assert_eq!(kept.last(), Some(&whole), "{blocks} blocks: {kept:?}");
    }
}

#[test]
fn log_persist_panics_stay_whole_while_they_leave_four_blocks() {
    for (blocks, panics) in [(8, 1), (16, 2), (64, 4)] {
        let memory = region(blocks);
        let mut whole = vec![];
        for boot in 1..=few(20, 6) {
            let live = Live::bind(&memory, boot);
            flood(&live, Share::Kernel, blocks);
            flood(&live, Share::Programs, blocks);
            let panic = boot % 2 == 1 && whole.len() < panics;
            live.appender
                .set_ending([Ending::Clean, Ending::Panic][usize::from(panic)]);
            let found = view(&memory);
            if panic {
                whole.push(found[0].seqs.clone());
            }
            let panicked = found.iter().rev().filter(|b| b.ending == Ending::Panic);
            assert!(panicked.map(|boot| &boot.seqs).eq(&whole), "boot {boot}");
        }
        assert_eq!(whole.len(), panics.min(few(20, 6) as usize / 2));
    }
}

#[test]
fn log_persist_of_many_panics_the_first_and_the_newest_are_kept() {
    for blocks in [3, 4, 5, 8, 12, 40, 64] {
        let memory = region(blocks);
        for boot in 1..=few(40, 5) {
            let live = Live::bind(&memory, boot);
            let count = flood(&live, Share::Kernel, blocks);
            live.appender.set_ending(Ending::Panic);
            let found = view(&memory);
            for wanted in [1, boot.max(2) - 1, boot] {
                let view = found.iter().find(|view| view.boot == wanted);
                let view = view.unwrap_or_else(|| panic!("{blocks} blocks: {wanted} at {boot}"));
                assert_eq!(view.ending, Ending::Panic);
                assert_eq!(view.seqs.last(), Some(&(count - 1)));
            }
        }
    }
}

#[test]
fn log_persist_previous_boot_keeps_at_least_a_quarter_of_the_region() {
    for blocks in [4, 8, 16, 32] {
        let memory = region(blocks);
        for boot in 1..=20 {
            let live = Live::bind(&memory, boot);
            let count = flood(&live, Share::Kernel, blocks);
            if boot > 1 {
                let found = view(&memory);
                let before = found.iter().find(|view| view.boot == boot - 1).unwrap();
                assert_eq!(before.seqs.last(), Some(&(count - 1)));
                assert!(before.seqs.len() * 104 >= (blocks / 4) * (ROOM - 200));
            }
        }
    }
}

#[test]
fn log_persist_programs_cannot_displace_the_kernels_records() {
    for blocks in [3, 4, 8, 32] {
        let memory = region(blocks);
        let live = Live::bind(&memory, 1);
        live.kernel(1_000_000..1_000_060, 60);
        flood(&live, Share::Programs, blocks * 2);
        let kernel = |boot: u32| {
            let found = view(&memory);
            let view = found.into_iter().find(|view| view.boot == boot).unwrap();
            view.seqs
                .into_iter()
                .filter(|&seq| seq >= 1_000_000)
                .count()
        };
        assert_eq!(kernel(1), 60);
        // A later boot also takes blocks of programs before those of the kernel.
        let live = Live::bind(&memory, 2);
        flood(&live, Share::Kernel, blocks);
        assert!(kernel(1) >= 19, "{blocks} blocks: {}", kernel(1));
    }
}

#[test]
fn log_persist_programs_do_not_take_a_panics_last_block() {
    let memory = region(3);
    let live = Live::bind(&memory, 1);
    live.kernel(0..100, 60);
    live.appender.set_ending(Ending::Panic);
    let live = Live::bind(&memory, 2);
    live.kernel(0..100, 60);
    let kept = live.append(Share::Programs, 200, 60);
    let found = view(&memory);
    assert_eq!(found[0].seqs.contains(&200), kept);
    assert_eq!(found[1].seqs.last(), Some(&99));
}

#[test]
fn log_persist_programs_that_write_first_leave_room_for_the_kernel() {
    let memory = region(3);
    for boot in [1, 2] {
        let live = Live::bind(&memory, boot);
        live.kernel(0..100, 60);
        live.appender.set_ending(Ending::Panic);
    }
    let live = Live::bind(&memory, 3);
    live.append(Share::Programs, 0, 60);
    for seq in 1..10 {
        // The block of the programs now belongs to the kernel.
        live.kernel(3 * seq..3 * seq + 2, 60);
        live.append(Share::Programs, 3 * seq + 2, 60);
    }
    live.appender.set_ending(Ending::Clean);
    let found = view(&memory);
    assert_eq!(found.len(), 3);
    for seq in 1..10 {
        assert!(found[0].seqs.contains(&(3 * seq)) && found[0].seqs.contains(&(3 * seq + 1)));
    }
}

#[test]
fn log_persist_rebind_goes_on_and_adds_no_earlier_boot() {
    let memory = region(16);
    Live::bind(&memory, 1).kernel(0..10, 60);
    let live = Live::bind(&memory, 2);
    live.kernel(0..10, 60);
    live.appender.set_clock(99, 0, 0);
    live.append(Share::Programs, 10, 60);
    live.appender.unbind(1234, 17);
    for round in 0..500 {
        let next = if round == 0 { 17 } else { 20 + round };
        let (continued, view) = continued(&memory, 2).unwrap();
        assert_eq!(continued.next_message, 1234 + round);
        assert_eq!(continued.next_seq, next);
        assert_eq!((view.ending, view.clocks), (Ending::Clean, vec![(0, 99)]));
        assert_eq!((view.missing, view.damaged), (0, 0));
        let live = Live::bind_salted(&memory, 2, round as u32);
        assert_eq!(live.scan.boots().len(), 1);
        live.kernel(20 + round..21 + round, 5);
        live.appender.unbind(1235 + round, 21 + round);
    }
    let found = view(&memory);
    assert_eq!(found.len(), 2);
    // 500 records of 40 bytes take 6 blocks, not 500.
    assert!(found[0].seqs.len() > 300);
    assert_eq!(found[1].seqs, (0..10).collect::<Vec<_>>());
}

#[test]
fn log_persist_boots_are_numbered_though_one_was_forgotten() {
    let ago = |memory: &[Word], boot| -> Vec<(u32, u32)> {
        let scan = Live::bind(memory, boot).scan;
        let number = |boot: &Boot| u32::from_ne_bytes(boot.boot_id[..4].try_into().unwrap());
        let boots = scan.boots().iter();
        boots.map(|boot| (number(boot), boot.ago)).collect()
    };
    let memory = region(8);
    for boot in 1..4 {
        Live::bind(&memory, boot).kernel(0..10, 60);
    }
    assert_eq!(ago(&memory, 4), [(3, 1), (2, 2), (1, 3)]);
    let live = Live::bind(&memory, 4);
    live.kernel(0..10, 60);
    assert!(!live.appender.forget(0, 8));
    live.appender.unbind(0, 10);
    // Now boot 2 is the first in the list, but it is not the one before.
    assert_eq!(ago(&memory, 4), [(2, 2), (1, 3)]);
    assert_eq!(ago(&memory, 5), [(4, 1), (2, 3), (1, 4)]);
}

#[test]
fn log_persist_rebind_without_unbind_does_not_know_the_next_message() {
    let memory = region(8);
    let live = Live::bind(&memory, 1);
    live.kernel(0..10, 60);
    live.append(Share::Programs, 10, 60);
    live.appender.unbind(5, 50);
    // Whichever share continues first.
    for share in [Share::Kernel, Share::Programs] {
        let image = words(&dump(&memory));
        let live = Live::bind(&image, 1);
        assert!(live.append(share, 50, 10));
        let (continued, view) = continued(&image, 1).unwrap();
        assert_eq!((continued.next_message, continued.next_seq), (u64::MAX, 51));
        assert_eq!(view.ending, Ending::Reset);
        assert_eq!(view.seqs.len(), 12);
    }
}

#[test]
fn log_persist_rebind_without_a_record_notes_where_the_log_goes_on() {
    let memory = region(8);
    let live = Live::bind(&memory, 1);
    live.kernel(0..10, 60);
    live.appender.unbind(5, 50);
    Live::bind(&memory, 1).appender.unbind(6, 60);
    let (continued, view) = continued(&memory, 1).unwrap();
    assert_eq!((continued.next_message, continued.next_seq), (6, 60));
    assert_eq!(view.seqs, (0..10).collect::<Vec<_>>());
}

/// Forgets an earlier boot in steps.
fn forget(live: &Live<'_>, index: usize) {
    while live.appender.forget(index, 2) {}
}

#[test]
fn log_persist_what_was_cleared_does_not_come_back() {
    let memory = region(16);
    for boot in 1..=3 {
        let live = Live::bind(&memory, boot);
        live.kernel(0..100, 60);
        live.append(Share::Programs, 100, 60);
        live.appender.set_ending(Ending::Panic);
    }
    let live = Live::bind(&memory, 4);
    live.kernel(0..10, 60);
    // Boot 2, then the same again, then boots that do not exist.
    for index in [1, 1, 14, 15, 99] {
        forget(&live, index);
    }
    let boots = |memory: &_| view(memory).iter().map(|v| v.boot).collect::<Vec<_>>();
    assert_eq!(boots(&memory), [4, 3, 1]);
    flood(&live, Share::Kernel, 16);
    assert_eq!(boots(&memory), [4, 3, 1]);
    // Not even after a boot that reuses the blocks.
    let live = Live::bind(&memory, 5);
    forget(&live, 0);
    forget(&live, 1);
    forget(&live, 2);
    assert_eq!(boots(&memory), [0; 0]);
    live.kernel(0..100, 60);
    while live.appender.forget_own(2) {}
    assert_eq!(boots(&memory), [0; 0]);
    live.kernel(100..110, 60);
    assert_eq!(view(&memory)[0].seqs, (100..110).collect::<Vec<_>>());
}

#[test]
fn log_persist_cleared_blocks_are_free() {
    let memory = region(16);
    let live = Live::bind(&memory, 1);
    flood(&live, Share::Kernel, 16);
    live.appender.set_ending(Ending::Panic);
    let live = Live::bind(&memory, 2);
    forget(&live, 0);
    flood(&live, Share::Kernel, 16);
    // Three quarters of half of the region.
    assert!(view(&memory)[0].seqs.len() * 104 > 5 * (ROOM - 104));
}

#[test]
fn log_persist_region_that_moved_or_changed_its_size() {
    let blocks = 32;
    let memory = region(blocks);
    for boot in 1..=3 {
        let live = Live::bind(&memory, boot);
        live.kernel(0..300, 60);
        live.appender.set_ending(Ending::Panic);
    }
    let copy = dump(&memory);
    let all = view_copy(&copy);
    assert_eq!(all.len(), 3);
    let words = BLOCK / 4;
    // Moved down or up, and doubled: everything is found.
    for at in [1, 2, 7, 32] {
        let mut moved = vec![0xdead_beef; at * words];
        moved.extend(&copy);
        assert_eq!(view_copy(&moved), all);
        moved.resize(moved.len() + 13, !0);
        assert_eq!(view_copy(&moved), all);
        // And it can continue.
        let memory = region::words(&moved);
        Live::bind(&memory, 4).kernel(0..10, 60);
        assert_eq!(view(&memory)[1..], all);
    }
    // Any part of it: exactly the contents of that part are found.
    for from in 0..blocks {
        for to in from + 1..=blocks {
            let part = view_copy(&copy[from * words..to * words]);
            for view in part {
                let whole = all.iter().find(|all| all.boot == view.boot).unwrap();
                assert!(view.seqs.iter().all(|seq| whole.seqs.contains(seq)));
                let gone = whole.seqs.len() - view.seqs.len();
                assert!(view.missing as usize <= gone);
            }
        }
    }
}

/// Texts that contain any possible header or record: none of these may be found.
#[test]
fn log_persist_forged_headers_and_records_are_not_taken() {
    let memory = region(8);
    let live = Live::bind(&memory, 1);
    live.kernel(0..3, 40);
    // A valid header and a record, as a text.
    let copy = dump(&memory);
    let mut forged = copy[..18].to_vec();
    forged[4] = 77;
    forged[17] = sum(0x4642_4c4b, &forged[..17]);
    assert_eq!(forged[0], MAGIC);
    assert_eq!(
        sum(0x4642_4c4b, &copy[..17]),
        copy[17],
        "this test knows the sum"
    );
    forged.extend(forged.clone());
    forged.extend(&copy[DATA..DATA + 18]);
    let bytes: Vec<u8> = forged.iter().flat_map(|word| word.to_ne_bytes()).collect();
    // At each offset in a block; a text of the maximum length.
    for (seq, shift) in (3..).zip((0..1024).step_by(8)) {
        let mut text = vec![b' '; shift];
        while text.len() + bytes.len() <= BODY_MAX {
            text.extend(&bytes);
        }
        live.appender
            .append(Share::Kernel, &words(&record(seq, 1, &text)));
        let image = dump(&memory);
        for at in 0..8 {
            let mut table = vec![Block::default(); 8];
            let mut scan = Box::new(Scan::EMPTY);
            scan.run(&image[at * BLOCK / 4..], &NOBODY, &mut table, || ());
            assert!(scan.boots().len() <= 1);
            assert!(scan.boots().iter().all(|boot| boot.boot_id == id(1)));
        }
    }
}

#[test]
fn log_persist_record_of_another_block_in_a_text_is_no_record_even_if_the_one_around_it_is_damaged()
{
    let memory = region(8);
    let live = Live::bind(&memory, 1);
    live.kernel(0..1, 40);
    let inner = &dump(&memory)[DATA..DATA + 18];
    let bytes: Vec<u8> = inner.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let memory = region(8);
    let live = Live::bind_salted(&memory, 1, 99);
    let outer = words(&record(5, 1, &bytes));
    assert!(live.appender.append(Share::Kernel, &outer));
    live.kernel(6..7, 40);
    memory[DATA].store(0);
    let found = &view(&memory)[0];
    assert_eq!(found.seqs, [6]);
    assert_eq!((found.missing, found.damaged), (1, 1));
}

#[test]
fn log_persist_other_version_is_reported_and_used_last() {
    let memory = region(8);
    Live::bind(&memory, 1).kernel(0..100, 60);
    let mut image = dump(&memory);
    for at in [0, 18] {
        image[at + 1] += 1;
    }
    let memory = words(&image);
    let live = Live::bind(&memory, 2);
    assert!(live.scan.other_version());
    // Three blocks were in use.
    assert_eq!(live.scan.boots().len(), 1);
    live.kernel(0..2000, 60);
    assert!(dump(&memory)[..BLOCK / 4] == image[..BLOCK / 4]);
    Live::bind(&memory, 3).kernel(0..2000, 60);
    assert!(!Live::bind(&memory, 4).scan.other_version());
    // Copies that differ are damaged.
    image[1] ^= 4;
    assert!(!Live::bind(&words(&image), 2).scan.other_version());
}

/// Flips each bit: at most the record with it is lost and counted, and an invalid one is never
/// accepted.
#[test]
fn log_persist_every_flipped_bit_costs_one_record_at_most() {
    let memory = region(3);
    let live = Live::bind(&memory, 1);
    for seq in 0..100 {
        let share = if seq % 4 == 0 {
            Share::Programs
        } else {
            Share::Kernel
        };
        live.append(share, seq, seq as usize * 5 % 90);
    }
    live.appender.set_ending(Ending::Panic);
    let mut copy = dump(&memory);
    let all = view_copy(&copy).remove(0);
    assert_eq!((all.missing, all.damaged), (0, 0));
    for bit in (0..copy.len() * 32).step_by(few(1, 16_411)) {
        copy[bit / 32] ^= 1 << (bit % 32);
        let found = view_copy(&copy);
        copy[bit / 32] ^= 1 << (bit % 32);
        let [found] = &found[..] else {
            panic!("bit {bit}: {found:?}");
        };
        let gone = all.seqs.len() - found.seqs.len();
        assert!(gone <= 1, "bit {bit}");
        assert!(found.seqs.iter().all(|seq| all.seqs.contains(seq)));
        assert_eq!(found.ending, Ending::Panic);
        assert_eq!(found.missing as usize, gone, "bit {bit}");
        assert_eq!(found.damaged as usize, gone, "bit {bit}");
    }
}

#[test]
fn log_persist_block_whose_headers_are_lost_is_missing() {
    let memory = region(32);
    Live::bind(&memory, 1).kernel(0..300, 60);
    let all = view(&memory).remove(0);
    // Blocks are taken in order here. Neither the first nor the last one.
    for block in 1..6 {
        let mut copy = dump(&memory);
        for word in &mut copy[block * BLOCK / 4..][..36] {
            *word = !*word;
        }
        let found = view_copy(&copy).remove(0);
        let gone = all.seqs.len() - found.seqs.len();
        assert!(gone > 20);
        assert_eq!((found.missing as usize, found.damaged), (gone, 1));
    }
}

proptest! {
    #![proptest_config(cases(80))]

    #[test]
    fn log_persist_random_memory_holds_nothing(
        values in prop::collection::vec(any::<u32>(), 0..few(9000, 2000)), magic: bool,
    ) {
        let mut values = values;
        if magic {
            for page in values.chunks_mut(BLOCK / 4) {
                page[0] = MAGIC;
            }
        }
        prop_assert_eq!(view_copy(&values), []);
    }

    #[test]
    fn log_persist_flips_accept_no_damaged_record(
        flips in prop::collection::vec(any::<(prop::sample::Index, u32)>(), 0..65),
    ) {
        let memory = region(16);
        for boot in 1..4 {
            let live = Live::bind(&memory, boot);
            for seq in 0..few(150, 30) {
                let share = [Share::Kernel, Share::Programs][seq as usize % 3 / 2];
                live.append(share, seq, seq as usize % 99);
            }
        }
        let mut copy = dump(&memory);
        let all = view_copy(&copy);
        for (at, bit) in &flips {
            let at = at.index(copy.len());
            copy[at] ^= 1 << (bit % 32);
        }
        // `view_copy` checks each record.
        for found in view_copy(&copy) {
            let whole = all.iter().find(|all| all.boot == found.boot).unwrap();
            prop_assert!(found.seqs.iter().all(|seq| whole.seqs.contains(seq)));
            prop_assert!(found.missing as usize <= whole.seqs.len() - found.seqs.len());
        }
    }

    /// Any history of boots: the guarantees for the first and the newest panic, the boot before,
    /// and the shares.
    #[test]
    fn log_persist_promises_hold_after_any_history(
        blocks in 4..40usize,
        history in prop::collection::vec(
            (0..3usize, 0..120u64, 0..120u64, 0..8usize, 0..200usize), 1..few(25, 3),
        ),
    ) {
        let memory = region(blocks);
        // For each boot: the last record of the kernel, and whether it panicked.
        let mut boots: Vec<(u32, u64, bool)> = vec![];
        for (number, (ending, kernel, programs, clear, len)) in history.into_iter().enumerate() {
            let boot = number as u32 + 1;
            let live = Live::bind(&memory, boot);
            if clear < 2 {
                if let Some(cleared) = live.scan.boots().get(clear) {
                    boots.retain(|&(boot, ..)| cleared.boot_id != id(boot));
                    forget(&live, clear);
                }
            }
            let count = (kernel + programs) * blocks as u64 / 8;
            let mut seq = 0;
            let mut last = 0;
            for round in 0..8 {
                let part = |share| count / 8 * [kernel, programs][share] / (kernel + programs + 1);
                for _ in 0..=part(0) {
                    prop_assert!(live.append(Share::Kernel, seq, len));
                    (last, seq) = (seq, seq + 1);
                }
                for _ in 0..part(1) * (round % 2) {
                    live.append(Share::Programs, seq, len);
                    seq += 1;
                }
            }
            let panicked = ending == 0;
            let endings = [Ending::Panic, Ending::Clean, Ending::Reset];
            live.appender.set_ending(endings[ending]);
            boots.push((boot, last, panicked));

            let found = view(&memory);
            prop_assert!(found.iter().all(|view| (view.missing, view.damaged) == (0, 0)));
            let mut panics = boots.iter().filter(|(.., panicked)| *panicked);
            // The list may be too short for the boot before this one, but not in this boot.
            let before = boots.iter().nth_back(1).filter(|_| found.len() < BOOTS_MAX);
            let kept = [panics.next(), panics.next_back(), before, boots.last()];
            let scan = Live::bind(&memory, boot).scan;
            if let Some(&(before, ..)) = boots.iter().nth_back(1) {
                let first = scan.boots()[0].boot_id;
                // Or a boot that did not fit into the list before another one was cleared.
                prop_assert!((before..boot).any(|boot| first == id(boot)));
            }
            for &(boot, last, panicked) in kept.into_iter().flatten() {
                let view = found.iter().find(|view| view.boot == boot);
                let there = view.is_some_and(|view| view.seqs.contains(&last));
                prop_assert!(there, "{boot} of {boots:?}: {found:?}");
                prop_assert_eq!(view.unwrap().ending == Ending::Panic, panicked);
            }
            // The others may be removed.
            boots.retain(|&(boot, ..)| found.iter().any(|view| view.boot == boot));
        }
    }

    /// As many of the newest records as fit.
    #[test]
    fn log_persist_newest_records_are_there(
        count in 1..few(3000u64, 50), start in 0..u64::MAX / 2,
        blocks in 3..20usize, body in 0..600usize,
    ) {
        let memory = region(blocks);
        let live = Live::bind(&memory, 1);
        live.kernel(start..start + count, body);
        let found = view(&memory).remove(0);
        let there = found.seqs.len() as u64;
        prop_assert_eq!(found.seqs, (start + count - there..start + count).collect::<Vec<_>>());
        prop_assert_eq!((found.damaged, found.missing), (0, 0));
        // Half of the blocks, without one per four for programs, and without the open one.
        let per_block = ROOM / (32 + body.div_ceil(8) * 8);
        let half = blocks / 2;
        let full = (half - (half / 4).max(1).min(half)).max(2) - 1;
        prop_assert!(there >= count.min((per_block * full) as u64));
    }
}

#[test]
fn log_persist_sizes_of_the_table() {
    assert_eq!(blocks(REGION_MIN + BLOCK - 1), 3);
    assert!(size_of::<Block>() <= 24);
    assert!(size_of::<Scan>() <= 2048);
    assert!(size_of::<Appender<'_>>() <= 1024);
    assert_eq!(RECORD_MAX, 2048);
}
