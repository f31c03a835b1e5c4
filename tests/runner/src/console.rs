// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's console: splits it into lines, stores them, and finds the lines that fail a run
//! independently of the result of its command.

use fanlight_runner_link::is_trouble;

/// The text that every panic prints.
const PANIC: &str = "Kernel panic - not syncing";

/// The output of the console so far.
#[derive(Default)]
pub struct Console {
    partial: Vec<u8>,
    text: Vec<u8>,
    allowed: Vec<String>,
    panic_expected: bool,
    panicked: bool,
    trouble: Vec<String>,
}

impl Console {
    /// Adds received bytes; returns the lines that are now complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.text.extend_from_slice(bytes);
        self.partial.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.judge(&line);
            lines.push(line);
        }
        lines
    }

    fn judge(&mut self, line: &str) {
        self.panicked |= line.contains(PANIC);
        if self.panic_expected || self.allowed.iter().any(|text| line.contains(text)) {
            return;
        }
        let is_trouble = is_trouble(line);
        if is_trouble {
            self.trouble.push(line.to_owned());
        }
    }

    /// From now on, lines that contain `text` do not fail the run.
    pub fn allow(&mut self, text: &str) {
        self.allowed.push(text.to_owned());
    }

    /// Until the next boot, no message of the kernel fails the run.
    pub fn expect_panic(&mut self, expected: bool) {
        self.panic_expected = expected;
        self.panicked &= expected;
    }

    /// Whether the kernel panicked without an announcement (`expect-panic`).
    pub fn died(&self) -> bool {
        self.panicked && !self.panic_expected
    }

    /// The lines that make the run fail.
    pub fn trouble(&self) -> &[String] {
        &self.trouble
    }

    /// All bytes as received.
    pub fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// The last lines, for the report of a guest that hangs.
    pub fn tail(&self, lines: usize) -> String {
        let text = String::from_utf8_lossy(&self.text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_trouble_is_found_in_lines_that_arrive_in_pieces() {
        let mut console = Console::default();
        console.push(b"[1.0] fine\n[2.0] BU");
        assert!(console.trouble().is_empty());
        console.push(b"G: sleeping function called\n");
        assert_eq!(console.trouble().len(), 1);
    }

    #[test]
    fn build_warning_about_properties_that_an_overlay_changes_is_no_trouble() {
        let mut console = Console::default();
        console.push(
            b"OF: overlay: WARNING: memory leak will occur if overlay removed, property: /a/b\n",
        );
        assert!(console.trouble().is_empty());
        console.push(b"OF: overlay: WARNING: something else\n");
        assert_eq!(console.trouble().len(), 1);
    }

    #[test]
    fn build_allowed_lines_and_expected_panics_are_no_trouble() {
        let mut console = Console::default();
        console.allow("lkdtm");
        console.push(b"WARNING: lkdtm\n");
        console.expect_panic(true);
        console.push(b"Kernel panic - not syncing: sysrq\n");
        assert!(console.trouble().is_empty() && !console.died());
        console.expect_panic(false);
        console.push(b"WARNING: other\n");
        assert_eq!(console.trouble(), ["WARNING: other"]);
    }
}
