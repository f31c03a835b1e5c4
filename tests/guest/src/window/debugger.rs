// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debuggers: another process reads and writes the mappings of a process.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use libc::{MAP_PRIVATE, O_RDONLY};

use crate::support::child::{Child, Signal};
use crate::support::dev::{
    copyable, Unbound, CARVE_CACHED, CARVE_NC, CARVE_RO, CARVE_WC, EACH_BACKING, FB, PAGE_MAPPED,
    PFN_MAPPED, REGS, SRAM,
};
use crate::support::kernel;
use crate::support::mem::{Map, PAGE, R, RW};
use crate::support::module::TestModule;
use crate::support::sys::{self, Errno};
use crate::tests;

tests! {
    quick:
        window_debugger_reaches_mapped_pages,
        window_debugger_access_is_by_the_driver,
        window_debugger_access_obeys_the_mapping,
        window_debugger_access_of_registers_is_eio,
        window_debugger_access_of_private_mapping_is_refused,
        window_debugger_access_is_refused_after_revocation;
}

/// By /proc/PID/mem, as gdb does it. 32-bit ARM supports that for pages only; on arm64, the driver
/// serves accesses to page frames.
fn window_debugger_reaches_mapped_pages() {
    let page_frames = copyable().filter(|spec| PFN_MAPPED.iter().any(|o| o.name == spec.name));
    let page_frames = page_frames.filter(|_| kernel::is_arm64());
    for spec in PAGE_MAPPED.iter().chain(page_frames) {
        let (ready, go) = (Signal::new(), Signal::new());
        let child = Child::spawn(|| {
            let map = spec.open().map();
            map.fill(3);
            ready.send_value(map.at as u64);
            go.wait();
            i32::from(map.load32(8) != Ok(0x0bad_cafe))
        });
        let at = ready.wait();
        let mem = format!("/proc/{}/mem", child.pid());
        let mem = File::options()
            .read(true)
            .write(true)
            .open(&mem)
            .expect(&mem);
        let mut there = vec![0; 2 * PAGE];
        mem.read_exact_at(&mut there, at).expect(spec.name);
        assert_eq!(there, spec.open().map().copy(0, 2 * PAGE), "{}", spec.name);
        let value = 0x0bad_cafe_u32.to_ne_bytes();
        mem.write_all_at(&value, at + 8).expect(spec.name);
        go.send();
        assert_eq!(child.wait(), sys::Ended::Exit(0), "{}", spec.name);
    }
}

fn window_debugger_access_is_by_the_driver() {
    let module = TestModule::load();
    for spec in [CARVE_WC, CARVE_NC, CARVE_CACHED, SRAM, FB] {
        let map = spec.open().map();
        let part = Map::new(spec.open().raw(), 3 * PAGE, RW, libc::MAP_SHARED, 1).unwrap();
        map.fill(7);
        // It begins and ends anywhere.
        for (offset, len) in [(0, 4), (PAGE - 3, 9), (5, 2 * PAGE)] {
            let there = map.copy(0, 4 * PAGE);
            let got = module.peek(part.at + offset, len);
            let wanted = &there[PAGE + offset..][..len];
            assert_eq!(got.as_deref(), Ok(wanted), "{}", spec.name);
        }
        let written = module.poke(part.at + PAGE - 2, &[1, 2, 3, 4]);
        assert_eq!(written, Ok(4), "{}", spec.name);
        let there = map.copy(2 * PAGE - 4, 8);
        assert_eq!(there[2..6], [1, 2, 3, 4], "{}", spec.name);
        // The mapping is shorter than the window.
        let got = module.peek(part.at + part.len - 4, 64);
        assert_eq!(got.map(|bytes| bytes.len()), Ok(4), "{}", spec.name);
    }
}

fn window_debugger_access_obeys_the_mapping() {
    let module = TestModule::load();
    for spec in [CARVE_WC, CARVE_RO, FB] {
        let window = spec.open_with(O_RDONLY);
        let map = Map::shared(window.raw(), PAGE, R).unwrap();
        let there = map.copy(0, 4);
        assert_eq!(module.peek(map.at, 4), Ok(there.clone()), "{}", spec.name);
        let refused = module.poke(map.at, &[!there[0]; 4]);
        assert_eq!(refused, Err(Errno::EIO), "{}", spec.name);
        assert_eq!(map.copy(0, 4), there, "{}", spec.name);
    }
}

fn window_debugger_access_of_registers_is_eio() {
    let module = TestModule::load();
    let map = REGS.open().map();
    assert_eq!(module.peek(map.at, 4), Err(Errno::EIO));
    assert_eq!(module.poke(map.at, &[0; 4]), Err(Errno::EIO));
}

fn window_debugger_access_of_private_mapping_is_refused() {
    let module = TestModule::load();
    for spec in [CARVE_RO, CARVE_CACHED] {
        let window = spec.open_with(O_RDONLY);
        let shown = Map::new(window.raw(), PAGE, R, MAP_PRIVATE, 0).unwrap();
        let got = module.peek(shown.at, 4);
        if spec.has_copies() {
            // Some of its pages may be copies, which the driver does not have.
            assert_eq!(got, Err(Errno::EIO), "{}", spec.name);
        } else {
            assert_eq!(got, Ok(shown.copy(0, 4)), "{}", spec.name);
        }
    }
    for spec in copyable().filter(|spec| spec.has_copies()) {
        let window = spec.open();
        let map = Map::new(window.raw(), spec.size, RW, MAP_PRIVATE, 0).unwrap();
        map.store32(0, 5).unwrap();
        let refused = module.poke(map.at, &[6; 4]).expect_err(spec.name);
        assert!(
            [Errno::EIO, Errno::EINVAL].contains(&refused),
            "{refused:?}"
        );
        assert_eq!(map.load32(0), Ok(5), "{}", spec.name);
    }
}

fn window_debugger_access_is_refused_after_revocation() {
    let module = TestModule::load();
    let maps: Vec<_> = EACH_BACKING.iter().map(|spec| spec.open().map()).collect();
    let _unbound = Unbound::new(CARVE_WC.node);
    for map in &maps {
        assert!(module.peek(map.at, 4).is_err());
        assert!(module.poke(map.at, &[0; 4]).is_err());
        let mem = sys::open("/proc/self/mem", libc::O_RDWR).unwrap();
        let read = sys::pread(mem.as_raw_fd(), &mut [0; 4], map.at as i64);
        assert_eq!(read, Err(Errno::EIO));
    }
}
