// SPDX-License-Identifier: MIT OR Apache-2.0
//! Windows over registers, of which some do not respond: the kernel never accesses them on its own.
//!
//! An access to such a register is an external abort, for which ARM has no exception fixup: in the
//! kernel it is an oops, and in user space a SIGBUS.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::chown;
use std::process::Command;
use std::time::Duration;

use libc::{O_RDONLY, O_RDWR, POLLERR, POLLHUP, POLLIN, SEEK_END};

use crate::support::child::Child;
use crate::support::dev::{self, Spec, Unbound};
use crate::support::kernel;
use crate::support::mem::{Fault, Map, R};
use crate::support::program::{run, run_with, Ran};
use crate::support::sys::{self, Ended, Errno};
use crate::support::uapi;
use crate::tests;

tests! {
    regs:
        window_regs_read_and_write_are_eopnotsupp,
        window_regs_dd_by_a_user_of_the_group_fails_without_an_oops,
        window_regs_everything_else_works_after_a_refused_read,
        window_regs_rights_are_those_of_mappings,
        window_regs_seek_and_poll_do_not_touch_registers,
        window_regs_read_of_a_revoked_window_is_enodev,
        window_regs_map_access_of_a_hole_is_sigbus,
        window_regs_map_access_by_a_program_ends_it_only,
        window_regs_mem_accesses_registers_that_respond,
        window_regs_mem_reports_the_address_of_a_bus_error,
        window_regs_mem_dump_prints_what_responds_first,
        window_regs_mem_works_for_a_user_of_the_group,
        window_regs_mem_dump_loads_words,
        window_regs_width_of_the_tree_is_kept;
}

const NODE: &str = "fanlight-regs";

const fn registers(child: &'static str, name: &'static str, size: usize, read_only: bool) -> Spec {
    Spec {
        node: NODE,
        child,
        name,
        backing: uapi::BACKING_CARVEOUT,
        cache: uapi::CACHE_NONCACHED,
        size,
        read_only,
    }
}

/// The GICv2m frame responds; the page after it does not.
const HALF: Spec = registers("half@8020000", "half", 0x2000, false);
pub const HOLE: Spec = registers("hole@b000000", "hole", 0x1000, false);
const HOLE_RO: Spec = registers("hole-ro@b001000", "hole-ro", 0x1000, true);
const TABLE: Spec = Spec {
    node: NODE,
    size: 0x4000,
    ..dev::TABLE
};
/// Transports of virtio-mmio, which respond to accesses of words only.
const WORDS: Spec = registers("words@a000000", "words", 0x1000, false);
const WIDE: Spec = registers("wide@a001000", "wide", 0x1000, false);
/// The first register of each: "virt".
const MAGIC: u32 = 0x7472_6976;
const REGISTERS: [Spec; 3] = [HALF, HOLE, HOLE_RO];

/// MSI_TYPER of QEMU's GICv2m: 64 interrupts from number 80 on.
const TYPER: usize = 8;
const TYPER_VALUE: u32 = (80 << 16) | 64;

/// An external abort. arch/arm/mm/fsr-2level.c has no si_code for it.
fn external_abort() -> Fault {
    let arm64 = kernel::is_arm64();
    Fault {
        signal: libc::SIGBUS,
        code: if arm64 { libc::BUS_OBJERR } else { 0 },
    }
}

/// Runs a part of a test as a user whose only rights are those of the group fanlight.
fn as_user_of_the_group(body: impl FnOnce()) {
    let groups = fs::read_to_string("/etc/group").expect("/etc/group");
    let gid = groups
        .lines()
        .find_map(|line| line.strip_prefix("fanlight:")?.split(':').nth(1))
        .unwrap_or_else(|| crate::skip!("no group fanlight"))
        .parse()
        .expect("a number");
    // As mdev does, which is disabled while tests run; some tests create the nodes again.
    for spec in REGISTERS {
        chown(spec.path(), Some(0), Some(gid)).expect(spec.name);
    }
    let child = Child::spawn(|| {
        sys::become_user(1000, &[gid]);
        body();
        0
    });
    assert_eq!(child.wait(), Ended::Exit(0));
}

fn mem(args: &[&str]) -> Ran {
    run("fanlight", &[&["mem"], args].concat())
}

/// Fails the test unless `fanlight mem` reported a bus error at this offset, and nothing else.
#[track_caller]
fn reports(ran: &Ran, spec: &Spec, offset: &str) {
    assert_eq!(ran.status, 1, "{ran:?}");
    for part in ["bus error", &spec.path(), offset] {
        assert!(ran.err.contains(part), "no {part:?} in {:?}", ran.err);
    }
    assert_eq!(ran.err.lines().count(), 1, "{:?}", ran.err);
}

