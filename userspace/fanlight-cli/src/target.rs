// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the device, framebuffer or log that a command uses: --device, the environment, or a
//! default.
//!
//! Opening a device node can have effects: a watchdog starts, a tape rewinds. So only nodes that
//! sysfs lists as windows of fanlight are opened, and only for reading unless a command writes.

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

    /// The value of --device, or else of the variable.
    fn named(&self, variable: &str) -> Option<String> {
        let device = self.device.clone();
        device.or_else(|| env::var(variable).ok().filter(|value| !value.is_empty()))
    }

    /// The selected device. The default is the one with the lowest number.
    pub fn instance(&self) -> Result<Instance> {
        if let Some(name) = self.named("FANLIGHT") {
            return open(&name);
        }
        match Instance::list()?.into_iter().next() {
            Some(instance) => Ok(instance),
            // For the error, which reports why there is no device.
            None => Ok(Instance::open(Locator::from(0))?),
        }
    }

    /// All devices, or the selected one.
    pub fn instances(&self) -> Result<Vec<Instance>> {
        let instances = self.existing_instances()?;
        match instances.is_empty() {
            true => Ok(vec![self.instance()?]),
            false => Ok(instances),
        }
    }

    /// Like [`instances`](Self::instances), but without an error if there is none.
    pub fn existing_instances(&self) -> Result<Vec<Instance>> {
        match self.named("FANLIGHT") {
            Some(name) => Ok(vec![open(&name)?]),
            None => Ok(Instance::list()?),
        }
    }

    /// The node of the selected framebuffer.
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
        Ok(self.instance()?.framebuffer_node()?.path().to_owned())
    }

    pub fn open_framebuffer(&self) -> Result<Framebuffer> {
        Ok(Framebuffer::open(self.framebuffer()?)?)
    }

    /// The node of the selected log.
    pub fn log_node(&self, name: &str) -> Result<PathBuf> {
        if let Some(path) = self.named("FANLIGHT").as_deref().and_then(node) {
            check(&path)?;
            return Ok(path);
        }
        Ok(self.instance()?.entry(name)?.path().to_owned())
    }

    /// Like [`log_node`](Self::log_node), for appending text, which works with any file.
    pub fn log_to_write(&self) -> Result<PathBuf> {
        match self.device.as_deref().and_then(node) {
            Some(path) => Ok(path),
            None => self.log_node("log"),
        }
    }

    /// The node of a window: `name` is its name on the device, or the path of its node.
    fn window(&self, name: &str) -> Result<PathBuf> {
        if name.contains('/') {
            let path = PathBuf::from(name);
            check(&path)?;
            return Ok(path);
        }
        Ok(self.instance()?.entry(name)?.path().to_owned())
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

/// The device with this number, with this directory, or with this node.
fn open(name: &str) -> Result<Instance> {
    if let Some(path) = node(name) {
        check(&path)?;
    }
    let instance = Instance::open(name)?;
    let windows = instance.windows()?;
    match windows.iter().find(|entry| !is_window(entry.path())) {
        None if !windows.is_empty() => Ok(instance),
        other => Err(refused(Path::new(name), other)),
    }
}

fn refused(path: &Path, stranger: Option<&WindowEntry>) -> Error {
    let what = match stranger {
        Some(entry) => format!("'{}' in it is not a window of fanlight", entry.name()),
        None => "it is empty".to_owned(),
    };
    Error::message(format!(
        "{} is not a fanlight device: {what}; name a number such as 0, a directory such as \
         /dev/fanlight0, or a node in it",
        path.display()
    ))
}

/// The node itself, if a node was named.
fn node(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    fs::metadata(path)
        .is_ok_and(|found| found.file_type().is_char_device())
        .then(|| path.to_owned())
}

/// Refuses a node that is not a window of fanlight, before it is opened. A missing node is reported
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

/// Whether a node is a window of fanlight according to sysfs. Without sysfs, every character device
/// may be one.
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
