// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes files atomically: they are complete or absent, even after a power failure.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Writes `path` through `temporary`, which is in the same directory. If this returns `Ok`, the
/// file and its name are on the disk. Otherwise neither file is created, and an existing file at
/// `path` is unchanged.
pub fn write(
    path: &Path,
    temporary: &Path,
    modified: Option<SystemTime>,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    // A power failure may have left a file. A link at this name must not be followed.
    let _ = fs::remove_file(temporary);
    let result = File::create_new(temporary).and_then(|file| {
        let mut out = BufWriter::with_capacity(16 << 10, file);
        content(&mut out)?;
        let file = out.into_inner().map_err(|error| error.into_error())?;
        if let Some(time) = modified {
            file.set_modified(time)?;
        }
        file.sync_all()?;
        fs::rename(temporary, path)
    });
    if let Err(error) = result {
        // If this fails, too, nothing more can be done.
        let _ = fs::remove_file(temporary);
        return Err(error);
    }
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// Writes the names of a directory to the disk.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let here = Path::new(".");
    let path = if path == Path::new("") { here } else { path };
    match File::open(path)?.sync_all() {
        // Some file systems cannot sync a directory.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

/// Like [`write()`], with a temporary file in the same directory; the file keeps its mode. Links
/// are followed. A special file, and a file that a process has open, such as /dev/stdout, is
/// written directly.
pub fn write_beside(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let path = match target(path)? {
        Target::File(path) => path,
        Target::Open(path) => {
            // If it was opened for appending, append.
            let append = fs::metadata(&path)?.is_file();
            let mut options = File::options();
            let file = options.write(true).append(append).open(path)?;
            let mut out = BufWriter::new(file);
            content(&mut out)?;
            return out.flush();
        }
    };
    let mode = fs::metadata(&path).map(|found| found.permissions()).ok();
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    write(&path, &path.with_file_name(name), None, |out| {
        if let Some(mode) = mode {
            out.get_ref().set_permissions(mode)?;
        }
        content(out)
    })
}

/// The target of a path.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// A regular file, or a name that does not exist yet. Not a link.
    File(PathBuf),
    /// A file that can only be opened.
    Open(PathBuf),
}

/// Follows links, except those to open files of a process, whose text need not be a valid path.
fn target(path: &Path) -> io::Result<Target> {
    /// The limit of the kernel.
    const LINKS_MAX: u32 = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                if is_proc(&path) {
                    return Ok(Target::Open(path));
                }
                let to = fs::read_link(&path)?;
                path = path.parent().unwrap_or(Path::new("")).join(to);
            }
            Ok(found) if !found.is_file() => return Ok(Target::Open(path)),
            Ok(_) => return Ok(Target::File(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Target::File(path)),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(
        rustix::io::Errno::LOOP.raw_os_error(),
    ))
}

/// Whether a path is in /proc.
fn is_proc(path: &Path) -> bool {
    const PROC: u32 = 0x9fa0;
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    // The type of the member depends on the architecture; the values have 32 bits.
    rustix::fs::statfs(directory).is_ok_and(|found| found.f_type as u32 == PROC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_files_are_whole_or_not_there() {
        let directory = std::env::temp_dir().join(format!("fanlight-store-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("file");
        let names = || fs::read_dir(&directory).unwrap().count();

        write_beside(&path, |out| out.write_all(b"old")).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names()), (b"old".to_vec(), 1));
        let full = |out: &mut BufWriter<File>| {
            out.write_all(b"half")?;
            Err(io::Error::from_raw_os_error(28))
        };
        let error = write_beside(&path, full).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(28));
        assert_eq!((fs::read(&path).unwrap(), names()), (b"old".to_vec(), 1));
        write_beside(&path, |out| out.write_all(b"new")).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names()), (b"new".to_vec(), 1));

        let nowhere = directory.join("nowhere/file");
        assert!(write_beside(&nowhere, |_| Ok(())).is_err());
        let full = write_beside(Path::new("/dev/full"), |out| out.write_all(b"x"));
        assert!(full.is_err());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn log_files_are_written_where_links_lead() {
        let directory = std::env::temp_dir().join(format!("fanlight-links-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("deep")).unwrap();
        let at = |name: &str| directory.join(name);
        let save = |path: &Path| write_beside(path, |out| out.write_all(b"saved"));
        let is_link = |path: &Path| fs::symlink_metadata(path).unwrap().is_symlink();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();

        // Links to a file, to a name that does not exist yet, and to another link.
        fs::write(at("deep/file"), "old").unwrap();
        link("deep/file", "link");
        link("deep/new", "dangling");
        link("link", "second");
        for (path, file) in [("link", "file"), ("dangling", "new"), ("second", "file")] {
            save(&at(path)).unwrap();
            assert!(is_link(&at(path)), "{path}");
            let file = at("deep").join(file);
            assert_eq!(fs::read(&file).unwrap(), b"saved");
            fs::write(&file, "old").unwrap();
        }
        link("circle", "circle");
        assert!(save(&at("circle")).is_err());

        // A file that a process has open, like /dev/stdout, and that is appended to.
        let mut open = File::options()
            .append(true)
            .create(true)
            .open(at("stdout"))
            .unwrap();
        open.write_all(b"before ").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        link(&format!("/proc/self/fd/{number}"), "dev-stdout");
        save(&at("dev-stdout")).unwrap();
        assert!(is_link(&at("dev-stdout")));
        assert_eq!(fs::read(at("stdout")).unwrap(), b"before saved");
        fs::remove_file(at("stdout")).unwrap();
        save(&at("dev-stdout")).unwrap();
        assert!(!at("stdout").exists());

        // A device is not replaced.
        link("/dev/null", "null");
        save(&at("null")).unwrap();
        assert!(is_link(&at("null")));
        let device = |path: &Path| !fs::symlink_metadata(path).unwrap().is_file();
        assert!(device(Path::new("/dev/null")));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn log_files_keep_their_mode_and_follow_no_link_to_get_there() {
        use std::os::unix::fs::PermissionsExt;
        let directory = std::env::temp_dir().join(format!("fanlight-mode-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("file");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        write_beside(&path, |out| out.write_all(b"new")).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let (victim, temporary) = (directory.join("victim"), directory.join("temporary"));
        fs::write(&victim, "not ours").unwrap();
        std::os::unix::fs::symlink(&victim, &temporary).unwrap();
        write(&path, &temporary, None, |out| out.write_all(b"newer")).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"not ours");
        assert_eq!(fs::read(&path).unwrap(), b"newer");
        fs::remove_dir_all(&directory).unwrap();
    }
}
