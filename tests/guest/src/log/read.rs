// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log through read() and lseek(), in the form of /dev/kmsg and in batches. The expected
//! results are those of /dev/kmsg itself.

use std::time::Duration;

use libc::{O_NONBLOCK, O_RDONLY, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET};

use crate::support::child::{Child, Signal};
use crate::support::dev::{LOG, LOG2};
use crate::support::io_uring::{Op, Ring};
use crate::support::log::{
    append, comparable, kmsg, number, stats, text, unique, unlimited, without_number, Messages,
    Reader, Record,
};
use crate::support::mem::{Map, PAGE, RW};
use crate::support::module::TestModule;
use crate::support::sys::{self, Errno};
use crate::support::wait;
use crate::tests;

tests! {
    levels:
        log_read_text_is_that_of_dev_kmsg,
        log_read_text_of_odd_bytes_is_that_of_dev_kmsg,
        log_read_returns_one_record_per_call,
        log_read_is_the_same_as_the_map,
        log_read_nonblocking_at_the_end_is_eagain,
        log_read_nonblocking_set_by_fcntl_is_eagain,
        log_read_blocks_until_a_record_is_appended,
        log_read_by_io_uring_waits_for_a_record,
        log_read_interrupted_by_a_signal_is_eintr,
        log_read_into_a_short_buffer_is_einval_and_loses_nothing,
        log_read_into_a_bad_pointer_is_efault_and_loses_nothing,
        log_read_when_lapped_is_epipe_once,
        log_read_counts_what_it_lost,
        log_read_of_two_descriptors_is_independent,
        log_read_of_a_forked_descriptor_shares_the_position,
        log_lseek_is_that_of_dev_kmsg,
        log_lseek_refuses_what_dev_kmsg_refuses,
        log_lseek_data_is_after_the_last_clear,
        log_lseek_data_is_after_the_last_clear_among_records_of_programs_and_modules,
        log_pread_is_read_as_for_dev_kmsg;
}

/// The messages of the log and of /dev/kmsg from one mark to another.
fn between(marks: [&str; 2]) -> (Vec<String>, Vec<String>) {
    let part = |messages: Vec<String>| -> Vec<String> {
        let from = messages
            .iter()
            .position(|m| text(m) == marks[0])
            .expect("the first mark");
        let to = messages
            .iter()
            .position(|m| text(m) == marks[1])
            .expect("the second mark");
        messages[from..=to].to_vec()
    };
    Messages::of_log(&LOG).find(marks[1]);
    (
        part(Messages::of_log(&LOG).all()),
        part(Messages::of_kernel().all()),
    )
}

fn log_read_text_is_that_of_dev_kmsg() {
    let mark = unique("the last of the boot");
    kmsg(&mark);
    let theirs = Messages::of_kernel().all();
    Messages::of_log(&LOG).find(&mark);
    let ours: Vec<String> = Messages::of_log(&LOG)
        .all()
        .iter()
        .map(|m| comparable(m))
        .collect();
    let first = comparable(&theirs[0]);
    let mut rest = ours[ours
        .iter()
        .position(|m| *m == first)
        .expect("the oldest message")..]
        .iter();
    for message in &theirs {
        let message = comparable(message);
        // Records that tests wrote to the log's node are not in /dev/kmsg.
        assert!(
            rest.any(|m| *m == message),
            "not there, or not in order: {message}"
        );
        if text(&message) == mark {
            return;
        }
    }
}

fn log_read_text_of_odd_bytes_is_that_of_dev_kmsg() {
    let marks = [unique("odd begins"), unique("odd ends")];
    let long = "y".repeat(900);
    kmsg(&marks[0]);
    for odd in [
        "tab\there",
        "two\nlines",
        "back\\slash",
        "\x1b[1mbold",
        "grüße",
        "\x7f",
        " ",
        "trailing \n",
        &long,
    ] {
        kmsg(&format!("<5>{odd}"));
    }
    kmsg(&marks[1]);
    let (ours, theirs) = between([&marks[0], &marks[1]]);
    let strip = |messages: &[String]| {
        messages
            .iter()
            .map(|m| without_number(m))
            .collect::<Vec<_>>()
    };
    assert_eq!(strip(&ours), strip(&theirs));
}

