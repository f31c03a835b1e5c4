// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node that a device-tree overlay adds at run time. Removing the overlay revokes its windows, as
//! unbinding does.

use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use libc::{MAP_LOCKED, MAP_POPULATE, MAP_SHARED, POLLERR, POLLHUP, POLLIN};

use crate::support::child::{Child, Signal};
use crate::support::dev::{self, Spec};
use crate::support::log::read_until_it_fails;
use crate::support::mem::{Fault, Map, PAGE, R};
use crate::support::module::{Overlay, TestModule, RUNTIME};
use crate::support::sys::{self, Ended, Errno};
use crate::support::uapi;
use crate::support::wait;
use crate::tests;

tests! {
    quick:
        window_overlay_adds_the_windows_of_its_node,
        window_overlay_alias_is_the_number_of_its_node,
        window_overlay_removal_revokes_mappings_of_every_process,
        window_overlay_removal_revokes_a_map_through_a_second_inode,
        window_overlay_removal_wakes_readers_and_pollers,
        window_overlay_removal_leaves_the_tree_for_the_next_one;
    long:
        window_overlay_removal_races_with_mappings;
}

const fn spec(name: &'static str, backing: u32, size: usize, read_only: bool) -> Spec {
    let cache = if backing == uapi::BACKING_CARVEOUT {
        uapi::CACHE_WRITECOMBINE
    } else {
        uapi::CACHE_CACHED
    };
    Spec {
        node: RUNTIME,
        child: name,
        name,
        backing,
        cache,
        size,
        read_only,
    }
}

const CARVE: Spec = Spec {
    child: "carve@51308000",
    ..spec("carve", uapi::BACKING_CARVEOUT, 0x8000, false)
};
const CONTIG: Spec = Spec {
    cache: uapi::CACHE_WRITECOMBINE,
    ..spec("contig-wc", uapi::BACKING_CONTIGUOUS, 0x1_0000, false)
};
const TABLE: Spec = spec("table", uapi::BACKING_VMALLOC, 0x10_0000, false);
const TABLE_NOW: Spec = spec("table-now", uapi::BACKING_VMALLOC, 0x10_0000, false);
const RUNTIME_LOG: Spec = Spec {
    node: RUNTIME,
    ..dev::LOG2
};
const ALL: [Spec; 5] = [CARVE, CONTIG, TABLE, TABLE_NOW, RUNTIME_LOG];

fn dead(map: &Map, name: &str) {
    for page in map.pages() {
        assert_eq!(map.load32(page), Err(Fault::BUS), "{name} at {page:#x}");
    }
}

fn mapped() -> Vec<(Spec, Map)> {
    ALL.into_iter()
        .map(|spec| (spec, spec.open().map()))
        .collect()
}

fn window_overlay_alias_is_the_number_of_its_node() {
    let module = TestModule::load_for_overlays();
    let _overlay = Overlay::apply(&module);
    assert_eq!(CARVE.open().info().instance, 30);
}

fn window_overlay_adds_the_windows_of_its_node() {
    let module = TestModule::load_for_overlays();
    let overlay = Overlay::apply(&module);
    for spec in ALL {
        let info = spec.open().info();
        assert_eq!(
            (info.backing, info.cache, info.size),
            (spec.backing, spec.cache, spec.size as u64),
            "{}",
            spec.name
        );
        if !spec.read_only {
            let map = spec.open().map();
            map.fill(101);
            assert_eq!(map.differs(101), None, "{}", spec.name);
        }
    }
    let directory = format!("/dev/fanlight{}", CARVE.instance());
    overlay.remove();
    assert!(!dev::node_exists(RUNTIME) && !dev::is_bound(RUNTIME));
    assert!(
        wait::until(|| dev::names_in(&directory).is_empty()),
        "{directory} still has {:?}",
        dev::names_in(&directory)
    );
}

fn window_overlay_removal_revokes_mappings_of_every_process() {
    let module = TestModule::load_for_overlays();
    let overlay = Overlay::apply(&module);
    let maps = mapped();
    let (ready, go) = (Signal::new(), Signal::new());
    let children: Vec<Child> = (0..3)
        .map(|_| {
            let (maps, ready, go) = (&maps, &ready, &go);
            Child::spawn(move || {
                let own = mapped();
                let populated = Map::new(
                    TABLE.open().raw(),
                    TABLE.size,
                    R,
                    MAP_SHARED | MAP_POPULATE | MAP_LOCKED,
                    0,
                );
                for (_, map) in maps.iter().chain(&own) {
                    map.load32(PAGE).unwrap();
                }
                ready.send();
                go.wait();
                for (spec, map) in maps.iter().chain(&own) {
                    dead(map, spec.name);
                }
                dead(&populated.unwrap(), "populated");
                0
            })
        })
        .collect();
    for _ in &children {
        ready.wait();
    }
    overlay.remove();
    for _ in &children {
        go.send();
    }
    for (spec, map) in &maps {
        dead(map, spec.name);
    }
    for child in children {
        assert_eq!(child.wait(), Ended::Exit(0));
    }
}

