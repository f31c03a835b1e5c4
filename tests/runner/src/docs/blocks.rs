// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parses the parts of a Markdown file that are tested: code blocks, commands in the text, and
//! names of files.
//!
//! A comment in the line above a block selects how the block is tested. Without it, the language of
//! the block does:
//!
//! ```text
//! <!-- tested: on BOARD -->        in a guest of that board
//! <!-- tested: with FILE -->       in a guest with that device-tree overlay
//! <!-- tested: part of FILE -->    the block's lines are in FILE, in this order
//! <!-- not tested: REASON -->      skipped
//! ```

use std::collections::HashMap;

/// How a block is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// By its language.
    Usual,
    /// In a guest of this board.
    On(String),
    /// In a guest with this device-tree overlay.
    With(String),
    /// Its lines are those of a file.
    PartOf(String),
    /// Not tested, with the reason.
    Not(String),
}

/// A code block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The name of its test.
    pub name: String,
    /// The file and line where it begins.
    pub place: String,
    pub language: String,
    pub text: String,
    pub how: How,
}

/// The parts of a file that are tested.
#[derive(Default)]
pub struct Page {
    pub blocks: Vec<Block>,
    /// Pieces of code in the text, and where they are.
    pub spans: Vec<(String, String)>,
    /// The anchors that links can name after a `#`, as web sites derive them from the headings.
    pub anchors: Vec<String>,
    /// Targets of links.
    pub links: Vec<(String, String)>,
    /// Figures in thousands and millions, `1.2 k` and `3.45 M`, and where they are.
    pub figures: Vec<(String, String)>,
    /// Links whose text is a name of the code, with where they are, the name and the target.
    pub names: Vec<(String, String, String)>,
    /// Faults in the form of blocks.
    pub faults: Vec<String>,
}

