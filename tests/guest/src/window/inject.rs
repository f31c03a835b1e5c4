// SPDX-License-Identifier: MIT OR Apache-2.0
//! Allocations that fail (docs/test-plan.md, row 25), one after the other, at every place where
//! probe, open, mmap, a fault, fork, read or write makes one. For kernels with fault injection:
//! `KERNEL_DEBUG=1`.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use libc::{MAP_SHARED, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY};

use crate::log::bind;
use crate::skip;
use crate::support::child::Child;
use crate::support::dev::{
    self, Spec, Window, CARVE_WC, CONTIG, EACH_BACKING, LOG, LOG2, LOG3, TABLE,
};
use crate::support::kernel;
use crate::support::log::Messages;
use crate::support::mem::{Map, PAGE, R};
use crate::support::sys::{self, Ended, Errno};
use crate::tests;

tests! {
    long:
        window_inject_probe_fails_cleanly_at_every_40th_allocation,
        log_inject_probe_without_a_log_leaves_its_region_alone_at_every_10th_allocation,
        window_inject_open_fails_cleanly,
        window_inject_mmap_fails_cleanly,
        window_inject_mmap_that_fails_pins_no_address_space,
        window_inject_fault_is_out_of_memory_and_no_oops,
        window_inject_fork_fails_cleanly,
        window_inject_read_and_write_fail_cleanly,
        window_rebind_40_times_leaks_nothing;
    slow:
        window_inject_probe_fails_cleanly_at_every_allocation,
        log_inject_probe_without_a_log_leaves_its_region_alone_at_every_allocation,
        window_rebind_400_times_leaks_nothing;
}

const DEBUGFS: &str = "/sys/kernel/debug";

/// Makes the n-th allocation of this process from now on fail.
struct Injector {
    nth: OwnedFd,
}

impl Injector {
    fn new() -> Self {
        let nth = sys::open("/proc/self/fail-nth", O_RDWR);
        let nth = nth.unwrap_or_else(|_| {
            skip!("the kernel injects no faults: boot one made with KERNEL_DEBUG=1")
        });
        Self::allocations_may_fail(true);
        Self { nth }
    }

    fn allocations_may_fail(they_may: bool) {
        let answer = if they_may { "N" } else { "Y" };
        for kind in ["failslab", "fail_page_alloc"] {
            fs::write(format!("{DEBUGFS}/{kind}/ignore-gfp-wait"), answer).expect(kind);
            fs::write(format!("{DEBUGFS}/{kind}/verbose"), "0").expect(kind);
        }
        fs::write(
            format!("{DEBUGFS}/fail_page_alloc/ignore-gfp-highmem"),
            answer,
        )
        .expect("fail_page_alloc");
        fs::write(format!("{DEBUGFS}/fail_page_alloc/min-order"), "0").expect("fail_page_alloc");
    }

    /// Runs `body` with its n-th allocation failing; also returns whether it made n allocations.
    fn fail<T>(&self, n: usize, body: impl FnOnce() -> T) -> (T, bool) {
        let text = n.to_string();
        assert_eq!(
            sys::pwrite(self.nth.as_raw_fd(), text.as_bytes(), 0),
            Ok(text.len()),
            "fail-nth"
        );
        let result = body();
        let mut left = [0; 16];
        let len = sys::pread(self.nth.as_raw_fd(), &mut left, 0).expect("fail-nth");
        assert_eq!(sys::pwrite(self.nth.as_raw_fd(), b"0", 0), Ok(1));
        (result, &left[..len] == b"0\n")
    }

    /// Lets `body` fail at its first, second, … allocation until it has no more. Returns how many
    /// it had.
    fn fail_each(
        &self,
        step: usize,
        mut body: impl FnMut(&dyn Fn(&mut dyn FnMut()) -> bool),
    ) -> usize {
        for n in (1..).step_by(step) {
            let done = std::cell::Cell::new(false);
            body(&|part| {
                let ((), failed) = self.fail(n, part);
                done.set(!failed);
                failed
            });
            if done.get() {
                return n - 1;
            }
            assert!(n < 100_000, "it never ends");
        }
        unreachable!()
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        Self::allocations_may_fail(false);
    }
}

