// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contention of writers and readers on several processors. Booted with one to four of them and
//! measured by the wall clock, so the results can only be compared with each other.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;

use crate::device::{self, LOG};
use crate::drain::{in_place, map_log};
use crate::meter::{time, Sheet};
use crate::sys::{self, Map};
use crate::touch::MIB;

const RECORDS: usize = 20_000;

pub fn cores(sheet: &mut Sheet) {
    let text = [b'x'; 64];
    let write = || {
        let log = sys::open_wo(LOG);
        move |count: usize| {
            for _ in 0..count {
                sys::write(log.as_raw_fd(), &text);
            }
        }
    };
    let read = || {
        let map = map_log(LOG, 2 << 20);
        move |count: usize| {
            let mut seen = 0;
            while seen < count * 100 {
                seen += in_place(&mut fanlight_ring::Cursor::oldest(&map.ring()), map.ring());
            }
        }
    };
    // Without shared data: the limit of the machine.
    let count = || {
        |count: usize| {
            for n in 0..count * 1000 {
                std::hint::black_box(n);
            }
        }
    };
    several(sheet, "one loop each, which shares nothing", count);
    several(sheet, "write() to one log", write);
    several(sheet, "reading one log by map", read);
    // Mappings of the same pages by several processes.
    let touch = |file: &File, offset: usize| {
        let file = file.try_clone().expect("a descriptor");
        move |count: usize| {
            for _ in 0..count / 500 {
                Map::new(&file, offset, 16 * MIB, false, 0).touch();
            }
        }
    };
    let fanlight = sys::open("/dev/fanlight1/table-16m");
    let (uio, offset) = device::uio_virtual();
    several(sheet, "faults on one window, fanlight", || {
        touch(&fanlight, 0)
    });
    several(sheet, "faults on one window, UIO virtual", || {
        touch(&uio, offset)
    });
}

/// The same work by one process per processor, concurrently: nanoseconds until the last one is
/// done.
fn several<W: FnOnce(usize)>(sheet: &mut Sheet, case: &str, prepare: impl Fn() -> W) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    // The best of some: others use the host as well.
    let took = (0..3).map(|_| together(processors, &prepare)).min();
    let took = took.unwrap_or(0);
    sheet.put(case, &format!("x={processors}"), took as f64);
}

fn together<W: FnOnce(usize)>(processes: usize, prepare: &impl Fn() -> W) -> u64 {
    let mut children = Vec::new();
    for _ in 0..processes {
        let (mut start, go) = sys::pipe();
        let (mut from, mut to) = sys::pipe();
        let pid = sys::child(|| {
            let work = prepare();
            to.write_all(b"!").expect("the parent");
            start.read_exact(&mut [0]).expect("the parent");
            work(RECORDS / 4);
        });
        drop(to);
        from.read_exact(&mut [0]).expect("a child that is ready");
        children.push((pid, go));
    }
    time(|| {
        for (_, go) in &mut children {
            go.write_all(b"!").expect("a child");
        }
        for (pid, _) in &children {
            sys::wait(*pid);
        }
    })
}
