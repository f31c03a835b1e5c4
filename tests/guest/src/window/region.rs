// SPDX-License-Identifier: MIT OR Apache-2.0
//! Regions of every size and kind (tests/dts/regs.dtso): larger than the kernel's address space,
//! placed by the kernel, chosen from a list, less than whole pages, and SRAM with its driver.

use std::fs;
use std::os::fd::AsRawFd;

use libc::{O_RDONLY, SEEK_END};

use crate::log::bind::memory;
use crate::support::child::Child;
use crate::support::dev::{self, Spec};
use crate::support::kernel;
use crate::support::log::lines_of;
use crate::support::mem::{Map, PAGE, R, RW};
use crate::support::program::run;
use crate::support::sys::{self, Errno};
use crate::support::uapi;
use crate::support::wait;
use crate::tests;

tests! {
    regs:
        window_region_larger_than_the_kernel_has_addresses_for_is_used,
        window_region_read_of_a_large_window_can_be_killed,
        window_region_write_to_a_large_window_can_be_killed,
        window_region_that_the_kernel_places_is_used,
        window_region_is_chosen_by_index_and_by_name,
        window_region_is_cut_short_by_size,
        window_region_of_less_than_pages_is_read_and_written_to_the_byte,
        window_region_of_less_than_pages_is_not_mapped,
        window_region_of_less_than_pages_is_mapped_if_the_tree_allows_it,
        window_region_of_a_part_of_a_page_reports_its_offset,
        window_region_of_registers_in_a_part_of_a_page_is_mapped,
        window_region_of_less_than_pages_is_used_by_the_tool,
        window_region_that_ends_within_a_word_is_printed_whole,
        window_region_of_a_picture_is_as_long_as_the_picture,
        window_region_is_named_in_proc_iomem,
        window_region_of_a_pool_has_the_pages_of_its_node,
        window_region_of_a_pool_is_not_mapped_as_pages,
        window_region_in_use_names_its_owner,
        window_region_above_4_gib_needs_lpae,
        window_region_in_sram_is_taken_over_from_the_bootloaders_framebuffer,
        window_region_sram_exists_while_its_driver_is_bound,
        window_region_without_its_driver_costs_only_itself,
        window_region_of_a_refused_window_ends_nothing_with_its_driver;
}

const NODE: &str = "fanlight-regions";
const SRAM_NODE: &str = "fanlight-sram";

const fn region(name: &'static str, cache: u32, size: usize) -> Spec {
    Spec {
        node: NODE,
        child: name,
        name,
        backing: uapi::BACKING_CARVEOUT,
        cache,
        size,
        read_only: false,
    }
}

const LARGE: Spec = region("large", uapi::CACHE_WRITECOMBINE, 256 << 20);
const PLACED: Spec = region("placed", uapi::CACHE_WRITECOMBINE, 0x10_0000);
const BY_INDEX: Spec = region("by-index", uapi::CACHE_NONCACHED, 0x8000);
const BY_NAME: Spec = region("by-name", uapi::CACHE_NONCACHED, 0x3004);
const OWN_LIST: Spec = region("own-list", uapi::CACHE_CACHED, 0x4000);
const PICTURE: Spec = region("picture", uapi::CACHE_WRITECOMBINE, 800 * 480 * 2);
const GIC: Spec = Spec {
    child: "gic@8000fe0",
    read_only: true,
    ..region("gic", uapi::CACHE_NONCACHED, 0x20)
};
const ODD: Spec = Spec {
    node: SRAM_NODE,
    ..region("odd", uapi::CACHE_NONCACHED, 0x186)
};
const MAPPED: Spec = Spec {
    node: SRAM_NODE,
    ..region("mapped", uapi::CACHE_NONCACHED, 0x1000)
};
const RAGGED: Spec = Spec {
    node: SRAM_NODE,
    ..region("ragged", uapi::CACHE_NONCACHED, 0x17)
};

