// SPDX-License-Identifier: MIT OR Apache-2.0
//! Revocation (docs/test-plan.md, rows 17 to 19): after the device is unbound, no process can
//! access its memory, however it was mapped.

use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use libc::{MAP_SHARED, POLLERR, POLLHUP, POLLIN};

use crate::support::board;
use crate::support::child::{Child, Signal};
use crate::support::dev::{self, Spec, Unbound, Window, CARVE_WC, EACH_BACKING, LOG2};
use crate::support::log::{kmsg, read_until_it_fails, unique};
use crate::support::mem::{Fault, Map, PAGE, R, RW};
use crate::support::sys::{self, Ended, Errno};
use crate::support::uapi;
use crate::support::wait;
use crate::tests;

tests! {
    quick:
        window_revoke_makes_every_touch_sigbus,
        window_revoke_reaches_pages_never_touched,
        window_revoke_reaches_a_forked_child,
        window_revoke_reaches_split_and_moved_mappings,
        window_revoke_reaches_a_map_through_a_second_inode,
        window_revoke_reaches_populated_and_locked_mappings,
        window_revoke_leaves_the_mapping_to_be_unmapped,
        window_revoke_makes_system_calls_enodev,
        window_revoke_makes_opening_enoent,
        window_revoke_reports_err_and_hup_to_pollers,
        window_revoke_wakes_a_blocked_reader,
        window_revoke_wakes_a_blocked_poller,
        window_revoke_wakes_pollers_without_events_of_every_window,
        window_revoke_is_an_edge_to_epoll,
        window_revoke_then_rebind_creates_a_new_device,
        window_revoke_leaves_other_instances_alone,
        window_revoke_lands_no_store_after_unbind_returned,
        window_revoke_shows_revoked_in_info_or_enodev;
}

const NODE: &str = CARVE_WC.node;

/// What can be mapped of the instance that is unbound here, and how.
pub fn victims() -> impl Iterator<Item = &'static Spec> {
    EACH_BACKING.iter().chain([&LOG2])
}

pub fn dead(map: &Map, offset: usize, name: &str) {
    assert_eq!(map.load32(offset), Err(Fault::BUS), "{name} at {offset:#x}");
}

fn window_revoke_makes_every_touch_sigbus() {
    let maps: Vec<(&Spec, Map)> = victims().map(|spec| (spec, spec.open().map())).collect();
    for (spec, map) in &maps {
        for page in map.pages() {
            assert!(map.load32(page).is_ok(), "{}", spec.name);
        }
    }
    let _unbound = Unbound::new(NODE);
    for (spec, map) in &maps {
        for page in map.pages() {
            dead(map, page, spec.name);
        }
        if !spec.read_only {
            assert_eq!(map.store32(0, 1), Err(Fault::BUS), "{}", spec.name);
        }
    }
}

fn window_revoke_reaches_pages_never_touched() {
    let maps: Vec<(&Spec, Map)> = victims().map(|spec| (spec, spec.open().map())).collect();
    let _unbound = Unbound::new(NODE);
    for (spec, map) in &maps {
        dead(map, 0, spec.name);
        dead(map, map.len - 4, spec.name);
        let refused = sys::madvise(map.at, map.len, libc::MADV_POPULATE_READ);
        assert!(refused.is_err(), "{}", spec.name);
    }
}

fn window_revoke_reaches_a_forked_child() {
    let (ready, go) = (Signal::new(), Signal::new());
    let maps: Vec<(&Spec, Map)> = victims().map(|spec| (spec, spec.open().map())).collect();
    let child = Child::spawn(|| {
        for (_, map) in &maps {
            map.load32(PAGE).unwrap();
        }
        ready.send();
        go.wait();
        for (spec, map) in &maps {
            dead(map, PAGE, spec.name);
            dead(map, 0, spec.name);
        }
        0
    });
    ready.wait();
    let _unbound = Unbound::new(NODE);
    go.send();
    assert_eq!(child.wait(), Ended::Exit(0));
}

