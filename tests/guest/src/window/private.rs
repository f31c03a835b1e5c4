// SPDX-License-Identifier: MIT OR Apache-2.0
//! Private mappings, as some programs map a framebuffer to read it: their contents, the copies that
//! a store creates, and refused ones.

use libc::{MAP_PRIVATE, O_RDONLY, O_RDWR};

use crate::support::child::Child;
use crate::support::dev::{
    copyable, Spec, Unbound, CARVE_CACHED, CARVE_NC, CARVE_WC, CONTIG, EACH_BACKING, FB, LOG, LOG2,
    READ_ONLY, REGS, TABLE, TABLE_NOW, WRITABLE,
};
use crate::support::mem::{Fault, Map, PAGE, R, RW, W};
use crate::support::module::TestModule;
use crate::support::sys::{self, Ended, Errno};
use crate::tests;

tests! {
    quick:
        window_private_mapping_shows_the_window,
        window_private_mapping_of_a_part_shows_that_part,
        window_private_mapping_copies_a_page_when_it_is_written,
        window_private_mapping_is_made_writable_by_mprotect,
        window_private_copies_are_ordinary_memory,
        window_private_copies_of_parent_and_child_are_their_own,
        window_private_mapping_past_the_end_is_einval,
        window_private_mapping_of_registers_is_never_writable,
        window_private_mapping_of_uncached_memory_is_never_writable_on_arm64,
        window_private_mapping_of_log_is_never_writable,
        window_private_mapping_of_read_only_window_leaves_the_window,
        window_revoke_reaches_private_mappings;
}

fn private(spec: &Spec, flags: i32, prot: i32, page: usize, len: usize) -> Result<Map, Errno> {
    let window = spec.open_with(flags);
    Map::new(window.raw(), len, prot, MAP_PRIVATE, page)
}

/// All of a window, readable and writable, and private.
fn copies(spec: &Spec) -> Map {
    private(spec, O_RDONLY, RW, 0, spec.size).expect(spec.name)
}

fn window_private_mapping_shows_the_window() {
    for (seed, spec) in (1..).zip(WRITABLE) {
        let shared = spec.open().map();
        shared.fill(seed);
        for flags in [O_RDONLY, O_RDWR] {
            let map = private(spec, flags, R, 0, spec.size).expect(spec.name);
            assert_eq!(map.differs(seed), None, "{}", spec.name);
            assert_eq!(map.store32(0, 1), Err(Fault::DENIED), "{}", spec.name);
            // It is not a snapshot.
            shared.store32(PAGE - 4, seed ^ 0x55aa_0000).unwrap();
            let now = map.load32(PAGE - 4);
            assert_eq!(now, Ok(seed ^ 0x55aa_0000), "{}", spec.name);
            shared.fill(seed);
        }
    }
    for spec in READ_ONLY.iter().chain([&LOG, &FB]) {
        let map = private(spec, O_RDONLY, R, 0, spec.size).expect(spec.name);
        assert_eq!(map.load32(0), spec.open().map().load32(0), "{}", spec.name);
    }
}

fn window_private_mapping_of_a_part_shows_that_part() {
    for spec in EACH_BACKING {
        let shared = spec.open().map();
        shared.fill(5);
        for prot in [R, RW] {
            if prot == RW && !spec.has_copies() {
                continue;
            }
            let map = private(spec, O_RDONLY, prot, 3, 2 * PAGE).expect(spec.name);
            let there = shared.copy(3 * PAGE, 2 * PAGE);
            assert_eq!(map.copy(0, 2 * PAGE), there, "{}", spec.name);
            // A part that is split off shows the same page as before.
            sys::munmap(map.at, PAGE).unwrap();
            let there = shared.copy(4 * PAGE, PAGE);
            assert_eq!(map.copy(PAGE, PAGE), there, "{}", spec.name);
        }
    }
}

fn window_private_mapping_copies_a_page_when_it_is_written() {
    for spec in copyable().filter(|spec| spec.has_copies()) {
        let shared = spec.open().map();
        shared.fill(11);
        let map = copies(spec);
        // One page is read before it is written, one is not.
        assert!(map.load32(PAGE).is_ok(), "{}", spec.name);
        for page in [PAGE, 2 * PAGE] {
            map.store32(page, 0xc0b1_0000).expect(spec.name);
            assert_eq!(map.load32(page), Ok(0xc0b1_0000), "{}", spec.name);
            let rest = shared.copy(page + 4, PAGE - 4);
            assert_eq!(map.copy(page + 4, PAGE - 4), rest, "{}", spec.name);
        }
        assert_eq!(shared.differs(11), None, "{}", spec.name);
        // A copied page keeps its contents, the others follow the window.
        shared.fill(12);
        assert_eq!(map.load32(PAGE), Ok(0xc0b1_0000), "{}", spec.name);
        assert_eq!(
            map.load32(3 * PAGE),
            shared.load32(3 * PAGE),
            "{}",
            spec.name
        );
    }
}

fn window_private_mapping_is_made_writable_by_mprotect() {
    for spec in copyable().filter(|spec| spec.has_copies()) {
        let shared = spec.open().map();
        shared.fill(13);
        let map = private(spec, O_RDONLY, R, 0, spec.size).expect(spec.name);
        assert!(map.load32(0).is_ok());
        assert_eq!(sys::mprotect(map.at, PAGE, RW), Ok(0), "{}", spec.name);
        map.store32(0, 3).expect(spec.name);
        assert_eq!(
            (map.load32(0), shared.differs(13)),
            (Ok(3), None),
            "{}",
            spec.name
        );
    }
}

