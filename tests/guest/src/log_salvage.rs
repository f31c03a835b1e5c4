// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is salvaged of a damaged carve-out (row 24). Binding the node again reads it as the next boot would; what lies
//! there is written through /dev/mem in between.

use std::fs;
use std::os::fd::AsRawFd;

use libc::MAP_SHARED;

use crate::dev::{self, Spec, Unbound, LOG3};
use crate::log::{append, kmsg, number, text, unique, Messages, Reader};
use crate::mem::{Map, PAGE, RW};
use crate::sys;
use crate::tests;
use crate::uapi;

tests! {
    quick:
        log_salvage_after_binding_again_has_every_record,
        log_salvage_keeps_to_the_level_of_the_tree,
        log_salvage_of_nothing_is_empty,
        log_salvage_never_confuses_two_rounds,
        log_salvage_can_be_cleared;
    long:
        log_salvage_of_zeros_and_ones_and_noise_is_empty,
        log_salvage_of_flipped_bits_loses_those_records_alone,
        log_salvage_of_a_damaged_header_uses_the_other_copy,
        log_salvage_of_every_header_word_changed_never_hangs,
        log_salvage_of_a_torn_end_loses_the_end_alone;
}

const REGION: usize = 0x5162_0000;
const REGION_SIZE: usize = 0x1_0000;

/// The carve-out, from outside of the driver.
fn region() -> Map {
    LOG3.needed();
    let Ok(mem) = sys::open("/dev/mem", libc::O_RDWR | libc::O_SYNC) else {
        crate::skip!("no /dev/mem")
    };
    Map::new(
        mem.as_raw_fd(),
        REGION_SIZE,
        RW,
        MAP_SHARED,
        crate::board::carveout(REGION) / PAGE,
    )
    .expect("mmap of /dev/mem")
}

fn previous() -> Spec {
    let spec = Spec {
        name: "log.prev",
        ..LOG3
    };
    Spec {
        size: spec.attribute("size").parse().expect("a size"),
        ..spec
    }
}

/// What log.prev gives by read(); the same by map.
fn salvaged() -> Vec<String> {
    let spec = previous();
    let by_read = Messages::of_log(&spec).all();
    let by_map: Vec<String> = Reader::new(&spec)
        .all()
        .iter()
        .map(|record| record.as_kmsg())
        .collect();
    assert_eq!(by_map, by_read);
    for pair in by_read.windows(2) {
        assert!(number(&pair[1]) > number(&pair[0]), "{pair:?}");
    }
    by_read
}

/// The numbers in the records `words N xxx…` that were salvaged. A record is whole or not there.
fn words(mark: &str) -> Vec<usize> {
    let messages = salvaged();
    let ours = messages
        .iter()
        .filter_map(|message| text(message).strip_prefix(mark).map(str::to_owned));
    let numbers = ours.map(|rest| {
        let n: usize = rest
            .split_whitespace()
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number");
        assert_eq!(rest, body(n), "a damaged record was accepted");
        n
    });
    numbers.collect()
}

fn body(n: usize) -> String {
    format!(" {n} {}", "x".repeat(n * 13 % 90))
}

/// A fresh life of the log with `count` records; then the device is unbound, and `damage` gets the region.
fn life(mark: &str, count: usize, damage: impl FnOnce(&Map)) {
    let memory = region();
    // Nothing is left of the tests before.
    {
        let _unbound = Unbound::new(LOG3.node);
        wipe(&memory, |_| 0);
    }
    replayed();
    for n in 0..count {
        append(&LOG3.open(), &format!("<5>{mark}{}", body(n)));
    }
    let _unbound = Unbound::new(LOG3.node);
    damage(&memory);
}

/// Waits until the kernel has shown this log all that it has said so far: it comes in a thread of its own.
fn replayed() {
    let mark = unique("all was said");
    kmsg(&mark);
    Reader::new(&LOG3).find(&mark);
}

fn wipe(memory: &Map, mut value: impl FnMut(usize) -> u32) {
    for offset in (0..REGION_SIZE).step_by(4) {
        memory
            .store32(offset, value(offset))
            .expect("the carve-out");
    }
}

/// Numbers that are different in every run, and known afterwards.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let mut seed = [0; 8];
        let urandom = sys::open("/dev/urandom", libc::O_RDONLY).expect("/dev/urandom");
        sys::read(urandom.as_raw_fd(), &mut seed).expect("random bytes");
        let seed = u64::from_ne_bytes(seed) | 1;
        println!("seed {seed:#x}");
        Self(seed)
    }

    fn next(&mut self) -> u32 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }
}

fn log_salvage_after_binding_again_has_every_record() {
    life("kept", 100, |_| {});
    assert_eq!(words("kept"), (0..100).collect::<Vec<_>>());
}

