// SPDX-License-Identifier: MIT OR Apache-2.0
//! The attributes of a window: the info ioctl, sysfs, debugfs, fdinfo, and the rights to read them.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{chown, FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::process::Command;

use libc::{MAP_PRIVATE, O_RDONLY};

use crate::support::board;
use crate::support::child::{Child, Signal};
use crate::support::dev::{
    copyable, Spec, Window, CARVE_RO, CARVE_WC, CONTIG, FB, LOG, LOG2, MAILBOX, READ_ONLY, REGS,
    SRAM, TABLE, TABLE_NOW, WRITABLE,
};
use crate::support::mem::{Map, PAGE, R, RW};
use crate::support::smaps;
use crate::support::sys::{self, Ended, Errno};
use crate::support::uapi::{self, Info};
use crate::tests;

tests! {
    quick:
        window_info_describes_every_window,
        window_info_describes_the_framebuffer,
        window_info_describes_the_logs,
        window_info_rights_follow_the_tree,
        window_info_shows_addresses_by_the_opener,
        window_info_address_in_sysfs_is_for_root_and_a_group,
        window_info_physical_address_is_the_trees,
        window_info_into_a_bad_pointer_is_efault,
        window_info_from_a_c_program_that_uses_only_the_header,
        window_ioctl_unknown_is_enotty,
        window_sysfs_describes_every_window,
        window_sysfs_rights_follow_the_tree,
        window_sysfs_attributes_are_read_only,
        window_name_is_the_label_where_there_is_one,
        window_node_cannot_be_opened_by_all_users,
        window_debugfs_counts_maps_and_faults,
        window_fdinfo_names_the_window;
}

fn all() -> impl Iterator<Item = &'static Spec> {
    WRITABLE.iter().chain(READ_ONLY)
}

fn check_info(spec: &Spec) -> Info {
    let info = spec.open().info();
    let name = spec.name;
    assert!(info.abi >= uapi::ABI, "{name}: ABI {}", info.abi);
    assert_eq!(info.name(), name);
    assert_eq!(info.backing, spec.backing, "{name}");
    assert_eq!(info.cache, spec.cache, "{name}");
    assert_eq!(info.size, spec.size as u64, "{name}");
    assert_eq!(info.instance, spec.instance(), "{name}");
    assert_eq!(info.offset, 0, "{name}");
    assert_eq!(info.reserved, [0; 6], "{name}");
    info
}

fn window_info_describes_every_window() {
    for spec in all() {
        let info = check_info(spec);
        assert_eq!(info.kind, uapi::KIND_MEMORY, "{}", spec.name);
        assert_eq!(
            (
                info.width,
                info.height,
                info.stride,
                info.format,
                info.pages
            ),
            (0, 0, 0, 0, 0),
            "{}",
            spec.name
        );
        assert_eq!(info.scanout, uapi::SCANOUT_NONE, "{}", spec.name);
    }
}

fn window_info_describes_the_framebuffer() {
    let info = check_info(&FB);
    assert_eq!(info.kind, uapi::KIND_FRAMEBUFFER);
    assert_eq!(
        (info.width, info.height, info.stride, info.pages),
        (1024, 600, 4096, 2)
    );
    assert_eq!(&info.format.to_le_bytes(), b"XR24");
    assert_eq!(info.scanout, board::scanout());
}

fn window_info_describes_the_logs() {
    for spec in [LOG, LOG2] {
        assert_eq!(check_info(&spec).kind, uapi::KIND_LOG);
    }
}

fn window_info_rights_follow_the_tree() {
    let all_rights =
        uapi::RIGHT_READ | uapi::RIGHT_WRITE | uapi::RIGHT_MAP_READ | uapi::RIGHT_MAP_WRITE;
    for spec in copyable() {
        assert_eq!(spec.open().info().rights, all_rights, "{}", spec.name);
    }
    // The kernel does not access registers: read() and write() are not supported.
    assert_eq!(
        REGS.open().info().rights,
        uapi::RIGHT_MAP_READ | uapi::RIGHT_MAP_WRITE
    );
    for spec in READ_ONLY {
        assert_eq!(
            spec.open().info().rights,
            uapi::RIGHT_READ | uapi::RIGHT_MAP_READ,
            "{}",
            spec.name
        );
    }
    assert_eq!(
        LOG.open().info().rights,
        uapi::RIGHT_READ | uapi::RIGHT_WRITE | uapi::RIGHT_MAP_READ
    );
}

