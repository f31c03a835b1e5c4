// SPDX-License-Identifier: MIT OR Apache-2.0
//! What may be mapped, how, and what is refused (docs/test-plan.md, rows 1 to 6).

use std::os::fd::AsRawFd;

use libc::{MAP_SHARED, MAP_SHARED_VALIDATE, O_RDONLY, O_RDWR, O_WRONLY};

use crate::support::board;
use crate::support::dev::{Spec, EACH_BACKING, LOG, PFN_MAPPED, READ_ONLY, REGS, SRAM, WRITABLE};
use crate::support::mem::{Fault, Map, PAGE, R, RW, W, X};
use crate::support::sys::{self, Errno};
use crate::tests;

tests! {
    quick:
        window_mmap_maps_every_backing_whole,
        window_mmap_of_a_part_at_an_offset_shows_that_part,
        window_mmap_of_half_a_page_maps_the_page,
        window_mmap_past_the_end_is_einval,
        window_mmap_over_the_end_is_einval,
        window_mmap_at_huge_offset_is_refused,
        window_mmap_of_read_only_descriptor_is_readable_only,
        window_mmap_of_write_only_descriptor_is_eacces,
        window_mmap_for_writing_only_works,
        window_mmap_of_read_only_window_never_writable,
        window_mprotect_obeys_the_descriptor,
        window_mmap_of_log_for_writing_is_refused,
        window_mmap_of_log_for_execution_is_refused,
        window_mmap_of_log_is_never_made_writable_or_executable,
        window_mmap_shares_memory_between_two_mappings,
        window_mmap_shares_memory_between_two_descriptors,
        window_mmap_fixed_replaces_what_was_there,
        window_sram_partition_begins_where_the_partition_does,
        window_regs_window_begins_at_its_reg;
}

/// The page after the last one of a window.
fn pages(spec: &Spec) -> usize {
    spec.size / PAGE
}

fn window_mmap_maps_every_backing_whole() {
    for (seed, spec) in (1..).zip(WRITABLE) {
        let window = spec.open();
        let map = window.map();
        map.fill(seed);
        assert_eq!(map.differs(seed), None, "{}", spec.name);
    }
}

fn window_mmap_of_a_part_at_an_offset_shows_that_part() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let whole = window.map();
        whole.fill(7);
        let last = pages(spec) - 1;
        let part = Map::new(window.raw(), PAGE, R, MAP_SHARED, last).expect("the last page");
        assert_eq!(
            part.copy(0, PAGE),
            whole.copy(last * PAGE, PAGE),
            "{}",
            spec.name
        );
        let part = Map::new(window.raw(), 2 * PAGE, RW, MAP_SHARED, 3).expect("pages 3 and 4");
        part.store32(PAGE, 0x600d_f00d).unwrap();
        assert_eq!(whole.load32(4 * PAGE), Ok(0x600d_f00d), "{}", spec.name);
    }
}

fn window_mmap_of_half_a_page_maps_the_page() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let map =
            Map::shared(window.raw(), 100, RW).expect("a length that is no multiple of the page");
        assert!(map.store32(PAGE - 4, 5).is_ok(), "{}", spec.name);
    }
}

fn window_mmap_past_the_end_is_einval() {
    for spec in WRITABLE.iter().chain([&LOG]) {
        let window = spec.open();
        for page in [pages(spec), pages(spec) + 1, 0xf_0000] {
            let refused = Map::new(window.raw(), PAGE, R, MAP_SHARED, page).expect_err(spec.name);
            assert_eq!(refused, Errno::EINVAL, "{} at page {page}", spec.name);
        }
    }
}

fn window_mmap_over_the_end_is_einval() {
    for spec in WRITABLE.iter().chain([&LOG]) {
        let window = spec.open();
        let refused =
            Map::new(window.raw(), 2 * PAGE, R, MAP_SHARED, pages(spec) - 1).expect_err(spec.name);
        assert_eq!(refused, Errno::EINVAL, "{}", spec.name);
        let refused = Map::new(window.raw(), spec.size + 1, R, MAP_SHARED, 0).expect_err(spec.name);
        assert_eq!(refused, Errno::EINVAL, "{}", spec.name);
    }
}

