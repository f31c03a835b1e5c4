// SPDX-License-Identifier: MIT OR Apache-2.0
//! The directory of filed logs.
//!
//! One run at a time uses the directory; others wait. The lock is on a file that only root can
//! open, since every process that can open a file can lock it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{fchown, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fanlight::{Ending, Record};
use rustix::fs::{flock, FlockOperation};

use super::super::clock::Clock;
use super::super::filed::{self, Header};
use super::super::{source, store};
use super::name::Name;
use super::volatile::in_memory;
use crate::error::{plain, Error, Result};

/// The permissions of a filed log that the group of its node may read.
const SHARED: u32 = 0o640;
/// The permissions if only root may read the kernel's records from the node.
pub const PRIVATE: u32 = 0o600;

/// The permissions of filed logs now. If `kernel.dmesg_restrict` is set, the group of a node must
/// not read kernel messages from the node, nor from these files; the same if the setting is
/// unknown.
pub fn permissions() -> u32 {
    mode(fs::read_to_string("/proc/sys/kernel/dmesg_restrict").ok())
}

fn mode(restrict: Option<String>) -> u32 {
    match restrict.as_deref().map(str::trim) {
        Some("0") => SHARED,
        _ => PRIVATE,
    }
}

/// Protects a file from users who may not read the node that it comes from.
fn protect(file: &fs::File, mode: u32, group: Option<u32>) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    if group.is_some() {
        // If that is not allowed, fewer users can read the file.
        let _ = fchown(file, None, group);
    }
    Ok(())
}

/// The limits of the archive.
#[derive(Default)]
pub struct Limits {
    pub files: Option<usize>,
    pub bytes: Option<u64>,
}

/// A directory of filed logs, which no other run uses at the same time.
pub struct Archive {
    pub directory: PathBuf,
    /// A file in it, which is locked until it is closed; `None` if it cannot be locked.
    lock: Option<fs::File>,
}

/// A filed log.
struct Filed {
    file: String,
    name: Name,
    modified: SystemTime,
    bytes: u64,
    mode: u32,
}

impl Filed {
    fn is_panic(&self) -> bool {
        self.name.ending == "panic"
    }
}

impl Archive {
    /// The name of an incomplete file, which the process id follows.
    const TEMPORARY: &str = ".fanlight-archive.";
    /// The lock file.
    const LOCK: &str = ".fanlight-archive-lock";

    /// Opens the directory, and creates it if it is missing. Its parent must exist: if no disk is
    /// mounted there, the files would end up in memory or on the root file system.
    pub fn open(directory: PathBuf, volatile: bool) -> Result<Self> {
        let failed = |what: &str, error: io::Error| {
            let error = plain(&error);
            Error::message(format!("cannot {what} {}: {error}", directory.display()))
        };
        let exists = directory.is_dir();
        let nearest = match directory.parent() {
            Some(parent) if !exists && parent != Path::new("") => parent,
            None | Some(_) if exists => &directory,
            _ => Path::new("."),
        };
        if !volatile && in_memory(nearest) {
            return Err(Error::message(format!(
                "{} is in memory, or on an overlay that may be in memory: files there are lost at \
                 power-off, so the logs are not filed (--volatile files them anyway)",
                directory.display()
            )));
        }
        if !exists {
            match fs::create_dir(&directory) {
                // Another run has created it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(|error| failed("create", error))?,
            }
            let synced = store::sync_directory(nearest);
            synced.map_err(|error| failed("create", error))?;
        }
        let lock = lock(&directory).map_err(|error| failed("lock", error))?;
        let archive = Self { directory, lock };
        archive.remove_temporaries();
        Ok(archive)
    }

