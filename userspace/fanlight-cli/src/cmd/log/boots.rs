// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which boot's log is read, and `fanlight log --list-boots`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use fanlight::{Ending, Instance, Log, Start, WindowEntry};

use super::boot_id::{BootId, Cursor, Search};
use super::clock::Clock;
use super::reset;
use super::source::{Origin, Source};
use crate::error::{Error, Result, NOTHING};
use crate::json::{self, Seconds};
use crate::output;
use crate::target::Target;
use serde::Serialize;

#[derive(Args)]
pub struct Choice {
    /// The log of that boot
    #[arg(short, long, value_name = "BOOT")]
    boot: Option<String>,
    /// As --boot=-1
    #[arg(long)]
    previous: bool,
    /// Only records newer than the record of that cursor, those of later boots included
    #[arg(long, value_name = "CURSOR")]
    after_cursor: Option<String>,
    /// Read a file: a saved ring, or text of /dev/kmsg or --raw
    #[arg(short = 'F', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

/// What is read, in this order.
pub struct Selection {
    pub sources: Vec<Source>,
    /// Where the first of them begins.
    pub start: Start,
}

impl Selection {
    fn of(source: Source) -> Self {
        Self {
            sources: vec![source],
            start: Start::Oldest,
        }
    }
}

/// Opens what the options name.
pub fn select(choice: &Choice, target: &Target) -> Result<Selection> {
    let boot = match choice.boot.as_deref() {
        None if choice.previous => Some("-1"),
        boot => boot,
    };
    let cursor = match choice.after_cursor.as_deref() {
        None => None,
        Some(text) => Some(Cursor::parse(text).ok_or_else(|| {
            Error::Usage(format!(
                "'{text}' is no cursor; --json prints them as BOOTID:SEQ:MICROSECONDS:HASH"
            ))
        })?),
    };
    let mut selection = match (&choice.file, boot) {
        (Some(_), Some(_)) => {
            return Err(Error::Usage("--file and --boot exclude each other".into()))
        }
        (Some(path), None) => Selection::of(Source::of_file(path)?),
        (None, Some(boot)) => Selection::of(named(target, boot)?),
        (None, None) => {
            let source = running(target)?;
            match cursor {
                // The boots between the cursor's and the running one belong to it as well.
                Some(cursor) if source.is_running() && source.boot_id != Some(cursor.boot) => {
                    return since(target, cursor, source);
                }
                _ => Selection::of(source),
            }
        }
    };
    if let (Some(cursor), Some(source)) = (cursor, selection.sources.first()) {
        if source.boot_id != Some(cursor.boot) {
            return Err(Error::message(format!(
                "the cursor is of boot {}, which this log is not of",
                cursor.boot
            )));
        }
        selection.start = after(cursor, source)?;
    }
    Ok(selection)
}

fn after(cursor: Cursor, source: &Source) -> Result<Start> {
    let mut search = Search::new(cursor);
    source.each(Start::Oldest, |record| {
        search.look(record);
        Ok(())
    })?;
    Ok(search.start())
}

/// The log that is meant where no boot is named: the running boot's, or that of a named node.
fn running(target: &Target) -> Result<Source> {
    let node = target.log_node("log")?;
    let entries = target.board().and_then(|board| Ok(board.earlier_logs()?));
    let age = entries.ok().and_then(|entries| {
        let at = entries.iter().position(|entry| entry.path() == node)?;
        u32::try_from(at + 1).ok()
    });
    Source::of_node(Log::open(node)?, age)
}

/// The log of `0`, `-1` or a boot id.
fn named(target: &Target, boot: &str) -> Result<Source> {
    let board = target.board()?;
    if let Some(id) = BootId::parse(boot) {
        for entry in all(&board)? {
            let source = open(&entry)?;
            if source.boot_id == Some(id) {
                return Ok(source);
            }
        }
        return Err(Error::message(format!(
            "there is no log of boot {id}: 'fanlight log --list-boots' shows those that there are"
        )));
    }
    let number = boot.parse::<i32>().ok().filter(|number| *number <= 0);
    let Some(number) = number else {
        return Err(Error::Usage(format!(
            "'{boot}' is no boot; it is 0 for the running one, -1 for the one before and so on, or \
             a boot id"
        )));
    };
    let age = number.unsigned_abs();
    if age == 0 {
        return Source::of_node(board.log()?, None);
    }
    let mut earlier = earlier(&board)?;
    if earlier.is_empty() {
        let reason = board.persisted().filter(|reason| reason != "yes");
        return Err(Error::message(format!(
            "{} keeps no log over a reboot: {}",
            board.path().display(),
            reason.unwrap_or_else(|| "its node in the device tree has no memory-region".into())
        )));
    }
    match earlier.iter().position(|entry| entry.age == age) {
        Some(at) => open(&earlier.swap_remove(at)),
        None => {
            eprintln!("fanlight: nothing was found of boot {number}");
            Err(Error::Status(NOTHING))
        }
    }
}

/// Everything after a cursor that is not of the running boot.
fn since(target: &Target, cursor: Cursor, running: Source) -> Result<Selection> {
    let mut sources = Vec::new();
    let mut found = false;
    for entry in earlier(&target.board()?)? {
        let source = open(&entry)?;
        found = source.boot_id == Some(cursor.boot);
        if !found && source.is_empty()? {
            continue;
        }
        sources.push(source);
        if found {
            break;
        }
    }
    if !found {
        eprintln!(
            "fanlight: there is no log of boot {}, which the cursor is of: all later ones are \
             printed",
            cursor.boot
        );
    }
    sources.reverse();
    sources.push(running);
    let start = match sources.first() {
        Some(source) if found => after(cursor, source)?,
        _ => Start::Oldest,
    };
    Ok(Selection { sources, start })
}

/// A boot's node.
struct Node {
    entry: WindowEntry,
    /// How many boots ago.
    age: u32,
}

/// The nodes of earlier boots, the most recent first.
fn earlier(board: &Instance) -> Result<Vec<Node>> {
    let nodes = (1..).zip(board.earlier_logs()?);
    Ok(nodes.map(|(age, entry)| Node { entry, age }).collect())
}

/// The nodes of all boots, the running one first.
fn all(board: &Instance) -> Result<Vec<Node>> {
    let mut nodes = earlier(board)?;
    let entry = board.entry("log")?;
    nodes.insert(0, Node { entry, age: 0 });
    Ok(nodes)
}

fn open(node: &Node) -> Result<Source> {
    Source::of_node(Log::open(node.entry.path())?, Some(node.age))
}

/// The logs of earlier boots that have records and were not filed in this boot, the oldest first,
/// for the archive. One that cannot be read does not hide the others.
pub fn with_records(board: &Instance) -> Result<Vec<Result<Source>>> {
    let with_records = |node: &Node| {
        let source = open(node)?;
        let kept = source.salvaged().is_none_or(|found| found.kept);
        Ok((kept && !source.is_empty()?).then_some(source))
    };
    let nodes = earlier(board)?;
    let sources = nodes.iter().rev().map(with_records);
    Ok(sources.filter_map(Result::transpose).collect())
}

/// How much a log has, and from when to when.
#[derive(Default)]
pub struct Extent {
    pub records: u64,
    /// Nanoseconds since boot.
    pub first: u64,
    pub last: u64,
}

impl Extent {
    pub fn of(source: &Source) -> Result<Self> {
        let mut extent = Self::default();
        source.each(Start::Oldest, |record| {
            if extent.records == 0 {
                extent.first = record.ns;
            }
            extent.records += 1;
            extent.last = record.ns;
            Ok(())
        })?;
        Ok(extent)
    }
}

/// How a boot is called in messages. The most recent one that is left need not be the previous one.
pub fn name(source: &Source) -> String {
    match &source.origin {
        Origin::Running => "the running boot".to_owned(),
        Origin::Earlier { found, .. } if found.boots_ago == Some(1) => {
            "the previous boot".to_owned()
        }
        Origin::Earlier { age: Some(age), .. } => format!("boot -{age}"),
        Origin::Earlier { age: None, .. } => "that boot".to_owned(),
        Origin::Image | Origin::Text(_) => "the boot of the file".to_owned(),
    }
}

/// Why the hardware was reset, if that ended this boot and is known. What it reports is about the
/// last reset: it says nothing of a boot that others have followed.
pub fn reason(source: &Source) -> Option<String> {
    let found = source.salvaged()?;
    let ended = found.boots_ago == Some(1) && found.ending == Ending::Reset;
    ended.then(|| reset::reason(Path::new("/sys")))?
}

/// One boot as --list-boots shows it.
struct Row {
    index: i64,
    source: Source,
    clock: Clock,
    extent: Extent,
}

/// `fanlight log --list-boots`.
pub fn list(as_json: bool, target: &Target) -> Result<()> {
    let mut rows = Vec::new();
    for node in all(&target.board()?)? {
        let source = open(&node)?;
        let extent = Extent::of(&source)?;
        // An empty node of an earlier boot is one that nothing was found of.
        if extent.records > 0 || source.is_running() {
            rows.push(Row {
                index: -i64::from(node.age),
                clock: source.clock(),
                source,
                extent,
            });
        }
    }
    rows.reverse();
    let mut out = output::stdout();
    if as_json {
        let boots = rows.iter().map(Object::of).collect();
        json::line(&mut out, &Document { boots })?;
    } else {
        let head = [
            "IDX",
            "BOOT ID",
            "FIRST RECORD",
            "LAST RECORD",
            "ENDING",
            "RECORDS",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines.extend(rows.iter().map(Row::line));
        output::table(&mut out, &lines)?;
    }
    Ok(out.flush()?)
}

impl Row {
    fn ending(&self) -> String {
        match self.source.salvaged() {
            Some(found) => found.ending.to_string(),
            None => "running".to_owned(),
        }
    }

    fn boot_id(&self) -> Option<String> {
        self.source.boot_id.map(|id| id.to_string())
    }

    fn line(&self) -> Vec<String> {
        // Without dates as --since reads it: seconds since boot.
        let date = |ns: u64| {
            let seconds = || format!("+{}.{:06}", ns / 1_000_000_000, ns / 1000 % 1_000_000);
            match self.extent.records {
                0 => "-".to_owned(),
                _ => self.clock.iso_seconds(ns).unwrap_or_else(seconds),
            }
        };
        let ending = match reason(&self.source) {
            Some(reason) => format!("{} ({reason})", self.ending()),
            None => self.ending(),
        };
        vec![
            self.index.to_string(),
            self.boot_id().unwrap_or_else(|| "-".to_owned()),
            date(self.extent.first),
            date(self.extent.last),
            ending,
            self.extent.records.to_string(),
        ]
    }
}

#[derive(Serialize)]
struct Document {
    boots: Vec<Object>,
}

/// A boot as an object.
#[derive(Serialize)]
struct Object {
    index: i64,
    boot_id: Option<String>,
    first: Option<String>,
    last: Option<String>,
    first_time: Option<Seconds>,
    last_time: Option<Seconds>,
    ending: String,
    reason: Option<String>,
    records: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged: Option<u64>,
}

impl Object {
    fn of(row: &Row) -> Self {
        let some = row.extent.records > 0;
        // Readers of JSON expect a point where ISO 8601 prefers the comma.
        let date = |ns| Some(row.clock.iso(ns).filter(|_| some)?.replace(',', "."));
        let time = |ns| some.then_some(Seconds(ns));
        let found = row.source.salvaged();
        Self {
            index: row.index,
            boot_id: row.boot_id(),
            first: date(row.extent.first),
            last: date(row.extent.last),
            first_time: time(row.extent.first),
            last_time: time(row.extent.last),
            ending: row.ending(),
            reason: reason(&row.source),
            records: row.extent.records,
            missing: found.map(|found| found.missing),
            damaged: found.map(|found| found.damaged),
        }
    }
}
