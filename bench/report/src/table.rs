// SPDX-License-Identifier: MIT OR Apache-2.0
//! The results as a table for the terminal, and as JSON.

use std::fmt::Write;

use serde_json::{json, Value};

use crate::goals::{number, GOALS};
use crate::sheet::{is_race, Sheet};

pub fn terminal(sheet: &Sheet) -> String {
    let mut text = String::new();
    let mut part = "";
    for row in sheet
        .rows
        .iter()
        .filter(|row| !row.is_point() || row.part == "cores")
    {
        if row.part != part {
            part = &row.part;
            let _ = writeln!(text, "\n{part}");
        }
        let differs = match row.difference() {
            0.0 => String::new(),
            _ if is_race(row) => "  (a race)".into(),
            share => format!("  (runs differ by {:.3} %)", share * 100.0),
        };
        let _ = writeln!(
            text,
            "  {:46} {:>10} {}{differs}",
            row.case,
            number(row.values[0]),
            row.metric
        );
    }
    let _ = writeln!(
        text,
        "\n{:2} {:50} {:>10} {:>10} {:>12} {:>14}",
        "", "goal", "ours", "theirs", "asked", "got"
    );
    for goal in GOALS {
        let Some(outcome) = goal.outcome(sheet) else {
            let _ = writeln!(text, "{:2} {:50} not measured", goal.number, goal.what);
            continue;
        };
        let _ = writeln!(
            text,
            "{:2} {:50} {:>10} {:>10} {:>12} {:>14}  {}",
            goal.number,
            goal.what,
            number(outcome.ours),
            goal.theirs_text(&outcome),
            goal.asked(),
            goal.got(&outcome),
            if outcome.reached { "reached" } else { "MISSED" }
        );
    }
    text
}

pub fn json(sheet: &Sheet) -> String {
    let results: Vec<Value> = sheet
        .rows
        .iter()
        .map(|row| {
            json!({
                "part": row.part, "case": row.case, "metric": row.metric, "runs": row.values,
            })
        })
        .collect();
    let goals: Vec<Value> = GOALS
        .iter()
        .filter_map(|goal| {
            let outcome = goal.outcome(sheet)?;
            Some(json!({
                "benchmark": goal.number, "goal": goal.what, "asked": goal.asked(),
                "ours": outcome.ours, "theirs": outcome.theirs, "ratio": outcome.ratio,
                "reached": outcome.reached,
            }))
        })
        .collect();
    let about: serde_json::Map<String, Value> = sheet
        .about
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect();
    let whole = json!({ "about": about, "goals": goals, "results": results });
    format!("{whole:#}\n")
}
