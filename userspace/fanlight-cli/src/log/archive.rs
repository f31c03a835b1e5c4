// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log archive`: files the logs of earlier boots, one text file each, and clears them.
//!
//! A boot's log is cleared only when its file and the file's name are on the disk. The name is made
//! of the boot, so that a log which could not be cleared is filed under the same name again.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fanlight::{Ending, Start};

use super::boot_id::BootId;
use super::boots::{self, Extent};
use super::source::{self, Records, Source};
use super::store;
use crate::args::Matches;
use crate::error::{plain, Error, Result, FAILURE};
use crate::{number, output, target};

pub fn run(matches: &Matches) -> Result<()> {
    let directory = PathBuf::from(matches.operands().first().cloned().unwrap_or_default());
    let limits = Limits {
        files: matches.value("max-files")?,
        bytes: matches.text("max-size")?.map(number::integer).transpose()?,
    };
    let mut sources = Vec::new();
    for board in target::boards(matches)? {
        let directory = board.path().file_name().unwrap_or_default();
        let name = directory.to_string_lossy().into_owned();
        let found = boots::with_records(&board)?;
        sources.extend(found.into_iter().map(|source| (name.clone(), source)));
    }
    if sources.is_empty() && !directory.is_dir() {
        return Ok(());
    }
    let archive = Archive::open(directory, matches.has("volatile"))?;
    let mut out = output::stdout();
    let mut failed = false;
    let mut written = Vec::new();
    for (board, source) in &sources {
        match file(&archive, board, source) {
            Ok((name, records)) => {
                let path = archive.directory.join(&name);
                writeln!(
                    out,
                    "the log of {} is filed as {}: {records} records",
                    boots::name(source),
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

/// Files one boot's log, and then clears it. Returns the file's name and the number of records.
fn file(archive: &Archive, board: &str, source: &Source) -> Result<(String, u64)> {
    let Records::Ring(log) = &source.records else {
        return Err(Error::message("this is not a boot's log"));
    };
    let extent = Extent::of(source)?;
    let ending = source
        .salvaged()
        .map_or(Ending::Unknown, |found| found.ending);
    let boot = match source.boot_id {
        Some(id) => id.to_string(),
        None => nameless(source)?,
    };
    let date = source.clock().compact_utc(extent.last);
    let name = Name {
        board: board.to_owned(),
        boot,
        ending: ending.to_string(),
    };
    let file = name.file(date.as_deref());
    let group = fs::metadata(log.path()).ok().map(|node| node.gid());
    archive
        .store(&file, &name, group, |out| {
            let offset = source.clock().offset();
            out.write_all(source::header(source.boot_id, &name.ending, offset).as_bytes())?;
            let written = source.each(Start::Oldest, |record| Ok(record.write_kmsg(true, out)?));
            written.map_err(|error| match error {
                Error::Output(error) => error,
                Error::Library(error) => io::Error::other(error.to_string()),
                _ => io::ErrorKind::Other.into(),
            })
        })
        .map_err(|error| {
            Error::message(format!(
                "cannot file the log of {} as {}: {}",
                boots::name(source),
                archive.directory.join(&file).display(),
                plain(&error)
            ))
        })?;
    log.clear()?;
    Ok((file, extent.records))
}

/// What stands for the boot id where there is none: a hash of the records (FNV-1a).
fn nameless(source: &Source) -> Result<String> {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    source.each(Start::Oldest, |record| {
        let numbers = record
            .seq
            .to_le_bytes()
            .into_iter()
            .chain(record.ns.to_le_bytes());
        for byte in numbers.chain(record.text.iter().copied()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    })?;
    Ok(format!("x{hash:016x}"))
}

/// What a file's name says, beside the date: `fanlight0-20261120T133633Z-BOOT-panic.log`.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    /// Two boards have logs of the same boot.
    board: String,
    boot: String,
    ending: String,
}

impl Name {
    /// The whole name, with the date of the last record if it is known.
    fn file(&self, date: Option<&str>) -> String {
        let date = date.map(|date| format!("{date}-")).unwrap_or_default();
        format!("{}-{date}{}-{}.log", self.board, self.boot, self.ending)
    }

    /// Takes a name apart; `None` for files that are not the archive's.
    fn of(file: &str) -> Option<Self> {
        let (board, rest) = file.strip_suffix(".log")?.split_once('-')?;
        let (rest, ending) = rest.rsplit_once('-')?;
        board.strip_prefix("fanlight")?.parse::<u32>().ok()?;
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
            board: board.to_owned(),
            boot: boot.to_owned(),
            ending: ending.to_owned(),
        })
    }
}

/// How much the archive may hold.
#[derive(Default)]
struct Limits {
    files: Option<usize>,
    bytes: Option<u64>,
}

/// A directory of filed logs.
struct Archive {
    directory: PathBuf,
}

/// A filed log.
struct Filed {
    file: String,
    name: Name,
    modified: SystemTime,
    bytes: u64,
}

impl Archive {
    /// The name that a file has until it is whole.
    const TEMPORARY: &str = ".fanlight-archive.new";

    /// Opens the directory, and makes it if it is missing. Its parent must be there: where no disk
    /// is mounted, the file would end up in memory or on the root file system.
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
                "{} is in memory: what is filed there is lost at power-off, so the logs stay where \
                 they are (--volatile files them nevertheless)",
                directory.display()
            )));
        }
        if !exists {
            fs::create_dir(&directory).map_err(|error| failed("create", error))?;
            let synced = store::sync_directory(nearest);
            synced.map_err(|error| failed("create", error))?;
        }
        // What a power failure left behind.
        let _ = fs::remove_file(directory.join(Self::TEMPORARY));
        Ok(Self { directory })
    }

    /// The filed logs, those that go first at the front: by age, and panics last.
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
            });
        }
        files.sort_by(|a, b| {
            let key = |filed: &Filed| (filed.name.ending == "panic", filed.modified);
            key(a).cmp(&key(b)).then_with(|| a.file.cmp(&b.file))
        });
        Ok(files)
    }

    /// Writes one file, which `group` may read and others may not, as with the node. If the same boot
    /// has been filed under another name, that file goes.
    fn store(
        &self,
        file: &str,
        name: &Name,
        group: Option<u32>,
        content: impl FnOnce(&mut io::BufWriter<fs::File>) -> io::Result<()>,
    ) -> io::Result<()> {
        let before = self.files()?;
        // Age is told by the time of modification. A board without a clock of its own begins each
        // boot at the same date, so the new file is made younger than all others.
        let newest = before.iter().map(|filed| filed.modified).max();
        let now = SystemTime::now();
        let modified = newest.map_or(now, |newest| now.max(newest + Duration::from_secs(2)));
        let temporary = self.directory.join(Self::TEMPORARY);
        let attributes = store::Attributes {
            mode: 0o640,
            group,
            modified: Some(modified),
        };
        store::write(&self.directory.join(file), &temporary, &attributes, content)?;
        for other in before {
            let same = (&other.name.board, &other.name.boot) == (&name.board, &name.boot);
            if same && other.file != file {
                fs::remove_file(self.directory.join(&other.file))?;
            }
        }
        Ok(())
    }

    /// Removes files until the limits are kept, but none of `written`. Returns what was removed.
    fn prune(&self, limits: &Limits, written: &[String]) -> Result<Vec<String>> {
        let failed = |error: io::Error| {
            let error = plain(&error);
            Error::message(format!("cannot tidy {}: {error}", self.directory.display()))
        };
        let files = self.files().map_err(failed)?;
        let mut count = files.len();
        let mut bytes: u64 = files.iter().map(|filed| filed.bytes).sum();
        let mut removed = Vec::new();
        for filed in files {
            let exceeded = limits.files.is_some_and(|most| count > most)
                || limits.bytes.is_some_and(|most| bytes > most);
            if !exceeded {
                break;
            }
            if written.contains(&filed.file) {
                continue;
            }
            fs::remove_file(self.directory.join(&filed.file)).map_err(failed)?;
            count -= 1;
            bytes -= filed.bytes;
            removed.push(filed.file);
        }
        if !removed.is_empty() {
            store::sync_directory(&self.directory).map_err(failed)?;
        }
        Ok(removed)
    }
}

