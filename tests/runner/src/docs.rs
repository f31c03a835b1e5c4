// SPDX-License-Identifier: MIT OR Apache-2.0
//! The documents, tried: every command and every device tree in README.md, CONTRIBUTING.md and docs/
//! is executed, so that none of them can go stale.
//!
//! - [`blocks`]: what a page has;
//! - [`host`]: commands for the host (`sh`);
//! - [`console`]: commands for the guest (`console`), typed at its prompt;
//! - [`trees`]: device trees (`dts`).

mod blocks;
mod console;
mod host;
mod trees;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::ktap::{Report, Verdict};
use crate::machine::USUAL;
use crate::options::Options;
use crate::terminal::{End, Terminal};
use blocks::{Block, How, Page};

/// The pages outside of docs/. CHANGELOG.md has commands of earlier days.
const TOP: [&str; 3] = ["README.md", "CONTRIBUTING.md", "SECURITY.md"];

/// [`TOP`], and all Markdown files below docs/.
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
    paths.splice(0..0, TOP.map(PathBuf::from));
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
        (
            "docs_figures_are_those_of_the_benchmarks",
            figures_of(&pages),
        ),
        ("docs_links_lead_to_files", links(&pages)),
        ("docs_names_of_code_are_in_their_files", names(&pages)),
        (
            "docs_translations_have_the_same_commands",
            translations(&pages),
        ),
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
        // One guest per overlay: what they add would change the output of the other blocks.
        let mut typed: BTreeMap<Option<&str>, Vec<&Block>> = BTreeMap::new();
        for block in mine {
            if block.language == "console" {
                typed.entry(overlay(block)).or_default().push(block);
            }
        }
        for (overlay, blocks) in typed {
            let mut options = options.clone();
            options.overlays.extend(overlay.map(PathBuf::from));
            reports.extend(consoles(&options, &blocks));
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

/// The board on whose guest a block is tried, if it is.
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

/// The device-tree overlay that the guest of a block has in addition to its board's.
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

/// A function `f()` or a name that a link leads to is in that file. A crate or a program that a link
/// names is no file's.
fn names(pages: &[(String, Page)]) -> Result<(), String> {
    let mut faults = Vec::new();
    for (path, page) in pages {
        let directory = Path::new(path).parent().unwrap_or(Path::new(""));
        for (place, name, target) in &page.names {
            let file = normal(&directory.join(target));
            let Ok(text) = fs::read_to_string(&file) else {
                continue;
            };
            let last = name.rsplit("::").next().unwrap_or(name);
            let word = last.trim_end_matches("()");
            if word.contains(['.', '/', ' ']) {
                continue;
            }
            let there = text.match_indices(word).any(|(at, _)| {
                let part = |c: char| c.is_alphanumeric() || c == '_';
                let before = text[..at].chars().next_back().is_some_and(part);
                let after = text[at + word.len()..].chars().next();
                let end = if word == last {
                    !after.is_some_and(part)
                } else {
                    matches!(after, Some('(' | '<'))
                };
                !before && end
            });
            if !there {
                faults.push(format!("{place}: {} has no {name}", file.display()));
            }
        }
    }
    all(faults)
}

/// Figures of pages that refer to the benchmarks are among the results there.
fn figures_of(pages: &[(String, Page)]) -> Result<(), String> {
    let text = fs::read_to_string(BENCHMARKS).map_err(|error| format!("{BENCHMARKS}: {error}"))?;
    let cells = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|'));
    let results: Vec<f64> = cells.filter_map(|cell| cell.trim().parse().ok()).collect();
    all(unknown_figures(pages, &results))
}

const BENCHMARKS: &str = "docs/benchmarks.md";

/// The figures that no result is when it is rounded like them.
fn unknown_figures(pages: &[(String, Page)], results: &[f64]) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, page) in pages {
        let refers = |(_, link): &(String, String)| link.contains("benchmarks.md");
        if path == BENCHMARKS || !page.links.iter().any(refers) {
            continue;
        }
        for (place, figure) in &page.figures {
            let (number, unit) = figure.split_at(figure.len() - 1);
            let number = number.trim();
            let digits = number.split_once('.').map_or(0, |(_, after)| after.len());
            let scale = if unit == "k" { 1e3 } else { 1e6 };
            let same = |result: &f64| format!("{:.digits$}", result / scale) == number;
            if !results.iter().any(same) {
                faults.push(format!("{place}: {figure} is no result in {BENCHMARKS}"));
            }
        }
    }
    faults
}

