// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is salvaged of a damaged carve-out (docs/test-plan.md, row 24). One boot writes records and
//! is reset. The next one copies the region, and for each kind of damage writes the copy back with
//! that damage through /dev/mem and binds the node.

use std::fs;
use std::os::fd::AsRawFd;

use libc::MAP_SHARED;

use crate::support::dev::{self, Spec, Unbound, LOG3};
use crate::support::log::{
    append, kernel_has_arrived, kmsg, number, text, unlimited, Messages, Reader,
};
use crate::support::mem::{Map, PAGE, RW};
use crate::support::stages::{go_down, staged, Down, Staged};
use crate::support::sys;
use crate::support::uapi;
use crate::tests;

tests! {
    quick:
        log_salvage_of_nothing_is_empty;
    long:
        log_salvage_of_zeros_and_ones_and_noise_is_empty;
}

pub const STAGED: &[Staged] = staged! {
    log_salvage_after_a_reset_has_every_record,
    log_salvage_keeps_to_the_level_of_the_tree,
    log_salvage_never_confuses_two_rounds,
    log_salvage_can_be_cleared,
    log_salvage_of_flipped_bits_loses_those_records_alone,
    log_salvage_of_a_damaged_header_uses_the_other_copy,
    log_salvage_of_every_header_word_changed_never_hangs,
    log_salvage_of_a_torn_record_loses_that_one_alone,
};

const REGION_SIZE: usize = 0x1_0000;

/// The carve-out, accessed without the driver.
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
        crate::support::board::reserved("persist@51620000") / PAGE,
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

/// The records of log.prev by read(), which must equal those by the mapping.
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

/// The kernel's records, and their number.
const KEPT: &str = "kept";
const COUNT: usize = 150;
/// Records of a program, many more than its share of the region holds.
const ROUND: &str = "round";
const ROUNDS: usize = 2000;

/// The records of the boot that is reset.
fn leave() {
    // Without the records of earlier tests.
    {
        let _unbound = Unbound::new(LOG3.node);
        wipe(&region(), |_| 0);
    }
    let _unlimited = unlimited(&LOG3);
    let log = LOG3.open();
    for n in 0..ROUNDS {
        append(&log, &format!("<5>{ROUND}{}", body(n)));
    }
    for level in [7, 6, 5, 3] {
        kmsg(&format!("<{level}>at level {level}"));
    }
    for n in 0..COUNT {
        kmsg(&format!("<5>{KEPT}{}", body(n)));
    }
    kernel_has_arrived(&LOG3);
}

/// The region as the boot after the reset found it. Made once per boot, and shared by the tests.
fn image(stage: u32) -> Vec<u8> {
    const FILE: &str = "/tmp/fanlight-region";
    if let Ok(image) = fs::read(FILE) {
        return image;
    }
    if stage == 0 {
        leave();
        go_down(Down::Reset);
    }
    let _unbound = Unbound::new(LOG3.node);
    let image = region().copy(0, REGION_SIZE);
    fs::write(FILE, &image).expect(FILE);
    image
}

/// Binds the node over the region as it was found, after `damage`.
fn salvage(image: &[u8], damage: impl FnOnce(&Map)) {
    let memory = region();
    let _unbound = Unbound::new(LOG3.node);
    wipe(&memory, |at| {
        u32::from_ne_bytes(image[at..at + 4].try_into().unwrap())
    });
    damage(&memory);
}

fn wipe(memory: &Map, mut value: impl FnMut(usize) -> u32) {
    for offset in (0..REGION_SIZE).step_by(4) {
        memory
            .store32(offset, value(offset))
            .expect("the carve-out");
    }
}

/// Bytes of a block's header, of which there are two copies at the beginning of the block.
const HEADER: usize = 72;

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

fn log_salvage_after_a_reset_has_every_record(stage: u32) {
    salvage(&image(stage), |_| {});
    assert_eq!(words(KEPT), (0..COUNT).collect::<Vec<_>>());
    assert_eq!(previous().attribute("ending"), "reset");
    assert_eq!(previous().attribute("damaged"), "0");
    assert_eq!(previous().attribute("missing"), "0");
}

fn log_salvage_keeps_to_the_level_of_the_tree(stage: u32) {
    salvage(&image(stage), |_| {});
    let messages = salvaged();
    let has = |words: &str| messages.iter().any(|message| text(message) == words);
    assert!(
        has("at level 6") && has("at level 5") && has("at level 3"),
        "{messages:?}"
    );
    assert!(!has("at level 7"), "fanlight,persist-level is 6");
}

