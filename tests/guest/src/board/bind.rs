// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding and unbinding, loading and unloading (docs/test-plan.md, row 19).

use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::dev::{self, Spec, Unbound, CARVE_WC, EACH_BACKING, FB, LOG};
use crate::support::harness::Hotplug;
use crate::support::kernel;
use crate::support::module::{Stack, TestModule};
use crate::support::sys::{self, Errno};
use crate::support::wait;
use crate::tests;

tests! {
    quick:
        board_unbind_removes_the_nodes_and_bind_creates_them,
        board_unbind_of_the_screen_and_bind_restores_it,
        board_number_stays_over_unbind_and_bind,
        board_rmmod_with_an_open_descriptor_is_refused,
        board_rmmod_with_only_a_mapping_is_refused,
        board_rmmod_with_a_revoked_mapping_is_refused,
        board_probe_and_unbind_leave_a_third_of_the_stack,
        board_calls_leave_half_of_the_stack;
    long:
        board_quick_rebinds_keep_every_node,
        board_nodes_have_the_group_of_their_kind,
        board_bind_and_unbind_200_times_leaks_nothing,
        board_rmmod_without_users_works_and_insmod_restores_all,
        board_modprobe_loads_the_driver;
}

fn board_unbind_removes_the_nodes_and_bind_creates_them() {
    CARVE_WC.needed();
    let before = dev::misc_of(CARVE_WC.node);
    {
        let _unbound = Unbound::new(CARVE_WC.node);
        assert!(dev::misc_of(CARVE_WC.node).is_empty());
        // devtmpfs removes them in its own thread.
        assert!(
            wait::until(|| dev::names_in("/dev/fanlight1").is_empty()),
            "{:?}",
            dev::names_in("/dev/fanlight1")
        );
    }
    assert_eq!(dev::misc_of(CARVE_WC.node), before);
    assert!(CARVE_WC.open().map().load32(0).is_ok());
}

fn board_unbind_of_the_screen_and_bind_restores_it() {
    let before = dev::misc_of("fanlight");
    drop(Unbound::new("fanlight"));
    assert_eq!(dev::misc_of("fanlight"), before);
    FB.open().map().store32(0, 0x00ff_0000).unwrap();
    assert_eq!(
        LOG.open().map().load32(0),
        Ok(crate::support::uapi::LOG_MAGIC)
    );
}

/// The rest is left for an interrupt, for reclaim, and for callers with a deeper stack than a write
/// to sysfs. insmod has the same depth.
fn board_probe_and_unbind_leave_a_third_of_the_stack() {
    let module = TestModule::load();
    let mut deepest = 0;
    for node in dev::bound() {
        let (_, unbind) = module.stack_used(|| dev::unbind(&node));
        let (bound, bind) = module.stack_used(|| dev::bind(&node));
        bound.unwrap_or_else(|e| panic!("bind {node}: {e}"));
        dev::wait_for_node(&node);
        for (what, stack) in [("bind", bind), ("unbind", unbind)] {
            assert!(
                stack.used <= stack.size * 2 / 3,
                "{what} of {node}: {stack:?}"
            );
            deepest = deepest.max(stack.used);
        }
    }
    println!("# at most {deepest} bytes of the stack");
}

fn board_calls_leave_half_of_the_stack() {
    let module = TestModule::load();
    let mut deepest = 0;
    let mut check = |what: &str, window: &Spec, stack: Stack| {
        let path = window.path();
        assert!(stack.used <= stack.size / 2, "{what} {path}: {stack:?}");
        deepest = deepest.max(stack.used);
    };
    for window in EACH_BACKING.iter().chain([&FB, &LOG]) {
        let (opened, open) = module.stack_used(|| window.open());
        check("open", window, open);
        let (_, read) = module.stack_used(|| sys::pread(opened.raw(), &mut [0; 4096], 0));
        check("read", window, read);
        let (_, write) = module.stack_used(|| sys::write(opened.raw(), b"stack"));
        check("write", window, write);
        let (_, info) = module.stack_used(|| opened.info());
        check("info", window, info);
        let (_, poll) = module.stack_used(|| sys::poll(opened.raw(), libc::POLLIN, Duration::ZERO));
        check("poll", window, poll);
        let (map, mmap) = module.stack_used(|| opened.map());
        check("mmap", window, mmap);
        let (_, fault) = module.stack_used(|| map.load32(0));
        check("fault", window, fault);
        let (_, close) = module.stack_used(|| drop((map, opened)));
        check("close", window, close);
    }
    println!("# at most {deepest} bytes of the stack");
}

