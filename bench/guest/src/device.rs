// SPDX-License-Identifier: MIT OR Apache-2.0
//! The devices: where they are, binding and unbinding them, and the kernel module that works inside
//! the kernel.

use std::fs;
use std::fs::File;

use crate::sys;

pub const MODULE: &str = "/lib/modules/fanlight.ko";
const BENCH: &str = "/sys/kernel/debug/fanlight_bench";
pub const LOG: &str = "/dev/fanlight0/log";

/// Kinds of work of the kernel module: `FANLIGHT_BENCH_*` of bench/module/helpers.h.
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
    Trace = 11,
    PrintkInfo = 12,
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

/// The same in the guest of bench/dts/bench-large.dtso, which has those above as well.
pub const LARGE_RINGS: &[(&str, usize, &str)] = &[
    ("fanlight-ring-64m", 64 << 20, "/dev/fanlight8/log"),
    ("fanlight-ring-256m", 256 << 20, "/dev/fanlight9/log"),
];
/// In that guest too: an instance whose only window is a carve-out of 256 MiB, with its device, its
/// address and its file. A device of UIO's has the same memory.
pub const WINDOW: &str = "fanlight-window";
pub const WINDOW_SIZE: usize = 256 << 20;
pub const WINDOW_ADDRESS: usize = 0x7000_0000;
pub const WINDOW_FILE: &str = "/dev/fanlight12/window";
/// And a window of 16 MiB of scattered pages, as many as [`uio_virtual`] has.
pub const TOGETHER_FILE: &str = "/dev/fanlight13/table";

/// Instances with a log that has a region: their devices, the region's size and address, and how
/// many records of the boot before were found in it.
pub const REGIONS: &[(&str, usize, usize, &str)] = &[
    (
        "fanlight-region-1m",
        1 << 20,
        0x5600_0000,
        "/sys/class/misc/fanlight10-log.prev/intact",
    ),
    (
        "fanlight-region-16m",
        16 << 20,
        0x5700_0000,
        "/sys/class/misc/fanlight11-log.prev/intact",
    ),
];
/// The instance of ftrace that the command line maps to reserved memory, and the file that only
/// such an instance has.
pub const BOOT_MAP: &str = "/sys/kernel/tracing/instances/boot_map";
pub const BOOT_MAP_ONLY: &str = "/sys/kernel/tracing/instances/boot_map/last_boot_info";

/// Seconds of uptime at which the work begins, when the boot has come to rest; where instructions
/// are counted waiting takes no time at all.
const START: u64 = 60;

/// Prepares the guest: without a second log, to which each message would be appended, without other
/// processes, and with a low loglevel. With `wait` the work begins at [`START`].
pub fn prepare(wait: bool) {
    let rings = RINGS.iter().chain(LARGE_RINGS).map(|(name, ..)| *name);
    for name in rings.chain(REGIONS.iter().map(|(name, ..)| *name)) {
        unbind("fanlight", name);
    }
    // The serial line would cost more than everything that is measured here.
    put("/proc/sys/kernel/printk", "1 4 1 1");
    load();
    if wait {
        sys::sleep_until(START);
    }
    unlimited();
    // fanlight_log() goes to the first one that has a log: this one now.
    without_fanlight(|| ());
}

/// The file systems of the peers, and the kernel module. Device nodes are made by the kernel alone
/// from here on.
pub fn load() {
    // The kernel makes the nodes itself. mdev is a process of its own per event, which may run so
    // late that it removes a node that exists again, or creates one whose device is gone.
    put("/proc/sys/kernel/hotplug", "\n");
    sys::mount("tracefs", "/sys/kernel/tracing");
    sys::mount("pstore", "/sys/fs/pstore");
    if !fs::exists(BENCH).unwrap_or(false) {
        sys::insmod("/lib/fanlight-bench/fanlight_bench.ko").expect("fanlight_bench.ko");
    }
}

/// Where the memory is that bench/dts/bench.dtso puts at `address` on virt-arm: all of it is
/// elsewhere on other boards.
pub fn place(address: usize) -> usize {
    const FIRST: usize = 0x5400_0000;
    let path = format!("/proc/device-tree/reserved-memory/uio@{FIRST:x}/reg");
    if !fs::exists(&path).unwrap_or(false) {
        // bench/dts/bench-large.dtso, which is for virt-arm only.
        return address;
    }
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

/// Whether the kernel has a peer: a kernel without some of them measures the others.
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
        unlimited();
        quiet();
    }
}

/// Lifts the limit on what a program may write to a log, where the driver has one.
pub fn unlimited() {
    for entry in fs::read_dir("/sys/class/misc").expect("sysfs").flatten() {
        let limit = entry.path().join("write_limit");
        if fs::exists(&limit).unwrap_or(false) {
            put(&limit.display().to_string(), "0");
        }
    }
}

/// The same without waiting for what the kernel does afterwards.
pub fn bind_alone(name: &str, device: &str) {
    driver(name, device, "bind").unwrap_or_else(|error| panic!("bind {device}: {error}"));
}

/// Waits until the console of a log has copied printk's buffer: its thread would be measured as
/// well. A guest on a busy host may never be idle.
pub fn quiet() {
    for _ in 0..3000 {
        let before = idle();
        std::thread::sleep(std::time::Duration::from_millis(20));
        if idle() - before > 19_000_000 {
            return;
        }
    }
}

/// Waits until a condition holds.
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

/// Runs without the driver: the work of its consoles must not be counted as a peer's.
pub fn without_fanlight<T>(work: impl FnOnce() -> T) -> T {
    unbind("fanlight", FANLIGHT);
    let result = work();
    bind("fanlight", FANLIGHT);
    result
}

/// Instructions inside the kernel for `count` times this work.
pub fn run(kind: Kind, len: usize, count: usize) -> u64 {
    put(
        &format!("{BENCH}/run"),
        &format!("{} {len} {count}", kind as usize),
    );
    number("result")
}

/// Instructions inside the kernel for the slowest of `count` times this work.
pub fn worst(kind: Kind, len: usize, count: usize) -> u64 {
    put(
        &format!("{BENCH}/worst"),
        &format!("{} {len} {count}", kind as usize),
    );
    number("result")
}

/// Registers the kernel module's console that discards messages, or unregisters it.
pub fn discarding_console(on: bool) {
    put(&format!("{BENCH}/console"), if on { "1" } else { "0" });
}

/// The kernel module's numbers are hexadecimal.
fn number(file: &str) -> u64 {
    u64::from_str_radix(&get(&format!("{BENCH}/{file}")), 16).expect("a number")
}

/// Makes records whose texts are [`text`].
pub fn emit(kind: Kind, len: usize, first: usize, count: usize) {
    emit_slowly(kind, len, first, count, 0);
}

/// The same, with a pause of `pause` microseconds after each record.
pub fn emit_slowly(kind: Kind, len: usize, first: usize, count: usize, pause: usize) {
    put(
        &format!("{BENCH}/emit"),
        &format!("{} {len} {first} {count} {pause}", kind as usize),
    );
}

/// Nanoseconds for which the processor was idle since boot.
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

/// UIO's 16 MiB of scattered pages, and the offset at which they are mapped: each page of the
/// offset of a UIO file selects another memory.
pub fn uio_virtual() -> (File, usize) {
    (uio("fanlight-bench").0, 4096)
}
