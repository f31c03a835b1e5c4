// SPDX-License-Identifier: MIT OR Apache-2.0
//! Selects the records to print.

use std::cmp::Ordering;

use clap::Args;
use fanlight::{Facility, Level, Record};
use regex_lite::Regex;

use super::clock::Clock;
use super::when::When;
use crate::error::{Error, Result};
use crate::nearest;

#[derive(Args)]
pub struct Filters {
    /// Print only these levels: emerg, alert, crit, err, warn, notice, info, debug
    #[arg(short, long, value_name = "LIST")]
    level: Option<String>,
    /// Print only these facilities: kern, user, daemon, local0 and so on
    #[arg(short, long, value_name = "LIST")]
    facility: Option<String>,
    /// Print only records of the kernel
    #[arg(short, long)]
    kernel: bool,
    /// Print only records of programs
    #[arg(short, long)]
    userspace: bool,
    /// Print only records since WHEN
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Print only records until WHEN
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Print only records whose text matches a regular expression
    #[arg(short, long, value_name = "PATTERN")]
    grep: Option<String>,
    /// Use PATTERN as plain text
    #[arg(short = 'Q', long)]
    fixed: bool,
}

/// The conditions that a record must meet.
pub struct Filter {
    /// One bit per level.
    levels: u8,
    /// `None`: all.
    facilities: Option<Vec<Facility>>,
    since: Option<When>,
    until: Option<When>,
    grep: Option<Pattern>,
}

enum Pattern {
    Expression(Regex),
    Plain(String),
}

impl Filter {
    /// `newest` returns the time of the log's newest record; it is called only if needed.
    pub fn new(filters: &Filters, clock: &Clock, newest: impl Fn() -> Option<u64>) -> Result<Self> {
        let time = |text: Option<&str>| text.map(|text| clock.read(text, &newest)).transpose();
        let grep = match &filters.grep {
            None => None,
            Some(text) if filters.fixed => Some(Pattern::Plain(text.to_owned())),
            Some(text) => match Regex::new(text) {
                Ok(expression) => Some(Pattern::Expression(expression)),
                Err(error) => {
                    let hint = "use --fixed to look for plain text";
                    return Err(Error::Usage(format!(
                        "invalid regular expression '{text}': {error}; {hint}"
                    )));
                }
            },
        };
        Ok(Self {
            levels: filters.level.as_deref().map_or(Ok(!0), levels)?,
            facilities: chosen(filters)?,
            since: time(filters.since.as_deref())?,
            until: time(filters.until.as_deref())?,
            grep,
        })
    }

    /// Whether it can reject a record.
    pub fn is_asked_for(&self) -> bool {
        self.levels != !0
            || self.facilities.is_some()
            || self.since.is_some()
            || self.until.is_some()
            || self.grep.is_some()
    }

    pub fn passes(&self, clock: &Clock, record: &Record<'_>) -> bool {
        let compare = |time| clock.compare(record.ns, time);
        self.levels & (1 << record.level.number()) != 0
            && self
                .facilities
                .as_ref()
                .is_none_or(|facilities| facilities.contains(&record.facility))
            && self
                .since
                .is_none_or(|since| compare(since).is_some_and(Ordering::is_ge))
            && self
                .until
                .is_none_or(|until| compare(until).is_some_and(Ordering::is_le))
            && match &self.grep {
                None => true,
                Some(Pattern::Expression(expression)) => expression.is_match(&record.text_lossy()),
                Some(Pattern::Plain(text)) => record.text_lossy().contains(text.as_str()),
            }
    }
}

/// Parses `err,warn`; `err+` means err and all more urgent levels, `+err` err and all less urgent
/// levels, as in dmesg.
fn levels(list: &str) -> Result<u8> {
    let mut bits = 0;
    for item in list.split(',') {
        let (name, before, after) = match (item.strip_prefix('+'), item.strip_suffix('+')) {
            (Some(name), _) => (name, false, true),
            (None, Some(name)) => (name, true, false),
            (None, None) => (item, false, false),
        };
        let level: Level = name.parse().map_err(|_| unknown_level(item))?;
        for other in Level::ALL {
            if other == level || before && other < level || after && other > level {
                bits |= 1 << other.number();
            }
        }
    }
    Ok(bits)
}

pub fn unknown_level(name: &str) -> Error {
    let names = Level::ALL.map(Level::name);
    let hint = nearest::hint(name.trim_matches('+'), names);
    let names = names.join(", ");
    Error::Usage(format!("unknown level '{name}'; there are {names}{hint}"))
}

pub fn unknown_facility(name: &str) -> Error {
    let hint = nearest::hint(name, Facility::NAMES);
    let names = Facility::NAMES.join(", ");
    Error::Usage(format!(
        "unknown facility '{name}'; there are {names}, and numbers to 255{hint}"
    ))
}

/// The facilities of --facility, --kernel and --userspace together, as in dmesg.
fn chosen(filters: &Filters) -> Result<Option<Vec<Facility>>> {
    let mut chosen = match &filters.facility {
        Some(list) => facilities(list)?,
        None => Vec::new(),
    };
    if filters.kernel {
        chosen.push(Facility::KERN);
    }
    if filters.userspace {
        chosen.extend((1..=u8::MAX).map(Facility));
    }
    Ok(Some(chosen).filter(|chosen| !chosen.is_empty()))
}

fn facilities(list: &str) -> Result<Vec<Facility>> {
    list.split(',')
        .map(|name| name.parse().map_err(|_| unknown_facility(name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_levels_are_lists_with_a_plus_for_more() {
        assert_eq!(levels("err").unwrap(), 0b0000_1000);
        assert_eq!(levels("err,debug").unwrap(), 0b1000_1000);
        assert_eq!(levels("err+").unwrap(), 0b0000_1111);
        assert_eq!(levels("+err").unwrap(), 0b1111_1000);
        assert_eq!(levels("4").unwrap(), 0b0001_0000);
        assert!(levels("loud").is_err());
        assert!(levels("").is_err());
    }

    #[test]
    fn log_facilities_have_names_and_numbers() {
        assert_eq!(
            facilities("kern,local7,200").unwrap(),
            [Facility(0), Facility(23), Facility(200)]
        );
        assert!(facilities("kernel").is_err());
        assert!(facilities("256").is_err());
    }
}
