// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tool as a script sees it: what it prints where, and how it exits. None of this needs a
//! device.

mod log;
mod usage;

use std::process::{Command, Output, Stdio};

fn tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanlight"));
    for variable in ["FANLIGHT", "FRAMEBUFFER", "NO_COLOR", "TZ"] {
        command.env_remove(variable);
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    tool()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Fails with status 1, nothing on stdout, and this on stderr.
fn fails(arguments: &[&str], message: &str) {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    assert!(
        text(&output.stderr).contains(message),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    assert!(
        text(&output.stderr).starts_with("fanlight: "),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
}