fn window_overlay_removal_revokes_a_map_through_a_second_inode() {
    let module = TestModule::load_for_overlays();
    let overlay = Overlay::apply(&module);
    let maps: Vec<(Spec, Map)> = ALL
        .into_iter()
        .map(|spec| {
            let path = format!("/tmp/fanlight-overlay-{}", spec.name);
            let _ = std::fs::remove_file(&path);
            let device = std::fs::metadata(spec.path()).unwrap().rdev();
            sys::mknod(&path, libc::S_IFCHR | 0o600, device).expect("mknod");
            let fd = sys::open(&path, libc::O_RDONLY).expect(&path);
            std::fs::remove_file(&path).unwrap();
            let map = Map::shared(fd.as_raw_fd(), spec.size, R).unwrap();
            map.load32(0).unwrap();
            (spec, map)
        })
        .collect();
    overlay.remove();
    for (spec, map) in &maps {
        dead(map, spec.name);
    }
}

fn window_overlay_removal_wakes_readers_and_pollers() {
    let module = TestModule::load_for_overlays();
    let overlay = Overlay::apply(&module);
    let (ready, done) = (Signal::new(), Signal::new());
    let reader = Child::spawn(|| {
        let log = RUNTIME_LOG.open_with(libc::O_RDONLY);
        ready.send();
        done.send_value(read_until_it_fails(&log).0 as u64);
        0
    });
    ready.wait();
    let window = CARVE.open();
    std::thread::sleep(Duration::from_millis(100));
    overlay.remove();
    assert_eq!(
        done.wait_for(wait::LIMIT),
        Some(libc::ENODEV as u64),
        "the reader sleeps on"
    );
    reader.wait();
    let events = sys::poll(window.raw(), POLLIN, Duration::ZERO);
    assert_eq!(events & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    assert_eq!(sys::read(window.raw(), &mut [0; 4]), Err(Errno::ENODEV));
}

fn window_overlay_removal_leaves_the_tree_for_the_next_one() {
    let module = TestModule::load_for_overlays();
    for round in 0..10 {
        let overlay = Overlay::apply(&module);
        let maps = mapped();
        maps[0].1.store32(0, round).unwrap();
        assert_eq!(maps[0].1.load32(0), Ok(round));
        overlay.remove();
        for (spec, map) in &maps {
            dead(map, spec.name);
        }
    }
}

fn window_overlay_removal_races_with_mappings() {
    let module = TestModule::load_for_overlays();
    // Its number is the lowest free one each time.
    let paths: Vec<(Spec, String)> = {
        let overlay = Overlay::apply(&module);
        let paths = ALL.into_iter().map(|spec| (spec, spec.path())).collect();
        overlay.remove();
        paths
    };
    let stop = Signal::new();
    let children: Vec<Child> = (0..4)
        .map(|i| {
            let (paths, stop) = (&paths, &stop);
            Child::spawn(move || {
                let mut n = i;
                while stop.wait_for(Duration::ZERO).is_none() {
                    n += 1;
                    let (spec, path) = &paths[n % paths.len()];
                    let Ok(fd) = sys::open(path, libc::O_RDONLY) else {
                        continue;
                    };
                    let Ok(map) = Map::shared(fd.as_raw_fd(), spec.size, R) else {
                        continue;
                    };
                    while sys::poll(fd.as_raw_fd(), 0, Duration::ZERO) & POLLHUP == 0 && n % 7 != 0
                    {
                        n += 1;
                        if map.pages().any(|page| map.load32(page).is_err()) {
                            break;
                        }
                    }
                    if sys::poll(fd.as_raw_fd(), 0, Duration::ZERO) & POLLHUP != 0 {
                        // The mappings are removed after that, from the first page to the last.
                        let last = spec.size - PAGE;
                        assert!(wait::until(|| map.load32(last).is_err()), "{}", spec.name);
                        dead(&map, spec.name);
                    }
                }
                stop.send();
                0
            })
        })
        .collect();
    for _ in 0..10 {
        Overlay::apply(&module).remove();
    }
    stop.send();
    for child in children {
        assert_eq!(child.wait(), Ended::Exit(0));
    }
}
