// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's messages in the log: all of them, once, and in one order with the records of
//! programs, independently of what other programs do with the kernel's log.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::log::context::{pin_to, processors};
use crate::support::child::Child;
use crate::support::dev::{Unbound, LOG, LOG2};
use crate::support::log::{
    append, comparable, console_loglevel, kernel_has_arrived, kmsg, number, stats, text, unique,
    unlimited, Loglevel, Messages, Reader,
};
use crate::support::module::TestModule;
use crate::support::program::{needs, needs_more_than_busybox, run};
use crate::support::sys::Ended;
use crate::support::uapi;
use crate::support::wait;
use crate::tests;

tests! {
    everywhere:
        log_order_of_kernel_messages_and_records_is_that_of_time,
        log_has_all_lines_of_a_long_message,
        log_has_a_long_last_line_of_many,
        log_has_what_was_printed_when_it_is_read,
        log_has_what_no_console_prints_also_after_a_clear,
        log_has_all_of_dev_kmsg_when_bound_after_a_clear,
        log_has_or_counts_every_suppressed_message_that_is_cleared,
        log_has_every_message_while_klogd_runs,
        log_message_that_continues_another_has_the_flag,
        log_has_flags_of_messages_also_after_a_stall,
        log_client_dmesg_c_shows_no_record_twice;
}

/// The microseconds of a message.
fn micros(message: &str) -> u64 {
    let field = message.split(',').nth(2);
    field.and_then(|field| field.parse().ok()).expect("a time")
}

fn log_order_of_kernel_messages_and_records_is_that_of_time() {
    let _unlimited = unlimited(&LOG);
    let log = LOG.open();
    for (loglevel, level) in [(4, 7), (8, 7), (8, 4), (1, 4)] {
        let _loglevel = Loglevel::set(loglevel);
        let mark = unique("in order");
        for n in 0..100 {
            kmsg(&format!("<{level}>{mark} {n} kernel"));
            append(&log, &format!("<{level}>{mark} {n} program"));
        }
        let messages = Messages::of_log(&LOG).all();
        let ours: Vec<&String> = messages
            .iter()
            .filter(|m| text(m).starts_with(&mark))
            .collect();
        let texts: Vec<&str> = ours.iter().map(|message| text(message)).collect();
        let expected: Vec<String> = (0..100)
            .flat_map(|n| [format!("{mark} {n} kernel"), format!("{mark} {n} program")])
            .collect();
        assert_eq!(texts, expected, "level {level} at loglevel {loglevel}");
        for pair in ours.windows(2) {
            assert!(micros(pair[1]) >= micros(pair[0]), "back in time: {pair:?}");
        }
    }
}

/// The text for dumpers has a prefix for each line, so it is much longer.
fn log_has_all_lines_of_a_long_message() {
    for loglevel in [4, 8] {
        let _loglevel = Loglevel::set(loglevel);
        for lines in [40, 80, 300, 380] {
            let mark = unique("many lines");
            let message = format!("<7>{mark}{}", "\n.".repeat(lines));
            kmsg(&message);
            let (kernel, ours) = (
                Messages::of_kernel().find(&mark),
                Messages::of_log(&LOG).find(&mark),
            );
            assert!(text(&kernel).len() > 4 * lines, "{kernel}");
            assert_eq!(
                text(&ours),
                text(&kernel),
                "{lines} lines at loglevel {loglevel}"
            );
        }
    }
}

/// Of a message that does not fit, the kernel's dumpers get no part of the last line.
fn log_has_a_long_last_line_of_many() {
    for loglevel in [4, 8] {
        let _loglevel = Loglevel::set(loglevel);
        // /dev/kmsg has 4 bytes for a newline, and 2048 in all.
        for lines in [10, 40, 50, 300] {
            // The driver keeps the buffer that it has allocated for an earlier message.
            drop(Unbound::new(LOG.node));
            let mark = unique("long last line");
            // The length that the kernel accepts.
            let last = "x".repeat(1000 - lines - mark.len());
            kmsg(&format!("<7>{mark}{}{last}", "\n".repeat(lines)));
            let (kernel, ours) = (
                Messages::of_kernel().find(&mark),
                Messages::of_log(&LOG).find(&mark),
            );
            assert!(text(&kernel).ends_with(&last), "{kernel}");
            assert_eq!(
                text(&ours),
                text(&kernel),
                "{lines} lines at loglevel {loglevel}"
            );
        }
    }
}

