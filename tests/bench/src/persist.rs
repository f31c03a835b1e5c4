// SPDX-License-Identifier: MIT OR Apache-2.0
//! 5, 6 and 7: records that survive a warm reboot: writing them, finding them again, and finding them among flipped bits.
//!
//! The drivers are unbound and bound again in place of a reboot: both then search their memory as after one.

use std::collections::HashSet;
use std::fs;
use std::os::fd::AsRawFd;

use fanlight_ring::{Cursor, Item};

use crate::device::{self, Kind, FANLIGHT, LOG};
use crate::meter::{least, own, time, Sheet};
use crate::sys::{self, Map};

const COUNT: usize = 10_000;
const LEN: usize = 64;
/// As tests/dts/bench.dtso has them.
const REGION: usize = 1 << 20;
const PERSIST: usize = 0x5420_0000;
/// The device, and in it the zone that pmsg has, behind sixteen of dumps.
const ZONES: [(&str, usize, usize); 2] = [
    ("pmsg, ecc=0", 0x5430_0000, 0x5431_0000),
    ("pmsg, ecc=1", 0x5450_0000, 0x5451_0000),
];
const PMSG_NODE: &str = "/dev/pmsg0";
const PMSG: &str = "/sys/fs/pstore/pmsg-ramoops-0";
const PREVIOUS: &str = "/dev/fanlight0/log.prev";
const LEVEL: &str = "/sys/class/misc/fanlight0-log/persist_level";

/// A line for pmsg and for the log: 64 bytes, with its number. The newline that pmsg needs to tell them apart is the last.
fn line(number: usize) -> Vec<u8> {
    let mut line = device::text(number, LEN);
    line[LEN - 1] = b'\n';
    line
}

/// Writes the lines, each by a write() of its own.
fn write_lines(path: &str) -> u64 {
    let file = sys::open_wo(path);
    let lines: Vec<u8> = (0..COUNT).flat_map(line).collect();
    time(|| {
        for line in lines.chunks_exact(LEN) {
            sys::write(file.as_raw_fd(), line);
        }
    })
}

/// Has that one of both do the work; its name.
fn only_ramoops(address: usize) -> String {
    for (_, other, _) in ZONES {
        device::unbind("ramoops", &device::node(other, "ramoops"));
    }
    let device = device::node(address, "ramoops");
    // The node goes and comes a while after the device.
    device::until(|| !fs::exists(PMSG_NODE).unwrap_or(false));
    device::bind("ramoops", &device);
    device::until(|| fs::exists(PMSG_NODE).unwrap_or(false));
    device
}

pub fn append(sheet: &mut Sheet) {
    sheet.each(
        "fanlight write(), ring and copy",
        "instructions/record",
        write_lines(LOG),
        COUNT,
    );
    let level = device::get(LEVEL);
    device::put(LEVEL, "0");
    sheet.each(
        "fanlight write(), ring alone",
        "instructions/record",
        write_lines(LOG),
        COUNT,
    );
    device::put(LEVEL, "6");
    let empty = device::run(Kind::Empty, LEN, COUNT);
    let mut inside = |name: &str, kind: Kind| {
        let took = device::run(kind, LEN, COUNT);
        sheet.each(name, "instructions/record", took - empty, COUNT);
    };
    inside("fanlight_log(), ring and copy", Kind::FanlightKept);
    inside("fanlight_log(), ring alone", Kind::Fanlight);
    inside("limit: memcpy and CRC", Kind::CopyCrc);
    device::put(LEVEL, &level);
    for (name, address, _) in ZONES {
        only_ramoops(address);
        sheet.each(
            &format!("{name}, write()"),
            "instructions/record",
            write_lines(PMSG_NODE),
            COUNT,
        );
    }
}

/// What is in memory, by /dev/mem.
fn memory(address: usize) -> Map {
    Map::new(
        &sys::open_sync("/dev/mem"),
        device::place(address),
        REGION,
        true,
        0,
    )
}

/// Where each line is in a copy of the memory: number, beginning and end of what it takes.
fn find(memory: &Map, header: usize) -> Vec<(usize, usize, usize)> {
    let mut bytes = vec![0; REGION];
    memory.copy_out(0, &mut bytes);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = bytes[at..]
        .windows(6)
        .position(|window| window == b"bench ")
    {
        at += next;
        let number = bytes
            .get(at + 6..at + 14)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let number = number.and_then(|hex| usize::from_str_radix(hex, 16).ok());
        if let Some(number) = number.filter(|_| at >= header) {
            if bytes.get(at..at + LEN - 1) == Some(&line(number)[..LEN - 1]) {
                // With the newline, or with the padding that stands there.
                found.push((number, at - header, at + LEN));
            }
        }
        at += 6;
    }
    found
}

/// Numbers that look random and are the same each time.
struct Random(u32);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % below
    }
}

/// Flips bits; where. The first one is in the first word, where headers and signatures are.
fn flip(memory: &Map, count: usize) -> Vec<usize> {
    let mut random = Random(0x1234_5678);
    (0..count)
        .map(|i| {
            let bit = if i == 0 { 3 } else { random.next(REGION * 8) };
            memory.store(bit / 32, memory.load(bit / 32) ^ (1 << (bit % 32)));
            bit / 8
        })
        .collect()
}

