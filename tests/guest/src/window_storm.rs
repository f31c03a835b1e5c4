// SPDX-License-Identifier: MIT OR Apache-2.0
//! The slow set of the windows: a storm of revocations, and system calls at random.

use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use crate::dev::{self, Unbound, CARVE_WC, CONTIG, FB, LOG2, TABLE, TABLE_NOW};
use crate::harness::{Child, Signal};
use crate::mem::{Map, PAGE, R};
use crate::sys::{self, Ended};
use crate::tests;
use crate::window_revoke::spec_path;

tests! {
    slow:
        window_storm_of_1000_revocations_under_8_processes,
        window_storm_of_random_system_calls_by_trinity;
}

fn window_storm_of_1000_revocations_under_8_processes() {
    CARVE_WC.needed();
    let stop = Signal::new();
    let children: Vec<Child> = (0..8)
        .map(|i| {
            let stop = &stop;
            Child::spawn(move || {
                let specs = [CARVE_WC, CONTIG, TABLE, TABLE_NOW, LOG2];
                let mut n = i;
                while stop.wait_for(Duration::ZERO).is_none() {
                    n += 1;
                    let spec = specs[n % specs.len()];
                    let Ok(fd) = sys::open(&spec_path(&spec), libc::O_RDONLY) else { continue };
                    let Ok(map) = Map::shared(fd.as_raw_fd(), spec.size, R) else { continue };
                    // Every access either works or is a SIGBUS; anything else ends this child.
                    for page in map.pages() {
                        if map.load32(page).is_err() {
                            break;
                        }
                    }
                    match n % 4 {
                        0 => drop(sys::munmap(map.at, PAGE)),
                        1 => drop(sys::read(fd.as_raw_fd(), &mut [0; 4096])),
                        2 => {
                            let grandchild = Child::spawn(|| i32::from(map.load32(0).is_err()));
                            grandchild.wait();
                        }
                        _ => drop(sys::poll(fd.as_raw_fd(), libc::POLLIN, Duration::ZERO)),
                    }
                }
                stop.send();
                0
            })
        })
        .collect();
    for _ in 0..1000 {
        drop(Unbound::new(CARVE_WC.node));
    }
    stop.send();
    for child in children {
        assert_eq!(child.wait(), Ended::Exit(0));
    }
    assert!(dev::is_bound(CARVE_WC.node));
}

fn window_storm_of_random_system_calls_by_trinity() {
    for spec in [FB, CARVE_WC, TABLE, LOG2] {
        let output = Command::new("trinity")
            .args(["-V", &spec.path(), "-c", "mmap", "-c", "ioctl", "-c", "munmap", "-c", "mremap"])
            .args(["-N", "3000", "-C", "1", "-q", "--dangerous"])
            .current_dir("/tmp")
            .output()
            .unwrap_or_else(|_| crate::skip!("trinity is not installed"));
        // Its own exit status says little: the kernel's log, which the harness watches, says it all.
        println!("{}: {:?}", spec.name, output.status);
    }
    assert!(FB.open().info().size > 0);
}