fn window_regs_read_and_write_are_eopnotsupp() {
    for spec in REGISTERS {
        let window = spec.open();
        let mut bytes = [0; 16];
        // Also at the end and after it: the result does not depend on the position.
        for offset in [0, 4, spec.size - 4, spec.size, spec.size + 4] {
            assert_eq!(
                sys::pread(window.raw(), &mut bytes, offset as i64),
                Err(Errno::EOPNOTSUPP),
                "{} at {offset:#x}",
                spec.name
            );
            let written = sys::pwrite(window.raw(), &bytes, offset as i64);
            let refused = if spec.read_only {
                Errno::EBADF
            } else {
                Errno::EOPNOTSUPP
            };
            assert_eq!(written, Err(refused), "{} at {offset:#x}", spec.name);
        }
        let refused = sys::read(window.raw(), &mut [0; 8192]);
        assert_eq!(refused, Err(Errno::EOPNOTSUPP), "{}", spec.name);
    }
}

fn window_regs_dd_by_a_user_of_the_group_fails_without_an_oops() {
    let path = HOLE.path();
    as_user_of_the_group(|| {
        for arguments in [
            &[&format!("if={path}"), "bs=4", "count=1"][..],
            &[
                "if=/dev/zero",
                &format!("of={path}"),
                "bs=4",
                "count=1",
                "conv=notrunc",
            ],
        ] {
            let ran = run("dd", arguments);
            assert_eq!(ran.status, 1, "{ran:?}");
            assert!(ran.err.contains("not supported"), "{ran:?}");
        }
    });
}

fn window_regs_everything_else_works_after_a_refused_read() {
    let window = HOLE.open();
    let child = Child::spawn(|| {
        let refused = sys::read(HOLE.open().raw(), &mut [0; 4]);
        i32::from(refused != Err(Errno::EOPNOTSUPP))
    });
    assert_eq!(child.wait(), Ended::Exit(0));
    assert!(run("fanlight", &["list"])
        .success()
        .text()
        .contains("hole-ro"));
    drop(HOLE.open());
    assert_eq!(HOLE.attribute("state"), "live");
    assert_eq!(window.info().size, HOLE.size as u64);
    {
        let _unbound = Unbound::new(NODE);
        assert!(!dev::is_bound(NODE));
    }
    assert!(dev::is_bound(NODE));
    assert_eq!(HALF.open().map().load32(TYPER), Ok(TYPER_VALUE));
}

fn window_regs_rights_are_those_of_mappings() {
    for spec in REGISTERS {
        let writable = if spec.read_only {
            0
        } else {
            uapi::RIGHT_MAP_WRITE
        };
        let rights = spec.open().info().rights;
        assert_eq!(rights, uapi::RIGHT_MAP_READ | writable, "{}", spec.name);
    }
    let all = uapi::RIGHT_READ | uapi::RIGHT_WRITE | uapi::RIGHT_MAP_READ | uapi::RIGHT_MAP_WRITE;
    assert_eq!(TABLE.open().info().rights, all);
}

fn window_regs_seek_and_poll_do_not_touch_registers() {
    for spec in REGISTERS {
        let window = spec.open();
        let end = sys::lseek(window.raw(), 0, SEEK_END);
        assert_eq!(end, Ok(spec.size as i64), "{}", spec.name);
        let events = sys::poll(window.raw(), POLLIN, Duration::from_secs(1));
        assert_eq!(events & (POLLERR | POLLHUP), 0, "{}", spec.name);
    }
}

fn window_regs_read_of_a_revoked_window_is_enodev() {
    let windows = [HALF.open(), TABLE.open()];
    let _unbound = Unbound::new(NODE);
    for window in &windows {
        for offset in [0, 0x10_0000] {
            let read = sys::pread(window.raw(), &mut [0; 4], offset);
            assert_eq!(read, Err(Errno::ENODEV), "{}", window.spec.name);
            let written = sys::pwrite(window.raw(), &[0; 4], offset);
            assert_eq!(written, Err(Errno::ENODEV), "{}", window.spec.name);
        }
    }
}

fn window_regs_map_access_of_a_hole_is_sigbus() {
    let map = HALF.open().map();
    assert_eq!(map.load32(TYPER), Ok(TYPER_VALUE));
    assert_eq!(map.load32(0x1000), Err(external_abort()));
    assert_eq!(map.store32(0x1ffc, 1), Err(external_abort()));
    assert_eq!(map.load32(TYPER), Ok(TYPER_VALUE));
    let map = HOLE.open().map();
    assert_eq!(map.load32(0), Err(external_abort()));
    assert_eq!(map.store32(0, 1), Err(external_abort()));
}

