// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight-bench [PART…]`: fanlight and its peers doing the same work in one booted guest.
//!
//! Made for QEMU's `-icount shift=0,sleep=off -smp 1`, where the guest's nanoseconds are instructions. Prints lines of four
//! fields with a tab between them: part, case, metric, value. `fanlight-bench-report` on the host makes a table of them.

mod device;
mod drain;
mod footprint;
mod frame;
mod meter;
mod persist;
mod produce;
mod readers;
mod revoke;
mod scale;
mod sram;
mod sys;
mod touch;

use meter::Sheet;

/// Name and function of each part, in the order in which they run.
const PARTS: &[(&str, fn(&mut Sheet))] = &[
    ("touch", touch::touch),
    ("map", touch::map),
    ("drain", drain::drain),
    ("produce", produce::produce),
    ("persist", persist::append),
    ("salvage", persist::salvage),
    ("sram", sram::sram),
    ("frame", frame::frame),
    ("readers", readers::readers),
    ("revoke", revoke::revoke),
    ("scale", scale::scale),
    ("footprint", footprint::footprint),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    device::prepare();
    let mut sheet = Sheet::default();
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            sheet.part = name;
            part(&mut sheet);
            eprintln!("fanlight-bench: {name}: done");
        }
    }
    // At the end, so that no output is measured.
    print!("{}", sheet.text);
}
