// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log --save`: writes a ring to a file that --file reads.

use std::io::{self, Write};
use std::path::Path;

use fanlight::Log;

use super::source::{Records, Source};
use super::store;
use crate::error::{plain, Error, Result};

pub fn run(source: &Source, path: &Path) -> Result<()> {
    let Records::Ring(log) = &source.records else {
        return Err(Error::message("--save copies a ring; this file is text"));
    };
    store::write_beside(path, |out| copy(log, out)).map_err(|error| {
        Error::message(format!(
            "cannot save to {}: {}",
            path.display(),
            plain(&error)
        ))
    })
}

fn copy(log: &Log, out: &mut impl Write) -> io::Result<()> {
    match log.save_to(out) {
        Ok(_) => Ok(()),
        Err(fanlight::Error::Io { source, .. }) => Err(source),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}
