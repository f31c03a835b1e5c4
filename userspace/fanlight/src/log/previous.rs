// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the driver found of the previous boot.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::info;

/// How the previous boot ended.
///
/// ```
/// assert_eq!(fanlight::Ending::Panic.to_string(), "panic");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// In order: a reboot, a shutdown, or the driver was unbound.
    Clean,
    /// The kernel panicked.
    Panic,
    /// It could not say: a watchdog, a reset, or a supply that failed for a moment.
    Reset,
    /// There are records, but what says how it ended was damaged.
    Unknown,
    /// Nothing was found of it.
    None,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Ending::Clean => "clean",
            Ending::Panic => "panic",
            Ending::Reset => "reset",
            Ending::Unknown => "unknown",
            Ending::None => "none",
        })
    }
}

/// What was salvaged of the previous boot's log.
///
/// ```no_run
/// use fanlight::Ending;
///
/// let log = fanlight::Board::open(0)?.previous_log()?;
/// if log.salvaged().is_some_and(|salvaged| salvaged.ending == Ending::Panic) {
///     println!("the last boot ended in a panic");
/// }
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvaged {
    /// How it ended.
    pub ending: Ending,
    /// Records that are there.
    pub intact: u64,
    /// Sequence numbers that are missing between them.
    pub missing: u64,
    /// Places between them that held no intact record.
    pub damaged: u64,
}

impl Salvaged {
    /// What sysfs says of the node, if it is that of a previous boot's log.
    pub(super) fn of(node: &Path) -> Option<Self> {
        let attribute = |name: &str| fs::read_to_string(info::sysfs(node)?.join(name)).ok();
        let number = |name: &str| attribute(name)?.trim_end().parse().ok();
        Some(Self {
            ending: match attribute("ending")?.trim_end() {
                "clean" => Ending::Clean,
                "panic" => Ending::Panic,
                "reset" => Ending::Reset,
                "none" => Ending::None,
                _ => Ending::Unknown,
            },
            intact: number("intact")?,
            missing: number("missing")?,
            damaged: number("damaged")?,
        })
    }
}
