// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table itself.

use super::{Command, Need, Operand, Opt, Value};
use crate::{fb, list, log, mem, stats, top};

const JSON: Opt = Opt::flag('J', "json", "print JSON");

const CRC: Opt =
    Opt::flag('c', "crc", "print the CRC-32 of the picture's pixels, three bytes (red, green, blue) each, as 8 digits").long();

const COUNT: Opt = Opt::with('n', "count", "N", Value::Text, "end after this many times");

const WIDTH: Opt = Opt::with('w', "width", "BYTES", Value::Words(mem::WIDTHS), "bytes of an access: 1, 2 or 4");

const WINDOW: Operand =
    Operand { name: "WINDOW", value: Value::Window, need: Need::One, help: "the window's name, or the path of its node" };

const OFFSET: Operand =
    Operand { name: "OFFSET", value: Value::Text, need: Need::One, help: "where in the window: 256, 0x100, 4K or 1M" };

/// What all commands have in common where they say nothing else.
const PLAIN: Command = Command {
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

const LEVELS: &[&str] = &["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

const LOG_WRITE: Command = Command {
    name: "write",
    summary: "Append to the log",
    about: &["Without TEXT every line of standard input becomes a record."],
    operands: &[Operand { name: "TEXT", value: Value::Text, need: Need::Any, help: "the record's words" }],
    options: &[
        Opt::with('l', "level", "LEVEL", Value::Words(LEVELS), "the level; notice if it is not given"),
        Opt::with('f', "facility", "FACILITY", Value::Words(&fanlight::Facility::NAMES), "the facility; user if it is not given").long(),
    ],
    run: Some(log::write),
    ..PLAIN
};

const FB: Command = Command {
    name: "fb",
    summary: "Draw on the screen, and read it back",
    about: &[
        "Where the framebuffer has two pages, drawing goes to the hidden one, which is shown when it is complete.",
        "A framebuffer of another driver will do as well: FRAMEBUFFER=/dev/fb0.",
    ],
    commands: &[&FB_INFO, &FB_SHOT, &FB_SHOW, &FB_PATTERN, &FB_FILL, &FB_BLANK, &FB_CLEAR],
    ..PLAIN
};

const FB_INFO: Command = Command {
    name: "info",
    summary: "Print the framebuffer's geometry",
    options: &[JSON],
    run: Some(fb::info),
    ..PLAIN
};

const FB_SHOT: Command = Command {
    name: "shot",
    summary: "Save what is on the screen as a PNG file",
    operands: &[Operand { name: "FILE.png", value: Value::File, need: Need::Optional, help: "the file; - is standard output" }],
    options: &[CRC],
    run: Some(fb::shot),
    ..PLAIN
};

const FB_SHOW: Command = Command {
    name: "show",
    summary: "Show a PNG file",
    about: &["Without an option the picture is shown as large as it is, or as large as fits."],
    operands: &[Operand { name: "FILE.png", value: Value::File, need: Need::One, help: "the picture" }],
    options: &[
        Opt::flag('f', "fit", "as large as fits"),
        Opt::flag('c', "center", "as large as it is; what does not fit is cut off"),
        Opt::with('s', "scale", "N", Value::Text, "so many times as large as it is, such as 2 or 0.5"),
        Opt::with('b', "background", "COLOUR", Value::Words(fb::colour::NAMES), "the colour around it; black if it is not given"),
    ],
    run: Some(fb::show::run),
    ..PLAIN
};

const FB_PATTERN: Command = Command {
    name: "pattern",
    summary: "Draw a test picture",
    about: &[
        "bars: colours at full strength, grey steps, and which screen this is. grid: one-pixel lines, circles that are round if \
         the pixels are square, marks in the corners. gradient: ramps that show how many shades there are. text: the machine's \
         name and facts, and how the fonts look.",
    ],
    operands: &[Operand {
        name: "NAME",
        value: Value::Words(fb::pattern::NAMES),
        need: Need::Optional,
        help: "bars (if it is not given), grid, gradient or text",
    }],
    options: &[
        Opt::with(
            's',
            "save",
            "FILE.png",
            Value::File,
            "save what was drawn as well: drawn anew, not read back, so that the screen can be compared with it",
        ),
        CRC,
    ],
    run: Some(fb::pattern),
    ..PLAIN
};

const FB_FILL: Command = Command {
    name: "fill",
    summary: "Fill the screen with a colour",
    operands: &[Operand {
        name: "COLOUR",
        value: Value::Words(fb::colour::NAMES),
        need: Need::One,
        help: "#rrggbb, #rgb, or a name such as red",
    }],
    run: Some(fb::fill),
    ..PLAIN
};

const FB_BLANK: Command = Command {
    name: "blank",
    summary: "Turn the screen dark, or back on",
    about: &["The picture stays in memory."],
    operands: &[Operand { name: "on|off", value: Value::Words(&["on", "off"]), need: Need::One, help: "on makes it dark" }],
    run: Some(fb::blank),
    ..PLAIN
};

const FB_CLEAR: Command = Command { name: "clear", summary: "Fill the screen with black", run: Some(fb::clear), ..PLAIN };

const MEM: Command = Command {
    name: "mem",
    summary: "Read and write a window's memory",
    about: &["Every access is one load or store of exactly the width, aligned to it, and inside of the window."],
    commands: &[&MEM_DUMP, &MEM_READ, &MEM_WRITE, &MEM_WATCH],
    examples: &[
        ("fanlight mem dump sram 0x100 64", "64 bytes, as xxd -g1 prints them"),
        ("fanlight mem read sram 0x10", "a word"),
        ("fanlight mem write sram 0x10 0xcafe --width 2", "a half"),
        ("fanlight mem watch sram 0 32 -i 0.1", "what changes"),
    ],
    ..PLAIN
};

const MEM_DUMP: Command = Command {
    name: "dump",
    summary: "Print memory as xxd does",
    about: &["With --width 2 or 4 as xxd -e -g2 or -g4: numbers, not bytes."],
    operands: &[
        WINDOW,
        Operand { need: Need::Optional, ..OFFSET },
        Operand { name: "LENGTH", value: Value::Text, need: Need::Optional, help: "how many bytes; 256 if it is not given" },
    ],
    options: &[WIDTH],
    run: Some(mem::dump),
    ..PLAIN
};

const MEM_READ: Command = Command {
    name: "read",
    summary: "Print values, one a line",
    operands: &[
        WINDOW,
        OFFSET,
        Operand { name: "COUNT", value: Value::Text, need: Need::Optional, help: "how many values; 1 if it is not given" },
    ],
    options: &[WIDTH, JSON],
    run: Some(mem::read),
    ..PLAIN
};

const MEM_WRITE: Command = Command {
    name: "write",
    summary: "Store values, one after the other",
    operands: &[
        WINDOW,
        OFFSET,
        Operand { name: "VALUE", value: Value::Text, need: Need::Many, help: "what to store" },
    ],
    options: &[WIDTH],
    run: Some(mem::write),
    ..PLAIN
};

const MEM_WATCH: Command = Command {
    name: "watch",
    summary: "Print memory again and again, and mark what changes",
    about: &["Where standard output is no terminal, every change becomes a line."],
    operands: &[
        WINDOW,
        OFFSET,
        Operand { name: "LENGTH", value: Value::Text, need: Need::Optional, help: "how many bytes; 64 if it is not given" },
    ],
    options: &[
        WIDTH,
        Opt::with('i', "interval", "SECONDS", Value::Text, "how long to wait in between; 0.5 if it is not given"),
        COUNT,
    ],
    run: Some(mem::watch),
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
