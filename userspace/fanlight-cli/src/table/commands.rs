// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table itself.

use super::fb::FB;
use super::mem::MEM;
use super::{Command, Need, Operand, Opt, Value};
use crate::{list, log, stats, top};

pub const JSON: Opt = Opt::flag('J', "json", "print JSON");

pub const COUNT: Opt = Opt::with('n', "count", "N", Value::Text, "end after this many times");

/// What all commands have in common where they say nothing else.
pub const PLAIN: Command = Command {
    name: "",
    summary: "",
    about: &[],
    operands: &[],
    options: &[],
    commands: &[],
    examples: &[],
    statuses: &[],
    run: None,
};

pub const FANLIGHT: Command = Command {
    name: "fanlight",
    summary: "Look through the fanlight driver: board memory, the screen, the kernel's log",
    about: &["The driver serves a board's memory as windows, /dev/fanlight0/fb and the like, and keeps a log that survives a reboot."],
    examples: &[
        ("fanlight list", "what there is"),
        ("fanlight fb pattern", "a test picture on the screen"),
        ("fanlight fb show photo.png", "a picture of yours"),
        ("fanlight fb shot screen.png", "what is on the screen, as a file"),
        ("fanlight log --follow", "the kernel's log, and what comes"),
        ("fanlight log --previous", "the last words before the reboot"),
        ("fanlight top", "all of it at a glance"),
    ],
    commands: &[&LIST, &LOG, &FB, &MEM, &STATS, &TOP],
    ..PLAIN
};

const LIST: Command = Command {
    name: "list",
    summary: "List the windows: size, backing, cache type, geometry",
    about: &["RIGHTS are r and w for reading and writing, then the same for mapping."],
    options: &[JSON],
    run: Some(list::run),
    ..PLAIN
};

const LOG: Command = Command {
    name: "log",
    summary: "Print the log",
    about: &[
        "Records are read out of the ring by map. Those that were overwritten before they could be read are counted on stderr.",
        "LIST has names or numbers with commas between them. For levels err+ is err and all that is more urgent, and +err is \
         err and all that is less.",
        "WHEN is a date (2026-11-20, '2026-11-20 13:36:33', 13:36), now, today, yesterday, '5 min ago' or -5min, @SECONDS \
         since 1970, or +SECONDS since boot, which is the only one for another boot's log.",
    ],
    options: &[
        Opt::flag('f', "follow", "wait for more and print it as it comes"),
        Opt::flag('W', "follow-new", "as --follow, but print only what is new"),
        Opt::flag('p', "previous", "print what was salvaged of the previous boot's log"),
        Opt::flag('C', "clear", "with --previous: forget it"),
        Opt::with('F', "file", "FILE", Value::File, "read a ring that was saved to a file"),
        Opt::with('l', "level", "LIST", Value::Words(LEVELS), "only these levels: emerg, alert, crit, err, warn, notice, info, debug"),
        Opt::with('u', "facility", "LIST", Value::Words(&fanlight::Facility::NAMES), "only these facilities: kern, user, daemon, local0 and so on").long(),
        Opt::with('s', "since", "WHEN", Value::Text, "only what is not older").long(),
        Opt::with('u', "until", "WHEN", Value::Text, "only what is not newer").long(),
        Opt::with('g', "grep", "PATTERN", Value::Text, "only what matches a regular expression"),
        Opt::flag('Q', "fixed", "PATTERN is plain text"),
        Opt::with('t', "time", "FORMAT", Value::Words(log::TIMES), "times as seconds since boot (boot) or local dates (local)"),
        Opt::flag('x', "decode", "print facility and level"),
        Opt {
            short: Some('L'),
            long: "color",
            value: Some(("WHEN", Value::Words(log::COLORS))),
            loose: true,
            help: "colour the text: auto (on a terminal, the default), always or never",
        },
        Opt::flag('J', "json", "print a JSON object a line"),
        Opt::flag('r', "raw", "print records as /dev/kmsg gives them"),
    ],
    commands: &[&LOG_WRITE],
    examples: &[
        ("fanlight log -f -l warn+", "warnings and worse, as they come"),
        ("fanlight log --since '5 min ago' --grep 'usb.*error'", "search"),
        ("fanlight log --previous --json", "for a program"),
    ],
    statuses: &[(2, "no record matched, or nothing was found of the previous boot")],
    run: Some(log::run),
    ..PLAIN
};

const LEVELS: &[&str] = &[
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
];

const LOG_WRITE: Command = Command {
    name: "write",
    summary: "Append to the log",
    about: &["Without TEXT every line of standard input becomes a record."],
    operands: &[Operand {
        name: "TEXT",
        value: Value::Text,
        need: Need::Any,
        help: "the record's words",
    }],
    options: &[
        Opt::with(
            'l',
            "level",
            "LEVEL",
            Value::Words(LEVELS),
            "the level; notice if it is not given",
        ),
        Opt::with(
            'f',
            "facility",
            "FACILITY",
            Value::Words(&fanlight::Facility::NAMES),
            "the facility; user if it is not given",
        )
        .long(),
    ],
    run: Some(log::write),
    ..PLAIN
};

const STATS: Command = Command {
    name: "stats",
    summary: "Print what the driver counts of the log",
    about: &[
        "OVERWRITTEN records made room for newer ones. DROPPED ones could not be appended. KERNEL-MISSED are those that printk \
         lost before the driver saw them. HELD are in the ring now.",
    ],
    options: &[
        Opt::flag('f', "follow", "print again and again, with rates"),
        Opt::with('i', "interval", "SECONDS", Value::Text, "how long to wait in between; 1 if it is not given"),
        COUNT,
        JSON,
    ],
    run: Some(stats::run),
    ..PLAIN
};

const TOP: Command = Command {
    name: "top",
    summary: "Show windows, rates, the log's tail and a small picture of the screen",
    about: &[
        "Only what changes is sent, and no faster than a serial line takes it. Keys: q or Escape ends, space pauses, Ctrl-L \
         sends everything anew.",
    ],
    options: &[
        Opt::with('i', "interval", "SECONDS", Value::Text, "how long to wait in between; 1 if it is not given"),
        COUNT,
        Opt::flag('b', "batch", "print plain text, one picture of it after the other"),
    ],
    run: Some(top::run),
    ..PLAIN
};