fn window_private_copies_are_ordinary_memory() {
    let module = TestModule::load();
    let anonymous = Map::new(-1, PAGE, RW, MAP_PRIVATE | libc::MAP_ANONYMOUS, 0).unwrap();
    anonymous.store32(0, 1).unwrap();
    let ordinary = module.entry(anonymous.at).memory();
    for spec in [CARVE_WC, CARVE_NC, CARVE_CACHED, CONTIG, TABLE, TABLE_NOW] {
        if !spec.has_copies() {
            continue;
        }
        let shared = spec.open().map();
        shared.load32(0).unwrap();
        let window = module.entry(shared.at);
        let map = copies(&spec);
        map.load32(0).unwrap();
        map.store32(PAGE, 1).unwrap();
        // The kernel maps the copy cached. A process that maps it in another way would not see
        // what the kernel has copied.
        assert_eq!(
            module.entry(map.at + PAGE).memory(),
            ordinary,
            "{}",
            spec.name
        );
        for prot in [R, RW] {
            let original = module.entry(map.at);
            assert_eq!(original.memory(), window.memory(), "{}", spec.name);
            assert_eq!(original.address(), window.address(), "{}", spec.name);
            assert!(!original.is_writable(), "{}", spec.name);
            sys::mprotect(map.at, map.len, prot).unwrap();
        }
    }
}

fn window_private_copies_of_parent_and_child_are_their_own() {
    for spec in EACH_BACKING.iter().filter(|spec| spec.has_copies()) {
        let shared = spec.open().map();
        shared.fill(14);
        let map = copies(spec);
        map.store32(0, 1).unwrap();
        let child = Child::spawn(|| {
            assert_eq!(map.load32(0), Ok(1));
            map.store32(0, 2).unwrap();
            map.store32(PAGE, 2).unwrap();
            0
        });
        assert_eq!(child.wait(), Ended::Exit(0), "{}", spec.name);
        assert_eq!(map.load32(0), Ok(1), "{}", spec.name);
        assert_eq!(map.load32(PAGE), shared.load32(PAGE), "{}", spec.name);
        assert_eq!(shared.differs(14), None, "{}", spec.name);
    }
}

fn window_private_mapping_past_the_end_is_einval() {
    for spec in WRITABLE.iter().chain([&LOG]) {
        let pages = spec.size / PAGE;
        for (page, len) in [(pages, PAGE), (pages - 1, 2 * PAGE), (0, spec.size + 1)] {
            let refused = private(spec, O_RDONLY, R, page, len).expect_err(spec.name);
            assert_eq!(refused, Errno::EINVAL, "{}", spec.name);
        }
    }
}

fn never_writable(spec: &Spec, expected: Errno) {
    for flags in [O_RDONLY, O_RDWR] {
        for prot in [W, RW] {
            let refused = private(spec, flags, prot, 0, PAGE).expect_err(spec.name);
            assert_eq!(refused, expected, "{}", spec.name);
        }
        let map = private(spec, flags, R, 0, PAGE).expect(spec.name);
        let refused = sys::mprotect(map.at, PAGE, RW);
        assert_eq!(refused, Err(Errno::EACCES), "{}", spec.name);
    }
}

fn window_private_mapping_of_registers_is_never_writable() {
    never_writable(&REGS, Errno::EINVAL);
}

fn window_private_mapping_of_uncached_memory_is_never_writable_on_arm64() {
    let mut specs = copyable().filter(|spec| !spec.has_copies()).peekable();
    if specs.peek().is_none() {
        crate::skip!("mprotect() of a 32-bit kernel keeps the memory type of each page");
    }
    for spec in specs {
        never_writable(spec, Errno::EINVAL);
    }
}

fn window_private_mapping_of_log_is_never_writable() {
    never_writable(&LOG, Errno::EPERM);
    never_writable(&LOG2, Errno::EPERM);
}

fn window_private_mapping_of_read_only_window_leaves_the_window() {
    for spec in READ_ONLY.iter().filter(|spec| spec.has_copies()) {
        let map = copies(spec);
        let before = spec.open().map().load32(0).unwrap();
        map.store32(0, !before).expect(spec.name);
        assert_eq!(spec.open().map().load32(0), Ok(before), "{}", spec.name);
    }
}

fn window_revoke_reaches_private_mappings() {
    let maps: Vec<(&Spec, Map)> = EACH_BACKING
        .iter()
        .filter(|spec| spec.has_copies())
        .map(|spec| (spec, copies(spec)))
        .collect();
    let log = private(&LOG2, O_RDONLY, R, 0, LOG2.size).unwrap();
    for (_, map) in &maps {
        map.load32(0).unwrap();
        map.store32(PAGE, 1).unwrap();
    }
    log.load32(0).unwrap();
    let _unbound = Unbound::new(CARVE_WC.node);
    for (spec, map) in &maps {
        for page in [0, PAGE, 2 * PAGE] {
            assert_eq!(map.load32(page), Err(Fault::BUS), "{}", spec.name);
            assert_eq!(map.store32(page, 1), Err(Fault::BUS), "{}", spec.name);
        }
    }
    assert_eq!(log.load32(0), Err(Fault::BUS));
}
