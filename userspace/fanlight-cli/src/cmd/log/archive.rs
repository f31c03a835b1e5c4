// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log archive`: files the logs of earlier boots, one text file each.
//!
//! A boot's log is forgotten in the region only when all of its records are in a file, and this
//! file and its name are on the disk. Its node keeps the records until the driver is unbound. The
//! name is derived from the boot, so a log that could not be forgotten is filed under the same name
//! again. Later boots may have taken some of its blocks since then, so records that are already in
//! the file are kept.
//!
//! One run at a time uses the directory; others wait. The lock is on a file that only root can
//! open, since every process that can open a file can lock it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{fchown, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, ValueHint};
use fanlight::{Ending, Instance, Record, Start};
use rustix::fs::{flock, FlockOperation};

use super::super::{Run, Texts};
use super::boot_id::{BootId, Hash};
use super::boots;
use super::clock::Clock;
use super::filed::{self, Header};
use super::source::{self, Records, Source};
use super::store;
use crate::error::{plain, Error, Result, FAILURE};
use crate::target::Target;
use crate::{number, output};

#[derive(Args)]
pub struct ArchiveCommand {
    /// The directory; it is created if only its last part is missing
    #[arg(value_hint = ValueHint::DirPath)]
    directory: PathBuf,
    /// Keep at most N files
    #[arg(long, value_name = "N")]
    max_files: Option<String>,
    /// Keep at most SIZE bytes: 500000, 512K or 4M
    #[arg(long, value_name = "SIZE")]
    max_size: Option<String>,
    /// Allow a directory in a file system in memory
    #[arg(long)]
    volatile: bool,
}

impl Run for ArchiveCommand {
    const NAME: &'static str = "archive";
    const SUMMARY: &'static str = "File the logs of earlier boots, and make room for later ones";
    const TEXTS: Texts = Texts {
        about: &[
            "The log of each boot becomes a text file, named by date, boot id and ending, for \
             --file: a line about the boot, then its records as /dev/kmsg prints them. Then its \
             space in the persistent region is freed. A file that exists never loses a record. \
             Beyond a limit the oldest files are removed, but none that was just written, and one \
             of a panic only if there are too many of panics alone. The group of the node may \
             read the files, unless kernel.dmesg_restrict is set.",
        ],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let bytes = self.max_size.as_deref().map(number::integer);
        let limits = Limits {
            files: number::count("max-files", self.max_files.as_deref())?,
            bytes: bytes.transpose()?,
        };
        let instances = target.instances()?;
        if !self.directory.is_dir() && sources(&instances)?.is_empty() {
            return Ok(());
        }
        let archive = Archive::open(self.directory, self.volatile)?;
        if permissions() == PRIVATE {
            archive.withdraw()?;
        }
        // Read now, because another run may have filed and forgotten logs while this one waited.
        let sources = sources(&instances)?;
        let mut out = output::stdout();
        let mut failed = false;
        let mut written = Vec::new();
        for (instance, source) in sources {
            let filed = source.and_then(|source| {
                let filed = file(&archive, &instance, &source)?;
                Ok(filed.map(|(name, records)| (boots::name(&source), name, records)))
            });
            match filed {
                // Cleared after it was listed.
                Ok(None) => {}
                Ok(Some((boot, name, records))) => {
                    let path = archive.directory.join(&name);
                    writeln!(
                        out,
                        "the log of {boot} is filed as {}: {records} records",
                        path.display()
                    )?;
                    written.push(name);
                }
                Err(error) => {
                    out.flush()?;
                    error.report("fanlight log archive");
                    failed = true;
                }
            }
        }
        for name in archive.prune(&limits, &written)? {
            writeln!(out, "{name} is removed: the limits are exceeded")?;
        }
        out.flush()?;
        match failed {
            true => Err(Error::Status(FAILURE)),
            false => Ok(()),
        }
    }
}

/// The logs of earlier boots that have records or cannot be read, each with the name of its
/// instance.
fn sources(instances: &[Instance]) -> Result<Vec<(String, Result<Source>)>> {
    let mut sources = Vec::new();
    for instance in instances {
        let directory = instance.path().file_name().unwrap_or_default();
        let name = directory.to_string_lossy().into_owned();
        let found = boots::with_records(instance)?;
        sources.extend(found.into_iter().map(|source| (name.clone(), source)));
    }
    Ok(sources)
}

