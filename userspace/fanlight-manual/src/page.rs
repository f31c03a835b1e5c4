// SPDX-License-Identifier: MIT OR Apache-2.0
//! Man pages: one per command, fanlight-log-write(1) included.

use std::env;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Command;
use clap_mangen::roff::{bold, roman, Roff};
use clap_mangen::Man;
use fanlight_cli::cmd::{self, Entry, Texts};
use tz::UtcDateTime;

const FILES: &[(&str, &str)] = &[
    (
        "/dev/fanlight0/",
        "The device nodes of the windows of the first device.",
    ),
    (
        "/sys/class/misc/fanlight0-*/",
        "The attributes of these windows, which every user may read.",
    ),
];

/// The name and the text of each page.
pub fn all() -> Vec<(String, String)> {
    let mut command = cmd::command();
    command.build();
    let mut pages = Vec::new();
    collect(&command, &cmd::TEXTS, cmd::COMMANDS, &mut pages);
    let names: Vec<String> = pages.iter().map(|(name, _)| name.clone()).collect();
    let with_references = |(name, text): (String, String)| {
        let text = text + &see_also(&name, &names);
        (name, text)
    };
    pages.into_iter().map(with_references).collect()
}

fn collect(command: &Command, texts: &Texts, entries: &[Entry], into: &mut Vec<(String, String)>) {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let text = page(command, texts).expect("a vector takes everything");
    into.push((name.to_owned(), text));
    for entry in entries {
        if let Some(deeper) = command.find_subcommand(entry.name) {
            collect(deeper, &entry.texts, entry.commands, into);
        }
    }
}

fn page(command: &Command, texts: &Texts) -> io::Result<String> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section("1")
        .date(date())
        .source(concat!("fanlight ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    // REUSE-IgnoreStart
    let mut out = b".\\\" SPDX-License-Identifier: MIT OR Apache-2.0\n".to_vec();
    // REUSE-IgnoreEnd
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    let summary = command.get_about().map(ToString::to_string);
    roff.text([roman(format!("{}.", summary.unwrap_or_default()))]);
    for paragraph in texts.about {
        roff.control("PP", []);
        roff.text([roman(*paragraph)]);
    }
    roff.to_writer(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut out)?;
    }
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    item(&mut roff, "0", "Success.");
    item(&mut roff, "1", "Failure; the reason is on standard error.");
    for (status, what) in texts.statuses {
        item(&mut roff, &status.to_string(), &sentence(what));
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for (variable, what) in cmd::ENVIRONMENT {
        item(&mut roff, variable, &sentence(what));
    }
    roff.control("SH", ["FILES"]);
    for (path, what) in FILES {
        item(&mut roff, path, what);
    }
    if !texts.examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        for (example, what) in texts.examples {
            item(&mut roff, example, &sentence(what));
        }
    }
    roff.to_writer(&mut out)?;
    let text = String::from_utf8(out).map_err(io::Error::other)?;
    Ok(tidy(&text))
}

/// Removes the definition of an apostrophe from all sections but the first, and spaces at the end
/// of lines.
fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        let definition = line.starts_with(".ie \\n(.g") || line.starts_with(".el .ds Aq");
        if !(definition && lines.contains(&line)) {
            lines.push(line);
        }
    }
    lines.join("\n") + "\n"
}

fn item(roff: &mut Roff, name: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(text)]);
}

/// The pages of the parent command, of subcommands, and of all commands of the first level; then
/// those of the driver, and of the log's formats if the command reads or writes them.
fn see_also(name: &str, names: &[String]) -> String {
    let near = |other: &&String| {
        *other != name
            && (other.matches('-').count() < 2
                || other.starts_with(&format!("{name}-"))
                || other.rsplit_once('-').map(|(parent, _)| parent)
                    == name.rsplit_once('-').map(|(parent, _)| parent))
    };
    let mut others: Vec<(u8, &str)> = names
        .iter()
        .filter(near)
        .map(|other| (1, other.as_str()))
        .collect();
    others.extend([(1, "dmesg"), (4, "fanlight")]);
    if name == "fanlight" || name.starts_with("fanlight-log") {
        others.push((5, "fanlight-log"));
    }
    others.sort_unstable();
    let mut text = String::from(".SH \"SEE ALSO\"\n");
    for (i, (section, other)) in others.iter().enumerate() {
        let comma = if i + 1 < others.len() { "," } else { "" };
        let other = other.replace('-', "\\-");
        text.push_str(&format!(".BR {other} ({section}){comma}\n"));
    }
    text
}

fn sentence(text: &str) -> String {
    let mut text = format!("{text}.");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// Today's date, or that of $SOURCE_DATE_EPOCH for reproducible packages.
fn date() -> String {
    let given = env::var("SOURCE_DATE_EPOCH").ok();
    let seconds = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |now| now.as_secs() as i64)
    });
    match UtcDateTime::from_timespec(seconds, 0) {
        Ok(day) => format!(
            "{:04}-{:02}-{:02}",
            day.year(),
            day.month(),
            day.month_day()
        ),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a page without markup.
    fn plain(text: &str) -> String {
        ["\\fB", "\\fR", "\\fI"]
            .iter()
            .fold(text.replace("\\-", "-"), |text, font| {
                text.replace(font, "")
            })
            .replace("\\*(Aq", "'")
    }

    fn check(command: &Command, pages: &[(String, String)]) {
        let name = command.get_display_name().unwrap_or(command.get_name());
        let (_, text) = pages.iter().find(|(page, _)| page == name).expect(name);
        let text = plain(text);
        for option in command.get_arguments() {
            let long = option.get_long().map(|long| format!("--{long}"));
            let word = long.unwrap_or_else(|| option.get_id().to_string().to_uppercase());
            let named = option.get_value_names().map(|names| names[0].to_string());
            assert!(
                text.contains(&word) || named.is_some_and(|name| text.contains(&name)),
                "{name}: {word}"
            );
        }
        for deeper in command.get_subcommands() {
            let summary = deeper.get_about().expect("a summary").to_string();
            assert!(text.contains(&summary), "{name}: {summary}");
            check(deeper, pages);
        }
    }

    #[test]
    fn cli_man_has_every_option_of_every_command() {
        let mut command = cmd::command();
        command.build();
        let pages = all();
        check(&command, &pages);
        // An option of a command is not documented for its subcommands.
        let page = |name| plain(&pages.iter().find(|(page, _)| page == name).expect(name).1);
        assert!(page("fanlight-log").contains("--follow"));
        assert!(!page("fanlight-log-write").contains("--follow"));
        assert!(page("fanlight-log").contains("No record matched"));
    }
}
