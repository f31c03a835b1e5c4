// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight stats`: prints the driver's counters, once or repeatedly.

use std::io::{self, Write};
use std::thread;
use std::time::Instant;

use clap::Args;
use fanlight::abi::LogStats;
use fanlight::{Kind, Log, Start};
use serde::Serialize;

use super::{Run, Texts};
use crate::error::{Error, Result};
use crate::json::{self, Tenths};
use crate::target::Target;
use crate::{number, output};

#[derive(Args)]
pub struct Stats {
    /// Print repeatedly, with rates
    #[arg(short, long)]
    follow: bool,
    /// The time between updates; the default is 1
    #[arg(short, long, value_name = "SECONDS")]
    interval: Option<String>,
    /// End after N updates
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<String>,
    /// Print JSON
    #[arg(short = 'J', long)]
    json: bool,
}

/// A log's counters at one moment.
pub struct Sample {
    pub stats: LogStats,
    /// Bytes ever written.
    position: u64,
    at: Instant,
}

impl Sample {
    pub fn of(log: &Log) -> Result<Self> {
        Ok(Self {
            stats: log.stats()?,
            position: log.position()?,
            at: Instant::now(),
        })
    }

    /// Tenths of records and of bytes per second since an earlier sample.
    pub fn rates(&self, earlier: &Sample) -> (u64, u64) {
        let micros = (self.at - earlier.at).as_micros().max(1) as u64;
        let per_second =
            |new: u64, old: u64| new.wrapping_sub(old).saturating_mul(10_000_000) / micros;
        (
            per_second(self.stats.written, earlier.stats.written),
            per_second(self.position, earlier.position),
        )
    }
}

/// The log of each device that has one.
fn logs(target: &Target) -> Result<Vec<Log>> {
    let mut logs = Vec::new();
    for instance in target.instances()? {
        for entry in instance.windows()? {
            // The log of an earlier boot has no counters.
            if entry.name() == "log" && entry.info()?.kind == Kind::Log {
                logs.push(Log::open(entry.path())?);
            }
        }
    }
    if logs.is_empty() {
        return Err(Error::message(
            "there is no log: 'fanlight list' shows what there is",
        ));
    }
    Ok(logs)
}

impl Run for Stats {
    const NAME: &'static str = "stats";
    const SUMMARY: &'static str = "Print the driver's counters of the log";
    const TEXTS: Texts = Texts {
        about: &[
            "OVERWRITTEN records made room for newer ones. DROPPED records could not be appended. \
             KERNEL-MISSED records were lost by printk before the driver read them. LIMITED \
             records exceeded the write limit. HELD records are in the ring now.",
        ],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let interval = self.interval.as_deref().unwrap_or("1");
        let interval = number::interval(interval)?;
        let count = number::count::<u64>("count", self.count.as_deref())?;
        let logs = logs(target)?;
        let mut out = output::stdout();
        let mut before: Vec<Option<Sample>> = logs.iter().map(|_| None).collect();
        let mut done = 0u64;
        loop {
            let mut objects = Vec::new();
            for (log, before) in logs.iter().zip(&mut before) {
                let sample = Sample::of(log)?;
                let rates = before.as_ref().map(|before| sample.rates(before));
                objects.push(Object::of(log, &sample, rates)?);
                *before = Some(sample);
            }
            if self.json {
                json::line(&mut out, &Document { logs: objects })?;
            } else {
                // The head is repeated at intervals, as in vmstat.
                let rows: Vec<_> = objects.iter().map(Object::row).collect();
                lines(&mut out, done % 20 == 0, &rows)?;
            }
            out.flush()?;
            done += 1;
            if !self.follow || count.is_some_and(|count| done >= count) {
                return Ok(());
            }
            thread::sleep(interval);
        }
    }
}

const HEAD: [&str; 10] = [
    "LOG",
    "WRITTEN",
    "OVERWRITTEN",
    "DROPPED",
    "KERNEL-MISSED",
    "LIMITED",
    "HELD",
    "CAPACITY",
    "RECORDS/s",
    "BYTES/s",
];

/// Fixed columns, so that the lines of --follow are aligned.
fn lines(out: &mut impl Write, head: bool, rows: &[Vec<String>]) -> io::Result<()> {
    let mut line = |cells: &[String]| {
        let widths = [20, 10, 11, 8, 13, 8, 8, 8, 10, 10];
        let mut text = String::new();
        for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
            text.push_str(&if i == 0 {
                format!("{cell:<width$}")
            } else {
                format!(" {cell:>width$}")
            });
        }
        writeln!(out, "{text}")
    };
    if head {
        line(&HEAD.map(str::to_owned))?;
    }
    rows.iter().try_for_each(|row| line(row))
}

/// The number of records in the ring, counted by a walk over it.
fn held(log: &Log) -> Result<u64> {
    log.reader(Start::Oldest)?.drain(|_| Ok::<(), Error>(()))
}

#[derive(Serialize)]
struct Document {
    logs: Vec<Object>,
}

#[derive(Serialize)]
struct Object {
    log: String,
    boot_id: String,
    written: u64,
    overwritten: u64,
    dropped: u64,
    kernel_missed: u64,
    limited: u64,
    held: u64,
    capacity: usize,
    records_per_second: Option<Tenths>,
    bytes_per_second: Option<Tenths>,
}

impl Object {
    fn of(log: &Log, sample: &Sample, rates: Option<(u64, u64)>) -> Result<Self> {
        let LogStats {
            written,
            overwritten,
            dropped,
            kernel_missed,
            limited,
            ..
        } = sample.stats;
        Ok(Self {
            log: log.path().display().to_string(),
            boot_id: log.boot_id()?,
            written,
            overwritten,
            dropped,
            kernel_missed,
            limited,
            held: held(log)?,
            capacity: log.capacity(),
            records_per_second: rates.map(|(records, _)| Tenths(records)),
            bytes_per_second: rates.map(|(_, bytes)| Tenths(bytes)),
        })
    }

    /// The cells under [`HEAD`].
    fn row(&self) -> Vec<String> {
        let rate =
            |rate: Option<Tenths>| rate.map_or("-".to_owned(), |rate| number::tenths(rate.0));
        vec![
            self.log.clone(),
            self.written.to_string(),
            self.overwritten.to_string(),
            self.dropped.to_string(),
            self.kernel_missed.to_string(),
            self.limited.to_string(),
            self.held.to_string(),
            output::human(self.capacity as u64),
            rate(self.records_per_second),
            rate(self.bytes_per_second),
        ]
    }
}
