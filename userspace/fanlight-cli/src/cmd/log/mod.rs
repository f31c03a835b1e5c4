// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log`: prints the log.

mod archive;
mod boot_id;
mod boots;
mod calendar;
mod clock;
mod export;
mod filed;
mod filter;
mod follow;
mod format;
mod reset;
mod save;
mod source;
mod stamp;
mod store;
mod when;
mod write;
mod zone;

use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use fanlight::{Ending, Reader, Record, Start};

use super::{Entry, Run, Texts};
use crate::error::{Error, Result, NOTHING};
use crate::target::Target;
use crate::{number, output};
use boots::Choice;
use clock::Clock;
use filter::{Filter, Filters};
use format::{Format, Forms};
use source::{Origin, Records, Source};

#[derive(Args)]
pub struct Log {
    /// Wait for more records, and print them when they come
    #[arg(short = 'w', long)]
    follow: bool,
    /// Like --follow, but print only new records
    #[arg(short = 'W', long)]
    follow_new: bool,
    /// Print only the last N records
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<String>,
    #[command(flatten)]
    choice: Choice,
    /// List the boots whose logs exist
    #[arg(long)]
    list_boots: bool,
    /// With --boot: clear the log of that earlier boot
    #[arg(short = 'C', long)]
    clear: bool,
    /// Save the ring for --file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    save: Option<PathBuf>,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    forms: Forms,
}

impl Run for Log {
    const NAME: &'static str = "log";
    const SUMMARY: &'static str = "Print the log";
    const TEXTS: Texts = Texts {
        about: &[
            "Short options are those of dmesg, or of journalctl if dmesg has none. Records that \
             were overwritten before they could be read are counted on standard error.",
            "LIST is names or numbers, separated by commas. For levels, err+ means err and all \
             levels that are more severe, and +err means err and all that are less severe.",
            "BOOT is 0 for the running boot, -1 for the newest earlier boot that has a log, \
             -2 for the one before that and so on, or a boot id.",
            "CURSOR is printed with each record by --json and --output=export. It stays valid when \
             the driver is bound again.",
            "WHEN is a date in any form that this command prints, with or without an offset or Z \
             after it (2026-11-20, '2026-11-20 13:36:33+01:00', 13:36), now, today, yesterday, \
             tomorrow, '5 min ago', -5min, +5min, @SECONDS since 1970, or +SECONDS since boot, \
             which is the only form for a log whose dates are unknown.",
            "A record has the same date whenever it is printed, unless the clock was wrong and is \
             then set.",
        ],
        examples: &[
            (
                "fanlight log -w -l warn+",
                "print warnings and more severe records when they come",
            ),
            (
                "fanlight log --since '5 min ago' --grep 'usb.*error'",
                "search",
            ),
            (
                "fanlight log -b -1 -T -n 20",
                "print the end of the previous boot",
            ),
            ("fanlight log --boot=-1 --json", "print it for a program"),
        ],
        statuses: &[(2, "no record matched, or no log of that boot was found")],
    };
    const COMMANDS: &'static [Entry] = &[
        Entry::of::<write::Write>(),
        Entry::of::<archive::ArchiveCommand>(),
    ];

    fn run(self, target: &Target) -> Result<()> {
        if self.list_boots {
            return boots::list(self.forms.json, target);
        }
        let format = Format::new(&self.forms)?;
        let lines = lines(self.lines.as_deref())?;
        let selection = boots::select(&self.choice, target)?;
        let Some(last) = selection.sources.last() else {
            return Ok(());
        };
        if self.clear {
            return clear(last);
        }
        if let Some(path) = &self.save {
            return save::run(last, path);
        }
        let follow = self.follow || self.follow_new;
        // The log of an earlier boot, and text, do not grow.
        let grows = matches!(last.records, Records::Ring(_)) && last.salvaged().is_none();
        if follow && !grows {
            return Err(Error::Usage(
                "only the running boot's log and a saved ring can be followed".into(),
            ));
        }
        let mut start = match self.follow_new {
            true => Start::Newest,
            false => selection.start,
        };
        let mut printer = Printer {
            format,
            out: output::stdout(),
            boots: Vec::new(),
            printed: false,
            last: lines.map(|most| (most, VecDeque::new())),
        };
        let mut reader = None;
        for source in &selection.sources {
            printer.begin(&self.filters, source)?;
            reader = printer.print(source, start)?;
            if start != Start::Newest {
                start = Start::Oldest;
            }
        }
        printer.flush()?;
        if let (true, Some(mut reader)) = (follow, reader) {
            loop {
                follow::wait(&mut reader, !last.is_running())?;
                // The clock may have been set while this program waited.
                printer.update_clock();
                reader.drain(|record| printer.record(record))?;
                printer.flush()?;
            }
        }
        let earlier = printer.summarize()?;
        let filtered = printer.boots.iter().any(|boot| boot.filter.is_asked_for());
        if !printer.printed && (filtered || earlier) {
            return Err(Error::Status(NOTHING));
        }
        Ok(())
    }
}

