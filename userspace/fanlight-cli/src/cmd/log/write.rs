// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log write`: appends to the log.

use std::ffi::OsString;
use std::io::{self, BufRead, Read};

use clap::Args;
use fanlight::{Facility, Level, LogWriter};

use super::super::{Run, Texts};
use super::filter::{unknown_facility, unknown_level};
use crate::error::{Error, Result, FAILURE};
use crate::target::Target;

#[derive(Args)]
pub struct Write {
    /// The text of the record
    text: Vec<OsString>,
    /// The level; the default is notice
    #[arg(short, long)]
    level: Option<String>,
    /// The facility; the default is user
    #[arg(short, long)]
    facility: Option<String>,
}

impl Run for Write {
    const NAME: &'static str = "write";
    const SUMMARY: &'static str = "Append to the log";
    const TEXTS: Texts = Texts {
        about: &[
            "Without TEXT every line of standard input becomes a record, and a line that is too \
             long for one becomes several. A NUL byte is written as \\x00, because a record ends \
             at one.",
            "Records that exceed the write limit are counted on standard error, and the exit \
             status is 1.",
        ],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let level = match &self.level {
            Some(name) => name.parse().map_err(|_| unknown_level(name))?,
            None => Level::Notice,
        };
        let facility = match &self.facility {
            Some(name) => name.parse().map_err(|_| unknown_facility(name))?,
            None => Facility::USER,
        };
        let mut log = LogWriter::open(target.log_to_write()?)?;
        // A file that is not a log has no such counter.
        let before = log.limited().ok();
        write(&self.text, &mut log, facility, level)?;
        match (before, log.limited().ok()) {
            (Some(before), Some(after)) if after > before => {
                eprintln!(
                    "fanlight: {} of these records were suppressed by the write limit \
                     (see the attribute write_limit of the log)",
                    after - before
                );
                Err(Error::Status(FAILURE))
            }
            _ => Ok(()),
        }
    }
}

fn write(text: &[OsString], log: &mut LogWriter, facility: Facility, level: Level) -> Result<()> {
    if !text.is_empty() {
        // Arguments cannot contain a NUL.
        let words: Vec<&[u8]> = text.iter().map(|word| word.as_encoded_bytes()).collect();
        return Ok(log.append_split(facility, level, &words.join(&b' '))?);
    }
    let mut nuls = 0;
    let result = lines(&mut io::stdin().lock(), |line| {
        nuls += line.iter().filter(|byte| **byte == 0).count();
        log.append_split(facility, level, line)
    });
    if nuls > 0 {
        let s = if nuls == 1 { "" } else { "s" };
        eprintln!("fanlight: {nuls} NUL byte{s} written as \\x00, because a record ends at one");
    }
    result
}

/// Writes every line. After a failure, the following lines are still written, unless the device is
/// gone. The first error is printed immediately, and the number of failures at the end.
fn lines(
    input: &mut impl BufRead,
    mut write: impl FnMut(&[u8]) -> fanlight::Result<()>,
) -> Result<()> {
    let mut line = Vec::new();
    let (mut all, mut failed) = (0u64, 0u64);
    loop {
        let part = part(input, &mut line)
            .map_err(|error| Error::message(format!("cannot read stdin: {error}")))?;
        let Some(part) = part else {
            break;
        };
        all += 1;
        let written = write(&line[..part]);
        line.drain(..part);
        match written {
            Ok(()) => {}
            Err(error) if error.is_gone() => return Err(error.into()),
            Err(error) => {
                if failed == 0 {
                    eprintln!("fanlight: line {all}: {error}");
                }
                failed += 1;
            }
        }
    }
    if failed > 0 {
        eprintln!("fanlight: {failed} of {all} lines could not be written");
        return Err(Error::Status(FAILURE));
    }
    Ok(())
}

/// The maximum length of a line. The rest of a longer line becomes another line, so that input
/// without newlines does not fill the memory.
const LINE_MAX: usize = 64 << 10;