fn window_info_physical_address_is_the_trees() {
    let phys = |spec: Spec| spec.open().info().phys as usize;
    if let Some(address) = board::framebuffer() {
        assert_eq!(phys(FB), address);
    }
    assert_eq!(phys(CARVE_WC), board::reserved("carve-wc@51000000"));
    assert_eq!(phys(SRAM), board::reserved("sram@51200000") + 0x4000);
    assert_ne!(CONTIG.open().info().phys, 0);
    for spec in [TABLE, TABLE_NOW, LOG] {
        assert_eq!(spec.open().info().phys, 0, "{}", spec.name);
    }
}

/// Runs a closure as a user whose only rights are those of one group.
fn as_user(group: u32, body: impl FnOnce()) {
    let child = Child::spawn(|| {
        sys::become_user(65534, &[group]);
        body();
        0
    });
    assert_eq!(child.wait(), Ended::Exit(0));
}

/// A group that no node belongs to.
const GROUP: u32 = 4711;

/// Makes the group the owner of a window until this is dropped.
struct Given(PathBuf);

impl Given {
    fn new(path: PathBuf) -> Self {
        chown(&path, Some(0), Some(GROUP)).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        Self(path)
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        let _ = chown(&self.0, Some(0), Some(0));
    }
}

fn window_info_shows_addresses_by_the_opener() {
    for spec in [FB, CARVE_WC, CONTIG] {
        let window = spec.open();
        let phys = window.info().phys;
        assert_ne!(phys, 0, "{}", spec.name);
        // A descriptor that root has opened shows the same to every process that has it.
        as_user(GROUP, || {
            assert_eq!(window.info().phys, phys);
        });
        let _given = Given::new(spec.path().into());
        let (ready, go) = (Signal::new(), Signal::new());
        let child = Child::spawn(|| {
            sys::become_user(65534, &[GROUP]);
            let window = spec.open();
            let info = window.info();
            assert_eq!((info.phys, info.size), (0, spec.size as u64));
            let map = Map::new(window.raw(), PAGE, R, MAP_PRIVATE, 0).expect(spec.name);
            assert_eq!(smaps::offset_of(map.at), 0, "{}", spec.name);
            let copies = Map::new(window.raw(), PAGE, RW, MAP_PRIVATE, 0).map(drop);
            let by_pages = spec.attribute("mapping") == "pages";
            let expected = if by_pages { Ok(()) } else { Err(Errno::EPERM) };
            assert_eq!(copies, expected, "{}", spec.name);
            ready.send_value(window.raw() as u64);
            go.wait();
            0
        });
        // And root sees through the descriptor of a user what the user sees.
        let theirs = ready.wait() as i32;
        let fd = sys::pidfd_getfd(child.pid(), theirs);
        assert_eq!(Window { spec, fd }.info().phys, 0, "{}", spec.name);
        go.send();
        assert_eq!(child.wait(), Ended::Exit(0), "{}", spec.name);
    }
}

fn window_info_address_in_sysfs_is_for_root_and_a_group() {
    for spec in [FB, CARVE_WC, CONTIG] {
        let phys = spec.open().info().phys;
        let address = format!("{phys:#010x}");
        assert_eq!(spec.attribute("phys"), address);
        let sysfs = spec.sysfs();
        let path = sysfs.join("phys");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o440);
        as_user(GROUP, || {
            assert!(fs::read_to_string(&path).is_err());
            for entry in crate::support::dev::names_in(sysfs.to_str().unwrap()) {
                let text = fs::read_to_string(sysfs.join(&entry)).unwrap_or_default();
                assert!(!text.contains(&address[2..]), "sysfs has it in {entry}");
            }
        });
        let _given = Given::new(path.clone());
        as_user(GROUP, || {
            let text = fs::read_to_string(&path).expect("of the group");
            assert_eq!(text.trim(), address);
        });
    }
    for spec in [TABLE, LOG] {
        assert!(!spec.sysfs().join("phys").exists(), "{}", spec.name);
    }
}

