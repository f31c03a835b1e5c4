// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log of an earlier boot does not change: it can be read to its end, copied, mapped and
//! cleared while the running kernel prints. Tests in stages; those that need any earlier boot share
//! one.

use std::fs;
use std::os::fd::AsRawFd;
use std::time::Duration;

use libc::{O_RDONLY, POLLHUP, POLLIN, SEEK_DATA, SEEK_END, SEEK_SET};

use crate::support::child::{Child, Signal};
use crate::support::dev::{Unbound, LOG};
use crate::support::earlier::{self, arrived, Earlier, PREVIOUS};
use crate::support::log::{
    append, attribute, console_loglevel, kernel_boot_id, kmsg, lines_of, text, unique,
};
use crate::support::log::{number, Loglevel, Messages};
use crate::support::mem::{Map, R};
use crate::support::program::{run, shell};
use crate::support::stages::{go_down, staged, Down, Staged};
use crate::support::sys;
use crate::support::uapi;

pub const STAGED: &[Staged] = staged! {
    log_prev_does_not_change_when_read_at_loglevel_4,
    log_prev_can_be_copied_by_cat_cp_grep_and_dd,
    log_prev_read_returns_0_at_the_end,
    log_prev_poll_reports_pollin_and_then_pollhup,
    log_prev_lseek_reaches_the_beginning_and_has_no_end,
    log_prev_cannot_be_written,
    log_prev_map_is_the_same_as_read,
    log_prev_is_summed_up_in_one_line,
    log_prev_is_kept_over_unbind_and_bind,
    log_prev_is_kept_over_rmmod_and_insmod,
    log_prev_is_kept_when_its_log_was_open_and_mapped,
    log_prev_gap_does_not_end_a_read,
    log_prev_persist_level_is_no_loss,
    log_prev_has_the_boot_id_of_its_boot,
    log_prev_has_a_boot_that_was_bound_three_times_once,
    log_prev_clock_offset_survives_a_reboot,
    log_prev_clock_offset_survives_a_reset,
    log_prev_clear_is_complete_and_lasts,
};

/// Reads, polls and maps it, as programs do.
fn look_at(boot: Earlier) -> Vec<String> {
    let log = boot.open();
    sys::poll(log.raw(), POLLIN, Duration::ZERO);
    let size = boot.number("size") as usize;
    drop(Map::shared(log.raw(), size, R).expect("a map"));
    let messages = log.all();
    sys::poll(log.raw(), POLLIN, Duration::ZERO);
    messages
}

fn log_prev_does_not_change_when_read_at_loglevel_4(stage: u32) {
    earlier::needed(stage);
    let before = look_at(PREVIOUS);
    let state = || ["ending", "intact", "missing", "damaged"].map(|name| PREVIOUS.attribute(name));
    let said = state();
    for level in [4, 1, 8, console_loglevel()] {
        let _level = Loglevel::set(level);
        for level in [7, 6, 3] {
            kmsg(&format!("<{level}>{}", unique("of this boot")));
        }
        arrived();
        assert_eq!(look_at(PREVIOUS), before, "at loglevel {level}");
        assert_eq!(look_at(PREVIOUS), before, "at loglevel {level}, again");
    }
    assert_eq!(state(), said);
    assert!(!before.is_empty());
}

fn log_prev_can_be_copied_by_cat_cp_grep_and_dd(stage: u32) {
    earlier::needed(stage);
    let (path, expected) = (PREVIOUS.path(), PREVIOUS.messages().concat());
    for copy in [
        format!("cat {path}"),
        format!("cp {path} /tmp/copy && cat /tmp/copy"),
        format!("grep -a '' {path}"),
        format!("dd if={path} bs=8192 2>/dev/null"),
    ] {
        let ran = shell(&format!("timeout 20 sh -c \"{copy}\""));
        assert_eq!(ran.status, 0, "{copy}: {}", ran.err);
        assert_eq!(ran.text(), expected, "{copy}");
    }
}

/// The result of read() after the last record, by a descriptor that may block.
fn end_of(path: &str) -> Option<u64> {
    let done = Signal::new();
    let child = Child::spawn(|| {
        let fd = sys::open(path, O_RDONLY).expect("open");
        loop {
            match sys::read(fd.as_raw_fd(), &mut [0; 8192]) {
                Ok(0) => break done.send_value(0),
                Ok(_) => {}
                Err(error) => break done.send_value(error.0 as u64),
            }
        }
        0
    });
    // It never waits, so this is ample.
    let end = done.wait_for(crate::support::wait::LIMIT);
    sys::kill(child.pid(), libc::SIGKILL);
    child.wait();
    end
}