fn window_region_larger_than_the_kernel_has_addresses_for_is_used() {
    let total = kernel::meminfo("VmallocTotal").expect("VmallocTotal") as usize;
    let window = LARGE.open();
    if total << 10 > LARGE.size {
        crate::skip!("the kernel has {total} KiB of addresses: boot a 32-bit one with 1 GiB");
    }
    assert_eq!(window.info().size, LARGE.size as u64);
    // Across the boundaries of pages and of the parts that the kernel maps, and at the end.
    for at in [
        0,
        PAGE - 4,
        (256 << 10) - 8,
        (256 << 10) + 4,
        LARGE.size - 20_000,
    ] {
        let bytes: Vec<u8> = (0..20_000).map(|i| (i * 7 + at) as u8).collect();
        assert_eq!(
            sys::pwrite(window.raw(), &bytes, at as i64),
            Ok(bytes.len())
        );
        let mut back = vec![0; bytes.len()];
        assert_eq!(
            sys::pread(window.raw(), &mut back, at as i64),
            Ok(back.len())
        );
        assert_eq!(back, bytes, "at {at:#x}");
        let map = window.map();
        assert_eq!(map.copy(at, bytes.len()), bytes, "at {at:#x}");
    }
    let over = sys::pwrite(window.raw(), &[1; 100], LARGE.size as i64 - 60);
    assert_eq!(over, Ok(60));
}

/// The word that shows the progress of a copy.
const MARK: u32 = 0x6b72_616d;

/// Shared memory of a page, one MiB and a page, for copies of [`LARGE`], which use the MiB
/// repeatedly.
struct Buffers {
    map: Map,
    list: Vec<libc::iovec>,
}

impl Buffers {
    const LAST: usize = PAGE + (1 << 20);

    fn new() -> Self {
        let path = format!("/tmp/buffers-{}", std::process::id());
        let file = fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .expect("a file");
        fs::remove_file(&path).expect("its name");
        file.set_len((Self::LAST + PAGE) as u64).expect("its size");
        let map = Map::shared(file.as_raw_fd(), Self::LAST + PAGE, RW).expect("a map of it");
        let buffer = |offset: usize, len: usize| libc::iovec {
            iov_base: (map.at + offset) as *mut libc::c_void,
            iov_len: len,
        };
        let mut list = vec![buffer(0, PAGE)];
        list.resize(LARGE.size >> 20, buffer(PAGE, 1 << 20));
        list.push(buffer(PAGE, (1 << 20) - 2 * PAGE));
        list.push(buffer(Self::LAST, PAGE));
        assert_eq!(list.iter().map(|b| b.iov_len).sum::<usize>(), LARGE.size);
        Self { map, list }
    }
}

/// Kills a process as soon as its copy of the window has begun, and repeats that until a copy ends
/// early. If this process is scheduled too late, another round follows.
fn ends_when_killed(
    reset: impl Fn(),
    copy: impl Fn(),
    has_begun: impl Fn() -> bool,
    has_ended: impl Fn() -> bool,
) {
    let in_time = (0..12).any(|_| {
        reset();
        let child = Child::spawn(|| {
            copy();
            0
        });
        assert!(wait::until(&has_begun), "the copy does not begin");
        sys::kill(child.pid(), libc::SIGKILL);
        child.wait();
        !has_ended()
    });
    assert!(in_time, "the copy went on to its end");
}

fn window_region_read_of_a_large_window_can_be_killed() {
    let window = LARGE.open();
    for at in [0, LARGE.size - PAGE] {
        let written = sys::pwrite(window.raw(), &MARK.to_ne_bytes(), at as i64);
        assert_eq!(written, Ok(4));
    }
    let buffers = Buffers::new();
    let map = &buffers.map;
    ends_when_killed(
        || {
            map.store32(0, 0).unwrap();
            map.store32(Buffers::LAST, 0).unwrap();
        },
        || {
            // SAFETY: the buffers are mapped as long as the process lives.
            unsafe {
                libc::preadv(
                    window.raw(),
                    buffers.list.as_ptr(),
                    buffers.list.len() as i32,
                    0,
                )
            };
        },
        || map.load32(0) == Ok(MARK),
        || map.load32(Buffers::LAST) == Ok(MARK),
    );
}

fn window_region_write_to_a_large_window_can_be_killed() {
    let window = LARGE.open();
    let buffers = Buffers::new();
    buffers.map.store32(0, MARK).unwrap();
    buffers.map.store32(Buffers::LAST, MARK).unwrap();
    let map = window.map();
    ends_when_killed(
        || {
            map.store32(0, 0).unwrap();
            map.store32(LARGE.size - PAGE, 0).unwrap();
        },
        || {
            // SAFETY: the buffers are mapped as long as the process lives.
            unsafe {
                libc::pwritev(
                    window.raw(),
                    buffers.list.as_ptr(),
                    buffers.list.len() as i32,
                    0,
                )
            };
        },
        || map.load32(0) == Ok(MARK),
        || map.load32(LARGE.size - PAGE) == Ok(MARK),
    );
}

