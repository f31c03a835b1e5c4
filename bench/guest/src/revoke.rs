// SPDX-License-Identifier: MIT OR Apache-2.0
//! 11: a driver is unbound while processes have its memory mapped and store to it continuously.

use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use crate::device;
use crate::meter::{own, Sheet};
use crate::sys::{self, Map};
use crate::touch::MIB;

const PROCESSES: usize = 8;

/// The compared devices: name, driver, device, the address of the memory on virt-arm, and how to
/// open it.
type Peer = (&'static str, &'static str, String, usize, fn() -> File);

fn peers() -> [Peer; 2] {
    let ours = device::ALONE.to_owned();
    let theirs = device::node(0x5400_0000, "uio");
    [
        ("fanlight", "fanlight", ours, 0x5410_0000, || {
            sys::open_rw(device::CARVE)
        }),
        ("UIO", "uio_pdrv_genirq", theirs, 0x5400_0000, || {
            device::uio(&format!("{:#x}", device::place(0x5400_0000))).0
        }),
    ]
}

pub fn revoke(sheet: &mut Sheet) {
    for (name, driver, node, address, open) in peers() {
        let memory = Map::new(
            &sys::open_sync("/dev/mem"),
            device::place(address),
            MIB,
            true,
            0,
        );
        memory.copy_in(0, &vec![0; MIB]);
        let children: Vec<_> = (0..PROCESSES)
            .map(|number| {
                sys::child(|| {
                    let map = Map::new(&open(), 0, MIB, true, 0);
                    map.touch();
                    // A word of each page, with a number that grows.
                    for round in 1.. {
                        for page in 0..MIB / 4096 {
                            map.store(page * 1024 + number, round);
                        }
                    }
                })
            })
            .collect();
        // Each of them has stored to all pages by then.
        let all_stored =
            |memory: &Map| (0..PROCESSES).all(|number| memory.load(255 * 1024 + number) != 0);
        while !all_stored(&memory) {
            std::thread::sleep(Duration::from_millis(10));
        }
        device::unbind(driver, &node);
        let words = || -> Vec<u32> {
            (0..MIB / 4096)
                .flat_map(|page| (0..PROCESSES).map(move |number| page * 1024 + number))
                .map(|at| memory.load(at))
                .collect()
        };
        let before = words();
        std::thread::sleep(Duration::from_millis(200));
        // A word may have been stored to several times: this is the minimum number of stores.
        let landed: u32 = words()
            .iter()
            .zip(&before)
            .map(|(after, before)| after.wrapping_sub(*before))
            .sum();
        for pid in children {
            sys::kill(pid);
            sys::wait(pid);
        }
        sheet.put(name, "stores after unbind returned", landed.into());
        device::bind(driver, &node);
    }
    // The cost without mappings, which is subtracted.
    let idle = unbind_with(0);
    let with = unbind_with(PROCESSES);
    sheet.each(
        "fanlight",
        "instructions/PTE",
        with.saturating_sub(idle),
        PROCESSES * MIB / 4096,
    );
}

/// Unbinding the windows while a number of idle processes have 1 MiB mapped.
pub fn unbind_with(processes: usize) -> u64 {
    let mut best = u64::MAX;
    for _ in 0..5 {
        let children: Vec<_> = (0..processes)
            .map(|_| {
                let (mut from, mut to) = sys::pipe();
                let pid = sys::child(|| {
                    let map = Map::new(&sys::open_rw(device::CARVE), 0, MIB, true, 0);
                    map.touch();
                    to.write_all(b"!").expect("the parent");
                    std::thread::sleep(Duration::from_secs(3600));
                });
                from.read_exact(&mut [0]).expect("a child that is ready");
                pid
            })
            .collect();
        best = best.min(own(|| device::unbind("fanlight", device::ALONE)));
        for pid in children {
            sys::kill(pid);
            sys::wait(pid);
        }
        device::bind("fanlight", device::ALONE);
    }
    best
}
