// SPDX-License-Identifier: MIT OR Apache-2.0
//! The results of both runs.

use std::fs;
use std::path::Path;

use crate::Error;

/// One result.
pub struct Row {
    pub part: String,
    pub case: String,
    pub metric: String,
    /// In the first run and in the second; those of the host are the same in both.
    pub values: [f64; 2],
}

impl Row {
    /// Whether it is a point of a curve.
    pub fn is_point(&self) -> bool {
        ["scale", "worst", "cores"].contains(&&*self.part) && self.metric.starts_with("x=")
    }

    /// The difference of the runs, as a share of the result.
    pub fn difference(&self) -> f64 {
        let [a, b] = self.values;
        // Less than a tenth of an instruction is no difference.
        if (a - b).abs() < 0.1 {
            0.0
        } else {
            (a - b).abs() / a.abs().max(b.abs())
        }
    }
}

pub struct Sheet {
    pub rows: Vec<Row>,
    /// What was measured: `instructions`, or by the clock of a board `ns`.
    pub unit: &'static str,
    /// The machine and the versions, in words.
    pub about: Vec<(String, String)>,
}

/// The allowed difference of two runs.
pub const TOLERANCE: f64 = 0.005;

impl Sheet {
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let text = |name: &str| {
            let path = directory.join(name);
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let mut rows = parse(&(text("run1.tsv")? + &text("large1.tsv")?))?;
        let second = parse(&(text("run2.tsv")? + &text("large2.tsv")?))?;
        if rows.len() != second.len() {
            return Err(format!(
                "the first run has {} results, the second {}",
                rows.len(),
                second.len()
            )
            .into());
        }
        for (row, other) in rows.iter_mut().zip(second) {
            if (&row.part, &row.case, &row.metric) != (&other.part, &other.case, &other.metric) {
                return Err(format!(
                    "the runs do not fit together at {} / {}",
                    row.part, row.case
                )
                .into());
            }
            row.values[1] = other.values[0];
        }
        // Counted where no time passes, once.
        for name in ["barriers.tsv", "reboots.tsv"] {
            rows.extend(parse(&text(name)?)?);
        }
        // Measured by the wall clock, so never reproducible: one run.
        rows.extend(speeds(parse(&text("cores.tsv")?)?));
        let mut about = Vec::new();
        for line in text("host.tsv")?.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["about", name, value] => about.push((name.to_owned(), value.to_owned())),
                _ => rows.extend(parse(line)?),
            }
        }
        Ok(Self {
            rows,
            unit: "instructions",
            about,
        })
    }

    /// What a board has measured by its clock (`fanlight-bench --clock`), once.
    pub fn read_clock(file: &Path) -> Result<Self, Error> {
        let text =
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self {
            rows: parse(&text)?,
            unit: "ns",
            about: Vec::new(),
        })
    }

    /// A result of the first run.
    pub fn get(&self, part: &str, case: &str, metric: &str) -> Option<f64> {
        let metric = metric.replace("instructions", self.unit);
        let row = self
            .rows
            .iter()
            .find(|row| row.part == part && row.case == case && row.metric == metric)?;
        Some(row.values[0])
    }

    /// Results that differ between the runs, the worst first. Those that depend on a race are
    /// marked.
    pub fn differences(&self) -> Vec<String> {
        let mut rows: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.difference() > TOLERANCE && !is_race(row))
            .collect();
        rows.sort_by(|a, b| b.difference().total_cmp(&a.difference()));
        let say = |row: &&Row| {
            let [a, b] = row.values;
            format!(
                "{} / {} / {}: {a} and {b} ({:.2} %)",
                row.part,
                row.case,
                row.metric,
                row.difference() * 100.0
            )
        };
        rows.iter().map(say).collect()
    }
}

/// Whether the result depends on scheduling: how many stores land, how often a reader that keeps up
/// has to wait and what that costs, and how long binding goes without yielding, which depends on
/// the tick. Only whether it is zero is a result.
pub fn is_race(row: &Row) -> bool {
    let scheduled = row.metric == "stores after unbind returned"
        || row.metric == "waits of all readers"
        || row.metric == "instructions without yielding"
        || row.part == "scale" && row.case.starts_with("readers ");
    scheduled && row.values.iter().all(|value| *value > 0.0)
}

/// For the times of one to four processors with the same work each: how many times the work of one
/// processor they do in the same time.
fn speeds(mut rows: Vec<Row>) -> Vec<Row> {
    let alone: Vec<(String, f64)> = rows
        .iter()
        .filter(|row| row.metric == "x=1")
        .map(|row| (row.case.clone(), row.values[0]))
        .collect();
    for row in &mut rows {
        let alone = alone.iter().find(|(case, _)| *case == row.case);
        let processors = row.metric.strip_prefix("x=").and_then(|n| n.parse().ok());
        if let (Some((_, alone)), Some(processors)) = (alone, processors) {
            let processors: f64 = processors;
            row.values = [alone / row.values[0] * processors; 2];
        }
    }
    rows
}

fn parse(text: &str) -> Result<Vec<Row>, Error> {
    text.lines()
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [part, case, metric, value] => {
                let value: f64 = value.parse().map_err(|_| format!("not a number: {line}"))?;
                let (part, case, metric) = (part.to_owned(), case.to_owned(), metric.to_owned());
                Ok(Row {
                    part,
                    case,
                    metric,
                    values: [value; 2],
                })
            }
            _ => Err(format!("not a result: {line}").into()),
        })
        .collect()
}