/// The physical address of a window, as the administrator sees it.
fn address(spec: &Spec) -> u64 {
    spec.open().info().phys
}

/// Checks that read(), write() and a map of the window lead to the memory at this address.
fn is_at(spec: &Spec, expected: usize) {
    assert_eq!(address(spec), expected as u64, "{}", spec.name);
    let window = spec.open();
    assert_eq!(window.info().size, spec.size as u64, "{}", spec.name);
    assert_eq!(spec.attribute("size"), spec.size.to_string());
    let bytes: Vec<u8> = (0..64).map(|i| (i * 3 + expected / PAGE) as u8).collect();
    assert_eq!(
        sys::pwrite(window.raw(), &bytes, 0),
        Ok(64),
        "{}",
        spec.name
    );
    let mut back = [0; 64];
    assert_eq!(
        sys::pread(window.raw(), &mut back, 0),
        Ok(64),
        "{}",
        spec.name
    );
    assert_eq!(back[..], bytes, "{}", spec.name);
    if spec.cache != uapi::CACHE_CACHED {
        assert_eq!(memory(expected, PAGE).copy(0, 64), bytes, "{}", spec.name);
    }
}

fn window_region_that_the_kernel_places_is_used() {
    PLACED.needed();
    let lines = crate::support::program::shell("dmesg").success().text();
    let line = lines
        .lines()
        .find(|line| {
            line.contains("reserved mem") && line.contains("nomap") && line.ends_with("placed")
        })
        .unwrap_or_else(|| panic!("the kernel has not placed the region: {lines}"));
    let start = line
        .split("0x")
        .nth(1)
        .and_then(|text| text.split("..").next());
    let start = start.and_then(|text| usize::from_str_radix(text, 16).ok());
    is_at(&PLACED, start.expect("an address"));
    let window = PLACED.open();
    assert_eq!(window.map().copy(0, 64).len(), 64);
}

fn window_region_is_chosen_by_index_and_by_name() {
    is_at(&BY_INDEX, 0x6020_0000);
    is_at(&BY_NAME, 0x6000_0000);
    is_at(&OWN_LIST, 0x6040_0000);
}

fn window_region_is_cut_short_by_size() {
    let window = BY_NAME.open();
    let end = BY_NAME.size as i64;
    assert_eq!(sys::lseek(window.raw(), 0, SEEK_END), Ok(end));
    assert_eq!(sys::pread(window.raw(), &mut [0; 16], end - 4), Ok(4));
    assert_eq!(sys::pread(window.raw(), &mut [0; 16], end), Ok(0));
    assert_eq!(sys::pwrite(window.raw(), &[0; 16], end), Err(Errno::ENOSPC));
}

fn window_region_of_less_than_pages_is_read_and_written_to_the_byte() {
    let sram = {
        ODD.needed();
        memory(0x6080_0000, PAGE)
    };
    for at in (0..PAGE).step_by(4) {
        sram.store32(at, 0xeeee_eeee).unwrap();
    }
    let window = ODD.open();
    let bytes: Vec<u8> = (0..ODD.size + 32).map(|i| (i * 5 + 1) as u8).collect();
    assert_eq!(sys::pwrite(window.raw(), &bytes, 0), Ok(ODD.size));
    let mut expected = vec![0xee; PAGE];
    expected[0x104..0x104 + ODD.size].copy_from_slice(&bytes[..ODD.size]);
    assert_eq!(sram.copy(0, PAGE), expected, "the bytes around it, too");
    let mut back = vec![0; ODD.size + 32];
    assert_eq!(sys::pread(window.raw(), &mut back, 0), Ok(ODD.size));
    assert_eq!(back[..ODD.size], bytes[..ODD.size]);
    for (at, len) in [(1, 1), (1, 7), (2, 4), (3, 9), (ODD.size - 3, 3)] {
        let mut back = vec![0; len];
        assert_eq!(sys::pread(window.raw(), &mut back, at as i64), Ok(len));
        assert_eq!(back, bytes[at..at + len], "{len} at {at}");
    }
}

fn window_region_of_less_than_pages_is_not_mapped() {
    for spec in [ODD, BY_NAME, PICTURE] {
        let window = spec.open();
        for prot in [R, RW] {
            let refused = Map::shared(window.raw(), PAGE, prot).err();
            assert_eq!(refused, Some(Errno::EOPNOTSUPP), "{}", spec.name);
        }
        let rights = window.info().rights;
        assert_eq!(
            rights,
            uapi::RIGHT_READ | uapi::RIGHT_WRITE,
            "{}",
            spec.name
        );
    }
}