fn log_salvage_keeps_to_the_level_of_the_tree() {
    life("level", 0, |_| {});
    replayed();
    let log = LOG3.open();
    for level in [7, 6, 5, 3] {
        append(&log, &format!("<{level}>at level {level}"));
    }
    drop(log);
    drop(Unbound::new(LOG3.node));
    let messages = salvaged();
    let has = |words: &str| messages.iter().any(|message| text(message) == words);
    assert!(
        has("at level 6") && has("at level 5") && has("at level 3"),
        "{messages:?}"
    );
    assert!(!has("at level 7"), "fanlight,persist-level is 6");
}

fn log_salvage_of_nothing_is_empty() {
    let memory = region();
    {
        let _unbound = Unbound::new(LOG3.node);
        wipe(&memory, |_| 0);
    }
    assert_eq!(salvaged(), [""; 0]);
}

fn log_salvage_never_confuses_two_rounds() {
    // More than the region holds, three times over.
    life("round", 2000, |_| {});
    let numbers = words("round");
    assert!(numbers.len() > 200, "{} records of 64 KiB", numbers.len());
    assert_eq!(
        numbers,
        (2000 - numbers.len()..2000).collect::<Vec<_>>(),
        "the newest, without a gap"
    );
}

fn log_salvage_can_be_cleared() {
    life("to be cleared", 10, |_| {});
    assert_eq!(words("to be cleared").len(), 10);
    let prev = Messages::of_log(&previous());
    assert_eq!(sys::ioctl_at(prev.raw(), uapi::IOC_LOG_CLEAR, 0), Ok(0));
    assert_eq!(words("to be cleared").len(), 0);
}

fn log_salvage_of_zeros_and_ones_and_noise_is_empty() {
    let memory = region();
    let mut random = Random::new();
    for round in 0..60 {
        let noise = |random: &mut Random| match round % 6 {
            0 => u32::MAX,
            1 => uapi::LOG_MAGIC,
            2 => 0xa500_0020,
            3 => 1 << random.below(32),
            _ => random.next(),
        };
        {
            let _unbound = Unbound::new(LOG3.node);
            wipe(&memory, |_| noise(&mut random));
        }
        assert_eq!(salvaged(), [""; 0], "round {round}");
        assert!(LOG3.open().info().size > 0);
    }
}

fn log_salvage_of_flipped_bits_loses_those_records_alone() {
    let mut random = Random::new();
    for flips in [1, 1, 1, 1, 8, 8, 8, 64, 64] {
        let mark = format!("flipped {flips}");
        life(&mark, 150, |memory| {
            for _ in 0..flips {
                // In what has been written to: the header's copies too.
                let (offset, bit) = (random.below(0x3000) & !3, random.below(32));
                let word = memory.load32(offset).unwrap();
                memory.store32(offset, word ^ (1 << bit)).unwrap();
            }
        });
        let numbers = words(&mark);
        // A flip in a record's length may hide the one behind it, no more.
        assert!(
            numbers.len() + 2 * flips >= 150,
            "{flips} flips lost {}",
            150 - numbers.len()
        );
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

fn log_salvage_of_a_damaged_header_uses_the_other_copy() {
    let mark = "two headers";
    for copy in [0, 128] {
        life(mark, 50, |memory| {
            for offset in (copy..copy + 64).step_by(4) {
                memory.store32(offset, 0xdead_beef).unwrap();
            }
        });
        assert_eq!(
            words(mark),
            (0..50).collect::<Vec<_>>(),
            "without the copy at {copy}"
        );
    }
}

fn log_salvage_of_every_header_word_changed_never_hangs() {
    let mut random = Random::new();
    for offset in (0..128).step_by(4) {
        let value = [0, u32::MAX, 1, random.next()][offset / 4 % 4];
        life("header", 30, |memory| {
            for page in [0, PAGE, REGION_SIZE - PAGE] {
                memory.store32(page + offset, value).unwrap();
            }
        });
        // Whatever is left of it is whole and in order.
        let numbers = words("header");
        assert!(
            numbers.windows(2).all(|pair| pair[0] < pair[1]),
            "offset {offset}"
        );
    }
}

fn log_salvage_of_a_torn_end_loses_the_end_alone() {
    // An append that was cut off: the newest record's bytes, from somewhere on, are what they were before it.
    let mut random = Random::new();
    for _ in 0..20 {
        let mark = "torn";
        life(mark, 60, |memory| {
            let bytes = memory.copy(0, REGION_SIZE);
            let last = format!("{mark}{}", body(59));
            let at = bytes
                .windows(last.len())
                .position(|bytes| bytes == last.as_bytes())
                .expect("the last record");
            let end = at + last.len();
            // Somewhere in its text, or in what is before it.
            let cut = end - random.below(last.len() + 24);
            for at in (cut & !3..end).step_by(4) {
                memory.store32(at, 0).unwrap();
            }
        });
        let numbers = words(mark);
        assert_eq!(numbers, (0..59).collect::<Vec<_>>());
    }
    assert!(dev::is_bound(LOG3.node));
    assert!(fs::metadata(previous().path()).is_ok());
}