/// Mappings that exist now, by the driver's count.
fn maps(spec: &Spec) -> u64 {
    counter(spec, "maps")
}

/// One of the driver's counters of a window.
fn counter(spec: &Spec, name: &str) -> u64 {
    let path = format!("{DEBUGFS}/fanlight{}/{}", spec.instance(), spec.name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .expect(name)
        .trim()
        .parse()
        .expect("a number")
}

/// Starts a scan of kmemleak; returns the leaks whose traces contain the driver.
fn leaks() -> Option<String> {
    let path = format!("{DEBUGFS}/kmemleak");
    fs::write(&path, "scan").ok()?;
    // The first scan may report an object that only a register refers to, or that was just freed.
    fs::write(&path, "scan").ok()?;
    let text = fs::read_to_string(&path).ok()?;
    let objects = text
        .split("unreferenced object")
        .filter(|object| object.contains("fanlight"));
    Some(objects.collect())
}

fn no_leaks() {
    if let Some(found) = leaks() {
        assert_eq!(found, "", "kmemleak");
    }
}

fn probe_fails_cleanly(step: usize) {
    let injector = Injector::new();
    for node in [LOG.node, CARVE_WC.node] {
        dev::CARVE_WC.needed();
        let bind = sys::open("/sys/bus/platform/drivers/fanlight/bind", O_WRONLY).expect("bind");
        let kernel = Messages::of_kernel();
        let windows = dev::misc_of(node).len();
        dev::unbind(node);
        let mut failures = 0;
        let sites = injector.fail_each(step, |fail| {
            kernel.skip_all();
            let mut result = Ok(0);
            fail(&mut || result = sys::write(bind.as_raw_fd(), node.as_bytes()));
            let told = || {
                let all = kernel.all().into_iter();
                // Warnings and errors only: printk also reports consoles.
                let urgent = |line: &String| line.starts_with("3,") || line.starts_with("4,");
                let lines = all.filter(|line| line.contains("fanlight") && urgent(line));
                lines.collect::<Vec<String>>()
            };
            if dev::is_bound(node) {
                // The core continues without some of its allocations, such as that of an event for
                // user space. A window that cannot be created does not affect the others.
                if dev::misc_of(node).len() < windows {
                    failures += 1;
                    let lines = told();
                    assert!(
                        lines.iter().any(|line| line.contains("window ")),
                        "{lines:?}"
                    );
                }
                dev::unbind(node);
                return;
            }
            failures += 1;
            assert_eq!(result, Err(Errno::ENOMEM), "{node}");
            let lines = told();
            let ours = lines.iter().filter(|line| line.contains("window ")).count();
            // The driver's, and the core's.
            assert!(ours <= 1 && lines.len() <= 2, "{lines:?}");
        });
        println!("{node}: {failures} failures at {sites} allocations, every {step}th tried");
        assert!(failures >= 3);
        sys::write(bind.as_raw_fd(), node.as_bytes()).expect(node);
        dev::wait_for_node(node);
    }
    drop(injector);
    assert!(LOG.open().info().size > 0);
    no_leaks();
}

fn window_inject_probe_fails_cleanly_at_every_40th_allocation() {
    probe_fails_cleanly(40);
}

fn window_inject_probe_fails_cleanly_at_every_allocation() {
    probe_fails_cleanly(1);
}

/// The earlier boots of a region survive each probe that fails before it writes a record.
fn region_is_left_alone(step: usize) {
    let injector = Injector::new();
    let region = bind::region(0x1_0000);
    let bytes = || (0..0x4000).map(|word| region.load32(4 * word).expect("the region"));
    let bind = sys::open("/sys/bus/platform/drivers/fanlight/bind", O_WRONLY).expect("bind");
    dev::unbind(LOG3.node);
    let (mut without, mut with) = (0, 0);
    let kernel = Messages::of_kernel();
    let sites = injector.fail_each(step, |fail| {
        let before: Vec<u32> = bytes().collect();
        kernel.skip_all();
        fail(&mut || {
            // Whether there is a log is checked below.
            let _ = sys::write(bind.as_raw_fd(), LOG3.node.as_bytes());
        });
        let bound = dev::is_bound(LOG3.node);
        if bound {
            let misc = dev::misc_of(LOG3.node);
            let log = misc.iter().find(|name| name.ends_with("-log"));
            let persisted = log.and_then(|misc| crate::support::log::attribute(misc, "persisted"));
            if persisted.as_deref() == Some("yes") {
                with += 1;
                dev::unbind(LOG3.node);
                return;
            }
        }
        // The core's last allocation is after the driver's probe: the log has begun by then.
        let begun = |line: &String| line.contains(LOG3.node) && line.ends_with("windows: 3");
        if !bound && kernel.all().iter().any(begun) {
            with += 1;
            return;
        }
        without += 1;
        assert!(bytes().eq(before), "bound: {bound}");
        if bound {
            dev::unbind(LOG3.node);
        }
    });
    println!("{sites} allocations, every {step}th tried: {without} times no log, {with} times one");
    assert!(without >= 3);
    sys::write(bind.as_raw_fd(), LOG3.node.as_bytes()).expect(LOG3.node);
    dev::wait_for_node(LOG3.node);
}

fn log_inject_probe_without_a_log_leaves_its_region_alone_at_every_10th_allocation() {
    region_is_left_alone(10);
}

fn log_inject_probe_without_a_log_leaves_its_region_alone_at_every_allocation() {
    region_is_left_alone(1);
}

fn window_inject_open_fails_cleanly() {
    let injector = Injector::new();
    for spec in [CARVE_WC, TABLE, LOG] {
        let path = spec.path();
        let sites = injector.fail_each(1, |fail| {
            let mut opened = Err(Errno::EIO);
            let failed = fail(&mut || opened = sys::open(&path, O_RDONLY | O_NONBLOCK));
            match opened {
                Ok(fd) => {
                    // An opened node must work: a log has the kernel's records, too.
                    let n = sys::read(fd.as_raw_fd(), &mut [0; 8192]);
                    assert!(n.is_ok(), "{}: {n:?}", spec.name);
                }
                Err(refused) => {
                    assert_eq!((refused, failed), (Errno::ENOMEM, true), "{}", spec.name)
                }
            }
        });
        println!("open {}: {sites} allocations", spec.name);
    }
    no_leaks();
}

fn window_inject_mmap_fails_cleanly() {
    let injector = Injector::new();
    for spec in EACH_BACKING.iter().chain([&LOG, &CONTIG]) {
        let window = spec.open();
        let before = maps(spec);
        let sites = injector.fail_each(1, |fail| {
            let mut map = Err(Errno::EIO);
            let failed = fail(&mut || map = Map::new(window.raw(), spec.size, R, MAP_SHARED, 0));
            match map {
                Ok(map) => assert!(map.load32(spec.size - 4).is_ok(), "{}", spec.name),
                Err(refused) => {
                    assert_eq!((refused, failed), (Errno::ENOMEM, true), "{}", spec.name)
                }
            }
        });
        assert_eq!(maps(spec), before, "{}", spec.name);
        println!("mmap {}: {sites} allocations", spec.name);
    }
    // Revocation does not wait for calls that failed.
    drop(dev::Unbound::new(CARVE_WC.node));
    no_leaks();
}

/// Objects of the slab cache that address spaces come from.
fn address_spaces() -> i64 {
    let text = fs::read_to_string("/proc/slabinfo").expect("/proc/slabinfo");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("mm_struct "));
    let line = line.expect("the slab cache mm_struct");
    let active = line.split_whitespace().next().expect("a number");
    active.parse().expect("a number")
}

