// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight-bench [--clock] [PART…]`: fanlight and its peers do the same work in one boot.
//!
//! Made for QEMU's `-icount shift=0,sleep=off -smp 1`, where the guest's nanoseconds are
//! instructions; with `--clock` they are nanoseconds, as on a board. Prints lines of four fields
//! with a tab between them: part, case, metric, value. `fanlight-bench-report` on the host makes a
//! table of them.

mod cores;
mod device;
mod drain;
mod footprint;
mod frame;
mod message;
mod meter;
mod persist;
mod produce;
mod readers;
mod reboots;
mod region;
mod revoke;
mod scale;
mod sram;
mod sys;
mod touch;
mod window;

use std::io::{Read, Write};

use meter::Sheet;
use sys::Ended;

/// Measures and adds its results to the sheet.
type Part = fn(&mut Sheet);

/// Name and function of each part, in the order in which they run.
const PARTS: &[(&str, Part)] = &[
    ("touch", touch::touch),
    ("map", touch::map),
    ("persist", persist::append),
    ("salvage", persist::salvage),
    ("sram", sram::sram),
    ("frame", frame::frame),
    ("revoke", revoke::revoke),
    ("footprint", footprint::footprint),
    // From here on printk's buffer has many messages, which each bound instance copies.
    ("scale", scale::scale),
    ("drain", drain::drain),
    ("produce", produce::produce),
    ("readers", readers::readers),
    ("message", message::message),
];

/// Only if they are named: each needs its own guest (bench/run).
const UNASKED: &[(&str, Part)] = &[
    ("cores", cores::cores),
    ("barriers", produce::barriers),
    ("window", window::window),
    ("together", window::together),
    ("unbind", window::unbind),
    ("worst", scale::worst),
    ("region", region::region),
    ("leave", reboots::leave),
];

/// Only if it is named, and before the guest is prepared.
const FIRST: (&str, Part) = ("found", reboots::found);

fn main() {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let clock = wanted.first().is_some_and(|first| first == "--clock");
    if clock {
        wanted.remove(0);
    }
    let (mut text, mut failed) = (String::new(), Vec::new());
    let mut run = |(name, part): (&'static str, Part), usual: bool| {
        if usual && wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            let (done, results) = in_child(name, part, if clock { "ns" } else { "instructions" });
            text += &results;
            if !done {
                failed.push(name);
            }
        }
    };
    device::load();
    run(FIRST, false);
    device::prepare(!clock);
    PARTS.iter().for_each(|part| run(*part, true));
    UNASKED.iter().for_each(|part| run(*part, false));
    // At the end: the host reads output at arbitrary times, and that would interrupt the guest
    // during other work.
    print!("{text}");
    if !failed.is_empty() {
        eprintln!("fanlight-bench: failed: {}", failed.join(", "));
        std::process::exit(1);
    }
}

/// Runs a part in its own process, without open files and mappings of other parts, so that a
/// failure affects this part only. Returns whether it succeeded, and its results.
fn in_child(name: &'static str, part: Part, unit: &'static str) -> (bool, String) {
    let (mut from, mut to) = sys::pipe();
    let pid = sys::child(|| {
        let mut sheet = Sheet {
            part: name,
            unit,
            text: String::new(),
        };
        part(&mut sheet);
        to.write_all(sheet.text.as_bytes()).expect("the parent");
        sys::exit(0);
    });
    drop(to);
    let mut text = String::new();
    let read = from.read_to_string(&mut text);
    let done = sys::wait(pid) == Ended::Exit(0) && read.is_ok();
    (done, text)
}