    /// Removes the group's permission from files that were filed while the group was allowed to
    /// read them.
    pub fn withdraw(&self) -> Result<()> {
        for filed in self.files().map_err(|error| self.cannot_tidy(&error))? {
            let path = self.directory.join(&filed.file);
            if filed.mode & 0o077 != 0 {
                fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE))
                    .map_err(|error| self.cannot_tidy(&error))?;
            }
        }
        Ok(())
    }

    fn cannot_tidy(&self, error: &io::Error) -> Error {
        let error = plain(error);
        Error::message(format!("cannot tidy {}: {error}", self.directory.display()))
    }

    /// Removes temporary files that a power failure has left.
    fn remove_temporaries(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        for entry in entries.flatten() {
            let file = entry.file_name();
            let Some(process) = file.to_str().and_then(|f| f.strip_prefix(Self::TEMPORARY)) else {
                continue;
            };
            // Without a lock, another run may be using the file.
            if self.lock.is_some() || !Path::new("/proc").join(process).exists() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Writes the records of a boot to one file on the disk, together with those that earlier runs
    /// have filed of that boot. `group` may read it. Returns the file's name and the number of its
    /// records.
    pub fn file(
        &self,
        mut name: Name,
        mut header: Header,
        records: Vec<Record<'static>>,
        group: Option<u32>,
    ) -> io::Result<(String, usize)> {
        let mut all: BTreeMap<u64, Record<'static>> = BTreeMap::new();
        let mut before = Vec::new();
        for filed in self.files()? {
            if filed.name.is_of_the_boot_of(&name) {
                let (records, known) = self.read(&filed.file)?;
                header.wall = filed::merge(header.wall, known.wall);
                // The ending is in the newest blocks of the region only, which may be gone.
                if filed.name.ending == Ending::Panic.to_string() {
                    name.ending.clone_from(&filed.name.ending);
                    header.ended = known.ended.or(header.ended);
                }
                all.extend(records.iter().map(|record| (record.seq, record.clone())));
                before.push((filed, records));
            }
        }
        all.extend(records.into_iter().map(|record| (record.seq, record)));
        let has_all = |records: &[Record<'_>]| records.iter().eq(all.values());
        if let Some((filed, _)) = before.iter().find(|(_, records)| has_all(records)) {
            if group.is_none() {
                let private = fs::Permissions::from_mode(PRIVATE);
                fs::set_permissions(self.directory.join(&filed.file), private)?;
            }
            store::sync_directory(&self.directory)?;
            return Ok((filed.file.clone(), all.len()));
        }
        let last = all.last_key_value().map_or(0, |(_, record)| record.ns);
        let file = name.file(Clock::new(header.wall.clone()).compact_utc(last).as_deref());
        self.store(&file, &name, |out| {
            let mode = group.map_or(PRIVATE, |_| permissions());
            protect(out.get_ref(), mode, group)?;
            out.write_all(header.line().as_bytes())?;
            all.values()
                .try_for_each(|record| filed::write_record(record, out))
        })?;
        let (written, _) = self.read(&file)?;
        if !has_all(&written) {
            let (written, all) = (written.len(), all.len());
            return Err(io::Error::other(format!(
                "only {written} of {all} records are in {file}"
            )));
        }
        Ok((file, all.len()))
    }

    /// The records and the header of a filed log.
    fn read(&self, file: &str) -> io::Result<(Vec<Record<'static>>, Header)> {
        source::archived(&self.directory.join(file)).map_err(|error| match error {
            Error::Message(text) => io::Error::other(text),
            _ => io::ErrorKind::InvalidData.into(),
        })
    }

    /// The filed logs in the order of their removal: by age, and panics last.
    fn files(&self) -> io::Result<Vec<Filed>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let Some(file) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let (Some(name), Ok(found)) = (Name::of(&file), entry.metadata()) else {
                continue;
            };
            files.push(Filed {
                file,
                name,
                modified: found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                bytes: found.len(),
                mode: found.mode(),
            });
        }
        files.sort_by(|a, b| {
            let key = |filed: &Filed| (filed.is_panic(), filed.modified);
            key(a).cmp(&key(b)).then_with(|| a.file.cmp(&b.file))
        });
        Ok(files)
    }

    /// Writes one file. If the same boot was filed under another name, removes that file.
    fn store(
        &self,
        file: &str,
        name: &Name,
        content: impl FnOnce(&mut io::BufWriter<fs::File>) -> io::Result<()>,
    ) -> io::Result<()> {
        let before = self.files()?;
        // The time of modification gives the age. A board without a real-time clock begins each
        // boot at the same date, so the new file gets a later time than all others.
        let newest = before.iter().map(|filed| filed.modified).max();
        let now = SystemTime::now();
        let modified = newest.map_or(now, |newest| now.max(newest + Duration::from_secs(2)));
        let temporary = format!("{}{}", Self::TEMPORARY, std::process::id());
        let temporary = self.directory.join(temporary);
        store::write(
            &self.directory.join(file),
            &temporary,
            Some(modified),
            content,
        )?;
        for other in before {
            if other.name.is_of_the_boot_of(name) && other.file != file {
                fs::remove_file(self.directory.join(&other.file))?;
            }
        }
        Ok(())
    }

    /// Removes files until the limits are met, but none of `written`. Logs of panics are removed
    /// only for later panics: if they already reach the limits, other logs of this run exceed them,
    /// and are removed in the next run. Returns the removed files.
    pub fn prune(&self, limits: &Limits, written: &[String]) -> Result<Vec<String>> {
        let files = self.files().map_err(|error| self.cannot_tidy(&error))?;
        let mut all = Amount::of(files.iter());
        let mut panics = Amount::of(files.iter().filter(|filed| filed.is_panic()));
        let mut removed = Vec::new();
        for filed in files {
            let counted = if filed.is_panic() { &panics } else { &all };
            if written.contains(&filed.file) || !counted.exceeds(limits) {
                continue;
            }
            fs::remove_file(self.directory.join(&filed.file))
                .map_err(|error| self.cannot_tidy(&error))?;
            all.subtract(&filed);
            if filed.is_panic() {
                panics.subtract(&filed);
            }
            removed.push(filed.file);
        }
        if !removed.is_empty() {
            store::sync_directory(&self.directory).map_err(|error| self.cannot_tidy(&error))?;
        }
        Ok(removed)
    }
}

