// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests the documents: executes every command and boots every device tree in README.md,
//! CONTRIBUTING.md and docs/, so that they stay correct.
//!
//! - [`blocks`]: parses a page;
//! - [`host`]: commands for the host (`sh`);
//! - [`console`]: commands for the guest (`console`), typed at its prompt;
//! - [`trees`]: device trees (`dts`);
//! - [`text`]: the text outside of the blocks.

mod blocks;
mod console;
mod host;
mod text;
mod trees;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::ktap::{Report, Verdict};
use crate::machine::USUAL;
use crate::options::Options;
use crate::terminal::{End, Terminal};
use blocks::{Block, How, Page};

/// A page with its path.
type Named = (String, Page);

/// The pages outside of docs/ that have commands.
const TOP: [&str; 3] = ["README.md", "CONTRIBUTING.md", "SECURITY.md"];

/// [`TOP`], and all Markdown files below docs/.
fn pages() -> Result<Vec<Named>, String> {
    fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> Result<(), String> {
        let error = |error| format!("{}: {error}", directory.display());
        for entry in fs::read_dir(directory).map_err(error)? {
            let path = entry.map_err(error)?.path();
            if path.is_dir() {
                collect(&path, paths)?;
            } else if path.extension().is_some_and(|extension| extension == "md") {
                paths.push(path);
            }
        }
        Ok(())
    }
    let mut paths = Vec::new();
    collect(Path::new("docs"), &mut paths)?;
    paths.sort();
    paths.splice(0..0, TOP.map(PathBuf::from));
    paths.into_iter().map(page).collect()
}