/// An mmap that fails after the driver was asked and before the mapping exists is not reported to
/// the driver. What the driver noted must not outlive the process.
fn window_inject_mmap_that_fails_pins_no_address_space() {
    const PROCESSES: i64 = 20;
    let injector = Injector::new();
    for spec in EACH_BACKING.iter().chain([&LOG]) {
        let window = spec.open();
        // This process has the same descriptor open.
        let fail_at = |n: usize| {
            let child = Child::spawn(|| {
                // fail-nth affects the process that has opened it.
                let injector = Injector::new();
                let mut map = Err(Errno::EIO);
                let (_, failed) = injector.fail(n, || {
                    map = Map::new(window.raw(), spec.size, R, MAP_SHARED, 0);
                });
                std::mem::forget(injector);
                // Any of these may be the last call of this process on the window.
                sys::close(window.raw());
                i32::from(failed && map.is_err())
            });
            child.wait()
        };
        let sites = (1..200)
            .find(|n| fail_at(*n) == Ended::Exit(0))
            .expect("an mmap that succeeds");
        assert!(sites > 1, "{}: no allocation fails", spec.name);
        let before = address_spaces();
        let mut failed = 0;
        for n in 1..sites {
            for _ in 0..PROCESSES {
                match fail_at(n) {
                    Ended::Exit(1) => failed += 1,
                    // KASAN allocates as well, at some calls only, and survives a failure.
                    Ended::Exit(0) => {}
                    ended => panic!("{}: {ended:?}", spec.name),
                }
            }
        }
        assert!(failed >= PROCESSES, "{}: {failed} calls failed", spec.name);
        let settled = crate::support::wait::until(|| address_spaces() - before < PROCESSES / 2);
        assert!(settled, "{}: {before}, now {}", spec.name, address_spaces());
        assert_eq!(counter(spec, "pending"), 0, "{}", spec.name);
    }
    drop(injector);
}

