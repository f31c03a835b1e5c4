// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line tool of fanlight.
//!
//! This is not an interface for other programs. It is a library so that fanlight-manual can
//! generate the man pages and the completions from the tool's definition of the command line.

#![forbid(unsafe_code)]

pub mod cmd;
mod error;
mod json;
mod nearest;
mod number;
mod output;
mod printable;
#[cfg(feature = "png")]
mod progress;
mod target;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use error::{Error, Result};
use target::Target;

/// The main function of `fanlight`.
pub fn main() -> ExitCode {
    // The removal of a device is reported as an error, instead of ending the process by SIGBUS.
    let survives = fanlight::survive_revocation().map_err(Error::from);
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match survives.and_then(|()| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(&named(&arguments)).into(),
    }
}

fn run(arguments: &[OsString]) -> Result<()> {
    let mut command = cmd::command();
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        // As with getopt_long, even if other arguments are missing.
        Err(error)
            if error.kind() == ErrorKind::MissingRequiredArgument
                && arguments
                    .iter()
                    .any(|word| word == "-V" || word == "--version") =>
        {
            return cmd::version::print(&Target::default());
        }
        Err(error) => return cmd::usage::explain(&error, &command, arguments),
    };
    let target = Target::of(&matches);
    if matches.get_flag("version") {
        return cmd::version::print(&target);
    }
    cmd::dispatch(cmd::COMMANDS, &matches, &target)
}

/// The command and its subcommand that the arguments name: `fanlight fb show`.
fn named(arguments: &[OsString]) -> String {
    let mut name = String::from("fanlight");
    let mut commands = cmd::COMMANDS;
    for argument in arguments.iter().skip(1) {
        let entry = commands
            .iter()
            .find(|entry| argument.to_str() == Some(entry.name));
        if let Some(entry) = entry {
            name.push(' ');
            name.push_str(entry.name);
            commands = entry.commands;
        }
    }
    name
}
