// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the driver salvaged of earlier boots: the sysfs attributes of `log.prev`, `log.prev2`, ...

use std::fmt;
use std::fs;
use std::path::Path;

use crate::info;

/// How an earlier boot ended.
///
/// ```
/// assert_eq!(fanlight::Ending::Panic.to_string(), "panic");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// Orderly: a reboot, a shutdown, or the driver was unbound.
    Clean,
    /// The kernel panicked.
    Panic,
    /// Without notice: a watchdog, a reset, or a short power loss.
    Reset,
    /// There are records, but the record of the ending is damaged.
    Unknown,
    /// There are no records of an earlier boot.
    None,
}

/// Parses the words that [`Ending`] prints.
impl std::str::FromStr for Ending {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        match text {
            "clean" => Ok(Ending::Clean),
            "panic" => Ok(Ending::Panic),
            "reset" => Ok(Ending::Reset),
            "unknown" => Ok(Ending::Unknown),
            "none" => Ok(Ending::None),
            _ => Err(()),
        }
    }
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

/// What was salvaged of an earlier boot's log.
///
/// ```no_run
/// use fanlight::Ending;
///
/// let log = fanlight::Instance::open(0)?.previous_log()?;
/// if log.salvaged().is_some_and(|salvaged| salvaged.ending == Ending::Panic) {
///     println!("the last boot ended in a panic");
/// }
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvaged {
    /// The boot id, in the format of /proc/sys/kernel/random/boot_id; `None` if it is unknown.
    pub boot_id: Option<String>,
    /// How it ended.
    pub ending: Ending,
    /// How many boots ago it was: 1 for the boot before this one. Boots without records in the
    /// persistent region do not count. `None` if no log was found.
    pub boots_ago: Option<u32>,
    /// Number of intact records.
    pub intact: u64,
    /// Number of kept records that are missing now.
    pub missing: u64,
    /// Number of places in the region without an intact record that should be there.
    pub damaged: u64,
    /// Whether the region still has its records, so that the next boot finds them, too; see
    /// [`Log::forget`](crate::Log::forget).
    pub kept: bool,
}

impl Salvaged {
    /// Reads the attributes of a node; `None` if it is not that of an earlier boot's log.
    pub(crate) fn of(node: &Path) -> Option<Self> {
        Self::read(&info::sysfs(node)?)
    }

    fn read(attributes: &Path) -> Option<Self> {
        let attribute = |name: &str| {
            let text = fs::read_to_string(attributes.join(name)).ok()?;
            Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
        };
        let number = |name: &str| attribute(name)?.parse().ok();
        Some(Self {
            boot_id: attribute("boot_id"),
            ending: attribute("ending")?.parse().unwrap_or(Ending::Unknown),
            boots_ago: attribute("boots_ago")
                .and_then(|text| text.parse().ok())
                .filter(|ago| *ago != 0),
            intact: number("intact")?,
            missing: number("missing")?,
            damaged: number("damaged")?,
            kept: attribute("persisted").as_deref() == Some("yes"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_salvaged_reads_the_attributes() {
        let directory = std::env::temp_dir().join(format!("fanlight-prev-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        assert_eq!(Salvaged::read(&directory), None);
        for (name, text) in [
            ("boot_id", "0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c11\n"),
            ("ending", "panic\n"),
            ("boots_ago", "2\n"),
            ("intact", "98\n"),
            ("missing", "2\n"),
            ("damaged", "1\n"),
        ] {
            fs::write(directory.join(name), text).unwrap();
        }
        let all = Salvaged::read(&directory).unwrap();
        assert_eq!(
            (all.ending, all.intact, all.missing, all.damaged),
            (Ending::Panic, 98, 2, 1)
        );
        assert_eq!(all.boots_ago, Some(2));
        assert!(all.boot_id.unwrap().starts_with("0fb8a0b2-"));
        fs::write(directory.join("boot_id"), "\n").unwrap();
        fs::write(directory.join("boots_ago"), "0\n").unwrap();
        let some = Salvaged::read(&directory).unwrap();
        assert_eq!(some.boot_id, None);
        assert_eq!(some.boots_ago, None);
        fs::remove_dir_all(&directory).unwrap();
    }
}
