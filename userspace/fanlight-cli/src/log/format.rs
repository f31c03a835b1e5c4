// SPDX-License-Identifier: MIT OR Apache-2.0
//! A record as a line of text.

use std::io::{self, Write};

use fanlight::Record;

use crate::args::Matches;
use crate::error::Result;

/// How records are printed.
pub struct Format {
    raw: bool,
}

impl Format {
    pub fn new(matches: &Matches) -> Result<Self> {
        Ok(Self { raw: matches.has("raw") })
    }

    pub fn write(&self, out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
        if self.raw {
            return record.write_kmsg(out);
        }
        let time = format!("[{:5}.{:06}] ", record.ns / 1_000_000_000, record.ns / 1000 % 1_000_000);
        for (i, line) in record.text.split(|byte| *byte == b'\n').enumerate() {
            if i == 0 {
                out.write_all(time.as_bytes())?;
            } else {
                write!(out, "{:1$}", "", time.len())?;
            }
            print(out, line)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// Text that cannot do anything to a terminal: control characters come out as `\x1b`.
fn print(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
            out.write_all(rest[..at].as_bytes())?;
            let mut after = rest[at..].chars();
            if let Some(c) = after.next() {
                write!(out, "\\x{:02x}", u32::from(c))?;
            }
            rest = after.as_str();
        }
        out.write_all(rest.as_bytes())?;
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}
