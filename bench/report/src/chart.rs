// SPDX-License-Identifier: MIT OR Apache-2.0
//! The charts: bars for the benchmarks, curves for what grows. All axes are logarithmic.

use crate::draw::{Colour, Picture, LETTER};
use crate::goals::number;
use crate::sheet::Sheet;

const INK: Colour = [0x22, 0x22, 0x22];
const GREY: Colour = [0xd8, 0xd8, 0xd8];
const OURS: Colour = [0x1b, 0x7f, 0x5c];
const THEIRS: Colour = [0xb0, 0x4a, 0x2f];
const LIMIT: Colour = [0x8a, 0x8a, 0x8a];
const CURVES: [Colour; 4] = [OURS, THEIRS, [0x2f, 0x5f, 0xb0], LIMIT];

/// Title, part and metric of each group of bars.
const GROUPS: &[(&str, &str, &str)] = &[
    (
        "1  first touch of 1 MiB: instructions",
        "touch",
        "instructions",
    ),
    (
        "2  mmap, touch, munmap of 1 MiB: instructions",
        "map",
        "instructions",
    ),
    (
        "3  drain: instructions a record",
        "drain",
        "instructions/record",
    ),
    (
        "4  produce: instructions a record",
        "produce",
        "instructions/record",
    ),
    (
        "5  persistent append: instructions a record",
        "persist",
        "instructions/record",
    ),
    (
        "6  recovery of 1 MiB: instructions",
        "salvage",
        "instructions",
    ),
    ("8  SRAM: instructions a word", "sram", "instructions/poll"),
    ("9  full frame: instructions", "frame", "instructions/frame"),
    (
        "10  4 readers: instructions a record and reader",
        "readers",
        "instructions/record and reader",
    ),
    (
        "12  a kernel message, to its end: instructions",
        "message",
        "instructions/message",
    ),
    (
        "11  stores after unbind returned",
        "revoke",
        "stores after unbind returned",
    ),
    (
        "15  mmap and touch of 256 MiB: instructions",
        "window",
        "instructions",
    ),
    (
        "16  faults on one window of 16 MiB: instructions a process",
        "together",
        "instructions/process",
    ),
    (
        "17  unbind and munmap() of 256 MiB: instructions",
        "unbind",
        "instructions",
    ),
];

fn colour(case: &str) -> Colour {
    if case.starts_with("fanlight") {
        OURS
    } else if case.starts_with("limit") || case.starts_with("local_clock") {
        LIMIT
    } else {
        THEIRS
    }
}

pub fn bars(sheet: &Sheet) -> Picture {
    const ROW: i32 = 14;
    const LABEL: i32 = 372;
    const WIDTH: i32 = 960;
    let of = |part: &str, metric: &str| -> Vec<(&str, f64)> {
        let rows = sheet
            .rows
            .iter()
            .filter(|row| row.part == part && row.metric == metric);
        rows.map(|row| (row.case.as_str(), row.values[0])).collect()
    };
    let groups: Vec<_> = GROUPS
        .iter()
        .map(|(title, part, metric)| (*title, of(part, metric)))
        .collect();
    let height = groups
        .iter()
        .map(|(_, bars)| (bars.len() as i32 + 2) * ROW)
        .sum::<i32>()
        + 2 * ROW;
    let mut picture = Picture::new(WIDTH, height);
    picture.text(
        (8, 6),
        "fanlight and its peers: logarithmic, shorter is better; green: fanlight, grey: limits",
        INK,
    );
    let mut y = 2 * ROW;
    for (title, bars) in groups {
        picture.text((8, y), title, INK);
        y += ROW;
        let span = bars
            .iter()
            .map(|bar| bar.1.max(1.0).log10())
            .fold(1.0, f64::max);
        for (case, value) in bars {
            picture.text((16, y + 2), case, INK);
            let room = f64::from(WIDTH - LABEL - 70);
            let length = (value.max(1.0).log10() / span * room) as i32;
            picture.rectangle((LABEL, y + 1), (length.max(1), ROW - 3), colour(case));
            picture.text((LABEL + length + 6, y + 2), number(value), INK);
            y += ROW;
        }
        y += ROW;
    }
    picture
}