/// What a page tells its reader to type: the commands for the guest without their comments, and the
/// other blocks as they are. Drawings may differ.
fn commands(page: &Page) -> Result<Vec<String>, String> {
    let mut commands = Vec::new();
    for block in &page.blocks {
        match block.language.as_str() {
            "text" => {}
            "console" => {
                let steps = console::steps(&block.text)?;
                commands.extend(steps.into_iter().map(|step| step.command));
            }
            _ => commands.extend(block.text.lines().map(str::to_owned)),
        }
    }
    Ok(commands)
}

/// `name.LANGUAGE.md` has the commands of `name.md`, in the same order.
fn translations(pages: &[(String, Page)]) -> Result<(), String> {
    let mut faults = Vec::new();
    for (path, page) in pages {
        let stem = path.strip_suffix(".md").unwrap_or(path);
        let Some((stem, _)) = stem.rsplit_once('.') else {
            continue;
        };
        let original = format!("{stem}.md");
        let Some((_, other)) = pages.iter().find(|(path, _)| *path == original) else {
            faults.push(format!("{path}: there is no {original}"));
            continue;
        };
        let (ours, theirs) = (commands(page)?, commands(other)?);
        let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        if same < ours.len().max(theirs.len()) {
            let line = |commands: &[String]| match commands.get(same) {
                Some(command) => format!("`{command}`"),
                None => "no command".to_owned(),
            };
            let (ours, theirs) = (line(&ours), line(&theirs));
            faults.push(format!(
                "{path} has {ours} where {original} has {theirs}, after {same} the same"
            ));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, text: &str) -> (String, Page) {
        (path.to_owned(), Page::read(path, text))
    }

    #[test]
    fn build_names_that_are_not_in_the_linked_file_are_named() {
        let check = |text: &str| names(&[page("docs.md", text)]);
        assert_eq!(check("[`Page::read()`](src/docs/blocks.rs)"), Ok(()));
        assert_eq!(check("[`Block`](src/docs/blocks.rs) [x](y.md)"), Ok(()));
        assert!(check("[`Page::rea()`](src/docs/blocks.rs)").is_err());
        assert!(check("[`Page()`](src/docs/blocks.rs)").is_err());
    }

    #[test]
    fn build_figures_that_are_no_result_are_named() {
        let unknown = |text: &str| {
            let pages = [page("docs/m.md", &format!("{text} [b](benchmarks.md#map)"))];
            unknown_figures(&pages, &[188396.61, 4973696.0]).len()
        };
        assert_eq!(unknown("188.4 k, 4.97 M and 5 M"), 0);
        assert_eq!(unknown("188.5 k"), 1);
        assert_eq!(unknown("188.4 M"), 1);
        let other = [page("docs/m.md", "1.23 k")];
        assert_eq!(unknown_figures(&other, &[]).len(), 0);
    }

    #[test]
    fn build_translations_with_other_commands_are_named() {
        let english = "```text\na drawing\n```\n```console\n~ # a  # why\nout\n~ # b\n```\n";
        let chinese = "```console\n~ # a  # 为什么\nout\n```\n```console\n~ # b\n```\n";
        let check = |other: &str| {
            translations(&[
                page("docs/m.md", english),
                page("docs/m.zh-CN.md", other),
                page("docs/n.md", ""),
            ])
        };
        assert_eq!(check(chinese), Ok(()));
        assert_eq!(check(english), Ok(()));
        assert!(check("```console\n~ # a\n```\n").is_err());
        assert!(check("```console\n~ # b\n~ # a\n```\n").is_err());
        assert!(translations(&[page("docs/x.zh-CN.md", "")]).is_err());
    }
}
