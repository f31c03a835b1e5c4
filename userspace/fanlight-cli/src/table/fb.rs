// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight fb` and its commands.

use super::commands::{JSON, PLAIN};
use super::{Command, Need, Operand, Opt, Value};
use crate::fb;

const CRC: Opt = Opt::flag(
    'c',
    "crc",
    "print the CRC-32 of the picture's pixels, three bytes (red, green, blue) each, as 8 digits",
)
.long();

pub const FB: Command = Command {
    name: "fb",
    summary: "Draw on the screen, and read it back",
    about: &[
        "Where the framebuffer has two pages, drawing goes to the hidden one, which is shown when it is complete. In the end \
         the first page is shown, which is where programs draw that know of one page only.",
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
    operands: &[Operand {
        name: "FILE.png",
        value: Value::File,
        need: Need::Optional,
        help: "the file; - is standard output",
    }],
    options: &[CRC],
    run: Some(fb::shot),
    ..PLAIN
};

const FB_SHOW: Command = Command {
    name: "show",
    summary: "Show a PNG file",
    about: &["Without an option the picture is shown as large as it is, or as large as fits."],
    operands: &[Operand {
        name: "FILE.png",
        value: Value::File,
        need: Need::One,
        help: "the picture",
    }],
    options: &[
        Opt::flag('f', "fit", "as large as fits"),
        Opt::flag(
            'c',
            "center",
            "as large as it is; what does not fit is cut off",
        ),
        Opt::with(
            's',
            "scale",
            "N",
            Value::Text,
            "so many times as large as it is, such as 2 or 0.5",
        ),
        Opt::with(
            'b',
            "background",
            "COLOUR",
            Value::Words(fb::colour::NAMES),
            "the colour around it; black if it is not given",
        ),
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
    operands: &[Operand {
        name: "on|off",
        value: Value::Words(&["on", "off"]),
        need: Need::One,
        help: "on makes it dark",
    }],
    run: Some(fb::blank),
    ..PLAIN
};

const FB_CLEAR: Command = Command {
    name: "clear",
    summary: "Fill the screen with black",
    run: Some(fb::clear),
    ..PLAIN
};