fn log_salvage_never_confuses_two_rounds(stage: u32) {
    salvage(&image(stage), |_| {});
    let numbers = words(ROUND);
    assert!(numbers.len() > 40, "{} records", numbers.len());
    assert_eq!(
        numbers,
        (ROUNDS - numbers.len()..ROUNDS).collect::<Vec<_>>(),
        "the newest, without a gap"
    );
}

fn log_salvage_can_be_cleared(stage: u32) {
    salvage(&image(stage), |_| {});
    assert_eq!(words(KEPT).len(), COUNT);
    let prev = Messages::of_log(&previous());
    assert_eq!(sys::ioctl_at(prev.raw(), uapi::IOC_LOG_CLEAR, 0), Ok(0));
    assert_eq!(words(KEPT).len(), 0);
    drop(Unbound::new(LOG3.node));
    assert_eq!(words(KEPT).len(), 0, "it does not come back");
}

fn log_salvage_of_nothing_is_empty() {
    let memory = region();
    {
        let _unbound = Unbound::new(LOG3.node);
        wipe(&memory, |_| 0);
    }
    assert_eq!(salvaged(), [""; 0]);
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

fn log_salvage_of_flipped_bits_loses_those_records_alone(stage: u32) {
    let image = image(stage);
    let mut random = Random::new();
    for flips in [1, 1, 1, 1, 8, 8, 8, 64, 64] {
        salvage(&image, |memory| {
            for _ in 0..flips {
                // Headers, too.
                let (offset, bit) = (random.below(REGION_SIZE) & !3, random.below(32));
                let word = memory.load32(offset).unwrap();
                memory.store32(offset, word ^ (1 << bit)).unwrap();
            }
        });
        let numbers = words(KEPT);
        // A flipped bit in a record's length may hide the next record, but no more.
        assert!(
            numbers.len() + 2 * flips >= COUNT,
            "{flips} flips lost {}",
            COUNT - numbers.len()
        );
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

fn log_salvage_of_a_damaged_header_uses_the_other_copy(stage: u32) {
    let image = image(stage);
    for copy in [0, HEADER] {
        salvage(&image, |memory| {
            for block in (0..REGION_SIZE).step_by(PAGE) {
                for offset in (copy..copy + HEADER).step_by(4) {
                    memory.store32(block + offset, 0xdead_beef).unwrap();
                }
            }
        });
        assert_eq!(
            words(KEPT),
            (0..COUNT).collect::<Vec<_>>(),
            "without the copies at {copy}"
        );
    }
}

fn log_salvage_of_every_header_word_changed_never_hangs(stage: u32) {
    let image = image(stage);
    let mut random = Random::new();
    for offset in (0..2 * HEADER).step_by(4) {
        let value = [0, u32::MAX, 1, random.next()][offset / 4 % 4];
        salvage(&image, |memory| {
            for block in (0..REGION_SIZE).step_by(PAGE) {
                memory.store32(block + offset, value).unwrap();
                memory
                    .store32(block + (offset + HEADER) % (2 * HEADER), value)
                    .unwrap();
            }
        });
        // The records that remain are whole and in order.
        let numbers = words(KEPT);
        assert!(
            numbers.windows(2).all(|pair| pair[0] < pair[1]),
            "offset {offset}"
        );
    }
}

fn log_salvage_of_a_torn_record_loses_that_one_alone(stage: u32) {
    // An append that was interrupted: from some byte on, the record has the bytes that were there
    // before.
    let image = image(stage);
    let mut random = Random::new();
    for _ in 0..20 {
        let torn = random.below(COUNT);
        salvage(&image, |memory| {
            let bytes = memory.copy(0, REGION_SIZE);
            let text = format!("{KEPT}{}", body(torn));
            let at = bytes
                .windows(text.len())
                .position(|bytes| bytes == text.as_bytes())
                .expect("the record");
            let end = at + text.len();
            // In its text, or in its header.
            let cut = end - random.below(text.len() + 24);
            for at in (cut & !3..end & !3).step_by(4) {
                memory.store32(at, 0).unwrap();
            }
        });
        let mut numbers = words(KEPT);
        // Zeros do not damage a record that ends with zeros.
        numbers.retain(|n| *n != torn);
        let expected: Vec<usize> = (0..COUNT).filter(|n| *n != torn).collect();
        assert_eq!(numbers, expected);
    }
    assert!(dev::is_bound(LOG3.node));
    assert!(fs::metadata(previous().path()).is_ok());
}