/// A mapping of a window in addresses for which there are no page tables yet, and these addresses.
fn alone(window: &Window) -> (Map, Map) {
    const TABLE_SPAN: usize = 4 << 20;
    let len = window.spec.size;
    let room = Map::nothing(len + 2 * TABLE_SPAN);
    let at = room.at.next_multiple_of(TABLE_SPAN);
    let flags = MAP_SHARED | libc::MAP_FIXED;
    let mapped = sys::mmap(at, len, R, flags, window.raw(), 0);
    assert_eq!(mapped, Ok(at));
    // The mapping is dropped before the reservation around it.
    (room, Map { at, len })
}

fn window_inject_fault_is_out_of_memory_and_no_oops() {
    let injector = Injector::new();
    for spec in [TABLE, LOG] {
        let window = spec.open();
        let sites = injector.fail_each(1, |fail| {
            let (_room, map) = alone(&window);
            let mut result = Ok(0);
            let failed =
                fail(&mut || result = sys::madvise(map.at, map.len, libc::MADV_POPULATE_READ));
            assert!(
                result == Ok(0) || (result == Err(Errno::ENOMEM) && failed),
                "{}: {result:?}",
                spec.name
            );
            assert!(
                map.pages().all(|page| map.load32(page).is_ok()),
                "{}: touched later",
                spec.name
            );
        });
        assert!(sites >= 1, "{}: {sites} allocations", spec.name);
        // The core calls the handler again if it was out of memory, so the access succeeds later.
        let touched = injector.fail_each(1, |fail| {
            let (_room, map) = alone(&window);
            let mut all = true;
            fail(&mut || all = map.pages().all(|page| map.load32(page).is_ok()));
            assert!(all, "{}", spec.name);
        });
        println!(
            "fault {}: {sites} allocations by populating, {touched} by touching",
            spec.name
        );
    }
    no_leaks();
}