fn log_read_returns_one_record_per_call() {
    let messages = Messages::of_log(&LOG).all();
    assert!(messages.len() > 20, "{} messages", messages.len());
    for message in &messages {
        // One line, and the dictionary's, which begin with a space.
        assert!(message.ends_with('\n'), "{message:?}");
        assert!(
            message.lines().skip(1).all(|line| line.starts_with(' ')),
            "{message:?}"
        );
        assert!(!message.starts_with(' '), "{message:?}");
    }
    for pair in messages.windows(2) {
        assert!(number(&pair[1]) > number(&pair[0]), "{pair:?}");
    }
}

fn log_read_is_the_same_as_the_map() {
    let mark = unique("map and read");
    append(&LOG.open(), &mark);
    let by_map: Vec<String> = Reader::new(&LOG)
        .all()
        .iter()
        .map(Record::as_kmsg)
        .collect();
    let by_read = Messages::of_log(&LOG).all();
    assert_eq!(by_read[..by_map.len()], by_map[..]);
}

fn log_read_nonblocking_at_the_end_is_eagain() {
    let log = Messages::of_log(&LOG2);
    log.all();
    assert_eq!(log.next(), Err(Errno::EAGAIN));
}

fn log_read_nonblocking_set_by_fcntl_is_eagain() {
    // rsyslog changes the flag on an open descriptor.
    let log = Messages {
        fd: LOG2.open_with(O_RDONLY).fd,
    };
    log.skip_all();
    // SAFETY: sets a flag of a descriptor of this process.
    unsafe { libc::fcntl(log.raw(), libc::F_SETFL, O_NONBLOCK) };
    log.all();
    assert_eq!(log.next(), Err(Errno::EAGAIN));
}

fn log_read_blocks_until_a_record_is_appended() {
    let writer = LOG2.open();
    let (ready, done) = (Signal::new(), Signal::new());
    let mark = unique("worth waiting for");
    let child = Child::spawn(|| {
        let log = Messages {
            fd: LOG2.open_with(O_RDONLY).fd,
        };
        log.skip_all();
        ready.send();
        loop {
            if text(&log.next().expect("a message")) == mark {
                done.send();
                return 0;
            }
        }
    });
    ready.wait();
    assert_eq!(done.wait_for(Duration::from_millis(200)), None);
    append(&writer, &mark);
    assert!(done.wait_for(wait::LIMIT).is_some(), "the reader sleeps on");
    child.wait();
}

fn log_read_by_io_uring_waits_for_a_record() {
    let log = LOG.open();
    sys::lseek(log.raw(), 0, libc::SEEK_END).expect("the end");
    let mark = unique("by io_uring");
    let mut buffer = [0_u8; 512];
    let writer = {
        let mark = mark.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            append(&LOG.open(), &mark);
        })
    };
    let ring = Ring::new();
    loop {
        // At the file's own position.
        let at = buffer.as_mut_ptr() as usize;
        let read = ring.transfer(Op::Read, log.raw(), !0, at, buffer.len());
        let message = String::from_utf8_lossy(&buffer[..read.expect("a record")]);
        if text(&message) == mark {
            break;
        }
    }
    writer.join().expect("the writer");
}

fn log_read_interrupted_by_a_signal_is_eintr() {
    extern "C" fn nothing(_: i32) {}
    LOG2.needed();
    let (ready, done) = (Signal::new(), Signal::new());
    let child = Child::spawn(|| {
        // SAFETY: all zero is a valid sigaction: no SA_RESTART.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(i32) as usize;
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        }
        let log = Messages {
            fd: LOG2.open_with(O_RDONLY).fd,
        };
        log.skip_all();
        ready.send();
        loop {
            if let Err(error) = log.next() {
                done.send_value(error.0 as u64);
                return 0;
            }
        }
    });
    ready.wait();
    std::thread::sleep(Duration::from_millis(100));
    sys::kill(child.pid(), libc::SIGUSR1);
    assert_eq!(done.wait_for(wait::LIMIT), Some(libc::EINTR as u64));
    child.wait();
}