/// The lines whose memory no flip has touched.
fn undamaged(lines: &[(usize, usize, usize)], flips: &[usize]) -> HashSet<usize> {
    let whole = |&&(_, from, to): &&(usize, usize, usize)| {
        !flips.iter().any(|flip| (from..to).contains(flip))
    };
    lines
        .iter()
        .filter(whole)
        .map(|&(number, _, _)| number)
        .collect()
}

/// Notes how many of the undamaged lines came back, and how many came back wrong.
fn judge(sheet: &mut Sheet, case: &str, flips: usize, expected: &HashSet<usize>, got: &[Vec<u8>]) {
    let good = |text: &Vec<u8>| {
        let number = std::str::from_utf8(text.get(6..14)?).ok()?;
        let number = usize::from_str_radix(number, 16).ok()?;
        (line(number)[..LEN - 1] == text[..]).then_some(number)
    };
    let numbers: HashSet<usize> = got.iter().filter_map(good).collect();
    let wrong = got.iter().filter(|text| good(text).is_none()).count();
    sheet.put(
        &format!("{case}, {flips} flips"),
        "undamaged records",
        expected.len() as f64,
    );
    sheet.put(
        &format!("{case}, {flips} flips"),
        "of these found",
        numbers.intersection(expected).count() as f64,
    );
    sheet.put(
        &format!("{case}, {flips} flips"),
        "damaged ones accepted",
        wrong as f64,
    );
}

/// The lines that log.prev has.
fn previous() -> Vec<Vec<u8>> {
    let file = sys::open(PREVIOUS);
    let size = device::get("/sys/class/misc/fanlight0-log.prev/size")
        .parse::<usize>()
        .expect("a size");
    let map = Map::new(&file, 0, size, false, 0);
    let ring = map.ring();
    let mut cursor = Cursor::oldest(ring);
    let mut buffer = vec![0; 1 << 16];
    let mut lines = Vec::new();
    while let Some(batch) = cursor.batch(ring, &mut buffer) {
        for item in batch {
            match item {
                Item::Record(record)
                    if record.entry.text.len() >= 14 && record.entry.flags & 1 != 0 =>
                {
                    lines.push(record.entry.text.to_vec());
                }
                _ => {}
            }
        }
    }
    lines
}

pub fn salvage(sheet: &mut Sheet) {
    // What binding costs when there is nothing to be found.
    device::unbind("fanlight", FANLIGHT);
    let empty = {
        let memory = memory(PERSIST);
        memory.copy_in(0, &vec![0; REGION]);
        own(|| device::bind_alone("fanlight", FANLIGHT))
    };
    sheet.put("fanlight, an empty region", "instructions", empty as f64);
    for flips in [0, 1, 8, 64] {
        write_lines(LOG);
        device::unbind("fanlight", FANLIGHT);
        let memory = memory(PERSIST);
        let lines = find(&memory, 32);
        let expected = undamaged(&lines, &flip(&memory, flips));
        let mut took = own(|| device::bind_alone("fanlight", FANLIGHT));
        device::quiet();
        if flips == 0 {
            for _ in 0..5 {
                // The same again: the least counts, since the console's thread may come in between.
                write_lines(LOG);
                device::unbind("fanlight", FANLIGHT);
                took = took.min(own(|| device::bind_alone("fanlight", FANLIGHT)));
                device::quiet();
            }
            sheet.put("fanlight, 0 flips", "instructions", took as f64);
        }
        judge(sheet, "fanlight", flips, &expected, &previous());
    }
    for (name, address, zone) in ZONES {
        for flips in [0, 1, 8, 64] {
            let device = only_ramoops(address);
            write_lines(PMSG_NODE);
            device::unbind("ramoops", &device);
            let memory = memory(zone);
            let lines = find(&memory, 0);
            let expected = undamaged(&lines, &flip(&memory, flips));
            // pstore is mounted, so the records are read as well.
            let took = own(|| device::bind_alone("ramoops", &device));
            if flips == 0 {
                sheet.put(&format!("{name}, 0 flips"), "instructions", took as f64);
            }
            let text = fs::read(PMSG).unwrap_or_default();
            let got: Vec<Vec<u8>> = text
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(<[u8]>::to_vec)
                .collect();
            judge(sheet, name, flips, &expected, &got);
            let _ = fs::remove_file(PMSG);
        }
    }
    // The least that any search has to do.
    let limit = least(3, || {
        let memory = memory(PERSIST);
        let mut bytes = vec![0; REGION];
        memory.copy_out(0, &mut bytes);
    });
    sheet.put("limit: memcpy of the region", "instructions", limit as f64);
    let empty = device::run(Kind::Empty, 512, 2048);
    let took = device::run(Kind::CopyCrc, 512, 2048) - empty;
    sheet.put(
        "limit: memcpy and CRC of the region",
        "instructions",
        took as f64,
    );
}
