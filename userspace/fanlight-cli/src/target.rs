// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which board, which framebuffer, which log: --device, the environment, or what there is.

use std::env;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use fanlight::{Framebuffer, Instance, Locator, Window};

use crate::args::Matches;
use crate::error::Result;

/// What --device says, or else the variable.
fn named(matches: &Matches, variable: &str) -> Result<Option<String>> {
    if let Some(device) = matches.text("device")? {
        return Ok(Some(device.to_owned()));
    }
    Ok(env::var(variable).ok().filter(|value| !value.is_empty()))
}

/// The node itself, if that is what was named.
fn node(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    fs::metadata(path)
        .is_ok_and(|found| found.file_type().is_char_device())
        .then(|| path.to_owned())
}

/// The board that is meant; without any word on it the one with the lowest number.
pub fn board(matches: &Matches) -> Result<Instance> {
    if let Some(name) = named(matches, "FANLIGHT")? {
        return Ok(Instance::open(&name)?);
    }
    match Instance::list()?.into_iter().next() {
        Some(board) => Ok(board),
        // For the error, which says why there is none.
        None => Ok(Instance::open(Locator::from(0))?),
    }
}

/// All boards, or the one that is meant.
pub fn boards(matches: &Matches) -> Result<Vec<Instance>> {
    if named(matches, "FANLIGHT")?.is_some() {
        return Ok(vec![board(matches)?]);
    }
    let boards = Instance::list()?;
    if boards.is_empty() {
        return Ok(vec![board(matches)?]);
    }
    Ok(boards)
}

/// The node of the framebuffer that is meant.
pub fn framebuffer(matches: &Matches) -> Result<PathBuf> {
    let mut name = matches.text("device")?.map(str::to_owned);
    if name.is_none() {
        if let Some(path) = env::var_os("FRAMEBUFFER").filter(|value| !value.is_empty()) {
            return Ok(path.into());
        }
        name = named(matches, "FANLIGHT")?;
    }
    if let Some(path) = name.as_deref().and_then(node) {
        return Ok(path);
    }
    Ok(board(matches)?.framebuffer_node()?.path().to_owned())
}

pub fn open_framebuffer(matches: &Matches) -> Result<Framebuffer> {
    Ok(Framebuffer::open(framebuffer(matches)?)?)
}

/// The node of the log that is meant.
pub fn log_node(matches: &Matches, name: &str) -> Result<PathBuf> {
    if let Some(path) = named(matches, "FANLIGHT")?.as_deref().and_then(node) {
        return Ok(path);
    }
    Ok(board(matches)?.entry(name)?.path().to_owned())
}

/// A window by its name on the board, or by its path.
pub fn window(matches: &Matches, name: &str) -> Result<Window> {
    if name.contains('/') {
        return Ok(Window::open(name)?);
    }
    Ok(board(matches)?.window(name)?)
}
