// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tests that run in the booted guest, as root, against the driver's public ABI.
//!
//! They don't go through the `fanlight` library: what they know of the ABI is in [`uapi`], as the C
//! header has it. Every test runs in a process of its own with a time limit, so that one which dies
//! or hangs fails alone. The output is KTAP, version 1; the exit status is 0 only if nothing
//! failed.

mod harness;
mod host;
mod stages;

mod board;
mod child;
mod dev;
mod earlier;
mod examples;
mod fbdev;
mod io_uring;
mod kernel;
mod log;
mod mem;
mod module;
mod program;
mod smaps;
mod sys;
mod uapi;
mod wait;

mod board_bad;
mod board_bind;
mod board_kernel;
mod board_nodes;
mod board_windows;

mod cli_fb;
mod cli_list;
mod cli_log;
mod cli_mem;

mod fb_abi;
mod fb_clients;
mod fb_depth;
mod fb_program;
mod fb_screen;

mod log_archive;
mod log_batch;
mod log_bind;
mod log_boots;
mod log_clients;
mod log_context;
mod log_devkmsg;
mod log_flood;
mod log_late;
mod log_limit;
mod log_map;
mod log_order;
mod log_persist;
mod log_poll;
mod log_prev;
mod log_read;
mod log_region;
mod log_rights;
mod log_salvage;
mod log_write;

mod window_debugger;
mod window_dump;
mod window_exec;
mod window_fault;
mod window_fork;
mod window_info;
mod window_inject;
mod window_io;
mod window_map;
mod window_overlay;
mod window_pin;
mod window_private;
mod window_race;
mod window_region;
mod window_regs;
mod window_revoke;
mod window_storm;
mod window_stream;
mod window_type;
mod window_vma;
mod witness;

use harness::{Options, Test};
use stages::Staged;

const USAGE: &str = "\
usage: fanlight-guest-tests [--list] [--slow] [--times] [--boot NAME] [FILTER…]

Runs the tests whose names contain one of the filters (all, without a filter).
  --list   print the names and stop
  --slow   run the slow tests as well (a filter that is a test's whole name does, too)
  --boot   only the tests that belong to this boot of tests/boots
  --times  say after each test how long it took
";

fn main() {
    let mut options = Options::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--list" => options.list = true,
            "--slow" => options.slow = true,
            "--times" => options.times = true,
            "--boot" => options.boot = args.next(),
            "-h" | "--help" => {
                print!("{USAGE}");
                return;
            }
            flag if flag.starts_with('-') => {
                eprint!("fanlight-guest-tests: unknown option {flag}\n{USAGE}");
                std::process::exit(2);
            }
            filter => options.filters.push(filter.to_owned()),
        }
    }
    let areas: &[&[Test]] = &[
        board_nodes::TESTS,
        board_windows::TESTS,
        board_bad::TESTS,
        log_map::TESTS,
        log_read::TESTS,
        log_batch::TESTS,
        log_clients::TESTS,
        log_order::TESTS,
        log_limit::TESTS,
        log_devkmsg::TESTS,
        log_bind::TESTS,
        log_region::TESTS,
        log_write::TESTS,
        log_poll::TESTS,
        log_rights::TESTS,
        log_flood::TESTS,
        log_salvage::TESTS,
        log_context::TESTS,
        window_info::TESTS,
        window_map::TESTS,
        window_vma::TESTS,
        window_private::TESTS,
        window_exec::TESTS,
        window_debugger::TESTS,
        window_stream::TESTS,
        window_fault::TESTS,
        window_fork::TESTS,
        window_dump::TESTS,
        window_pin::TESTS,
        window_io::TESTS,
        window_region::TESTS,
        window_regs::TESTS,
        fb_abi::TESTS,
        fb_screen::TESTS,
        fb_clients::TESTS,
        fb_program::TESTS,
        fb_depth::TESTS,
        cli_list::TESTS,
        cli_log::TESTS,
        cli_fb::TESTS,
        cli_mem::TESTS,
        window_type::TESTS,
        window_overlay::TESTS,
        window_revoke::TESTS,
        window_race::TESTS,
        examples::TESTS,
        board_bind::TESTS,
        board_kernel::TESTS,
        window_storm::TESTS,
        window_inject::TESTS,
        // Others look for what the kernel printed at boot, which this pushes out of its buffer.
        log_late::TESTS,
    ];
    let tests: Vec<&Test> = areas.iter().flat_map(|area| area.iter()).collect();
    let staged: Vec<&Staged> = [
        log_prev::STAGED,
        log_boots::STAGED,
        log_archive::STAGED,
        log_persist::STAGED,
        log_salvage::STAGED,
    ]
    .iter()
    .flat_map(|area| area.iter())
    .collect();
    let chosen = harness::chosen(&tests, &options);
    let status = if options.list {
        chosen.iter().for_each(|test| println!("{}", test.name));
        stages::run(&staged, &options).unwrap_or(0)
    } else {
        // A boot has tests of one kind or the other: what a test in stages resets would take the
        // others along.
        stages::run(&staged, &options).unwrap_or_else(|| harness::run(&chosen, &options))
    };
    std::process::exit(status);
}
