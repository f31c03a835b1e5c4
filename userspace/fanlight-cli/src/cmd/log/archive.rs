// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log archive`: files the logs of earlier boots, one text file each.
//!
//! A boot's log is forgotten in the region only when all of its records are in a file, and this
//! file and its name are on the disk. Its node keeps the records until the driver is unbound. The
//! name is derived from the boot, so a log that could not be forgotten is filed under the same name
//! again. Later boots may have taken some of its blocks since then, so records that are already in
//! the file are kept.

mod directory;
mod name;
mod volatile;

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use fanlight::{Ending, Instance, Record, Start};

use self::directory::{permissions, Archive, Limits, PRIVATE};
use self::name::Name;
use super::super::{Run, Texts};
use super::boot_id::Hash;
use super::boots;
use super::filed::Header;
use super::source::{Records, Source};
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