fn log_read_into_a_short_buffer_is_einval_and_loses_nothing() {
    let (log, other) = (Messages::of_log(&LOG), Messages::of_log(&LOG));
    let expected = other.next().unwrap();
    for len in [0, 1, 10, expected.len() - 1] {
        assert_eq!(
            sys::read(log.raw(), &mut vec![0; len]),
            Err(Errno::EINVAL),
            "{len} bytes"
        );
    }
    // /dev/kmsg would have skipped it.
    let mut exact = vec![0; expected.len()];
    assert_eq!(sys::read(log.raw(), &mut exact), Ok(expected.len()));
    assert_eq!(exact, expected.as_bytes());
}

fn log_read_into_a_bad_pointer_is_efault_and_loses_nothing() {
    let (log, other) = (Messages::of_log(&LOG), Messages::of_log(&LOG));
    let expected = other.next().unwrap();
    let place = Map::nothing(2 * PAGE);
    assert_eq!(sys::read_at(log.raw(), place.at, 4096), Err(Errno::EFAULT));
    // Only the first bytes are valid.
    sys::mprotect(place.at, PAGE, RW).unwrap();
    assert_eq!(
        sys::read_at(log.raw(), place.at + PAGE - 4, 4096),
        Err(Errno::EFAULT)
    );
    assert_eq!(log.next(), Ok(expected));
}

/// Writes enough to overwrite everything in the small ring.
pub fn lap() -> usize {
    let _unlimited = unlimited(&LOG2);
    let writer = LOG2.open();
    let count = 1200;
    for n in 0..count {
        append(&writer, &format!("lap {n:04}"));
    }
    count
}

fn log_read_when_lapped_is_epipe_once() {
    let log = Messages::of_log(&LOG2);
    log.all();
    append(&LOG2.open(), "something to be passed over");
    lap();
    assert_eq!(log.next(), Err(Errno::EPIPE));
    // It continues with the oldest remaining record after those that it has read.
    let left = Messages::of_log(&LOG2).all();
    let oldest = left
        .into_iter()
        .find(|m| text(m).starts_with("lap "))
        .unwrap();
    assert_eq!(log.next(), Ok(oldest));
    let rest = log.all();
    assert!(
        rest.iter()
            .filter(|message| text(message).starts_with("lap "))
            .count()
            > 200
    );
    for pair in rest.windows(2) {
        assert_eq!(number(&pair[1]), number(&pair[0]) + 1, "{pair:?}");
    }
}

fn log_read_counts_what_it_lost() {
    append(&LOG2.open(), "something to be passed over");
    let log = Messages::of_log(&LOG2);
    log.skip_all();
    append(&LOG2.open(), "the first");
    let first = log.next().expect("a record");
    assert_eq!(stats(log.raw()).lost, 0);
    lap();
    assert_eq!(log.next(), Err(Errno::EPIPE));
    let resumed = log.next().expect("a record");
    assert_eq!(stats(log.raw()).lost, number(&resumed) - number(&first) - 1);
    log.all();
    assert_eq!(stats(log.raw()).lost, number(&resumed) - number(&first) - 1);
}

fn log_read_of_two_descriptors_is_independent() {
    let (a, b) = (Messages::of_log(&LOG), Messages::of_log(&LOG));
    let first = a.next().unwrap();
    a.next().unwrap();
    assert_eq!(b.next(), Ok(first));
}

fn log_read_of_a_forked_descriptor_shares_the_position() {
    let (log, other) = (Messages::of_log(&LOG), Messages::of_log(&LOG));
    let child = Child::spawn(|| i32::from(log.next().is_err()));
    assert_eq!(child.wait(), sys::Ended::Exit(0));
    other.next().unwrap();
    assert_eq!(log.next(), other.next());
}

