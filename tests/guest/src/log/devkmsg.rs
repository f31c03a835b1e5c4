// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log if no process may open /dev/kmsg (printk.devkmsg=off), from the boot on or at run time,
//! and if only privileged ones may (dmesg_restrict): the driver binds, has the messages, and root
//! reads them.

use std::fs;

use crate::support::child::Child;
use crate::support::dev::{self, Unbound, LOG, LOG2};
use crate::support::log::{kmsg, text, unique, Messages};
use crate::support::mem::{Map, R};
use crate::support::sys::{self, Ended, Errno};
use crate::support::wait;
use crate::tests;

tests! {
    devkmsg_off:
        log_devkmsg_off_at_boot_binds_every_window,
        log_devkmsg_off_at_boot_has_the_kernels_messages,
        log_devkmsg_off_at_boot_root_reads_and_maps,
        log_devkmsg_off_at_boot_binds_again;
    levels:
        log_devkmsg_off_at_run_time_root_reads_and_maps,
        log_devkmsg_off_at_run_time_binds_again,
        log_devkmsg_off_at_run_time_has_what_is_printed,
        log_restricted_to_cap_syslog_binds_again;
}

const SWITCH: &str = "/proc/sys/kernel/printk_devkmsg";

/// No process can open /dev/kmsg until this is dropped.
struct Off(String);

impl Off {
    fn new() -> Self {
        let before = fs::read_to_string(SWITCH).expect(SWITCH);
        fs::write(SWITCH, "off\n").expect(SWITCH);
        assert!(closed());
        Self(before)
    }
}

impl Drop for Off {
    fn drop(&mut self) {
        let _ = fs::write(SWITCH, &self.0);
    }
}

fn closed() -> bool {
    sys::open("/dev/kmsg", libc::O_RDONLY).err() == Some(Errno::EPERM)
}

fn off_at_boot() {
    if !closed() {
        crate::skip!("/dev/kmsg can be opened: boot with printk.devkmsg=off");
    }
}

fn texts() -> Vec<String> {
    let messages = Messages::of_log(&LOG).all();
    messages
        .iter()
        .map(|message| text(message).to_owned())
        .collect()
}

/// Whether the log has a message, or gets it: reading without waiting is no wait for a console that
/// is late.
fn has(mark: &str) -> bool {
    wait::until(|| texts().iter().any(|text| text == mark))
}

fn has_the_boot() -> bool {
    wait::until(|| texts().iter().any(|text| text.starts_with("Booting Linux")))
}

/// Has the kernel print a message, which most consoles suppress, while that is still allowed.
fn quiet_mark() -> String {
    let mark = unique("before the switch");
    kmsg(&format!("<6>{mark}"));
    mark
}

/// Root reads the kernel's messages, and maps the ring.
fn root_reads_and_maps() {
    assert!(wait::until(|| !texts().is_empty()));
    let log = LOG.open_with(libc::O_RDONLY);
    assert!(Map::shared(log.raw(), 4096, R).is_ok());
}

/// Has the kernel print something without /dev/kmsg: sysrq's help.
fn print() {
    fs::write("/proc/sys/kernel/sysrq", "1").expect("sysrq");
    fs::write("/proc/sysrq-trigger", "h").expect("sysrq-trigger");
}

fn log_devkmsg_off_at_boot_binds_every_window() {
    off_at_boot();
    for name in ["fb", "scratch", "log", "log.prev"] {
        let path = format!("/dev/fanlight0/{name}");
        assert!(std::path::Path::new(&path).exists(), "{path}");
    }
}

fn log_devkmsg_off_at_boot_has_the_kernels_messages() {
    off_at_boot();
    assert!(has_the_boot());
    print();
    assert!(wait::until(|| texts()
        .iter()
        .any(|text| text.contains("HELP"))));
}

fn log_devkmsg_off_at_boot_root_reads_and_maps() {
    off_at_boot();
    assert!(has_the_boot());
    root_reads_and_maps();
}

fn log_devkmsg_off_at_boot_binds_again() {
    off_at_boot();
    drop(Unbound::new(LOG.node));
    assert!(has_the_boot());
    root_reads_and_maps();
}

fn log_devkmsg_off_at_run_time_root_reads_and_maps() {
    let mark = quiet_mark();
    let _off = Off::new();
    assert!(has(&mark));
    root_reads_and_maps();
}

fn log_devkmsg_off_at_run_time_binds_again() {
    let mark = quiet_mark();
    let _off = Off::new();
    let before = dev::misc_of(LOG.node);
    drop(Unbound::new(LOG.node));
    assert_eq!(dev::misc_of(LOG.node), before);
    assert!(has(&mark));
    root_reads_and_maps();
}

fn log_devkmsg_off_at_run_time_has_what_is_printed() {
    let _off = Off::new();
    drop(Unbound::new(LOG.node));
    let before = texts().iter().filter(|text| text.contains("HELP")).count();
    print();
    let count = || texts().iter().filter(|text| text.contains("HELP")).count();
    assert!(wait::until(|| count() > before));
}

fn log_restricted_to_cap_syslog_binds_again() {
    const RESTRICT: &str = "/proc/sys/kernel/dmesg_restrict";
    LOG2.needed();
    let before = fs::read_to_string(RESTRICT).expect(RESTRICT);
    fs::write(RESTRICT, "1\n").expect(RESTRICT);
    let (earlier, mark) = (quiet_mark(), unique("restricted"));
    // A process can bind it without the right to read the kernel's messages.
    let binder = Child::spawn(|| {
        const CAP_SYSLOG: i32 = 34;
        // SAFETY: drops a capability of this child's bounding and permitted sets.
        unsafe {
            libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYSLOG, 0, 0, 0);
        }
        dev::unbind(LOG.node);
        let line = format!(
            "exec sh -c 'echo {} > /sys/bus/platform/drivers/fanlight/bind'",
            LOG.node
        );
        i32::from(
            !std::process::Command::new("sh")
                .arg("-c")
                .arg(line)
                .status()
                .is_ok_and(|s| s.success()),
        )
    });
    let bound = binder.wait();
    fs::write(RESTRICT, before).expect(RESTRICT);
    dev::bind_everything();
    assert_eq!(bound, Ended::Exit(0));
    dev::wait_for_node(LOG.node);
    kmsg(&mark);
    assert!(has(&mark));
    assert!(has(&earlier));
}