fn log_prev_read_returns_0_at_the_end(stage: u32) {
    earlier::needed(stage);
    assert_eq!(
        end_of(&PREVIOUS.path()),
        Some(0),
        "a descriptor that may wait"
    );
    let log = PREVIOUS.open();
    log.all();
    for form in [uapi::FORM_KMSG, uapi::FORM_TEXT, uapi::FORM_BINARY] {
        let mut form = form;
        sys::ioctl(log.raw(), uapi::IOC_LOG_FORM, &mut form).expect("the form");
        assert_eq!(
            sys::read(log.raw(), &mut [0; 8192]),
            Ok(0),
            "with O_NONBLOCK, form {form}"
        );
    }
}

fn log_prev_poll_reports_pollin_and_then_pollhup(stage: u32) {
    earlier::needed(stage);
    let log = PREVIOUS.open();
    let poll = || sys::poll(log.raw(), POLLIN, crate::support::wait::LIMIT) & (POLLIN | POLLHUP);
    assert_eq!(poll(), POLLIN, "at the beginning");
    // No more records are appended, whatever the watermark is.
    let mut watermark = uapi::Watermark {
        records: 1_000_000,
        ..uapi::Watermark::default()
    };
    sys::ioctl(log.raw(), uapi::IOC_LOG_WATERMARK, &mut watermark).expect("the watermark");
    assert_eq!(poll(), POLLIN, "with a watermark");
    log.all();
    assert_eq!(poll(), POLLIN | POLLHUP, "at the end");
    sys::lseek(log.raw(), 0, SEEK_SET).expect("lseek");
    assert_eq!(poll(), POLLIN, "at the beginning again");
}

fn log_prev_lseek_reaches_the_beginning_and_has_no_end(stage: u32) {
    earlier::needed(stage);
    let log = PREVIOUS.open();
    let all = log.all();
    // Clearing this boot's messages does not affect another boot's.
    kmsg("<6>not of that boot");
    // SAFETY: SYSLOG_ACTION_CLEAR takes no buffer.
    unsafe { libc::klogctl(5, std::ptr::null_mut(), 0) };
    for whence in [SEEK_SET, SEEK_DATA] {
        assert_eq!(sys::lseek(log.raw(), 0, whence), Ok(0));
        assert_eq!(log.all(), all, "whence {whence}");
    }
    // tail and others then read it from where they are, as they read a pipe.
    assert_eq!(sys::lseek(log.raw(), 0, SEEK_SET), Ok(0));
    assert_eq!(sys::lseek(log.raw(), 0, SEEK_END), Err(sys::Errno::ESPIPE));
    assert_eq!(log.all(), all, "after SEEK_END");
}

fn log_prev_cannot_be_written(stage: u32) {
    earlier::needed(stage);
    let before = PREVIOUS.messages();
    if let Ok(fd) = sys::open(&PREVIOUS.path(), libc::O_RDWR) {
        assert!(sys::write(fd.as_raw_fd(), b"not of that boot").is_err());
    }
    assert_eq!(PREVIOUS.messages(), before);
}

fn log_prev_map_is_the_same_as_read(stage: u32) {
    earlier::needed(stage);
    let by_read = PREVIOUS.messages();
    let mut reader =
        crate::support::log::Reader::of(&PREVIOUS.open(), PREVIOUS.number("size") as usize);
    let by_map: Vec<String> = reader.all().iter().map(|record| record.as_kmsg()).collect();
    assert_eq!(by_map, by_read);
    assert_eq!(reader.boot_id(), PREVIOUS.attribute("boot_id"));
}

/// The line that the probe prints about the records that it found.
fn log_prev_is_summed_up_in_one_line(stage: u32) {
    earlier::needed(stage);
    let lines = || {
        let mut lines = lines_of("fanlight");
        lines.retain(|line| line.starts_with("window log: "));
        lines
    };
    let before = lines().len();
    drop(Unbound::new(LOG.node));
    let new = &lines()[before..];
    let [line] = new else {
        panic!("one line for each time that it is bound: {new:?}");
    };
    for name in ["intact", "missing"] {
        let count = PREVIOUS.attribute(name);
        let words = line.split(|c: char| !c.is_ascii_alphanumeric());
        assert!(
            words.into_iter().any(|word| word == count),
            "{name} {count}: {line}"
        );
    }
}

/// All that is visible of earlier boots.
pub fn everything() -> Vec<(String, Vec<String>)> {
    let state = |boot: Earlier| {
        [
            "boot_id",
            "ending",
            "intact",
            "missing",
            "damaged",
            "clock_offset",
        ]
        .map(|name| boot.attribute(name))
        .join(" ")
    };
    earlier::all()
        .into_iter()
        .map(|boot| (state(boot), boot.messages()))
        .collect()
}

