// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Memory for rings, and records that can be recognised.

#![allow(dead_code)] // Every test uses some of it.

use fanlight_ring::{Entry, Header, Record, Ring, Start, Word};
use proptest::test_runner::Config as ProptestConfig;

/// How much of something; under miri, which is some thousand times slower, less.
pub const fn few<T: Copy>(many: T, miri: T) -> T {
    if cfg!(miri) {
        miri
    } else {
        many
    }
}

/// How often a property is tried.
pub fn cases(cases: u32, miri: u32) -> ProptestConfig {
    ProptestConfig {
        cases: few(cases, miri),
        // What fails is written out, and belongs into a test of its own.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The memory of a ring.
pub struct Memory {
    pub header: Header,
    pub data: Vec<Word>,
}

impl Memory {
    pub fn new(bytes: usize) -> Self {
        Self {
            header: Header::empty(),
            data: words(&vec![0; bytes / 4]),
        }
    }

    pub fn ring(&self, start: Start) -> Ring<'_> {
        Ring::init(&self.header, &self.data, &[7; 16], start).unwrap()
    }

    pub fn attach(&self) -> Ring<'_> {
        Ring::attach(&self.header, &self.data).unwrap()
    }
}

pub fn words(values: &[u32]) -> Vec<Word> {
    values.iter().map(|&value| Word::new(value)).collect()
}

/// A record whose every field follows from its number and the length of its body.
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

    pub fn entry(&self) -> Entry<'_> {
        Entry {
            level: self.seed as u8 & 7,
            facility: (self.seed >> 3) as u8,
            flags: (self.seed >> 5) as u8 & 7,
            ns: self.seed.wrapping_mul(1_000_003),
            caller: self.seed as u32 ^ 0x8000_1234,
            text: &self.text,
            dict: &self.dict,
        }
    }
}

/// Whether a record is the one that [`Made`] made for its number.
pub fn intact(record: &Record<'_>) -> bool {
    let body = record.entry.text.len() + record.entry.dict.len();
    Made::new(record.seq, body).entry() == record.entry
}
