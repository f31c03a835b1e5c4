// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The persistent copy of the log, store by store: a reset after any store, lost stores, and a
//! writer that is stopped after any store and followed by the final writer of a panic.
//!
//! Uses the sources of the library with words that record each store.

#![cfg(not(loom))]

#[path = "common/region.rs"]
mod region;

#[allow(dead_code, missing_docs, unused_imports)]
#[path = "."]
mod ring {
    pub mod atomic {
        use std::cell::{Cell, RefCell};

        thread_local! {
            /// Address and value of each store, while recording is on.
            static JOURNAL: RefCell<Option<Vec<(usize, u32)>>> = const { RefCell::new(None) };
            /// Remaining stores before the writer is stopped.
            static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
        }

        #[derive(Debug)]
        pub struct Word(Cell<u32>);

        impl Word {
            pub fn new(value: u32) -> Self {
                Self(Cell::new(value))
            }

            pub fn load(&self) -> u32 {
                self.0.get()
            }

            pub fn store(&self, value: u32) {
                LEFT.with(|left| match left.get().checked_sub(1) {
                    Some(less) => left.set(less),
                    // The writer is stopped here.
                    None => std::panic::resume_unwind(Box::new(())),
                });
                JOURNAL.with_borrow_mut(|journal| {
                    if let Some(journal) = journal {
                        journal.push((std::ptr::from_ref(self).addr(), value));
                    }
                });
                self.0.set(value);
            }
        }

        // There is one thread, so no ordering is needed.
        impl Word {
            pub fn load_acquire(&self) -> u32 {
                self.load()
            }

            pub fn store_release(&self, value: u32) {
                self.store(value);
            }
        }

        pub fn fence_acquire() {}

        pub fn fence_release() {}

        /// The stores of `run` to `memory`, in order: the index of the word, and the value.
        pub fn journal(memory: &[Word], run: impl FnOnce()) -> Vec<(usize, u32)> {
            JOURNAL.set(Some(vec![]));
            run();
            let from = memory.as_ptr().addr();
            let stores = JOURNAL.take().unwrap();
            let stores = stores
                .into_iter()
                .map(|(at, value)| (at.wrapping_sub(from) / 4, value));
            stores.filter(|&(at, _)| at < memory.len()).collect()
        }

        /// Stops `run` after `stores` stores. Returns whether it completed.
        pub fn stop_after(stores: u64, run: impl FnOnce()) -> bool {
            LEFT.set(stores);
            let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            LEFT.set(u64::MAX);
            end.is_ok()
        }
    }
    #[path = "../clock.rs"]
    pub mod clock;
    #[path = "../number.rs"]
    pub mod number;
    #[path = "../persist/mod.rs"]
    pub mod persist;
    #[path = "../record.rs"]
    pub mod record;

    pub use atomic::Word;
    pub use clock::{Clocks, CLOCKS};
    pub use record::{Record, RECORD_MAX};
}

use region::*;
use ring::atomic::{journal, stop_after};
use ring::persist::{Ending, Share, BLOCK};
use ring::Word;
use std::{cell::Cell, collections::BTreeSet};

const MANY: u64 = if cfg!(miri) {
    1
} else if cfg!(target_arch = "arm") {
    // An emulator runs the tests for ARM, and is ten times slower.
    2
} else {
    10
};

/// All records of all boots.
fn all(copy: &[u32]) -> BTreeSet<(u32, u64)> {
    let views = view_copy(copy).into_iter();
    views
        .flat_map(|view| view.seqs.into_iter().map(move |seq| (view.boot, seq)))
        .collect()
}

/// Runs `change`, and checks what a reset would leave after each of its stores, and with some of
/// them lost.
///
/// A record that exists before and afterwards must exist at any time, and no others may.
fn reset_anywhere(memory: &[Word], rng: &mut Rng, change: impl FnOnce()) {
    let before = dump(memory);
    let stores = journal(memory, change);
    let after = dump(memory);
    let (old, new) = (all(&before), all(&after));
    let keep: BTreeSet<_> = old.intersection(&new).copied().collect();
    let may: BTreeSet<_> = old.union(&new).copied().collect();
    let mut copy = before.clone();
    for k in 0..=stores.len() {
        let found = all(&copy);
        assert!(
            found.is_superset(&keep),
            "after {k} of {} stores",
            stores.len()
        );
        let wrong: Vec<_> = found.difference(&may).collect();
        assert!(wrong.is_empty(), "after {k} stores: {wrong:?}");
        if k % 7 == 0 {
            // Some stores lost, whatever the barriers: no record that was never written.
            let mut copy = before.clone();
            let odds = 1 + rng.below(7);
            for &(at, value) in &stores[..k] {
                if rng.below(8) >= odds {
                    copy[at] = value;
                }
            }
            assert!(all(&copy).is_subset(&may));
        }
        if let Some(&(at, value)) = stores.get(k) {
            copy[at] = value;
        }
    }
    assert!(copy == after);
}