fn log_has_what_was_printed_when_it_is_read() {
    for (loglevel, level) in [(4, 7), (8, 4), (1, 4)] {
        let _loglevel = Loglevel::set(loglevel);
        for _ in 0..20 {
            let mark = unique("just printed");
            kmsg(&format!("<{level}>{mark}"));
            // Opened after it was printed. Only the console's thread delivers a message that it
            // prints, and on a busy host it may not run for some time.
            let has = || {
                let messages = Messages::of_log(&LOG).all();
                messages.iter().any(|message| text(message) == mark)
            };
            let loud = level < loglevel;
            assert!(
                has() || loud && wait::until(has),
                "level {level} at loglevel {loglevel}"
            );
        }
    }
}

/// Clears the kernel's log for dmesg.
pub fn clear() {
    // SAFETY: SYSLOG_ACTION_CLEAR takes no buffer.
    let cleared = unsafe { libc::klogctl(5, std::ptr::null_mut(), 0) };
    if cleared != 0 {
        crate::skip!("the kernel's log can't be cleared");
    }
}

/// While a boot console is registered, printk prints directly, and makes no call to the log's
/// console for suppressed messages.
fn log_has_what_no_console_prints_also_after_a_clear() {
    let _loglevel = Loglevel::set(1);
    drop(Unbound::new(LOG.node));
    let has =
        |mark: &str| wait::until(|| Messages::of_log(&LOG).all().iter().any(|m| text(m) == mark));
    let (first, later) = (unique("quiet"), unique("quiet after a clear"));
    kmsg(&format!("<7>{first}"));
    assert!(has(&first), "{first}");
    for _ in 0..3 {
        kmsg("<7>may be cleared before it is taken");
        clear();
    }
    kmsg(&format!("<7>{later}"));
    assert!(has(&later), "{later}");
}

fn log_has_all_of_dev_kmsg_when_bound_after_a_clear() {
    // The big log, which has room for all. The last level is the boot's own: other tests compare
    // what it replays.
    for loglevel in [8, 4, console_loglevel()] {
        let _loglevel = Loglevel::set(loglevel);
        let (before, after) = (unique("before the clear"), unique("after the clear"));
        for level in [3, 6] {
            kmsg(&format!("<{level}>{before}"));
        }
        clear();
        for level in [3, 6] {
            kmsg(&format!("<{level}>{after}"));
        }
        drop(Unbound::new(LOG.node));
        kernel_has_arrived(&LOG);
        let kernel = Messages::of_kernel().all();
        let ours: Vec<String> = Messages::of_log(&LOG)
            .all()
            .iter()
            .map(|m| comparable(m))
            .collect();
        let mut rest = ours.iter();
        let mut absent = Vec::new();
        for message in &kernel {
            let message = comparable(message);
            // The messages after the last one that was found have not been searched yet.
            let mut look = rest.clone();
            if look.any(|m| *m == message) {
                rest = look;
            } else {
                absent.push(message);
            }
        }
        let (absent, first) = (absent.len() as u64, absent.first().cloned());
        let missed = stats(LOG.open().raw()).kernel_missed;
        assert!(
            absent <= missed,
            "{absent} messages are neither in the log nor counted ({missed}): {first:?}"
        );
        // Unless printk's buffer has overwritten some, only messages that cannot be read are
        // counted.
        if number(&kernel[0]) == 0 {
            assert_eq!(absent, missed, "{first:?}");
        }
        // The messages that the console prints, and those after the clear, can be read. On a busy
        // host the console's thread may be so late that cleared messages are counted instead.
        let given_up = loglevel == 8 && missed > 0;
        let has = |level: u32, words: &str| {
            ours.iter()
                .any(|m| m.starts_with(&format!("{},", 8 | level)) && text_of(m) == words)
        };
        assert!(
            (loglevel <= 3 || given_up || has(3, &before)) && has(3, &after) && has(6, &after),
            "at loglevel {loglevel}"
        );
    }
}

/// The text of a message without its number.
fn text_of(message: &str) -> &str {
    message
        .split_once(';')
        .map_or("", |(_, text)| text.trim_end())
}

fn log_has_or_counts_every_suppressed_message_that_is_cleared() {
    let _loglevel = Loglevel::set(5);
    kernel_has_arrived(&LOG);
    let missed = || stats(LOG.open().raw()).kernel_missed;
    let (before, mark) = (missed(), unique("quiet"));
    for n in 0..200 {
        kmsg(&format!("<7>{mark} {n}"));
        clear();
    }
    kernel_has_arrived(&LOG);
    let messages = Messages::of_log(&LOG).all();
    let found = messages
        .iter()
        .filter(|message| text(message).starts_with(&mark))
        .count() as u64;
    let missed = missed() - before;
    assert_eq!(
        found + missed,
        200,
        "{found} are there, {missed} are counted"
    );
}

