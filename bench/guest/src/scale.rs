// SPDX-License-Identifier: MIT OR Apache-2.0
//! How costs grow: with the size of the ring and of the window, with readers, mappings and the size
//! of records. Metrics are `x=…`, so that the report can draw them.

use fanlight_ring::Cursor;

use crate::device::{self, Kind, FANLIGHT, LARGE_RINGS, LOG, RINGS};
use crate::drain::{in_place, map_log};
use crate::meter::{least, own, Sheet};
use crate::sys::{self, Map};
use crate::touch::MIB;
use crate::{readers, revoke};

pub fn scale(sheet: &mut Sheet) {
    ring_sizes(sheet);
    window_sizes(sheet);
    record_sizes(sheet);
    reader_counts(sheet);
    for mappings in [1, 2, 4, 8, 16, 32, 64] {
        let took = revoke::unbind_with(mappings);
        sheet.put(
            "unbind with 1 MiB mappings",
            &format!("x={mappings}"),
            took as f64,
        );
    }
}

/// Full rings of 64 KiB to 16 MiB: the cost of writing the next record, and of reading one.
fn ring_sizes(sheet: &mut Sheet) {
    device::unbind("fanlight", FANLIGHT);
    let empty = device::run(Kind::Empty, 64, 10_000);
    for (name, size, path) in RINGS {
        device::bind("fanlight", name);
        // Twice the size of the ring, so that each new record overwrites an old one.
        device::run(Kind::Fanlight, 64, size / 96 * 2);
        let took = device::run(Kind::Fanlight, 64, 10_000) - empty;
        let x = format!("x={size}");
        sheet.each("append to a full ring", &x, took, 10_000);
        let map = map_log(path, *size);
        let ring = map.ring();
        let mut count = 0;
        let took = least(5, || count = in_place(&mut Cursor::oldest(&ring), ring));
        sheet.each("drain a full ring, per record", &x, took, count);
        drop(map);
        let file = sys::open(path);
        let took = least(5, || {
            let map = Map::new(&file, 0, 4096 + size, false, 0);
            map.touch();
        });
        sheet.each("map and touch a ring, per page", &x, took, size / 4096 + 1);
        drop(file);
        let took = (0..8).map(|_| {
            device::bind("fanlight", name);
            own(|| device::unbind("fanlight", name))
        });
        let took = took.min().unwrap_or(0);
        sheet.put("unbind a ring", &x, took as f64);
    }
    device::bind("fanlight", FANLIGHT);
}

/// The slowest of many appends to a full ring of records without text. These are the smallest
/// records, so a writer that makes room removes the largest number of them. The appends fill three
/// 64ths of the ring, so that a writer that frees a 64th of it in one step does so here.
pub fn worst(sheet: &mut Sheet) {
    const RECORD: usize = 32;
    device::unbind("fanlight", FANLIGHT);
    let empty = device::worst(Kind::Empty, 0, 10_000);
    for (name, size, path) in RINGS.iter().chain(LARGE_RINGS) {
        device::bind("fanlight", name);
        device::run(Kind::Fanlight, 0, size / RECORD);
        let count = (size / 64 / RECORD * 3).max(20_000);
        let took = device::worst(Kind::Fanlight, 0, count) - empty;
        sheet.put(
            "worst append to a full ring",
            &format!("x={size}"),
            took as f64,
        );
        let stats = fanlight::Log::open(*path).and_then(|log| log.stats());
        let overwritten = stats.expect("the log's counters").overwritten;
        assert!(overwritten > 0, "{name} was not full");
        device::unbind("fanlight", name);
    }
    device::bind("fanlight", FANLIGHT);
}

fn window_sizes(sheet: &mut Sheet) {
    let large = sys::open("/dev/fanlight1/large");
    for (name, size) in [
        ("64k", 64 << 10),
        ("256k", 256 << 10),
        ("1m", MIB),
        ("4m", 4 * MIB),
        ("16m", 16 * MIB),
    ] {
        let x = format!("x={size}");
        let table = sys::open(&format!("/dev/fanlight1/table-{name}"));
        for (case, file) in [
            ("map and touch by fault, per page", &table),
            ("map and touch a carve-out, per page", &large),
        ] {
            // As many pages in all sizes.
            let rounds = 32 * MIB / size;
            let took = least(5, || {
                for _ in 0..rounds {
                    Map::new(file, 0, size, false, 0).touch();
                }
            });
            sheet.each(case, &x, took, rounds * size / 4096);
        }
    }
}

fn record_sizes(sheet: &mut Sheet) {
    for len in [16, 32, 64, 128, 256, 512, 960] {
        let x = format!("x={len}");
        let empty = device::run(Kind::Empty, len, 10_000);
        for (case, kind) in [
            ("fanlight_log(), per record", Kind::Fanlight),
            ("relay_write(), per record", Kind::Relay),
            ("ring_buffer, per record", Kind::RingBuffer),
            ("memcpy, per record", Kind::Copy),
        ] {
            device::put("/sys/class/misc/fanlight0-log/persist_level", "6");
            // Zero: the kernel does not have it.
            if let Some(took) = device::run(kind, len, 10_000).checked_sub(empty) {
                sheet.each(case, &x, took, 10_000);
            }
        }
        let map = map_log(LOG, 2 << 20);
        let ring = map.ring();
        let mut count = 0;
        let took = least(5, || count = in_place(&mut Cursor::oldest(&ring), ring));
        sheet.each("drain in place, per record", &x, took, count);
        device::put("/sys/class/misc/fanlight0-log/persist_level", "7");
    }
}

fn reader_counts(sheet: &mut Sheet) {
    // More records if there are fewer readers, so that a sample is long enough to be reproducible.
    let records = |readers: usize| (32_000 / readers).max(2000);
    let mut one = |case: &str, count: usize, readings: Vec<readers::Reading>| {
        let all = readings.iter().map(|reading| reading.all).sum();
        sheet.each(case, &format!("x={count}"), all, records(count) * count);
    };
    for count in [1, 2, 4, 8, 16, 32, 64] {
        let ours = readers::run(count, records(count), Kind::Fanlight, readers::by_map);
        one("readers by map, per record and reader", count, ours);
    }
    for count in [1, 2, 4, 8, 16, 32, 64] {
        let theirs = device::without_fanlight(|| {
            readers::run(count, records(count), Kind::Printk, |count, ready| {
                readers::by_read("/dev/kmsg", count, ready)
            })
        });
        one("readers of /dev/kmsg, per record and reader", count, theirs);
    }
}
