// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard output, and columns.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use crate::error::{Error, Result};

/// Buffered standard output. Failures are returned as errors, a closed pipe included.
pub fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(16 << 10, io::stdout().lock())
}

/// Standard output for binary data, which is not for terminals.
pub fn data(what: &str) -> Result<BufWriter<StdoutLock<'static>>> {
    if io::stdout().is_terminal() {
        return Err(Error::message(format!(
            "{what} is binary data, which is not written to a terminal: use a file or a pipe"
        )));
    }
    Ok(stdout())
}

/// Prints rows in columns of the necessary width; the last column is not padded.
pub fn table(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|i| {
            rows.iter()
                .filter_map(|row| row.get(i))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A human-readable number of bytes: `1.2M`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["K", "M", "G", "T"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    if tenths % 10 == 0 {
        format!("{}{}", tenths / 10, UNITS[unit])
    } else {
        format!("{}.{}{}", tenths / 10, tenths % 10, UNITS[unit])
    }
}
