// SPDX-License-Identifier: MIT OR Apache-2.0
//! The documents, tried: every command and every device tree in README.md and docs/ is executed, so
//! that none of them can go stale.
//!
//! - [`blocks`]: what a page has;
//! - [`host`]: commands for the host (`sh`);
//! - [`console`]: commands for the guest (`console`), typed at its prompt;
//! - [`trees`]: device trees (`dts`).

mod blocks;
mod console;
mod host;
mod trees;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::ktap::{Report, Verdict};
use crate::machine::USUAL;
use crate::options::Options;
use crate::terminal::{End, Terminal};
use blocks::{Block, How, Page};

/// README.md and all Markdown files below docs/.
fn pages() -> Result<Vec<(String, Page)>, String> {
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
    paths.insert(0, "README.md".into());
    let page = |path: PathBuf| {
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let path = path.to_string_lossy().into_owned();
        let page = Page::read(&path, &text);
        Ok((path, page))
    };
    paths.into_iter().map(page).collect()
}

/// Tries what the filter names; gives a report per block, and one for each kind of thing in the
/// text.
pub fn run(options: &Options) -> Vec<Report> {
    let pages = match pages() {
        Ok(pages) => pages,
        Err(error) => return vec![report("docs_pages_are_there", Err(error))],
    };
    let wanted = |name: &str| name.contains(&options.filter);
    let mut reports = Vec::new();
    let blocks = || pages.iter().flat_map(|(_, page)| &page.blocks);
    for (name, result) in [
        ("docs_blocks_can_be_tested", faults(&pages)),
        ("docs_commands_in_the_text_are_known", spans(&pages)),
        ("docs_files_in_the_text_are_there", files(&pages)),
        ("docs_links_lead_to_files", links(&pages)),
    ] {
        if wanted(name) {
            reports.push(report(name, result));
        }
    }
    // What needs no guest.
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
        let typed: Vec<&Block> = mine
            .into_iter()
            .filter(|block| block.language == "console")
            .collect();
        reports.extend(consoles(&options, &typed));
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

/// The board on whose guest a block is tried, if it is.
fn board(block: &Block) -> Option<&str> {
    if !["dts", "console"].contains(&block.language.as_str()) {
        return None;
    }
    match &block.how {
        How::Usual => Some(USUAL),
        How::On(board) => Some(board),
        How::PartOf(_) | How::Not(_) => None,
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
        // A drawing, no code.
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

/// Types all blocks into one guest after the other's end; a machine that was switched off is booted
/// again. Where a block fails, the next one begins with a new guest.
fn consoles(options: &Options, blocks: &[&Block]) -> Vec<Report> {
    let mut terminal = None;
    let mut reports = Vec::new();
    for block in blocks {
        let mut options = options.clone();
        options.results = options.results.join(&block.name);
        let result = console(&options, block, &mut terminal);
        if result.is_err() {
            terminal = None;
        }
        let place = |error: String| format!("{}: {error}", block.place);
        reports.push(report(&block.name, result.map_err(place)));
    }
    reports
}

fn console(options: &Options, block: &Block, machine: &mut Option<Terminal>) -> Result<(), String> {
    let steps = console::steps(&block.text)?;
    for step in steps {
        let terminal = match machine {
            Some(terminal) => terminal,
            None => machine.insert(Terminal::boot(options)?),
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
                    return Err("no picture was kept".into());
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

fn all(faults: Vec<String>) -> Result<(), String> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}

fn faults(pages: &[(String, Page)]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    let mut faults: Vec<String> = Vec::new();
    for (_, page) in pages {
        faults.extend(page.faults.iter().cloned());
        for block in &page.blocks {
            if !names.insert(&block.name) {
                faults.push(format!("{}: another {}", block.place, block.name));
            }
        }
    }
    all(faults)
}

/// Commands of make in the text: its targets and settings.
fn spans(pages: &[(String, Page)]) -> Result<(), String> {
    let mut known = BTreeSet::new();
    let mut faults = Vec::new();
    for (place, span) in pages.iter().flat_map(|(_, page)| &page.spans) {
        if span.starts_with("make ") && !span.contains(" -C ") && known.insert(span) {
            if let Err(error) = host::make(span) {
                faults.push(format!("{place}: {error}"));
            }
        }
    }
    all(faults)
}

fn files(pages: &[(String, Page)]) -> Result<(), String> {
    let mut faults = Vec::new();
    for (_, page) in pages {
        for (place, span) in &page.spans {
            if let Err(error) = host::paths(span) {
                faults.push(format!("{place}: {error}"));
            }
        }
        for block in page.blocks.iter().filter(|block| block.language == "sh") {
            if let Err(error) = host::paths(&block.text) {
                faults.push(format!("{}: {error}", block.place));
            }
        }
    }
    all(faults)
}

/// Without `..`, by the names alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == std::path::Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

fn links(pages: &[(String, Page)]) -> Result<(), String> {
    let mut faults = Vec::new();
    for (path, page) in pages {
        let directory = Path::new(path).parent().unwrap_or(Path::new(""));
        for (place, link) in &page.links {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => PathBuf::from(path),
                file => normal(&directory.join(file)),
            };
            let other = pages.iter().find(|(path, _)| Path::new(path) == target);
            let anchors = other.map_or(&[][..], |(_, page)| &page.anchors);
            let named = anchor.is_empty() || anchors.iter().any(|there| there == anchor);
            if !target.exists() || !named {
                faults.push(format!("{place}: {link} is not there"));
            }
        }
    }
    all(faults)
}