fn window_regs_map_access_by_a_program_ends_it_only() {
    let path = HOLE.path();
    as_user_of_the_group(|| {
        let child = Child::spawn(|| {
            // SAFETY: only this process changes.
            unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
            let fd = sys::open(&path, O_RDONLY).expect("open");
            let map = Map::shared(fd.as_raw_fd(), HOLE.size, R).expect("mmap");
            map.load32(0).map_or(1, |_| 2)
        });
        assert_eq!(child.wait(), Ended::Signal(libc::SIGBUS));
        drop(sys::open(&path, O_RDWR).expect("open again"));
    });
    drop(Unbound::new(NODE));
    assert!(dev::is_bound(NODE));
}

fn window_regs_mem_accesses_registers_that_respond() {
    let path = HALF.path();
    let value = format!("{TYPER_VALUE:#010x}\n");
    assert_eq!(mem(&["read", &path, "8"]).success().text(), value);
    let dump = mem(&["dump", &path, "0", "16", "--width", "4"]).success();
    let word = format!("{TYPER_VALUE:08x}");
    assert!(dump.text().contains(&word), "{}", dump.text());
    // MSI_TYPER is read-only: the store does nothing.
    mem(&["write", &path, "8", "0"]).success();
    assert_eq!(mem(&["read", &path, "8"]).success().text(), value);
}

fn window_regs_mem_reports_the_address_of_a_bus_error() {
    let path = HOLE.path();
    for width in ["1", "2", "4"] {
        let ran = mem(&["read", &path, "0x10", "--width", width]);
        reports(&ran, &HOLE, "0x10");
        assert_eq!(ran.text(), "");
        let ran = mem(&["write", &path, "0x14", "1", "--width", width]);
        reports(&ran, &HOLE, "0x14");
    }
    reports(&mem(&["dump", &path]), &HOLE, "0x0");
    reports(&mem(&["watch", &path, "0x20", "-n", "1"]), &HOLE, "0x20");
    // Of several words, the error names the first that does not respond.
    let ran = mem(&["read", &HALF.path(), "0xff8", "4"]);
    reports(&ran, &HALF, "0x1000");
}

fn window_regs_mem_dump_prints_what_responds_first() {
    let ran = mem(&["dump", &HALF.path(), "0xfe0", "64", "--width", "4"]);
    reports(&ran, &HALF, "0x1000");
    assert_eq!(ran.text().lines().count(), 2, "{ran:?}");
}

fn window_regs_mem_works_for_a_user_of_the_group() {
    as_user_of_the_group(|| {
        let run = |args: &[&str]| {
            let mut command = Command::new("fanlight");
            run_with(command.arg("mem").args(args), "fanlight", b"")
        };
        run(&["read", &HALF.path(), "8"]).success();
        reports(&run(&["read", &HOLE.path(), "0"]), &HOLE, "0x0");
    });
}

fn window_regs_mem_dump_loads_words() {
    let path = WORDS.path();
    let dump = |args: &[&str]| run("fanlight", &[&["mem", "dump", &path], args].concat());
    // Version 1 or 2 of the transport, and no device.
    let text = dump(&["0", "12"]).success().text();
    let bytes: Vec<_> = text.split_whitespace().skip(1).collect();
    assert_eq!(bytes[..4], ["76", "69", "72", "74"]);
    assert_eq!(bytes[8..12], ["00"; 4], "no device");
    assert!(bytes[12].starts_with("virt"), "{text}");
    // Bytes that are not a whole word are those of one.
    let text = dump(&["1", "2"]).success().text();
    assert_eq!(
        text.split_whitespace().collect::<Vec<_>>(),
        ["00000001:", "69", "72", "ir"]
    );
    assert!(dump(&["0", "4", "--width", "4"])
        .success()
        .text()
        .contains("74726976"));
    assert_eq!(WORDS.open().info().reg_io_width, 0);
}

fn window_regs_width_of_the_tree_is_kept() {
    assert_eq!(WIDE.open().info().reg_io_width, 4);
    let path = WIDE.path();
    let mem = |args: &[&str]| run("fanlight", &[&["mem", args[0], &path], &args[1..]].concat());
    let text = mem(&["read", "0"]).success().text();
    assert_eq!(text, format!("{MAGIC:#010x}\n"));
    assert!(mem(&["dump", "0", "4"])
        .success()
        .text()
        .contains("76 69 72 74"));
    for args in [
        &["read", "0", "--width", "1"][..],
        &["dump", "0", "4", "--width", "2"],
        &["write", "0", "1", "--width", "2"],
    ] {
        mem(args).fails_with(&["wide", "reg-io-width", "4 bytes"]);
    }
}
