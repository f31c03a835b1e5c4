// SPDX-License-Identifier: MIT OR Apache-2.0
//! 15 to 17: a large carve-out that is mapped, touched and unbound, and processes that fault on one
//! window concurrently.

use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use crate::device::{self, TOGETHER_FILE, WINDOW, WINDOW_ADDRESS, WINDOW_FILE, WINDOW_SIZE};
use crate::meter::{busy, own, Sheet};
use crate::sys::{self, Ended, Map};
use crate::touch::MIB;

/// Enough rounds that at least one has no tick of the scheduler.
const ROUNDS: usize = 10;

/// Every driver that maps the carve-out, with the offset of the carve-out in its file.
fn peers() -> [(&'static str, File, usize); 3] {
    let uio = device::uio(&format!("{WINDOW_ADDRESS:#x}")).0;
    [
        ("fanlight, carve-out", sys::open_rw(WINDOW_FILE), 0),
        ("UIO physical", uio, 0),
        ("/dev/mem", sys::open_sync("/dev/mem"), WINDOW_ADDRESS),
    ]
}

/// Maps 256 MiB and stores to each page.
pub fn window(sheet: &mut Sheet) {
    let memory = Map::new(
        &sys::open_sync("/dev/mem"),
        WINDOW_ADDRESS,
        WINDOW_SIZE,
        false,
        0,
    );
    for (number, (name, file, offset)) in peers().iter().enumerate() {
        let (mut all, mut mmap, mut faults) = (u64::MAX, u64::MAX, 0);
        for round in 0..ROUNDS {
            let value = (number * ROUNDS + round + 1) as u32;
            let before = sys::faults_and_waits().0;
            let start = sys::own_time();
            let map = Map::new(file, *offset, WINDOW_SIZE, true, 0);
            let mapped = sys::own_time();
            map.store_pages(value);
            let touched = sys::own_time();
            faults = sys::faults_and_waits().0 - before;
            (all, mmap) = (all.min(touched - start), mmap.min(mapped - start));
            // All peers store to the same memory.
            let stored = (0..WINDOW_SIZE / 4096).all(|page| memory.load(page * 1024) == value);
            assert!(stored, "{name}: some stores are not in the memory");
        }
        sheet.put(name, "instructions", all as f64);
        sheet.put(name, "instructions of these in mmap()", mmap as f64);
        sheet.put(name, "faults", faults as f64);
    }
}

/// Unbinds the driver of a carve-out of 256 MiB that a process has mapped and stored to.
pub fn unbind(sheet: &mut Sheet) {
    for (case, mapped) in [
        ("fanlight, unbind with 256 MiB mapped", true),
        ("fanlight, unbind with nothing mapped", false),
    ] {
        let took = (0..ROUNDS).map(|_| unbind_with(mapped)).min().unwrap_or(0);
        sheet.put(case, "instructions", took as f64);
    }
    // The same work without unbinding: the part of munmap() that removes the page table entries.
    for (name, file, offset) in &peers() {
        let took = (0..ROUNDS).map(|_| {
            let map = Map::new(file, *offset, WINDOW_SIZE, true, 0);
            map.store_pages(1);
            own(|| drop(map))
        });
        let took = took.min().unwrap_or(0);
        sheet.put(&format!("{name}, munmap()"), "instructions", took as f64);
    }
}

/// The cost of the write to `unbind`. Checks that an existing mapping was revoked.
fn unbind_with(mapped: bool) -> u64 {
    let (mut ready, mut to) = sys::pipe();
    let (mut start, mut go) = sys::pipe();
    let pid = mapped.then(|| {
        let pid = sys::child(|| {
            let map = Map::new(&sys::open_rw(WINDOW_FILE), 0, WINDOW_SIZE, true, 0);
            map.store_pages(1);
            to.write_all(b"!").expect("the parent");
            start.read_exact(&mut [0]).expect("the parent");
            map.store(WINDOW_SIZE / 4 - 1024, 2);
        });
        ready.read_exact(&mut [0]).expect("a child that is ready");
        pid
    });
    let took = own(|| device::unbind("fanlight", WINDOW));
    if let Some(pid) = pid {
        go.write_all(b"!").expect("the child");
        assert_eq!(sys::wait(pid), Ended::Signal(libc::SIGBUS));
    }
    device::bind("fanlight", WINDOW);
    took
}

/// Bytes of the window that processes fault on, and how many of its pages a process stores to
/// before it lets the next one run.
const TOGETHER: usize = 16 * MIB;
const TURN: usize = 512;

/// One process and four that store to each page of one window, each by its own mapping. With one
/// processor their faults alternate: a process yields after 2 MiB.
pub fn together(sheet: &mut Sheet) {
    let (uio, offset) = device::uio_virtual();
    let fanlight = sys::open_rw(TOGETHER_FILE);
    for (name, file, offset) in [
        ("fanlight, by fault", &fanlight, 0),
        ("UIO virtual", &uio, offset),
    ] {
        for (case, processes) in [("1 process", 1), ("4 processes", 4)] {
            let rounds = (0..ROUNDS).map(|_| touch_together(file, offset, processes));
            let (took, faults) = rounds.min().unwrap_or((0, 0));
            let case = format!("{name}, {case}");
            sheet.each(&case, "instructions/process", took, processes);
            sheet.each(&case, "faults/process", faults, processes);
            sheet.each(&case, "instructions/fault", took, faults as usize);
        }
    }
}

/// The work of the processor from the start of all processes until the last one has stored to all
/// pages, and the number of faults.
fn touch_together(file: &File, offset: usize, processes: usize) -> (u64, u64) {
    let (mut ready, mut to) = sys::pipe();
    let (mut start, mut go) = sys::pipe();
    let children: Vec<_> = (0..processes)
        .map(|number| {
            let pid = sys::child(|| {
                let map = Map::new(file, offset, TOGETHER, true, 0);
                let before = sys::faults_and_waits().0;
                to.write_all(&0u64.to_ne_bytes()).expect("the parent");
                start.read_exact(&mut [0]).expect("the parent");
                for page in 0..TOGETHER / 4096 {
                    if page % TURN == 0 {
                        std::thread::yield_now();
                    }
                    map.store(page * 1024 + number, 1);
                }
                let faults = (sys::faults_and_waits().0 - before) as u64;
                to.write_all(&faults.to_ne_bytes()).expect("the parent");
                // Its mapping is removed after the measurement.
                std::thread::sleep(Duration::from_secs(3600));
            });
            receive(&mut ready);
            pid
        })
        .collect();
    let mut faults = 0;
    let took = busy(|| {
        go.write_all(&vec![b'!'; processes]).expect("the children");
        faults = (0..processes).map(|_| receive(&mut ready)).sum();
    });
    for pid in children {
        sys::kill(pid);
        sys::wait(pid);
    }
    (took, faults)
}

/// A number from a child. Each is written by one call, so that numbers of several children are not
/// mixed.
fn receive(from: &mut File) -> u64 {
    let mut number = [0; 8];
    from.read_exact(&mut number).expect("a number of a child");
    u64::from_ne_bytes(number)
}
