// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a node cannot be opened: what a person would look up next, looked up.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::Error;

/// Turns the error of open() or mmap() into one that says what to do.
pub(crate) fn explain(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::NoDevice {
            path: path.into(),
            hint: no_device(),
        },
        ErrorKind::PermissionDenied => Error::Permission {
            path: path.into(),
            hint: no_permission(path, &error),
        },
        _ if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
            || error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) =>
        {
            Error::NoDevice {
                path: path.into(),
                hint: no_device(),
            }
        }
        _ => Error::io(format!("open {}", path.display()), error),
    }
}

/// What to say where there is no node.
pub(crate) fn no_device() -> String {
    let mut hint = if Path::new("/sys/module/fanlight").exists() {
        String::from("no such device, though the fanlight driver is loaded: it serves what the device tree names, see 'fanlight list'")
    } else {
        String::from(
            "no such device, and the fanlight driver is not loaded: try 'modprobe fanlight'",
        )
    };
    match kernel_says() {
        Some(line) => hint.extend(["; the kernel's last word on it: ", &line]),
        None => hint.push_str("; 'dmesg | grep fanlight' may say more"),
    }
    hint
}

/// The last line of the kernel's log that names the driver, if we may read it.
fn kernel_says() -> Option<String> {
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let mut kmsg = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open("/dev/kmsg")
        .ok()?;
    let mut last = None;
    let mut record = [0; 8192];
    loop {
        match kmsg.read(&mut record) {
            Ok(0) => break,
            Ok(len) => {
                let text = String::from_utf8_lossy(&record[..len]);
                let text = text
                    .lines()
                    .next()
                    .and_then(|line| line.split_once(';'))
                    .map_or("", |(_, text)| text);
                if text.contains("fanlight") {
                    last = Some(text.to_owned());
                }
            }
            // Records were overwritten while we read; the next read goes on behind them.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(_) => break,
        }
    }
    last
}

fn no_permission(path: &Path, error: &io::Error) -> String {
    let restricted = || {
        fs::read_to_string("/proc/sys/kernel/dmesg_restrict").is_ok_and(|text| text.trim() == "1")
    };
    // EPERM comes from the driver, EACCES from the rights of the node.
    if error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error()) {
        return if restricted() {
            "the kernel's messages are for root here (kernel.dmesg_restrict is 1): use sudo, or grant CAP_SYSLOG".into()
        } else {
            "the driver does not allow this; 'fanlight list' shows each window's rights".into()
        };
    }
    match fs::metadata(path) {
        Ok(node) if node.gid() == 0 => {
            "only root may open it: use sudo, or install fanlight's udev or mdev rules, which give it a group".into()
        }
        Ok(node) => match group_name(node.gid()) {
            Some(group) => format!("it is for the group '{group}': use sudo, or 'usermod -aG {group} USER' and log in again"),
            None => format!("it is for the group with id {}: use sudo", node.gid()),
        },
        Err(_) => "use sudo".into(),
    }
}

/// The group's name in /etc/group, which is all that a small system has.
fn group_name(gid: u32) -> Option<String> {
    let mut groups = String::new();
    File::open("/etc/group")
        .ok()?
        .read_to_string(&mut groups)
        .ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    })
}
