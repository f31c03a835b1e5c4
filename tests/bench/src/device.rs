// SPDX-License-Identifier: MIT OR Apache-2.0
//! The devices: where they are, binding and unbinding them, and the kernel module that works inside the kernel.

use std::fs;
use std::fs::File;

use crate::sys;

pub const MODULE: &str = "/lib/modules/fanlight.ko";
const BENCH: &str = "/sys/kernel/debug/fanlight_bench";
pub const LOG: &str = "/dev/fanlight0/log";

/// Kinds of work of the kernel module: `FANLIGHT_BENCH_*` of tests/bench-module/helpers.h.
#[derive(Clone, Copy)]
pub enum Kind {
    Empty = 0,
    Copy = 1,
    Relay = 2,
    RelayHeader = 3,
    RingBuffer = 4,
    Printk = 5,
    Fanlight = 6,
    FanlightKept = 7,
    CopyCrc = 8,
    Ptes = 9,
    Clock = 10,
}

/// Fanlight's instances, the main one first, by the names of their devices.
pub const FANLIGHT: &str = "fanlight";
pub const WINDOWS: &str = "fanlight-bench";
/// With one window of 1 MiB, the carve-out [`CARVE`].
pub const ALONE: &str = "fanlight-carve";
pub const CARVE: &str = "/dev/fanlight7/carve";
/// Instances with a log of a certain size, and no other window.
pub const RINGS: &[(&str, usize, &str)] = &[
    ("fanlight-ring-64k", 64 << 10, "/dev/fanlight2/log"),
    ("fanlight-ring-256k", 256 << 10, "/dev/fanlight3/log"),
    ("fanlight-ring-1m", 1 << 20, "/dev/fanlight4/log"),
    ("fanlight-ring-4m", 4 << 20, "/dev/fanlight5/log"),
    ("fanlight-ring-16m", 16 << 20, "/dev/fanlight6/log"),
];

/// Seconds of uptime at which the work begins, when the boot has come to rest; where instructions are counted waiting takes no
/// time at all.
const START: u64 = 60;

/// Makes the guest ready: no second log that every message goes to as well, no processes that come in between, and quiet
/// consoles. With `wait` the work begins at [`START`].
pub fn prepare(wait: bool) {
    // The kernel makes the nodes itself. mdev, called for each by a process of its own, may come so late that it removes
    // one which is there again.
    put("/proc/sys/kernel/hotplug", "\n");
    for (name, _, _) in RINGS {
        unbind("fanlight", name);
    }
    sys::mount("tracefs", "/sys/kernel/tracing");
    sys::mount("pstore", "/sys/fs/pstore");
    // The serial line would cost more than all that is measured here.
    put("/proc/sys/kernel/printk", "1 4 1 1");
    if !fs::exists(BENCH).unwrap_or(false) {
        sys::insmod("/lib/fanlight-bench/fanlight_bench.ko").expect("fanlight_bench.ko");
    }
    if wait {
        sys::sleep_until(START);
    }
    // fanlight_log() goes to the first one that has a log: this one now.
    without_fanlight(|| ());
}

/// Where the memory is that tests/dts/bench.dtso puts at `address` on virt-arm: all of it is elsewhere on other boards.
pub fn place(address: usize) -> usize {
    const FIRST: usize = 0x5400_0000;
    let path = format!("/proc/device-tree/reserved-memory/uio@{FIRST:x}/reg");
    let reg = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // Address and size, of one cell or two each. Nothing is beyond 4 GiB.
    let cell = if reg.len() == 8 { 0 } else { 4 };
    let cell = reg[cell..cell + 4].try_into().expect("four bytes");
    u32::from_be_bytes(cell) as usize + address - FIRST
}

/// The name of the device that is at `address` on virt-arm.
pub fn node(address: usize, kind: &str) -> String {
    format!("{:x}.{kind}", place(address))
}

/// Whether the kernel has a thing: one without some of the peers will do for the others.
pub fn has(path: &str) -> bool {
    let there = fs::exists(path).unwrap_or(false);
    if !there {
        eprintln!("fanlight-bench: {path} is missing: not measured");
    }
    there
}

pub fn put(path: &str, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{path}: {error}"));
}

pub fn get(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.trim().to_owned()
}

fn driver(driver: &str, device: &str, file: &str) -> std::io::Result<()> {
    fs::write(format!("/sys/bus/platform/drivers/{driver}/{file}"), device)
}

pub fn bound(name: &str, device: &str) -> bool {
    fs::exists(format!("/sys/bus/platform/drivers/{name}/{device}")).unwrap_or(false)
}

pub fn bind(name: &str, device: &str) {
    if !bound(name, device) {
        bind_alone(name, device);
        quiet();
    }
}

/// The same without waiting for what the kernel does afterwards.
pub fn bind_alone(name: &str, device: &str) {
    driver(name, device, "bind").unwrap_or_else(|error| panic!("bind {device}: {error}"));
}

/// Until the console of a fanlight has taken over what printk's buffer has: its thread would be measured as well. A guest on a
/// busy host may never come to rest.
pub fn quiet() {
    for _ in 0..3000 {
        let before = idle();
        std::thread::sleep(std::time::Duration::from_millis(20));
        if idle() - before > 19_000_000 {
            return;
        }
    }
}

/// Until something is so that is about to be.
#[track_caller]
pub fn until(so: impl Fn() -> bool) {
    for _ in 0..500 {
        if so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("waited for 5 s");
}

pub fn unbind(name: &str, device: &str) {
    if bound(name, device) {
        driver(name, device, "unbind").unwrap_or_else(|error| panic!("unbind {device}: {error}"));
    }
}

/// Without any fanlight: what its consoles do must not be counted as a peer's work.
pub fn without_fanlight<T>(work: impl FnOnce() -> T) -> T {
    unbind("fanlight", FANLIGHT);
    let result = work();
    bind("fanlight", FANLIGHT);
    result
}

/// Instructions that `count` times that work took inside the kernel.
pub fn run(kind: Kind, len: usize, count: usize) -> u64 {
    put(
        &format!("{BENCH}/run"),
        &format!("{} {len} {count}", kind as usize),
    );
    number("result")
}

/// The kernel module's numbers are hexadecimal.
fn number(file: &str) -> u64 {
    u64::from_str_radix(&get(&format!("{BENCH}/{file}")), 16).expect("a number")
}

/// Makes records whose texts are [`text`].
pub fn emit(kind: Kind, len: usize, first: usize, count: usize) {
    put(
        &format!("{BENCH}/emit"),
        &format!("{} {len} {first} {count}", kind as usize),
    );
}

/// Nanoseconds that the processor was idle for since boot.
pub fn idle() -> u64 {
    number("idle")
}

/// The text of record `number`, as [`emit`] makes it.
pub fn text(number: usize, len: usize) -> Vec<u8> {
    let mut text = format!("bench {number:08x} ").into_bytes();
    text.resize(len, b'x');
    text
}

/// The UIO device whose first memory has that name, or begins at that address.
pub fn uio(name_or_address: &str) -> (File, String) {
    for entry in fs::read_dir("/sys/class/uio").expect("UIO").flatten() {
        let path = entry.path().display().to_string();
        if get(&format!("{path}/name")) == name_or_address
            || get(&format!("{path}/maps/map0/addr")) == name_or_address
        {
            let node = entry.file_name().into_string().expect("a name");
            return (sys::open_rw(&format!("/dev/{node}")), node);
        }
    }
    panic!("no UIO device {name_or_address}");
}