fn window_revoke_reaches_split_and_moved_mappings() {
    let maps: Vec<(&Spec, Map, Map)> = EACH_BACKING
        .iter()
        .map(|spec| {
            let map = spec.open().map();
            sys::munmap(map.at + 4 * PAGE, PAGE).unwrap();
            sys::mprotect(map.at + 6 * PAGE, PAGE, R).unwrap();
            let place = Map::nothing(2 * PAGE);
            let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
            sys::mremap(map.at + 8 * PAGE, 2 * PAGE, 2 * PAGE, flags, place.at).unwrap();
            assert!(place.load32(PAGE).is_ok());
            (spec, map, place)
        })
        .collect();
    let _unbound = Unbound::new(NODE);
    for (spec, map, place) in &maps {
        for page in [0, 5, 6, 7, 10] {
            dead(map, page * PAGE, spec.name);
        }
        dead(place, 0, spec.name);
        dead(place, PAGE, spec.name);
    }
}

fn window_revoke_reaches_a_map_through_a_second_inode() {
    let maps: Vec<(&Spec, Map)> = victims()
        .map(|spec| {
            let path = format!("/tmp/fanlight-second-{}", spec.name);
            let _ = std::fs::remove_file(&path);
            let device = std::fs::metadata(spec.path()).unwrap().rdev();
            if let Err(refused) = sys::mknod(&path, libc::S_IFCHR | 0o600, device) {
                crate::skip!("mknod: {refused:?}");
            }
            let prot = if spec.read_only { R } else { RW };
            let opened = sys::open(
                &path,
                if spec.read_only {
                    libc::O_RDONLY
                } else {
                    libc::O_RDWR
                },
            );
            let _ = std::fs::remove_file(&path);
            let fd = opened.unwrap_or_else(|e| crate::skip!("device nodes in /tmp: {e:?}"));
            let map = Map::shared(fd.as_raw_fd(), spec.size, prot).unwrap();
            map.load32(0).unwrap();
            (spec, map)
        })
        .collect();
    let _unbound = Unbound::new(NODE);
    for (spec, map) in &maps {
        dead(map, 0, spec.name);
        dead(map, map.len - 4, spec.name);
    }
}

fn window_revoke_reaches_populated_and_locked_mappings() {
    let maps: Vec<(&Spec, Map)> = victims()
        .map(|spec| {
            let flags = MAP_SHARED | libc::MAP_POPULATE | libc::MAP_LOCKED;
            (
                spec,
                Map::new(spec.open().raw(), spec.size, R, flags, 0).unwrap(),
            )
        })
        .collect();
    let _unbound = Unbound::new(NODE);
    for (spec, map) in &maps {
        dead(map, 0, spec.name);
        dead(map, map.len - 4, spec.name);
    }
}

fn window_revoke_leaves_the_mapping_to_be_unmapped() {
    for spec in EACH_BACKING {
        let map = spec.open().map();
        let at = map.at;
        {
            let _unbound = Unbound::new(NODE);
            assert_eq!(sys::munmap(at, PAGE), Ok(0), "{}", spec.name);
            assert_eq!(map.load32(0), Err(Fault::UNMAPPED), "{}", spec.name);
        }
        // A revoked mapping stays revoked when the device is bound again.
        dead(&map, PAGE, spec.name);
    }
}

fn window_revoke_makes_system_calls_enodev() {
    let windows: Vec<_> = victims().map(Spec::open).collect();
    let _unbound = Unbound::new(NODE);
    for window in &windows {
        let name = window.spec.name;
        let mut buffer = [0; 4096];
        assert_eq!(
            sys::read(window.raw(), &mut buffer),
            Err(Errno::ENODEV),
            "read {name}"
        );
        if !window.spec.read_only {
            assert_eq!(
                sys::write(window.raw(), &buffer),
                Err(Errno::ENODEV),
                "write {name}"
            );
            assert_eq!(
                sys::pwrite(window.raw(), &buffer, 0),
                Err(Errno::ENODEV),
                "pwrite {name}"
            );
        }
        let mut info = uapi::Info::default();
        assert_eq!(
            sys::ioctl(window.raw(), uapi::IOC_INFO, &mut info),
            Err(Errno::ENODEV),
            "ioctl {name}"
        );
        assert_eq!(
            Map::shared(window.raw(), PAGE, R).err(),
            Some(Errno::ENODEV),
            "mmap {name}"
        );
    }
}

