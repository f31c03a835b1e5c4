// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight mem` and its commands.

use super::commands::{COUNT, JSON, PLAIN};
use super::{Command, Need, Operand, Opt, Value};
use crate::mem;

const WIDTH: Opt = Opt::with(
    'w',
    "width",
    "BYTES",
    Value::Words(mem::WIDTHS),
    "bytes of an access: 1, 2 or 4; otherwise what the registers need (reg-io-width), or 4",
);

const WINDOW: Operand = Operand {
    name: "WINDOW",
    value: Value::Window,
    need: Need::One,
    help: "the window's name, or the path of its node",
};

const OFFSET: Operand = Operand {
    name: "OFFSET",
    value: Value::Text,
    need: Need::One,
    help: "where in the window: 256, 0x100, 4K or 1M",
};

pub const MEM: Command = Command {
    name: "mem",
    summary: "Read and write a window's memory",
    about: &["Every access is one load or store of exactly the width, aligned to it, and inside of the window; accesses keep their order."],
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
    about: &[
        "Memory is loaded by words (or the width that the registers need) and printed as bytes.",
        "With --width as xxd -e -g2 or -g4: accesses of that width, and numbers, not bytes.",
    ],
    operands: &[
        WINDOW,
        Operand {
            need: Need::Optional,
            ..OFFSET
        },
        Operand {
            name: "LENGTH",
            value: Value::Text,
            need: Need::Optional,
            help: "how many bytes; 256 if it is not given",
        },
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
        Operand {
            name: "COUNT",
            value: Value::Text,
            need: Need::Optional,
            help: "how many values; 1 if it is not given",
        },
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
        Operand {
            name: "VALUE",
            value: Value::Text,
            need: Need::Many,
            help: "what to store",
        },
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
        Operand {
            name: "LENGTH",
            value: Value::Text,
            need: Need::Optional,
            help: "how many bytes; 64 if it is not given",
        },
    ],
    options: &[
        WIDTH,
        Opt::with(
            'i',
            "interval",
            "SECONDS",
            Value::Text,
            "how long to wait in between; 0.5 if it is not given",
        ),
        COUNT,
    ],
    run: Some(mem::watch),
    ..PLAIN
};