/// The permissions of a filed log that the group of its node may read.
const SHARED: u32 = 0o640;
/// The permissions if only root may read the kernel's records from the node.
const PRIVATE: u32 = 0o600;

/// The permissions of filed logs now. If `kernel.dmesg_restrict` is set, the group of a node must
/// not read kernel messages from the node, nor from these files; the same if the setting is
/// unknown.
fn permissions() -> u32 {
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

/// Files one boot's log, and then forgets it. Returns the file's name and the number of its
/// records; `None` if there is nothing to file.
fn file(archive: &Archive, instance: &str, source: &Source) -> Result<Option<(String, usize)>> {
    let Records::Ring(log) = &source.records else {
        return Err(Error::message("this is not a boot's log"));
    };
    let mut records = Vec::new();
    source.each(Start::Oldest, |record| {
        let mut record = record.clone().into_owned();
        // The numbers show the losses.
        record.lost = 0;
        records.push(record);
        Ok(())
    })?;
    if records.is_empty() {
        return Ok(None);
    }
    let header = Header {
        boot_id: source.boot_id,
        wall: source.wall_clock(),
        callers: Some(source.shows_callers()),
        ended: source.ended(),
    };
    let ending = header
        .ended
        .as_ref()
        .map_or(Ending::Unknown, |ended| ended.ending);
    let boot = match source.boot_id {
        Some(id) => id.to_string(),
        None => nameless(&records),
    };
    let name = Name {
        instance: instance.to_owned(),
        boot,
        ending: ending.to_string(),
    };
    let node = fs::metadata(log.path()).ok();
    let group = node.and_then(|node| (node.mode() & 0o040 != 0).then(|| node.gid()));
    let filed = archive.file(name, header, records, group);
    let (file, count) = filed.map_err(|error| {
        Error::message(format!(
            "cannot file the log of {} in {}: {}",
            boots::name(source),
            archive.directory.display(),
            plain(&error)
        ))
    })?;
    // Its node keeps the records until the driver is unbound.
    log.forget()?;
    Ok(Some((file, count)))
}

/// A replacement for a missing boot id: a hash of the records.
fn nameless(records: &[Record<'_>]) -> String {
    let mut hash = Hash::new();
    for record in records {
        hash.add(&record.seq.to_le_bytes());
        hash.add(&record.ns.to_le_bytes());
        hash.add(&record.text);
    }
    format!("x{:016x}", hash.0)
}

/// The parts of a file's name except the date: `fanlight0-20261120T133633Z-BOOT-panic.log`.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    /// The instance: two instances can have logs of the same boot.
    instance: String,
    boot: String,
    ending: String,
}

impl Name {
    /// The name, with the date of the last record if it is known.
    fn file(&self, date: Option<&str>) -> String {
        let date = date.map(|date| format!("{date}-")).unwrap_or_default();
        format!("{}-{date}{}-{}.log", self.instance, self.boot, self.ending)
    }

    fn is_of_the_boot_of(&self, other: &Self) -> bool {
        (&self.instance, &self.boot) == (&other.instance, &other.boot)
    }

    /// Parses a name; `None` for other files than those of the archive.
    fn of(file: &str) -> Option<Self> {
        let (instance, rest) = file.strip_suffix(".log")?.split_once('-')?;
        let (rest, ending) = rest.rsplit_once('-')?;
        instance.strip_prefix("fanlight")?.parse::<u32>().ok()?;
        let is_boot = |boot: &str| {
            let hash = boot.strip_prefix('x');
            BootId::parse(boot).is_some_and(|id| id.to_string() == boot)
                || hash.is_some_and(|hash| {
                    hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                })
        };
        let boot = match rest.split_once('-') {
            Some((date, boot)) if date.ends_with('Z') && is_boot(boot) => boot,
            _ if is_boot(rest) => rest,
            _ => return None,
        };
        matches!(ending, "panic" | "clean" | "reset" | "unknown" | "none").then(|| Self {
            instance: instance.to_owned(),
            boot: boot.to_owned(),
            ending: ending.to_owned(),
        })
    }
}

/// The limits of the archive.
#[derive(Default)]
struct Limits {
    files: Option<usize>,
    bytes: Option<u64>,
}

/// A directory of filed logs, which no other run uses at the same time.
struct Archive {
    directory: PathBuf,
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
    fn open(directory: PathBuf, volatile: bool) -> Result<Self> {
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
    fn withdraw(&self) -> Result<()> {
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
    fn file(
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
    fn prune(&self, limits: &Limits, written: &[String]) -> Result<Vec<String>> {
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

/// Whether a path is on a file system in memory, as far as can be found out.
fn in_memory(path: &Path) -> bool {
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
    use fanlight::WallClock;

    use super::filed::Ended;
    use super::*;

    const BOOT: &str = "0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c1";

    fn name(boot: u32, ending: &str) -> Name {
        Name {
            instance: "fanlight0".into(),
            boot: format!("{BOOT}{boot:x}"),
            ending: ending.to_owned(),
        }
    }

    struct Scratch(Archive);

    impl Scratch {
        fn new(name: &str) -> Self {
            let directory = std::env::temp_dir()
                .join(format!("fanlight-archive-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&directory);
            Self(Archive::open(directory, true).unwrap())
        }

        /// Files a log of that many bytes.
        fn file(&self, boot: u32, ending: &str, bytes: usize) -> String {
            let name = name(boot, ending);
            let file = name.file(None);
            let write = |out: &mut io::BufWriter<fs::File>| out.write_all(&vec![b'x'; bytes]);
            self.0.store(&file, &name, write).unwrap();
            file
        }

        fn names(&self) -> Vec<String> {
            let files = self.0.files().unwrap();
            files.into_iter().map(|filed| filed.file).collect()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.directory);
        }
    }

    #[test]
    fn log_archive_names_say_boot_and_ending() {
        let name = name(1, "panic");
        let dated = name.file(Some("20261120T133633Z"));
        assert_eq!(
            dated,
            format!("fanlight0-20261120T133633Z-{BOOT}1-panic.log")
        );
        assert_eq!(Name::of(&dated).as_ref(), Some(&name));
        assert_eq!(Name::of(&name.file(None)), Some(name));
        let hash = Name::of("fanlight12-x0123456789abcdef-reset.log").unwrap();
        assert_eq!(
            (hash.instance.as_str(), hash.boot.as_str()),
            ("fanlight12", "x0123456789abcdef")
        );
        for other in [
            "fanlight.log",
            "fanlight0-panic.log",
            "fanlight0-notes-panic.log",
            "fanlight0-x0123-panic.log",
            "fanlight-x0123456789abcdef-reset.log",
            "syslog0-x0123456789abcdef-reset.log",
            "fanlight0-x0123456789abcdef-reset.log.1",
            "fanlight0-x0123456789abcdef-crash.log",
        ] {
            assert_eq!(Name::of(other), None, "{other}");
        }
    }

    #[test]
    fn log_archive_twice_makes_no_second_file() {
        let scratch = Scratch::new("twice");
        let first = scratch.file(1, "panic", 10);
        assert_eq!(scratch.file(1, "panic", 10), first);
        assert_eq!(scratch.names(), [first]);
        // The same boot with another name: the old file is removed.
        let other = scratch.file(1, "unknown", 10);
        assert_eq!(scratch.names().join(" "), other);
        // The same boot's log of another instance is another log.
        let second = Name {
            instance: "fanlight1".into(),
            ..name(1, "unknown")
        };
        let file = second.file(None);
        scratch.0.store(&file, &second, |_| Ok(())).unwrap();
        assert_eq!(scratch.names(), [other, file]);
    }

    #[test]
    fn log_archive_limits_take_the_oldest_and_panics_last() {
        let scratch = Scratch::new("limits");
        let panic = scratch.file(1, "panic", 100);
        let clean: Vec<String> = (2..6)
            .map(|boot| scratch.file(boot, "clean", 100))
            .collect();
        fs::write(scratch.0.directory.join("notes.txt"), "not ours").unwrap();
        let limits = |files, bytes| Limits { files, bytes };

        let removed = scratch.0.prune(&limits(Some(5), None), &[]).unwrap();
        assert_eq!(removed, [""; 0]);
        let removed = scratch.0.prune(&limits(Some(3), None), &[]).unwrap();
        assert_eq!(removed, clean[..2]);
        let removed = scratch.0.prune(&limits(None, Some(250)), &[]).unwrap();
        assert_eq!(removed, clean[2..3]);
        // Files of this run stay, whatever the limits are.
        let written = clean[3..].to_vec();
        let removed = scratch
            .0
            .prune(&limits(Some(0), Some(0)), &written)
            .unwrap();
        assert_eq!(removed, [panic]);
        assert_eq!(scratch.names(), written);
        assert!(scratch.0.directory.join("notes.txt").exists());
    }

    #[test]
    fn log_archive_limits_remove_a_panic_only_for_a_later_one() {
        let scratch = Scratch::new("panics");
        let panics: Vec<String> = (1..4)
            .map(|boot| scratch.file(boot, "panic", 100))
            .collect();
        let limits = Limits {
            files: Some(3),
            bytes: Some(300),
        };
        let prune = |written: &str| scratch.0.prune(&limits, &[written.to_owned()]).unwrap();
        // A file of this run stays until the next one.
        let clean = scratch.file(4, "clean", 100);
        assert_eq!(prune(&clean), [""; 0]);
        let reset = scratch.file(5, "reset", 100);
        assert_eq!(prune(&reset), [clean]);
        let panic = scratch.file(6, "panic", 100);
        assert_eq!(prune(&panic), [reset, panics[0].clone()]);
    }

    #[test]
    fn log_archive_is_read_by_a_group_only_where_it_may_read_the_node() {
        let restrict = |value: &str| mode(Some(value.to_owned()));
        assert_eq!(restrict("0\n"), SHARED);
        assert_eq!(restrict("1\n"), PRIVATE);
        assert_eq!(mode(None), PRIVATE);
        let scratch = Scratch::new("restricted");
        let file = scratch.file(1, "panic", 10);
        let path = scratch.0.directory.join(file);
        let other = scratch.0.directory.join("notes.txt");
        fs::write(&other, "not ours").unwrap();
        for path in [&path, &other] {
            fs::set_permissions(path, fs::Permissions::from_mode(SHARED)).unwrap();
        }
        scratch.0.withdraw().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(&other)), (PRIVATE, SHARED));
    }

    #[test]
    fn log_archive_does_not_wait_for_who_can_only_read_the_directory() {
        let scratch = Scratch::new("locked");
        let directory = scratch.0.directory.clone();
        drop(scratch);
        fs::create_dir(&directory).unwrap();
        let held = fs::File::open(&directory).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let at = directory.clone();
        std::thread::spawn(move || sender.send(Archive::open(at, true).is_ok()));
        let opened = receiver.recv_timeout(Duration::from_secs(60));
        assert_eq!(opened, Ok(true));
        let lock = fs::metadata(directory.join(Archive::LOCK)).unwrap();
        assert_eq!(lock.mode() & 0o777, PRIVATE);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn log_archive_ages_do_not_depend_on_the_clock() {
        let scratch = Scratch::new("clock");
        let old = scratch.file(1, "clean", 1);
        // The clock was an hour ahead at that time.
        let later = SystemTime::now() + Duration::from_secs(3600);
        let file = fs::File::options()
            .write(true)
            .open(scratch.0.directory.join(&old))
            .unwrap();
        file.set_modified(later).unwrap();
        let new = scratch.file(2, "clean", 1);
        assert_eq!(scratch.names(), [old, new]);
    }

    #[test]
    fn log_archive_leaves_nothing_of_a_file_that_failed() {
        let scratch = Scratch::new("full");
        let name = name(1, "panic");
        let file = name.file(None);
        let full = |out: &mut io::BufWriter<fs::File>| {
            out.write_all(b"half")?;
            Err(io::Error::from_raw_os_error(28))
        };
        let error = scratch.0.store(&file, &name, full);
        assert_eq!(error.unwrap_err().raw_os_error(), Some(28));
        let left = fs::read_dir(&scratch.0.directory).unwrap().flatten();
        let left = left.filter(|entry| entry.file_name() != Archive::LOCK);
        assert_eq!(left.count(), 0);
        // The next run removes what a power failure has left.
        let directory = scratch.0.directory.clone();
        let left = directory.join(format!("{}1", Archive::TEMPORARY));
        drop(scratch);
        fs::create_dir(&directory).unwrap();
        fs::write(&left, "half").unwrap();
        drop(Archive::open(directory.clone(), true).unwrap());
        assert!(!left.exists());
        fs::remove_dir_all(directory).unwrap();
    }

    fn records(numbers: std::ops::Range<u64>) -> Vec<Record<'static>> {
        let text = |n: u64| format!("record {n}\nand \\ its second line").into_bytes();
        numbers
            .map(|n| {
                let mut record = Record::new(n, n * 1_000_000, fanlight::Level::Info, b"");
                record.text = text(n).into();
                record
            })
            .collect()
    }

    fn header(ending: &str) -> Header {
        Header {
            boot_id: None,
            wall: Some(WallClock::from_offset(7)),
            callers: None,
            ended: Some(Ended {
                ending: ending.parse().unwrap(),
                missing: 0,
                damaged: 0,
                reason: None,
            }),
        }
    }

    fn numbers(scratch: &Scratch, file: &str) -> Vec<u64> {
        let (records, _) = scratch.0.read(file).unwrap();
        records.iter().map(|record| record.seq).collect()
    }

    #[test]
    fn log_archive_never_shrinks_a_file() {
        let scratch = Scratch::new("shrink");
        let file = |ending: &str, numbers| {
            let filed = scratch
                .0
                .file(name(1, ending), header(ending), records(numbers), None);
            filed.unwrap()
        };
        let (panic, count) = file("panic", 10..30);
        assert_eq!(count, 20);
        // Forgetting failed, and a later boot has taken the oldest blocks, or all but one record,
        // or the block with the ending.
        for (ending, numbers) in [("panic", 15..30), ("panic", 29..30), ("reset", 12..20)] {
            assert_eq!(file(ending, numbers), (panic.clone(), 20));
        }
        assert_eq!(
            self::numbers(&scratch, &panic),
            (10..30).collect::<Vec<_>>()
        );
        // A damaged file gets the records that the log still has.
        let path = scratch.0.directory.join(&panic);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let (again, count) = file("panic", 15..30);
        assert_eq!(count, 20);
        assert_eq!(
            self::numbers(&scratch, &again),
            (10..30).collect::<Vec<_>>()
        );
        assert_eq!(fs::read(scratch.0.directory.join(&again)).unwrap(), whole);
        fs::write(scratch.0.directory.join(&again), "").unwrap();
        let (again, count) = file("panic", 15..30);
        assert_eq!((count, scratch.names()), (15, vec![again]));
    }

    #[test]
    fn log_archive_without_locks_leaves_the_files_of_others() {
        let mut scratch = Scratch::new("no-lock");
        scratch.0.lock = None;
        let at = |process: &str| {
            let name = format!("{}{process}", Archive::TEMPORARY);
            scratch.0.directory.join(name)
        };
        // Process 1 runs; there is no process with the other number.
        let (running, gone) = (at("1"), at("4194305"));
        for path in [&running, &gone] {
            fs::write(path, "half").unwrap();
        }
        scratch.0.remove_temporaries();
        assert!(running.exists() && !gone.exists());
    }

    #[test]
    fn log_archive_runs_wait_for_each_other() {
        let scratch = Scratch::new("lock");
        let directory = scratch.0.directory.clone();
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let archive = Archive::open(directory, true);
            sender.send("the second has it").unwrap();
            archive.map(drop).unwrap();
        });
        // Its temporary file still exists, and the run continues.
        let left = scratch.0.directory.join(format!("{}1", Archive::TEMPORARY));
        fs::write(&left, "half").unwrap();
        let early = receiver.recv_timeout(Duration::from_millis(300));
        assert!(early.is_err(), "{early:?}");
        assert!(left.exists());
        let Scratch(archive) = &scratch;
        flock(archive.lock.as_ref().unwrap(), FlockOperation::Unlock).unwrap();
        assert_eq!(receiver.recv(), Ok("the second has it"));
        thread.join().unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn log_archive_makes_one_directory_and_none_in_memory() {
        let scratch = Scratch::new("where");
        let deep = scratch.0.directory.join("missing/crash");
        assert!(Archive::open(deep, true).is_err());
        let shm = Path::new("/dev/shm");
        if in_memory(shm) {
            let error = Archive::open(shm.join("fanlight-crash"), false).err();
            assert!(matches!(error, Some(Error::Message(text)) if text.contains("--volatile")));
            assert!(!shm.join("fanlight-crash").exists());
        }
        assert!(!in_memory(Path::new("/proc")));
    }

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
