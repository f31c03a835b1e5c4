// SPDX-License-Identifier: MIT OR Apache-2.0
//! Types commands at the prompt of a machine that was booted like that of `make run`, and reads the
//! output.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::ktap::{Report, Verdict};
use crate::machine::{Display, USUAL};
use crate::options::Options;
use crate::picture::Picture;
use crate::rfb;
use crate::shell::Shell;

const PROMPT: &str = "~ # ";

/// A machine that sends nothing for this long counts as hung.
const PATIENCE: Duration = Duration::from_secs(600);

/// A machine and its console.
pub struct Terminal {
    shell: Shell,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
    /// Output that was not read yet.
    unread: String,
    /// The beginning of an incomplete escape sequence.
    begun: String,
    log: fs::File,
}

/// How a command's output ended.
pub enum End {
    /// By the next prompt, with the exit status of the command.
    Status(i32),
    /// The machine is off.
    Off,
}

impl Terminal {
    /// Boots and waits for the prompt.
    pub fn boot(options: &Options) -> Result<Self, String> {
        let mut shell =
            Shell::new(options, Stdio::piped(), Stdio::piped()).map_err(|e| e.to_string())?;
        let log = options.results.join("console.log");
        let log = fs::File::create(log).map_err(|e| e.to_string())?;
        let child = &mut shell.machine.0;
        let input = child.stdin.take().expect("piped");
        let mut stdout = child.stdout.take().expect("piped");
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        shell.start().map_err(|e| e.to_string())?;
        let mut terminal = Self {
            shell,
            input,
            output,
            unread: String::new(),
            begun: String::new(),
            log,
        };
        match terminal.until(|text| text.find(PROMPT).map(|at| at + PROMPT.len()))? {
            (_, true) => Ok(terminal),
            (text, false) => Err(format!("no prompt: {}", tail(&text))),
        }
    }

    /// Reads until `end` returns a position. Returns the text before it, and whether there was one
    /// before the machine was off.
    fn until(&mut self, end: impl Fn(&str) -> Option<usize>) -> Result<(String, bool), String> {
        loop {
            if let Some(at) = end(&self.unread) {
                let rest = self.unread.split_off(at);
                return Ok((std::mem::replace(&mut self.unread, rest), true));
            }
            match self.output.recv_timeout(PATIENCE) {
                Ok(bytes) => {
                    let _ = self.log.write_all(&bytes);
                    self.begun.push_str(&String::from_utf8_lossy(&bytes));
                    let (text, begun) = plain(&self.begun);
                    self.unread.push_str(&text);
                    self.begun = begun;
                    if self.unread.contains("reboot: Power down") {
                        return Ok((std::mem::take(&mut self.unread), false));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("nothing more after: {}", tail(&self.unread)));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok((std::mem::take(&mut self.unread), false));
                }
            }
        }
    }

    fn send(&mut self, text: &str) -> Result<(), String> {
        let sent = self.input.write_all(text.as_bytes());
        sent.map_err(|error| format!("the console: {error}"))
    }

    /// Types a line at the prompt and returns the output until the next prompt. A command that does
    /// not end by itself gets `key` as soon as it has printed something.
    pub fn run(&mut self, line: &str, key: Option<&str>) -> Result<(String, End), String> {
        self.send(&format!("{line}\n"))?;
        let mut text = String::new();
        if let Some(key) = key {
            // After the line itself, which the console echoes.
            let begun = |text: &str| {
                let at = text.find('\n')?;
                (text.len() > at + 1).then_some(text.len())
            };
            text = self.until(begun)?.0;
            self.send(key)?;
        }
        let (more, prompt) = self.until(|text| text.find(PROMPT).map(|at| at + PROMPT.len()))?;
        text.push_str(&more);
        if !prompt {
            return Ok((text, End::Off));
        }
        // The echo of this line must not look like its output.
        self.send("echo \"status\":\"$?\"\n")?;
        let (answer, _) = self.until(|text| {
            let at = text.find("\nstatus:")?;
            text[at..].find(PROMPT).map(|end| at + end + PROMPT.len())
        })?;
        let status = answer.split("\nstatus:").nth(1).unwrap_or_default();
        let status = status.split_whitespace().next().unwrap_or_default();
        match status.parse() {
            Ok(status) => Ok((text, End::Status(status))),
            Err(_) => Err(format!("no status after `{line}`: {}", tail(&answer))),
        }
    }

