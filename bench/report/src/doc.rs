// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page: the notes, with the figures inserted where the notes have `{{…}}`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::chart;
use crate::goals::{number, GOALS};
use crate::sheet::{is_race, Row, Sheet, TOLERANCE};
use crate::Error;

/// Writes the page, and the charts beside it.
pub fn write(directory: &Path, page: &Path, notes: &Path) -> Result<(), Error> {
    let sheet = Sheet::read(directory)?;
    let notes_text =
        fs::read_to_string(notes).map_err(|error| format!("{}: {error}", notes.display()))?;
    let (text, explanations) = notes_text
        .split_once(EXPLANATIONS)
        .ok_or_else(|| format!("{}: no line {EXPLANATIONS}", notes.display()))?;
    let mut text = text.trim_end().to_owned() + "\n";
    for (mark, part) in [
        ("{{missed}}", missed(&sheet, explanations)?),
        ("{{about}}", about(&sheet)),
        ("{{goals}}", goals(&sheet)),
        ("{{results}}", results(&sheet)),
        ("{{scaling}}", scaling(&sheet)),
        ("{{cores}}", cores(&sheet)),
    ] {
        text = text.replace(mark, part.trim_end());
    }
    fs::write(page, text)?;
    let beside = page.with_extension("");
    for name in ["chart", "scaling"] {
        for kind in ["svg", "png"] {
            let from = directory.join(name).with_extension(kind);
            fs::copy(&from, format!("{}-{name}.{kind}", beside.display()))?;
        }
    }
    Ok(())
}

/// After this line the notes explain why goals are missed: each part begins with `### ` and the
/// goals' names, with `; ` between them. The page has the parts of the goals that this sheet
/// misses.
const EXPLANATIONS: &str = "<!-- explanations of missed goals -->";

fn missed(sheet: &Sheet, explanations: &str) -> Result<String, Error> {
    let is_missed = |name: &str| {
        let goal = GOALS.iter().find(|goal| goal.what == name);
        goal.map(|goal| goal.outcome(sheet).is_some_and(|outcome| !outcome.reached))
    };
    let mut text = String::new();
    let mut explained = Vec::new();
    for part in explanations.split("\n### ").skip(1) {
        let (names, _) = part.split_once('\n').unwrap_or((part, ""));
        let mut wanted = false;
        for name in names.split("; ") {
            explained.push(name);
            wanted |= is_missed(name).ok_or_else(|| format!("no goal is called: {name}"))?;
        }
        if wanted {
            text += &format!("### {}\n\n", part.trim_end());
        }
    }
    for goal in GOALS {
        if is_missed(goal.what) == Some(true) && !explained.contains(&goal.what) {
            return Err(
                format!("missed, and the notes have no reason for it: {}", goal.what).into(),
            );
        }
    }
    if text.is_empty() {
        text.push_str("None was missed.");
    }
    Ok(text)
}

fn about(sheet: &Sheet) -> String {
    sheet
        .about
        .iter()
        .fold(String::new(), |text, (name, value)| {
            text + &format!("- {name}: {value}\n")
        })
}

fn goals(sheet: &Sheet) -> String {
    let mut text =
        "| # | goal | ours | theirs | asked | got | |\n|---|---|---:|---:|---:|---:|---|\n"
            .to_owned();
    for goal in GOALS {
        let Some(outcome) = goal.outcome(sheet) else {
            let _ = writeln!(
                text,
                "| {} | {} | | | {} | not measured | |",
                goal.number,
                goal.what,
                goal.asked()
            );
            continue;
        };
        let (ours, theirs) = (number(outcome.ours), goal.theirs_text(&outcome));
        let word = if outcome.reached {
            "reached"
        } else {
            "**missed**"
        };
        let _ = writeln!(
            text,
            "| {} | {} | {ours} | {theirs} | {} | {} | {word} |",
            goal.number,
            goal.what,
            goal.asked(),
            goal.got(&outcome)
        );
    }
    text
}

fn results(sheet: &Sheet) -> String {
    let mut text = String::new();
    let mut part = "";
    for row in sheet.rows.iter().filter(|row| !row.is_point()) {
        if row.part != part {
            part = &row.part;
            let _ = writeln!(
                text,
                "\n### {part}\n\n| case | metric | first run | second run |\n|---|---|---:|---:|"
            );
        }
        let [a, b] = row.values;
        let race = match row.difference() {
            _ if is_race(row) => " (a race)".to_owned(),
            share if share > TOLERANCE => format!(" (**differs by {:.2} %**)", share * 100.0),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "| {} | {}{race} | {} | {} |",
            row.case,
            row.metric,
            exact(a),
            exact(b)
        );
    }
    text
}

/// All the digits that were measured.
fn exact(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// Each curve, and how fast it grows: the power of x between its first point and its last.
fn scaling(sheet: &Sheet) -> String {
    let mut text =
        "| curve (instructions) | from | to | grows as |\n|---|---|---|---|\n".to_owned();
    let mut seen = Vec::new();
    let points = |row: &&Row| row.is_point() && row.part != "cores";
    for row in sheet.rows.iter().filter(points) {
        if seen.contains(&&row.case) {
            continue;
        }
        seen.push(&row.case);
        let points = chart::points(sheet, &row.case);
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            continue;
        };
        let power = (last.1 / first.1).ln() / (last.0 / first.0).ln();
        let _ = writeln!(
            text,
            "| {} | {} at {} | {} at {} | x^{power:.2} |",
            row.case,
            number(first.1),
            first.0,
            number(last.1),
            last.0
        );
    }
    text
}

/// The work of several processors, as a multiple of that of one.
fn cores(sheet: &Sheet) -> String {
    let mut text =
        "| work of each | 1 processor | 2 | 3 | 4 |\n|---|---:|---:|---:|---:|\n".to_owned();
    for row in sheet.rows.iter().filter(|row| row.part == "cores") {
        if row.metric == "x=1" {
            let _ = write!(text, "| {} |", row.case);
            for (_, speed) in chart::points(sheet, &row.case) {
                let _ = write!(text, " {speed:.2} |");
            }
            text.push('\n');
        }
    }
    text
}
