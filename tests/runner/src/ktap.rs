// SPDX-License-Identifier: MIT OR Apache-2.0
//! Test results, as KTAP and as Rust's own test programs print them.

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
    Skipped,
}

/// One test's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub name: String,
    pub verdict: Verdict,
    /// Its output before the result, or the reason why it was skipped.
    pub detail: String,
}

/// Reads KTAP line by line: several documents may follow each other (a boot's stages).
#[derive(Default)]
pub struct Ktap {
    diagnostics: Vec<String>,
    planned: usize,
    pub reports: Vec<Report>,
}

impl Ktap {
    /// Parses a line; returns the report that it completes.
    pub fn line(&mut self, line: &str) -> Option<&Report> {
        let line = line.trim();
        if let Some(count) = line.strip_prefix("1..") {
            // Each stage of a boot announces the whole boot's tests again.
            self.planned = self.planned.max(count.trim().parse().unwrap_or(0));
            return None;
        }
        let (passed, rest) = if let Some(rest) = line.strip_prefix("not ok ") {
            (false, rest)
        } else if let Some(rest) = line.strip_prefix("ok ") {
            (true, rest)
        } else {
            if let Some(text) = line.strip_prefix('#') {
                self.diagnostics.push(text.trim().to_owned());
            }
            return None;
        };
        // "1 name", "1 - name", "1 name # SKIP reason"
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim();
        let rest = rest.strip_prefix("- ").unwrap_or(rest);
        let (name, directive) = rest.split_once('#').unwrap_or((rest, ""));
        let mut detail = std::mem::take(&mut self.diagnostics);
        let verdict = match directive.trim().strip_prefix("SKIP") {
            Some(reason) => {
                detail.push(reason.trim().to_owned());
                Verdict::Skipped
            }
            None if passed => Verdict::Passed,
            None => Verdict::Failed,
        };
        self.reports.push(Report {
            name: name.trim().to_owned(),
            verdict,
            detail: detail.join("\n"),
        });
        self.reports.last()
    }

    /// The number of results that the plans announced and that are missing.
    pub fn missing(&self) -> usize {
        self.planned.saturating_sub(self.reports.len())
    }
}

/// Parses the output of a Rust test program.
#[derive(Default)]
pub struct Libtest {
    sections: Vec<(String, String)>,
    pub reports: Vec<Report>,
}

impl Libtest {
    /// Parses a line of output.
    pub fn line(&mut self, line: &str) {
        if let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.sections.push((name.to_owned(), String::new()));
        } else if let Some((name, word)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
            let verdict = match word.split([',', ' ']).next() {
                Some("ok") => Verdict::Passed,
                Some("ignored") => Verdict::Skipped,
                _ => Verdict::Failed,
            };
            self.reports.push(Report {
                name: name.trim_end_matches(" - should panic").to_owned(),
                verdict,
                detail: String::new(),
            });
        } else if line == "failures:" || line.starts_with("test result:") {
            self.close();
        } else if let Some((_, text)) = self.sections.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }

    /// Adds the output of failed tests to their reports.
    fn close(&mut self) {
        for (name, text) in self.sections.drain(..) {
            let report = self.reports.iter_mut().rev().find(|r| r.name == name);
            if let Some(report) = report {
                report.detail = text.trim().to_owned();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, verdict: Verdict, detail: &str) -> Report {
        Report {
            name: name.into(),
            verdict,
            detail: detail.into(),
        }
    }

    #[test]
    fn build_ktap_of_two_stages_is_one_list() {
        let mut ktap = Ktap::default();
        let text = "KTAP version 1\n1..4\nok 1 window_a\n# got 3\n# wanted 4\nnot ok 2 - fb_b\n\
                    KTAP version 1\n1..4\nok 1 log_c # SKIP no rtc\n";
        for line in text.lines() {
            ktap.line(line);
        }
        assert_eq!(
            ktap.reports,
            [
                report("window_a", Verdict::Passed, ""),
                report("fb_b", Verdict::Failed, "got 3\nwanted 4"),
                report("log_c", Verdict::Skipped, "no rtc"),
            ]
        );
        assert_eq!(ktap.missing(), 1);
    }

    #[test]
    fn build_libtest_failures_keep_what_they_printed() {
        let mut libtest = Libtest::default();
        let text =
            "running 3 tests\ntest a::x ... ok\ntest a::y ... FAILED\ntest z ... ignored, slow\n\n\
                    failures:\n\n---- a::y stdout ----\nthread panicked\n\n\nfailures:\n    a::y\n";
        for line in text.lines() {
            libtest.line(line);
        }
        assert_eq!(
            libtest.reports,
            [
                report("a::x", Verdict::Passed, ""),
                report("a::y", Verdict::Failed, "thread panicked"),
                report("z", Verdict::Skipped, ""),
            ]
        );
    }
}
