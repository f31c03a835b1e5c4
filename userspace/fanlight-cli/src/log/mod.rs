// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log`: the log, out of its ring.

mod filter;
mod format;
mod when;
mod zone;

use std::io::{self, BufRead, Write};

use fanlight::{Ending, Facility, Level, Log, LogWriter, Record, Salvaged, Start};

use crate::args::Matches;
use crate::error::{Error, Result, NOTHING};
use crate::{output, target};
use filter::Filter;
use format::Format;
pub use format::{COLORS, TIMES};
pub use when::civil;
use when::Clock;

/// Opens what the options name.
fn open(matches: &Matches) -> Result<Log> {
    if let Some(path) = matches.os_value("file") {
        return Ok(Log::open_image(path)?);
    }
    target::open_log(
        matches,
        if matches.has("previous") {
            "log.prev"
        } else {
            "log"
        },
    )
}

pub fn run(matches: &Matches) -> Result<()> {
    // Another boot's clock is not ours.
    let clock = Clock::of(!matches.has("previous") && !matches.has("file"));
    let filter = Filter::new(matches, &clock)?;
    let log = open(matches)?;
    let format = Format::new(matches, &clock, &log)?;
    if matches.has("clear") {
        return Ok(log.clear()?);
    }
    let start = if matches.has("follow-new") {
        Start::Newest
    } else {
        Start::Oldest
    };
    let follow = matches.has("follow") || matches.has("follow-new");
    let mut reader = log.reader(start)?;
    let mut out = output::stdout();
    let mut printed = false;
    loop {
        reader.drain(|record| {
            report_loss(&mut out, record)?;
            if filter.passes(record) {
                format.write(&mut out, record)?;
                printed = true;
            }
            Ok::<(), Error>(())
        })?;
        // Nobody waits for what is in a buffer.
        out.flush()?;
        if !follow {
            break;
        }
        reader.wait(None)?;
    }
    let previous = if matches.has("previous") {
        log.salvaged()
    } else {
        None
    };
    if let Some(previous) = previous {
        summarize(&previous);
    }
    if !printed && (filter.is_asked_for() || previous.is_some()) {
        return Err(Error::Status(NOTHING));
    }
    Ok(())
}

/// Says on stderr how the previous boot ended, and what is not there of it.
fn summarize(previous: &Salvaged) {
    let ending = match previous.ending {
        Ending::Clean => "the previous boot ended in order",
        Ending::Panic => "the previous boot ended in a panic",
        Ending::Reset => {
            "the previous boot ended without a word: a watchdog, a reset, or its supply failed"
        }
        Ending::None => "nothing was found of a previous boot",
        _ => "how the previous boot ended is not known",
    };
    let lost = match (previous.missing, previous.damaged) {
        (0, 0) => String::new(),
        (missing, damaged) => {
            format!("; {missing} of its records are missing, {damaged} places were damaged")
        }
    };
    eprintln!("fanlight: {ending}{lost}");
}

/// Says on stderr how many records were lost, between what was printed before and what comes.
fn report_loss(out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    if record.lost > 0 {
        out.flush()?;
        let s = if record.lost == 1 { "" } else { "s" };
        eprintln!(
            "fanlight: {} record{s} lost before number {}",
            record.lost, record.seq
        );
    }
    Ok(())
}

pub fn write(matches: &Matches) -> Result<()> {
    let level = matches.value("level")?.unwrap_or(Level::Notice);
    let facility = matches.value("facility")?.unwrap_or(Facility::USER);
    let mut log = LogWriter::open(target::log_node(matches, "log")?)?;
    if !matches.operands().is_empty() {
        let words: Vec<&[u8]> = matches
            .operands()
            .iter()
            .map(|word| word.as_encoded_bytes())
            .collect();
        return Ok(log.write_as(facility, level, &words.join(&b' '))?);
    }
    let mut lines = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines
            .read_until(b'\n', &mut line)
            .map_err(|error| Error::message(format!("cannot read stdin: {error}")))?;
        if read == 0 {
            return Ok(());
        }
        log.write_as(facility, level, line.strip_suffix(b"\n").unwrap_or(&line))?;
    }
}