/// Prepares the region: some of its blocks belong to earlier boots.
fn history(memory: &[Word], rng: &mut Rng, boots: u32) {
    for boot in 1..=boots {
        let live = Live::bind_salted(memory, boot, rng.next() as u32);
        let count = rng.below(1 + memory.len() as u64 / 10);
        for seq in 0..count {
            let share = if rng.below(3) == 0 {
                Share::Programs
            } else {
                Share::Kernel
            };
            live.append(share, seq, rng.below(150) as usize);
        }
        match rng.below(3) {
            0 => live.appender.set_ending(Ending::Panic),
            1 => live.appender.set_ending(Ending::Clean),
            _ => {}
        }
    }
}

#[test]
fn log_persist_reset_after_any_store_loses_what_was_being_written_alone() {
    let seconds = std::env::var("FANLIGHT_FUZZ").map_or(0, |s| s.parse().unwrap());
    let begin = std::time::Instant::now();
    let mut seed = 0;
    while seed < MANY || begin.elapsed().as_secs() < seconds {
        seed += 1;
        let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let memory = region(3 + rng.below(9) as usize);
        let boots = rng.below(6) as u32;
        history(&memory, &mut rng, boots);
        let mut live = Live::bind_salted(&memory, boots + 1, rng.next() as u32);
        let mut seq = 0;
        let kept = Cell::new(None);
        for _ in 0..60 {
            let share = [Share::Kernel, Share::Programs][rng.below(2) as usize];
            let max = [10, 100, 2016][rng.below(3) as usize];
            let len = rng.below(max + 1) as usize;
            let kind = rng.below(30);
            let index = rng.below(5) as usize;
            reset_anywhere(&memory, &mut rng, || {
                match kind {
                    0 => live.appender.set_ending(Ending::Clean),
                    1 => live.appender.set_clock(seq as i64, seq / 3, 0),
                    2 => while live.appender.forget(index, 3) {},
                    3 => while live.appender.forget_own(3) {},
                    4 => live.appender.unbind(seq, seq),
                    _ => {
                        kept.set(live.append(share, seq, len).then_some((boots + 1, seq)));
                    }
                }
                seq += 1;
            });
            if let Some(kept) = kept.take() {
                assert!(all(&dump(&memory)).contains(&kept));
            }
            if kind == 4 {
                live = Live::bind_salted(&memory, boots + 1, rng.next() as u32);
            }
        }
    }
}

/// The actions of the panicking processor.
fn final_writer(live: &Live<'_>, from: u64, count: u64) {
    live.appender.set_ending(Ending::Panic);
    for seq in from..from + count {
        assert!(live.append(Share::Kernel, seq, 60));
    }
}

#[test]
fn log_persist_final_writer_after_a_writer_that_was_stopped_anywhere() {
    for seed in 1..=MANY {
        for stores in 0.. {
            // The same each time, up to the store after which the writer is stopped.
            let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let memory = region(3 + rng.below(6) as usize);
            let boots = rng.below(5) as u32;
            history(&memory, &mut rng, boots);
            let live = Live::bind_salted(&memory, boots + 1, rng.next() as u32);
            for seq in 0..rng.below(150) {
                live.append(Share::Kernel, seq, 60);
            }
            let share = [Share::Kernel, Share::Programs][rng.below(2) as usize];
            let old = view(&memory);
            // The longest record, so that most of them change the block.
            let text = text(1000, boots + 1, 2016);
            let words = words(&record(1000, boots + 1, &text));
            let end = stop_after(stores, || {
                live.appender.append(share, &words);
            });
            final_writer(&live, 1001, 5);

            let found = view(&memory);
            let this = found.iter().find(|view| view.boot == boots + 1).unwrap();
            assert!(this.seqs.ends_with(&[1001, 1002, 1003, 1004, 1005]));
            assert_eq!(this.ending, Ending::Panic);
            // The first and the newest panic are unchanged.
            let panics: Vec<_> = old.iter().filter(|v| v.ending == Ending::Panic).collect();
            for old in panics.first().iter().chain(&panics.last()) {
                let kept = found.iter().find(|view| view.boot == old.boot).unwrap();
                assert_eq!(kept.ending, Ending::Panic);
                assert_eq!(kept.seqs.last(), old.seqs.last());
            }
            if end {
                break;
            }
        }
    }
}

