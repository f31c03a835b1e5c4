// SPDX-License-Identifier: MIT OR Apache-2.0
//! 8: a word polled 100 000 times, and 64 KiB copied, in memory that is used as SRAM.

use std::hint::black_box;
use std::os::unix::fs::FileExt;

use crate::device;
use crate::meter::{least, Sheet};
use crate::sys::{self, Map};

const POLLS: usize = 100_000;
const SIZE: usize = 64 << 10;

pub fn sram(sheet: &mut Sheet) {
    let (uio, _) = device::uio(&format!("{:#x}", device::place(0x5472_0000)));
    let export = device::place(0x5471_0000);
    let peers = [
        ("fanlight map", sys::open_rw("/dev/fanlight1/sram"), 0),
        ("UIO map", uio, 0),
        ("/dev/mem map", sys::open_sync("/dev/mem"), export),
    ];
    let mut buffer = vec![0; SIZE];
    for (name, file, offset) in &peers {
        let map = Map::new(file, *offset, SIZE, true, 0);
        let took = least(5, || poll(&map));
        sheet.each(name, "instructions/poll", took, POLLS);
        let took = least(5, || {
            for _ in 0..16 {
                map.copy_out(0, black_box(&mut buffer));
            }
        });
        sheet.each(name, "instructions/64 KiB", took, 16);
    }
    if sheet.unit == "instructions" {
        sheet.put("limit: one load", "instructions/poll", 1.0);
    }

    let sysfs = device::node(0x5471_0000, "sram");
    let sysfs = sys::open(&format!("/sys/devices/platform/{sysfs}/{sysfs}"));
    let window = sys::open("/dev/fanlight1/sram");
    for (name, file, step) in [
        ("sram sysfs read()", &sysfs, 4096),
        ("fanlight read()", &window, SIZE),
    ] {
        let took = least(3, || {
            for _ in 0..POLLS / 10 {
                file.read_exact_at(&mut buffer[..4], 0).expect("a word");
            }
        });
        sheet.each(name, "instructions/poll", took, POLLS / 10);
        let took = least(3, || {
            for (i, piece) in buffer.chunks_mut(step).enumerate() {
                file.read_exact_at(piece, (i * step) as u64)
                    .expect("a piece");
            }
        });
        sheet.put(name, "instructions/64 KiB", took as f64);
    }
}

/// The same code for every mapping, which consists of loads only.
#[inline(never)]
fn poll(map: &Map) {
    for _ in 0..POLLS / 20 {
        for _ in 0..20 {
            map.load(0);
        }
    }
}