fn window_inject_fork_fails_cleanly() {
    let injector = Injector::new();
    let windows: Vec<_> = EACH_BACKING
        .iter()
        .chain([&LOG])
        .map(|spec| (spec, spec.open().map()))
        .collect();
    for (_, map) in &windows {
        assert!(map.pages().all(|page| map.load32(page).is_ok()));
    }
    let before: Vec<u64> = windows.iter().map(|(spec, _)| maps(spec)).collect();
    let sites = injector.fail_each(3, |fail| {
        let mut pid = -1;
        // SAFETY: the child makes no more than one system call.
        fail(&mut || pid = unsafe { libc::fork() });
        match pid {
            0 => sys::exit_now(0),
            1.. => assert_eq!(sys::wait(pid), Ended::Exit(0)),
            _ => {}
        }
    });
    println!("fork: {sites} allocations");
    let after: Vec<u64> = windows.iter().map(|(spec, _)| maps(spec)).collect();
    assert_eq!(after, before);
    for (spec, map) in &windows {
        assert!(map.load32(PAGE).is_ok(), "{}", spec.name);
    }
    no_leaks();
}

fn window_inject_read_and_write_fail_cleanly() {
    let injector = Injector::new();
    let fine = |result: Result<usize, Errno>, failed| match result {
        Ok(_) => {}
        Err(Errno::EPIPE | Errno::EAGAIN) => {}
        Err(refused) => assert_eq!((refused, failed), (Errno::ENOMEM, true)),
    };
    for spec in [CARVE_WC, TABLE, LOG2] {
        let window = spec.open_with(O_RDWR | O_NONBLOCK);
        injector.fail_each(1, |fail| {
            let mut result = Ok(0);
            let failed = fail(&mut || result = sys::read(window.raw(), &mut [0; 8192]));
            fine(result, failed);
        });
        injector.fail_each(1, |fail| {
            let mut result = Ok(0);
            let failed = fail(&mut || result = sys::write(window.raw(), b"eight by"));
            fine(result, failed);
        });
    }
}

/// Numbers that would grow with a leak: mappings of the kernel's, claims on physical ranges, slab,
/// free CMA.
fn inventory() -> (usize, usize, i64, i64) {
    let lines = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .filter(|line| line.contains("fanlight"))
            .count()
    };
    let kib = |name: &str| kernel::meminfo(name).unwrap_or(0);
    (
        lines("/proc/vmallocinfo"),
        lines("/proc/iomem"),
        kib("SUnreclaim"),
        kib("CmaFree"),
    )
}

fn window_rebind_40_times_leaks_nothing() {
    rebinding_leaks_nothing(40);
}

fn window_rebind_400_times_leaks_nothing() {
    rebinding_leaks_nothing(400);
}

fn rebinding_leaks_nothing(cycles: usize) {
    CARVE_WC.needed();
    let rebind = |times| {
        for n in 0..times {
            drop(dev::Unbound::new(CARVE_WC.node));
            // The display and the persistent log, whose probe takes longest.
            if n % 5 == 0 {
                drop(dev::Unbound::new(LOG.node));
            }
        }
    };
    // The first rounds fill caches.
    rebind(15);
    std::thread::sleep(std::time::Duration::from_millis(200));
    let before = inventory();
    rebind(cycles);
    std::thread::sleep(std::time::Duration::from_millis(500));
    let after = inventory();
    assert_eq!(
        (after.0, after.1, after.3),
        (before.0, before.1, before.3),
        "vmalloc areas, claims, free CMA"
    );
    // The slab's own use varies; kmemleak in the debug kernel finds smaller leaks.
    assert!(
        after.2 - before.2 < 256 + kernel::quarantine(),
        "{} KiB of slab more after {cycles} cycles",
        after.2 - before.2
    );
    no_leaks();
}
