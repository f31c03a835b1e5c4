// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds out why a node cannot be opened: looks up what a user would look up next.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::Error;

/// Converts the error of open() or mmap() to one that names the remedy.
pub(crate) fn explain(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::NoDevice {
            path: path.into(),
            hint: no_device(path),
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
                hint: no_device(path),
            }
        }
        _ => Error::io(format!("open {}", path.display()), error),
    }
}

/// The text for a node or an instance's directory that does not exist.
pub(crate) fn no_device(path: &Path) -> String {
    let mut hint = if Path::new("/sys/module/fanlight").exists() {
        String::from(
            "no such device, although the fanlight driver is loaded: only devices of the \
             device tree exist, see 'fanlight list'",
        )
    } else {
        String::from(
            "no such device, and the fanlight driver is not loaded: try 'modprobe fanlight'",
        )
    };
    match kernel_says(path) {
        Some(line) => hint.extend(["; the kernel's last message about it: ", &line]),
        None => hint.push_str("; see 'dmesg | grep fanlight'"),
    }
    hint
}

/// The name of the instance in a path.
fn instance_of(path: &Path) -> Option<&str> {
    let is_instance = |name: &&str| {
        name.strip_prefix("fanlight")
            .is_some_and(|number| number.parse::<u32>().is_ok())
    };
    path.iter()
        .filter_map(|part| part.to_str())
        .find(is_instance)
}

/// The kernel's name for the device of an instance: from sysfs while the instance has windows,
/// otherwise from the alias.
fn device_of(instance: &str) -> Option<String> {
    let prefix = format!("{instance}-");
    let mut windows = fs::read_dir("/sys/class/misc").ok()?.flatten();
    let window = windows.find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    if let Some(window) = window {
        let device = fs::canonicalize(window.path().join("device")).ok()?;
        return Some(device.file_name()?.to_str()?.to_owned());
    }
    let alias = fs::read_to_string(format!("/proc/device-tree/aliases/{instance}")).ok()?;
    Some(alias.trim_end_matches('\0').rsplit('/').next()?.to_owned())
}

/// Whether a message of the kernel is about `device`, and about `window` if that is given.
fn is_about(message: &str, device: Option<&str>, window: Option<&str>) -> bool {
    let Some(device) = device else {
        return message.contains("fanlight");
    };
    let Some((_, text)) = message.split_once(&format!("fanlight {device}: ")) else {
        return false;
    };
    match (window, text.strip_prefix("window ")) {
        (Some(name), Some(text)) => text.starts_with(&format!("{name}: ")),
        _ => true,
    }
}

/// The last message of the kernel about the device or window of this path, if it can be read.
fn kernel_says(path: &Path) -> Option<String> {
    let instance = instance_of(path);
    let device = instance.and_then(device_of);
    if device.is_none() && Path::new("/dev/fanlight0").exists() {
        // Messages about other devices do not give the reason.
        return None;
    }
    let window = path.file_name().and_then(|name| name.to_str());
    let window = window.filter(|name| Some(*name) != instance);
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let mut kmsg = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open("/dev/kmsg")
        .ok()?;
    let mut said = Reason::default();
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
                if is_about(text, device.as_deref(), window) {
                    said.take(text);
                }
            }
            // Records were overwritten before they were read; the next read continues after them.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(_) => break,
        }
    }
    said.text
}

/// The last message with a reason, or the last message if none has one: when a probe fails, the
/// kernel prints a line with the error number after the driver's line.
#[derive(Default)]
struct Reason {
    text: Option<String>,
    given: bool,
}

impl Reason {
    fn take(&mut self, message: &str) {
        let given = !message.contains(": probe with driver ");
        if given || !self.given {
            self.text = Some(message.to_owned());
            self.given = given;
        }
    }
}

fn no_permission(path: &Path, error: &io::Error) -> String {
    let restricted = || {
        fs::read_to_string("/proc/sys/kernel/dmesg_restrict").is_ok_and(|text| text.trim() == "1")
    };
    // EPERM comes from the driver, EACCES from the permissions of the node.
    if error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error()) {
        return if restricted() {
            "only root may read the kernel's messages (kernel.dmesg_restrict is 1): use sudo, or \
             grant CAP_SYSLOG"
                .into()
        } else {
            "the driver does not allow this; 'fanlight list' shows each window's rights".into()
        };
    }
    match fs::metadata(path) {
        Ok(node) if node.gid() == 0 => {
            "only root may open it: use sudo, or install fanlight's udev or mdev rules, which \
             give it a group"
                .into()
        }
        Ok(node) => match group_name(node.gid()) {
            Some(group) => format!(
                "only the group '{group}' may open it: use sudo, or 'usermod -aG {group} USER' and \
                 log in again"
            ),
            None => format!(
                "only the group with id {} may open it: use sudo",
                node.gid()
            ),
        },
        Err(_) => "use sudo".into(),
    }
}

/// The group's name in /etc/group, the only source on a small system.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn board_message_of_another_node_is_not_quoted() {
        let refused = "fanlight fanlight-b: window w: size is 0 (node /fanlight-b/w)";
        assert!(is_about(refused, Some("fanlight-b"), Some("w")));
        assert!(is_about(refused, Some("fanlight-b"), None));
        assert!(!is_about(refused, Some("fanlight"), Some("w")));
        assert!(!is_about(refused, Some("fanlight-b"), Some("v")));
        let failed = "fanlight fanlight-b: probe with driver fanlight failed with error -22";
        assert!(is_about(failed, Some("fanlight-b"), Some("v")));
    }

    #[test]
    fn board_reason_is_the_line_that_has_one() {
        let refused = "fanlight fanlight: window regs: cannot translate reg";
        let failed = "fanlight fanlight: probe with driver fanlight failed with error -22";
        let said = |messages: &[&str]| {
            let mut reason = Reason::default();
            messages.iter().for_each(|message| reason.take(message));
            reason.text
        };
        assert_eq!(said(&[refused, failed]).as_deref(), Some(refused));
        assert_eq!(said(&[failed, refused]).as_deref(), Some(refused));
        assert_eq!(said(&[failed]).as_deref(), Some(failed));
        assert_eq!(said(&[]), None);
    }

    #[test]
    fn board_of_a_path_is_found() {
        assert_eq!(
            instance_of(Path::new("/dev/fanlight9/w")),
            Some("fanlight9")
        );
        assert_eq!(instance_of(Path::new("/dev/fanlight9")), Some("fanlight9"));
        assert_eq!(instance_of(Path::new("/dev/fb0")), None);
    }
}
