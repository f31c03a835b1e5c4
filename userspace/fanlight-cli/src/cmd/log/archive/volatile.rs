// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a directory is in memory, where filed logs would be lost at power-off.

use std::fs;
use std::path::{Path, PathBuf};

/// Whether a path is on a file system in memory, as far as can be found out.
pub fn in_memory(path: &Path) -> bool {
    const OVERLAYFS: u32 = 0x794c_7630;
    match kind_of(path) {
        // Files are written to the upper directory, which is often in memory above a read-only
        // root.
        Some(OVERLAYFS) => {
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
            let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            match upper_directory(&mounts, &path) {
                // It may be hidden, or be on another overlay: then it is unknown.
                Some(upper) => {
                    kind_of(&upper).is_none_or(|kind| is_memory(kind) || kind == OVERLAYFS)
                }
                None => true,
            }
        }
        kind => kind.is_some_and(is_memory),
    }
}

fn is_memory(kind: u32) -> bool {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    matches!(kind, TMPFS | RAMFS)
}

/// The magic number of a path's file system: see statfs(2).
fn kind_of(path: &Path) -> Option<u32> {
    // The type of the member depends on the architecture; the values have 32 bits.
    rustix::fs::statfs(path)
        .ok()
        .map(|found| found.f_type as u32)
}

/// The upper directory of the overlay that `path` is on, from `/proc/self/mountinfo`:
/// proc_pid_mountinfo(5).
fn upper_directory(mounts: &str, path: &Path) -> Option<PathBuf> {
    let mut found: Option<(PathBuf, Option<PathBuf>)> = None;
    for line in mounts.lines() {
        let Some((mount, file_system)) = line.split_once(" - ") else {
            continue;
        };
        let Some(point) = mount.split(' ').nth(4).map(unescaped) else {
            continue;
        };
        // A later mount hides an earlier one.
        let deeper = found
            .as_ref()
            .is_none_or(|(best, _)| point.starts_with(best));
        if !path.starts_with(&point) || !deeper {
            continue;
        }
        let mut fields = file_system.split(' ');
        let is_overlay = fields.next() == Some("overlay");
        let options = fields.nth(1).unwrap_or_default().split(',');
        let mut upper = options.filter_map(|option| option.strip_prefix("upperdir="));
        found = Some((point, upper.next().filter(|_| is_overlay).map(unescaped)));
    }
    found?.1
}

/// A path in mountinfo, which has spaces and similar characters as three octal digits.
fn unescaped(field: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|_| *first == b'\\');
        let digits = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_archive_finds_where_an_overlay_is_written_to() {
        let mounts = "\
22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/low,upperdir=/media/root-rw/up,workdir=/w
23 22 0:21 / /data\\040two rw - ext4 /dev/mmcblk0p3 rw
24 22 0:22 / /var rw shared:7 master:1 - overlay overlay rw,lowerdir=/a:/b,upperdir=/mnt/my\\040up
25 22 0:23 / /srv ro - overlay overlay ro,lowerdir=/a:/b
26 22 0:24 / /srv rw - overlay overlay rw,lowerdir=/a,upperdir=/later
";
        let upper = |path: &str| upper_directory(mounts, Path::new(path));
        assert_eq!(upper("/data/crash"), Some("/media/root-rw/up".into()));
        assert_eq!(upper("/data two/crash"), None);
        assert_eq!(upper("/var/lib/fanlight"), Some("/mnt/my up".into()));
        assert_eq!(upper("/variable"), Some("/media/root-rw/up".into()));
        assert_eq!(upper("/srv"), Some("/later".into()));
        assert_eq!(upper_directory("", Path::new("/")), None);
    }
}