fn window_info_into_a_bad_pointer_is_efault() {
    let hole = Map::nothing(4096);
    for spec in all().chain([&FB, &LOG]) {
        let window = spec.open();
        assert_eq!(
            sys::ioctl_at(window.raw(), uapi::IOC_INFO, hole.at),
            Err(Errno::EFAULT),
            "{}",
            spec.name
        );
        assert_eq!(
            sys::ioctl_at(window.raw(), uapi::IOC_INFO, 0),
            Err(Errno::EFAULT),
            "{}",
            spec.name
        );
    }
}

fn window_info_from_a_c_program_that_uses_only_the_header() {
    for spec in [FB, LOG] {
        let output = Command::new("fanlight-uapi").arg(spec.path()).output();
        let output =
            output.unwrap_or_else(|_| crate::skip!("fanlight-uapi (tests/c) is not installed"));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let info = spec.open().info();
        let expected = format!(
            "name {}\nkind {}\nbacking {}\ncache {}\nrights {}\nsize {}\n\
             width {}\nheight {}\nstride {}\nformat {}\n",
            info.name(),
            info.kind,
            info.backing,
            info.cache,
            info.rights,
            info.size,
            info.width,
            info.height,
            info.stride,
            info.format,
        );
        assert!(text.starts_with(&expected), "{text}\nexpected\n{expected}");
    }
}

fn window_ioctl_unknown_is_enotty() {
    for spec in all().chain([&FB, &LOG]) {
        let window = spec.open();
        // An unused number, a used number with a wrong size, an ioctl of terminals, one of disks.
        for request in [
            uapi::IOC_INFO | 0x7f,
            uapi::IOC_INFO ^ (4 << 16),
            0x5401,
            0x1260,
            0,
            u32::MAX,
        ] {
            let mut buffer = [0_u8; 4096];
            let result = sys::ioctl_at(window.raw(), request, buffer.as_mut_ptr() as usize);
            assert_eq!(result, Err(Errno::ENOTTY), "{} {request:#x}", spec.name);
        }
    }
    // An ioctl of one kind of window is unknown to the other kinds.
    let memory = CARVE_WC.open();
    let mut word = [0_u32; 64];
    for request in [
        uapi::IOC_LOG_FORM,
        uapi::IOC_LOG_STATS,
        uapi::IOC_LOG_CLEAR,
        uapi::IOC_LOG_FORGET,
        0x4600,
        0x4602,
    ] {
        assert_eq!(
            sys::ioctl(memory.raw(), request, &mut word),
            Err(Errno::ENOTTY),
            "{request:#x}"
        );
    }
    let log = LOG.open();
    assert_eq!(sys::ioctl(log.raw(), 0x4600, &mut word), Err(Errno::ENOTTY));
    assert_eq!(
        sys::ioctl(log.raw(), uapi::IOC_LOG_CLEAR, &mut word),
        Err(Errno::ENOTTY),
        "only log.prev is cleared"
    );
}

fn window_sysfs_describes_every_window() {
    for spec in all().chain([&FB, &LOG]) {
        let backing = ["carveout", "contiguous", "vmalloc"][spec.backing as usize - 1];
        let cache = ["writecombine", "noncached", "cached"][spec.cache as usize - 1];
        assert_eq!(spec.attribute("name"), spec.name);
        assert_eq!(
            spec.attribute("instance"),
            spec.instance().to_string(),
            "{}",
            spec.name
        );
        assert_eq!(
            spec.attribute("size"),
            spec.size.to_string(),
            "{}",
            spec.name
        );
        assert_eq!(spec.attribute("backing"), backing, "{}", spec.name);
        assert_eq!(spec.attribute("cache"), cache, "{}", spec.name);
        assert_eq!(spec.attribute("state"), "live", "{}", spec.name);
        assert!(spec.sysfs().join("dev").exists(), "{}", spec.name);
    }
    assert_eq!(CARVE_WC.attribute("kind"), "memory");
    assert_eq!(LOG.attribute("kind"), "log");
    assert_eq!(FB.attribute("kind"), "framebuffer");
    assert_eq!(FB.attribute("geometry"), "1024x600 4096 x8r8g8b8");
    assert_eq!(FB.attribute("scanout"), board::scanout_name());
    assert_eq!(CARVE_WC.attribute("geometry"), "");
    assert_eq!(CARVE_WC.attribute("scanout"), "none");
}