fn log_prev_is_kept_over_unbind_and_bind(stage: u32) {
    earlier::needed(stage);
    let (ending, messages) = (PREVIOUS.attribute("ending"), PREVIOUS.messages());
    for round in 0..3 {
        append(&LOG.open(), &unique("of this boot"));
        drop(Unbound::new(LOG.node));
        assert_eq!(PREVIOUS.messages(), messages, "round {round}");
        assert_eq!(PREVIOUS.attribute("ending"), ending, "round {round}");
    }
    let before = everything();
    drop(Unbound::new(LOG.node));
    assert_eq!(everything(), before);
}

fn log_prev_is_kept_over_rmmod_and_insmod(stage: u32) {
    earlier::needed(stage);
    let (ending, messages) = (PREVIOUS.attribute("ending"), PREVIOUS.messages());
    append(&LOG.open(), &unique("of this boot"));
    crate::board::bind::reload();
    assert_eq!(PREVIOUS.messages(), messages);
    assert_eq!(PREVIOUS.attribute("ending"), ending);
}

fn log_prev_is_kept_when_its_log_was_open_and_mapped(stage: u32) {
    earlier::needed(stage);
    let messages = PREVIOUS.messages();
    let (log, open) = (LOG.open(), PREVIOUS.open());
    let _map = log.map();
    let _other = Map::shared(open.raw(), PREVIOUS.number("size") as usize, R).expect("a map");
    drop(Unbound::new(LOG.node));
    assert_eq!(PREVIOUS.messages(), messages);
}

/// Sets the level from which on records are kept.
fn persist_level(level: u32) {
    let misc = LOG.sysfs().join("persist_level");
    fs::write(misc, format!("{level}\n")).expect("persist_level");
}

/// A boot of which every other record is kept, with the numbers of the kept ones.
fn leave_gaps(mark: &str) {
    persist_level(4);
    for n in 0..20 {
        let level = if n % 2 == 0 { 4 } else { 6 };
        append(&LOG.open(), &format!("<{level}>{mark} {n}"));
        kmsg(&format!("<{level}>{mark} message {n}"));
    }
    arrived();
    persist_level(7);
    append(&LOG.open(), &format!("<6>{mark} end"));
}

fn log_prev_gap_does_not_end_a_read(stage: u32) {
    const MARK: &str = "with gaps";
    if stage == 0 {
        leave_gaps(MARK);
        go_down(Down::Reset);
    }
    let log = Messages {
        fd: sys::open(&PREVIOUS.path(), libc::O_RDONLY | libc::O_NONBLOCK).unwrap(),
    };
    let mut numbers = Vec::new();
    let mut kept = 0;
    loop {
        let message = log.next().expect("no gap is an error");
        if message.is_empty() {
            break;
        }
        numbers.push(number(&message));
        kept += usize::from(text(&message).starts_with(MARK));
    }
    assert_eq!(kept, 21, "ten of each, and the end");
    assert!(
        numbers.windows(2).any(|pair| pair[1] > pair[0] + 1),
        "there are gaps"
    );
    assert!(
        numbers.windows(2).all(|pair| pair[1] > pair[0]),
        "{numbers:?}"
    );
    let cat = shell(&format!("timeout 20 cat {}", PREVIOUS.path()));
    assert_eq!((cat.status, cat.err.as_str()), (0, ""));
    assert_eq!(cat.text(), PREVIOUS.messages().concat());
}

fn log_prev_persist_level_is_no_loss(stage: u32) {
    const MARK: &str = "not all are kept";
    if stage == 0 {
        leave_gaps(MARK);
        go_down(Down::Reset);
    }
    assert!(PREVIOUS.has(MARK));
    assert_eq!(
        (PREVIOUS.number("missing"), PREVIOUS.number("damaged")),
        (0, 0)
    );
    let said = run("fanlight", &["log", "--previous", "-d", "0"])
        .success()
        .err;
    assert!(
        !said.contains("missing") && !said.contains("lost"),
        "{said}"
    );
}

fn log_prev_has_the_boot_id_of_its_boot(stage: u32) {
    let ours = kernel_boot_id();
    assert_eq!(
        attribute(&LOG.misc(), "boot_id"),
        Some(ours.clone()),
        "the running log's"
    );
    if stage == 0 {
        append(&LOG.open(), &format!("<5>boot id {ours}"));
        go_down(Down::Reset);
    }
    let said = PREVIOUS.texts().into_iter().find_map(|text| {
        let id = text.strip_prefix("boot id ")?;
        Some(id.to_owned())
    });
    let theirs = PREVIOUS.attribute("boot_id");
    assert_eq!(said, Some(theirs.clone()));
    assert_ne!(theirs, ours);
}

