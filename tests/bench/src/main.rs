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

use std::io::{Read, Write};

use meter::Sheet;
use sys::Ended;

/// Name and function of each part, in the order in which they run.
const PARTS: &[(&str, fn(&mut Sheet))] = &[
    ("touch", touch::touch),
    ("map", touch::map),
    ("persist", persist::append),
    ("salvage", persist::salvage),
    ("sram", sram::sram),
    ("frame", frame::frame),
    ("revoke", revoke::revoke),
    ("footprint", footprint::footprint),
    // From here on there are many messages in printk's buffer, which every fanlight that is bound takes over.
    ("scale", scale::scale),
    ("drain", drain::drain),
    ("produce", produce::produce),
    ("readers", readers::readers),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    device::prepare();
    let (mut text, mut failed) = (String::new(), false);
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            let (done, results) = in_child(name, *part);
            text += &results;
            failed |= !done;
        }
    }
    // At the end, so that no output is measured.
    print!("{text}");
    if failed {
        std::process::exit(1);
    }
}

/// Does a part in a process of its own, which has nothing open or mapped from the parts before; and if it fails, it fails
/// alone. Whether it succeeded, and its results.
fn in_child(name: &'static str, part: fn(&mut Sheet)) -> (bool, String) {
    let (mut from, mut to) = sys::pipe();
    let pid = sys::child(|| {
        let mut sheet = Sheet {
            part: name,
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
    eprintln!(
        "fanlight-bench: {name}: {}",
        if done { "done" } else { "failed" }
    );
    // The line goes out by interrupts, which are not the next part's.
    std::thread::sleep(std::time::Duration::from_millis(100));
    (done, text)
}
