// SPDX-License-Identifier: MIT OR Apache-2.0
//! 1 and 2: pages that are touched for the first time, and mappings that are created, touched and
//! removed.

use std::fs::File;
use std::hint::black_box;

use crate::device::{self, Kind};
use crate::meter::{least, time, Sheet};
use crate::sys::{self, Map};

pub const MIB: usize = 1 << 20;
/// The clock has steps of 16 instructions. This many samples average them out.
const ROUNDS: usize = 500;
/// Ftrace's ring of the one processor.
pub const TRACE: &str = "/sys/kernel/tracing/per_cpu/cpu0/trace_pipe_raw";

/// A MiB of each backing, and of UIO's.
fn peers() -> Vec<(&'static str, File)> {
    vec![
        ("fanlight, by fault", sys::open("/dev/fanlight1/table-1m")),
        (
            "fanlight, prefaulted",
            sys::open("/dev/fanlight1/table-now"),
        ),
        ("fanlight, contiguous", sys::open("/dev/fanlight1/contig")),
        ("fanlight, carve-out", sys::open(device::CARVE)),
        ("UIO virtual", device::uio("fanlight-bench").0),
    ]
}

/// A word of each page of a fresh mapping of 1 MiB.
pub fn touch(sheet: &mut Sheet) {
    for (name, file) in peers() {
        let mut faults = 0;
        let took = (0..5).map(|_| {
            (0..ROUNDS)
                .map(|_| {
                    let map = Map::new(&file, 0, MIB, false, 0);
                    let before = sys::faults_and_waits().0;
                    let took = time(|| map.touch());
                    faults = sys::faults_and_waits().0 - before;
                    took
                })
                .sum::<u64>()
        });
        sheet.each(name, "instructions", took.min().unwrap_or(0), ROUNDS);
        sheet.put(name, "faults", faults as f64);
    }
    let ptes = (0..5)
        .map(|_| device::run(Kind::Ptes, 256, 100))
        .min()
        .unwrap_or(0);
    sheet.each("limit: 256 PTE writes", "instructions", ptes, 100);
}

/// The cost of a mapping of 1 MiB from mmap to munmap, with each page touched once.
pub fn map(sheet: &mut Sheet) {
    let mut measure = |name: &str, file: &File, offset: usize, len: usize| {
        for (how, flags) in [("", 0), (", MAP_POPULATE", libc::MAP_POPULATE)] {
            let took = least(5, || {
                for _ in 0..ROUNDS {
                    black_box(Map::new(file, offset, len, false, flags)).touch();
                }
            });
            sheet.each(&format!("{name}{how}"), "instructions", took, ROUNDS);
        }
    };
    for (name, file) in peers() {
        measure(name, &file, 0, MIB);
    }
    // The first two pages hold positions, of which a reader maps one separately; the data follow
    // twice.
    if let Some(ringbuf) = sys::bpf_ringbuf(MIB as u32) {
        measure("BPF ring buffer", &ringbuf, 4096, 4096 + MIB);
    }

    if !device::has(TRACE) {
        return;
    }
    device::put("/sys/kernel/tracing/buffer_size_kb", "1020");
    let trace = sys::open(TRACE);
    let meta = Map::new(&trace, 0, 4096, false, 0);
    let (meta_size, subbuf, count) = (
        meta.load(0) as usize,
        meta.load(2) as usize,
        meta.load(3) as usize,
    );
    drop(meta);
    let len = meta_size + subbuf * count;
    measure("ftrace", &trace, 0, len);
    device::put("/sys/kernel/tracing/buffer_size_kb", "64");
}
