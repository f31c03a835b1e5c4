// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that the runner calls.

use std::io;
use std::process::Command;

/// Runs a program to its end. Its message on standard error is the error.
pub fn run(command: &mut Command) -> io::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| io::Error::other(format!("{name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{name}: {}", complaint.trim())))
}
