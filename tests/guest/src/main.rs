// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tests that run in the booted guest, as root, against the driver's public ABI.
//!
//! They do not use the `fanlight` library: [`support::uapi`] has their copy of the ABI, as in the C
//! header. Every test runs in its own process with a time limit, so that a test that crashes or
//! hangs does not affect the others. The output is KTAP, version 1; the exit status is 0 only if no
//! test failed.

mod support;

mod board;
mod cli;
mod examples;
mod fb;
mod log;
mod window;

use support::harness::{self, Options, Test};
use support::stages::{self, Staged};

const USAGE: &str = "\
usage: fanlight-guest-tests [--list] [--slow] [--times] [--boot NAME] [--prefixes A,B] [FILTER…]

Runs the tests whose names contain one of the filters (all, without a filter).
  --list      print the names and stop
  --slow      run the slow tests as well (a filter that is a test's whole name does, too)
  --boot      only the tests that belong to this boot of tests/boots
  --prefixes  of these, only the tests whose names begin with one of the prefixes
  --times     print the duration of each test
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
            "--prefixes" => {
                let list = args.next().unwrap_or_default();
                options.prefixes = list.split(',').map(str::to_owned).collect();
            }
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
        board::nodes::TESTS,
        board::windows::TESTS,
        board::bad::TESTS,
        log::map::TESTS,
        log::read::TESTS,
        log::batch::TESTS,
        log::clients::TESTS,
        log::order::TESTS,
        log::limit::TESTS,
        log::devkmsg::TESTS,
        log::bind::TESTS,
        log::region::TESTS,
        log::write::TESTS,
        log::poll::TESTS,
        log::rights::TESTS,
        log::flood::TESTS,
        log::salvage::TESTS,
        log::context::TESTS,
        window::info::TESTS,
        window::map::TESTS,
        window::vma::TESTS,
        window::private::TESTS,
        window::exec::TESTS,
        window::debugger::TESTS,
        window::stream::TESTS,
        window::fault::TESTS,
        window::fork::TESTS,
        window::dump::TESTS,
        window::pin::TESTS,
        window::io::TESTS,
        window::region::TESTS,
        window::regs::TESTS,
        fb::abi::TESTS,
        fb::screen::TESTS,
        fb::clients::TESTS,
        fb::program::TESTS,
        fb::depth::TESTS,
        cli::list::TESTS,
        cli::log::TESTS,
        cli::fb::TESTS,
        cli::mem::TESTS,
        window::memory_type::TESTS,
        window::overlay::TESTS,
        window::revoke::TESTS,
        window::race::TESTS,
        examples::TESTS,
        board::bind::TESTS,
        board::kernel::TESTS,
        window::storm::TESTS,
        window::inject::TESTS,
        // Last: this overwrites messages of the boot in printk's buffer, which other tests need.
        log::late::TESTS,
    ];
    let tests: Vec<&Test> = areas.iter().flat_map(|area| area.iter()).collect();
    let staged: Vec<&Staged> = [
        log::prev::STAGED,
        log::boots::STAGED,
        log::archive::STAGED,
        log::persist::STAGED,
        log::salvage::STAGED,
    ]
    .iter()
    .flat_map(|area| area.iter())
    .collect();
    let chosen = harness::chosen(&tests, &options);
    let status = if options.list {
        chosen.iter().for_each(|test| println!("{}", test.name));
        stages::run(&staged, &options).unwrap_or(0)
    } else {
        // A boot has tests of one kind only: the reset of a staged test would end the others.
        stages::run(&staged, &options).unwrap_or_else(|| harness::run(&chosen, &options))
    };
    std::process::exit(status);
}
