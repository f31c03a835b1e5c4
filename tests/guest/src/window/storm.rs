// SPDX-License-Identifier: MIT OR Apache-2.0
//! A storm of revocations, and system calls at random.

use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use libc::MAP_SHARED;

use crate::support::child::{Child, Signal};
use crate::support::dev::{self, Unbound, CARVE_WC, CONTIG, FB, LOG2, TABLE, TABLE_NOW};
use crate::support::mem::{Map, PAGE, R, RW};
use crate::support::sys::{self, Ended};
use crate::tests;
use crate::window::race::spec_path;

tests! {
    long:
        window_storm_of_50_revocations_under_8_processes;
    slow:
        window_storm_of_1000_revocations_under_8_processes,
        window_storm_of_random_system_calls_by_trinity;
}

fn window_storm_of_50_revocations_under_8_processes() {
    storm(50);
}

fn window_storm_of_1000_revocations_under_8_processes() {
    storm(1000);
}

/// The calls of one of the processes: map, fault, store, fork, read, poll, unmap. Each access
/// either works or raises SIGBUS; anything else ends the process.
fn trouble(first: usize, stop: &Signal) -> i32 {
    let specs = [CARVE_WC, CONTIG, TABLE, TABLE_NOW, LOG2];
    let mut n = first;
    while stop.wait_for(Duration::ZERO).is_none() {
        n += 1;
        let spec = specs[n % specs.len()];
        let mode = if spec.read_only {
            libc::O_RDONLY
        } else {
            libc::O_RDWR
        };
        let Ok(fd) = sys::open(&spec_path(&spec), mode | libc::O_NONBLOCK) else {
            continue;
        };
        let prot = if spec.read_only { R } else { RW };
        let Ok(map) = Map::shared(fd.as_raw_fd(), spec.size, prot) else {
            continue;
        };
        for page in map.pages() {
            let done = if spec.read_only {
                map.load32(page).map(drop)
            } else {
                map.store32(page, (n << 8) as u32 | first as u32)
            };
            if done.is_err() {
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
            _ => drop(sys::poll(
                fd.as_raw_fd(),
                libc::POLLIN,
                Duration::from_millis(1),
            )),
        }
        // For some time, or until it is revoked: in this phase a store could still reach the
        // memory.
        for _ in 0..5000 {
            if spec.read_only || map.store32(PAGE, n as u32).is_err() {
                break;
            }
        }
    }
    stop.send();
    0
}

fn storm(cycles: usize) {
    CARVE_WC.needed();
    let Ok(mem) = sys::open("/dev/mem", libc::O_RDWR | libc::O_SYNC) else {
        crate::skip!("no /dev/mem")
    };
    let outside = Map::new(
        mem.as_raw_fd(),
        CARVE_WC.size,
        R,
        MAP_SHARED,
        crate::support::board::reserved("carve-wc@51000000") / PAGE,
    )
    .expect("mmap of /dev/mem");
    let contents = || {
        outside
            .pages()
            .map(|page| outside.load32(page).unwrap())
            .collect::<Vec<_>>()
    };
    let stop = Signal::new();
    let children: Vec<Child> = (0..8)
        .map(|i| {
            let stop = &stop;
            Child::spawn(move || trouble(i, stop))
        })
        .collect();
    let (mut changed, mut last) = (0, Vec::new());
    let began = std::time::Instant::now();
    for cycle in 0..cycles {
        // Fewer are sufficient for a debug kernel on a busy host.
        if cycles < 100 && cycle >= 10 && began.elapsed() > Duration::from_secs(60) {
            println!("{cycle} cycles in 60 s");
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
        let unbound = Unbound::new(CARVE_WC.node);
        // Unbind has returned: no store may reach the memory any more.
        let before = contents();
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(
            contents(),
            before,
            "a store landed after unbind returned, cycle {cycle}"
        );
        changed += usize::from(before != last);
        last = before;
        drop(unbound);
    }
    stop.send();
    for child in children {
        assert_eq!(child.wait(), Ended::Exit(0));
    }
    assert!(dev::is_bound(CARVE_WC.node));
    assert!(
        changed > 5,
        "there was no storm: {changed} changes in {cycles} cycles"
    );
}

fn window_storm_of_random_system_calls_by_trinity() {
    for spec in [FB, CARVE_WC, TABLE, LOG2] {
        let output = Command::new("trinity")
            .args([
                "-V",
                &spec.path(),
                "-c",
                "mmap",
                "-c",
                "ioctl",
                "-c",
                "munmap",
                "-c",
                "mremap",
            ])
            .args(["-N", "3000", "-C", "1", "-q", "--dangerous"])
            .current_dir("/tmp")
            .output()
            .unwrap_or_else(|_| crate::skip!("trinity is not installed"));
        // Its exit status does not matter: the harness checks the kernel's log.
        println!("{}: {:?}", spec.name, output.status);
    }
    assert!(FB.open().info().size > 0);
}
