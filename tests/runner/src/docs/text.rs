// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the pages' text that need no guest: commands of make, files, names of the code,
//! figures, links, and that a translation has the commands of its original.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::blocks::Page;
use super::{console, host};

type Check = fn(&[(String, Page)]) -> Result<(), String>;

/// The tests of the text, by their names.
pub const CHECKS: [(&str, Check); 6] = [
    ("docs_blocks_can_be_tested", faults),
    ("docs_commands_in_the_text_are_known", spans),
    ("docs_files_in_the_text_are_there", files),
    ("docs_figures_are_those_of_the_benchmarks", figures),
    ("docs_names_of_code_are_in_their_files", names),
    ("docs_translations_have_the_same_commands", translations),
];
/// The test of the links.
pub const LINKS: &str = "docs_links_lead_to_files";

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

/// A function `f()` or a name that is the text of a link is in the file that the link leads to.
/// Names of crates and programs are not checked.
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
fn figures(pages: &[(String, Page)]) -> Result<(), String> {
    let text = fs::read_to_string(BENCHMARKS).map_err(|error| format!("{BENCHMARKS}: {error}"))?;
    let cells = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|'));
    let results: Vec<f64> = cells.filter_map(|cell| cell.trim().parse().ok()).collect();
    all(unknown_figures(pages, &results))
}

const BENCHMARKS: &str = "docs/benchmarks.md";

/// The figures that differ from all results, rounded to the same number of digits.
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

/// The input that a page gives to its reader: the commands for the guest without their comments,
/// and the other blocks unchanged. Drawings are left out.
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

/// The links of `pages` and of `more` pages lead to files, and to headings of these pages.
pub fn links(pages: &[(String, Page)], more: &[(String, Page)]) -> Result<(), String> {
    let pages = || pages.iter().chain(more);
    let mut faults = Vec::new();
    for (path, page) in pages() {
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
            let other = pages().find(|(path, _)| Path::new(path) == target);
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
    fn build_links_to_files_and_headings_that_are_not_there_are_named() {
        // The links are relative to the directory of the page.
        let pages = [page("src/lib.rs", "# A title")];
        let check = |text: &str| links(&pages, &[page("src/m.md", text)]);
        assert_eq!(check("[a](lib.rs#a-title) [b](../Cargo.toml)"), Ok(()));
        assert_eq!(check("[a](https://example.org/none)"), Ok(()));
        assert!(check("[a](none.rs)").is_err());
        assert!(check("[a](lib.rs#another)").is_err());
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
