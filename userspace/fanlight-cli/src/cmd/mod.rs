// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands: each is a file or a directory with its arguments, its texts and its code.

mod fb;
mod list;
mod log;
mod mem;
mod stats;
mod top;
pub(crate) mod usage;
pub(crate) mod version;

use clap::{Arg, ArgAction, ArgMatches, Args, Command};

use crate::error::{Error, Result};
use crate::target::Target;

/// The commands of `fanlight`, in the order of its help.
pub const COMMANDS: &[Entry] = &[
    Entry::of::<list::List>(),
    Entry::of::<log::Log>(),
    Entry::of::<fb::Fb>(),
    Entry::of::<mem::Mem>(),
    Entry::of::<stats::Stats>(),
    Entry::of::<top::Top>(),
];

/// The texts of the help and the man page of `fanlight` itself.
pub const TEXTS: Texts = Texts {
    about: &[
        "The driver provides memory of a board as windows, which are device nodes such as \
         /dev/fanlight0/fb, and keeps a log that survives a reboot.",
    ],
    examples: &[
        ("fanlight list", "list the windows"),
        ("fanlight fb pattern", "draw a test picture on the screen"),
        ("fanlight fb show photo.png", "show a picture"),
        (
            "fanlight fb shot screen.png",
            "save the screen's contents to a file",
        ),
        (
            "fanlight log --follow",
            "print the kernel's log and wait for more",
        ),
        (
            "fanlight log --boot=-1",
            "print the log of the previous boot",
        ),
        ("fanlight top", "show an overview of all windows"),
    ],
    statuses: &[],
};

/// Environment variables that the commands read.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "FANLIGHT",
        "the device if --device is not given; the default is the one with the lowest number",
    ),
    (
        "FRAMEBUFFER",
        "the framebuffer's node for the fb commands if --device is not given; a framebuffer of \
         another driver is accepted, too",
    ),
    (
        "NO_COLOR",
        "if it is set and not empty, output has no colours unless --color=always is given",
    ),
    (
        "TERM",
        "if it is not set, empty or dumb, output has no colours unless --color=always is given",
    ),
    ("TZ", "the time zone of dates"),
];

/// The possible values of arguments that clap does not know, for the completions.
pub fn words() -> Vec<(&'static [&'static str], &'static str, Vec<&'static str>)> {
    let levels = fanlight::Level::ALL.map(fanlight::Level::name);
    let facilities = fanlight::Facility::NAMES;
    let mut all: Vec<(&'static [&'static str], _, _)> = vec![
        (&["fb", "pattern"], "name", fb::PATTERNS.to_vec()),
        (&["fb", "fill"], "colour", fb::COLOURS.to_vec()),
        (&["fb", "blank"], "state", vec!["on", "off"]),
    ];
    if cfg!(feature = "png") {
        all.push((&["fb", "show"], "background", fb::COLOURS.to_vec()));
    }
    for command in [&["log"][..], &["log", "write"]] {
        all.push((command, "level", levels.to_vec()));
        all.push((command, "facility", facilities.to_vec()));
    }
    for command in [
        &["mem", "dump"][..],
        &["mem", "read"],
        &["mem", "write"],
        &["mem", "set"],
        &["mem", "clear"],
        &["mem", "watch"],
        &["mem", "save"],
    ] {
        all.push((command, "width", vec!["1", "2", "4"]));
    }
    all
}

/// A command that clap parses and that can be run.
trait Run: Args {
    const NAME: &'static str;
    /// One line, without a full stop.
    const SUMMARY: &'static str;
    const TEXTS: Texts = Texts {
        about: &[],
        examples: &[],
        statuses: &[],
    };
    const COMMANDS: &'static [Entry] = &[];

    fn run(self, target: &Target) -> Result<()>;
}

/// The texts of the help and the man page of a command, in addition to its arguments.
pub struct Texts {
    /// Paragraphs.
    pub about: &'static [&'static str],
    /// Command lines, and what they do.
    pub examples: &'static [(&'static str, &'static str)],
    /// Exit statuses other than 0 and 1.
    pub statuses: &'static [(u8, &'static str)],
}

/// A command in a table of commands.
pub struct Entry {
    pub name: &'static str,
    pub texts: Texts,
    pub commands: &'static [Entry],
    define: fn() -> Command,
    run: fn(&ArgMatches, &Target) -> Result<()>,
}

