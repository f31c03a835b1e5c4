// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs all tests: on the host, for the boards' processors under QEMU's user mode, of the build,
//! and in guests.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::boots::{self, Boot};
use crate::docs;
use crate::ktap::{Ktap, Libtest, Report, Verdict};
use crate::options::Options;
use crate::session::{run_session, Sink};
use crate::terminal;

/// The architectures of the boards: the kernel's name, the group of tests, the target of Rust, and
/// how a program of it runs here.
const ARCHITECTURES: [(&str, &str, &str, &str); 2] = [
    (
        "arm",
        "armv7",
        "armv7-unknown-linux-gnueabihf",
        "qemu-arm -L /usr/arm-linux-gnueabihf",
    ),
    (
        "arm64",
        "arm64",
        "aarch64-unknown-linux-gnu",
        "qemu-aarch64 -L /usr/aarch64-linux-gnu",
    ),
];

/// The results of all groups.
#[derive(Default)]
struct Tally {
    reports: Vec<(String, Report)>,
}

impl Tally {
    /// Adds the reports of a group and prints a summary.
    fn add(&mut self, group: &str, start: Instant, reports: Vec<Report>) {
        let count = |verdict| reports.iter().filter(|r| r.verdict == verdict).count();
        let mut line = format!("{} passed", count(Verdict::Passed));
        for (verdict, word) in [(Verdict::Failed, "FAILED"), (Verdict::Skipped, "skipped")] {
            if count(verdict) > 0 {
                line.push_str(&format!(", {} {word}", count(verdict)));
            }
        }
        let seconds = start.elapsed().as_secs_f32();
        println!("fanlight: tests {group}: {line} ({seconds:.1} s)");
        for report in &reports {
            let word = match report.verdict {
                Verdict::Passed => continue,
                Verdict::Failed => "not ok",
                Verdict::Skipped => "skipped",
            };
            println!("  {word} {}", report.name);
            for line in report.detail.lines() {
                println!("      {line}");
            }
        }
        let group = group.to_owned();
        self.reports
            .extend(reports.into_iter().map(|report| (group.clone(), report)));
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.reports
            .iter()
            .filter(|(_, r)| r.verdict == verdict)
            .count()
    }

    fn save(&self, path: &Path) -> io::Result<()> {
        let results: Vec<_> = self
            .reports
            .iter()
            .map(|(group, report)| {
                let verdict = match report.verdict {
                    Verdict::Passed => "passed",
                    Verdict::Failed => "failed",
                    Verdict::Skipped => "skipped",
                };
                json!({
                    "group": group, "name": report.name, "result": verdict,
                    "detail": report.detail,
                })
            })
            .collect();
        fs::write(path, serde_json::to_string_pretty(&results)?)
    }
}

fn failed(name: &str, detail: String) -> Report {
    Report {
        name: name.to_owned(),
        verdict: Verdict::Failed,
        detail,
    }
}

/// Runs the tests that match the filter; the exit status is 0 if none failed and at least one ran.
pub fn run(options: &Options) -> io::Result<i32> {
    fs::create_dir_all(&options.results)?;
    let mut tally = Tally::default();

    // `make check` runs the examples of the documentation.
    let features = ["--features", "fanlight/log"];
    let kinds = ["--lib", "--bins", "--tests"];
    cargo(
        &mut tally,
        options,
        "host",
        &[&["--workspace"][..], &kinds, &features].concat(),
    )?;
    for (arch, group, target, _) in ARCHITECTURES {
        if options.targets.iter().any(|t| t.machine.arch == arch) {
            // The ring has no code for a processor, and its tests take minutes.
            let ring: &[&str] = if arch == "arm" {
                &["-p", "fanlight-ring"]
            } else {
                &[]
            };
            let board = ["-p", "fanlight", "--target", target];
            cargo(
                &mut tally,
                options,
                group,
                &[ring, &board, &features].concat(),
            )?;
        }
    }
    scripts(&mut tally, options)?;
    documents(&mut tally, options);
    let table = boots::read(Path::new("tests/boots")).map_err(io::Error::other)?;
    for target in &options.targets {
        let options = options.on(target);
        for boot in table.iter().filter(|boot| boot.wanted(&options)) {
            guest(&mut tally, boot, &options)?;
        }
    }

    finish(&tally, options)
}

