// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the command line can do, as data: the parser, --help, the man pages and the completion are all made from it.

mod commands;
mod fb;
mod log;
mod mem;

pub use commands::FANLIGHT;

use crate::args::Matches;
use crate::error::Result;

/// A command, or the program itself.
pub struct Command {
    pub name: &'static str,
    /// One line, without a full stop.
    pub summary: &'static str,
    /// Paragraphs for --help and the man page.
    pub about: &'static [&'static str],
    pub operands: &'static [Operand],
    pub options: &'static [Opt],
    pub commands: &'static [&'static Command],
    /// What to type, and what it does.
    pub examples: &'static [(&'static str, &'static str)],
    /// Exit statuses other than 0 and 1.
    pub statuses: &'static [(u8, &'static str)],
    /// `None`: it is only there for its commands.
    pub run: Option<fn(&Matches) -> Result<()>>,
}

/// What is expected beside options.
pub struct Operand {
    pub name: &'static str,
    pub value: Value,
    pub need: Need,
    pub help: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    One,
    Optional,
    Many,
    Any,
}

/// An option.
pub struct Opt {
    pub short: Option<char>,
    pub long: &'static str,
    /// What its argument is called, and what it may be.
    pub value: Option<(&'static str, Value)>,
    /// The argument may be left out, and comes behind an equals sign.
    pub loose: bool,
    pub help: &'static str,
}

/// What an operand or an option's argument may be; the completion offers it.
#[derive(Clone, Copy)]
pub enum Value {
    Text,
    File,
    Device,
    Window,
    Words(&'static [&'static str]),
}

/// Options that every command takes.
pub const COMMON: &[Opt] = &[
    Opt::with(
        'd',
        "device",
        "DEVICE",
        Value::Device,
        "the board: its number, its directory in /dev, or a node in it",
    ),
    Opt::flag('h', "help", "display this help"),
    Opt::flag('V', "version", "display the version, and the driver's ABI"),
];

/// An option for those who make packages: `man`, a command's page as in `man fanlight-log`, or `bash`.
const HIDDEN: &[Opt] = &[Opt::with(' ', "generate", "WHAT", Value::Text, "").long()];

/// Environment variables, for all commands.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("FANLIGHT", "the board where --device is not given; else it is the one with the lowest number"),
    ("FRAMEBUFFER", "the framebuffer's node for the fb commands where --device is not given; it may be another driver's"),
    ("NO_COLOR", "if it is set and not empty, nothing is coloured unless --color=always is given"),
    ("TERM", "nothing is coloured if it is dumb, empty or not set, unless --color=always is given"),
    ("TZ", "the time zone of dates"),
];

impl Command {
    /// Its options and those that all commands take.
    pub fn all_options(&self) -> impl Iterator<Item = &'static Opt> {
        self.options.iter().chain(COMMON)
    }

    /// The option of that long name.
    pub fn option(&self, long: &str) -> Option<&'static Opt> {
        self.all_options()
            .chain(HIDDEN)
            .find(|option| option.long == long)
    }

    pub fn command(&self, name: &str) -> Option<&'static Command> {
        self.commands
            .iter()
            .copied()
            .find(|command| command.name == name)
    }
}

impl Opt {
    pub const fn flag(short: char, long: &'static str, help: &'static str) -> Self {
        Self {
            short: Some(short),
            long,
            value: None,
            loose: false,
            help,
        }
    }

    pub const fn with(
        short: char,
        long: &'static str,
        name: &'static str,
        value: Value,
        help: &'static str,
    ) -> Self {
        Self {
            short: Some(short),
            long,
            value: Some((name, value)),
            loose: false,
            help,
        }
    }

    /// The same without its letter.
    pub const fn long(self) -> Self {
        Self {
            short: None,
            ..self
        }
    }

    /// `-l, --level LEVEL`, as help and man page show it.
    pub fn spelled(&self) -> String {
        let mut text = match self.short {
            Some(short) => format!("-{short}, --{}", self.long),
            None => format!("    --{}", self.long),
        };
        match self.value {
            Some((name, _)) if self.loose => text.extend(["[=", name, "]"]),
            Some((name, _)) => text.extend([" ", name]),
            None => {}
        }
        text
    }
}

impl Operand {
    pub fn spelled(&self) -> String {
        match self.need {
            Need::One => self.name.to_owned(),
            Need::Optional => format!("[{}]", self.name),
            Need::Many => format!("{}...", self.name),
            Need::Any => format!("[{}...]", self.name),
        }
    }
}
