// SPDX-License-Identifier: MIT OR Apache-2.0
//! 5 and 6: records that survive a warm reboot: writing them, and finding them again. reboots.rs
//! measures how many are found.
//!
//! The drivers are unbound and bound again in place of a reboot: both then search their memory as
//! after one.

use std::fs;
use std::os::fd::AsRawFd;

use fanlight_ring::persist::{blocks, Appender, Block, Scan, Share};
use fanlight_ring::{Entry, Header, Ring, Word, Writer, KERNEL_LANE_MIN};

use crate::device::{self, Kind, FANLIGHT, LOG};
use crate::meter::{least, own, time, Sheet};
use crate::sys::{self, Map};

const COUNT: usize = 10_000;
const LEN: usize = 64;
/// The values of bench/dts/bench.dtso.
pub const REGION: usize = 1 << 20;
pub const PERSIST: usize = 0x5420_0000;
pub const RAMOOPS: [(&str, usize); 2] =
    [("pmsg, ecc=0", 0x5430_0000), ("pmsg, ecc=1", 0x5450_0000)];
pub const PMSG_NODE: &str = "/dev/pmsg0";
/// The records that were found.
pub const PMSG: &str = "/sys/fs/pstore/pmsg-ramoops-0";
const LEVEL: &str = "/sys/class/misc/fanlight0-log/persist_level";
/// How many records of the boot before were found.
const INTACT: [&str; BOOTS] = [
    "/sys/class/misc/fanlight0-log.prev/intact",
    "/sys/class/misc/fanlight0-log.prev2/intact",
];

/// A line for pmsg and for the log: 64 bytes, with its number. The last byte is the newline that
/// separates lines in pmsg.
fn line(number: usize) -> Vec<u8> {
    let mut line = device::text(number, LEN);
    line[LEN - 1] = b'\n';
    line
}

/// Writes the lines, each by a write() of its own.
fn write_lines(path: &str) -> u64 {
    device::unlimited();
    let file = sys::open_wo(path);
    let lines: Vec<u8> = (0..COUNT).flat_map(line).collect();
    time(|| {
        for line in lines.chunks_exact(LEN) {
            sys::write(file.as_raw_fd(), line);
        }
    })
}

/// Lets one of the two drivers do the work; returns its name.
pub fn only_ramoops(address: usize) -> String {
    for (_, other) in RAMOOPS {
        device::unbind("ramoops", &device::node(other, "ramoops"));
    }
    let device = device::node(address, "ramoops");
    // The node is removed and created some time after the device.
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
        let took = device::run(kind, LEN, COUNT) - empty;
        sheet.each(name, "instructions/record", took, COUNT);
        took
    };
    let kept = inside("fanlight_log(), ring and copy", Kind::FanlightKept);
    let alone = inside("fanlight_log(), ring alone", Kind::Fanlight);
    inside("limit: memcpy and CRC", Kind::CopyCrc);
    sheet.each(
        "fanlight_log(), the copy alone",
        "instructions/record",
        kept - alone,
        COUNT,
    );
    device::put(LEVEL, &level);
    for (name, address) in RAMOOPS {
        only_ramoops(address);
        sheet.each(
            &format!("{name}, write()"),
            "instructions/record",
            write_lines(PMSG_NODE),
            COUNT,
        );
    }
    if device::has(device::BOOT_MAP_ONLY) {
        sheet.each(
            "ftrace's persistent ring, write()",
            "instructions/record",
            write_lines(&format!("{}/trace_marker", device::BOOT_MAP)),
            COUNT,
        );
    }
}

/// The contents of memory, by /dev/mem.
pub fn memory(address: usize, size: usize) -> Map {
    let file = sys::open_sync("/dev/mem");
    Map::new(&file, device::place(address), size, true, 0)
}

/// How many boots fill a region: one may have half of it.
const BOOTS: usize = 2;

/// Fills `memory`, a region of `size` bytes, with what two boots leave there that have logged
/// `count` messages of `len` bytes together, a quarter of them by programs. Neither is the boot
/// that is running, whose log the driver would continue.
pub fn leave_boots(memory: &Map, size: usize, count: usize, len: usize) {
    memory.copy_in(0, &vec![0; size]);
    for boot in 0..BOOTS {
        leave_boot(memory, size, boot, count / BOOTS, len);
    }
}

fn leave_boot(memory: &Map, size: usize, boot: usize, count: usize, len: usize) {
    let copy: Vec<u32> = memory.words().iter().map(Word::load).collect();
    let mut table = vec![Block::default(); blocks(size)];
    let boot_id = [0x5a + boot as u8; 16];
    let mut scan = Box::new(Scan::EMPTY);
    scan.run(&copy, &boot_id, &mut table, || ());
    let links: Vec<Word> = (0..blocks(size)).map(|_| Word::new(0)).collect();
    let appender = Appender::new(memory.words(), &links, &boot_id, 0x1234_5678 + boot as u32);
    let appender = appender.expect("a region that is large enough");
    appender.adopt(&scan, &table);
    let header = Header::empty();
    let data: Vec<Word> = (0..KERNEL_LANE_MIN / 4).map(|_| Word::new(0)).collect();
    let ring = Ring::init(&header, &data, [KERNEL_LANE_MIN, 0], &boot_id, 0).expect("a ring");
    let writer = Writer::new(0);
    for number in 0..count {
        let mut text = device::text(number, len.max(16));
        text.truncate(len);
        let entry = Entry {
            level: 6,
            text: &text,
            ..Entry::default()
        };
        let record = writer.append(&ring, &entry).expect("a short record");
        // Each share has its part of the region.
        let share = if number % 4 == 3 {
            Share::Programs
        } else {
            Share::Kernel
        };
        assert!(appender.append(share, record.words), "record {number}");
    }
}

pub fn salvage(sheet: &mut Sheet) {
    // The cost of a bind without records.
    device::unbind("fanlight", FANLIGHT);
    let empty = {
        memory(PERSIST, REGION).copy_in(0, &vec![0; REGION]);
        own(|| device::bind_alone("fanlight", FANLIGHT))
    };
    sheet.put("fanlight, an empty region", "instructions", empty as f64);
    let took = (0..6).map(|_| {
        // Several times, of which the minimum counts, since the console's thread may run during a
        // bind.
        device::quiet();
        device::unbind("fanlight", FANLIGHT);
        leave_boots(&memory(PERSIST, REGION), REGION, COUNT, LEN);
        let took = own(|| device::bind_alone("fanlight", FANLIGHT));
        for intact in INTACT {
            assert_eq!(device::get(intact), (COUNT / BOOTS).to_string(), "{intact}");
        }
        took
    });
    let took = took.min().unwrap_or(0);
    sheet.put("fanlight, a full region", "instructions", took as f64);
    device::quiet();
    for (name, address) in RAMOOPS {
        let device = only_ramoops(address);
        write_lines(PMSG_NODE);
        device::unbind("ramoops", &device);
        // pstore is mounted, so the records are read as well.
        let took = own(|| device::bind_alone("ramoops", &device));
        sheet.put(
            &format!("{name}, a full region"),
            "instructions",
            took as f64,
        );
        let _ = fs::remove_file(PMSG);
    }
    // The minimum work of any search.
    let limit = least(3, || {
        let memory = memory(PERSIST, REGION);
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
