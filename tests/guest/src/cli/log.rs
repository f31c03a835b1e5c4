// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log`.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::support::child::{Child, Signal};
use crate::support::dev::{LOG, LOG2};
use crate::support::log::{
    append, kernel_has_arrived, kmsg, unique, unlimited, Messages, Reader, Record,
};
use crate::support::program::{run, run_with, shell, Follower};
use crate::support::wait;
use crate::tests;

tests! {
    levels:
        cli_log_prints_every_message_in_order,
        cli_log_raw_is_what_read_returns,
        cli_log_json_is_an_object_a_line,
        cli_log_level_and_facility_choose,
        cli_log_grep_chooses_and_finding_nothing_is_status_2,
        cli_log_since_and_until_choose,
        cli_log_escapes_what_a_terminal_would_obey,
        cli_log_color_is_for_terminals_only,
        cli_log_follow_shows_what_was_written_a_moment_ago,
        cli_log_follow_new_leaves_out_the_old,
        cli_log_follow_ends_with_the_device,
        cli_log_reports_how_many_records_were_lost,
        cli_log_write_appends,
        cli_log_write_reads_lines_from_stdin,
        cli_log_write_splits_long_lines,
        cli_log_write_keeps_text_after_a_nul,
        cli_log_write_counts_its_own_records,
        cli_log_raw_records_are_whole,
        cli_log_of_a_node_is_a_record_per_read,
        cli_log_after_cursor_continues_after_a_rebind,
        cli_log_dates_are_the_drivers,
        cli_log_without_follow_ends_under_a_writer,
        cli_log_follow_ends_with_its_reader,
        cli_log_prints_the_same_date_of_a_record_each_time,
        cli_log_follow_notices_a_clock_that_was_set,
        cli_log_drift_of_the_clock_changes_no_date,
        cli_log_clock_that_was_wrong_is_right_for_older_records,
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
        // Odd bytes are escaped, so compare plain text only.
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

fn cli_log_raw_is_what_read_returns() {
    let mark = unique("raw");
    append(&LOG.open(), &mark);
    let printed = run("fanlight", &["log", "--raw", "-d", "0"])
        .success()
        .text();
    let mut rest = printed.as_str();
    for message in Messages::of_log(&LOG).all() {
        // read() cuts longer records.
        let len = match message.len() {
            2048.. => rest.find('\n').map_or(rest.len(), |end| end + 1),
            len => len,
        };
        let (found, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        let same = found == message || message.len() >= 2048 && found.starts_with(&message[..2000]);
        assert!(same, "{found:?} instead of {message:?}");
        rest = after;
        if message.contains(&mark) {
            return;
        }
    }
    panic!("our mark is not among the messages");
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
    // An option overrides the environment.
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
    let _unbound = crate::support::dev::Unbound::new(LOG2.node);
    let status = wait::for_some(|| follower.ended()).expect("it still follows");
    // A clean end, not a SIGBUS.
    assert!(status.code().is_some_and(|code| code <= 1), "{status:?}");
}

fn cli_log_reports_how_many_records_were_lost() {
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
    // A pipe without a reader blocks the tool until the ring has overwritten its next record.
    let follower = Command::new("sh")
        .arg("-c")
        .arg(
            "{ fanlight log --follow -d 1 2>/tmp/fanlight-lost & pid=$!; sleep 3; kill $pid; } | \
             { sleep 2; cat >/dev/null; }",
        )
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

fn cli_log_write_reads_lines_from_stdin() {
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
    let (first, last) = (unique("before the long line"), unique("after it"));
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

fn cli_log_write_keeps_text_after_a_nul() {
    let mark = unique("before");
    let mut reader = Reader::at_the_end(&LOG);
    let mut command = Command::new("fanlight");
    command.args(["log", "write", "-d", "0"]);
    let ran = run_with(
        &mut command,
        "fanlight",
        format!("{mark}\0after\n").as_bytes(),
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.err.contains("1 NUL byte"), "{}", ran.err);
    assert_eq!(reader.find(&mark).text(), format!("{mark}\\x00after"));
}

fn cli_log_write_counts_its_own_records() {
    let stop = Signal::new();
    // Ten records per five seconds are appended, the others are suppressed.
    let flood = Child::spawn(|| {
        let log = LOG.open();
        while stop.wait_for(Duration::ZERO).is_none() {
            for n in 0..100 {
                append(&log, &format!("a flood by another program {n}"));
            }
        }
        0
    });
    assert!(wait::until(|| {
        let log = LOG.open();
        crate::support::log::stats(log.raw()).limited > 0
    }));
    let ran: Vec<_> = (0..5)
        .map(|_| run("fanlight", &["log", "write", "-d", "0", "innocent"]))
        .collect();
    stop.send();
    flood.wait();
    for ran in ran {
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    }
    // Its own are counted.
    let mut command = Command::new("fanlight");
    command.args(["log", "write", "-d", "0"]);
    let ran = run_with(&mut command, "fanlight", "many\n".repeat(500).as_bytes());
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.err.contains("of these records were suppressed"));
}

/// A record whose text form is longer than a read returns, and the next one.
fn long_and_next() -> (String, String) {
    let (long, next) = (unique("a long record"), unique("the next record"));
    let log = LOG.open();
    append(
        &log,
        &format!("{long} {}{}", "\x01".repeat(400), "a".repeat(560)),
    );
    append(&log, &next);
    (long, next)
}

fn cli_log_raw_records_are_whole() {
    let _unlimited = unlimited(&LOG);
    let (long, next) = long_and_next();
    let printed = run("fanlight", &["log", "--raw", "-d", "0"]).success();
    std::fs::write("/tmp/fanlight-raw", &printed.out).expect("a file");
    let args = ["log", "-F", "/tmp/fanlight-raw", "-o", "cat"];
    let read = run("fanlight", &args).success();
    let _ = std::fs::remove_file("/tmp/fanlight-raw");
    assert_eq!(read.err, "");
    let read = read.text();
    assert!(read.lines().any(|line| line == next), "it is hidden");
    let line = read.lines().find(|line| line.starts_with(&long));
    let line = line.expect("the long record");
    assert!(line.ends_with(&"a".repeat(560)), "it is cut: {line}");
}

fn cli_log_of_a_node_is_a_record_per_read() {
    let _unlimited = unlimited(&LOG);
    let (_, next) = long_and_next();
    // /dev/kmsg cuts such a record, without its newline.
    let text = format!("<6>{}{}\n", "\x01".repeat(400), "a".repeat(560));
    let after = unique("after it");
    for text in [&text, &format!("<6>{after}\n")] {
        if std::fs::write("/dev/kmsg", text).is_err() {
            crate::skip!("/dev/kmsg cannot be written");
        }
    }
    for (node, words) in [("/dev/fanlight0/log", next), ("/dev/kmsg", after)] {
        let read = run("fanlight", &["log", "-F", node, "-o", "cat"]).success();
        let hidden = !read.text().lines().any(|line| line == words);
        // A ring is mapped, where nothing is cut.
        let said = node != "/dev/kmsg" || read.err.contains("cut");
        assert!(!hidden && said, "{node}: {}", read.err);
    }
}

/// The cursor of the record with these words.
fn cursor_of(words: &str) -> String {
    let args = ["log", "-d", "0", "--json", "-Q", "-g", words];
    let json = run("fanlight", &args).success().text();
    let rest = json.split(r#""cursor":""#).nth(1).expect("a cursor");
    rest.split('"').next().expect("its end").to_owned()
}

fn cli_log_after_cursor_continues_after_a_rebind() {
    let _unlimited = unlimited(&LOG);
    let marks = ["cursor one", "cursor two", "cursor three"].map(unique);
    let [one, two, three] = &marks;
    // The records of programs are not printed again.
    let by_program = unique("cursor by a program");
    kmsg(&format!("<4>{one}"));
    append(&LOG.open(), &by_program);
    kmsg(&format!("<4>{two}"));
    kmsg(&format!("<4>{three}"));
    crate::support::log::kernel_has_arrived(&LOG);
    let cursors = [cursor_of(two), cursor_of(&by_program)];
    let after = |cursor: &str| {
        let args = ["log", "-d", "0", "-o", "cat", "--after-cursor", cursor];
        run("fanlight", &args).success().text()
    };
    let check = |when: &str| {
        for (cursor, first) in cursors.iter().zip([three, two]) {
            let text = after(cursor);
            assert_eq!(text.lines().next(), Some(first.as_str()), "{when}");
            assert!(text.contains(three.as_str()), "{when}");
        }
    };
    check("at once");
    drop(crate::support::dev::Unbound::new(LOG.node));
    crate::support::log::kernel_has_arrived(&LOG);
    check("after a rebind");
}

fn cli_log_dates_are_the_drivers() {
    const SAVED: &str = "/tmp/fanlight-dated";
    let mark = unique("dated by the driver");
    append(&LOG.open(), &mark);
    let ns = i64::try_from(Reader::new(&LOG).find(&mark).ns).expect("nanoseconds");
    let offset: i64 = LOG.attribute("clock_offset").parse().expect("an offset");
    run("fanlight", &["log", "-d", "0", "--save", SAVED]).success();
    let live = ["log", "-d", "0", "-o", "export"];
    let saved = ["log", "-F", SAVED, "-o", "export"];
    for args in [live, saved] {
        let text = run("fanlight", &args).success().text();
        let entries = text.split("\n\n");
        let ours = entries.filter(|entry| entry.contains(&mark)).last();
        let ours = ours.expect("the record");
        let micros = ours.split("__REALTIME_TIMESTAMP=").nth(1).expect("a time");
        let micros: i64 = micros.lines().next().unwrap().parse().expect("a number");
        assert_eq!(micros, (ns + offset) / 1000, "{args:?}");
    }
    let _ = std::fs::remove_file(SAVED);
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
    // No new record arrives: only the pipe can end the tool.
    let ran = shell(
        "{ timeout 60 fanlight log -d 0 --follow; echo $? >/tmp/fanlight-status; } | head -n 1",
    );
    ran.success();
    let status = std::fs::read_to_string("/tmp/fanlight-status").expect("a status");
    assert_ne!(
        status.trim(),
        "124",
        "it still waits although the pipe has no reader"
    );
}

fn cli_log_prints_the_same_date_of_a_record_each_time() {
    let mark = unique("dated");
    append(&LOG.open(), &mark);
    let args = ["log", "-d", "0", "--time-format=iso", "-Q", "-g", &mark];
    let first = run("fanlight", &args).success().text();
    assert!(first.contains(&mark));
    for _ in 0..5 {
        assert_eq!(run("fanlight", &args).success().text(), first);
    }
}

/// Sets the wall clock until this is dropped.
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
    let (before, after) = (unique("before the clock is set"), unique("after it"));
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

/// Makes the wall clock faster by a tenth until this is dropped.
struct Slewed;

impl Slewed {
    fn new() -> Self {
        Self::tick(11_000);
        Self
    }

    fn tick(microseconds: libc::c_long) {
        // SAFETY: all zero is valid, and the call reads and writes this structure only.
        let done = unsafe {
            let mut settings: libc::timex = std::mem::zeroed();
            settings.modes = libc::ADJ_TICK;
            settings.tick = microseconds;
            libc::adjtimex(&mut settings)
        };
        assert!(done >= 0, "adjtimex: {}", std::io::Error::last_os_error());
    }
}

impl Drop for Slewed {
    fn drop(&mut self) {
        Self::tick(10_000);
    }
}

/// The date that the tool prints of the record with this text.
fn date_of(mark: &str) -> String {
    let args = ["log", "-d", "0", "--time-format=iso", "-Q", "-g", mark];
    let text = run("fanlight", &args).success().text();
    text.split(' ').next().expect("a date").to_owned()
}

/// The time since 1970 that the tool prints for the record with this text, in microseconds.
fn micros_of(mark: &str) -> i64 {
    let args = ["log", "-d", "0", "-o", "export", "-Q", "-g", mark];
    let text = run("fanlight", &args).success().text();
    let micros = text.split("__REALTIME_TIMESTAMP=").nth(1).expect("a time");
    micros.lines().next().unwrap().parse().expect("a number")
}

/// Microseconds since 1970.
fn wall_clock() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("a time").as_micros() as i64
}

fn cli_log_drift_of_the_clock_changes_no_date() {
    let (before, after) = (unique("before the clock drifts"), unique("after that"));
    append(&LOG.open(), &before);
    let date = date_of(&before);
    let offset = LOG.attribute("clock_offset");
    let slewed = Slewed::new();
    assert!(
        wait::until(|| LOG.attribute("clock_offset") != offset),
        "a second of drift is noticed"
    );
    drop(slewed);
    append(&LOG.open(), &after);
    assert_eq!(date_of(&before), date);
    // The record was written just now, but a busy host is slow.
    let apart = wall_clock() - micros_of(&after);
    assert!((-1_500_000..60_000_000).contains(&apart), "{apart} us");
    let entries = Reader::new(&LOG).clocks();
    assert!(entries.count >= 2, "{entries:?}");
}

fn cli_log_clock_that_was_wrong_is_right_for_older_records() {
    let mark = unique("before the clock is right");
    append(&LOG.open(), &mark);
    let first = micros_of(&mark);
    let count = Reader::new(&LOG).clocks().count;
    {
        let before = wall_clock();
        let _clock = Clock::set("2031-05-06 07:08:09");
        let step = wall_clock() - before;
        let apart = micros_of(&mark) - first - step;
        // On a busy host, time may pass between the two readings of the clock.
        assert!(apart.abs() < 60_000_000, "{apart} us");
    }
    // Set back, by whole seconds.
    let apart = micros_of(&mark) - first;
    assert!(apart.abs() < 60_000_000, "{apart} us");
    assert!(Reader::new(&LOG).clocks().count <= count + 2);
}

fn cli_log_saves_a_ring_that_is_written() {
    const SAVED: &str = "/tmp/fanlight-saved";
    let _unlimited = unlimited(&LOG);
    let mark = unique("to be saved");
    // The records that the writer appends concurrently do not displace the kernel's.
    kmsg(&mark);
    kernel_has_arrived(&LOG);
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
    run("fanlight", &["log", "--grep", "("]).fails_with(&["("]);
    run("fanlight", &["log", "--since", "the day before"]).fails_with(&["the day before"]);
    run("fanlight", &["log", "--file", "/etc/passwd"]).fails_with(&["/etc/passwd"]);
}