/// Pages of which only the links are tested: the changelog, which may name commands of an older
/// version, and the pages of the crates, whose code is tested as documentation of the crates.
fn linked() -> Result<Vec<Named>, String> {
    let mut paths = vec![PathBuf::from("CHANGELOG.md")];
    for parent in ["driver", "userspace"] {
        let error = |error| format!("{parent}: {error}");
        for entry in fs::read_dir(parent).map_err(error)? {
            let path = entry.map_err(error)?.path().join("README.md");
            if path.exists() {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.into_iter().map(page).collect()
}

fn page(path: PathBuf) -> Result<Named, String> {
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let path = path.to_string_lossy().into_owned();
    let page = Page::read(&path, &text);
    Ok((path, page))
}

/// Runs the tests that the filter selects; returns a report per block, and one per kind of
/// reference in the text.
pub fn run(options: &Options) -> Vec<Report> {
    let pages = match pages() {
        Ok(pages) => pages,
        Err(error) => return vec![report("docs_pages_are_there", Err(error))],
    };
    let wanted = |name: &str| name.contains(&options.filter);
    let mut reports = Vec::new();
    let blocks = || pages.iter().flat_map(|(_, page)| &page.blocks);
    for (name, check) in text::CHECKS {
        if wanted(name) {
            reports.push(report(name, check(&pages)));
        }
    }
    if wanted(text::LINKS) {
        let result = linked().and_then(|linked| text::links(&pages, &linked));
        reports.push(report(text::LINKS, result));
    }
    // The tests that need no guest.
    for block in blocks().filter(|block| wanted(&block.name)) {
        if let Some(report) = without_guest(block) {
            reports.push(report);
        }
    }
    for target in &options.targets {
        let options = options.on(target);
        let here = |block: &&Block| board(block) == Some(options.target.machine.name.as_str());
        let mine: Vec<&Block> = blocks()
            .filter(here)
            .filter(|block| wanted(&block.name))
            .collect();
        for block in mine.iter().filter(|block| block.language == "dts") {
            let mut options = options.clone();
            options.results = options.results.join(&block.name);
            reports.push(report(&block.name, trees::check(&options, &block.text)));
        }
        // One guest per overlay: its windows would change the output of the other blocks.
        let mut typed: BTreeMap<Option<&str>, Vec<&Block>> = BTreeMap::new();
        for block in mine {
            if block.language == "console" {
                typed.entry(overlay(block)).or_default().push(block);
            }
        }
        for (overlay, blocks) in typed {
            let mut options = options.clone();
            options.overlays.extend(overlay.map(PathBuf::from));
            let all: Vec<&Block> = pages.iter().flat_map(|(_, page)| &page.blocks).collect();
            reports.extend(consoles(&options, &blocks, &all));
        }
    }
    reports
}

fn report(name: &str, result: Result<(), String>) -> Report {
    Report {
        name: name.to_owned(),
        verdict: if result.is_ok() {
            Verdict::Passed
        } else {
            Verdict::Failed
        },
        detail: result.err().unwrap_or_default(),
    }
}

/// The board on whose guest a block is tested, if it needs a guest.
fn board(block: &Block) -> Option<&str> {
    if !["dts", "console"].contains(&block.language.as_str()) {
        return None;
    }
    match &block.how {
        How::Usual | How::With(_) => Some(USUAL),
        How::On(board) => Some(board),
        How::PartOf(_) | How::Not(_) => None,
    }
}

/// The device-tree overlay of the guest of a block, in addition to that of the board.
fn overlay(block: &Block) -> Option<&str> {
    match &block.how {
        How::With(file) => Some(file),
        _ => None,
    }
}

fn without_guest(block: &Block) -> Option<Report> {
    let place = |error: String| format!("{}: {error}", block.place);
    match (&block.how, block.language.as_str()) {
        (How::Not(reason), _) => Some(Report {
            name: block.name.clone(),
            verdict: Verdict::Skipped,
            detail: reason.clone(),
        }),
        (How::PartOf(file), _) => {
            let result = part_of(&block.text, file);
            Some(report(&block.name, result.map_err(place)))
        }
        (How::Usual, "sh") => {
            let lines = block.text.replace("\\\n", " ");
            let result = lines.lines().try_for_each(host::line);
            Some(report(&block.name, result.map_err(place)))
        }
        // A drawing, not code.
        (How::Usual, "text") if !block.text.contains("~ # ") => None,
        (_, "console" | "dts") => None,
        (_, language) => {
            let error = format!("no test for a block of `{language}`");
            Some(report(&block.name, Err(place(error))))
        }
    }
}

/// Whether the lines are in the file, in this order. Indentation does not matter.
fn part_of(text: &str, file: &str) -> Result<(), String> {
    let file_text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let mut lines = file_text.lines().map(str::trim);
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .try_for_each(|line| {
            let found = lines.any(|other| other == line);
            found.then_some(()).ok_or(format!("{file} has no `{line}`"))
        })
}

/// Types all blocks into one guest, one after another. If a block powers the guest off or fails,
/// the next one gets a new guest, with the shell functions that earlier blocks of its page define,
/// taken from `all` blocks of all pages.
fn consoles(options: &Options, blocks: &[&Block], all: &[&Block]) -> Vec<Report> {
    let mut terminal = None;
    let mut reports = Vec::new();
    for block in blocks {
        let mut options = options.clone();
        options.results = options.results.join(&block.name);
        let result = console(&options, block, &functions(block, all), &mut terminal);
        if result.is_err() {
            terminal = None;
        }
        let place = |error: String| format!("{}: {error}", block.place);
        reports.push(report(&block.name, result.map_err(place)));
    }
    reports
}

/// The functions of the shell that the blocks before `block` on its page define, as commands.
fn functions(block: &Block, all: &[&Block]) -> Vec<String> {
    let page = |block: &Block| block.place.split(':').next().map(str::to_owned);
    all.iter()
        .take_while(|other| other.name != block.name)
        .filter(|other| other.language == "console" && page(other) == page(block))
        .filter_map(|other| console::steps(&other.text).ok())
        .flatten()
        .map(|step| step.command)
        .filter(|command| command.split(' ').next().is_some_and(|w| w.ends_with("()")))
        .collect()
}

fn console(
    options: &Options,
    block: &Block,
    functions: &[String],
    machine: &mut Option<Terminal>,
) -> Result<(), String> {
    let steps = console::steps(&block.text)?;
    for step in steps {
        let terminal = match machine {
            Some(terminal) => terminal,
            None => {
                let terminal = machine.insert(Terminal::boot(options)?);
                for function in functions {
                    terminal.run(function, None)?;
                }
                terminal
            }
        };
        let (text, end) = terminal.run(&step.command, step.key)?;
        match end {
            End::Status(0) => {}
            End::Status(130) if step.key.is_some() => {}
            End::Status(status) => {
                return Err(format!("`{}` has status {status}: {text}", step.command));
            }
            End::Off => {
                let terminal = machine.take().expect("it was there");
                if terminal.finish()?.is_none() {
                    return Err("no picture was saved".into());
                }
            }
        }
        if let Some(line) = console::missing(&step.output, &text) {
            return Err(format!(
                "`{}` does not print `{line}`: {text}",
                step.command
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_functions_of_earlier_blocks_are_found() {
        let text = "```console\n~ # f() { ls; }  # why\n~ # f\n```\n\
                    ```console\n~ # g() { f; }\n```\n```console\n~ # g\n```\n";
        let (page, other) = (Page::read("docs/m.md", text), Page::read("docs/o.md", text));
        let all: Vec<&Block> = other.blocks.iter().chain(&page.blocks).collect();
        assert_eq!(functions(&page.blocks[0], &all), [""; 0]);
        assert_eq!(functions(&page.blocks[1], &all), ["f() { ls; }"]);
        assert_eq!(
            functions(&page.blocks[2], &all),
            ["f() { ls; }", "g() { f; }"]
        );
    }
}