/// Whether a path is on a file system that is gone at power-off.
fn in_memory(path: &Path) -> bool {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    // The type of the member depends on the architecture; the values have 32 bits.
    rustix::fs::statfs(path).is_ok_and(|found| matches!(found.f_type as u32, TMPFS | RAMFS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c1";

    fn name(boot: u32, ending: &str) -> Name {
        Name {
            board: "fanlight0".into(),
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
            self.0.store(&file, &name, None, write).unwrap();
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
            (hash.board.as_str(), hash.boot.as_str()),
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
        // The same boot by another name: the old one goes.
        let other = scratch.file(1, "unknown", 10);
        assert_eq!(scratch.names().join(" "), other);
        // The same boot on another board is another log.
        let second = Name {
            board: "fanlight1".into(),
            ..name(1, "unknown")
        };
        let file = second.file(None);
        scratch.0.store(&file, &second, None, |_| Ok(())).unwrap();
        assert_eq!(scratch.names(), [other, file]);
    }

    #[test]
    fn log_archive_files_are_not_for_everybody() {
        let scratch = Scratch::new("mode");
        let file = scratch.file(1, "panic", 10);
        let found = fs::metadata(scratch.0.directory.join(file)).unwrap();
        assert_eq!(found.mode() & 0o137, 0);
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
        // What was just written stays, whatever the limits are.
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
    fn log_archive_ages_do_not_depend_on_the_clock() {
        let scratch = Scratch::new("clock");
        let old = scratch.file(1, "clean", 1);
        // The clock was an hour ahead then.
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
        let error = scratch.0.store(&file, &name, None, full);
        assert_eq!(error.unwrap_err().raw_os_error(), Some(28));
        assert_eq!(fs::read_dir(&scratch.0.directory).unwrap().count(), 0);
        // What a power failure left is removed by the next run.
        let left = scratch.0.directory.join(Archive::TEMPORARY);
        fs::write(&left, "half").unwrap();
        Archive::open(scratch.0.directory.clone(), true).unwrap();
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
}
