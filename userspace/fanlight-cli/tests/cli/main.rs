// SPDX-License-Identifier: MIT OR Apache-2.0
//! The output and the exit status of the tool. These tests do not need a device.

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

/// Checks that a command fails with status 1, an empty stdout, and `message` on stderr.
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