fn window_sysfs_rights_follow_the_tree() {
    for spec in WRITABLE {
        assert_eq!(spec.attribute("rights"), "rw", "{}", spec.name);
    }
    for spec in READ_ONLY {
        assert_eq!(spec.attribute("rights"), "ro", "{}", spec.name);
    }
}

fn window_sysfs_attributes_are_read_only() {
    for spec in [CARVE_WC, FB, LOG] {
        for name in [
            "name", "instance", "kind", "size", "backing", "cache", "rights", "state", "geometry",
            "scanout",
        ] {
            let mode = fs::metadata(spec.sysfs().join(name))
                .unwrap_or_else(|e| panic!("{name}: {e}"))
                .mode();
            assert_eq!(mode & 0o777, 0o444, "{} {name}", spec.name);
        }
    }
}

fn window_name_is_the_label_where_there_is_one() {
    assert!(MAILBOX.path().ends_with("/mailbox"));
    assert!(!crate::support::dev::misc_of(MAILBOX.node)
        .iter()
        .any(|misc| misc.ends_with("odd-name")));
    assert_eq!(MAILBOX.open().info().name(), "mailbox");
}

fn window_node_cannot_be_opened_by_all_users() {
    for spec in all().chain([&FB, &LOG]) {
        let metadata = fs::metadata(spec.path()).unwrap();
        assert!(metadata.file_type().is_char_device());
        assert_eq!(
            metadata.mode() & 0o007,
            0,
            "{} has mode {:o}",
            spec.name,
            metadata.mode()
        );
    }
    let path = CARVE_RO.path();
    let child = Child::spawn(|| {
        sys::become_user(65534, &[]);
        assert_eq!(sys::open(&path, O_RDONLY).map(drop), Err(Errno::EACCES));
        0
    });
    assert_eq!(child.wait(), Ended::Exit(0));
}

/// A number that debugfs has for a window.
fn statistic(spec: &Spec, name: &str) -> u64 {
    let path = format!("/sys/kernel/debug/{}", spec.misc().replacen('-', "/", 1));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| {
        if crate::support::dev::names_in("/sys/kernel/debug").is_empty() {
            crate::skip!("debugfs is not mounted");
        }
        panic!("{path}: {e}")
    });
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let number = line.unwrap_or_else(|| panic!("no {name} in {path}:\n{text}"));
    number
        .parse()
        .unwrap_or_else(|e| panic!("{name} {number}: {e}"))
}

fn window_debugfs_counts_maps_and_faults() {
    let (maps, faults, pages) = (
        statistic(&TABLE, "maps"),
        statistic(&TABLE, "faults"),
        statistic(&TABLE, "inserted"),
    );
    let map = TABLE.open().map();
    for page in map.pages() {
        map.load32(page).unwrap();
    }
    assert_eq!(statistic(&TABLE, "maps") - maps, 1);
    assert!((1..=2).contains(&(statistic(&TABLE, "faults") - faults)));
    assert_eq!(statistic(&TABLE, "inserted") - pages, 256);
    let maps = statistic(&CARVE_WC, "maps");
    let _map = CARVE_WC.open().map();
    assert_eq!(statistic(&CARVE_WC, "maps") - maps, 1);
}

fn window_fdinfo_names_the_window() {
    for spec in [CARVE_WC, CONTIG, TABLE, FB, LOG] {
        let window = spec.open();
        let text =
            fs::read_to_string(format!("/proc/self/fdinfo/{}", window.fd.as_raw_fd())).unwrap();
        assert!(
            text.lines().any(|line| line.contains(spec.name)),
            "{}:\n{text}",
            spec.name
        );
    }
}
