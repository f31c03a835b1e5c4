// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands for the host. Most of them take minutes or change the machine, so `make -n` checks
//! their targets and settings without running them. An edit of a file is applied to a copy.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Tests a line of a block.
pub fn line(line: &str) -> Result<(), String> {
    let command = line.trim();
    if command.is_empty() || command.starts_with('#') {
        return Ok(());
    }
    match command.split(' ').next().unwrap_or_default() {
        "make" => make(command),
        "scripts/guest" => shell(&command.replacen("scripts/guest", "set --", 1)),
        "sed" => edit(command),
        "git" => paths(command),
        word => Err(format!(
            "no test for `{word}`: give the reason in a comment, <!-- not tested: REASON -->"
        )),
    }
}

/// Runs a line of the shell without any settings of ours.
fn shell(command: &str) -> Result<(), String> {
    let mut shell = Command::new("sh");
    shell.args(["-euc", command]).env_clear();
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            shell.env(name, value);
        }
    }
    let output = shell.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{command}`: {}", said.trim()))
}

/// Checks that make has the targets and the settings of a command. Their values may be examples,
/// since nothing is run.
pub fn make(command: &str) -> Result<(), String> {
    let command = command.replace(['[', ']'], "");
    shell(&command.replacen("make", "make -s -n", 1))
        .map_err(|error| error.replace("make -s -n", "make"))
}

/// `sed -i EXPRESSION FILE` must change the file.
fn edit(command: &str) -> Result<(), String> {
    let file = command
        .split_whitespace()
        .find(|word| Path::new(word).is_file());
    let file = file.ok_or(format!("`{command}` names no file of this tree"))?;
    let copy = std::env::temp_dir().join(format!("fanlight-edit-{}", std::process::id()));
    let run = || -> Result<(), String> {
        let before = fs::read(file).map_err(|error| error.to_string())?;
        fs::write(&copy, &before).map_err(|error| error.to_string())?;
        shell(&command.replace(file, &copy.display().to_string()))?;
        if fs::read(&copy).map_err(|error| error.to_string())? == before {
            return Err(format!("`{command}` changes nothing"));
        }
        Ok(())
    };
    let result = run();
    let _ = fs::remove_file(&copy);
    result
}

/// Checks that the files of this repository that a command or a text names exist. A path that
/// `.gitignore` names completely is the output of a command.
pub fn paths(text: &str) -> Result<(), String> {
    let made = fs::read_to_string(".gitignore").unwrap_or_default();
    let is_made = |word: &str| {
        made.lines()
            .any(|line| line.strip_prefix('/') == Some(word))
    };
    for word in text.split_whitespace() {
        let word = word.trim_matches(|c: char| "'\"()[],;:".contains(c));
        let top = word.split('/').next().unwrap_or_default();
        let ours = word.contains('/') && Path::new(top).is_dir() && !top.starts_with('.');
        let exact = !word.contains(['*', '<', '{', '$', '…', '=', '#']) && top != "build";
        let there = Path::new(word).exists() || is_made(word);
        if ours && exact && !top.is_empty() && !there {
            return Err(format!("{word} is not there"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_paths_that_are_not_there_are_named() {
        // cargo runs this in the package's directory.
        assert_eq!(
            paths("see src/docs/host.rs and /nowhere/else, src/*.rs"),
            Ok(())
        );
        assert_eq!(paths("src/none.rs"), Err("src/none.rs is not there".into()));
    }

    #[test]
    fn build_edits_that_change_nothing_fail() {
        assert_eq!(line("sed -i 's/publish = /publish=/' Cargo.toml"), Ok(()));
        assert!(line("sed -i s/abracadabra/x/ Cargo.toml").is_err());
        assert!(line("frobnicate").is_err());
        assert_eq!(line("# a comment"), Ok(()));
    }
}
