// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Memory for rings, and records that can be verified.

#![allow(dead_code)] // Each test uses a part of it.

use fanlight_ring::{distance, Entry, Header, Record, Ring, Word, Writer, KERNEL_LANE_MIN, USER};
use proptest::test_runner::Config as ProptestConfig;

/// The number of cases: an eighth if an emulator runs the tests, which is ten times slower.
const fn emulated(cases: u32) -> u32 {
    if cfg!(target_arch = "arm") {
        cases.div_ceil(8)
    } else {
        cases
    }
}

/// An amount; a smaller one under miri, which is some thousand times slower.
pub const fn few<T: Copy>(many: T, miri: T) -> T {
    if cfg!(miri) {
        miri
    } else {
        many
    }
}

/// How many cases of a property are tried.
pub fn cases(cases: u32, miri: u32) -> ProptestConfig {
    ProptestConfig {
        cases: few(emulated(cases), miri),
        // A failing case is printed, and should become a separate test.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The start of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The position in both lanes, a multiple of 8. Not 0: the counters wrap soon.
    pub position: u64,
    /// The number of the first record.
    pub seq: u64,
}

/// The memory of a ring.
#[derive(Debug)]
pub struct Memory {
    pub header: Header,
    pub data: Vec<Word>,
    pub sizes: [usize; 2],
}

impl Memory {
    /// A ring with the kernel's lane only.
    pub fn new(bytes: usize) -> Self {
        Self::with([bytes, 0])
    }

    pub fn both() -> Self {
        Self::with([KERNEL_LANE_MIN, KERNEL_LANE_MIN / 2])
    }

    pub fn with(sizes: [usize; 2]) -> Self {
        Self {
            header: Header::empty(),
            data: words(&vec![0; (sizes[0] + sizes[1]) / 4]),
            sizes,
        }
    }

    pub fn ring(&self, start: Start) -> Ring<'_> {
        let ring = Ring::init(&self.header, &self.data, self.sizes, &[7; 16], start.seq).unwrap();
        for lane in &self.header.lanes {
            lane.head.store(start.position as u32);
            lane.tail.store(start.position as u32);
            lane.epoch.store((start.position >> 31) as u32);
        }
        ring
    }

    pub fn attach(&self) -> Ring<'_> {
        Ring::attach(&self.header, &self.data).unwrap()
    }

    /// A ring, its writer, and a cursor at its first record.
    pub fn start(&self, start: Start) -> (Ring<'_>, Writer, fanlight_ring::Cursor) {
        let ring = self.ring(start);
        let cursor = fanlight_ring::Cursor::at_seq(&ring, start.seq);
        (ring, Writer::new(start.seq), cursor)
    }
}

/// Checks that the tail is never more than a lane behind the head.
pub fn check_lanes(ring: &Ring<'_>) {
    for lane in ring.lanes() {
        let used = distance(lane.head(), lane.tail());
        assert!((0..=lane.size() as i64).contains(&used), "{used}");
    }
}

pub fn words(values: &[u32]) -> Vec<Word> {
    values.iter().map(|&value| Word::new(value)).collect()
}

/// A record whose fields are derived from its number and the length of its body.
pub struct Made {
    pub text: Vec<u8>,
    pub dict: Vec<u8>,
    seed: u64,
}

impl Made {
    pub fn new(seed: u64, body: usize) -> Self {
        let bytes: Vec<u8> = (0..body as u64)
            .map(|at| {
                (seed
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .wrapping_add(at * 11)
                    >> 7) as u8
            })
            .collect();
        let cut = if body == 0 { 0 } else { seed as usize % body };
        Self {
            text: bytes[..body - cut].to_vec(),
            dict: bytes[body - cut..].to_vec(),
            seed,
        }
    }

    /// Every third one is a program's.
    fn lane(&self) -> u8 {
        if self.seed % 3 == 2 {
            USER
        } else {
            0
        }
    }

    pub fn entry(&self) -> Entry<'_> {
        Entry {
            level: self.seed as u8 & 7,
            facility: (self.seed >> 3) as u8,
            flags: (self.seed >> 5) as u8 & 7 & !USER | self.lane(),
            ns: self.seed.wrapping_mul(1_000_003),
            caller: self.seed as u32 ^ 0x8000_1234,
            text: &self.text,
            dict: &self.dict,
        }
    }
}

/// Whether a record equals the one that [`Made`] makes for its number.
pub fn intact(record: &Record<'_>) -> bool {
    let body = record.entry.text.len() + record.entry.dict.len();
    Made::new(record.seq, body).entry() == record.entry
}