fn log_lseek_is_that_of_dev_kmsg() {
    for log in [Messages::of_log(&LOG), Messages::of_kernel()] {
        let first = log.next().unwrap();
        log.next().unwrap();
        assert_eq!(sys::lseek(log.raw(), 0, SEEK_SET), Ok(0));
        assert_eq!(log.next(), Ok(first));
        assert_eq!(sys::lseek(log.raw(), 0, SEEK_END), Ok(0));
        assert_eq!(log.next(), Err(Errno::EAGAIN));
        let mark = unique("after the end");
        kmsg(&mark);
        log.find(&mark);
        assert_eq!(sys::lseek(log.raw(), 0, SEEK_SET), Ok(0));
        assert!(log.next().is_ok());
    }
}

fn log_lseek_refuses_what_dev_kmsg_refuses() {
    let (ours, theirs) = (Messages::of_log(&LOG), Messages::of_kernel());
    for offset in [0, 1, -1, 8, 1 << 32] {
        for whence in [SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 99] {
            let expected = sys::lseek(theirs.raw(), offset, whence);
            assert_eq!(
                sys::lseek(ours.raw(), offset, whence),
                expected,
                "offset {offset} whence {whence}"
            );
        }
    }
}

fn log_lseek_data_is_after_the_last_clear() {
    let mark = unique("before the clear");
    kmsg(&mark);
    Messages::of_log(&LOG).find(&mark);
    // SAFETY: SYSLOG_ACTION_CLEAR takes no buffer.
    let cleared = unsafe { libc::klogctl(5, std::ptr::null_mut(), 0) };
    if cleared != 0 {
        crate::skip!("the kernel's log can't be cleared");
    }
    let after = unique("after the clear");
    kmsg(&after);
    Messages::of_log(&LOG).find(&after);
    for log in [Messages::of_kernel(), Messages::of_log(&LOG)] {
        assert_eq!(sys::lseek(log.raw(), 0, SEEK_DATA), Ok(0));
        let rest = log.all();
        assert!(rest.iter().any(|message| text(message) == after));
        assert!(
            !rest.iter().any(|message| text(message) == mark),
            "a cleared message"
        );
    }
}

/// The driver remembers where messages are among other records, and asks printk for the last clear
/// when it remembers too many places.
fn log_lseek_data_is_after_the_last_clear_among_records_of_programs_and_modules() {
    let _unlimited = unlimited(&LOG);
    let module = TestModule::load();
    let log = LOG.open();
    let follower = Messages::of_log(&LOG);
    follower.skip_all();
    let message = |what: &str| {
        let text = unique(what);
        kmsg(&text);
        follower.find(&text);
        text
    };
    for (before, after) in [(1, 1), (1, 40), (31, 1), (32, 2), (40, 70)] {
        let mut old = Vec::new();
        for _ in 0..before {
            old.push(unique("a program before the clear"));
            append(&log, old.last().expect("a text"));
            old.push(message("before the clear"));
        }
        // SAFETY: SYSLOG_ACTION_CLEAR takes no buffer.
        if unsafe { libc::klogctl(5, std::ptr::null_mut(), 0) } != 0 {
            crate::skip!("the kernel's log can't be cleared");
        }
        let mut new = Vec::new();
        for _ in 0..after {
            new.push(message("after the clear"));
            // Its records do not have the driver ask printk, those of programs do.
            module.flood(1, 0, "between messages");
        }
        let messages = Messages::of_log(&LOG);
        assert_eq!(sys::lseek(messages.raw(), 0, SEEK_DATA), Ok(0));
        let rest = messages.all();
        let rest: Vec<&str> = rest.iter().map(|message| text(message)).collect();
        let has = |wanted: &&String| rest.contains(&wanted.as_str());
        assert_eq!(old.iter().find(has), None, "what was cleared");
        assert!(new.iter().all(|text| has(&text)), "{new:?} in {rest:?}");
    }
}

fn log_pread_is_read_as_for_dev_kmsg() {
    for log in [Messages::of_log(&LOG), Messages::of_kernel()] {
        let first = log.next().expect("a message");
        let second = log.next().expect("a message");
        sys::lseek(log.raw(), 0, SEEK_SET).expect("lseek");
        // The offset is ignored, and the position moves.
        for expected in [first, second] {
            let mut buffer = [0; 8192];
            let n = sys::pread(log.raw(), &mut buffer, 0).expect("pread");
            assert_eq!(buffer[..n], *expected.as_bytes());
        }
    }
}
