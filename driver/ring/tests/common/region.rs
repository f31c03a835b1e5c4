// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! A region that survives boots, and records whose contents are derived from their number and boot.
//!
//! The module that includes this file has a module `ring`: the library, or its sources with another
//! type of words.

#![allow(dead_code)] // Each test uses a part of it.

use super::ring::persist::{blocks, Appender, Block, Boot, Continued, Ending, Scan, Share};
use super::ring::persist::{BLOCK, THIS_BOOT};
use super::ring::{Clocks, Record, Word, CLOCKS, RECORD_MAX};

/// Random numbers that are the same in every run.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
}

pub fn id(boot: u32) -> [u8; 16] {
    let mut id = [0x5a; 16];
    id[..4].copy_from_slice(&boot.to_ne_bytes());
    id
}

/// A boot_id that no boot has.
pub const NOBODY: [u8; 16] = [0xee; 16];

pub fn text(seq: u64, boot: u32, len: usize) -> Vec<u8> {
    let mut rng = Rng(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(boot) << 40) | 1);
    (0..len).map(|_| rng.next() as u8).collect()
}

/// A log's list of clock entries.
pub fn list(clocks: &Clocks) -> Vec<(u64, i64)> {
    let mut all = [(0, 0); CLOCKS];
    let count = clocks.copy(&mut all);
    all[..count].to_vec()
}

/// The words of a record in the ring.
pub fn record(seq: u64, boot: u32, text: &[u8]) -> Vec<u32> {
    let padding = text.len().wrapping_neg() & 7;
    let len = 32 + text.len() + padding;
    let halves = |value: u64| {
        let bytes = value.to_ne_bytes();
        [0, 4].map(|at| u32::from_ne_bytes(bytes[at..][..4].try_into().unwrap()))
    };
    let [text_0, text_1] = (text.len() as u16).to_ne_bytes();
    let mut words = vec![(0xa5 << 24) | len as u32 | padding as u32, 0];
    words.extend(halves(seq));
    words.extend(halves(u64::from(boot)));
    words.push(7);
    words.push(u32::from_ne_bytes([text_0, text_1, 3 << 5, 0]));
    let mut bytes = text.to_vec();
    bytes.resize(text.len() + padding, 0);
    words.extend(
        bytes
            .chunks(4)
            .map(|b| u32::from_ne_bytes(b.try_into().unwrap())),
    );
    words
}

pub fn words(values: &[u32]) -> Vec<Word> {
    values.iter().map(|&value| Word::new(value)).collect()
}

pub fn region(blocks: usize) -> Vec<Word> {
    words(&vec![0; blocks * BLOCK / 4])
}

pub fn dump(memory: &[Word]) -> Vec<u32> {
    memory.iter().map(|word| word.load()).collect()
}

/// A boot with the driver bound.
pub struct Live<'a> {
    pub boot: u32,
    pub appender: Appender<'a>,
    pub scan: Box<Scan>,
    pub copy: Vec<u32>,
    pub table: Vec<Block>,
}

impl<'a> Live<'a> {
    pub fn bind(memory: &'a [Word], boot: u32) -> Self {
        Self::bind_salted(memory, boot, boot.wrapping_mul(0x9e37_79b9) ^ 0x1234_5678)
    }

    pub fn bind_salted(memory: &'a [Word], boot: u32, salt: u32) -> Self {
        let copy = dump(memory);
        let mut table = vec![Block::default(); blocks(copy.len() * 4)];
        let mut scan = Box::new(Scan::EMPTY);
        scan.run(&copy, &id(boot), &mut table, || ());
        let links = Box::leak(words(&vec![0x55; table.len()]).into_boxed_slice());
        let appender = Appender::new(memory, links, &id(boot), salt).unwrap();
        appender.adopt(&scan, &table);
        Self {
            boot,
            appender,
            scan,
            copy,
            table,
        }
    }

    pub fn append(&self, share: Share, seq: u64, len: usize) -> bool {
        let text = text(seq, self.boot, len);
        self.appender
            .append(share, &words(&record(seq, self.boot, &text)))
    }

    /// Appends the kernel's records with these numbers.
    pub fn kernel(&self, seqs: impl Iterator<Item = u64>, len: usize) {
        for seq in seqs {
            assert!(self.append(Share::Kernel, seq, len), "{seq}");
        }
    }
}

/// The result of a scan for a boot.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub boot: u32,
    pub ending: Ending,
    /// Times and offsets; none if the wall clock was never set.
    pub clocks: Vec<(u64, i64)>,
    pub missing: u32,
    pub damaged: u32,
    pub seqs: Vec<u64>,
}

/// Reads the records of a boot, and checks each of them.
fn read(scan: &Scan, index: usize, boot: &Boot, copy: &[u32], table: &[Block]) -> View {
    let mut seqs: Vec<u64> = vec![];
    let mut bytes = 0;
    let number = u32::from_ne_bytes(boot.boot_id[..4].try_into().unwrap());
    assert_eq!(boot.boot_id, id(number));
    let mut buffer = [0; RECORD_MAX];
    let clocks = Clocks::empty();
    let clock = |ns, offset: i64| {
        if boot.clock != 0 {
            clocks.insert(ns, boot.clock.wrapping_add(offset));
        }
    };
    let record = |record: &Record<'_>| {
        assert_eq!(
            record.entry.ns,
            u64::from(number),
            "a record of another boot"
        );
        let made = text(record.seq, number, record.entry.text.len());
        assert!(record.entry.text == made, "a record that was not written");
        assert!(seqs.last().is_none_or(|&last| last < record.seq));
        bytes += record.bytes().len();
        seqs.push(record.seq);
    };
    scan.records(index, copy, table, &mut buffer, record, clock);
    assert_eq!(boot.intact as usize, seqs.len());
    assert_eq!(boot.bytes as usize, bytes);
    View {
        boot: number,
        ending: boot.ending,
        clocks: list(&clocks),
        missing: boot.missing,
        damaged: boot.damaged,
        seqs,
    }
}

/// What a later boot would find.
pub fn view_copy(copy: &[u32]) -> Vec<View> {
    let mut table = vec![Block::default(); blocks(copy.len() * 4)];
    let mut scan = Box::new(Scan::EMPTY);
    scan.run(copy, &NOBODY, &mut table, || ());
    assert_eq!(scan.continued(), None);
    let boots = scan.boots().iter().enumerate();
    boots
        .map(|(index, boot)| read(&scan, index, boot, copy, &table))
        .collect()
}

pub fn view(memory: &[Word]) -> Vec<View> {
    view_copy(&dump(memory))
}

/// What a boot finds when the driver is bound again.
pub fn continued(memory: &[Word], boot: u32) -> Option<(Continued, View)> {
    let copy = dump(memory);
    let mut table = vec![Block::default(); blocks(copy.len() * 4)];
    let mut scan = Box::new(Scan::EMPTY);
    scan.run(&copy, &id(boot), &mut table, || ());
    let continued = *scan.continued()?;
    let view = read(&scan, THIS_BOOT, &continued.boot, &copy, &table);
    Some((continued, view))
}