fn window_revoke_makes_opening_enoent() {
    let paths: Vec<String> = victims().map(Spec::path).collect();
    let _unbound = Unbound::new(NODE);
    for path in &paths {
        let refused = sys::open(path, libc::O_RDONLY).expect_err(path);
        assert!(
            [Errno::ENOENT, Errno::ENODEV, Errno::ENXIO].contains(&refused),
            "{path}: {refused:?}"
        );
    }
}

fn window_revoke_reports_err_and_hup_to_pollers() {
    let windows: Vec<_> = victims().map(Spec::open).collect();
    let _unbound = Unbound::new(NODE);
    for window in &windows {
        let events = sys::poll(window.raw(), POLLIN, Duration::from_secs(1));
        assert_eq!(
            events & (POLLERR | POLLHUP),
            POLLERR | POLLHUP,
            "{}: {events:#x}",
            window.spec.name
        );
    }
}

/// Opens the second log and reads all of it. It may have just been bound, so messages of the boot
/// may still be appended, or be lost in printk's buffer before. None of them follows a new record
/// of this test.
fn drained_log() -> dev::Window {
    let log = LOG2.open_with(libc::O_RDONLY);
    let mark = unique("drained");
    kmsg(&format!("<6>{mark}"));
    let mut buffer = [0; 8192];
    loop {
        match sys::read(log.raw(), &mut buffer) {
            Ok(n) if String::from_utf8_lossy(&buffer[..n]).contains(&mark) => return log,
            Ok(_) | Err(Errno::EPIPE) => {}
            Err(other) => panic!("read of the log: {other:?}"),
        }
    }
}

fn window_revoke_wakes_a_blocked_reader() {
    LOG2.needed();
    let (ready, done) = (Signal::new(), Signal::new());
    let child = Child::spawn(|| {
        let log = drained_log();
        ready.send();
        done.send_value(read_until_it_fails(&log).0 as u64);
        0
    });
    ready.wait();
    std::thread::sleep(Duration::from_millis(100));
    let _unbound = Unbound::new(NODE);
    let error = done.wait_for(wait::LIMIT);
    assert_eq!(error, Some(libc::ENODEV as u64), "the reader sleeps on");
    child.wait();
}

