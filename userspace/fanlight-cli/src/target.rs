// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which device, which framebuffer, which log: --device, the environment, or what there is.
//!
//! Opening a device node can have effects: a watchdog starts, a tape rewinds. So only nodes that
//! sysfs knows as windows of fanlight are opened, and only to read unless a command writes.

use std::env;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use fanlight::{Framebuffer, Instance, Locator, Window, WindowEntry};

use crate::error::{Error, Result};

/// The device that --device names.
#[derive(Default)]
pub struct Target {
    device: Option<String>,
}

impl Target {
    pub fn of(matches: &ArgMatches) -> Self {
        Self {
            device: matches.get_one::<String>("device").cloned(),
        }
    }

    /// What --device says, or else the variable.
    fn named(&self, variable: &str) -> Option<String> {
        let device = self.device.clone();
        device.or_else(|| env::var(variable).ok().filter(|value| !value.is_empty()))
    }

    /// The device that is meant. The default is the one with the lowest number.
    pub fn board(&self) -> Result<Instance> {
        if let Some(name) = self.named("FANLIGHT") {
            return open(&name);
        }
        match Instance::list()?.into_iter().next() {
            Some(board) => Ok(board),
            // For the error, which reports why there is none.
            None => Ok(Instance::open(Locator::from(0))?),
        }
    }

    /// All devices, or the one that is meant.
    pub fn boards(&self) -> Result<Vec<Instance>> {
        let boards = self.boards_that_exist()?;
        match boards.is_empty() {
            true => Ok(vec![self.board()?]),
            false => Ok(boards),
        }
    }

    /// As [`boards`](Self::boards), but without an error if there is none.
    pub fn boards_that_exist(&self) -> Result<Vec<Instance>> {
        match self.named("FANLIGHT") {
            Some(name) => Ok(vec![open(&name)?]),
            None => Ok(Instance::list()?),
        }
    }

    /// The node of the framebuffer that is meant.
    pub fn framebuffer(&self) -> Result<PathBuf> {
        if self.device.is_none() {
            if let Some(path) = env::var_os("FRAMEBUFFER").filter(|value| !value.is_empty()) {
                return Ok(path.into());
            }
        }
        if let Some(path) = self.named("FANLIGHT").as_deref().and_then(node) {
            check(&path)?;
            return Ok(path);
        }
        Ok(self.board()?.framebuffer_node()?.path().to_owned())
    }

    pub fn open_framebuffer(&self) -> Result<Framebuffer> {
        Ok(Framebuffer::open(self.framebuffer()?)?)
    }

    /// The node of the log that is meant.
    pub fn log_node(&self, name: &str) -> Result<PathBuf> {
        if let Some(path) = self.named("FANLIGHT").as_deref().and_then(node) {
            check(&path)?;
            return Ok(path);
        }
        Ok(self.board()?.entry(name)?.path().to_owned())
    }

    /// As [`log_node`](Self::log_node), to append text, which any file takes.
    pub fn log_to_write(&self) -> Result<PathBuf> {
        match self.device.as_deref().and_then(node) {
            Some(path) => Ok(path),
            None => self.log_node("log"),
        }
    }

    /// The node of a window, which is named by its name on the device or by its path.
    fn window(&self, name: &str) -> Result<PathBuf> {
        if name.contains('/') {
            let path = PathBuf::from(name);
            check(&path)?;
            return Ok(path);
        }
        Ok(self.board()?.entry(name)?.path().to_owned())
    }

    /// Opens a window for reading and writing.
    pub fn open_window(&self, name: &str) -> Result<Window> {
        Ok(Window::open(self.window(name)?)?)
    }

    /// Opens a window for reading.
    pub fn open_window_read_only(&self, name: &str) -> Result<Window> {
        Ok(Window::open_read_only(self.window(name)?)?)
    }
}

/// The device that a user has named by a number, its directory or a node in it.
fn open(name: &str) -> Result<Instance> {
    if let Some(path) = node(name) {
        check(&path)?;
    }
    let board = Instance::open(name)?;
    let windows = board.windows()?;
    match windows.iter().find(|entry| !is_window(entry.path())) {
        None if !windows.is_empty() => Ok(board),
        other => Err(refused(Path::new(name), other)),
    }
}

fn refused(path: &Path, stranger: Option<&WindowEntry>) -> Error {
    let what = match stranger {
        Some(entry) => format!("'{}' in it is no window of fanlight", entry.name()),
        None => "it is empty".to_owned(),
    };
    Error::message(format!(
        "{} is not a fanlight device: {what}; name a number such as 0, a directory such as \
         /dev/fanlight0, or a node in it",
        path.display()
    ))
}

/// The node itself, if that is what was named.
fn node(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    fs::metadata(path)
        .is_ok_and(|found| found.file_type().is_char_device())
        .then(|| path.to_owned())
}

/// Refuses what is not a window of fanlight, before it is opened. What does not exist is reported
/// by the call that opens it.
fn check(path: &Path) -> Result<()> {
    if path.exists() && !is_window(path) {
        let path = path.display();
        return Err(Error::message(format!(
            "{path} is not a window of fanlight: 'fanlight list' shows what there is"
        )));
    }
    Ok(())
}

/// Whether a node is a window of fanlight, as sysfs knows it: without sysfs this is not known, and
/// every character device may be one.
fn is_window(path: &Path) -> bool {
    let Ok(found) = fs::metadata(path) else {
        return false;
    };
    if !found.file_type().is_char_device() {
        return false;
    }
    let devices = Path::new("/sys/dev/char");
    if !devices.exists() {
        return true;
    }
    let (major, minor) = (
        rustix::fs::major(found.rdev()),
        rustix::fs::minor(found.rdev()),
    );
    let device = fs::canonicalize(devices.join(format!("{major}:{minor}")));
    device.is_ok_and(|device| {
        let name = device.file_name().unwrap_or_default().to_string_lossy();
        let class = device.parent().and_then(Path::file_name);
        class.is_some_and(|class| class == "misc") && name.starts_with("fanlight")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_node_of_another_driver_is_no_window() {
        assert!(!is_window(Path::new("/dev/null")) || !Path::new("/sys/dev/char").exists());
        assert!(!is_window(Path::new("/etc/passwd")));
        assert!(!is_window(Path::new("/nonexistent")));
    }
}
