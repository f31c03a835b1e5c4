// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs tests, each in a child of its own, and prints KTAP.
//!
//! A test is a function that returns if it passed, panics if it failed, and calls
//! [`skip!`](crate::skip) if what it needs is absent. It also failed if it was killed, if it took
//! too long, or if the kernel printed a warning during the test.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::support::sys;

/// The exit status of a test that skips itself; automake's number for it.
const SKIPPED: i32 = 77;

/// A test and how long it may take.
pub struct Test {
    pub name: &'static str,
    pub run: fn(),
    pub limit: Duration,
    pub slow: bool,
    /// The boots of tests/boots that it belongs to.
    pub boots: &'static [&'static str],
}

/// The default boot of a test, with every window and every bad node.
pub const USUAL: &[&str] = &["windows"];
/// Tests of races, which depend on the number of processors: the default boot has two.
pub const ANY_CORES: &[&str] = &["windows", "one-core", "four-cores"];
/// What depends on which messages the console prints: all in the default boot, few in the other.
pub const BOTH_LEVELS: &[&str] = &["windows", "quiet"];

/// What depends on both.
pub const EVERYWHERE: &[&str] = &["windows", "quiet", "one-core", "four-cores", "boot-console"];

/// What every board has. The boot `board` is for boards that have only their own overlay.
pub const BOARD: &[&str] = &["board", "windows", "models"];
/// Without CMA.
pub const NO_CMA: &[&str] = &["one-core"];
/// With a CMA area in high memory.
pub const HIGH_CMA: &[&str] = &["four-cores"];
/// What differs with the place of the CMA area.
pub const ANY_CMA: &[&str] = &["windows", "four-cores"];
/// What depends on the machine more than on the kernel.
pub const MACHINES: &[&str] = &["windows", "models"];

/// Where registers do not respond.
pub const REGS: &[&str] = &["regs"];
/// No process can open /dev/kmsg.
pub const DEVKMSG_OFF: &[&str] = &["devkmsg-off"];
/// Regions that the log cannot use.
pub const REGIONS: &[&str] = &["regions"];

/// A Raspberry Pi's screen of 16 bits per pixel.
pub const DEPTH: &[&str] = &["rpi-16"];
/// Third-party programs that are too large for every run of the tests.
pub const CLIENTS: &[&str] = &["clients"];

/// Defines the `TESTS` of an area. The groups differ in their time limit, which only ends tests
/// that hang: on a busy host a test needs many times as long as on an idle one.
#[macro_export]
macro_rules! tests {
    ($($group:ident: $($test:ident),+ $(,)?;)+) => {
        pub const TESTS: &[$crate::support::harness::Test] =
            &[$($($crate::tests!(@one $group $test),)+)+];
    };
    (@one quick $test:ident) => { $crate::tests!(@make $test, 300, false, USUAL) };
    (@one long $test:ident) => { $crate::tests!(@make $test, 600, false, USUAL) };
    (@one levels $test:ident) => { $crate::tests!(@make $test, 600, false, BOTH_LEVELS) };
    (@one everywhere $test:ident) => { $crate::tests!(@make $test, 600, false, EVERYWHERE) };
    (@one devkmsg_off $test:ident) => { $crate::tests!(@make $test, 300, false, DEVKMSG_OFF) };
    (@one regions $test:ident) => { $crate::tests!(@make $test, 300, false, REGIONS) };
    (@one cores $test:ident) => { $crate::tests!(@make $test, 600, false, ANY_CORES) };
    (@one regs $test:ident) => { $crate::tests!(@make $test, 300, false, REGS) };
    (@one depth $test:ident) => { $crate::tests!(@make $test, 300, false, DEPTH) };
    (@one clients $test:ident) => { $crate::tests!(@make $test, 1800, false, CLIENTS) };
    (@one no_cma $test:ident) => { $crate::tests!(@make $test, 300, false, NO_CMA) };
    (@one high_cma $test:ident) => { $crate::tests!(@make $test, 300, false, HIGH_CMA) };
    (@one any_cma $test:ident) => { $crate::tests!(@make $test, 300, false, ANY_CMA) };
    (@one machines $test:ident) => { $crate::tests!(@make $test, 300, false, MACHINES) };
    (@one board $test:ident) => { $crate::tests!(@make $test, 300, false, BOARD) };
    (@one slow $test:ident) => { $crate::tests!(@make $test, 1800, true, USUAL) };
    (@make $test:ident, $limit:expr, $slow:expr, $boots:ident) => {
        $crate::support::harness::Test {
            name: stringify!($test),
            run: $test,
            limit: std::time::Duration::from_secs($limit),
            slow: $slow,
            boots: $crate::support::harness::$boots,
        }
    };
}