    /// Waits until the machine is off; returns the saved picture.
    pub fn finish(self) -> Result<Option<PathBuf>, String> {
        // The console stays open: its reader must not stop before QEMU does.
        let Self { shell, .. } = self;
        shell.wait().map_err(|error| error.to_string())
    }
}

/// The tests of the machine for a user, selected by the filter.
pub fn run(options: &Options) -> Vec<Report> {
    let name = "run_display_vnc_shows_the_screen_and_poweroff_keeps_it";
    if !name.contains(&options.filter) || options.target.machine.name != USUAL {
        return Vec::new();
    }
    let mut options = options.clone();
    options.results = options.results.join("vnc");
    options.display = Display::Vnc;
    let result = vnc(&options);
    vec![Report {
        name: name.into(),
        verdict: if result.is_ok() {
            Verdict::Passed
        } else {
            Verdict::Failed
        },
        detail: result.err().unwrap_or_default(),
    }]
}

/// A viewer, the guest's program and the picture that is saved at the end have the same pixels.
fn vnc(options: &Options) -> Result<(), String> {
    let mut terminal = Terminal::boot(options)?;
    let viewer = terminal.shell.viewer.clone().ok_or("no viewer is named")?;
    let port = viewer.rsplit(':').next().and_then(|port| port.parse().ok());
    let port = port.ok_or(format!("no port in `{viewer}`"))?;
    let (text, end) = terminal.run("fanlight fb pattern bars --crc", None)?;
    if !matches!(end, End::Status(0)) {
        return Err(text);
    }
    let seen = rfb::picture(port).map_err(|error| format!("{viewer}: {error}"))?;
    let crc = format!("{:08x}", seen.crc32());
    if !text.contains(&crc) {
        return Err(format!("the viewer sees {crc}, and the guest drew {text}"));
    }
    let (text, end) = terminal.run("poweroff", None)?;
    if !matches!(end, End::Off) {
        return Err(format!("poweroff: {text}"));
    }
    let kept = terminal.finish()?.ok_or("no picture was kept")?;
    let kept = Picture::read(&kept).map_err(|error| error.to_string())?;
    match seen.difference(&kept) {
        None => Ok(()),
        Some(difference) => Err(format!("the saved picture: {difference}")),
    }
}

/// The text without carriage returns and escape sequences, and the beginning of a sequence without
/// an end.
fn plain(text: &str) -> (String, String) {
    let text = text.replace('\r', "");
    let mut parts = text.split('\u{1b}');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some(sequence) = part.strip_prefix('[') else {
            if part.is_empty() {
                return (out, "\u{1b}".into());
            }
            out.push_str(&part[part.chars().next().map_or(0, char::len_utf8)..]);
            continue;
        };
        match sequence.find(|c: char| c.is_ascii_alphabetic() || c == '~') {
            Some(end) => out.push_str(&sequence[end + 1..]),
            None => return (out, format!("\u{1b}{part}")),
        }
    }
    (out, String::new())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn build_sequences_of_a_terminal_are_left_out() {
        let (text, begun) = plain("a\r\n~ # \u{1b}[6nls\u{1b}[1;31mred\u{1b}[0m\u{1b}[3");
        assert_eq!(
            (text.as_str(), begun.as_str()),
            ("a\n~ # lsred", "\u{1b}[3")
        );
        assert_eq!(plain("x\u{1b}"), ("x".into(), "\u{1b}".into()));
    }
}
