// SPDX-License-Identifier: MIT OR Apache-2.0
//! Revocation while other processes map and touch the windows.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use libc::{POLLHUP, POLLIN};

use crate::support::child::{Child, Signal};
use crate::support::dev::{Spec, Unbound, CARVE_WC, CONTIG, LOG2, TABLE};
use crate::support::mem::{Fault, Map, R};
use crate::support::sys::{self, Ended, Errno};
use crate::support::wait;
use crate::tests;
use crate::window::revoke::{dead, victims};

tests! {
    long:
        window_revoke_races_with_new_mappings,
        window_revoke_races_with_faults,
        window_revoke_of_every_window_many_times;
}

const NODE: &str = CARVE_WC.node;

fn window_revoke_races_with_new_mappings() {
    LOG2.needed();
    let stop = Signal::new();
    let children: Vec<Child> = (0..4)
        .map(|i| {
            let spec = [CARVE_WC, CONTIG, TABLE, LOG2][i];
            let stop = &stop;
            Child::spawn(move || {
                // Maps while the device is bound and unbound. A mapping of a revoked window must be
                // revoked.
                while stop.wait_for(Duration::ZERO).is_none() {
                    let Ok(fd) = sys::open(&spec_path(&spec), libc::O_RDONLY) else {
                        continue;
                    };
                    for _ in 0..50 {
                        match Map::shared(fd.as_raw_fd(), spec.size, R) {
                            Ok(map) => {
                                let _ = map.load32(0);
                                // A revoked mapping stays revoked.
                                if sys::poll(fd.as_raw_fd(), POLLIN, Duration::ZERO) & POLLHUP != 0
                                {
                                    dies(&map, spec.name);
                                }
                            }
                            Err(refused) => assert_eq!(refused, Errno::ENODEV, "{}", spec.name),
                        }
                    }
                }
                // Lets the other processes run.
                stop.send();
                0
            })
        })
        .collect();
    // Fewer on a slow host.
    let start = Instant::now();
    for n in 0..100 {
        drop(Unbound::new(NODE));
        if n >= 20 && start.elapsed() > Duration::from_secs(40) {
            println!("{n} times");
            break;
        }
    }
    stop.send();
    for child in children {
        assert_eq!(child.wait(), Ended::Exit(0));
    }
}

/// Waits until the whole mapping is revoked, while the device is being unbound.
fn dies(map: &Map, name: &str) {
    let dead = || map.load32(0).is_err() && map.load32(map.len - 4).is_err();
    assert!(wait::until(dead), "{name} was revoked, and is still there");
}

/// The path by the alias: the device may be unbound at the moment.
pub fn spec_path(spec: &Spec) -> String {
    format!("/dev/fanlight1/{}", spec.name)
}

fn window_revoke_races_with_faults() {
    LOG2.needed();
    for _ in 0..30 {
        let (ready, go) = (Signal::new(), Signal::new());
        let children: Vec<Child> = (0..4)
            .map(|i| {
                let spec = [TABLE, LOG2, TABLE, LOG2][i];
                let (ready, go) = (&ready, &go);
                Child::spawn(move || {
                    let maps: Vec<Map> = (0..16).map(|_| spec.open().map()).collect();
                    ready.send();
                    // Faults until the device is unbound, and checks that every page is revoked
                    // then.
                    'live: loop {
                        for map in &maps {
                            for page in map.pages().skip(i % 3).step_by(3) {
                                if map.load32(page).is_err() {
                                    break 'live;
                                }
                            }
                            sys::madvise(map.at, map.len, libc::MADV_DONTNEED).unwrap();
                        }
                    }
                    go.wait();
                    for map in &maps {
                        for page in map.pages() {
                            dead(map, page, spec.name);
                        }
                    }
                    0
                })
            })
            .collect();
        for _ in &children {
            ready.wait();
        }
        let _unbound = Unbound::new(NODE);
        for _ in &children {
            go.send();
        }
        for child in children {
            assert_eq!(child.wait(), Ended::Exit(0));
        }
    }
}

fn window_revoke_of_every_window_many_times() {
    CARVE_WC.needed();
    for round in 0..100 {
        let maps: Vec<Map> = victims().map(|spec| spec.open().map()).collect();
        maps[0].store32(0, round).unwrap();
        maps[2].load32(0).unwrap();
        drop(Unbound::new(NODE));
        assert!(
            maps.iter().all(|map| map.load32(0) == Err(Fault::BUS)),
            "round {round}"
        );
    }
}
