// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table itself.

use super::fb::FB;
use super::log::LOG;
use super::mem::MEM;
use super::{Command, Opt, Value};
use crate::{list, stats, top};

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
        ("fanlight log --boot=-1", "the log of the boot before this one"),
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

const STATS: Command = Command {
    name: "stats",
    summary: "Print what the driver counts of the log",
    about: &[
        "OVERWRITTEN records made room for newer ones. DROPPED ones could not be appended. KERNEL-MISSED are those that printk \
         lost before the driver saw them. LIMITED ones a program wrote beyond the write limit. HELD are in the ring now.",
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