/// The stopped writer has removed a block of a panic, or the only block that this boot may have.
fn stopped_with_panics(panics: u32) {
    for stores in 0.. {
        let memory = region(3);
        for boot in 1..=panics {
            let live = Live::bind(&memory, boot);
            live.kernel(0..100, 60);
            live.appender.set_ending(Ending::Panic);
        }
        let live = Live::bind(&memory, panics + 1);
        live.kernel(0..41, 60);
        let end = stop_after(stores, || live.kernel(41..42, 60));
        final_writer(&live, 42, 5);
        let found = view(&memory);
        assert_eq!(found.len(), panics as usize + 1);
        assert!(found[0].seqs.ends_with(&[42, 43, 44, 45, 46]));
        for panic in &found[1..] {
            assert_eq!(panic.seqs.last(), Some(&99));
        }
        if end {
            break;
        }
    }
}

#[test]
fn log_persist_final_writer_when_there_is_only_one_block() {
    stopped_with_panics(2);
}

#[test]
fn log_persist_final_writer_leaves_a_panic_its_last_block() {
    stopped_with_panics(1);
}

#[test]
fn log_persist_final_writer_after_a_writer_that_was_stopped_while_it_noted_something() {
    for stores in 0.. {
        let memory = region(16);
        let live = Live::bind(&memory, 1);
        live.kernel(0..100, 60);
        live.append(Share::Programs, 100, 60);
        let end = stop_after(stores, || live.appender.unbind(7, 8));
        final_writer(&live, 101, 100);
        let this = view(&memory).remove(0);
        assert_eq!(this.ending, Ending::Panic);
        assert_eq!(this.seqs, (0..201).collect::<Vec<_>>());
        assert_eq!((this.missing, this.damaged), (0, 0));
        if end {
            break;
        }
    }
}

#[test]
fn log_persist_final_writer_after_a_writer_that_was_stopped_while_it_cleared() {
    for stores in 0.. {
        let memory = region(16);
        Live::bind(&memory, 1).kernel(0..100, 60);
        let live = Live::bind(&memory, 2);
        live.kernel(0..50, 60);
        let end = stop_after(stores, || while live.appender.forget(0, 2) {});
        final_writer(&live, 50, 200);
        let this = view(&memory).remove(0);
        assert_eq!(this.ending, Ending::Panic);
        assert!(this.seqs.ends_with(&(200..250).collect::<Vec<_>>()));
        if end {
            break;
        }
    }
}

/// Only the interrupted record is missing, and it is counted.
#[test]
fn log_persist_record_of_a_stopped_writer_is_counted_as_missing() {
    let memory = region(16);
    let live = Live::bind(&memory, 1);
    live.kernel(0..5, 60);
    assert!(!stop_after(8, || {
        live.append(Share::Kernel, 5, 60);
    }));
    final_writer(&live, 6, 100);
    let this = view(&memory).remove(0);
    assert_eq!(
        this.seqs,
        (0..106).filter(|&seq| seq != 5).collect::<Vec<_>>()
    );
    assert_eq!((this.missing, this.damaged), (1, 1));
}

/// Appending costs two stores of state per record, and one store per word.
#[test]
fn log_persist_appending_stores_each_word_once() {
    let memory = region(16);
    let live = Live::bind(&memory, 1);
    live.kernel(0..1, 64);
    let stores = journal(&memory, || live.kernel(1..2, 64));
    assert_eq!(stores.len(), 24);
    // The first word is stored last.
    let at = 168 / 4 + 24;
    assert_eq!(stores.last().unwrap().0, at);
}

/// Whatever the contents of the memory, the scan takes at most a few sums and loads per word.
#[test]
fn log_persist_scan_is_linear() {
    let bytes = 64 * BLOCK;
    let valid = {
        let memory = region(64);
        Live::bind(&memory, 1).kernel(0..3000, 60);
        dump(&memory)
    };
    let fill = |value: &dyn Fn(usize) -> u32| {
        // After a valid header and a damaged record.
        let mut copy = valid.clone();
        for (at, word) in copy.iter_mut().enumerate() {
            if at % (BLOCK / 4) >= 36 {
                *word = value(at);
            }
        }
        copy
    };
    for copy in [
        valid.clone(),
        vec![0; bytes / 4],
        vec![0xa500_0800; bytes / 4],
        fill(&|at| [0xa500_0800, 0][at % 2]),
        fill(&|at| [0xa500_0020, 0][at % 2]),
        fill(&|at| [0xa500_0100, 0][at % 2]),
        fill(&|_| 0),
    ] {
        let sums = ring::persist::sums(|| drop(view_copy(&copy)));
        // Once for the numbers, once for the records; each at most 4 words per word.
        assert!(sums <= copy.len() as u64 * 9, "{sums} for {}", copy.len());
    }
}