/// Runs only the tests of the documents and of the machine for a user.
pub fn run_documents(options: &Options) -> io::Result<i32> {
    fs::create_dir_all(&options.results)?;
    let mut tally = Tally::default();
    documents(&mut tally, options);
    finish(&tally, options)
}

fn finish(tally: &Tally, options: &Options) -> io::Result<i32> {
    tally.save(&options.results.join("results.json"))?;
    let [passed, failed, skipped] =
        [Verdict::Passed, Verdict::Failed, Verdict::Skipped].map(|verdict| tally.count(verdict));
    if passed + failed == 0 {
        println!("fanlight: no test's name contains {}", options.filter);
    }
    let skipped = match skipped {
        0 => String::new(),
        _ => format!(", {skipped} skipped"),
    };
    println!("{passed} passed, {failed} failed{skipped}");
    Ok(i32::from(failed > 0 || passed == 0))
}

/// Runs a `cargo test`, with its output in a log.
fn cargo(tally: &mut Tally, options: &Options, group: &str, arguments: &[&str]) -> io::Result<()> {
    let start = Instant::now();
    let log_path = options.results.join(format!("{group}.log"));
    let log = fs::File::create(&log_path)?;
    println!("fanlight: tests {group} ... (log: {})", log_path.display());
    let mut child = Command::new("cargo")
        .args(["test", "--locked", "--no-fail-fast"])
        .args(arguments)
        .args(["--", &options.filter])
        .envs(ARCHITECTURES.map(|(_, _, target, runner)| {
            let target = target.to_uppercase().replace('-', "_");
            (format!("CARGO_TARGET_{target}_RUNNER"), runner)
        }))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?)
        .spawn()?;
    let mut libtest = Libtest::default();
    let mut output = String::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let line = line?;
        libtest.line(&line);
        output.push_str(&line);
        output.push('\n');
    }
    let status = child.wait()?;
    io::Write::write_all(&mut &log, output.as_bytes())?;
    let mut reports = libtest.reports;
    if !status.success() && reports.iter().all(|r| r.verdict != Verdict::Failed) {
        let log = fs::read_to_string(&log_path)?;
        let error = log.lines().find(|line| line.starts_with("error"));
        let detail = format!(
            "{}; full log: {}",
            error.unwrap_or("cargo test failed"),
            log_path.display()
        );
        reports.push(failed(&format!("build_tests_{group}"), detail));
    }
    tally.add(group, start, reports);
    Ok(())
}

/// The tests of the build: programs in tests/build that print KTAP, given the filter.
fn scripts(tally: &mut Tally, options: &Options) -> io::Result<()> {
    let Ok(directory) = fs::read_dir("tests/build") else {
        return Ok(());
    };
    let start = Instant::now();
    let mut paths: Vec<_> = directory.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    let mut reports = Vec::new();
    for path in paths {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // A program runs if its own name or that of one of its tests is wanted.
        let whole = name.contains(&options.filter);
        if !whole && !fs::read_to_string(&path)?.contains(&options.filter) {
            continue;
        }
        let output = Command::new(&path).stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        fs::write(options.results.join(format!("{name}.ktap")), &output.stdout)?;
        let mut ktap = Ktap::default();
        for line in text.lines() {
            ktap.line(line);
        }
        if ktap.reports.is_empty() {
            let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            ktap.reports.push(failed(&name, complaint));
        }
        if !whole {
            ktap.reports.retain(|r| r.name.contains(&options.filter));
        }
        reports.append(&mut ktap.reports);
    }
    tally.add("build", start, reports);
    Ok(())
}

