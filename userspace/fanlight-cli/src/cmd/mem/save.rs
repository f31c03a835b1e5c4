// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight mem save`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::place::{Place, Width};
use super::Run;
use crate::error::{plain, Error, Result};
use crate::output;
use crate::target::Target;

/// Bytes per copy.
const CHUNK: usize = 4096;

#[derive(Args)]
pub struct Save {
    /// The window's name, or the path of its node
    window: String,
    /// The file; - is standard output
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The offset of the first byte; the default is 0
    offset: Option<String>,
    /// The number of bytes; the default is all from the offset on
    length: Option<String>,
    #[command(flatten)]
    width: Width,
}

impl Run for Save {
    const NAME: &'static str = "save";
    const SUMMARY: &'static str = "Save memory to a file";

    fn run(self, target: &Target) -> Result<()> {
        let mut place = Place::new(&self.window, self.offset.as_deref(), &self.width)?;
        let map = target.open_window_read_only(&place.name)?.map()?;
        place.fit(&map);
        let bytes = place.as_bytes();
        let length = bytes.length(self.length.as_deref(), &map, usize::MAX)?;
        let end = place.offset + length;
        let copy = |out: &mut dyn Write| -> Result<io::Result<()>> {
            for start in (place.offset..end).step_by(CHUNK) {
                let chunk = place.bytes(&map, start, (start + CHUNK).min(end))?;
                let chunk: Vec<u8> = chunk.iter().map(|byte| *byte as u8).collect();
                if let Err(error) = out.write_all(&chunk) {
                    return Ok(Err(error));
                }
            }
            Ok(out.flush())
        };
        if self.file == Path::new("-") {
            return Ok(copy(&mut output::data("the memory")?)??);
        }
        let failed = |error: io::Error| {
            let path = self.file.display();
            Error::message(format!("cannot save to {path}: {}", plain(&error)))
        };
        let mut file = File::create(&self.file).map_err(failed)?;
        copy(&mut file)?.map_err(failed)
    }
}