fn window_region_of_less_than_pages_is_mapped_if_the_tree_allows_it() {
    let window = MAPPED.open();
    // 0x1000 bytes from the middle of a page on are in two pages.
    let map = Map::shared(window.raw(), 2 * PAGE, RW).expect("both pages");
    assert_eq!(
        Map::shared(window.raw(), 2 * PAGE + 1, RW).err(),
        Some(Errno::EINVAL)
    );
    let offset = window.info().offset as usize;
    assert_eq!(sys::pwrite(window.raw(), &MARK.to_ne_bytes(), 0), Ok(4));
    assert_eq!(map.load32(offset), Ok(MARK));
    map.store32(offset + MAPPED.size - 4, !MARK).unwrap();
    let mut last = [0; 8];
    assert_eq!(
        sys::pread(window.raw(), &mut last, MAPPED.size as i64 - 4),
        Ok(4)
    );
    assert_eq!(last[..4], (!MARK).to_ne_bytes());
}

fn window_region_of_a_part_of_a_page_reports_its_offset() {
    for (spec, offset) in [(MAPPED, 0x210), (ODD, 0x104), (GIC, 0xfe0), (LARGE, 0)] {
        let info = spec.open().info();
        assert_eq!(info.offset, offset, "{}", spec.name);
        assert_eq!(info.phys % PAGE as u64, u64::from(offset), "{}", spec.name);
        assert_eq!(
            spec.attribute("offset"),
            offset.to_string(),
            "{}",
            spec.name
        );
    }
}

