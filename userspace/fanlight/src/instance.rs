// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instances of the driver, each a directory of windows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::diagnose;
use crate::error::{Error, Result};
use crate::framebuffer::Framebuffer;
use crate::info::{self, Info, Kind};
use crate::log::{Log, LogWriter, Salvaged};
use crate::window::Window;

const DEV: &str = "/dev";
const PREFIX: &str = "fanlight";

/// Names an instance: its number, its directory, or a node in it.
///
/// ```
/// use fanlight::Locator;
///
/// assert_eq!(Locator::from(1).directory().to_str(), Some("/dev/fanlight1"));
/// // As a user types it: a number, a name or a path.
/// assert_eq!(Locator::from("1"), Locator::from(1));
/// assert_eq!(Locator::from("fanlight1"), Locator::from(1));
/// assert_eq!(Locator::from("/dev/fanlight1"), Locator::from(1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locator {
    directory: PathBuf,
}

impl Locator {
    /// The instance's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl From<u32> for Locator {
    fn from(number: u32) -> Self {
        Self {
            directory: Path::new(DEV).join(format!("{PREFIX}{number}")),
        }
    }
}

impl From<&Path> for Locator {
    fn from(path: &Path) -> Self {
        Self {
            directory: path.into(),
        }
    }
}

impl From<&str> for Locator {
    fn from(text: &str) -> Self {
        match text.strip_prefix(PREFIX).unwrap_or(text).parse::<u32>() {
            Ok(number) => number.into(),
            Err(_) => Path::new(text).into(),
        }
    }
}

impl From<&String> for Locator {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

/// One instance of the driver: the windows of one device-tree node.
///
/// ```no_run
/// use fanlight::Instance;
///
/// let instance = Instance::open(0)?;
/// for window in instance.windows()? {
///     println!("{} is {}", window.name(), window.path().display());
/// }
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Instance {
    directory: PathBuf,
}

/// A window that has not been opened.
///
/// ```no_run
/// # let instance = fanlight::Instance::open(0)?;
/// let entry = instance.entry("fb")?;
/// println!("{} bytes", entry.info()?.size);
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WindowEntry {
    name: String,
    path: PathBuf,
}

impl WindowEntry {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its node.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The driver's description of the window; from sysfs if the node may not be opened.
    ///
    /// # Errors
    ///
    /// Neither the node nor sysfs can be read.
    pub fn info(&self) -> Result<Info> {
        match Window::open_read_only(&self.path).and_then(|window| window.info()) {
            Err(error @ Error::Permission { .. }) => Info::from_sysfs(&self.path).ok_or(error),
            result => result,
        }
    }
}

impl WindowEntry {
    /// What was salvaged of an earlier boot, from sysfs; `None` if the window is not the log of an
    /// earlier boot. The node need not be readable.
    pub fn salvaged(&self) -> Option<Salvaged> {
        Salvaged::of(&self.path)
    }
}

impl Instance {
    /// The instance with this number (`0` is `/dev/fanlight0`) or directory.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] if there is none, with the state of the driver and the kernel's last
    /// message about it.
    pub fn open(which: impl Into<Locator>) -> Result<Self> {
        let Locator { mut directory } = which.into();
        match fs::metadata(&directory) {
            Ok(found) if found.is_dir() => Ok(Self { directory }),
            // A node in the directory is accepted, too.
            Ok(_) if directory.pop() => Ok(Self { directory }),
            Ok(_) => Err(Error::NoDevice {
                hint: diagnose::no_device(&directory),
                path: directory,
            }),
            Err(error) => Err(diagnose::explain(&directory, error)),
        }
    }

    /// All instances, by number.
    ///
    /// # Errors
    ///
    /// /dev cannot be read. An empty list is not an error.
    pub fn list() -> Result<Vec<Self>> {
        let mut numbers = BTreeSet::new();
        for name in names(Path::new(DEV))? {
            if let Some(number) = name
                .strip_prefix(PREFIX)
                .and_then(|number| number.parse::<u32>().ok())
            {
                numbers.insert(number);
            }
        }
        Ok(numbers
            .into_iter()
            .map(|number| Self {
                directory: Locator::from(number).directory,
            })
            .collect())
    }

    /// The directory with its nodes.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Its windows, by name.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn windows(&self) -> Result<Vec<WindowEntry>> {
        let names = names(&self.directory)?;
        Ok(names
            .into_iter()
            .map(|name| WindowEntry {
                path: self.directory.join(&name),
                name,
            })
            .collect())
    }

