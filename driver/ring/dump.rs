// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The form in which a dumper of the kernel reads a message. C source: `record_print_text()` in
//! `kernel/printk/printk.c`.
//!
//! ```text
//! <30>[    1.234567][   T12] first line
//! <30>[    1.234567][   T12] second line
//! ```
//!
//! It has no dictionary. The driver uses it for suppressed messages, which consoles do not get.

#![forbid(unsafe_code)]

use super::number::take;
use super::record::{Entry, PLAIN};
use super::text::{plain_run, PROCESSOR};

/// Parses a dumped message; `None` if it is invalid.
///
/// The text is borrowed from `dumped` if it is one line. Otherwise it is copied to `buffer`, which
/// should be as long as `dumped`. If the kernel shows no time (`printk.time=0`), the time is 0.
pub fn parse_dump<'a>(dumped: &'a [u8], buffer: &'a mut [u8]) -> Option<Entry<'a>> {
    let (priority, rest) = take(dumped.strip_prefix(b"<")?)?;
    let rest = rest.strip_prefix(b">")?;
    let (ns, rest) = time(rest).map_or((None, rest), |(ns, rest)| (Some(ns), rest));
    let (caller, rest) = caller(rest).map_or((None, rest), |(caller, rest)| (Some(caller), rest));
    // A space ends the prefix, unless it has the level only.
    let prefixed = ns.is_some() || caller.is_some();
    let body = rest.strip_prefix(b" ").filter(|_| prefixed).unwrap_or(rest);
    let prefix = dumped.get(..dumped.len() - body.len())?;
    let body = body.strip_suffix(b"\n").unwrap_or(body);

    // Most texts are plain to their end, and so have one line.
    let run = plain_run(body);
    let plain = run == body.len();
    let text = if !plain && body.get(run..)?.contains(&b'\n') {
        let mut len = 0;
        for (i, line) in body.split(|&byte| byte == b'\n').enumerate() {
            if i != 0 {
                *buffer.get_mut(len)? = b'\n';
                len += 1;
            }
            let line = line.strip_prefix(prefix).unwrap_or(line);
            buffer.get_mut(len..len + line.len())?.copy_from_slice(line);
            len += line.len();
        }
        buffer.get(..len)?
    } else {
        body
    };
    Some(Entry {
        level: priority as u8 & 7,
        facility: (priority >> 3) as u8,
        flags: if plain { PLAIN } else { 0 },
        ns: ns.unwrap_or(0),
        caller: caller.unwrap_or(0),
        text,
        ..Entry::default()
    })
}

/// The text after an opening bracket and spaces.
fn bracket(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"[")?;
    while let Some(more) = rest.strip_prefix(b" ") {
        rest = more;
    }
    Some(rest)
}

/// Parses `[ seconds.micros]` of `print_time()`, at least 5 digits or spaces and 6 digits, into
/// nanoseconds.
fn time(text: &[u8]) -> Option<(u64, &[u8])> {
    let (seconds, rest) = take(bracket(text)?)?;
    let width = text.len() - rest.len() - 1;
    let fraction = rest.strip_prefix(b".")?;
    let (micros, rest) = take(fraction)?;
    if width < 5 || fraction.len() - rest.len() != 6 {
        return None;
    }
    let rest = rest.strip_prefix(b"]")?;
    let micros = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
    Some((micros.checked_mul(1000)?, rest))
}

/// Parses `[ T12]` (a task) or `[ C1]` (a processor).
fn caller(text: &[u8]) -> Option<(u32, &[u8])> {
    let (kind, number) = bracket(text)?.split_first()?;
    let (number, rest) = take(number)?;
    let rest = rest.strip_prefix(b"]")?;
    let number = u32::try_from(number).ok()?;
    let caller = match kind {
        b'T' => number,
        b'C' => number | PROCESSOR,
        _ => return None,
    };
    Some((caller, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_dumped_line_gives_level_time_caller_and_text() {
        let entry = parse_dump(b"<15>[   12.000345][  T107] debug [x] y\n", &mut []).unwrap();
        assert_eq!((entry.level, entry.facility), (7, 1));
        assert_eq!((entry.ns, entry.caller), (12_000_345_000, 107));
        assert_eq!(entry.text, b"debug [x] y");
        assert_eq!(entry.flags, PLAIN);
        let entry = parse_dump(b"<15>[   12.000345][  T107] debug \\ y\n", &mut []).unwrap();
        assert_eq!((entry.text, entry.flags), (&b"debug \\ y"[..], 0));
    }

    #[test]
    fn log_dumped_lines_of_one_message_become_one_text() {
        let mut buffer = [0; 64];
        let dumped = b"<7>[    0.000005][    C1] one\n<7>[    0.000005][    C1] \n\
              <7>[    0.000005][    C1] three\n";
        let entry = parse_dump(dumped, &mut buffer).unwrap();
        assert_eq!(entry.text, b"one\n\nthree");
        assert_eq!(entry.caller, 0x8000_0001);
        assert_eq!(entry.flags, 0);
    }

    #[test]
    fn log_dumped_line_without_time_and_caller_is_text_only() {
        let entry = parse_dump(b"<7>[drm] no time here\n", &mut []).unwrap();
        assert_eq!((entry.ns, entry.caller), (0, 0));
        assert_eq!(entry.text, b"[drm] no time here");
        let entry = parse_dump(b"<7> indented\n", &mut []).unwrap();
        assert_eq!(entry.text, b" indented");
        let entry = parse_dump(b"<7>[1.5] is its text\n", &mut []).unwrap();
        assert_eq!((entry.ns, entry.text), (0, &b"[1.5] is its text"[..]));
        let entry = parse_dump(b"<7>[   T12]  indented\n", &mut []).unwrap();
        assert_eq!((entry.caller, entry.text), (12, &b" indented"[..]));
        assert!(parse_dump(b"no priority", &mut []).is_none());
        assert!(parse_dump(b"", &mut []).is_none());
    }

    #[test]
    fn log_dumped_lines_that_do_not_fit_are_refused() {
        assert!(parse_dump(b"<7>one\n<7>two\n", &mut [0; 3]).is_none());
    }
}