fn window_region_of_registers_in_a_part_of_a_page_is_mapped() {
    let window = GIC.open_with(O_RDONLY);
    assert_eq!(
        sys::pread(window.raw(), &mut [0; 4], 0),
        Err(Errno::EOPNOTSUPP)
    );
    let map = Map::shared(window.raw(), PAGE, R).expect("its page");
    let id: Vec<u32> = (0..8)
        .map(|i| {
            map.load32(window.info().offset as usize + 4 * i)
                .expect("a register")
        })
        .collect();
    assert_eq!(id, [0x90, 0xb4, 0x2b, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
}

fn window_region_of_less_than_pages_is_used_by_the_tool() {
    let gic = GIC.path();
    let ran = run("fanlight", &["mem", "read", &gic, "0", "2"]).success();
    assert_eq!(ran.text(), "0x00000090\n0x000000b4\n");
    run("fanlight", &["mem", "read", &gic, "0x20"]).fails_with(&["0x20"]);
    let mapped = MAPPED.path();
    run(
        "fanlight",
        &["mem", "write", &mapped, "0xffc", "0x12345678"],
    )
    .success();
    let mut word = [0; 4];
    assert_eq!(sys::pread(MAPPED.open().raw(), &mut word, 0xffc), Ok(4));
    assert_eq!(u32::from_ne_bytes(word), 0x1234_5678);
    run("fanlight", &["mem", "read", &ODD.path(), "0"]).fails_with(&["whole pages"]);
}

fn window_region_that_ends_within_a_word_is_printed_whole() {
    let path = RAGGED.path();
    let bytes: Vec<u8> = (b'a'..).take(RAGGED.size).collect();
    assert_eq!(sys::pwrite(RAGGED.open().raw(), &bytes, 0), Ok(RAGGED.size));
    let mem = |args: &[&str]| run("fanlight", &[&["mem", args[0], &path], &args[1..]].concat());
    let text = mem(&["dump"]).success().text();
    let expected = "00000000: 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f 70  abcdefghijklmnop\n\
                    00000010: 71 72 73 74 75 76 77                             qrstuvw\n";
    assert_eq!(text, expected);
    let text = mem(&["dump", "0x15", "1"]).success().text();
    assert!(text.starts_with("00000015: 76 "), "{text}");
    assert_eq!(mem(&["save", "-"]).success().text().as_bytes(), bytes);
    let text = mem(&["watch", "0x14", "-n", "1"]).success().text();
    assert!(text.starts_with("00000014: 75 76 77 "), "{text}");
    // A specified width is kept.
    mem(&["dump", "--width", "4"]).fails_with(&["23 bytes", "multiple of the width"]);
}

fn window_region_of_a_picture_is_as_long_as_the_picture() {
    let window = PICTURE.open();
    let info = window.info();
    assert_eq!(
        (info.kind, info.size),
        (uapi::KIND_FRAMEBUFFER, 800 * 480 * 2)
    );
    let lines: Vec<u8> = (0..PICTURE.size).map(|i| (i / 1600) as u8).collect();
    assert_eq!(sys::pwrite(window.raw(), &lines, 0), Ok(PICTURE.size));
    let mut back = vec![0; PICTURE.size];
    assert_eq!(sys::pread(window.raw(), &mut back, 0), Ok(PICTURE.size));
    assert_eq!(back, lines);
}

fn window_region_is_named_in_proc_iomem() {
    LARGE.needed();
    let iomem = fs::read_to_string("/proc/iomem").expect("/proc/iomem");
    let line = |name: &str| iomem.lines().any(|line| line.ends_with(name));
    assert!(line("fanlight20/large"), "{iomem}");
    assert!(line("fanlight20/gic"), "{iomem}");
}

fn window_region_of_a_pool_has_the_pages_of_its_node() {
    let pool = 0x6400_0000..0x6500_0000_u64;
    let in_pool = |name: &'static str, cache: u32, size: usize| {
        let spec = Spec {
            node: "fanlight-pool",
            backing: uapi::BACKING_CONTIGUOUS,
            ..region(name, cache, size)
        };
        let start = address(&spec);
        let end = start + size as u64;
        assert!(
            pool.contains(&start) && end <= pool.end,
            "{name} is at {start:#x}"
        );
        let window = spec.open();
        assert_eq!(
            sys::pwrite(window.raw(), &[3; 64], size as i64 - 64),
            Ok(64)
        );
        assert_eq!(window.map().copy(size - 64, 64), [3; 64]);
    };
    for _ in 0..2 {
        in_pool("cached", uapi::CACHE_CACHED, 0x80_0000);
        in_pool("uncached", uapi::CACHE_WRITECOMBINE, 0x40_0000);
        // It returns the memory to the pool.
        drop(dev::Unbound::new("fanlight-pool"));
    }
}

/// The one line that the driver has printed about the only window of a node that it has refused.
fn refusal(node: &str) -> String {
    if !dev::node_exists(node) {
        crate::skip!("the device tree has no {node}: boot with tests/dts/regs.dtso");
    }
    assert!(!dev::is_bound(node), "{node} was accepted");
    let lines = lines_of(node);
    let about: Vec<&String> = lines
        .iter()
        .filter(|line| line.starts_with("window "))
        .collect();
    assert_eq!(about.len(), 1, "{lines:?}");
    about[0].clone()
}

fn window_region_of_a_pool_is_not_mapped_as_pages() {
    let line = refusal("fanlight-bad-pool-pages");
    let expected = "pages of a shared-dma-pool are mapped by pfn: leave fanlight,mapping out";
    assert!(line.contains(expected), "{line:?}");
}

fn window_region_in_use_names_its_owner() {
    let line = refusal("fanlight-bad-busy");
    let iomem = fs::read_to_string("/proc/iomem").expect("/proc/iomem");
    let owner = iomem
        .lines()
        .filter(|line| line.trim_start().starts_with("09000000-"))
        .filter_map(|line| line.split_once(" : "))
        .map(|(_, name)| name)
        .next_back()
        .expect("the UART in /proc/iomem");
    let expected = format!("its region is already in use by {owner} (node /fanlight-bad-busy/");
    assert!(line.contains(&expected), "no {expected:?} in {line:?}");
}

fn window_region_above_4_gib_needs_lpae() {
    const NODE: &str = "fanlight-bad-above";
    if dev::is_bound(NODE) {
        let spec = Spec {
            node: NODE,
            child: "w@4000000000",
            ..region("w", uapi::CACHE_NONCACHED, PAGE)
        };
        assert_eq!(address(&spec), 0x40_0000_0000);
        Map::shared(spec.open().raw(), PAGE, R).expect("a map");
        return;
    }
    let line = refusal(NODE);
    assert!(line.contains("address"), "{line:?}");
}

const DRIVER: &str = "/sys/bus/platform/drivers/sram";
const DEVICE: &str = "60800000.sram";
/// A node with a window of the SRAM, and another one.
const LATE: &str = "fanlight-late";

fn window_region_sram_exists_while_its_driver_is_bound() {
    ODD.needed();
    assert!(dev::is_bound(SRAM_NODE));
    fs::write(format!("{DRIVER}/unbind"), DEVICE).expect("unbind the SRAM");
    assert!(
        !dev::is_bound(SRAM_NODE),
        "the windows outlived the driver of their memory"
    );
    assert_eq!(dev::misc_of(SRAM_NODE), [""; 0]);
    let bound = fs::write("/sys/bus/platform/drivers/fanlight/bind", SRAM_NODE);
    assert!(bound.is_err(), "the SRAM's driver is not there");
    // As for a new device: unlike a bind, this adds it to the list of deferred probes.
    let _ = fs::write("/sys/bus/platform/drivers_probe", SRAM_NODE);
    let reason = || {
        let list = fs::read_to_string("/sys/kernel/debug/devices_deferred").expect("debugfs");
        list.lines()
            .find(|line| line.starts_with(SRAM_NODE))
            .is_some_and(|line| line.contains("the SRAM's driver is not bound"))
    };
    assert!(
        wait::until(reason),
        "the probe is not deferred for the SRAM"
    );
    fs::write(format!("{DRIVER}/bind"), DEVICE).expect("bind the SRAM");
    // It is bound before its probe ends.
    let windows = || dev::misc_of(SRAM_NODE).len();
    assert!(
        wait::until(|| windows() == 3),
        "the windows do not come back"
    );
    dev::wait_for_node(SRAM_NODE);
    assert_eq!(sys::pwrite(ODD.open().raw(), &[7; 8], 0), Ok(8));
}

/// For some seconds after boot, the kernel waits for drivers that may still be loaded: the whole
/// node is deferred.
fn window_region_without_its_driver_costs_only_itself() {
    if !dev::node_exists(LATE) {
        crate::skip!("the device tree has no {LATE}: boot with tests/dts/regs.dtso");
    }
    if !dev::is_bound(LATE) {
        bind(LATE);
    }
    assert_eq!(dev::misc_of(LATE).len(), 2);
    fs::write(format!("{DRIVER}/unbind"), DEVICE).expect("unbind the SRAM");
    assert!(!dev::is_bound(LATE), "it outlived the driver of its memory");
    let probe = || {
        let _ = fs::write("/sys/bus/platform/drivers_probe", LATE);
        dev::is_bound(LATE)
    };
    assert!(wait::until(probe), "it waits for the SRAM forever");
    // It is bound before its probe ends.
    wait::until(|| !dev::misc_of(LATE).is_empty());
    let misc = dev::misc_of(LATE);
    assert_eq!(misc.len(), 1, "{misc:?}");
    assert!(misc[0].ends_with("-other"), "{misc:?}");
    let lines = lines_of(LATE);
    let line = "window late: the SRAM's driver is not bound";
    assert!(lines.iter().any(|l| l.starts_with(line)), "{lines:?}");

    fs::write(format!("{DRIVER}/bind"), DEVICE).expect("bind the SRAM");
    dev::unbind(LATE);
    bind(LATE);
    assert_eq!(dev::misc_of(LATE).len(), 2);
    bind(SRAM_NODE);
}

fn window_region_of_a_refused_window_ends_nothing_with_its_driver() {
    const NODE: &str = "fanlight-refused-sram";
    if !dev::node_exists(NODE) {
        crate::skip!("the device tree has no {NODE}: boot with tests/dts/regs.dtso");
    }
    assert!(dev::is_bound(NODE));
    assert_eq!(dev::misc_of(NODE).len(), 1, "the window without a refusal");
    fs::write(format!("{DRIVER}/unbind"), DEVICE).expect("unbind the SRAM");
    let bound = dev::is_bound(NODE);
    fs::write(format!("{DRIVER}/bind"), DEVICE).expect("bind the SRAM");
    for node in [SRAM_NODE, LATE] {
        if !dev::is_bound(node) {
            bind(node);
        }
    }
    assert!(
        bound,
        "it went with the driver of memory that it does not have"
    );
}

fn window_region_in_sram_is_taken_over_from_the_bootloaders_framebuffer() {
    const NODE: &str = "fanlight-shown-sram";
    if !dev::node_exists(NODE) {
        crate::skip!("the device tree has no {NODE}: boot with tests/dts/regs.dtso");
    }
    assert!(dev::is_bound(NODE), "{:?}", lines_of(NODE));
    let simplefb = "/sys/bus/platform/drivers/simple-framebuffer/60808000.framebuffer";
    assert!(!fs::exists(simplefb).expect("sysfs"), "it still draws");
}

fn bind(node: &str) {
    fs::write("/sys/bus/platform/drivers/fanlight/bind", node).expect("bind");
}