fn log_prev_has_a_boot_that_was_bound_three_times_once(stage: u32) {
    if stage == 0 {
        for round in 0..3 {
            kmsg(&format!("<5>bound again: message {round}"));
            append(&LOG.open(), &format!("<5>bound again: record {round}"));
            arrived();
            drop(Unbound::new(LOG.node));
        }
        arrived();
        go_down(Down::Reset);
    }
    let texts = PREVIOUS.texts();
    let ours: Vec<&String> = texts
        .iter()
        .filter(|text| text.starts_with("bound again"))
        .collect();
    let expected: Vec<String> = (0..3)
        .flat_map(|n| {
            [
                format!("bound again: message {n}"),
                format!("bound again: record {n}"),
            ]
        })
        .collect();
    assert_eq!(ours, expected.iter().collect::<Vec<_>>());
    let booting = texts
        .iter()
        .filter(|text| text.starts_with("Booting Linux"))
        .count();
    assert_eq!(booting, 1, "the kernel's messages are there once");
    assert_eq!(
        PREVIOUS.attribute("ending"),
        "reset",
        "unbinding is no ending"
    );
}

/// Nanoseconds of the wall clock.
fn wall_clock() -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a time");
    now.as_nanos() as i64
}

fn log_prev_clock_offset_survives_a_reboot(stage: u32) {
    clock_offset_survives(stage, Down::Reboot);
}

/// The boot ends without running code that could store it.
fn log_prev_clock_offset_survives_a_reset(stage: u32) {
    clock_offset_survives(stage, Down::Reset);
}

fn clock_offset_survives(stage: u32, down: Down) {
    const HOUR: i64 = 3_600_000_000_000;
    if stage == 0 {
        shell("date -u -s '2031-05-06 07:08:09'").success();
        let when = wall_clock();
        append(&LOG.open(), &format!("<5>the wall clock is {when}"));
        // It may be noted with the next record only.
        append(&LOG.open(), "<5>after the clock was set");
        go_down(down);
    }
    let messages = PREVIOUS.messages();
    let (micros, when) = messages
        .iter()
        .find_map(|message| {
            let when: i64 = text(message)
                .strip_prefix("the wall clock is ")?
                .parse()
                .ok()?;
            let micros: i64 = message.split(',').nth(2)?.parse().ok()?;
            Some((micros, when))
        })
        .expect("the record");
    let offset = PREVIOUS.number("clock_offset");
    let apart = (offset - (when - micros * 1000)).abs();
    // The record was made later than the clock was read, on a busy host much later; the old date is
    // years away.
    assert!(apart < HOUR, "{offset} ns, and {when} ns is {micros} us");
    // The running log has an offset of its own.
    assert_ne!(wall_clock() / HOUR, when / HOUR);
    let args = [
        "log",
        "-d",
        "0",
        "--boot=-1",
        "-T",
        "-g",
        "the wall clock is",
    ];
    let printed = run("fanlight", &args).success().text();
    assert!(printed.contains("2031"), "{printed}");
}

fn log_prev_clear_is_complete_and_lasts(stage: u32) {
    const CLEARED: &str = "to be cleared";
    match stage {
        0 => {
            kmsg(&format!("<5>{CLEARED}"));
            arrived();
            go_down(Down::Panic)
        }
        1 => {
            assert_eq!(PREVIOUS.attribute("ending"), "panic");
            assert!(PREVIOUS.has(CLEARED));
            assert_eq!(
                sys::ioctl_at(PREVIOUS.open().raw(), uapi::IOC_LOG_CLEAR, 0),
                Ok(0)
            );
            assert_eq!(PREVIOUS.texts(), [""; 0]);
            assert_eq!(PREVIOUS.attribute("ending"), "none");
            for name in ["intact", "missing", "damaged"] {
                assert_eq!(PREVIOUS.number(name), 0, "{name}");
            }
            let said = run("fanlight", &["log", "--previous", "-d", "0"]);
            assert_eq!(said.status, 2, "{said:?}");
            assert!(!said.err.contains("panic"), "{}", said.err);
            for level in [4, 8] {
                let _level = Loglevel::set(level);
                for level in [7, 6, 3] {
                    kmsg(&format!("<{level}>{}", unique("printed after the clear")));
                }
                arrived();
                assert_eq!(look_at(PREVIOUS), [""; 0], "at loglevel {level}");
                assert_eq!(PREVIOUS.attribute("ending"), "none");
                assert_eq!(PREVIOUS.number("intact"), 0);
            }
            drop(Unbound::new(LOG.node));
            nowhere(CLEARED);
            kmsg("<5>after the clear");
            arrived();
            go_down(Down::Reset)
        }
        _ => {
            assert!(PREVIOUS.has("after the clear"));
            nowhere(CLEARED);
        }
    }
}

/// No earlier boot has a record with these words.
pub fn nowhere(words: &str) {
    for boot in earlier::all() {
        assert!(!boot.has(words), "{} has {words:?}", boot.name());
    }
}
