// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log` and its commands. Letters and names are dmesg's, and for what dmesg has not,
//! journalctl's.

use super::commands::PLAIN;
use super::{Command, Need, Operand, Opt, Value};
use crate::log;

pub const LOG: Command = Command {
    name: "log",
    summary: "Print the log",
    about: &[
        "Options have dmesg's letters, and journalctl's where dmesg has none. Records that were \
         overwritten before they could be read are counted on stderr.",
        "LIST has names or numbers with commas between them. For levels err+ is err and all that \
         is more urgent, and +err is err and all that is less.",
        "BOOT is 0 for the running boot, -1 for the newest earlier boot that there is a log of, -2 \
         for the one before that and so on, or a boot id.",
        "CURSOR is what --json and --output=export print with each record. It holds when the \
         driver is bound again, which gives the kernel's messages other numbers.",
        "WHEN is a date in any form that is printed here, with an offset or Z behind it or not \
         (2026-11-20, '2026-11-20 13:36:33+01:00', 13:36), now, today, yesterday, tomorrow, \
         '5 min ago', -5min, +5min, @SECONDS since 1970, or +SECONDS since boot, which is the \
         only one for a log whose dates are not known.",
    ],
    options: &[
        Opt::flag('w', "follow", "wait for more and print it as it comes"),
        Opt::flag('W', "follow-new", "as --follow, but print only what is new"),
        Opt::with('n', "lines", "N", Value::Text, "only the last N records"),
        Opt::with('b', "boot", "BOOT", Value::Text, "the log of that boot"),
        Opt::flag('p', "previous", "as --boot=-1").long(),
        Opt::flag(' ', "list-boots", "list the boots that there are logs of").long(),
        Opt::with(
            ' ',
            "after-cursor",
            "CURSOR",
            Value::Text,
            "only what is newer than the record of that cursor, later boots included",
        )
        .long(),
        Opt::flag('C', "clear", "with --boot: forget that earlier boot's log"),
        Opt::with(
            'F',
            "file",
            "FILE",
            Value::File,
            "read a file: a saved ring, or text of /dev/kmsg or --raw",
        ),
        Opt::with(' ', "save", "FILE", Value::File, "save the ring for --file").long(),
        Opt::with(
            'l',
            "level",
            "LIST",
            Value::Words(LEVELS),
            "only these levels: emerg, alert, crit, err, warn, notice, info, debug",
        ),
        Opt::with(
            'f',
            "facility",
            "LIST",
            Value::Words(&fanlight::Facility::NAMES),
            "only these facilities: kern, user, daemon, local0 and so on",
        ),
        Opt::flag('k', "kernel", "only the kernel's records"),
        Opt::flag('u', "userspace", "only programs' records"),
        Opt::with(' ', "since", "WHEN", Value::Text, "only what is not older").long(),
        Opt::with(' ', "until", "WHEN", Value::Text, "only what is not newer").long(),
        Opt::with(
            'g',
            "grep",
            "PATTERN",
            Value::Text,
            "only what matches a regular expression",
        ),
        Opt::flag('Q', "fixed", "PATTERN is plain text"),
        Opt::flag('T', "ctime", "print dates"),
        Opt::flag(
            'H',
            "human",
            "print each new minute, and the seconds between records",
        ),
        Opt::flag('t', "notime", "print no times"),
        Opt::with(
            ' ',
            "time-format",
            "FORMAT",
            Value::Words(log::TIMES),
            "raw (seconds since boot, the default), ctime, iso, delta, reltime or notime",
        )
        .long(),
        Opt::flag('x', "decode", "print facility and level"),
        Opt {
            short: Some('L'),
            long: "color",
            value: Some(("WHEN", Value::Words(log::COLORS))),
            loose: true,
            help: "colour the text: auto (on a terminal, the default), always or never",
        },
        Opt::with(
            'o',
            "output",
            "FORM",
            Value::Words(log::OUTPUTS),
            "short (the default), cat (the text alone), json, raw, or export, which \
             systemd-journal-remote reads",
        ),
        Opt::flag(
            'J',
            "json",
            "as --output=json: an object per line; with --list-boots: one object",
        ),
        Opt::flag('r', "raw", "as --output=raw: as /dev/kmsg prints records, but whole"),
    ],
    commands: &[&WRITE, &ARCHIVE],
    examples: &[
        (
            "fanlight log -w -l warn+",
            "warnings and worse, as they come",
        ),
        (
            "fanlight log --since '5 min ago' --grep 'usb.*error'",
            "search",
        ),
        (
            "fanlight log -b -1 -T -n 20",
            "the end of the previous boot",
        ),
        ("fanlight log --boot=-1 --json", "for a program"),
    ],
    statuses: &[(2, "no record matched, or nothing was found of that boot")],
    run: Some(log::run),
    ..PLAIN
};

const LEVELS: &[&str] = &[
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
];

const WRITE: Command = Command {
    name: "write",
    summary: "Append to the log",
    about: &[
        "Without TEXT every line of standard input becomes a record, and a line that is too long \
         for one becomes several. A NUL byte is written as \\x00, since a record ends at one.",
        "Records that the write limit has suppressed are counted on stderr, and the exit status \
         is 1.",
    ],
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
        ),
    ],
    run: Some(log::write),
    ..PLAIN
};

const ARCHIVE: Command = Command {
    name: "archive",
    summary: "File the logs of earlier boots, and make room for later ones",
    about: &[
        "Each boot's log becomes a file that --file reads, named by date, boot id and ending. A \
         log gives its space in the persistent region back when all of its records are in a file \
         on the disk; until the driver is unbound, --boot still shows it. A file that is there \
         already never loses a record. Only one run at a time has the directory, and others wait \
         for it. When a limit is exceeded, the oldest files \
         are removed, those of panics last, and never one that was just written.",
    ],
    operands: &[Operand {
        name: "DIRECTORY",
        value: Value::File,
        need: Need::One,
        help: "where to; it is made if only its last part is missing",
    }],
    options: &[
        Opt::with(' ', "max-files", "N", Value::Text, "keep at most N files").long(),
        Opt::with(
            ' ',
            "max-size",
            "SIZE",
            Value::Text,
            "keep at most that many bytes: 500000, 512K or 4M",
        )
        .long(),
        Opt::flag(' ', "volatile", "also in a file system in memory").long(),
    ],
    run: Some(log::archive),
    ..PLAIN
};
