// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that are there whole or not at all, also after a power failure.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{fchown, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

/// What a file has beside its content.
pub struct Attributes {
    /// Its mode, less the umask.
    pub mode: u32,
    /// Its group, where the caller may give it away.
    pub group: Option<u32>,
    pub modified: Option<SystemTime>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            mode: 0o666,
            group: None,
            modified: None,
        }
    }
}

/// Writes `path` by way of `temporary`, which is in the same directory. When this returns `Ok`, the
/// file and its name are on the disk; otherwise neither of the two files is there, and a file that
/// was at `path` before is as it was.
pub fn write(
    path: &Path,
    temporary: &Path,
    attributes: &Attributes,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    options.mode(attributes.mode);
    let result = options.open(temporary).and_then(|file| {
        if attributes.group.is_some() {
            // Without it, fewer may read the file.
            let _ = fchown(&file, None, attributes.group);
        }
        let mut out = BufWriter::with_capacity(16 << 10, file);
        content(&mut out)?;
        let file = out.into_inner().map_err(|error| error.into_error())?;
        if let Some(time) = attributes.modified {
            file.set_modified(time)?;
        }
        file.sync_all()?;
        fs::rename(temporary, path)
    });
    if let Err(error) = result {
        // Where not even this works, there is nothing left to do.
        let _ = fs::remove_file(temporary);
        return Err(error);
    }
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// Brings a directory's names to the disk.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let here = Path::new(".");
    let path = if path == Path::new("") { here } else { path };
    match File::open(path)?.sync_all() {
        // Some file systems cannot sync a directory by itself.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

/// As [`write`], with a temporary file beside the file itself. What is no regular file, such as
/// /dev/stdout, is written directly.
pub fn write_beside(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let file = fs::OpenOptions::new().write(true).open(path)?;
        let mut out = BufWriter::new(file);
        content(&mut out)?;
        return out.flush();
    }
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let attributes = Attributes::default();
    write(path, &path.with_file_name(name), &attributes, content)
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
}