/// --lines: the maximum number of records, counted from the newest.
fn lines(text: Option<&str>) -> Result<Option<usize>> {
    number::count("lines", text.filter(|text| *text != "all"))
}

fn clear(source: &Source) -> Result<()> {
    match (&source.records, &source.origin) {
        (Records::Ring(log), Origin::Earlier { .. }) => Ok(log.clear()?),
        _ => Err(Error::Usage(
            "--clear can clear only an earlier boot's log: add --boot=-1".into(),
        )),
    }
}

/// One boot's log that is printed.
struct Boot<'a> {
    source: &'a Source,
    clock: Clock,
    filter: Filter,
    callers: bool,
}

/// Prints records.
struct Printer<'a, W: Write> {
    format: Format,
    out: W,
    /// The last one is that of the next records.
    boots: Vec<Boot<'a>>,
    printed: bool,
    /// The newest records, at most the number of --lines, each with the index of its boot.
    last: Option<(usize, VecDeque<(usize, Record<'static>)>)>,
}

impl<'a, W: Write> Printer<'a, W> {
    fn begin(&mut self, filters: &Filters, source: &'a Source) -> Result<()> {
        let clock = source.clock();
        let filter = Filter::new(filters, &clock, || source.newest())?;
        if let (false, Some(text)) = (clock.knows_dates(), self.format.without_dates()) {
            eprintln!("fanlight: {text}");
        }
        let callers = self.format.shows_callers() && source.shows_callers();
        self.boots.push(Boot {
            source,
            clock,
            filter,
            callers,
        });
        Ok(())
    }

    /// Prints the current records, and returns the reader for later ones if this is a ring.
    fn print(&mut self, source: &'a Source, start: Start) -> Result<Option<Reader>> {
        let Records::Ring(log) = &source.records else {
            source.each(start, |record| self.record(record))?;
            return Ok(None);
        };
        let mut reader = log.reader(start)?;
        reader.drain(|record| self.record(record))?;
        Ok(Some(reader))
    }

    fn record(&mut self, record: &Record<'_>) -> Result<()> {
        let Some(boot) = self.boots.last() else {
            return Ok(());
        };
        // Gaps in the log of an earlier boot, or in a file, do not mean lost records: the records
        // were not kept, or were overwritten before.
        if record.lost > 0 && boot.source.is_running() {
            self.out.flush()?;
            let s = if record.lost == 1 { "" } else { "s" };
            let (lost, seq) = (record.lost, record.seq);
            eprintln!("fanlight: {lost} record{s} lost before number {seq}");
        }
        if !boot.filter.passes(&boot.clock, record) {
            return Ok(());
        }
        self.printed = true;
        let number = self.boots.len() - 1;
        if let Some((most, last)) = &mut self.last {
            last.push_back((number, record.clone().into_owned()));
            if last.len() > *most {
                last.pop_front();
            }
            return Ok(());
        }
        self.write(number, record)
    }

    fn write(&mut self, number: usize, record: &Record<'_>) -> Result<()> {
        if let Some(boot) = self.boots.get(number) {
            self.format.write(
                &mut self.out,
                boot.source,
                &boot.clock,
                boot.callers,
                record,
            )?;
        }
        Ok(())
    }

    /// Prints the records of --lines, and flushes the output.
    fn flush(&mut self) -> Result<()> {
        // From now on records are printed when they come.
        if let Some((_, last)) = self.last.take() {
            for (number, record) in last {
                self.write(number, &record)?;
            }
        }
        Ok(self.out.flush()?)
    }

    fn update_clock(&mut self) {
        if let Some(boot) = self.boots.last_mut() {
            boot.clock.set(boot.source.wall_clock());
        }
    }

    /// Reports on stderr how each earlier boot ended; returns whether there was one.
    fn summarize(&self) -> Result<bool> {
        let mut any = false;
        for boot in &self.boots {
            let source = boot.source;
            let Some(found) = source.ended() else {
                continue;
            };
            any = true;
            let name = boots::name(source);
            // A cleared log is empty, whatever the attributes of its node still show.
            if found.ending == Ending::None || source.is_empty()? {
                eprintln!("fanlight: no log of {name} was found");
                continue;
            }
            let ending = match (found.ending, found.reason) {
                (Ending::Clean, _) => "ended cleanly".to_owned(),
                (Ending::Panic, _) => "ended in a panic".to_owned(),
                (Ending::Reset, Some(reason)) => format!("ended in a reset ({reason})"),
                (Ending::Reset, None) => {
                    "ended without notice (watchdog, reset or power loss)".to_owned()
                }
                _ => "ended in an unknown way".to_owned(),
            };
            let gone = match (found.missing, found.damaged) {
                (0, 0) => String::new(),
                (missing, damaged) => {
                    format!("; {missing} of its records are missing, {damaged} places are damaged")
                }
            };
            eprintln!("fanlight: {name} {ending}{gone}");
        }
        Ok(any)
    }
}
