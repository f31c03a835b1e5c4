// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight`: shows, draws, pokes and follows what the fanlight driver maps.

#![forbid(unsafe_code)]

mod args;
mod completion;
mod error;
mod fb;
mod help;
mod json;
mod list;
mod log;
mod man;
mod mem;
mod number;
mod output;
mod printable;
#[cfg(feature = "png")]
mod progress;
mod stats;
mod table;
mod target;
mod top;

use std::process::ExitCode;

use args::Matches;
use error::{Error, Result};

fn main() -> ExitCode {
    // A device that goes away is an error to report, not a signal to die of.
    let survives = fanlight::survive_revocation().map_err(Error::from);
    let (matches, parsed) = args::parse(std::env::args_os().skip(1));
    let result = survives.and(parsed).and_then(|()| run(&matches));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(&help::name(&matches.path)).into(),
    }
}

fn run(matches: &Matches) -> Result<()> {
    if matches.has("help") {
        return help::print(&matches.path);
    }
    if matches.has("version") {
        return help::version(matches);
    }
    if let Some(what) = matches.text("generate")? {
        return generate(what);
    }
    matches.check()?;
    match matches.command().run {
        Some(run) => run(matches),
        None => Err(Error::Usage("a command is missing".into())),
    }
}

/// What is made from the command table for packages; not in --help.
fn generate(what: &str) -> Result<()> {
    match what {
        "bash" => completion::bash(),
        what => man::print(what),
    }
}
