// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log`: the log, out of its ring.

mod format;

use std::io::Write;

use fanlight::{LogWriter, Start};

use crate::args::Matches;
use crate::error::Result;
use crate::{output, target};
use format::Format;

pub fn run(matches: &Matches) -> Result<()> {
    let previous = matches.has("previous");
    let log = target::open_log(matches, if previous { "log.prev" } else { "log" })?;
    let format = Format::new(matches)?;
    let mut reader = log.reader(Start::Oldest)?;
    let mut out = output::stdout();
    loop {
        while let Some(record) = reader.next_record()? {
            if record.lost > 0 {
                out.flush()?;
                eprintln!("fanlight: {} records lost", record.lost);
            }
            format.write(&mut out, &record)?;
        }
        out.flush()?;
        if previous || !matches.has("follow") {
            return Ok(());
        }
        reader.wait(None)?;
    }
}

pub fn write(matches: &Matches) -> Result<()> {
    let mut log = LogWriter::open(target::log_node(matches, "log")?)?;
    let _ = (&mut log, matches);
    Ok(())
}
