// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log`.

use std::process::Command;
use std::time::Duration;

use crate::child::{Child, Signal};
use crate::dev::{LOG, LOG2};
use crate::log::{append, kmsg, unique, Messages, Reader, Record};
use crate::program::{run, run_with, Follower};
use crate::tests;

tests! {
    quick:
        cli_log_prints_every_message_in_order,
        cli_log_raw_is_what_read_gives,
        cli_log_json_is_an_object_a_line,
        cli_log_level_and_facility_choose,
        cli_log_grep_chooses_and_finding_nothing_is_status_2,
        cli_log_since_and_until_choose,
        cli_log_escapes_what_a_terminal_would_obey,
        cli_log_color_is_for_terminals_only,
        cli_log_follow_shows_what_was_written_a_moment_ago,
        cli_log_follow_new_leaves_out_the_old,
        cli_log_follow_ends_with_the_device,
        cli_log_says_how_many_records_were_lost,
        cli_log_write_appends,
        cli_log_write_takes_lines_from_stdin,
        cli_log_bad_pattern_is_refused;
}

/// The fields of the records by map, for comparison.
fn records() -> Vec<Record> {
    Reader::new(&LOG).all()
}

fn cli_log_prints_every_message_in_order() {
    let mark = unique("the last for the tool");
    append(&LOG.open(), &mark);
    let expected: Vec<String> = records().iter().map(Record::text).collect();
    let printed = run("fanlight", &["log", "-d", "0"]).success().text();
    let mut lines = printed.lines();
    for text in &expected {
        // What is between quotes of the kernel stays one line each; odd bytes are escaped, so compare what is plain.
        let first = text.lines().next().unwrap_or("");
        if first
            .bytes()
            .all(|b| (b' '..127).contains(&b) && b != b'\\')
        {
            assert!(
                lines.any(|line| line.contains(first)),
                "not printed, or not in order: {first}"
            );
        }
    }
    assert!(printed.contains(&mark));
}

fn cli_log_raw_is_what_read_gives() {
    let mark = unique("raw");
    append(&LOG.open(), &mark);
    let printed = run("fanlight", &["log", "--raw", "-d", "0"])
        .success()
        .text();
    let expected = Messages::of_log(&LOG).all().concat();
    let end = expected.find(&mark).expect("our mark");
    assert_eq!(printed[..end.min(printed.len())], expected[..end]);
}

fn cli_log_json_is_an_object_a_line() {
    let mark = unique("json \" \\ \u{1} ü");
    append(&LOG.open(), &mark);
    let printed = run("fanlight", &["log", "--json", "-d", "0"])
        .success()
        .text();
    assert!(printed.lines().count() >= records().len() - 5);
    for line in printed.lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
        assert!(!line.bytes().any(|b| b < b' '), "{line}");
    }
    let ours = printed
        .lines()
        .find(|line| line.contains("json \\\""))
        .expect("our record");
    assert!(ours.contains("\\\\") && ours.contains("\\u0001"), "{ours}");
}

fn cli_log_level_and_facility_choose() {
    let words = unique("choose");
    for level in 0..8 {
        append(&LOG.open(), &format!("<{level}>{words} level {level}"));
    }
    append(
        &LOG.open(),
        &format!("<{}>{words} of a daemon", (3 << 3) | 6),
    );
    let lines = |args: &[&str]| -> Vec<String> {
        let text = run(
            "fanlight",
            &[&["log", "-d", "0", "-Q", "-g", &words], args].concat(),
        )
        .success()
        .text();
        text.lines()
            .map(|line| line[line.find("choose").unwrap()..].to_owned())
            .collect()
    };
    assert_eq!(lines(&[]).len(), 9);
    assert_eq!(lines(&["--level", "warn"]), [format!("{words} level 4")]);
    assert_eq!(lines(&["--level", "crit+"]).len(), 3);
    assert_eq!(
        lines(&["--level", "err,info", "--facility", "user"]).len(),
        2
    );
    assert_eq!(
        lines(&["--facility", "daemon"]),
        [format!("{words} of a daemon")]
    );
}

fn cli_log_grep_chooses_and_finding_nothing_is_status_2() {
    let words = unique("needle");
    append(&LOG.open(), &words);
    let found = run("fanlight", &["log", "-d", "0", "--grep", "^nee.le [0-9]+"])
        .success()
        .text();
    assert!(found.contains(&words) && !found.contains("Booting Linux"));
    let nothing = run(
        "fanlight",
        &["log", "-d", "0", "--fixed", "--grep", "no such words"],
    );
    assert_eq!((nothing.status, nothing.text().as_str()), (2, ""));
}

fn cli_log_since_and_until_choose() {
    let (old, new) = (unique("long ago"), unique("just now"));
    append(&LOG.open(), &old);
    std::thread::sleep(Duration::from_millis(1200));
    append(&LOG.open(), &new);
    let record = Reader::new(&LOG).find(&new);
    let when = format!(
        "+{}.{:09}",
        record.ns / 1_000_000_000,
        record.ns % 1_000_000_000
    );
    let since = run("fanlight", &["log", "-d", "0", "--since", &when])
        .success()
        .text();
    assert!(since.contains(&new) && !since.contains(&old), "{since}");
    let before = record.ns - 500_000_000;
    let when = format!("+{}.{:09}", before / 1_000_000_000, before % 1_000_000_000);
    let until = run("fanlight", &["log", "-d", "0", "--until", &when])
        .success()
        .text();
    assert!(until.contains(&old) && !until.contains(&new));
}

