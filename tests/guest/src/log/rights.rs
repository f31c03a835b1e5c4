// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may read the kernel's messages: kernel.dmesg_restrict and CAP_SYSLOG, as for /dev/kmsg.

use std::fs;
use std::os::unix::fs::{chown, PermissionsExt};

use libc::{MAP_SHARED, O_NONBLOCK, O_RDONLY};

use crate::support::child::{Child, Signal};
use crate::support::dev::LOG;
use crate::support::log::{append, unique, Messages};
use crate::support::mem::{Map, R};
use crate::support::sys::{self, Ended, Errno};
use crate::tests;

tests! {
    levels:
        log_rights_restricted_read_needs_cap_syslog_as_for_dev_kmsg,
        log_rights_restricted_map_needs_cap_syslog,
        log_rights_unrestricted_read_and_map_need_the_node_only,
        log_rights_restricted_users_read_what_users_wrote,
        log_rights_of_a_passed_descriptor_do_not_grow;
}

const SWITCH: &str = "/proc/sys/kernel/dmesg_restrict";
const NOBODY: u32 = 65534;

/// Sets dmesg_restrict and allows all users to open the node, until this is dropped.
struct Restricted {
    before: String,
    path: String,
}

impl Restricted {
    fn set(value: &str) -> Self {
        let before = fs::read_to_string(SWITCH).unwrap_or_else(|_| crate::skip!("no {SWITCH}"));
        fs::write(SWITCH, value).expect(SWITCH);
        let path = LOG.path();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions("/dev/kmsg", fs::Permissions::from_mode(0o666)).unwrap();
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        Self { before, path }
    }
}

impl Drop for Restricted {
    fn drop(&mut self) {
        let _ = fs::write(SWITCH, &self.before);
        let _ = chown(&self.path, Some(0), Some(0));
        let _ = fs::set_permissions(&self.path, fs::Permissions::from_mode(0o660));
        let _ = fs::set_permissions("/dev/kmsg", fs::Permissions::from_mode(0o644));
    }
}

/// Runs a part of a test as a user with no capabilities.
fn as_user_without_rights(body: impl FnOnce()) {
    let child = Child::spawn(|| {
        sys::become_user(NOBODY, &[]);
        body();
        0
    });
    assert_eq!(child.wait(), Ended::Exit(0));
}

/// The kernel's messages that can be read from here.
fn kernel_messages(path: &str) -> Result<usize, Errno> {
    let log = Messages {
        fd: sys::open(path, O_RDONLY | O_NONBLOCK)?,
    };
    let mut count = 0;
    loop {
        match log.next() {
            // Facility 0, and not written by a user.
            Ok(message) => {
                count += usize::from(message.split(',').next().unwrap().parse::<u32>().unwrap() < 8)
            }
            Err(Errno::EPIPE) => {}
            Err(Errno::EAGAIN) => return Ok(count),
            Err(other) => return Err(other),
        }
    }
}

fn log_rights_restricted_read_needs_cap_syslog_as_for_dev_kmsg() {
    let restricted = Restricted::set("1");
    as_user_without_rights(|| {
        assert_eq!(kernel_messages("/dev/kmsg"), Err(Errno::EPERM));
        let ours = kernel_messages(&restricted.path);
        assert!([Ok(0), Err(Errno::EPERM)].contains(&ours), "{ours:?}");
    });
    assert!(
        kernel_messages(&restricted.path).unwrap() > 10,
        "root reads them"
    );
}

fn log_rights_restricted_map_needs_cap_syslog() {
    let restricted = Restricted::set("1");
    as_user_without_rights(|| {
        let Ok(fd) = sys::open(&restricted.path, O_RDONLY) else {
            return;
        };
        use std::os::fd::AsRawFd;
        let refused = Map::new(fd.as_raw_fd(), LOG.size, R, MAP_SHARED, 0)
            .expect_err("a map of the kernel's log");
        assert!(
            [Errno::EPERM, Errno::EACCES].contains(&refused),
            "{refused:?}"
        );
    });
    assert!(
        Map::shared(LOG.open().raw(), LOG.size, R).is_ok(),
        "root maps it"
    );
}

fn log_rights_unrestricted_read_and_map_need_the_node_only() {
    let restricted = Restricted::set("0");
    as_user_without_rights(|| {
        assert!(kernel_messages("/dev/kmsg").unwrap() > 10);
        assert!(kernel_messages(&restricted.path).unwrap() > 10);
        let log = LOG.open_with(O_RDONLY);
        assert!(Map::shared(log.raw(), LOG.size, R).is_ok());
    });
}

fn log_rights_restricted_users_read_what_users_wrote() {
    let restricted = Restricted::set("1");
    let hello = unique("from a user to a user");
    append(&LOG.open(), &hello);
    as_user_without_rights(|| {
        let fd = sys::open(&restricted.path, O_RDONLY | O_NONBLOCK)
            .expect("open, as the node's mode says");
        let messages = Messages { fd }.all();
        assert!(messages.iter().any(|message| message.contains(&hello)));
        assert!(messages.iter().all(|message| priority(message) >= 8));
    });
}

fn log_rights_of_a_passed_descriptor_do_not_grow() {
    // As for /dev/kmsg, open() decides: a process to which root passes an open descriptor may map
    // it.
    let log = LOG.open_with(O_RDONLY);
    let restricted = Restricted::set("1");
    as_user_without_rights(|| {
        assert!(Map::shared(log.raw(), LOG.size, R).is_ok());
    });
    // A descriptor that a restricted user has opened stays restricted when the user could now open
    // the node without restriction.
    let (ready, go) = (Signal::new(), Signal::new());
    let user = Child::spawn(|| {
        sys::become_user(NOBODY, &[]);
        let log = LOG.open_with(O_RDONLY | O_NONBLOCK);
        ready.send();
        go.wait();
        let refused = Map::shared(log.raw(), LOG.size, R).expect_err("a map");
        assert_eq!(refused, Errno::EPERM);
        let messages = Messages { fd: log.fd }.all();
        assert!(messages.iter().all(|message| priority(message) >= 8));
        0
    });
    ready.wait();
    fs::write(SWITCH, "0").expect(SWITCH);
    go.send();
    assert_eq!(user.wait(), Ended::Exit(0));
    drop(restricted);
}

/// Level and facility of a message; the kernel's facility is 0.
fn priority(message: &str) -> u32 {
    let field = message.split(',').next();
    field
        .and_then(|field| field.parse().ok())
        .expect("a priority")
}
