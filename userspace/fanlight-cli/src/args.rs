// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the command line by the table. Long options may be shortened as getopt_long allows it.

use std::ffi::{OsStr, OsString};
use std::str::FromStr;

use lexopt::Arg;

use crate::error::{Error, Result};
use crate::table::{Command, Need, Opt, FANLIGHT};

/// What was found on the command line.
pub struct Matches {
    /// The command, and those it belongs to, from the program on.
    pub path: Vec<&'static Command>,
    options: Vec<(&'static Opt, Option<OsString>)>,
    operands: Vec<OsString>,
}

/// Reads the arguments, without the program's name. What was found up to an error tells which command it is about.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> (Matches, Result<()>) {
    let mut matches = Matches {
        path: vec![&FANLIGHT],
        options: Vec::new(),
        operands: Vec::new(),
    };
    let result = read(lexopt::Parser::from_args(arguments), &mut matches);
    (matches, result)
}

fn read(mut parser: lexopt::Parser, matches: &mut Matches) -> Result<()> {
    // lexopt lends what it found; it is copied so that the value can be asked for.
    enum Found {
        Short(char),
        Long(String),
        Value(OsString),
    }
    loop {
        let found = match parser
            .next()
            .map_err(|error| Error::Usage(error.to_string()))?
        {
            None => break,
            Some(Arg::Short(short)) => Found::Short(short),
            Some(Arg::Long(long)) => Found::Long(long.to_owned()),
            Some(Arg::Value(value)) => Found::Value(value),
        };
        let command = matches.command();
        let option = match found {
            Found::Value(value) => {
                matches.operand(value)?;
                continue;
            }
            Found::Short(short) => find(command, |option| option.short == Some(short))
                .ok_or_else(|| Error::Usage(format!("invalid option -- '{short}'")))?,
            Found::Long(long) => long_option(command, &long)?,
        };
        let value = match option.value {
            Some(_) if option.loose => parser.optional_value(),
            Some(_) => Some(parser.value().map_err(|_| {
                Error::Usage(format!("option '--{}' requires an argument", option.long))
            })?),
            None => match parser.optional_value() {
                Some(_) => {
                    return Err(Error::Usage(format!(
                        "option '--{}' doesn't allow an argument",
                        option.long
                    )))
                }
                None => None,
            },
        };
        matches.options.push((option, value));
    }
    Ok(())
}

fn find(command: &'static Command, is: impl Fn(&Opt) -> bool) -> Option<&'static Opt> {
    command.all_options().find(|option| is(option))
}

fn long_option(command: &'static Command, long: &str) -> Result<&'static Opt> {
    if let Some(option) = command.option(long) {
        return Ok(option);
    }
    let mut begins = command
        .all_options()
        .filter(|option| option.long.starts_with(long));
    match (begins.next(), begins.next()) {
        (Some(option), None) => Ok(option),
        (Some(_), Some(_)) => Err(Error::Usage(format!("option '--{long}' is ambiguous"))),
        (None, _) => Err(Error::Usage(format!("unrecognized option '--{long}'"))),
    }
}

impl Matches {
    pub fn command(&self) -> &'static Command {
        self.path.last().copied().unwrap_or(&FANLIGHT)
    }

    /// Takes what is no option: a command's name, or an operand.
    fn operand(&mut self, value: OsString) -> Result<()> {
        let command = self.command();
        if self.operands.is_empty() {
            if let Some(deeper) = value.to_str().and_then(|name| command.command(name)) {
                self.path.push(deeper);
                return Ok(());
            }
        }
        if command.operands.is_empty() && !command.commands.is_empty() {
            return Err(Error::Usage(format!(
                "unknown command '{}'",
                value.to_string_lossy()
            )));
        }
        self.operands.push(value);
        Ok(())
    }

    /// Checks that there are neither too few operands nor too many.
    pub fn check(&self) -> Result<()> {
        let operands = self.command().operands;
        let least = operands
            .iter()
            .filter(|operand| matches!(operand.need, Need::One | Need::Many))
            .count();
        let endless = operands
            .iter()
            .any(|operand| matches!(operand.need, Need::Many | Need::Any));
        if self.operands.len() < least {
            let missing = operands
                .get(self.operands.len())
                .map_or("", |operand| operand.name);
            return Err(Error::Usage(format!("{} is missing", missing)));
        }
        match self.operands.get(operands.len()) {
            Some(extra) if !endless => Err(Error::Usage(format!(
                "unexpected argument '{}'",
                extra.to_string_lossy()
            ))),
            _ => Ok(()),
        }
    }

    /// Whether an option was given.
    pub fn has(&self, long: &str) -> bool {
        debug_assert!(
            self.command().option(long).is_some(),
            "{long} is not in the table"
        );
        self.options.iter().any(|(option, _)| option.long == long)
    }

    /// The argument of an option, the last one if it was given more than once.
    pub fn os_value(&self, long: &str) -> Option<&OsStr> {
        debug_assert!(
            self.command().option(long).is_some(),
            "{long} is not in the table"
        );
        self.options
            .iter()
            .rev()
            .find(|(option, _)| option.long == long)?
            .1
            .as_deref()
    }

    pub fn text(&self, long: &str) -> Result<Option<&str>> {
        self.os_value(long).map(text).transpose()
    }

    /// The argument of an option, read as a type.
    pub fn value<T: FromStr>(&self, long: &str) -> Result<Option<T>> {
        self.text(long)?
            .map(|text| {
                text.parse()
                    .map_err(|_| Error::Usage(format!("invalid argument for --{long}: '{text}'")))
            })
            .transpose()
    }

    /// The argument of an option that has to be one of some words.
    pub fn word(&self, long: &str, words: &[&'static str]) -> Result<Option<&'static str>> {
        let Some(text) = self.text(long)? else {
            return Ok(None);
        };
        match words.iter().find(|word| **word == text) {
            Some(word) => Ok(Some(word)),
            None => Err(Error::Usage(format!(
                "invalid argument for --{long}: '{text}'; it is one of {}",
                words.join(", ")
            ))),
        }
    }

    pub fn operands(&self) -> &[OsString] {
        &self.operands
    }

    /// An operand as text.
    pub fn operand_text(&self, at: usize) -> Result<Option<&str>> {
        self.operands
            .get(at)
            .map(|operand| text(operand))
            .transpose()
    }
}

fn text(text: &OsStr) -> Result<&str> {
    text.to_str()
        .ok_or_else(|| Error::Usage(format!("'{}' is not UTF-8", text.to_string_lossy())))
}