/// The number and the size of filed logs.
struct Amount {
    files: usize,
    bytes: u64,
}

impl Amount {
    fn of<'a>(filed: impl Iterator<Item = &'a Filed>) -> Self {
        filed.fold(Self { files: 0, bytes: 0 }, |sum, filed| Self {
            files: sum.files + 1,
            bytes: sum.bytes + filed.bytes,
        })
    }

    fn subtract(&mut self, filed: &Filed) {
        self.files -= 1;
        self.bytes -= filed.bytes;
    }

    fn exceeds(&self, limits: &Limits) -> bool {
        limits.files.is_some_and(|most| self.files > most)
            || limits.bytes.is_some_and(|most| self.bytes > most)
    }
}

/// Locks the directory for this process until the file is closed. Waits for other processes.
///
/// Locks are not available in a kernel without `CONFIG_FILE_LOCKING`, in some file systems, and in
/// one that is full or read-only. Two runs at once are then still safe: each reads a log before it
/// reads the files, and each file is complete before its log is forgotten. So a run that finds a
/// log partly forgotten adds its records to a complete file.
fn lock(directory: &Path) -> io::Result<Option<fs::File>> {
    use rustix::io::Errno;
    let file = fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(directory.join(Archive::LOCK));
    let file = match file.map_err(|error| (Errno::from_io_error(&error), error)) {
        Ok(file) => file,
        // The failure is reported for each log that cannot be filed.
        Err((Some(Errno::ROFS | Errno::NOSPC | Errno::DQUOT), _)) => return Ok(None),
        Err((_, error)) => return Err(error),
    };
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => return Ok(None),
            result => return Ok(result.map(|()| Some(file))?),
        }
    }
}

#[cfg(test)]
mod tests;