    /// The window with this name.
    ///
    /// # Errors
    ///
    /// [`Error::NoWindow`], with the names of the windows that exist.
    pub fn entry(&self, name: &str) -> Result<WindowEntry> {
        let mut windows = self.windows()?;
        match windows.iter().position(|window| window.name == name) {
            Some(at) => Ok(windows.swap_remove(at)),
            None => Err(Error::NoWindow {
                instance: self.directory.clone(),
                name: name.into(),
                windows: windows.into_iter().map(|window| window.name).collect(),
            }),
        }
    }

    /// Opens the window with this name, for reading, and also for writing if that is allowed.
    ///
    /// # Errors
    ///
    /// There is no window with this name, or it may not be opened.
    pub fn window(&self, name: &str) -> Result<Window> {
        Window::open(self.entry(name)?.path)
    }

    /// Opens the first framebuffer, by name.
    ///
    /// # Errors
    ///
    /// There is none, or it may not be opened.
    pub fn framebuffer(&self) -> Result<Framebuffer> {
        Framebuffer::open(self.framebuffer_node()?.path)
    }

    /// The node of the first framebuffer, by name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn framebuffer_node(&self) -> Result<WindowEntry> {
        let framebuffer = |entry: &WindowEntry| {
            entry
                .info()
                .is_ok_and(|info| info.kind == Kind::Framebuffer)
        };
        let found = self.windows()?.into_iter().find(framebuffer);
        found.ok_or_else(|| Error::NoFramebuffer {
            instance: self.directory.clone(),
        })
    }

    /// Opens the log.
    ///
    /// # Errors
    ///
    /// There is none, or it may not be opened.
    pub fn log(&self) -> Result<Log> {
        Log::open(self.entry("log")?.path)
    }

    /// Opens the log of the newest earlier boot, which has no records if no earlier boot was found.
    ///
    /// # Errors
    ///
    /// The instance keeps no log over a reboot, or the node may not be opened.
    ///
    /// ```no_run
    /// for record in fanlight::Instance::open(0)?.previous_log()?.records() {
    ///     println!("{}", record?.text_lossy());
    /// }
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn previous_log(&self) -> Result<Log> {
        Log::open(self.entry("log.prev")?.path)
    }

    /// The logs of earlier boots, the newest first. Empty if the instance keeps no log over a
    /// reboot.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    ///
    /// ```no_run
    /// for entry in fanlight::Instance::open(0)?.earlier_logs()? {
    ///     let log = fanlight::Log::open(entry.path())?;
    ///     println!("{}: {} records", entry.name(), log.records().count());
    /// }
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn earlier_logs(&self) -> Result<Vec<WindowEntry>> {
        let mut logs: Vec<(u32, WindowEntry)> = self
            .windows()?
            .into_iter()
            .filter_map(|entry| Some((age(entry.name())?, entry)))
            .collect();
        logs.sort_by_key(|(age, _)| *age);
        Ok(logs.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Whether the log is kept over a reboot: `yes`, or the reason why it is not. `None` if the
    /// driver does not report it.
    pub fn persisted(&self) -> Option<String> {
        let attribute = info::sysfs(&self.directory.join("log"))?.join("persisted");
        let text = fs::read_to_string(attribute).ok()?;
        Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
    }

    /// Opens the log for writing.
    ///
    /// # Errors
    ///
    /// There is none, or it may not be written.
    pub fn log_writer(&self) -> Result<LogWriter> {
        LogWriter::open(self.entry("log")?.path)
    }
}

/// The number of the earlier boot in a log's name: 1 for `log.prev`, 2 for `log.prev2`.
fn age(name: &str) -> Option<u32> {
    match name.strip_prefix("log.prev")? {
        "" => Some(1),
        number if number.starts_with(|first: char| first.is_ascii_digit()) => number.parse().ok(),
        _ => None,
    }
}

/// The names in a directory that are UTF-8, sorted.
fn names(directory: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(directory)
        .map_err(|error| Error::io(format!("read {}", directory.display()), error))?;
    // One by one: collecting into a set would add a sort, and so more code.
    let mut names = BTreeSet::new();
    for entry in entries.flatten() {
        if let Ok(name) = entry.file_name().into_string() {
            names.insert(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_nodes_of_earlier_boots_come_by_age() {
        let directory =
            std::env::temp_dir().join(format!("fanlight-instance-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for name in [
            "log",
            "log.prev",
            "log.prev2",
            "log.prev10",
            "log.prev+3",
            "fb",
        ] {
            fs::write(directory.join(name), "").unwrap();
        }
        let instance = Instance::open(directory.as_path()).unwrap();
        let logs = instance.earlier_logs().unwrap();
        let names: Vec<&str> = logs.iter().map(WindowEntry::name).collect();
        assert_eq!(names, ["log.prev", "log.prev2", "log.prev10"]);
        fs::remove_dir_all(&directory).unwrap();
    }
}
