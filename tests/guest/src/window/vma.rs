// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changes of an existing mapping: flags, mremap, munmap, mprotect, madvise, mlock
//! (docs/test-plan.md, rows 7 to 10, 12 to 14).

use std::os::fd::AsRawFd;

use libc::{
    MADV_DODUMP, MADV_DOFORK, MADV_DONTNEED, MADV_POPULATE_READ, MAP_SHARED, MREMAP_FIXED,
    MREMAP_MAYMOVE,
};

use crate::support::dev::{EACH_BACKING, FB, LOG, PAGE_MAPPED, PFN_MAPPED, TABLE};
use crate::support::mem::{Fault, Map, PAGE, R, RW};
use crate::support::smaps::Entry;
use crate::support::sys::{self, Errno};
use crate::tests;

tests! {
    quick:
        window_vma_flags_of_pfn_mappings_are_io_pf_de_dd,
        window_vma_flags_of_page_mappings_are_mm_de_dd,
        window_vma_flags_of_log_are_mm_de_dd_without_mw,
        window_vma_flags_of_framebuffer_are_io_pf_de_dd,
        window_mremap_to_grow_is_efault,
        window_mremap_to_duplicate_is_refused,
        window_mremap_to_shrink_keeps_the_rest,
        window_mremap_move_keeps_the_data,
        window_mremap_move_of_a_split_part_keeps_the_data,
        window_munmap_of_the_head_leaves_the_tail_right,
        window_munmap_of_the_middle_leaves_both_sides_right,
        window_mprotect_none_of_the_middle_leaves_neighbours_right,
        window_madvise_dontneed_of_pfn_mapping_is_einval,
        window_madvise_dontneed_of_page_mapping_refaults_the_same_data,
        window_madvise_dodump_is_einval,
        window_madvise_populate_of_pfn_mapping_is_einval,
        window_madvise_populate_of_page_mapping_works,
        window_madvise_dofork_is_harmless,
        window_mlock_is_harmless;
}

/// The flags that show how a mapping was created, in the order of docs/architecture.md.
const HOW: &str = "io pf mm de dd dc";

fn flags_are(fd: i32, len: usize, prot: i32, how: &str, may: &str, name: &str) {
    let map = Map::shared(fd, len, prot).unwrap_or_else(|e| panic!("{name}: {e:?}"));
    // Touched, so that flags that a fault adds are set as well.
    let _ = map.load32(0);
    let entry = Entry::at(map.at);
    assert_eq!(entry.of(HOW), how, "{name}: {:?}", entry.flags);
    assert_eq!(entry.of("mr mw sh ms"), may, "{name}: {:?}", entry.flags);
}

fn window_vma_flags_of_pfn_mappings_are_io_pf_de_dd() {
    for spec in PFN_MAPPED {
        flags_are(
            spec.open().raw(),
            spec.size,
            RW,
            "io pf de dd",
            "mr mw sh ms",
            spec.name,
        );
        flags_are(
            spec.open_with(libc::O_RDONLY).raw(),
            PAGE,
            R,
            "io pf de dd",
            "mr ms",
            spec.name,
        );
    }
}

fn window_vma_flags_of_page_mappings_are_mm_de_dd() {
    for spec in PAGE_MAPPED {
        flags_are(
            spec.open().raw(),
            spec.size,
            RW,
            "mm de dd",
            "mr mw sh ms",
            spec.name,
        );
        flags_are(
            spec.open_with(libc::O_RDONLY).raw(),
            PAGE,
            R,
            "mm de dd",
            "mr ms",
            spec.name,
        );
    }
}

fn window_vma_flags_of_log_are_mm_de_dd_without_mw() {
    for flags in [libc::O_RDWR, libc::O_RDONLY] {
        let log = LOG.open_with(flags);
        let map = Map::shared(log.raw(), LOG.size, R).expect("a readable log");
        map.load32(0).unwrap();
        let entry = Entry::at(map.at);
        assert_eq!(entry.of(HOW), "mm de dd", "{:?}", entry.flags);
        assert_eq!(entry.of("rd wr ex mr mw me"), "rd mr", "{:?}", entry.flags);
        assert_eq!(entry.permissions, "r--s");
    }
}

fn window_vma_flags_of_framebuffer_are_io_pf_de_dd() {
    flags_are(
        FB.open().raw(),
        FB.size,
        RW,
        "io pf de dd",
        "mr mw sh ms",
        "fb",
    );
}