/// Ends the test as skipped, with the reason.
#[macro_export]
macro_rules! skip {
    ($($arg:tt)*) => { $crate::support::harness::skip_with(&format!($($arg)*)) };
}

pub fn skip_with(reason: &str) -> ! {
    print!("{reason}");
    let _ = std::io::stdout().flush();
    sys::exit_now(SKIPPED)
}

/// The tests that the command line selects.
#[derive(Default)]
pub struct Options {
    pub list: bool,
    pub slow: bool,
    pub times: bool,
    /// Only the tests of this boot.
    pub boot: Option<String>,
    /// Only the tests whose names begin with one of these, if there are any.
    pub prefixes: Vec<String>,
    pub filters: Vec<String>,
}

impl Options {
    fn wants(&self, test: &Test) -> bool {
        self.wants_of(test.boots) && self.wants_named(test.name, test.slow)
    }

    /// Whether tests of these boots are wanted.
    pub fn wants_of(&self, boots: &[&str]) -> bool {
        self.boot
            .as_ref()
            .is_none_or(|boot| boots.contains(&boot.as_str()))
    }

    pub fn wants_named(&self, name: &str, slow: bool) -> bool {
        if !self.prefixes.is_empty() && !self.prefixes.iter().any(|p| name.starts_with(p)) {
            return false;
        }
        let exactly = self.filters.iter().any(|f| f == name);
        let matches =
            self.filters.is_empty() || self.filters.iter().any(|f| name.contains(f.as_str()));
        exactly || (matches && (self.slow || !slow))
    }
}

/// The outcome of a test.
pub enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

impl Outcome {
    /// The same outcome, or a failure if the kernel printed a warning.
    pub fn but_for(self, complaints: &[String]) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(why),
            other if complaints.is_empty() => other,
            _ => Self::Failed("the kernel printed a warning".to_owned()),
        }
    }
}

/// The selected tests.
pub fn chosen<'a>(tests: &[&'a Test], options: &Options) -> Vec<&'a Test> {
    tests
        .iter()
        .filter(|test| options.wants(test))
        .copied()
        .collect()
}

/// Prints results as KTAP.
#[derive(Default)]
pub struct Report {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Report {
    pub fn begin(count: usize) -> Self {
        println!("KTAP version 1\n1..{count}");
        Self::default()
    }

    /// One test's result, with its output and the reason if it failed.
    pub fn result(&mut self, name: &str, outcome: &Outcome, said: &[String]) {
        let number = self.passed + self.failed + self.skipped + 1;
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                println!("ok {number} {name}");
            }
            Outcome::Skipped(reason) => {
                self.skipped += 1;
                println!(
                    "ok {number} {name} # SKIP {}",
                    reason.trim().replace('\n', " ")
                );
            }
            Outcome::Failed(why) => {
                self.failed += 1;
                for line in said {
                    println!("# {line}");
                }
                println!("# {name}: {why}\nnot ok {number} {name}");
            }
        }
        let _ = std::io::stdout().flush();
    }

    /// The sums, and the exit status.
    pub fn end(self) -> i32 {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        println!("# Totals: pass:{passed} fail:{failed} xfail:0 xpass:0 skip:{skipped} error:0");
        i32::from(failed > 0)
    }
}

/// Runs tests and returns the exit status.
pub fn run(chosen: &[&Test], options: &Options) -> i32 {
    let mut watch = match options.boot {
        Some(_) => KernelWatch::from_the_beginning(),
        None => KernelWatch::new(),
    };
    let hotplug = NoHotplug::new();
    let settings = Settings::now();
    let mut report = Report::begin(chosen.len());
    for test in chosen {
        let began = Instant::now();
        let (outcome, said) = run_one(test.run, test.limit);
        let complaints = watch.complaints();
        let outcome = outcome.but_for(&complaints);
        // Nodes that a failed test left unbound must not fail the tests after it.
        if matches!(outcome, Outcome::Failed(_)) {
            settings.restore();
            crate::support::dev::bind_everything();
        }
        if options.times {
            println!("# {}: {} ms", test.name, began.elapsed().as_millis());
        }
        let mut said: Vec<String> = said
            .lines()
            .map(|line| line.chars().take(500).collect())
            .collect();
        // The last lines have the reason.
        said.drain(..said.len().saturating_sub(60));
        said.extend(complaints);
        report.result(test.name, &outcome, &said);
    }
    drop(hotplug);
    report.end()
}

