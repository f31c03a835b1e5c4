// SPDX-License-Identifier: MIT OR Apache-2.0
//! 4: the cost of a record of 64 bytes for its writer in the kernel.

use crate::device::{self, Kind};
use crate::meter::Sheet;

pub const COUNT: usize = 100_000;
pub const LEN: usize = 64;

/// A level that is not kept over a reboot: only in the ring.
const PERSIST_LEVEL: &str = "/sys/class/misc/fanlight0-log/persist_level";

pub fn produce(sheet: &mut Sheet) {
    let kept = device::get(PERSIST_LEVEL);
    device::put(PERSIST_LEVEL, "6");
    // The loop and the reading of the clock, a part of all others.
    let empty = device::run(Kind::Empty, LEN, COUNT);
    let mut one = |name: &str, kind: Kind| {
        let took = device::run(kind, LEN, COUNT);
        sheet.each(
            name,
            "instructions/record",
            took.saturating_sub(empty),
            COUNT,
        );
    };
    one("fanlight_log()", Kind::Fanlight);
    one("relay_write()", Kind::Relay);
    one(
        "relay_write() with number, time and task",
        Kind::RelayHeader,
    );
    one("ring_buffer reserve and commit", Kind::RingBuffer);
    if device::has(device::BOOT_MAP_ONLY) {
        one("ftrace's persistent ring, puts()", Kind::Trace);
    }
    one("limit: irqsave and memcpy", Kind::Copy);
    one("local_clock()", Kind::Clock);
    device::without_fanlight(|| one("printk()", Kind::Printk));
    device::put(PERSIST_LEVEL, &kept);
}

/// What bench/plugin/count.c counts: each kind of work a thousand times, and the kind's
/// number, by which bench/run puts the plugin's counts into this sheet.
pub fn barriers(sheet: &mut Sheet) {
    let kept = device::get(PERSIST_LEVEL);
    device::put(PERSIST_LEVEL, "6");
    for (name, kind) in [
        ("the empty loop", Kind::Empty),
        ("fanlight_log()", Kind::Fanlight),
        ("fanlight_log() with persistent copy", Kind::FanlightKept),
        ("relay_write()", Kind::Relay),
        ("ring_buffer reserve and commit", Kind::RingBuffer),
        ("printk()", Kind::Printk),
    ] {
        device::run(kind, LEN, 1000);
        sheet.put(name, "kind", kind as usize as f64);
    }
    device::put(PERSIST_LEVEL, &kept);
}