fn window_revoke_wakes_a_blocked_poller() {
    LOG2.needed();
    let (ready, done) = (Signal::new(), Signal::new());
    let child = Child::spawn(|| {
        let log = drained_log();
        ready.send();
        // Waits for events that do not occur: only the revocation ends the wait.
        let events = sys::poll(log.raw(), 0, wait::LIMIT);
        done.send_value(events as u64);
        0
    });
    ready.wait();
    std::thread::sleep(Duration::from_millis(100));
    let _unbound = Unbound::new(NODE);
    let events = done.wait_for(wait::LIMIT).expect("the poller sleeps on") as i16;
    assert_eq!(events & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    child.wait();
}

/// Opens a window. A log is read up to its end, so that no loss of its oldest records is reported.
fn open_at_the_end(spec: &Spec) -> Window {
    let window = spec.open();
    if spec.name == LOG2.name {
        assert_eq!(sys::lseek(window.raw(), 0, libc::SEEK_END), Ok(0));
    }
    window
}

/// Programs that only wait for the removal of a device request no events.
fn window_revoke_wakes_pollers_without_events_of_every_window() {
    LOG2.needed();
    let ready = Signal::new();
    let pollers: Vec<(&Spec, Signal, Child)> = victims()
        .map(|spec| {
            let done = Signal::new();
            let child = Child::spawn(|| {
                let window = open_at_the_end(spec);
                ready.send();
                done.send_value(sys::poll(window.raw(), 0, wait::LIMIT) as u64);
                0
            });
            ready.wait();
            (spec, done, child)
        })
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    let _unbound = Unbound::new(NODE);
    for (spec, done, child) in pollers {
        let events = done.wait_for(wait::LIMIT / 2);
        let events = events.unwrap_or_else(|| panic!("{}: the poller sleeps on", spec.name)) as i16;
        assert_eq!(events, POLLERR | POLLHUP, "{}", spec.name);
        child.wait();
    }
}

fn window_revoke_is_an_edge_to_epoll() {
    const GONE: i32 = libc::EPOLLERR | libc::EPOLLHUP;
    LOG2.needed();
    let watched: Vec<_> = victims()
        .map(|spec| {
            let window = open_at_the_end(spec);
            let epoll = sys::epoll_of(window.raw(), libc::EPOLLIN | libc::EPOLLET);
            // Current events are reported once.
            while sys::epoll_wait(epoll.as_raw_fd(), Duration::ZERO).is_some() {}
            (spec, window, epoll)
        })
        .collect();
    let _unbound = Unbound::new(NODE);
    for (spec, _window, epoll) in &watched {
        let events = wait::for_some(|| {
            let events = sys::epoll_wait(epoll.as_raw_fd(), Duration::from_millis(100))?;
            (events & GONE != 0).then_some(events)
        });
        let events = events.unwrap_or_else(|| panic!("{}: no event", spec.name));
        assert_eq!(events & GONE, GONE, "{}", spec.name);
    }
}

fn window_revoke_then_rebind_creates_a_new_device() {
    for spec in EACH_BACKING {
        let before = spec.open();
        let old = before.map();
        old.fill(91);
        drop(Unbound::new(NODE));
        let fresh = spec.open();
        let map = fresh.map();
        map.fill(92);
        assert_eq!(map.differs(92), None, "{}", spec.name);
        dead(&old, 0, spec.name);
        assert_eq!(
            Map::shared(before.raw(), PAGE, R).err(),
            Some(Errno::ENODEV),
            "{}: the old descriptor",
            spec.name
        );
        assert_eq!(spec.attribute("state"), "live");
        assert!(dev::is_bound(NODE));
    }
}

fn window_revoke_leaves_other_instances_alone() {
    let fb = dev::FB.open();
    let (map, log) = (fb.map(), dev::LOG.open().map());
    CARVE_WC.needed();
    let kept = map.load32(0);
    let _unbound = Unbound::new(NODE);
    assert_eq!(map.load32(0), kept);
    assert_eq!(log.load32(0), Ok(uapi::LOG_MAGIC));
    assert!(fb.info().size > 0);
}

fn window_revoke_lands_no_store_after_unbind_returned() {
    CARVE_WC.needed();
    // A process stores as fast as it can; the memory is watched from outside.
    let Ok(mem) = sys::open("/dev/mem", libc::O_RDWR | libc::O_SYNC) else {
        crate::skip!("no /dev/mem")
    };
    let outside = Map::new(
        mem.as_raw_fd(),
        PAGE,
        RW,
        MAP_SHARED,
        board::reserved("carve-wc@51000000") / PAGE,
    )
    .expect("mmap of /dev/mem");
    let ready = Signal::new();
    let child = Child::spawn(|| {
        let map = CARVE_WC.open().map();
        ready.send();
        for count in 0.. {
            if map.store32(0, count).is_err() {
                break;
            }
        }
        0
    });
    ready.wait();
    std::thread::sleep(Duration::from_millis(50));
    let _unbound = Unbound::new(NODE);
    let last = outside.load32(0);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(outside.load32(0), last, "a store landed");
    assert_eq!(child.wait(), Ended::Exit(0), "the writer got no fault");
}

fn window_revoke_shows_revoked_in_info_or_enodev() {
    // The attributes go with the device; if a reader holds one open, it reads an error or
    // "revoked", never "live".
    let path = CARVE_WC.sysfs().join("state");
    let file = sys::open(path.to_str().unwrap(), libc::O_RDONLY).unwrap();
    let _unbound = Unbound::new(NODE);
    let mut text = [0; 64];
    match sys::read(file.as_raw_fd(), &mut text) {
        Ok(n) => assert_eq!(&text[..n], b"revoked\n"),
        Err(refused) => assert_eq!(refused, Errno::ENODEV),
    }
}
