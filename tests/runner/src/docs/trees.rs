// SPDX-License-Identifier: MIT OR Apache-2.0
//! Device trees: compiled, laid over a board's own, checked against the binding, and booted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::Scratch;
use crate::options::Options;
use crate::session::{run_session, Sink};

/// Reads what a small program prints; anything on standard error is a failure if it fails.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{name}: {}", text(&output.stderr)))
    }
}

/// The tree's nodes as an overlay of the root, unless they are one already.
fn overlay(text: &str) -> String {
    if text.contains("/plugin/") {
        return text.to_owned();
    }
    format!("/dts-v1/;\n/plugin/;\n\n&{{/}} {{\n{text}\n}};\n")
}

/// The messages of dt-validate about a tree.
fn complaints(tree: &Path, scratch: &Path) -> Result<Vec<String>, String> {
    let schema = scratch.join("schema.json");
    let mut make = Command::new("dt-mk-schema");
    let text = output(make.args(["-j", "dts/bindings"]))?;
    fs::write(&schema, text).map_err(|error| error.to_string())?;
    // It always exits with 0.
    let said = Command::new("dt-validate")
        .arg("-s")
        .args([&schema, tree])
        .output()
        .map_err(|error| format!("dt-validate: {error}"))?;
    let said = [said.stdout, said.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // Two trees are compared, whose files have other names.
    let file = format!("{}: ", tree.display());
    let said = said.lines().map(|line| line.trim_start_matches(&file));
    Ok(said.map(str::to_owned).collect())
}

/// The output of a command.
#[derive(Default)]
struct Collect(String);

impl Sink for Collect {
    fn output(&mut self, bytes: &[u8]) {
        self.0.push_str(&String::from_utf8_lossy(bytes));
    }
    fn error(&mut self, bytes: &[u8]) {
        self.output(bytes);
    }
}

/// Tests a tree: it compiles, the binding accepts it, and a guest with it has all of its windows.
pub fn check(options: &Options, text: &str) -> Result<(), String> {
    let mut options = options.clone();
    let windows = {
        let scratch = Scratch::new().map_err(|error| error.to_string())?;
        let source = scratch.0.join("docs.dtso");
        fs::write(&source, overlay(text)).map_err(|error| error.to_string())?;
        let tree = |options: &Options| {
            let tree = options.target.machine.tree(options, &scratch.0);
            tree.map_err(|error| error.to_string())
        };
        // The nodes of the board's own tree are not ours, so their faults are ignored.
        let before = complaints(&tree(&options)?, &scratch.0)?;
        options.overlays.push(source.clone());
        let tree = tree(&options)?;
        let mut said = complaints(&tree, &scratch.0)?;
        said.retain(|line| !before.contains(line));
        if !said.is_empty() {
            return Err(said.join("\n"));
        }
        // Each boot has its own directory.
        let kept = options.results.join("docs.dtso");
        fs::create_dir_all(&options.results).map_err(|error| error.to_string())?;
        fs::copy(&source, &kept).map_err(|error| error.to_string())?;
        options.overlays.pop();
        options.overlays.push(kept);
        output(
            Command::new("fdtget")
                .arg("-l")
                .args([&tree, &PathBuf::from("/fanlight")]),
        )?
    };
    options.command = "ls /dev/fanlight0; dmesg | grep 'fanlight: window'".into();
    let mut there = Collect::default();
    let outcome = run_session(&options, &[], &mut there).map_err(|error| error.to_string())?;
    if !outcome.trouble.is_empty() {
        return Err(outcome.trouble.join("\n"));
    }
    // The node's name is that of the window, without the unit address.
    let names = windows.lines().filter_map(|line| line.split('@').next());
    let absent: Vec<&str> = names
        .filter(|name| !there.0.lines().any(|line| line == *name))
        .collect();
    if windows.is_empty() || !absent.is_empty() {
        return Err(format!("no window {}: {}", absent.join(", "), there.0));
    }
    Ok(())
}
