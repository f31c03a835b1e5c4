// SPDX-License-Identifier: MIT OR Apache-2.0
//! --help and --version.

use std::io::Write;

use fanlight::{abi, Instance};

use crate::args::Matches;
use crate::error::Result;
use crate::output;
use crate::table::{Command, ENVIRONMENT};

const WIDTH: usize = 79;

/// `fanlight fb show`.
pub fn name(path: &[&'static Command]) -> String {
    let names: Vec<&str> = path.iter().map(|command| command.name).collect();
    names.join(" ")
}

/// What follows the name in a synopsis, one for each way to use the command.
pub fn synopses(command: &Command) -> Vec<String> {
    let mut lines = Vec::new();
    if command.run.is_some() {
        let operands = command.operands.iter().map(|operand| operand.spelled());
        lines.push(
            std::iter::once("[options]".to_owned())
                .chain(operands)
                .collect::<Vec<_>>()
                .join(" "),
        );
    }
    if !command.commands.is_empty() {
        lines.push("COMMAND [options]".to_owned());
    }
    lines
}

pub fn print(path: &[&'static Command]) -> Result<()> {
    let Some(command) = path.last() else {
        return Ok(());
    };
    let mut out = output::stdout();
    let name = name(path);
    writeln!(out, "\nUsage:")?;
    for line in synopses(command) {
        writeln!(out, " {name} {line}")?;
    }
    for paragraph in std::iter::once(format!("{}.", command.summary))
        .chain(command.about.iter().map(|p| (*p).to_owned()))
    {
        writeln!(out)?;
        for line in wrap(&paragraph, WIDTH) {
            writeln!(out, "{line}")?;
        }
    }
    if !command.examples.is_empty() {
        writeln!(out, "\nExamples:")?;
        list(
            &mut out,
            command
                .examples
                .iter()
                .map(|(command, what)| ((*command).to_owned(), *what)),
        )?;
    }
    if !command.commands.is_empty() {
        writeln!(out, "\nCommands:")?;
        list(
            &mut out,
            command
                .commands
                .iter()
                .map(|command| (command.name.to_owned(), command.summary)),
        )?;
    }
    if !command.operands.is_empty() {
        writeln!(out, "\nArguments:")?;
        list(
            &mut out,
            command
                .operands
                .iter()
                .map(|operand| (operand.name.to_owned(), operand.help)),
        )?;
    }
    writeln!(out, "\nOptions:")?;
    list(
        &mut out,
        command
            .all_options()
            .map(|option| (option.spelled(), option.help)),
    )?;
    if !command.statuses.is_empty() {
        writeln!(out, "\nExit status: 0, 1 on failure, or")?;
        list(
            &mut out,
            command
                .statuses
                .iter()
                .map(|(status, what)| (status.to_string(), *what)),
        )?;
    }
    if path.len() == 1 {
        writeln!(out, "\nEnvironment:")?;
        list(
            &mut out,
            ENVIRONMENT
                .iter()
                .map(|(name, what)| ((*name).to_owned(), *what)),
        )?;
        writeln!(out, "\nMore of each command: fanlight COMMAND --help")?;
    }
    writeln!(
        out,
        "\nFor more details see {}(1).",
        name.split(' ').take(2).collect::<Vec<_>>().join("-")
    )?;
    Ok(out.flush()?)
}

/// Two columns; a long left side gets a line of its own.
fn list<'a>(out: &mut impl Write, rows: impl Iterator<Item = (String, &'a str)>) -> Result<()> {
    let rows: Vec<_> = rows.collect();
    let left = rows
        .iter()
        .map(|(left, _)| left.len())
        .filter(|len| *len <= 34)
        .max()
        .unwrap_or(0);
    for (name, text) in rows {
        let mut lines = wrap(text, WIDTH - left - 4).into_iter();
        if name.len() > left {
            writeln!(out, " {name}")?;
        } else {
            writeln!(out, " {name:left$}   {}", lines.next().unwrap_or_default())?;
        }
        for line in lines {
            writeln!(out, " {:left$}   {line}", "")?;
        }
    }
    Ok(())
}

/// Breaks a text into lines of at most `width` characters.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, String::len);
        if line > 0 && line + 1 + word.len() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// `fanlight 0.1.0, ABI 1; driver ABI 1`.
pub fn version(matches: &Matches) -> Result<()> {
    let driver = driver_abi(matches);
    let mut out = output::stdout();
    write!(
        out,
        "fanlight {}, ABI {}; ",
        env!("CARGO_PKG_VERSION"),
        abi::ABI
    )?;
    match driver {
        Some(driver) if driver > abi::ABI => writeln!(
            out,
            "driver ABI {driver}, which is newer: what it adds is not shown"
        )?,
        Some(driver) => writeln!(out, "driver ABI {driver}")?,
        None => writeln!(out, "no driver that answers")?,
    }
    Ok(out.flush()?)
}

/// The ABI of the first window that may be opened.
fn driver_abi(matches: &Matches) -> Option<u32> {
    let boards = match matches.text("device").ok()? {
        Some(device) => vec![Instance::open(device).ok()?],
        None => Instance::list().ok()?,
    };
    let mut windows = boards
        .iter()
        .filter_map(|board| board.windows().ok())
        .flatten();
    windows.find_map(|window| window.info().ok()?.abi)
}