/// The tests of the documents and of the machine for a user. Not for Buildroot's image, which
/// requires a login.
fn documents(tally: &mut Tally, options: &Options) {
    if options.target.disk.is_some() {
        return;
    }
    let mut options = options.clone();
    options.results = options.results.join("docs");
    for target in options.targets.iter_mut().chain([&mut options.target]) {
        target.initrd.clone_from(&target.run_initrd);
    }
    for (group, run) in [
        ("documents", docs::run as fn(&Options) -> Vec<Report>),
        ("terminal", terminal::run),
    ] {
        let start = Instant::now();
        let reports = run(&options);
        if !reports.is_empty() {
            tally.add(group, start, reports);
        }
    }
}

/// One boot's tests.
fn guest(tally: &mut Tally, boot: &Boot, common: &Options) -> io::Result<()> {
    struct Collect {
        ktap: Ktap,
        partial: Vec<u8>,
        output: Vec<u8>,
        error: Vec<u8>,
    }
    impl Sink for Collect {
        fn output(&mut self, bytes: &[u8]) {
            self.output.extend_from_slice(bytes);
            self.partial.extend_from_slice(bytes);
            while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.partial.drain(..=end).collect();
                self.ktap.line(&String::from_utf8_lossy(&line));
            }
        }
        fn error(&mut self, bytes: &[u8]) {
            self.error.extend_from_slice(bytes);
        }
    }
    let start = Instant::now();
    let options = boot.options(common);
    let shown = options.results.display();
    println!(
        "fanlight: tests guest {} ... (log: {shown}/tests.ktap, console: {shown}/console.log)",
        boot.name
    );
    let mut collect = Collect {
        ktap: Ktap::default(),
        partial: Vec::new(),
        output: Vec::new(),
        error: Vec::new(),
    };
    let name = &boot.name;
    let outcome = run_session(&options, &[("FANLIGHT_BOOT", name)], &mut collect);
    fs::create_dir_all(&options.results)?;
    fs::write(options.results.join("tests.ktap"), &collect.output)?;
    fs::write(options.results.join("stderr.txt"), &collect.error)?;

    let missing = collect.ktap.missing();
    let mut reports = collect.ktap.reports;
    let complaint = String::from_utf8_lossy(&collect.error).trim().to_owned();
    let mut trouble = Vec::new();
    match outcome {
        Err(error) => trouble.push(error.to_string()),
        Ok(outcome) => {
            trouble = outcome.trouble;
            let any_failed = reports.iter().any(|r| r.verdict == Verdict::Failed);
            match outcome.status {
                Some(0) => {}
                Some(_) if any_failed => {}
                Some(status) => trouble.push(format!(
                    "the test program ended with status {status}: {complaint}"
                )),
                None => trouble.push("the test program did not end".into()),
            }
        }
    }
    if missing > 0 {
        trouble.push(format!("{missing} tests were announced and never reported"));
    }
    let names: Vec<&str> = reports.iter().map(|report| report.name.as_str()).collect();
    if common.filter.is_empty() {
        for prefix in boot.without_test(&names) {
            trouble.push(format!(
                "tests/boots: no test of this boot begins with {prefix}"
            ));
        }
    }
    if reports.is_empty() && trouble.is_empty() && common.filter.is_empty() {
        trouble.push("no test belongs to this boot".into());
    }
    let clean = format!(
        "board_{}_{name}_clean",
        options.target.machine.name.replace('-', "_")
    );
    // The boot itself is a test: the kernel printed no warning, and every test ended.
    if !trouble.is_empty() {
        trouble.push(format!(
            "console: {}",
            options.results.join("console.log").display()
        ));
        reports.push(failed(&clean, trouble.join("\n")));
    } else if !reports.is_empty() {
        reports.push(Report {
            name: clean,
            verdict: Verdict::Passed,
            detail: String::new(),
        });
    }
    tally.add(
        &format!("{} {name}", options.target.machine.name),
        start,
        reports,
    );
    Ok(())
}
