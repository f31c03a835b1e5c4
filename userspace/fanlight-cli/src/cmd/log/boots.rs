// SPDX-License-Identifier: MIT OR Apache-2.0
//! Selects the boot whose log is read; `fanlight log --list-boots`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use fanlight::{Instance, Log, Start, WindowEntry};

use super::boot_id::{BootId, Cursor, Search};
use super::clock::Clock;
use super::source::{Origin, Source};
use crate::error::{Error, Result, NOTHING};
use crate::json::{self, Seconds};
use crate::output;
use crate::target::Target;
use serde::Serialize;

#[derive(Args)]
pub struct Choice {
    /// Print the log of BOOT
    #[arg(short, long, value_name = "BOOT")]
    boot: Option<String>,
    /// Same as --boot=-1
    #[arg(long)]
    previous: bool,
    /// Print only records after the record of CURSOR, those of later boots included
    #[arg(long, value_name = "CURSOR")]
    after_cursor: Option<String>,
    /// Read a file: a saved ring, or text of /dev/kmsg or --raw
    #[arg(short = 'F', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

/// The logs to read, in this order.
pub struct Selection {
    pub sources: Vec<Source>,
    /// Where reading starts in the first one.
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
                "'{text}' is not a cursor; --json prints them as BOOTID:SEQ:MICROSECONDS:HASH"
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
                // Includes the boots between the cursor's boot and the running one.
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
                "the cursor belongs to boot {}, but this log is of another boot",
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

/// The default log: that of the running boot, or of a named node.
fn running(target: &Target) -> Result<Source> {
    let node = target.log_node("log")?;
    let entries = target
        .instance()
        .and_then(|instance| Ok(instance.earlier_logs()?));
    let age = entries.ok().and_then(|entries| {
        let at = entries.iter().position(|entry| entry.path() == node)?;
        u32::try_from(at + 1).ok()
    });
    Source::of_node(Log::open(node)?, age)
}

/// The log of `0`, `-1` or a boot id.
fn named(target: &Target, boot: &str) -> Result<Source> {
    let instance = target.instance()?;
    if let Some(id) = BootId::parse(boot) {
        for entry in all(&instance)? {
            let source = open(&entry)?;
            if source.boot_id == Some(id) {
                return Ok(source);
            }
        }
        return Err(Error::message(format!(
            "there is no log of boot {id}: 'fanlight log --list-boots' shows the existing ones"
        )));
    }
    let number = boot.parse::<i32>().ok().filter(|number| *number <= 0);
    let Some(number) = number else {
        return Err(Error::Usage(format!(
            "'{boot}' is not a boot; use 0 for the running one, -1 for the one before and so on, \
             or a boot id"
        )));
    };
    let age = number.unsigned_abs();
    if age == 0 {
        return Source::of_node(instance.log()?, None);
    }
    let mut earlier = earlier(&instance)?;
    if earlier.is_empty() {
        let reason = instance.persisted().filter(|reason| reason != "yes");
        return Err(Error::message(format!(
            "{} keeps no log over a reboot: {}",
            instance.path().display(),
            reason.unwrap_or_else(|| "its node in the device tree has no memory-region".into())
        )));
    }
    match earlier.iter().position(|entry| entry.age == age) {
        Some(at) => open(&earlier.swap_remove(at)),
        None => {
            eprintln!("fanlight: no log of boot {number} was found");
            Err(Error::Status(NOTHING))
        }
    }
}

/// All records after a cursor of an earlier boot.
fn since(target: &Target, cursor: Cursor, running: Source) -> Result<Selection> {
    let mut sources = Vec::new();
    let mut found = false;
    for entry in earlier(&target.instance()?)? {
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
            "fanlight: there is no log of boot {}, to which the cursor belongs: all later ones are \
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

/// The nodes of earlier boots, the newest first.
fn earlier(instance: &Instance) -> Result<Vec<Node>> {
    let nodes = (1..).zip(instance.earlier_logs()?);
    Ok(nodes.map(|(age, entry)| Node { entry, age }).collect())
}

/// The nodes of all boots, the running one first.
fn all(instance: &Instance) -> Result<Vec<Node>> {
    let mut nodes = earlier(instance)?;
    let entry = instance.entry("log")?;
    nodes.insert(0, Node { entry, age: 0 });
    Ok(nodes)
}

fn open(node: &Node) -> Result<Source> {
    Source::of_node(Log::open(node.entry.path())?, Some(node.age))
}

/// The logs of earlier boots that have records and were not filed in this boot, the oldest first,
/// for the archive. A log that cannot be read does not hide the others.
pub fn with_records(instance: &Instance) -> Result<Vec<Result<Source>>> {
    let with_records = |node: &Node| {
        let source = open(node)?;
        let kept = source.salvaged().is_none_or(|found| found.kept);
        Ok((kept && !source.is_empty()?).then_some(source))
    };
    let nodes = earlier(instance)?;
    let sources = nodes.iter().rev().map(with_records);
    Ok(sources.filter_map(Result::transpose).collect())
}

/// The number of records of a log, and their first and last time.
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

/// The name of a boot in messages. The newest earlier boot need not be the previous one.
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

/// One row of --list-boots.
struct Row {
    index: i64,
    source: Source,
    clock: Clock,
    extent: Extent,
}

/// `fanlight log --list-boots`.
pub fn list(as_json: bool, target: &Target) -> Result<()> {
    let mut rows = Vec::new();
    for node in all(&target.instance()?)? {
        let source = open(&node)?;
        let extent = Extent::of(&source)?;
        // An empty log of an earlier boot means that no log was found.
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
        // Without dates: seconds since boot, which --since accepts.
        let date = |ns: u64| {
            let seconds = || format!("+{}.{:06}", ns / 1_000_000_000, ns / 1000 % 1_000_000);
            match self.extent.records {
                0 => "-".to_owned(),
                _ => self.clock.iso_seconds(ns).unwrap_or_else(seconds),
            }
        };
        let ending = match self.source.reset_reason() {
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

/// A boot as a JSON object.
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
            reason: row.source.reset_reason(),
            records: row.extent.records,
            missing: found.map(|found| found.missing),
            damaged: found.map(|found| found.damaged),
        }
    }
}
