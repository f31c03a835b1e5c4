// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mappings and fork (docs/test-plan.md, row 11): whichever process unmaps or exits first, the
//! memory stays usable for the other one, and all references are returned.

use libc::{MAP_POPULATE, MAP_SHARED};

use crate::support::child::{Child, Signal};
use crate::support::dev::{EACH_BACKING, LOG, TABLE};
use crate::support::mem::{Map, R};
use crate::support::sys::{self, Ended};
use crate::tests;

tests! {
    quick:
        window_fork_child_sees_and_changes_the_same_memory,
        window_fork_child_unmaps_and_the_parent_keeps_the_data,
        window_fork_parent_unmaps_and_the_child_keeps_the_data,
        window_fork_after_many_children_the_log_still_maps,
        window_fork_references_return_to_their_start;
}

fn window_fork_child_sees_and_changes_the_same_memory() {
    for spec in EACH_BACKING {
        let map = spec.open().map();
        map.fill(61);
        let child = Child::spawn(|| {
            assert_eq!(map.differs(61), None);
            map.fill(62);
            0
        });
        assert_eq!(child.wait(), Ended::Exit(0), "{}", spec.name);
        assert_eq!(map.differs(62), None, "{}", spec.name);
    }
}

fn window_fork_child_unmaps_and_the_parent_keeps_the_data() {
    for spec in EACH_BACKING {
        let map = spec.open().map();
        map.fill(63);
        let child = Child::spawn(|| sys::munmap(map.at, map.len).map_or(1, |_| 0));
        assert_eq!(child.wait(), Ended::Exit(0), "{}", spec.name);
        assert_eq!(map.differs(63), None, "{}", spec.name);
    }
}

fn window_fork_parent_unmaps_and_the_child_keeps_the_data() {
    for spec in EACH_BACKING {
        let go = Signal::new();
        let map = spec.open().map();
        map.fill(64);
        let child = Child::spawn(|| {
            go.wait();
            i32::from(map.differs(64).is_some())
        });
        sys::munmap(map.at, map.len).unwrap();
        go.send();
        assert_eq!(child.wait(), Ended::Exit(0), "{}", spec.name);
    }
}

fn window_fork_after_many_children_the_log_still_maps() {
    let map = LOG.open().map();
    let magic = map.load32(0);
    for _ in 0..50 {
        let child =
            Child::spawn(|| i32::from(map.load32(0) != magic || map.load32(LOG.size - 4).is_err()));
        assert_eq!(child.wait(), Ended::Exit(0));
    }
}

/// The mapping count of each page of a mapping, from /proc/self/pagemap and /proc/kpagecount; None
/// if the kernel does not report it.
fn map_counts(map: &Map) -> Option<Vec<u64>> {
    use std::os::fd::AsRawFd;
    let pagemap = sys::open("/proc/self/pagemap", libc::O_RDONLY).ok()?;
    let kpagecount = sys::open("/proc/kpagecount", libc::O_RDONLY).ok()?;
    let word = |fd: i32, index: u64| {
        let mut word = [0; 8];
        (sys::pread(fd, &mut word, (index * 8) as i64) == Ok(8)).then(|| u64::from_ne_bytes(word))
    };
    map.pages()
        .map(|page| {
            let entry = word(pagemap.as_raw_fd(), ((map.at + page) / 4096) as u64)?;
            word(kpagecount.as_raw_fd(), entry & ((1 << 55) - 1))
        })
        .collect()
}

fn window_fork_references_return_to_their_start() {
    let window = TABLE.open();
    let map = Map::new(window.raw(), TABLE.size, R, MAP_SHARED | MAP_POPULATE, 0).unwrap();
    let Some(before) = map_counts(&map) else {
        crate::skip!("no /proc/kpagecount (PROC_PAGE_MONITOR)")
    };
    let children: Vec<Child> = (0..8)
        .map(|_| {
            Child::spawn(|| {
                let own = window.map();
                i32::from(own.load32(0).is_err() || map.load32(0).is_err())
            })
        })
        .collect();
    for child in children {
        assert_eq!(child.wait(), Ended::Exit(0));
    }
    assert_eq!(map_counts(&map), Some(before));
}
