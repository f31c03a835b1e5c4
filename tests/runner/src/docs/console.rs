// SPDX-License-Identifier: MIT OR Apache-2.0
//! Blocks of commands for the guest: `~ # COMMAND`, and below it what the command prints.

/// A command of a block.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub command: String,
    /// The key that ends it, if it does not end by itself: its comment has `KEY ends it`.
    pub key: Option<&'static str>,
    /// Lines of its output.
    pub output: Vec<String>,
}

/// Reads a block.
pub fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("~ # ") {
            let (command, comment) = command.split_once("  # ").unwrap_or((command, ""));
            let key =
                comment
                    .split_once(" ends it")
                    .map(|(before, _)| match before.rsplit(' ').next() {
                        Some("Ctrl-C") => "\u{3}",
                        _ => "q",
                    });
            steps.push(Step {
                command: command.trim().to_owned(),
                key,
                output: Vec::new(),
            });
        } else if !line.trim().is_empty() {
            let step = steps
                .last_mut()
                .ok_or("output without a command above it")?;
            step.output.push(line.to_owned());
        }
    }
    Ok(steps)
}

/// The first line of `wanted` that is not in `got`, in this order. `...` matches any text,
/// a blank any number of blanks.
pub fn missing<'a>(wanted: &'a [String], got: &str) -> Option<&'a str> {
    let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = got.lines().map(squeeze);
    wanted.iter().map(String::as_str).find(|line| {
        let wanted = squeeze(line);
        let pieces: Vec<&str> = wanted.split("...").map(str::trim).collect();
        !lines.any(|got| {
            let mut rest = got.as_str();
            pieces.iter().all(|piece| match rest.find(piece) {
                Some(at) => {
                    rest = &rest[at + piece.len()..];
                    true
                }
                None => false,
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_steps_of_a_console_are_read() {
        let text = "~ # a b   # what it does\nout 1\n\nout 2\n~ # c -f  # Ctrl-C ends it\n\
                    ~ # t  # all; q ends it\n";
        let steps = steps(text).unwrap();
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[0].command, "a b");
        assert_eq!(steps[0].output, ["out 1", "out 2"]);
        assert_eq!(
            (steps[1].key, steps[2].key, steps[0].key),
            (Some("\u{3}"), Some("q"), None)
        );
        assert!(super::steps("what\n").is_err());
    }

    #[test]
    fn build_output_of_a_console_is_compared() {
        let wanted = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        let got = "NODE   SIZE\n/dev/a   64K  x\n[  1.5] Kernel panic - not syncing: it\n";
        assert_eq!(missing(&wanted(&["NODE SIZE", "/dev/a 64K"]), got), None);
        assert_eq!(missing(&wanted(&["[...] Kernel panic ... it"]), got), None);
        let order = wanted(&["/dev/a", "NODE"]);
        assert_eq!(missing(&order, got), Some("NODE"));
        assert_eq!(missing(&wanted(&["/dev/b"]), got), Some("/dev/b"));
    }
}
