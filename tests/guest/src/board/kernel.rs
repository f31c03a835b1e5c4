// SPDX-License-Identifier: MIT OR Apache-2.0
//! Features of the kernel that Debian's programs need, tested on the kernels of the images.
//! board/common/kernel.config names the programs that fail without an option. Another kernel may
//! lack some.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::support::sys::{self, Errno};
use crate::tests;

tests! {
    quick:
        board_kernel_has_the_system_calls_that_programs_expect,
        board_kernel_has_the_helpers_of_old_arm_programs,
        board_kernel_has_the_devices_and_files_that_programs_expect;
}

fn board_kernel_has_the_system_calls_that_programs_expect() {
    // With arguments that none of them accepts, or that change nothing.
    let calls: &[(&str, libc::c_long, [usize; 3])] = &[
        ("inotify_init1", libc::SYS_inotify_init1, [0, 0, 0]),
        ("name_to_handle_at", libc::SYS_name_to_handle_at, [0; 3]),
        ("process_vm_readv", libc::SYS_process_vm_readv, [1, 0, 0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [0, 0, 0]),
        ("kcmp", libc::SYS_kcmp, [1, 1, 0]),
        ("seccomp", libc::SYS_seccomp, [99, 0, 0]),
        ("mq_open", libc::SYS_mq_open, [0; 3]),
        ("perf_event_open", libc::SYS_perf_event_open, [0; 3]),
        ("membarrier", libc::SYS_membarrier, [0; 3]),
        ("fadvise", FADVISE, [usize::MAX, 0, 0]),
        ("epoll_create1", libc::SYS_epoll_create1, [0; 3]),
        ("signalfd4", libc::SYS_signalfd4, [usize::MAX, 0, 0]),
        ("timerfd_create", libc::SYS_timerfd_create, [99, 0, 0]),
        ("eventfd2", libc::SYS_eventfd2, [0; 3]),
        ("semget", libc::SYS_semget, [0, 0, 0]),
        ("io_setup", libc::SYS_io_setup, [0; 3]),
        ("flock", libc::SYS_flock, [usize::MAX, 8, 0]),
    ];
    let missing = calls
        .iter()
        .filter(|(_, number, arguments)| sys::call(*number, *arguments) == Err(Errno::ENOSYS));
    let missing: Vec<&str> = missing.map(|(name, ..)| *name).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[cfg(target_arch = "arm")]
const FADVISE: libc::c_long = libc::SYS_arm_fadvise64_64;
#[cfg(not(target_arch = "arm"))]
const FADVISE: libc::c_long = libc::SYS_fadvise64;

/// Documentation/arch/arm/kernel_user_helpers.rst: the version is at 0xffff0ffc.
fn board_kernel_has_the_helpers_of_old_arm_programs() {
    if cfg!(not(target_arch = "arm")) {
        crate::skip!("only 32-bit programs have these helpers");
    }
    // Version 5 has the 64-bit compare and exchange.
    let version = crate::support::mem::load32(0xffff_0ffc).expect("the helpers' page");
    assert!((2..100).contains(&version), "{version}");
}

fn board_kernel_has_the_devices_and_files_that_programs_expect() {
    let missing: Vec<&str> = [
        "/dev/uinput",
        "/dev/ptmx",
        "/dev/shm",
        "/proc/self/ns/mnt",
        "/proc/self/pagemap",
        "/proc/sys/kernel/core_pattern",
        "/sys/class/input",
        "/sys/fs/cgroup",
        "/sys/class/graphics",
    ]
    .into_iter()
    .filter(|path| !Path::new(path).exists())
    .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let systems = fs::read_to_string("/proc/filesystems").expect("/proc/filesystems");
    for name in ["tmpfs", "overlay", "cgroup2", "configfs", "mqueue"] {
        let there = systems.split_whitespace().any(|system| system == name);
        assert!(there, "{name} is none of\n{systems}");
    }
    TcpListener::bind("127.0.0.1:0").expect("a socket on this machine");
}
