// SPDX-License-Identifier: MIT OR Apache-2.0
//! The goals, and whether they were reached.

use crate::sheet::Sheet;

/// One result of the sheet: part, case, metric.
type Place = (&'static str, &'static str, &'static str);

pub enum Aim {
    /// The peer's result is at least this number of times ours.
    Less(f64),
    /// Ours is at most this number of times the peer's.
    AtMost(f64),
    /// Ours itself is at most this.
    Limit(f64),
    /// Ours is the same as the other.
    Same,
    /// Ours is more than zero.
    Some,
}

pub struct Goal {
    /// Number of the benchmark.
    pub number: u32,
    pub what: &'static str,
    pub ours: Place,
    pub theirs: Place,
    pub aim: Aim,
}

/// The outcome of a goal.
pub struct Outcome {
    pub ours: f64,
    pub theirs: f64,
    /// The required ratio.
    pub ratio: f64,
    pub reached: bool,
}

const I: &str = "instructions";
const PER_RECORD: &str = "instructions/record";
const PER_PROCESS: &str = "instructions/process";
const EXCLUSIVE: &str = "exclusive accesses/record";
const NONE: Place = ("", "", "");

pub const GOALS: &[Goal] = &[
    Goal {
        number: 1,
        what: "touching 1 MiB page by page: faults",
        ours: ("touch", "fanlight, by fault", "faults"),
        theirs: ("touch", "UIO virtual", "faults"),
        aim: Aim::Limit(2.0),
    },
    Goal {
        number: 1,
        what: "touching 1 MiB page by page: time",
        ours: ("touch", "fanlight, by fault", I),
        theirs: ("touch", "UIO virtual", I),
        aim: Aim::Less(5.0),
    },
    Goal {
        number: 2,
        what: "mmap, touch all, munmap",
        ours: ("map", "fanlight, by fault", I),
        theirs: ("map", "ftrace", I),
        aim: Aim::AtMost(1.1),
    },
    Goal {
        number: 3,
        what: "drain by map against /dev/kmsg",
        ours: ("drain", "fanlight map, library, in place", PER_RECORD),
        theirs: ("drain", "/dev/kmsg", PER_RECORD),
        aim: Aim::Less(100.0),
    },
    Goal {
        number: 3,
        what: "drain by map against memcpy",
        ours: ("drain", "fanlight map, library, in place", PER_RECORD),
        theirs: ("drain", "limit: memcpy of the same bytes", PER_RECORD),
        aim: Aim::AtMost(1.1),
    },
    Goal {
        number: 3,
        what: "read() in batches of text against /dev/kmsg",
        ours: ("drain", "fanlight read(), batches of text", PER_RECORD),
        theirs: ("drain", "/dev/kmsg", PER_RECORD),
        aim: Aim::Less(8.0),
    },
    Goal {
        number: 3,
        what: "read() in batches of records against /dev/kmsg",
        ours: ("drain", "fanlight read(), batches of records", PER_RECORD),
        theirs: ("drain", "/dev/kmsg", PER_RECORD),
        aim: Aim::Less(8.0),
    },
    Goal {
        number: 3,
        what: "read() in batches of text, plain",
        ours: (
            "drain",
            "fanlight read(), batches of text, plain",
            PER_RECORD,
        ),
        theirs: NONE,
        aim: Aim::Limit(350.0),
    },
    Goal {
        number: 3,
        what: "read() in batches of text, with escapes",
        ours: (
            "drain",
            "fanlight read(), batches of text, with escapes",
            PER_RECORD,
        ),
        theirs: NONE,
        aim: Aim::Limit(550.0),
    },
    Goal {
        number: 4,
        what: "append: instructions",
        ours: ("produce", "fanlight_log()", PER_RECORD),
        theirs: ("produce", "ftrace's persistent ring, puts()", PER_RECORD),
        aim: Aim::Limit(200.0),
    },
    Goal {
        number: 4,
        what: "append: barriers",
        ours: ("barriers", "fanlight_log()", "barriers/record"),
        theirs: (
            "barriers",
            "ring_buffer reserve and commit",
            "barriers/record",
        ),
        aim: Aim::Limit(3.0),
    },
    Goal {
        number: 4,
        what: "append: exclusive accesses",
        ours: ("barriers", "fanlight_log()", EXCLUSIVE),
        theirs: ("barriers", "ring_buffer reserve and commit", EXCLUSIVE),
        aim: Aim::Limit(2.0),
    },
    Goal {
        number: 4,
        what: "append against printk()",
        ours: ("produce", "fanlight_log()", PER_RECORD),
        theirs: ("produce", "printk()", PER_RECORD),
        aim: Aim::Less(20.0),
    },
    Goal {
        number: 4,
        what: "append against relay_write()",
        ours: ("produce", "fanlight_log()", PER_RECORD),
        theirs: ("produce", "relay_write()", PER_RECORD),
        aim: Aim::AtMost(1.2),
    },
    Goal {
        number: 5,
        what: "persistent copy, on top of the append",
        ours: ("persist", "fanlight_log(), the copy alone", PER_RECORD),
        theirs: NONE,
        aim: Aim::Limit(220.0),
    },
    Goal {
        number: 5,
        what: "write() with persistent copy",
        ours: ("persist", "fanlight write(), ring and copy", PER_RECORD),
        theirs: ("persist", "ftrace's persistent ring, write()", PER_RECORD),
        aim: Aim::Limit(1050.0),
    },
    Goal {
        number: 5,
        what: "persistent append against pmsg with ecc=1",
        ours: ("persist", "fanlight write(), ring and copy", PER_RECORD),
        theirs: ("persist", "pmsg, ecc=1, write()", PER_RECORD),
        aim: Aim::Less(20.0),
    },
    Goal {
        number: 5,
        what: "persistent append against pmsg with ecc=0",
        ours: ("persist", "fanlight write(), ring and copy", PER_RECORD),
        theirs: ("persist", "pmsg, ecc=0, write()", PER_RECORD),
        aim: Aim::AtMost(2.0),
    },
    Goal {
        number: 6,
        what: "recovery of 1 MiB against ramoops with ecc=1",
        ours: ("salvage", "fanlight, a full region", I),
        theirs: ("salvage", "pmsg, ecc=1, a full region", I),
        aim: Aim::Less(10.0),
    },
    Goal {
        number: 7,
        what: "0 bits flipped: undamaged records found",
        ours: ("reboots", "fanlight, 0 flips", "of these found"),
        theirs: ("reboots", "fanlight, 0 flips", "undamaged records"),
        aim: Aim::Same,
    },
    Goal {
        number: 7,
        what: "a bit of the first word flipped: records found",
        ours: (
            "reboots",
            "fanlight, 1 flip, in the first word",
            "of these found",
        ),
        theirs: (
            "reboots",
            "fanlight, 1 flip, in the first word",
            "undamaged records",
        ),
        aim: Aim::Same,
    },
    Goal {
        number: 7,
        what: "64 bits flipped: undamaged records found",
        ours: ("reboots", "fanlight, 64 flips", "of these found"),
        theirs: ("reboots", "fanlight, 64 flips", "undamaged records"),
        aim: Aim::Same,
    },
    Goal {
        number: 7,
        what: "64 bits flipped: damaged ones accepted",
        ours: ("reboots", "fanlight, 64 flips", "damaged ones accepted"),
        theirs: (
            "reboots",
            "ftrace's persistent ring, 64 flips",
            "damaged ones accepted",
        ),
        aim: Aim::Limit(0.0),
    },
    Goal {
        number: 8,
        what: "SRAM word by map against UIO",
        ours: ("sram", "fanlight map", "instructions/poll"),
        theirs: ("sram", "UIO map", "instructions/poll"),
        aim: Aim::Same,
    },
    Goal {
        number: 8,
        what: "SRAM word by map against /dev/mem",
        ours: ("sram", "fanlight map", "instructions/poll"),
        theirs: ("sram", "/dev/mem map", "instructions/poll"),
        aim: Aim::Same,
    },
    Goal {
        number: 8,
        what: "SRAM word by map against sysfs",
        ours: ("sram", "fanlight map", "instructions/poll"),
        theirs: ("sram", "sram sysfs read()", "instructions/poll"),
        aim: Aim::Less(500.0),
    },
    Goal {
        number: 9,
        what: "full frame against simplefb",
        ours: ("frame", "fanlight", "instructions/frame"),
        theirs: ("frame", "simplefb", "instructions/frame"),
        aim: Aim::AtMost(1.001),
    },
    Goal {
        number: 9,
        what: "full frame against simpledrm",
        ours: ("frame", "fanlight", "instructions/frame"),
        theirs: ("frame", "simpledrm /dev/fb0", "instructions/frame"),
        aim: Aim::Less(2.0),
    },
    Goal {
        number: 10,
        what: "4 readers: records delivered",
        ours: ("readers", "fanlight map, 4 readers", "records delivered"),
        theirs: ("readers", "/dev/kmsg, 4 readers", "records delivered"),
        aim: Aim::Same,
    },
    Goal {
        number: 10,
        what: "4 readers: kernel instructions against /dev/kmsg",
        ours: (
            "readers",
            "fanlight map, 4 readers",
            "of these in the kernel",
        ),
        theirs: ("readers", "/dev/kmsg, 4 readers", "of these in the kernel"),
        aim: Aim::Less(30.0),
    },
    Goal {
        number: 11,
        what: "stores that land after unbind returned",
        ours: ("revoke", "fanlight", "stores after unbind returned"),
        theirs: ("revoke", "UIO", "stores after unbind returned"),
        aim: Aim::Limit(0.0),
    },
    Goal {
        number: 11,
        what: "and UIO's do land",
        ours: ("revoke", "UIO", "stores after unbind returned"),
        theirs: NONE,
        aim: Aim::Some,
    },
    Goal {
        number: 12,
        what: "a suppressed message, over the limit, one at a time",
        ours: (
            "message",
            "fanlight, suppressed, one at a time",
            "instructions/message over the limit",
        ),
        theirs: (
            "message",
            "limit: a console that discards, suppressed, one at a time",
            "instructions/message on top",
        ),
        aim: Aim::Limit(1500.0),
    },
    Goal {
        number: 12,
        what: "a suppressed message, on top, in a burst",
        ours: (
            "message",
            "fanlight, suppressed, in a burst",
            "instructions/message on top",
        ),
        theirs: (
            "message",
            "limit: a console that discards, suppressed, in a burst",
            "instructions/message on top",
        ),
        aim: Aim::Limit(1500.0),
    },
    Goal {
        number: 12,
        what: "a printed message, over the limit, one at a time",
        ours: (
            "message",
            "fanlight, printed, one at a time",
            "instructions/message over the limit",
        ),
        theirs: (
            "message",
            "limit: a console that discards, printed, one at a time",
            "instructions/message on top",
        ),
        aim: Aim::Limit(1500.0),
    },
    Goal {
        number: 12,
        what: "a printed message, over the limit, in a burst",
        ours: (
            "message",
            "fanlight, printed, in a burst",
            "instructions/message over the limit",
        ),
        theirs: (
            "message",
            "limit: a console that discards, printed, in a burst",
            "instructions/message on top",
        ),
        aim: Aim::Limit(1500.0),
    },
    Goal {
        number: 13,
        what: "worst append, ring of 256 MiB against 256 KiB",
        ours: ("worst", "worst append to a full ring", "x=268435456"),
        theirs: ("worst", "worst append to a full ring", "x=262144"),
        aim: Aim::AtMost(1.1),
    },
    Goal {
        number: 14,
        what: "binding with the worst 16 MiB against 1 MiB",
        ours: ("region", "the worst 16 MiB", I),
        theirs: ("region", "the worst 1 MiB", I),
        aim: Aim::AtMost(16.5),
    },
    Goal {
        number: 14,
        what: "binding with the worst 16 MiB: longest without yielding",
        ours: (
            "region",
            "the worst 16 MiB",
            "instructions without yielding",
        ),
        theirs: NONE,
        // Two ticks: the scheduler decides at a tick that the other process is to run.
        aim: Aim::Limit(20_000_000.0),
    },
    Goal {
        number: 15,
        what: "mmap and touch of 256 MiB against UIO",
        ours: ("window", "fanlight, carve-out", I),
        theirs: ("window", "UIO physical", I),
        aim: Aim::AtMost(0.2),
    },
    Goal {
        number: 15,
        what: "mmap and touch of 256 MiB against /dev/mem",
        ours: ("window", "fanlight, carve-out", I),
        theirs: ("window", "/dev/mem", I),
        aim: Aim::AtMost(0.2),
    },
    Goal {
        number: 15,
        what: "mmap and touch of 256 MiB: faults",
        ours: ("window", "fanlight, carve-out", "faults"),
        theirs: ("window", "UIO physical", "faults"),
        aim: Aim::AtMost(0.01),
    },
    Goal {
        number: 16,
        what: "4 processes fault on 16 MiB, against one alone",
        ours: ("together", "fanlight, by fault, 4 processes", PER_PROCESS),
        theirs: ("together", "fanlight, by fault, 1 process", PER_PROCESS),
        aim: Aim::AtMost(1.1),
    },
    Goal {
        number: 16,
        what: "4 processes fault on 16 MiB, against UIO",
        ours: ("together", "fanlight, by fault, 4 processes", PER_PROCESS),
        theirs: ("together", "UIO virtual, 4 processes", PER_PROCESS),
        aim: Aim::AtMost(1.0),
    },
    Goal {
        number: 17,
        what: "unbind with 256 MiB mapped against munmap()",
        ours: ("unbind", "fanlight, unbind with 256 MiB mapped", I),
        theirs: ("unbind", "/dev/mem, munmap()", I),
        aim: Aim::AtMost(2.0),
    },
];

impl Goal {
    pub fn outcome(&self, sheet: &Sheet) -> Option<Outcome> {
        let get = |(part, case, metric): Place| sheet.get(part, case, metric);
        let ours = get(self.ours)?;
        let theirs = if self.theirs == NONE {
            0.0
        } else {
            get(self.theirs)?
        };
        let (ratio, reached) = match self.aim {
            Aim::Less(times) => (theirs / ours, theirs >= ours * times),
            Aim::AtMost(times) => (ours / theirs, ours <= theirs * times),
            Aim::Limit(limit) => (ours, ours <= limit),
            // Counts must be equal; measurements may differ by a tenth of a percent.
            Aim::Same => {
                let counted = ours.fract() == 0.0 && theirs.fract() == 0.0;
                let share = if counted { 0.0 } else { 0.001 };
                (ours / theirs, (ours - theirs).abs() <= theirs.abs() * share)
            }
            Aim::Some => (ours, ours > 0.0),
        };
        Some(Outcome {
            ours,
            theirs,
            ratio,
            reached,
        })
    }

    /// The peer's result, if there is one.
    pub fn theirs_text(&self, outcome: &Outcome) -> String {
        if self.theirs == NONE {
            "-".into()
        } else {
            number(outcome.theirs)
        }
    }

    /// The aim in words.
    pub fn asked(&self) -> String {
        match self.aim {
            Aim::Less(times) => format!("≥ {times} x less"),
            Aim::AtMost(times) => format!("≤ {times:.2} x"),
            Aim::Limit(limit) => format!("≤ {}", number(limit)),
            Aim::Same => "1.00 x".into(),
            Aim::Some => "> 0".into(),
        }
    }

    /// The ratio in the words of the aim.
    pub fn got(&self, outcome: &Outcome) -> String {
        match self.aim {
            Aim::Less(_) => format!("{} x less", number(outcome.ratio)),
            Aim::AtMost(_) | Aim::Same => format!("{:.2} x", outcome.ratio),
            Aim::Limit(_) | Aim::Some => number(outcome.ratio),
        }
    }
}

/// A number with as many digits as are of use.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        x if x >= 1e6 => format!("{:.2} M", value / 1e6),
        x if x >= 1e4 => format!("{:.1} k", value / 1e3),
        x if x >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        x if x >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