fn window_mremap_to_grow_is_efault() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let map = Map::shared(window.raw(), 2 * PAGE, R).unwrap();
        for flags in [0, MREMAP_MAYMOVE] {
            assert_eq!(
                sys::mremap(map.at, 2 * PAGE, 3 * PAGE, flags, 0),
                Err(Errno::EFAULT),
                "{}",
                spec.name
            );
        }
    }
}

/// An old length of 0 asks for a second mapping of the same pages.
fn window_mremap_to_duplicate_is_refused() {
    for spec in EACH_BACKING.iter().chain([&LOG]) {
        let window = spec.open();
        let map = Map::shared(window.raw(), 2 * PAGE, R).unwrap();
        let refused = sys::mremap(map.at, 0, 2 * PAGE, MREMAP_MAYMOVE, 0).expect_err(spec.name);
        assert!(
            [Errno::EINVAL, Errno::EFAULT].contains(&refused),
            "{}: {refused:?}",
            spec.name
        );
    }
}

fn window_mremap_to_shrink_keeps_the_rest() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let mut map = Map::shared(window.raw(), 4 * PAGE, RW).unwrap();
        map.fill(3);
        assert_eq!(
            sys::mremap(map.at, 4 * PAGE, 2 * PAGE, 0, 0),
            Ok(map.at),
            "{}",
            spec.name
        );
        map.len = 2 * PAGE;
        assert_eq!(map.differs(3), None, "{}", spec.name);
        assert_eq!(map.load32(2 * PAGE), Err(Fault::UNMAPPED), "{}", spec.name);
    }
}

fn moved(map: &mut Map, from: usize, len: usize) -> Map {
    let mut place = Map::nothing(len);
    let at = sys::mremap(
        map.at + from,
        len,
        len,
        MREMAP_MAYMOVE | MREMAP_FIXED,
        place.at,
    )
    .expect("mremap");
    assert_eq!(at, place.at);
    place.len = len;
    place
}

fn window_mremap_move_keeps_the_data() {
    for spec in EACH_BACKING {
        let window = spec.open();
        window.map().fill(21);
        // Of the mapping that moves, only some pages have been touched.
        let mut map = window.map();
        assert!(map.load32(5 * PAGE).is_ok());
        let place = moved(&mut map, 0, spec.size);
        assert_eq!(place.differs(21), None, "{}", spec.name);
        assert_eq!(map.load32(0), Err(Fault::UNMAPPED), "{}", spec.name);
    }
}

fn window_mremap_move_of_a_split_part_keeps_the_data() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let whole = window.map();
        whole.fill(22);
        let mut map = window.map();
        let place = moved(&mut map, 8 * PAGE, 4 * PAGE);
        assert_eq!(
            place.copy(0, 4 * PAGE),
            whole.copy(8 * PAGE, 4 * PAGE),
            "{}",
            spec.name
        );
        assert_eq!(
            map.copy(0, 8 * PAGE),
            whole.copy(0, 8 * PAGE),
            "{}",
            spec.name
        );
        assert_eq!(
            map.copy(12 * PAGE, PAGE),
            whole.copy(12 * PAGE, PAGE),
            "{}",
            spec.name
        );
    }
}

fn window_munmap_of_the_head_leaves_the_tail_right() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let whole = window.map();
        whole.fill(31);
        // UIO maps the wrong page here: it counts from the start of the remaining mapping.
        let map = window.map();
        sys::munmap(map.at, PAGE).unwrap();
        assert_eq!(map.load32(0), Err(Fault::UNMAPPED), "{}", spec.name);
        for page in [1, 2, spec.size / PAGE - 1] {
            assert_eq!(
                map.load32(page * PAGE),
                whole.load32(page * PAGE),
                "{} page {page}",
                spec.name
            );
        }
        assert_eq!(
            map.copy(PAGE, spec.size - PAGE),
            whole.copy(PAGE, spec.size - PAGE),
            "{}",
            spec.name
        );
    }
}

fn window_munmap_of_the_middle_leaves_both_sides_right() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let whole = window.map();
        whole.fill(32);
        let map = window.map();
        sys::munmap(map.at + 7 * PAGE, 3 * PAGE).unwrap();
        assert_eq!(map.load32(8 * PAGE), Err(Fault::UNMAPPED), "{}", spec.name);
        assert_eq!(
            map.copy(0, 7 * PAGE),
            whole.copy(0, 7 * PAGE),
            "{}",
            spec.name
        );
        assert_eq!(
            map.copy(10 * PAGE, 8 * PAGE),
            whole.copy(10 * PAGE, 8 * PAGE),
            "{}",
            spec.name
        );
    }
}

