// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests that continue after a reset of the machine.
//!
//! The host resets the running QEMU, so that memory survives, and runs the same command again. It
//! stores the current test and its stage as a note. A test's result is printed in its last stage.

use std::fs;
use std::time::Duration;

use crate::support::harness::{self, KernelWatch, NoHotplug, Options, Outcome, Report, Settings};
use crate::support::host;

/// A test in stages: it is run again, with the next number, after each reset that it asks for.
pub struct Staged {
    pub name: &'static str,
    pub run: fn(u32),
    pub boots: &'static [&'static str],
    pub slow: bool,
}

/// The boots that may be reset: with two processors, four and one; in the second no message is
/// suppressed.
pub const RESETS: &[&str] = &["resets"];
pub const RESETS_AT_ANY_LEVEL: &[&str] = &["resets", "loud-resets", "lone-resets"];

/// Makes the `STAGED` of an area from its functions.
macro_rules! staged {
    ($($test:ident),+ $(,)?) => {
        &[$($crate::support::stages::Staged {
            name: stringify!($test),
            run: $test,
            boots: $crate::support::stages::RESETS,
            slow: false,
        }),+]
    };
}
pub(crate) use staged;

/// How to leave a stage.
#[derive(Clone, Copy, Debug)]
pub enum Down {
    /// A warm reboot that the kernel does.
    Reboot,
    /// A reset by the host, without the kernel's knowledge, like that of a watchdog.
    Reset,
    /// A panic, and panic=1 on the command line.
    Panic,
}

const STAGE: &str = "FANLIGHT_TEST_STAGE";

/// Runs the remaining staged tests, from the position in the note.
pub fn run(tests: &[&Staged], options: &Options) -> Option<i32> {
    let chosen: Vec<&&Staged> = tests
        .iter()
        .filter(|test| options.wants_of(test.boots) && options.wants_named(test.name, test.slow))
        .collect();
    if options.list {
        chosen.iter().for_each(|test| println!("{}", test.name));
        return None;
    }
    // Only the host restarts the machine, so these tests have their own boot.
    if chosen.is_empty() || options.boot.is_none() {
        return None;
    }
    let note = std::env::var("FANLIGHT_NOTE").unwrap_or_default();
    let mut numbers = note
        .split_whitespace()
        .map(|word| word.parse().unwrap_or(0_usize));
    let (first, mut stage) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let mut report = Report::begin(chosen.len());
    let _hotplug = NoHotplug::new();
    let settings = Settings::now();
    let mut watch = KernelWatch::from_the_beginning();
    for (number, test) in chosen.iter().enumerate().skip(first) {
        // The child reads it before it resets the machine.
        std::env::set_var(STAGE, format!("{number} {stage}"));
        let (outcome, said) =
            harness::run_one(|| (test.run)(stage as u32), Duration::from_secs(600));
        let complaints = watch.complaints();
        let outcome = outcome.but_for(&complaints);
        if let Outcome::Failed(_) = outcome {
            println!("# in stage {stage}");
            settings.restore();
            crate::support::dev::bind_everything();
        }
        let said: Vec<String> = said.lines().map(str::to_owned).chain(complaints).collect();
        report.result(test.name, &outcome, &said);
        stage = 0;
    }
    Some(report.end())
}

/// Ends this stage; the next one begins in the next boot.
pub fn go_down(how: Down) -> ! {
    next_stage();
    match how {
        Down::Reboot => {
            host::ask("expect-reset");
            // SAFETY: no memory is involved; nothing comes after it.
            unsafe { libc::reboot(libc::RB_AUTOBOOT) };
        }
        Down::Reset => {
            host::ask("reset");
        }
        Down::Panic => {
            host::ask("expect-panic");
            fs::write("/proc/sysrq-trigger", "c").expect("sysrq");
        }
    }
    std::thread::sleep(Duration::from_secs(30));
    panic!("the machine is still up after {how:?}");
}

/// The same, by a panic that `end` causes.
pub fn go_down_by(end: impl FnOnce()) -> ! {
    next_stage();
    host::ask("expect-panic");
    end();
    panic!("the machine is still up");
}

/// Reports the next stage to the host.
pub fn next_stage() {
    let stage = std::env::var(STAGE).expect("only a staged test goes down");
    let (number, stage) = stage.split_once(' ').expect("two numbers");
    let next = stage.parse::<u32>().expect("a number") + 1;
    host::ask(&format!("note {number} {next}"));
}