fn board_number_stays_over_unbind_and_bind() {
    if !dev::node_exists("fanlight-numbered") {
        crate::skip!("the device tree has no fanlight-numbered: boot with tests/dts/windows.dtso");
    }
    let before = dev::misc_of("fanlight-numbered");
    for _ in 0..5 {
        drop(Unbound::new("fanlight-numbered"));
        assert_eq!(dev::misc_of("fanlight-numbered"), before);
    }
}

fn module_stays() {
    kernel::needs_driver_as_module();
    let refused =
        sys::delete_module("fanlight").expect_err("the module was removed under its users");
    assert!(
        [Errno::EBUSY, Errno::EAGAIN].contains(&refused),
        "{refused:?}"
    );
}

fn board_rmmod_with_an_open_descriptor_is_refused() {
    for spec in EACH_BACKING.iter().chain([&FB, &LOG]) {
        let window = spec.open_with(libc::O_RDONLY);
        module_stays();
        assert!(window.info().size > 0, "{}", spec.name);
    }
}

fn board_rmmod_with_only_a_mapping_is_refused() {
    for spec in EACH_BACKING.iter().chain([&FB, &LOG]) {
        let map = spec.open().map();
        module_stays();
        assert!(map.load32(0).is_ok(), "{}", spec.name);
    }
}

fn board_rmmod_with_a_revoked_mapping_is_refused() {
    // Its vm_ops are still in the module.
    for spec in EACH_BACKING {
        let map = spec.open().map();
        let _unbound = Unbound::new(spec.node);
        module_stays();
        assert!(map.load32(0).is_err(), "{}", spec.name);
    }
}

/// Windows whose names do not show their kind.
const NAMES: &str = "fanlight-by-kind";

/// Whether a program of this name runs.
fn runs(name: &str) -> bool {
    std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|process| std::fs::read_to_string(process.path().join("comm")).ok())
        .any(|comm| comm.trim_end() == name)
}

