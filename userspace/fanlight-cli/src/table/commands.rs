// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table itself.

use super::{Command, Need, Operand, Opt, Value};
use crate::{fb, list, log};

const JSON: Opt = Opt { short: Some('J'), long: "json", value: None, help: "print JSON" };

const CRC: Opt = Opt {
    short: None,
    long: "crc",
    value: None,
    help: "print the CRC-32 of the picture's pixels, three bytes (red, green, blue) each",
};

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
    examples: &[
        ("fanlight list", "what there is"),
        ("fanlight fb pattern", "a test picture on the screen"),
        ("fanlight fb show photo.png --fit", "a picture of yours"),
        ("fanlight log --follow", "the kernel's log, and what comes"),
    ],
    commands: &[&LIST, &LOG, &FB],
    ..PLAIN
};

const LIST: Command = Command {
    name: "list",
    summary: "List the windows of the board: size, backing, cache type, geometry",
    about: &["RIGHTS are r and w for reading and writing, then the same for mapping."],
    options: &[JSON],
    run: Some(list::run),
    ..PLAIN
};

const LOG: Command = Command {
    name: "log",
    summary: "Print the log",
    options: &[
        Opt { short: Some('f'), long: "follow", value: None, help: "wait for more and print it as it comes" },
        Opt { short: Some('p'), long: "previous", value: None, help: "print what was salvaged of the previous boot's log" },
        Opt { short: Some('r'), long: "raw", value: None, help: "print records as /dev/kmsg gives them" },
    ],
    run: Some(log::run),
    ..PLAIN
};

const FB: Command = Command {
    name: "fb",
    summary: "Draw on the screen, and read it back",
    commands: &[&FB_INFO, &FB_SHOT, &FB_PATTERN],
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

const FB_PATTERN: Command = Command {
    name: "pattern",
    summary: "Draw a test picture",
    operands: &[Operand {
        name: "NAME",
        value: Value::Words(fb::pattern::NAMES),
        need: Need::Optional,
        help: "bars (default), grid, gradient or text",
    }],
    options: &[
        Opt {
            short: Some('s'),
            long: "save",
            value: Some(("FILE.png", Value::File)),
            help: "save what was drawn as well; drawn anew, not read back, so that the screen can be compared with it",
        },
        CRC,
    ],
    run: Some(fb::pattern),
    ..PLAIN
};