fn window_mmap_at_huge_offset_is_refused() {
    for spec in WRITABLE.iter().chain([&LOG]) {
        let window = spec.open();
        // From 2^20 - 1 on, the end of the mapping does not fit in 32 bits, and that of the last
        // page does not fit in 64 bits. Some of these wrap to 0 if they are truncated.
        for page in [
            0xf_ffff,
            1 << 20,
            (1 << 20) + 1,
            1 << 31,
            u32::MAX as usize,
            0xffff_ffff - pages(spec) + 1,
            sys::LAST_PAGE,
            sys::LAST_PAGE - pages(spec) + 1,
        ] {
            let refused = Map::new(window.raw(), PAGE, R, MAP_SHARED, page).expect_err(spec.name);
            assert!(
                [Errno::EINVAL, Errno::EOVERFLOW].contains(&refused),
                "{} at {page:#x}: {refused:?}",
                spec.name
            );
        }
    }
}

fn window_mmap_of_read_only_descriptor_is_readable_only() {
    for spec in WRITABLE {
        let window = spec.open_with(O_RDONLY);
        let map = Map::shared(window.raw(), PAGE, R).expect(spec.name);
        assert!(map.load32(0).is_ok(), "{}", spec.name);
        assert_eq!(map.store32(0, 1), Err(Fault::DENIED), "{}", spec.name);
        for prot in [W, RW] {
            assert_eq!(
                Map::shared(window.raw(), PAGE, prot).expect_err(spec.name),
                Errno::EACCES,
                "{}",
                spec.name
            );
        }
    }
}

fn window_mmap_of_write_only_descriptor_is_eacces() {
    for spec in WRITABLE {
        let window = spec.open_with(O_WRONLY);
        for prot in [R, W, RW] {
            assert_eq!(
                Map::shared(window.raw(), PAGE, prot).expect_err(spec.name),
                Errno::EACCES,
                "{}",
                spec.name
            );
        }
    }
}

fn window_mmap_for_writing_only_works() {
    // As fbsplash maps.
    for spec in EACH_BACKING {
        let window = spec.open();
        let map = Map::shared(window.raw(), PAGE, W).expect(spec.name);
        map.store32(8, 0x0123_4567).expect(spec.name);
        assert_eq!(window.map().load32(8), Ok(0x0123_4567), "{}", spec.name);
    }
}

fn window_mmap_of_read_only_window_never_writable() {
    for spec in READ_ONLY {
        let readable = spec.open_with(O_RDONLY);
        let map = Map::shared(readable.raw(), spec.size, R).expect(spec.name);
        assert!(map.load32(spec.size - 4).is_ok(), "{}", spec.name);
        assert_eq!(
            sys::mprotect(map.at, PAGE, RW),
            Err(Errno::EACCES),
            "{}",
            spec.name
        );
        // If open() for writing is not refused, each way to write must be.
        if let Ok(fd) = sys::open(&spec.path(), O_RDWR) {
            for prot in [W, RW] {
                let refused = Map::shared(fd.as_raw_fd(), PAGE, prot).expect_err(spec.name);
                assert!(
                    [Errno::EACCES, Errno::EPERM].contains(&refused),
                    "{}: {refused:?}",
                    spec.name
                );
            }
            let map = Map::shared(fd.as_raw_fd(), PAGE, R).expect(spec.name);
            assert_eq!(
                sys::mprotect(map.at, PAGE, RW),
                Err(Errno::EACCES),
                "{}",
                spec.name
            );
            assert!(
                sys::pwrite(fd.as_raw_fd(), b"1234", 0).is_err(),
                "{}",
                spec.name
            );
        }
    }
}

fn window_mprotect_obeys_the_descriptor() {
    for spec in EACH_BACKING {
        let read_only = spec.open_with(O_RDONLY);
        let map = Map::shared(read_only.raw(), PAGE, R).expect(spec.name);
        assert_eq!(
            sys::mprotect(map.at, PAGE, RW),
            Err(Errno::EACCES),
            "{}",
            spec.name
        );
        let both = spec.open();
        let map = Map::shared(both.raw(), PAGE, R).expect(spec.name);
        assert_eq!(sys::mprotect(map.at, PAGE, RW), Ok(0), "{}", spec.name);
        assert_eq!(map.store32(0, 9), Ok(()), "{}", spec.name);
    }
}