/// Programs that are called for nodes run late and in any order.
fn board_quick_rebinds_keep_every_node() {
    if !dev::node_exists(NAMES) {
        crate::skip!("the device tree has no {NAMES}: boot with tests/dts/windows.dtso");
    }
    let hotplug = Hotplug::new();
    let before = dev::misc_of(NAMES);
    assert_eq!(before.len(), 3);
    for _ in 0..30 {
        drop(Unbound::new(NAMES));
    }
    // Once for the programs that had begun, once for those that they had to wait for.
    for _ in 0..2 {
        assert!(wait::until(|| !runs("mdev")), "mdev runs on");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(dev::misc_of(NAMES), before);
    for misc in before {
        let path = dev::path_of(&misc);
        let missing = "the node is missing after 30 rebinds";
        let node = std::fs::metadata(&path).unwrap_or_else(|e| panic!("{path:?}: {missing}: {e}"));
        let text = std::fs::read_to_string(format!("/sys/class/misc/{misc}/dev")).unwrap();
        let device = format!("{}:{}", libc::major(node.rdev()), libc::minor(node.rdev()));
        assert_eq!(device, text.trim(), "{path:?}");
    }
    drop(hotplug);
}

/// The number of a group.
fn group(name: &str) -> u32 {
    let groups = std::fs::read_to_string("/etc/group").expect("/etc/group");
    let mut lines = groups.lines().map(|line| line.split(':'));
    let found = lines.find_map(|mut parts| {
        (parts.next() == Some(name))
            .then(|| parts.nth(1)?.parse().ok())
            .flatten()
    });
    found.unwrap_or_else(|| crate::skip!("no group {name}"))
}

fn board_nodes_have_the_group_of_their_kind() {
    if !dev::node_exists(NAMES) {
        crate::skip!("the device tree has no {NAMES}: boot with tests/dts/windows.dtso");
    }
    let hotplug = Hotplug::new();
    for node in [FB.node, NAMES] {
        drop(Unbound::new(node));
        for misc in dev::misc_of(node) {
            let kind = crate::support::log::attribute(&misc, "kind").expect("kind");
            let expected = group(match kind.as_str() {
                "framebuffer" => "video",
                "log" => "adm",
                "memory" => "fanlight",
                other => panic!("{misc} is of kind {other:?}"),
            });
            let path = dev::path_of(&misc);
            let of_node = || std::fs::metadata(&path).map(|node| (node.gid(), node.mode() & 0o777));
            assert!(
                wait::until(|| of_node().is_ok_and(|is| is == (expected, 0o660))),
                "{path:?} of kind {kind} has group and mode {:?}",
                of_node()
            );
        }
    }
    drop(hotplug);
}

fn board_bind_and_unbind_200_times_leaks_nothing() {
    CARVE_WC.needed();
    let cycle = |n: u32| {
        for _ in 0..n {
            drop(Unbound::new(CARVE_WC.node));
        }
    };
    cycle(20);
    let available = || kernel::meminfo("MemAvailable").expect("MemAvailable");
    let before = available();
    cycle(200);
    // An instance holds more than 3 MiB of kernel pages: leaking even a hundredth of it 200 times
    // would be 6 MiB.
    let lost = before - available();
    assert!(lost < 4096 + kernel::quarantine(), "{lost} KiB are gone");
}

/// The path of the module's file.
fn module_file() -> PathBuf {
    fn find(directory: &str) -> Option<PathBuf> {
        for entry in std::fs::read_dir(directory).ok()?.flatten() {
            let path = entry.path();
            if path.file_name().is_some_and(|name| name == "fanlight.ko") {
                return Some(path);
            }
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                if let Some(found) = find(path.to_str()?) {
                    return Some(found);
                }
            }
        }
        None
    }
    find("/lib/modules").unwrap_or_else(|| crate::skip!("no fanlight.ko below /lib/modules"))
}

/// Processes that have one of our nodes open or mapped.
fn users() -> Vec<String> {
    let mut users = Vec::new();
    for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let process = process.path();
        let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
        let maps = std::fs::read_to_string(process.join("maps")).unwrap_or_default();
        let open = std::fs::read_dir(process.join("fd"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|fd| std::fs::read_link(fd.path()).ok())
            .any(|path| path.to_string_lossy().starts_with("/dev/fanlight"));
        if open || maps.contains("/dev/fanlight") {
            users.push(format!("{} {}", process.display(), name.trim()));
        }
    }
    users
}

/// Removes the module.
fn remove() {
    // Another process, such as mdev, may have a node open.
    let removed = wait::until(|| sys::delete_module("fanlight") == Ok(0));
    assert!(removed, "in use for {:?}: {:?}", wait::LIMIT, users());
    assert!(dev::bound().is_empty());
}

/// Removes the module and inserts it again.
pub fn reload() {
    kernel::needs_driver_as_module();
    let file = module_file();
    remove();
    let image = sys::open(file.to_str().unwrap(), libc::O_RDONLY).unwrap();
    assert_eq!(sys::init_module(image.as_raw_fd()), Ok(0));
    for node in dev::bound() {
        dev::wait_for_node(&node);
    }
}

fn board_rmmod_without_users_works_and_insmod_restores_all() {
    let before = dev::bound();
    for _ in 0..5 {
        reload();
        assert_eq!(dev::bound(), before);
    }
    assert!(
        wait::until(|| std::path::Path::new("/dev/fanlight0/fb").exists()),
        "the nodes do not come back"
    );
}

/// The advice in the errors of the library and of the tool.
fn board_modprobe_loads_the_driver() {
    kernel::needs_driver_as_module();
    module_file();
    let before = dev::bound();
    remove();
    let status = std::process::Command::new("modprobe")
        .arg("fanlight")
        .status();
    assert!(status.expect("modprobe").success());
    assert_eq!(dev::bound(), before);
    for node in before {
        dev::wait_for_node(&node);
    }
}
