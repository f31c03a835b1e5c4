// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight-bench-report DIRECTORY [--doc FILE NOTES]`: reports the results of the runs in
//! DIRECTORY (`run1.tsv`, `run2.tsv`, `large1.tsv`, `large2.tsv`, `barriers.tsv`, `reboots.tsv`,
//! `cores.tsv`, `host.tsv`).
//!
//! `fanlight-bench-report --clock FILE`: reports the results that a board has measured.
//!
//! Prints a table and writes `results.json` and the charts beside the runs. Fails if the two runs
//! differ by more than 0.5 % anywhere. With `--doc` it writes the page instead. A board's clock
//! has one run and only the table.

mod chart;
mod doc;
mod draw;
mod goals;
mod sheet;
mod table;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use sheet::Sheet;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match &arguments[..] {
        [flag, file] if flag == "--clock" => Sheet::read_clock(Path::new(file)).map(|sheet| {
            print!("{}", table::terminal(&sheet));
            true
        }),
        [directory] => report(Path::new(directory)),
        [directory, flag, page, notes] if flag == "--doc" => {
            doc::write(Path::new(directory), Path::new(page), Path::new(notes)).map(|()| true)
        }
        _ => Err("usage: fanlight-bench-report DIRECTORY [--doc FILE NOTES] | --clock FILE".into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fanlight: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A failure in words.
pub type Error = Box<dyn std::error::Error>;

fn report(directory: &Path) -> Result<bool, Error> {
    let sheet = Sheet::read(directory)?;
    print!("{}", table::terminal(&sheet));
    fs::write(directory.join("results.json"), table::json(&sheet))?;
    for (name, picture) in [
        ("chart", chart::bars(&sheet)),
        ("scaling", chart::curves(&sheet)),
    ] {
        fs::write(directory.join(name).with_extension("svg"), picture.svg())?;
        fs::write(directory.join(name).with_extension("png"), picture.png()?)?;
    }
    let worst = sheet.differences();
    if let Some(first) = worst.first() {
        eprintln!(
            "fanlight: the two runs differ by more than 0.5 % in {} places; first: {first}",
            worst.len()
        );
    }
    Ok(worst.is_empty())
}
