// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log`.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::child::{Child, Signal};
use crate::dev::{LOG, LOG2};
use crate::log::{append, kmsg, unique, unlimited, Messages, Reader, Record};
use crate::program::{run, run_with, shell, Follower};
use crate::tests;
use crate::wait;

tests! {
    levels:
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
        cli_log_write_splits_long_lines,
        cli_log_without_follow_ends_under_a_writer,
        cli_log_follow_ends_with_its_reader,
        cli_log_gives_a_record_the_same_date_each_time,
        cli_log_follow_notices_a_clock_that_was_set,
        cli_log_saves_a_ring_that_is_written,
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
    let status = wait::for_some(|| follower.ended()).expect("it still follows");
    // A clean end, not a SIGBUS.
    assert!(status.code().is_some_and(|code| code <= 1), "{status:?}");
}

fn cli_log_says_how_many_records_were_lost() {
    let _unlimited = unlimited(&LOG2);
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

fn cli_log_write_splits_long_lines() {
    let _unlimited = unlimited(&LOG);
    let long = (0..600)
        .map(|n| format!("{n:04}"))
        .collect::<Vec<_>>()
        .join(" ");
    let (first, last) = (unique("before the long line"), unique("behind it"));
    let mut reader = Reader::at_the_end(&LOG);
    let mut command = Command::new("fanlight");
    command.args(["log", "write", "-d", "0"]);
    let lines = format!("{first}\n{long}\n{last}\n");
    run_with(&mut command, "fanlight", lines.as_bytes()).success();
    let mut texts = vec![reader.find(&first).text()];
    while texts.last() != Some(&last) {
        let record = reader.find("");
        if record.is_user() {
            texts.push(record.text());
        }
    }
    let parts = &texts[1..texts.len() - 1];
    assert!(parts.len() > 1, "{parts:?}");
    assert_eq!(parts.concat().replace(' ', ""), long.replace(' ', ""));
}

/// Appends as fast as it can until it is stopped.
fn writer(stop: &Signal) -> Child {
    Child::spawn(move || {
        let log = LOG.open();
        let mut n = 0;
        while stop.wait_for(Duration::ZERO).is_none() {
            n += 1;
            append(&log, &format!("<6>while the tool reads {n}"));
        }
        0
    })
}

fn cli_log_without_follow_ends_under_a_writer() {
    let _unlimited = unlimited(&LOG);
    let stop = Signal::new();
    let child = writer(&stop);
    let ran = shell("timeout 60 fanlight log -d 0 >/tmp/fanlight-under-a-writer");
    stop.send();
    child.wait();
    ran.success();
    let printed = std::fs::read("/tmp/fanlight-under-a-writer").expect("what it printed");
    let _ = std::fs::remove_file("/tmp/fanlight-under-a-writer");
    assert!(printed.ends_with(b"\n"));
}

fn cli_log_follow_ends_with_its_reader() {
    append(&LOG.open(), &unique("the only one that is read"));
    // Nothing is written behind what is there: only the pipe tells it.
    let ran = shell(
        "{ timeout 60 fanlight log -d 0 --follow; echo $? >/tmp/fanlight-status; } | head -n 1",
    );
    ran.success();
    let status = std::fs::read_to_string("/tmp/fanlight-status").expect("a status");
    assert_ne!(status.trim(), "124", "it waits on though nobody reads");
}

fn cli_log_gives_a_record_the_same_date_each_time() {
    let mark = unique("dated");
    append(&LOG.open(), &mark);
    let args = ["log", "-d", "0", "--time-format=iso", "-Q", "-g", &mark];
    let first = run("fanlight", &args).success().text();
    assert!(first.contains(&mark));
    for _ in 0..5 {
        assert_eq!(run("fanlight", &args).success().text(), first);
    }
}

/// The wall clock is another one as long as this lives.
struct Clock(SystemTime, Instant);

impl Clock {
    fn set(date: &str) -> Self {
        let before = Self(SystemTime::now(), Instant::now());
        shell(&format!("date -u -s '{date}'")).success();
        before
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let now = self.0 + self.1.elapsed();
        if let Ok(now) = now.duration_since(SystemTime::UNIX_EPOCH) {
            let _ = shell(&format!("date -u -s @{}", now.as_secs()));
        }
    }
}

fn cli_log_follow_notices_a_clock_that_was_set() {
    let (before, after) = (unique("before the clock is set"), unique("behind it"));
    append(&LOG.open(), &before);
    let mut follower = Follower::start("fanlight", &["log", "-d", "0", "--follow", "-T"]);
    let text = follower.until(&before);
    let line = text.lines().last().expect("its line");
    assert!(!line.contains("2031"), "{line}");
    let _clock = Clock::set("2031-05-06 07:08:09");
    append(&LOG.open(), &after);
    let text = follower.until(&after);
    let line = text.lines().find(|line| line.contains(&after));
    let line = line.expect("its line");
    assert!(line.contains("2031"), "{line}");
}

fn cli_log_saves_a_ring_that_is_written() {
    const SAVED: &str = "/tmp/fanlight-saved";
    let _unlimited = unlimited(&LOG);
    let mark = unique("to be saved");
    append(&LOG.open(), &mark);
    let stop = Signal::new();
    let child = writer(&stop);
    let saved = run("fanlight", &["log", "-d", "0", "--save", SAVED]);
    stop.send();
    child.wait();
    saved.success();
    let read = run("fanlight", &["log", "--file", SAVED, "--json"]).success();
    let _ = std::fs::remove_file(SAVED);
    let read = read.text();
    assert!(read.contains(&mark), "{} lines", read.lines().count());
    assert!(read
        .lines()
        .all(|line| line.starts_with('{') && line.ends_with('}')));
}

fn cli_log_bad_pattern_is_refused() {
    run("fanlight", &["log", "--grep", "("]).fails_saying(&["("]);
    run("fanlight", &["log", "--since", "the day before"]).fails_saying(&["the day before"]);
    run("fanlight", &["log", "--file", "/etc/passwd"]).fails_saying(&["/etc/passwd"]);
}
