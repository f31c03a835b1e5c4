// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts clap's errors to the texts of util-linux's programs.

use std::ffi::OsString;
use std::io::Write;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::Command;

use crate::error::{Error, Result};
use crate::{nearest, output};

/// Prints the help if it was requested, otherwise returns the error of the arguments.
pub fn explain(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Result<()> {
    match error.kind() {
        ErrorKind::DisplayHelp => help(error),
        _ => Err(Error::Usage(describe(error, command, arguments))),
    }
}

fn help(error: &clap::Error) -> Result<()> {
    let mut out = output::stdout();
    writeln!(out)?;
    // Missing sections of a command leave empty lines.
    let mut blank = false;
    for line in error.render().to_string().lines() {
        let line = line.trim_end();
        if !(line.is_empty() && blank) {
            writeln!(out, "{line}")?;
        }
        blank = line.is_empty();
    }
    Ok(out.flush()?)
}

fn describe(error: &clap::Error, command: &Command, arguments: &[OsString]) -> String {
    let argument = strings(error, ContextKind::InvalidArg);
    let argument = argument.first().map_or("", String::as_str);
    let value = strings(error, ContextKind::InvalidValue);
    let value = value.first().map_or("", String::as_str);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = strings(error, ContextKind::InvalidSubcommand).concat();
            let commands = named(command, arguments).get_subcommands();
            let hint = nearest::hint(&name, commands.map(Command::get_name));
            format!("unknown command '{name}'{hint}")
        }
        ErrorKind::UnknownArgument => unknown(argument, named(command, arguments)),
        ErrorKind::MissingRequiredArgument => format!("{} is missing", bare(argument)),
        ErrorKind::InvalidValue if value.is_empty() => match argument.starts_with('-') {
            true => format!("option '{}' requires an argument", option(argument)),
            false => format!("{} is missing", bare(argument)),
        },
        ErrorKind::InvalidValue => {
            let valid = strings(error, ContextKind::ValidValue);
            format!(
                "invalid argument for {}: '{value}'; use one of {}{}",
                option(argument),
                valid.join(", "),
                nearest::hint(value, valid.iter().map(String::as_str))
            )
        }
        ErrorKind::TooManyValues => {
            format!("option '{}' doesn't allow an argument", option(argument))
        }
        ErrorKind::NoEquals => format!(
            "the argument of option '{}' must follow an equals sign",
            option(argument)
        ),
        ErrorKind::ValueValidation => {
            format!("invalid argument for {}: '{value}'", option(argument))
        }
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        other => format!("{other}: {argument}"),
    }
}

fn unknown(argument: &str, command: &Command) -> String {
    let Some(long) = argument.strip_prefix("--") else {
        return match argument.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            Some(letter) => format!("invalid option -- '{letter}'"),
            None => format!("unexpected argument '{argument}'"),
        };
    };
    let longs = || command.get_arguments().filter_map(clap::Arg::get_long);
    let begin: Vec<&str> = longs().filter(|name| name.starts_with(long)).collect();
    if begin.len() > 1 {
        return format!(
            "option '{argument}' is ambiguous: it may be --{}",
            begin.join(" or --")
        );
    }
    let hint = nearest::hint(long, longs()).replace(" '", " '--");
    format!("unrecognized option '{argument}'{hint}")
}

/// The command that the arguments name.
fn named<'a>(mut command: &'a Command, arguments: &[OsString]) -> &'a Command {
    for argument in arguments.iter().skip(1) {
        if let Some(deeper) = argument
            .to_str()
            .and_then(|name| command.find_subcommand(name))
        {
            command = deeper;
        }
    }
    command
}

fn strings(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// `--level` of `--level <LIST>`.
fn option(argument: &str) -> &str {
    let end = argument.find([' ', '[', '=']).unwrap_or(argument.len());
    match argument.starts_with('-') {
        true => &argument[..end],
        false => bare(argument),
    }
}

/// `COLOUR` of `<COLOUR>` and `VALUE` of `<VALUE>...`.
fn bare(argument: &str) -> &str {
    argument
        .trim_end_matches("...")
        .trim_start_matches(['<', '['])
        .trim_end_matches(['>', ']'])
}
