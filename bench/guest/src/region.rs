// SPDX-License-Identifier: MIT OR Apache-2.0
//! 14: binding an instance whose region has the worst contents for the search. The time should be
//! proportional to the size of the region, and other processes should get the processor.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use fanlight_ring::persist::{blocks, BLOCK};
use fanlight_ring::RECORD_HEADER;

use crate::device::{self, FANLIGHT, REGIONS};
use crate::meter::{busy, Sheet};
use crate::persist::{leave_boots, memory};
use crate::sys::{self, Map};

/// If the search of a MiB needs more than this, larger regions are not measured: they would need
/// minutes.
const TOO_LONG: u64 = 400_000_000;

/// The contents of the region.
enum Fill {
    /// The same word throughout.
    Word(u32),
    /// Valid headers, each followed by first words of records of this many bytes with wrong
    /// checksums. The search computes the checksum of a record at each of them.
    Invalid(u32),
    /// Valid records of 32 bytes, which have no text: a block cannot have more records.
    Valid,
}

const FILLS: [(&str, Fill); 5] = [
    ("zeros", Fill::Word(0)),
    ("ones", Fill::Word(!0)),
    ("large records with wrong sums", Fill::Invalid(2048)),
    (
        "small records with wrong sums",
        Fill::Invalid(RECORD_HEADER as u32),
    ),
    ("the smallest records", Fill::Valid),
];

/// Words of a block, and of its headers: see driver/ring/persist/header.rs.
const BLOCK_WORDS: usize = BLOCK / 4;
const HEADER_WORDS: usize = 36;
/// Records of 32 bytes that fit into a block, with room for a clock entry.
const PER_BLOCK: usize = (BLOCK_WORDS - HEADER_WORDS) / (RECORD_HEADER / 4) - 1;
/// The newest block of each boot and share need not be full.
const SPARE_BLOCKS: usize = 8;

/// How many of the smallest records a region of `size` bytes is filled with.
fn smallest_records(size: usize) -> usize {
    (blocks(size) - SPARE_BLOCKS) * PER_BLOCK
}

pub fn region(sheet: &mut Sheet) {
    device::unbind("fanlight", FANLIGHT);
    let mut worst_of_a_mib = 0;
    for &(name, size, address, intact) in REGIONS {
        let mib = (size >> 20) as f64;
        if worst_of_a_mib > TOO_LONG {
            eprintln!(
                "fanlight-bench: a region of {mib} MiB is left out: {worst_of_a_mib} for one"
            );
            continue;
        }
        let (mut worst, mut longest) = (0, 0);
        for (fill, what) in &FILLS {
            let region = memory(address, size);
            what.store(&region, size);
            drop(region);
            let (took, gap) = beside_another(|| busy(|| device::bind_alone("fanlight", name)));
            // Of both boots; the second one has a log only if records were found.
            let second = intact.replace("log.prev", "log.prev2");
            let found: usize = [intact, &second]
                .iter()
                .filter(|path| Path::new(path).exists())
                .map(|path| device::get(path).parse::<usize>().expect("a number"))
                .sum();
            assert_eq!(found, what.records(size), "records found: {fill}");
            device::quiet();
            device::unbind("fanlight", name);
            let case = format!("{mib} MiB of {fill}");
            sheet.put(&case, "instructions", took as f64);
            sheet.put(&case, "instructions without yielding", gap as f64);
            (worst, longest) = (worst.max(took), longest.max(gap));
        }
        worst_of_a_mib = worst_of_a_mib.max(worst / (size >> 20) as u64);
        let case = format!("the worst {mib} MiB");
        sheet.put(&case, "instructions", worst as f64);
        sheet.put(&case, "instructions without yielding", longest as f64);
    }
    device::bind("fanlight", FANLIGHT);
}

impl Fill {
    fn store(&self, region: &Map, size: usize) {
        let first = match self {
            Self::Word(value) => return (0..size / 4).for_each(|word| region.store(word, *value)),
            Self::Valid | Self::Invalid(_) => {
                leave_boots(region, size, smallest_records(size), 0);
                match self {
                    Self::Invalid(len) => (0xa5 << 24) | len,
                    _ => return,
                }
            }
        };
        for block in 0..blocks(size) {
            for word in HEADER_WORDS..BLOCK_WORDS {
                let value = if word % 2 == 0 { first } else { 0 };
                region.store(block * BLOCK_WORDS + word, value);
            }
        }
    }

    /// The number of records in a region of `size` bytes.
    fn records(&self, size: usize) -> usize {
        match self {
            Self::Valid => smallest_records(size),
            _ => 0,
        }
    }
}

/// The result of `work`, and the longest delay of another process that wakes up every millisecond
/// during `work`.
fn beside_another(work: impl FnOnce() -> u64) -> (u64, u64) {
    let (mut ready, mut to) = sys::pipe();
    let (mut stop, mut go) = sys::pipe();
    sys::set_nonblocking(&stop);
    let pid = sys::child(|| {
        to.write_all(b"!").expect("the parent");
        let (mut last, mut longest) = (sys::now(), 0u64);
        // Until the parent has done its work.
        while stop.read(&mut [0]).is_err() {
            std::thread::sleep(Duration::from_millis(1));
            let now = sys::now();
            longest = longest.max(now - last);
            last = now;
        }
        to.write_all(&longest.to_ne_bytes()).expect("the parent");
    });
    ready.read_exact(&mut [0]).expect("a child that is ready");
    let result = work();
    go.write_all(b"!").expect("the child");
    let mut longest = [0; 8];
    ready.read_exact(&mut longest).expect("the longest delay");
    sys::wait(pid);
    (result, u64::from_ne_bytes(longest))
}