fn window_mprotect_none_of_the_middle_leaves_neighbours_right() {
    for spec in EACH_BACKING {
        let window = spec.open();
        let whole = window.map();
        whole.fill(33);
        let map = window.map();
        sys::mprotect(map.at + 5 * PAGE, PAGE, libc::PROT_NONE).unwrap();
        assert_eq!(map.load32(5 * PAGE), Err(Fault::DENIED), "{}", spec.name);
        for page in [4, 6] {
            assert_eq!(
                map.copy(page * PAGE, PAGE),
                whole.copy(page * PAGE, PAGE),
                "{} page {page}",
                spec.name
            );
        }
        sys::mprotect(map.at + 5 * PAGE, PAGE, RW).unwrap();
        assert_eq!(map.differs(33), None, "{}", spec.name);
    }
}

fn window_madvise_dontneed_of_pfn_mapping_is_einval() {
    for spec in PFN_MAPPED {
        let map = spec.open().map();
        assert_eq!(
            sys::madvise(map.at, map.len, MADV_DONTNEED),
            Err(Errno::EINVAL),
            "{}",
            spec.name
        );
    }
}

fn window_madvise_dontneed_of_page_mapping_refaults_the_same_data() {
    // Also the prefaulted table: after its pages are unmapped, the fault handler maps them again.
    for spec in PAGE_MAPPED {
        let map = spec.open().map();
        map.fill(41);
        assert_eq!(
            sys::madvise(map.at, map.len, MADV_DONTNEED),
            Ok(0),
            "{}",
            spec.name
        );
        assert_eq!(map.differs(41), None, "{}", spec.name);
    }
    let map = LOG.open().map();
    let before = map.load32(0);
    assert_eq!(sys::madvise(map.at, map.len, MADV_DONTNEED), Ok(0));
    assert_eq!(map.load32(0), before);
}

fn window_madvise_dodump_is_einval() {
    for spec in EACH_BACKING.iter().chain([&LOG]) {
        let map = spec.open().map();
        assert_eq!(
            sys::madvise(map.at, map.len, MADV_DODUMP),
            Err(Errno::EINVAL),
            "{}",
            spec.name
        );
        assert!(Entry::at(map.at).has("dd"), "{}", spec.name);
    }
}

fn window_madvise_populate_of_pfn_mapping_is_einval() {
    for spec in PFN_MAPPED {
        let map = spec.open().map();
        assert_eq!(
            sys::madvise(map.at, map.len, MADV_POPULATE_READ),
            Err(Errno::EINVAL),
            "{}",
            spec.name
        );
    }
}

fn window_madvise_populate_of_page_mapping_works() {
    for spec in PAGE_MAPPED.iter().chain([&LOG]) {
        let map = spec.open().map();
        assert_eq!(
            sys::madvise(map.at, map.len, MADV_POPULATE_READ),
            Ok(0),
            "{}",
            spec.name
        );
        assert_eq!(map.faults(), 0, "{}", spec.name);
    }
    let map = TABLE.open().map();
    assert_eq!(
        sys::madvise(map.at, map.len, libc::MADV_POPULATE_WRITE),
        Ok(0)
    );
}

fn window_madvise_dofork_is_harmless() {
    for spec in EACH_BACKING {
        let map = spec.open().map();
        // VM_IO makes the kernel refuse it; either way the mapping is whole.
        let _ = sys::madvise(map.at, map.len, MADV_DOFORK);
        map.fill(42);
        assert_eq!(map.differs(42), None, "{}", spec.name);
    }
}

fn window_mlock_is_harmless() {
    for spec in EACH_BACKING.iter().chain([&LOG]) {
        let window = spec.open();
        let map = window.map();
        assert_eq!(sys::mlock(map.at, map.len), Ok(0), "{}", spec.name);
        assert!(map.load32(map.len - 4).is_ok(), "{}", spec.name);
        let locked = Map::new(
            window.fd.as_raw_fd(),
            PAGE,
            R,
            MAP_SHARED | libc::MAP_LOCKED,
            0,
        )
        .expect(spec.name);
        assert!(locked.load32(0).is_ok(), "{}", spec.name);
    }
}
