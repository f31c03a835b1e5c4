// SPDX-License-Identifier: MIT OR Apache-2.0
//! Manual pages in mdoc, made from the command table: fanlight(1), and one for each command.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::help::{synopses, wrap};
use crate::log::civil;
use crate::output;
use crate::table::{Command, Need, Opt, COMMON, ENVIRONMENT, FANLIGHT};

/// Prints the page of that name: `fanlight`, `fanlight-log`. `man` prints the names that there are.
pub fn print(name: &str) -> Result<()> {
    let mut out = output::stdout();
    if name == "man" {
        for page in names() {
            writeln!(out, "{page}")?;
        }
        return Ok(out.flush()?);
    }
    let text = page(name).ok_or_else(|| {
        Error::Usage(format!(
            "nothing to generate as '{name}'; there are bash, man, {}",
            names().join(", ")
        ))
    })?;
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn names() -> Vec<String> {
    let pages = FANLIGHT
        .commands
        .iter()
        .map(|command| format!("fanlight-{}", command.name));
    std::iter::once("fanlight".to_owned())
        .chain(pages)
        .collect()
}

fn page(name: &str) -> Option<String> {
    let command = match name.strip_prefix("fanlight") {
        Some("") => &FANLIGHT,
        Some(rest) => FANLIGHT.command(rest.strip_prefix('-')?)?,
        None => return None,
    };
    let mut page = Page {
        text: String::new(),
    };
    page.write(command, name);
    Some(page.text)
}

struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Text, a sentence a line as mdoc wants it, with what roff would take for its own made harmless.
    fn prose(&mut self, text: &str) {
        for sentence in sentences(text) {
            for line in wrap(&sentence, 70) {
                let text = escape(&line);
                let guard = if text.starts_with(['.', '\'']) {
                    "\\&"
                } else {
                    ""
                };
                self.line(&format!("{guard}{text}"));
            }
        }
    }

    fn section(&mut self, name: &str) {
        self.line(&format!(".Sh {name}"));
    }

    fn write(&mut self, command: &'static Command, name: &str) {
        // REUSE-IgnoreStart
        self.line(".\\\" SPDX-License-Identifier: MIT OR Apache-2.0");
        // REUSE-IgnoreEnd
        self.line(&format!(".\\\" Made by: fanlight --generate {name}"));
        self.line(&format!(".Dd {}", date()));
        self.line(&format!(".Dt {} 1", name.to_uppercase()));
        self.line(".Os");
        self.section("NAME");
        self.line(&format!(".Nm {name}"));
        // mdoc's one-line description begins small.
        let mut summary = command.summary.to_owned();
        summary[..1].make_ascii_lowercase();
        self.line(&format!(".Nd {}", escape(&summary)));

        self.section("SYNOPSIS");
        self.synopsis(command, &name.replace('-', " "));
        for deeper in command.commands.iter().filter(|_| name != "fanlight") {
            self.synopsis(
                deeper,
                &format!("{} {}", name.replace('-', " "), deeper.name),
            );
        }

        self.section("DESCRIPTION");
        self.body(command, COMMON);
        if name != "fanlight" && !command.commands.is_empty() {
            self.line(".Pp");
            self.line("These options are those of the commands below, too, which are:");
        }
        for deeper in command.commands {
            if name == "fanlight" {
                continue;
            }
            self.line(&format!(".Ss {}", escape(deeper.name)));
            self.prose(&format!("{}.", deeper.summary));
            if !deeper.about.is_empty() {
                self.line(".Pp");
            }
            self.body(deeper, &[]);
        }
        if name == "fanlight" {
            self.line(".Pp");
            self.line("The commands are:");
            self.line(".Bl -tag -width Ds");
            for deeper in command.commands {
                self.line(&format!(".It Xr fanlight-{} 1", deeper.name));
                self.prose(&format!("{}.", deeper.summary));
            }
            self.line(".El");
        }
        self.line(".Pp");
        self.line("Long options may be shortened as long as they stay unique.");

        self.section("ENVIRONMENT");
        self.line(".Bl -tag -width FRAMEBUFFER");
        for (variable, text) in ENVIRONMENT {
            self.line(&format!(".It Ev {variable}"));
            self.prose(&format!("{}.", capital(text)));
        }
        self.line(".El");
        self.section("FILES");
        self.line(".Bl -tag -width Ds");
        self.line(".It Pa /dev/fanlight0/");
        self.line("The nodes of the first board's windows.");
        self.line(".It Pa /sys/class/misc/fanlight0-*/");
        self.line("What everybody may know of them.");
        self.line(".El");
        self.statuses(command);
        if !command.examples.is_empty() {
            self.section("EXAMPLES");
            for (example, text) in command.examples {
                self.prose(&format!("{}:", capital(text)));
                self.line(&format!(".Dl {}", escape(example)));
            }
        }
        self.section("SEE ALSO");
        let others: Vec<String> = names().into_iter().filter(|other| other != name).collect();
        // In the alphabet's order, which mandoc checks: the commands are few.
        let mut last = String::from("dmesg");
        loop {
            let next = others.iter().filter(|other| **other > last).min();
            self.line(&format!(
                ".Xr {last} 1{}",
                if next.is_some() { " ," } else { "" }
            ));
            match next {
                Some(next) => last.clone_from(next),
                None => break,
            }
        }
    }

    fn synopsis(&mut self, command: &Command, name: &str) {
        if command.run.is_some() {
            self.line(&format!(".Nm {name}"));
            self.line(".Op Ar options");
            for operand in command.operands {
                let name = escape(operand.name);
                self.line(&match operand.need {
                    Need::One => format!(".Ar {name}"),
                    Need::Optional => format!(".Op Ar {name}"),
                    Need::Many => format!(".Ar {name} ..."),
                    Need::Any => format!(".Op Ar {name} ..."),
                });
            }
        } else {
            debug_assert!(!synopses(command).is_empty());
            self.line(&format!(".Nm {name}"));
            self.line(".Ar command");
            self.line(".Op Ar options");
        }
    }

    /// What a command does, its operands and its options.
    fn body(&mut self, command: &'static Command, common: &[Opt]) {
        for (i, paragraph) in command.about.iter().enumerate() {
            if i > 0 {
                self.line(".Pp");
            }
            self.prose(paragraph);
        }
        if command.about.is_empty()
            && !std::ptr::eq(command, &FANLIGHT)
            && command.commands.is_empty()
        {
            // The subsection has begun with the summary; a page's description has not.
            if FANLIGHT
                .commands
                .iter()
                .any(|page| std::ptr::eq(*page, command))
            {
                self.prose(&format!("{}.", command.summary));
            }
        }
        if command.operands.is_empty() && command.options.is_empty() && common.is_empty() {
            return;
        }
        self.line(".Bl -tag -width Ds");
        for operand in command.operands {
            self.line(&format!(".It Ar {}", escape(operand.name)));
            self.prose(&format!("{}.", capital(operand.help)));
        }
        for option in command.options.iter().chain(common) {
            self.line(&format!(".It {}", tag(option)));
            self.prose(&format!("{}.", capital(option.help)));
        }
        self.line(".El");
    }

    fn statuses(&mut self, command: &Command) {
        self.section("EXIT STATUS");
        self.line(".Bl -tag -width Ds");
        self.line(".It 0");
        self.line("What was asked for was done.");
        self.line(".It 1");
        self.line("It was not; standard error says why, and what to do.");
        for (status, text) in command.statuses {
            self.line(&format!(".It {status}"));
            self.prose(&format!("{}.", capital(text)));
        }
        self.line(".El");
    }
}