impl Entry {
    const fn of<T: Run>() -> Self {
        Self {
            name: T::NAME,
            texts: T::TEXTS,
            commands: T::COMMANDS,
            define: define::<T>,
            run: run::<T>,
        }
    }
}

/// The definition of a command. Its arguments are defined only when this command is parsed, because
/// defining them takes most of the start-up time.
fn define<T: Run>() -> Command {
    Command::new(T::NAME).about(T::SUMMARY).defer(|command| {
        complete(T::augment_args(command), &T::TEXTS, T::COMMANDS).about(T::SUMMARY)
    })
}

fn run<T: Run>(matches: &ArgMatches, target: &Target) -> Result<()> {
    if matches.subcommand_name().is_some() {
        return dispatch(T::COMMANDS, matches, target);
    }
    let arguments = T::from_arg_matches(matches);
    arguments
        .map_err(|error| Error::Usage(error.kind().to_string()))?
        .run(target)
}

/// Runs the command that was parsed.
pub(crate) fn dispatch(commands: &[Entry], matches: &ArgMatches, target: &Target) -> Result<()> {
    let Some((name, matches)) = matches.subcommand() else {
        return Err(missing());
    };
    match commands.iter().find(|entry| entry.name == name) {
        Some(entry) => (entry.run)(matches, target),
        None => Err(missing()),
    }
}

fn missing() -> Error {
    Error::Usage("a command is missing".into())
}

const TEMPLATE: &str =
    "{usage-heading}\n {usage}\n\n{about}.\n{before-help}\n{all-args}{after-help}";

/// Completes the definition of a command by the parts that all commands share.
fn complete(command: Command, texts: &Texts, commands: &[Entry]) -> Command {
    let command = command
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        // The last one wins, as with getopt_long.
        .args_override_self(true)
        .help_template(TEMPLATE)
        .before_help(paragraphs(texts))
        .after_help(sections(texts));
    let command = commands.iter().fold(command, |command, entry| {
        command.subcommand((entry.define)())
    });
    // As with getopt_long, the word after an option is its argument, even `-1` in `--boot -1`.
    command.mut_args(
        |arg| match arg.is_positional() || !arg.get_action().takes_values() {
            true => arg,
            false => arg.allow_hyphen_values(true),
        },
    )
}

/// Options of all commands are at the end of the help.
const LAST: usize = 1000;

/// The command line of `fanlight`.
pub fn command() -> Command {
    let command = Command::new("fanlight")
        .about("Access board memory, framebuffers and the kernel's log through the fanlight driver")
        .infer_long_args(true)
        .term_width(79)
        .arg(
            Arg::new("device")
                .short('d')
                .long("device")
                .value_name("DEVICE")
                .global(true)
                .display_order(LAST)
                .allow_hyphen_values(true)
                .help("The device: its number, its directory in /dev, or a node in it"),
        )
        .arg(
            Arg::new("help")
                .short('h')
                .long("help")
                .global(true)
                .display_order(LAST)
                .action(ArgAction::HelpShort)
                .help("Display this help"),
        )
        .arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .global(true)
                .display_order(LAST)
                .action(ArgAction::SetTrue)
                .help("Display the version, and the version of the driver's ABI"),
        );
    complete(command, &TEXTS, COMMANDS).after_help(sections(&TEXTS) + &environment())
}

fn environment() -> String {
    let mut text = String::from("\nEnvironment:\n");
    for (name, what) in ENVIRONMENT {
        text.extend(["  ", name, ": ", what, "\n"]);
    }
    text + "\nMore about each command: fanlight COMMAND --help"
}

fn paragraphs(texts: &Texts) -> String {
    let mut text = String::new();
    for paragraph in texts.about {
        text.push('\n');
        text.push_str(paragraph);
        text.push('\n');
    }
    text
}

/// The sections of the help after the options.
fn sections(texts: &Texts) -> String {
    let mut text = String::new();
    if !texts.examples.is_empty() {
        text.push_str("Examples:\n");
        for (example, what) in texts.examples {
            text.extend(["  # ", what, "\n  ", example, "\n"]);
        }
    }
    for (status, what) in texts.statuses {
        let status = status.to_string();
        text.extend(["\nExit status ", &status, ": ", what, ".\n"]);
    }
    text
}