/// Reads a line, or its first [`LINE_MAX`] bytes, and appends it to the part of it that is already
/// in `line`. Returns how many bytes of `line` to write; the rest is the beginning of the next
/// part. `None`: the end of the input.
fn part(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let room = LINE_MAX - line.len();
    let read = input.by_ref().take(room as u64).read_until(b'\n', line)?;
    if read == 0 && line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(line.len()));
    }
    if line.len() < LINE_MAX {
        return Ok(Some(line.len()));
    }
    // Only the next byte shows whether the line ends here.
    match input.fill_buf()?.first() {
        None => Ok(Some(line.len())),
        Some(b'\n') => {
            input.consume(1);
            Ok(Some(line.len()))
        }
        Some(_) => Ok(Some(whole_characters(line))),
    }
}

/// The number of bytes before an incomplete character at the end.
fn whole_characters(text: &[u8]) -> usize {
    let tail = text.len().saturating_sub(3);
    let begun = text[tail..].iter().rposition(|byte| *byte >= 0xc0);
    match begun.map(|at| tail + at) {
        Some(at) => match std::str::from_utf8(&text[at..]) {
            // The bytes may be the beginning of a character.
            Err(error) if error.error_len().is_none() && error.valid_up_to() == 0 => at,
            _ => text.len(),
        },
        None => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_write_takes_a_line_without_an_end_in_parts() {
        let mut input = io::BufReader::new(io::repeat(b'x').take(LINE_MAX as u64 * 5 / 2));
        let mut lens = Vec::new();
        lines(&mut input, |line| {
            lens.push(line.len());
            Ok(())
        })
        .unwrap();
        assert_eq!(lens, [LINE_MAX, LINE_MAX, LINE_MAX / 2]);
    }

    /// The parts that are written of an input that is read in pieces of `capacity` bytes.
    fn parts(input: &[u8], capacity: usize) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        lines(&mut io::BufReader::with_capacity(capacity, input), |line| {
            parts.push(line.to_vec());
            Ok(())
        })
        .unwrap();
        parts
    }

    #[test]
    fn log_write_of_a_line_that_just_fits_makes_no_empty_record() {
        for extra in [-1, 0, 1] {
            let line = "x".repeat(LINE_MAX.checked_add_signed(extra).unwrap());
            for (end, more) in [("", 0), ("\n", 0), ("\n\n", 1), ("\nlast", 1)] {
                let input = format!("{line}{end}");
                let pieces = 1 + usize::from(extra == 1);
                for capacity in [1000, LINE_MAX, LINE_MAX + 1, 4 * LINE_MAX] {
                    let parts = parts(input.as_bytes(), capacity);
                    assert_eq!(parts.len(), pieces + more, "{extra} {end:?} {capacity}");
                    assert_eq!(parts[..pieces].concat(), line.as_bytes());
                }
            }
        }
    }

    #[test]
    fn log_write_divides_no_character_of_a_long_line() {
        for character in ["\u{e4}", "\u{20ac}", "\u{1f600}"] {
            for before in 0..4 {
                let text = "x".repeat(before) + &character.repeat(LINE_MAX);
                let parts = parts(text.as_bytes(), 1000);
                let mut all = String::new();
                for part in &parts {
                    all.push_str(std::str::from_utf8(part).expect("whole characters"));
                }
                assert_eq!(all, text);
            }
        }
        // Invalid characters may be split anywhere, but no byte is lost.
        for byte in [0x80, 0xc3, 0xff] {
            let bytes = vec![byte; 3 * LINE_MAX];
            assert_eq!(parts(&bytes, 1000).concat(), bytes);
        }
    }

    #[test]
    fn log_write_goes_on_behind_a_line_that_fails() {
        let mut written = Vec::new();
        let result = lines(&mut &b"one\nbad\n\nbad\nlast"[..], |line| {
            if line == b"bad" {
                return Err(fanlight::Error::Log {
                    path: "/dev/null".into(),
                    what: "refused".into(),
                });
            }
            written.push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        });
        assert_eq!(written, ["one", "", "last"]);
        assert!(matches!(result, Err(Error::Status(1))));
        assert!(lines(&mut &b""[..], |_| unreachable!()).is_ok());
    }
}