fn log_has_every_message_while_klogd_runs() {
    needs("klogd");
    // It reads and clears messages of the kernel's buffer by syslog(2).
    let klogd = Command::new("klogd")
        .arg("-n")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut klogd = klogd.expect("klogd starts");
    let mark = unique("beside klogd");
    for loglevel in [4, 8] {
        let _loglevel = Loglevel::set(loglevel);
        for n in 0..300 {
            kmsg(&format!("<{}>{mark} {n}", [7, 4, 3][n % 3]));
        }
        kernel_has_arrived(&LOG);
        let texts: Vec<String> = Messages::of_log(&LOG)
            .all()
            .iter()
            .map(|message| text(message).to_owned())
            .filter(|text| text.starts_with(&mark))
            .collect();
        let expected: Vec<String> = (0..300).map(|n| format!("{mark} {n}")).collect();
        let last = texts[texts.len().saturating_sub(300)..].to_vec();
        assert_eq!(last, expected, "at loglevel {loglevel}");
    }
    let _ = klogd.kill();
    let _ = klogd.wait();
}

/// printk keeps only the number of the first message after the last clear: a clear is detected if
/// the kernel has printed something since the clear before. The flag of a message in
/// /dev/kmsg: `c` if it continues another.
pub fn continues(message: &str) -> &str {
    message.split(',').nth(3).expect("its flag")
}

fn log_message_that_continues_another_has_the_flag() {
    let module = TestModule::load();
    // For a suppressed message, printk does not report the flag.
    let _level = Loglevel::set(8);
    let mark = unique("in parts");
    module.cont(&mark);
    for (part, flag) in [("begins", "-"), ("goes on", "c")] {
        let words = format!("{mark} {part}");
        let theirs = Messages::of_kernel().find(&words);
        let ours = Messages::of_log(&LOG).find(&words);
        assert_eq!(continues(&theirs), flag, "{theirs}");
        assert_eq!(comparable(&ours), comparable(&theirs));
        let record = Reader::new(&LOG).find(&words);
        assert_eq!(record.flags & uapi::RECORD_CONT != 0, flag == "c");
    }
}

/// The flag of a message is lost if no task has read the message for half a second. A stall must
/// not make every tick read messages so.
fn log_has_flags_of_messages_also_after_a_stall() {
    const ROUNDS: usize = 6;
    let module = TestModule::load();
    let _level = Loglevel::set(8);
    for processor in 0..processors() {
        let module = &module;
        let stalled = Child::spawn(move || {
            pin_to(processor);
            module.stall(1500);
            0
        });
        assert_eq!(stalled.wait(), Ended::Exit(0));
    }
    // On a busy host tasks may be late in some of the rounds.
    let mut lost = Vec::new();
    for _ in 0..ROUNDS {
        let mark = unique("in parts");
        let begin = Instant::now();
        let mut parts = 0;
        while begin.elapsed() < Duration::from_secs(4) {
            for _ in 0..20 {
                module.cont(&mark);
            }
            parts += 20;
            std::thread::sleep(Duration::from_millis(20));
        }
        kernel_has_arrived(&LOG);
        let messages = Messages::of_log(&LOG).all();
        let words = format!("{mark} goes on");
        let ours = messages.iter().filter(|message| text(message) == words);
        let flags: Vec<&str> = ours.map(|message| continues(message)).collect();
        assert!(!flags.is_empty() && flags.len() <= parts);
        lost.push(flags.iter().filter(|flag| **flag != "c").count());
        if lost.last() == Some(&0) {
            return;
        }
    }
    panic!("in each of {ROUNDS} rounds flags are lost: {lost:?}");
}

fn log_client_dmesg_c_shows_no_record_twice() {
    needs("unshare");
    needs_more_than_busybox("dmesg");
    let mark = unique("shown once");
    let script = format!(
        "mount --bind {path} /dev/kmsg && dmesg -c >/dev/null && echo '<5>{mark}' >/tmp/record && \
         cat /tmp/record >/tmp/none && echo '<5>{mark}' >{path} && echo h >/proc/sysrq-trigger && \
         dmesg -c && dmesg && dmesg -c",
        path = LOG.path()
    );
    let shown = run("unshare", &["-m", "sh", "-c", &script])
        .success()
        .text();
    assert_eq!(shown.matches(&mark).count(), 1, "{shown}");
    let _ = fs::remove_file("/tmp/record");
    // That does not change the numbers of the records that remain in the node.
    let numbers: Vec<u64> = Messages::of_log(&LOG2)
        .all()
        .iter()
        .map(|m| number(m))
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[1] > pair[0]));
}