/// Restores what a failed test has changed and not restored: a panic ends its process
/// immediately.
pub struct Settings(Vec<(&'static str, String)>);

impl Settings {
    pub fn now() -> Self {
        let files = [
            "/proc/sys/kernel/printk",
            "/proc/sys/kernel/printk_devkmsg",
            "/proc/sys/kernel/dmesg_restrict",
        ];
        let read = |file| Some((file, std::fs::read_to_string(file).ok()?));
        Self(files.into_iter().filter_map(read).collect())
    }

    pub fn restore(&self) {
        for (file, before) in &self.0 {
            let _ = std::fs::write(file, before);
        }
    }
}

/// Until this is dropped, the kernel calls no program when nodes are added or removed: the tests
/// bind so often that the programs would use most of the processors' time.
pub struct NoHotplug(Option<String>);

impl NoHotplug {
    const FILE: &'static str = "/proc/sys/kernel/hotplug";

    pub fn new() -> Self {
        let before = std::fs::read_to_string(Self::FILE).ok();
        let _ = std::fs::write(Self::FILE, "\n");
        Self(before)
    }
}

/// Until this is dropped, the kernel calls mdev for nodes again, on images where it does so by
/// default.
pub struct Hotplug(bool);

impl Hotplug {
    pub fn new() -> Self {
        let there = std::path::Path::new("/sbin/mdev").exists();
        Self(there && std::fs::write(NoHotplug::FILE, "/sbin/mdev").is_ok())
    }
}

impl Drop for Hotplug {
    fn drop(&mut self) {
        if self.0 {
            let _ = std::fs::write(NoHotplug::FILE, "\n");
        }
    }
}

impl Drop for NoHotplug {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = std::fs::write(Self::FILE, before);
        }
    }
}

/// Runs a test in a child and returns its outcome and its output.
pub fn run_one(test: impl FnOnce(), limit: Duration) -> (Outcome, String) {
    let (mut output, input) = sys::pipe();
    let child = match sys::fork() {
        0 => {
            drop(output);
            in_child(test, &input)
        }
        pid => pid,
    };
    drop(input);
    let mut said = Vec::new();
    let deadline = Instant::now() + limit;
    let pidfd = sys::pidfd_open(child);
    let mut ended = false;
    while !ended {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let ready = sys::poll_in(&[output.as_raw_fd(), pidfd.as_raw_fd()], left);
        if ready[0] {
            let mut chunk = [0; 4096];
            let n = output.read(&mut chunk).unwrap_or(0);
            said.extend_from_slice(&chunk[..n]);
            // A test that has closed its output is about to end: don't spin on the end of file.
            if n == 0 {
                ended = sys::poll_in(&[pidfd.as_raw_fd()], left)[0];
            }
        } else {
            ended = ready[1];
        }
    }
    // The group contains the test's own children: none of them may run during the next test.
    sys::kill_group(child);
    let status = sys::wait(child);
    let said = String::from_utf8_lossy(&said).into_owned();
    let outcome = match (ended, status) {
        (false, _) => Outcome::Failed(format!("still running after {} s", limit.as_secs())),
        (true, sys::Ended::Exit(0)) => Outcome::Passed,
        (true, sys::Ended::Exit(SKIPPED)) => Outcome::Skipped(said.clone()),
        (true, sys::Ended::Exit(code)) => Outcome::Failed(format!("exit status {code}")),
        (true, sys::Ended::Signal(signal)) => {
            Outcome::Failed(format!("killed by {}", sys::signal_name(signal)))
        }
    };
    (outcome, said)
}

fn in_child(test: impl FnOnce(), output: &File) -> ! {
    sys::new_group();
    sys::redirect_output(output.as_raw_fd());
    crate::support::mem::catch_faults();
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        let message = text
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!("{}:{}: ", at.file(), at.line()));
        eprintln!("{place}{message}");
    }));
    let status = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(test)) {
        Ok(()) => 0,
        Err(_) => 1,
    };
    let _ = std::io::stdout().flush();
    sys::exit_now(status)
}

/// Reads the warnings that the kernel has printed since the previous call.
pub struct KernelWatch(Option<File>);

impl KernelWatch {
    /// All since the boot: the runner does not see them on a console that prints few messages.
    pub fn from_the_beginning() -> Self {
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC;
        Self(sys::open("/dev/kmsg", flags).ok().map(File::from))
    }

    /// Those that are printed from now on.
    fn new() -> Self {
        let watch = Self::from_the_beginning();
        if let Some(kmsg) = &watch.0 {
            let _ = sys::lseek(kmsg.as_raw_fd(), 0, libc::SEEK_END);
        }
        watch
    }

    pub fn complaints(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        let Some(kmsg) = &mut self.0 else {
            return found;
        };
        let mut record = [0; 8192];
        loop {
            match kmsg.read(&mut record) {
                Ok(n) if n > 0 => {
                    let text = String::from_utf8_lossy(&record[..n]);
                    let text = text.split_once(';').map_or("", |(_, text)| text);
                    if fanlight_runner_link::is_trouble(text) {
                        found.push(format!("kernel: {}", text.lines().next().unwrap_or("")));
                    }
                }
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                _ => return found,
            }
        }
    }
}