/// The day on which the page is made, or that of $SOURCE_DATE_EPOCH, for those who want the same page every time.
fn date() -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let given = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok());
    let seconds = given.unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs())
    });
    let (year, month, day) = civil((seconds / 86400).try_into().unwrap_or(0));
    format!(
        "{} {day}, {year}",
        usize::try_from(month - 1)
            .ok()
            .and_then(|at| MONTHS.get(at))
            .unwrap_or(&"")
    )
}

/// `Fl l , Fl -level Ar LIST`
fn tag(option: &Opt) -> String {
    let mut tag = match option.short {
        Some(short) => format!("Fl {short} , Fl -{}", option.long),
        None => format!("Fl -{}", option.long),
    };
    match option.value {
        Some((name, _)) if option.loose => tag.push_str(&format!(" Ns Oo = Ns Ar {name} Oc")),
        Some((name, _)) => tag.push_str(&format!(" Ar {}", escape(name))),
        None => {}
    }
    tag
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

fn capital(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// Cuts behind full stops.
fn sentences(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(". ") {
        all.push(rest[..=at].to_owned());
        rest = &rest[at + 2..];
    }
    all.push(rest.to_owned());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_man_has_every_option_and_command() {
        for name in names() {
            let page = page(&name).unwrap();
            let command = FANLIGHT
                .command(name.trim_start_matches("fanlight").trim_start_matches('-'))
                .unwrap_or(&FANLIGHT);
            for option in command.all_options() {
                assert!(page.contains(&tag(option)), "{name} {}", option.long);
            }
            for deeper in command.commands {
                assert!(page.contains(deeper.name), "{name} {}", deeper.name);
            }
        }
    }
}