fn refused_for_the_log(prot: i32) {
    for flags in [O_RDWR, O_RDONLY] {
        let log = LOG.open_with(flags);
        for (len, page) in [(PAGE, 0), (LOG.size, 0), (PAGE, pages(&LOG) - 1)] {
            for kind in [MAP_SHARED, MAP_SHARED_VALIDATE] {
                let refused =
                    Map::new(log.raw(), len, prot, kind, page).expect_err("the log mapped so");
                assert!(
                    [Errno::EPERM, Errno::EACCES].contains(&refused),
                    "prot {prot} open {flags}: {refused:?}"
                );
            }
        }
    }
}

fn window_mmap_of_log_for_writing_is_refused() {
    refused_for_the_log(W);
    refused_for_the_log(RW);
}

fn window_mmap_of_log_for_execution_is_refused() {
    refused_for_the_log(X);
    refused_for_the_log(R | X);
}

fn window_mmap_of_log_is_never_made_writable_or_executable() {
    for flags in [O_RDWR, O_RDONLY] {
        let log = LOG.open_with(flags);
        let map = Map::shared(log.raw(), LOG.size, R).expect("a readable log");
        for prot in [W, RW, X, R | X, RW | X] {
            for (at, len) in [(map.at, LOG.size), (map.at, PAGE), (map.at + PAGE, PAGE)] {
                assert_eq!(
                    sys::mprotect(at, len, prot),
                    Err(Errno::EACCES),
                    "prot {prot}"
                );
            }
        }
        assert_eq!(map.store32(0, 0), Err(Fault::DENIED));
        assert_eq!(map.store32(2 * PAGE, 0), Err(Fault::DENIED));
    }
}

fn window_mmap_shares_memory_between_two_mappings() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let (a, b) = (window.map(), window.map());
        a.fill(11);
        assert_eq!(b.differs(11), None, "{}", spec.name);
    }
}

fn window_mmap_shares_memory_between_two_descriptors() {
    for spec in EACH_BACKING {
        let (one, other) = (spec.open(), spec.open());
        let (a, b) = (one.map(), other.map());
        a.fill(12);
        assert_eq!(b.differs(12), None, "{}", spec.name);
        // A mapping outlives its descriptor.
        drop(one);
        a.store32(0, 77).expect("mapped yet");
        assert_eq!(b.load32(0), Ok(77));
    }
}

fn window_mmap_fixed_replaces_what_was_there() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let place = Map::nothing(4 * PAGE);
        let at = sys::mmap(
            place.at + PAGE,
            PAGE,
            RW,
            MAP_SHARED | libc::MAP_FIXED,
            window.raw(),
            1,
        );
        assert_eq!(at, Ok(place.at + PAGE), "{}", spec.name);
        place.store32(PAGE, 0x51).expect(spec.name);
        assert_eq!(window.map().load32(PAGE), Ok(0x51), "{}", spec.name);
        assert_eq!(place.load32(0), Err(Fault::DENIED));
        assert_eq!(place.load32(2 * PAGE), Err(Fault::DENIED));
    }
}

/// A page through /dev/mem, to check the address of a window.
fn physical(address: usize) -> Map {
    let Ok(mem) = sys::open("/dev/mem", O_RDWR | libc::O_SYNC) else {
        crate::skip!("no /dev/mem")
    };
    Map::new(mem.as_raw_fd(), PAGE, RW, MAP_SHARED, address / PAGE).expect("mmap of /dev/mem")
}

fn window_sram_partition_begins_where_the_partition_does() {
    let map = SRAM.open().map();
    map.store32(0, 0x5a5a_0001).unwrap();
    map.store32(SRAM.size - 4, 0x5a5a_0002).unwrap();
    let start = board::reserved("sram@51200000") + 0x4000;
    assert_eq!(physical(start).load32(0), Ok(0x5a5a_0001));
    let last = physical(start + SRAM.size - PAGE);
    assert_eq!(last.load32(PAGE - 4), Ok(0x5a5a_0002));
}

fn window_regs_window_begins_at_its_reg() {
    assert!(PFN_MAPPED.iter().any(|spec| spec.name == REGS.name));
    let map = REGS.open().map();
    map.store32(0, 0x3e65_0001).unwrap();
    assert_eq!(
        physical(board::reserved("regs@51300000") + 0x2000).load32(0),
        Ok(0x3e65_0001)
    );
}
