// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options of the running kernel that tests depend on. They are read from the kernel and not
//! assumed: the tests also run on kernels with other configurations.

use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;

use crate::skip;
use crate::support::sys;

/// Whether the messages of /dev/kmsg name their callers (CONFIG_PRINTK_CALLER).
pub fn has_callers() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let kmsg = fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg");
        let mut record = [0; 8192];
        // The first read reports that records were overwritten.
        let read =
            kmsg.and_then(|mut kmsg| kmsg.read(&mut record).or_else(|_| kmsg.read(&mut record)));
        let read = read.unwrap_or_else(|_| skip!("/dev/kmsg cannot be read"));
        String::from_utf8_lossy(&record[..read])
            .split(';')
            .next()
            .is_some_and(|prefix| prefix.contains(",caller="))
    })
}

/// Whether it is a 64-bit one. The tests may still be a 32-bit program.
pub fn is_arm64() -> bool {
    sys::machine() == "aarch64"
}

/// The largest amount of freed memory that it keeps, in KiB: KASAN's quarantine has up to a 32nd of
/// all memory.
pub fn quarantine() -> i64 {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    if symbols.lines().any(|line| line.ends_with(" kasan_report")) {
        meminfo("MemTotal").expect("MemTotal") / 32
    } else {
        0
    }
}

/// The value of a line of /proc/meminfo, in KiB, if the kernel has it.
pub fn meminfo(name: &str) -> Option<i64> {
    let text = fs::read_to_string("/proc/meminfo").expect("/proc/meminfo");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let value = line.trim().strip_suffix(" kB").expect("a size");
    Some(value.parse().expect("a number"))
}

/// Whether it was built for several processors (CONFIG_SMP).
pub fn is_smp() -> bool {
    fs::read_to_string("/proc/version").is_ok_and(|version| version.contains(" SMP "))
}

/// Skips the test unless debugfs is there.
pub fn needs_debugfs() {
    if crate::support::dev::names_in("/sys/kernel/debug").is_empty() {
        skip!("the kernel has no debugfs, or it is not mounted");
    }
}

/// Skips the test unless the driver can be removed: what is built in has no state of a module.
pub fn needs_driver_as_module() {
    if !Path::new("/sys/module/fanlight/initstate").exists() {
        skip!("the driver is built in");
    }
}