fn cli_log_escapes_what_a_terminal_would_obey() {
    append(&LOG.open(), "before \x1b[2J\x07 after");
    let printed = run(
        "fanlight",
        &["log", "-d", "0", "--color=always", "-Q", "-g", "before "],
    )
    .text();
    assert!(
        !printed.contains("\x1b[2J") && !printed.contains('\x07'),
        "{printed:?}"
    );
}

fn cli_log_color_is_for_terminals_only() {
    append(&LOG.open(), "<3>an error in red");
    let args = ["log", "-d", "0", "-Q", "-g", "an error in red"];
    assert!(!run("fanlight", &args).success().text().contains('\x1b'));
    let always = [&args[..], &["--color=always"]].concat();
    assert!(run("fanlight", &always).success().text().contains('\x1b'));
    let mut command = Command::new("fanlight");
    command.args(always).env("NO_COLOR", "1");
    // An option outdoes the environment.
    assert!(run_with(&mut command, "fanlight", b"")
        .success()
        .text()
        .contains('\x1b'));
}

fn cli_log_follow_shows_what_was_written_a_moment_ago() {
    let old = unique("was there before");
    append(&LOG.open(), &old);
    let mut follower = Follower::start("fanlight", &["log", "--follow", "-d", "0"]);
    follower.until(&old);
    for n in 0..3 {
        let hello = unique(&format!("hello {n}"));
        kmsg(&format!("<4>{hello}"));
        follower.until(&hello);
    }
}

fn cli_log_follow_new_leaves_out_the_old() {
    let old = unique("old news");
    append(&LOG.open(), &old);
    let mut follower = Follower::start("fanlight", &["log", "--follow-new", "-d", "0"]);
    std::thread::sleep(Duration::from_millis(500));
    let new = unique("new news");
    append(&LOG.open(), &new);
    let text = follower.until(&new);
    assert!(!text.contains(&old), "{text}");
}

fn cli_log_follow_ends_with_the_device() {
    let mark = unique("about to go");
    append(&LOG2.open(), &mark);
    let mut follower = Follower::start("fanlight", &["log", "--follow", "-d", "1"]);
    follower.until(&mark);
    let _unbound = crate::dev::Unbound::new(LOG2.node);
    for _ in 0..50 {
        if let Some(status) = follower.ended() {
            // A clean end, not a SIGBUS.
            assert!(status.code().is_some_and(|code| code <= 1), "{status:?}");
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("it still follows");
}

fn cli_log_says_how_many_records_were_lost() {
    let stop = Signal::new();
    let flood = Child::spawn(|| {
        let log = LOG2.open();
        while stop.wait_for(Duration::ZERO).is_none() {
            for n in 0..200 {
                append(&log, &format!("flood {n} {}", "f".repeat(300)));
            }
        }
        0
    });
    // A pipe that nobody empties holds the tool up until it has been lapped.
    let follower = Command::new("sh")
        .arg("-c")
        .arg("{ fanlight log --follow -d 1 2>/tmp/fanlight-lost & pid=$!; sleep 3; kill $pid; } | { sleep 2; cat >/dev/null; }")
        .status();
    stop.send();
    flood.wait();
    if follower.is_err() {
        crate::skip!("no shell");
    }
    let said = std::fs::read_to_string("/tmp/fanlight-lost").unwrap();
    assert!(
        said.lines()
            .any(|line| line.contains("lost") && line.contains(|c: char| c.is_ascii_digit())),
        "{said:?}"
    );
}

fn cli_log_write_appends() {
    let hello = unique("by the tool");
    let mut reader = Reader::at_the_end(&LOG);
    run(
        "fanlight",
        &[
            "log",
            "write",
            "-d",
            "0",
            "--level",
            "err",
            "--facility",
            "daemon",
            &hello,
        ],
    )
    .success();
    let record = reader.find(&hello);
    assert_eq!(
        (record.level, record.facility, record.text()),
        (3, 3, hello)
    );
}

fn cli_log_write_takes_lines_from_stdin() {
    let mut reader = Reader::at_the_end(&LOG);
    let mut command = Command::new("fanlight");
    command.args(["log", "write", "-d", "0"]);
    run_with(
        &mut command,
        "fanlight",
        b"the first line\nthe second line\n",
    )
    .success();
    reader.find("the first line");
    reader.find("the second line");
}

fn cli_log_bad_pattern_is_refused() {
    run("fanlight", &["log", "--grep", "("]).fails_saying(&["("]);
    run("fanlight", &["log", "--since", "the day before"]).fails_saying(&["the day before"]);
    run("fanlight", &["log", "--file", "/etc/passwd"]).fails_saying(&["/etc/passwd"]);
}
