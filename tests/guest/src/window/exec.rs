// SPDX-License-Identifier: MIT OR Apache-2.0
//! Execution: only cached RAM can be mapped executable, by any process and in any way.

use libc::{MAP_PRIVATE, MAP_SHARED};

use crate::support::dev::{
    Spec, CARVE_CACHED, CARVE_NC, CARVE_RO, CARVE_WC, CONTIG, FB, LOG, LOG2, REGS, SRAM, TABLE,
};
use crate::support::mem::{Map, PAGE, R, RW, X};
use crate::support::smaps::Entry;
use crate::support::sys::{self, Errno};
use crate::tests;

tests! {
    quick:
        window_exec_of_cached_ram_is_allowed,
        window_exec_of_other_memory_is_eperm,
        window_exec_is_not_implied_by_reading;
}

const CACHED_RAM: [Spec; 3] = [CARVE_CACHED, CONTIG, TABLE];
const OTHERS: [Spec; 8] = [CARVE_WC, CARVE_NC, CARVE_RO, SRAM, REGS, FB, LOG, LOG2];

/// The tests need a /dev from which files can be executed.
fn needs_exec() {
    let mounts = std::fs::read_to_string("/proc/mounts").expect("mounts");
    let dev = mounts.lines().find(|line| line.contains(" /dev "));
    if dev.is_some_and(|line| line.contains("noexec")) {
        crate::skip!("/dev is mounted noexec");
    }
}

fn window_exec_of_cached_ram_is_allowed() {
    needs_exec();
    for spec in CACHED_RAM {
        for kind in [MAP_SHARED, MAP_PRIVATE] {
            let window = spec.open();
            assert!(
                Map::new(window.raw(), PAGE, R | X, kind, 0).is_ok(),
                "{}",
                spec.name
            );
            let map = Map::new(window.raw(), PAGE, RW, kind, 0).expect(spec.name);
            let made = sys::mprotect(map.at, PAGE, R | X);
            assert_eq!(made, Ok(0), "{}", spec.name);
        }
    }
}

fn window_exec_of_other_memory_is_eperm() {
    needs_exec();
    for spec in OTHERS {
        for kind in [MAP_SHARED, MAP_PRIVATE] {
            let window = spec.open();
            let refused = Map::new(window.raw(), PAGE, R | X, kind, 0).expect_err(spec.name);
            assert_eq!(refused, Errno::EPERM, "{}", spec.name);
            let map = Map::new(window.raw(), PAGE, R, kind, 0).expect(spec.name);
            for prot in [X, R | X] {
                let refused = sys::mprotect(map.at, PAGE, prot);
                assert_eq!(refused, Err(Errno::EACCES), "{}", spec.name);
            }
        }
    }
}

/// The kernel sets READ_IMPLIES_EXEC for each program without a PT_GNU_STACK header. Such a program
/// must be able to map a log.
fn window_exec_is_not_implied_by_reading() {
    needs_exec();
    sys::read_implies_exec();
    for spec in OTHERS {
        for kind in [MAP_SHARED, MAP_PRIVATE] {
            let window = spec.open();
            let map = Map::new(window.raw(), PAGE, R, kind, 0).expect(spec.name);
            let entry = Entry::at(map.at);
            assert_eq!(entry.of("rd ex me"), "rd", "{}", spec.name);
            assert!(map.load32(0).is_ok(), "{}", spec.name);
            assert_eq!(sys::mprotect(map.at, PAGE, R), Ok(0), "{}", spec.name);
            assert_eq!(Entry::at(map.at).of("ex me"), "", "{}", spec.name);
        }
    }
    for spec in CACHED_RAM {
        let window = spec.open();
        let map = Map::shared(window.raw(), PAGE, R).expect(spec.name);
        assert_eq!(Entry::at(map.at).of("rd ex"), "rd ex", "{}", spec.name);
    }
}
