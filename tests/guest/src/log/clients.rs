// SPDX-License-Identifier: MIT OR Apache-2.0
//! Unmodified third-party programs that read /dev/kmsg, with the driver's log in its place.

use std::time::Duration;

use crate::support::dev::LOG;
use crate::support::log::{
    append, kmsg, text, unique, unlimited, without_number, Messages, Reader,
};
use crate::support::program::{needs, needs_more_than_busybox, run, Follower};
use crate::tests;

tests! {
    levels:
        log_client_dmesg_reads_our_log_as_the_kernels,
        log_client_dmesg_follows_our_log,
        log_client_rsyslog_reads_every_record_in_order;
}

/// A command line that runs with the driver's log in the place of /dev/kmsg.
fn in_its_place(command: &str) -> String {
    format!("mount --bind {} /dev/kmsg && exec {command}", LOG.path())
}

/// Runs dmesg with the driver's log in the place of /dev/kmsg.
fn dmesg(args: &str) -> String {
    needs("unshare");
    let line = in_its_place(&format!("dmesg {args}"));
    run("unshare", &["-m", "sh", "-c", &line]).success().text()
}

fn log_client_dmesg_reads_our_log_as_the_kernels() {
    needs_more_than_busybox("dmesg");
    let mark = unique("read by dmesg");
    kmsg(&mark);
    Reader::new(&LOG).find(&mark);
    // dmesg shows the kernel's own messages.
    let theirs = run("dmesg", &["-x"]).success().text();
    let ours = dmesg("-x");
    let mut lines = ours.lines();
    for line in theirs.lines() {
        assert!(
            lines.any(|ours| ours == line),
            "not there, or not in order: {line}"
        );
    }
    assert!(dmesg("--json").contains("\"dmesg\""));
    let by_read: Vec<String> = Messages::of_log(&LOG)
        .all()
        .iter()
        .map(|m| text(&without_number(m)).to_owned())
        .collect();
    assert!(by_read.contains(&mark));
}

fn log_client_dmesg_follows_our_log() {
    needs_more_than_busybox("dmesg");
    let mut follower = Follower::start("unshare", &["-m", "sh", "-c", &in_its_place("dmesg -W")]);
    std::thread::sleep(Duration::from_millis(700));
    let hello = unique("followed by dmesg");
    // Through the driver's node: /dev/kmsg is still the kernel's here.
    append(&LOG.open(), &format!("<4>{hello}"));
    follower.until(&hello);
}

/// rsyslog clears O_NONBLOCK after it has opened the file, and copies each message into 1024 bytes.
/// It reads existing messages only in the first 90 seconds after boot, unless its configuration
/// sets another time.
fn log_client_rsyslog_reads_every_record_in_order() {
    needs("rsyslogd");
    let config = "/tmp/rsyslog.conf";
    let rules = r#"
module(load="imkmsg" readMode="full-always")
template(name="raw" type="string" string="%syslogfacility%,%syslogseverity%;%rawmsg%\n")
action(type="omfile" file="/proc/self/fd/1" template="raw")
"#;
    std::fs::write(config, rules).expect("a file");
    let _unlimited = unlimited(&LOG);
    let log = LOG.open();
    let mark = unique("for rsyslog");
    let long = "x".repeat(900);
    for number in 0..100 {
        append(&log, &format!("<29>{mark} {number} {long}"));
    }
    let command = in_its_place(&format!("rsyslogd -n -f {config} -i NONE"));
    let mut follower = Follower::start("unshare", &["-m", "sh", "-c", &command]);
    let printed = follower.until(&format!("{mark} 99 {long}\n"));
    let mut lines = printed.lines().filter(|line| line.contains(&mark));
    for number in 0..100 {
        // Facility daemon, level notice.
        let expected = format!("3,5;{mark} {number} {long}");
        assert_eq!(lines.next(), Some(&*expected));
    }
    // Later messages, for which it waits.
    let hello = unique("followed by rsyslog");
    append(&log, &format!("<12>{hello}"));
    assert!(follower.until(&hello).contains(&format!("1,4;{hello}")));
}