fn slug(text: &str) -> String {
    let letters = text.to_lowercase();
    let words = letters.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

fn how(line: &str) -> Option<How> {
    let comment = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    let (word, rest) = comment.split_once(':')?;
    let rest = rest.trim();
    match word.trim() {
        "not tested" => Some(How::Not(rest.to_owned())),
        "tested" => {
            let (verb, file) = rest.split_once(' ')?;
            match (verb, file.strip_prefix("of ")) {
                ("on", _) => Some(How::On(file.to_owned())),
                ("with", _) => Some(How::With(file.to_owned())),
                ("part", Some(file)) => Some(How::PartOf(file.to_owned())),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The anchor of a heading: letters, digits, `-` and `_` of it, and `-` for each blank.
fn anchor(title: &str) -> String {
    let letters = title.trim().to_lowercase();
    let kept = letters.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    });
    kept.collect()
}

/// The pieces of a line that are code.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The targets of a line's links.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

/// The names of the code that a line links, with the targets of the links.
fn code_links(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split("[`").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("`](")?;
        Some((name, rest.split(')').next()?))
    })
}

/// The figures of a line in thousands or millions: a number, a blank, and `k` or `M`.
fn figures(line: &str) -> impl Iterator<Item = &str> {
    let unit = |at: usize| line[at + 1..].starts_with(['k', 'M']);
    let ends = move |at: usize| !line[at + 2..].starts_with(|c: char| c.is_ascii_alphanumeric());
    let blanks = line.match_indices(' ').map(|(at, _)| at);
    blanks
        .filter(move |at| unit(*at) && ends(*at))
        .filter_map(|at| {
            let number = |c: char| c.is_ascii_digit() || c == '.';
            let start = at - line[..at].chars().rev().take_while(|c| number(*c)).count();
            (start < at).then(|| &line[start..at + 2])
        })
}

impl Page {
    /// Reads a file; `path` names it.
    pub fn read(path: &str, text: &str) -> Self {
        let stem = path.rsplit('/').next().unwrap_or(path);
        let stem = slug(stem.strip_suffix(".md").unwrap_or(stem));
        let mut page = Self::default();
        let mut heading = String::new();
        let mut names: HashMap<String, u32> = HashMap::new();
        let mut open: Option<Block> = None;
        let mut next = How::Usual;
        let mut blank = true;
        let mut indented = false;
        for (number, line) in text.lines().enumerate() {
            let place = format!("{path}:{}", number + 1);
            if let Some(block) = &mut open {
                if line.trim() == "```" {
                    page.blocks.extend(open.take());
                } else {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                continue;
            }
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let parts = ["docs", &stem, &heading, language];
                let parts: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
                let mut name = parts.join("_");
                let count = names.entry(name.clone()).or_insert(0);
                *count += 1;
                if *count > 1 {
                    name = format!("{name}_{count}");
                }
                open = Some(Block {
                    name,
                    place,
                    language: language.to_owned(),
                    text: String::new(),
                    how: std::mem::replace(&mut next, How::Usual),
                });
                continue;
            }
            if line.starts_with("    ") && blank && !indented {
                let fault = "a block of code without ``` and a language is not tested";
                page.faults.push(format!("{place}: {fault}"));
            }
            indented = line.starts_with("    ");
            blank = line.trim().is_empty();
            if let Some(title) = line.strip_prefix('#') {
                heading = slug(title);
                page.anchors.push(anchor(title.trim_start_matches('#')));
            }
            match how(line) {
                Some(how) => next = how,
                None if line.trim().starts_with("<!-- tested") => {
                    page.faults
                        .push(format!("{place}: no such way to test: {}", line.trim()));
                }
                None => {}
            }
            let here = |text: &str| (place.clone(), text.to_owned());
            page.spans.extend(spans(line).map(here));
            page.links.extend(links(line).map(here));
            page.figures.extend(figures(line).map(here));
            page.names.extend(
                code_links(line).map(|(name, target)| (place.clone(), name.into(), target.into())),
            );
        }
        if let Some(block) = open {
            page.faults
                .push(format!("{}: the block has no end", block.place));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_blocks_of_a_page_are_found() {
        let text = "# A b\n\nSay `make run`, see [x](y.md).\n\n```sh\nmake\n```\n\
                    <!-- not tested: why -->\n```sh\nrm\n```\n\
                    <!-- tested: part of a/b -->\n```\nc\n```\n";
        let page = Page::read("docs/p.md", text);
        assert!(page.faults.is_empty(), "{:?}", page.faults);
        let names: Vec<_> = page.blocks.iter().map(|b| b.name.as_str()).collect();
        assert_eq!(names, ["docs_p_a_b_sh", "docs_p_a_b_sh_2", "docs_p_a_b"]);
        assert_eq!(page.blocks[0].place, "docs/p.md:5");
        assert_eq!(page.blocks[0].text, "make\n");
        assert_eq!(page.blocks[1].how, How::Not("why".into()));
        assert_eq!(page.blocks[2].how, How::PartOf("a/b".into()));
        assert_eq!(page.spans, [("docs/p.md:3".into(), "make run".into())]);
        assert_eq!(page.links, [("docs/p.md:3".into(), "y.md".into())]);
        assert_eq!(page.anchors, ["a-b"]);
        let line = "11.5 k for 1 MiB, a 2.25 M, 3 kB, 4k, 7 M";
        assert_eq!(
            figures(line).collect::<Vec<_>>(),
            ["11.5 k", "2.25 M", "7 M"]
        );
        let line = "by [`A::b()`](../c.rs), [c](d.md)";
        assert_eq!(
            code_links(line).collect::<Vec<_>>(),
            [("A::b()", "../c.rs")]
        );
        assert_eq!(anchor(" virt-arm: QEMU's `virt`"), "virt-arm-qemus-virt");
        assert_eq!(
            how("<!-- tested: with a/b.dtso -->"),
            Some(How::With("a/b.dtso".into()))
        );
    }

    #[test]
    fn build_blocks_that_would_be_missed_are_faults() {
        let faults = |text: &str| Page::read("p.md", text).faults.len();
        assert_eq!(faults("Type\n\n    make run\n    make test\n"), 1);
        assert_eq!(faults("```sh\nmake\n"), 1);
        assert_eq!(faults("<!-- tested: sometimes -->\n"), 1);
    }
}