/// Title, and the cases drawn together.
const PANELS: &[(&str, &[&str])] = &[
    (
        "append to a full ring, on average and at worst, by its bytes",
        &["append to a full ring", "worst append to a full ring"],
    ),
    (
        "drain a full ring in place, per record, by its bytes",
        &["drain a full ring, per record"],
    ),
    (
        "map and touch, per page, by bytes",
        &[
            "map and touch by fault, per page",
            "map and touch a carve-out, per page",
            "map and touch a ring, per page",
        ],
    ),
    (
        "write a record, by its bytes of text",
        &[
            "fanlight_log(), per record",
            "relay_write(), per record",
            "ring_buffer, per record",
            "memcpy, per record",
        ],
    ),
    (
        "read a record in place, by its bytes of text",
        &["drain in place, per record"],
    ),
    (
        "a record and a reader, by readers",
        &[
            "readers by map, per record and reader",
            "readers of /dev/kmsg, per record and reader",
        ],
    ),
    (
        "unbind, by mappings of 1 MiB",
        &["unbind with 1 MiB mappings"],
    ),
    (
        "times the work of one processor, by processors",
        &[
            "reading one log by map",
            "write() to one log",
            "one loop each, which shares nothing",
        ],
    ),
];

/// The points of a curve.
pub fn points(sheet: &Sheet, case: &str) -> Vec<(f64, f64)> {
    let rows = sheet
        .rows
        .iter()
        .filter(|row| row.is_point() && row.case == case);
    rows.filter_map(|row| Some((row.metric.strip_prefix("x=")?.parse().ok()?, row.values[0])))
        .collect()
}

pub fn curves(sheet: &Sheet) -> Picture {
    const SIZE: (i32, i32) = (420, 230);
    let mut picture = Picture::new(2 * SIZE.0, (PANELS.len() as i32 + 1) / 2 * SIZE.1 + 24);
    picture.text(
        (8, 6),
        "how costs grow: instructions (the last one: by the clock), both axes logarithmic",
        INK,
    );
    for (number, (title, cases)) in PANELS.iter().enumerate() {
        let corner = (number as i32 % 2 * SIZE.0, number as i32 / 2 * SIZE.1 + 24);
        panel(&mut picture, sheet, corner, SIZE, title, cases);
    }
    picture
}

fn panel(
    picture: &mut Picture,
    sheet: &Sheet,
    corner: (i32, i32),
    size: (i32, i32),
    title: &str,
    cases: &[&str],
) {
    let curves: Vec<_> = cases.iter().map(|case| points(sheet, case)).collect();
    let all: Vec<(f64, f64)> = curves
        .iter()
        .flatten()
        .map(|(x, y)| (x.log10(), y.max(0.01).log10()))
        .collect();
    picture.text((corner.0 + 8, corner.1), title, INK);
    let Some(&(first, _)) = all.first() else {
        return;
    };
    let left = all.iter().fold(first, |least, point| least.min(point.0));
    let right = all
        .iter()
        .fold(first, |most, point| most.max(point.0))
        .max(left + 0.01);
    // At least a decade, so that a constant looks constant.
    let bottom = all
        .iter()
        .fold(f64::MAX, |least, point| least.min(point.1))
        .floor();
    let top = all
        .iter()
        .fold(0.0f64, |most, point| most.max(point.1))
        .ceil()
        .max(bottom + 1.0);
    let (x0, y0) = (corner.0 + 60, corner.1 + 16);
    let (width, height) = (size.0 - 90, size.1 - 60 - LETTER.1 * cases.len() as i32);
    let place = |x: f64, y: f64| {
        let share = ((x - left) / (right - left), (y - bottom) / (top - bottom));
        (
            x0 + (share.0 * f64::from(width)) as i32,
            y0 + height - (share.1 * f64::from(height)) as i32,
        )
    };
    for decade in bottom as i32..=top as i32 {
        let y = place(left, decade.into()).1;
        picture.line((x0, y), (x0 + width, y), GREY);
        picture.text((corner.0 + 8, y - 5), number(10f64.powi(decade)), INK);
    }
    for (curve, colour) in curves.iter().zip(CURVES) {
        let on: Vec<_> = curve
            .iter()
            .map(|(x, y)| place(x.log10(), y.max(0.01).log10()))
            .collect();
        for pair in on.windows(2) {
            picture.line(pair[0], pair[1], colour);
        }
        for (x, y) in on {
            picture.rectangle((x - 2, y - 2), (5, 5), colour);
        }
    }
    let longest = curves.iter().max_by_key(|curve| curve.len());
    for (x, _) in longest.into_iter().flatten() {
        let at = place(x.log10(), bottom);
        let text = if *x >= 1048576.0 {
            format!("{}M", x / 1048576.0)
        } else if *x >= 4096.0 {
            format!("{}k", x / 1024.0)
        } else {
            format!("{x}")
        };
        picture.text((at.0 - text.len() as i32 * 3, at.1 + 4), text, INK);
    }
    for (i, (case, colour)) in cases.iter().zip(CURVES).enumerate() {
        let y = y0 + height + 18 + i as i32 * LETTER.1;
        picture.rectangle((x0, y + 2), (6, 6), colour);
        picture.text((x0 + 12, y), *case, INK);
    }
}
