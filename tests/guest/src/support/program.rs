// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that tests run.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::skip;
use crate::support::{sys, wait};

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    /// The exit status; 128 and the signal's number if it was killed.
    pub status: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Ran {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Fails the test unless the program succeeded.
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(
            self.status,
            0,
            "stdout: {}\nstderr: {}",
            self.text(),
            self.err
        );
        self
    }

    /// Fails the test unless the program failed with one line on standard error that contains this
    /// text.
    #[track_caller]
    pub fn fails_with(&self, words: &[&str]) {
        assert!(
            (1..128).contains(&self.status),
            "status {}; {}{}",
            self.status,
            self.text(),
            self.err
        );
        assert_eq!(self.text(), "", "nothing on stdout");
        let first = self.err.lines().next().unwrap_or("");
        assert!(first.starts_with("fanlight"), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {:?}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}

/// Runs a program; the test is skipped if it is not installed.
pub fn run(program: &str, args: &[&str]) -> Ran {
    run_with(Command::new(program).args(args), program, b"")
}

/// Runs a command line in the shell.
pub fn shell(line: &str) -> Ran {
    run_with(Command::new("sh").arg("-c").arg(line), "sh", b"")
}

/// The general case, with something on stdin.
pub fn run_with(command: &mut Command, name: &str, stdin: &[u8]) -> Ran {
    let spawned = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => skip!("{name} is not installed"),
        Err(error) => panic!("{name}: {error}"),
    };
    // Little enough for the pipe's buffer; a program that doesn't read it has its reasons.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin);
    let output = child.wait_with_output().expect("wait");
    use std::os::unix::process::ExitStatusExt;
    let status = output
        .status
        .code()
        .unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
    Ran {
        status,
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Skips the test unless a program is in PATH.
pub fn needs(program: &str) {
    let path = std::env::var("PATH").unwrap_or_default();
    if !path
        .split(':')
        .any(|directory| std::path::Path::new(directory).join(program).exists())
    {
        skip!("{program} is not installed");
    }
}

/// Skips the test where `program` is the one of BusyBox, which can do less.
pub fn needs_more_than_busybox(program: &str) {
    needs(program);
    let help = run(program, &["--help"]);
    if (help.text() + &help.err).contains("BusyBox") {
        skip!("{program} is BusyBox's");
    }
}

/// A program that runs until the test ends, such as one that follows a log.
pub struct Follower {
    child: std::process::Child,
}

impl Follower {
    pub fn start(program: &str, args: &[&str]) -> Self {
        needs(program);
        let child = Command::new(program)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        Self { child }
    }

    /// Stops it: it neither runs nor ends.
    pub fn stop(&self) {
        sys::kill(self.child.id() as libc::pid_t, libc::SIGSTOP);
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().expect("wait")
    }

    /// What it prints until there is this in it.
    pub fn until(&mut self, part: &str) -> String {
        let out = self.child.stdout.as_mut().expect("a pipe");
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        let deadline = Instant::now() + wait::LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !sys::poll_in(&[out.as_raw_fd()], left)[0] {
                if !left.is_zero() {
                    continue;
                }
                panic!(
                    "nothing with {part:?} came within {:?}:\n{}",
                    wait::LIMIT,
                    String::from_utf8_lossy(&text)
                );
            }
            let n = out.read(&mut chunk).expect("what it prints");
            let before = text.len().saturating_sub(part.len());
            text.extend_from_slice(&chunk[..n]);
            if String::from_utf8_lossy(&text[before..]).contains(part) {
                return String::from_utf8_lossy(&text).into_owned();
            }
            assert!(n > 0, "it ended: {}", String::from_utf8_lossy(&text));
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
