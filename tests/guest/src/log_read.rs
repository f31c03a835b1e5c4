// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log through read() and lseek(), in the form of /dev/kmsg and in batches. /dev/kmsg itself says what is right.

use std::os::fd::AsRawFd;
use std::time::Duration;

use libc::{O_NONBLOCK, O_RDONLY, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET};

use crate::dev::{LOG, LOG2};
use crate::harness::{Child, Signal};
use crate::log::{
    append, kmsg, number, stats, text, unique, without_number, Messages, Reader, Record,
};
use crate::mem::{Map, PAGE, RW};
use crate::sys::{self, Errno};
use crate::tests;
use crate::uapi;

tests! {
    quick:
        log_read_text_is_that_of_dev_kmsg,
        log_read_text_of_odd_bytes_is_that_of_dev_kmsg,
        log_read_gives_one_record_a_call,
        log_read_is_the_same_as_the_map,
        log_read_nonblocking_at_the_end_is_eagain,
        log_read_nonblocking_set_by_fcntl_is_eagain,
        log_read_blocks_until_a_record_comes,
        log_read_interrupted_by_a_signal_is_eintr,
        log_read_into_a_short_buffer_is_einval_and_loses_nothing,
        log_read_into_a_bad_pointer_is_efault_and_loses_nothing,
        log_read_when_lapped_is_epipe_once,
        log_read_counts_what_it_lost,
        log_read_of_two_descriptors_is_independent,
        log_read_of_a_forked_descriptor_shares_the_position,
        log_lseek_goes_where_dev_kmsg_goes,
        log_lseek_refuses_what_dev_kmsg_refuses,
        log_lseek_data_is_after_the_last_clear,
        log_batch_of_text_is_whole_messages,
        log_batch_of_binary_is_whole_records,
        log_batch_into_a_short_buffer_is_einval_and_loses_nothing,
        log_batch_when_lapped_is_epipe_once,
        log_batch_into_a_half_bad_buffer_loses_nothing,
        log_form_unknown_is_einval,
        log_form_is_of_the_descriptor;
}

/// Ours and the kernel's messages from one mark on to another.
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
        .map(|m| without_number(m))
        .collect();
    let first = without_number(&theirs[0]);
    let mut rest = ours[ours
        .iter()
        .position(|m| *m == first)
        .expect("the oldest message")..]
        .iter();
    for message in &theirs {
        let message = without_number(message);
        // What tests wrote to the log itself is not in the kernel's.
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

fn log_read_gives_one_record_a_call() {
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
    // SAFETY: a flag of a descriptor of ours.
    unsafe { libc::fcntl(log.raw(), libc::F_SETFL, O_NONBLOCK) };
    log.all();
    assert_eq!(log.next(), Err(Errno::EAGAIN));
}

fn log_read_blocks_until_a_record_comes() {
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
    assert!(
        done.wait_for(Duration::from_secs(2)).is_some(),
        "the reader sleeps on"
    );
    child.wait();
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
    assert_eq!(
        done.wait_for(Duration::from_secs(2)),
        Some(libc::EINTR as u64)
    );
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
    // /dev/kmsg would have passed over it.
    let mut exact = vec![0; expected.len()];
    assert_eq!(sys::read(log.raw(), &mut exact), Ok(expected.len()));
    assert_eq!(exact, expected.as_bytes());
}

fn log_read_into_a_bad_pointer_is_efault_and_loses_nothing() {
    let (log, other) = (Messages::of_log(&LOG), Messages::of_log(&LOG));
    let expected = other.next().unwrap();
    let place = Map::nothing(2 * PAGE);
    assert_eq!(sys::read_at(log.raw(), place.at, 4096), Err(Errno::EFAULT));
    // Good for the first bytes only.
    sys::mprotect(place.at, PAGE, RW).unwrap();
    assert_eq!(
        sys::read_at(log.raw(), place.at + PAGE - 4, 4096),
        Err(Errno::EFAULT)
    );
    assert_eq!(log.next(), Ok(expected));
}

/// Writes enough to pass over everything that was in the small ring.
fn lap() -> usize {
    let writer = LOG2.open();
    let count = 1200;
    for n in 0..count {
        append(&writer, &format!("lap {n:04}"));
    }
    count
}

fn log_read_when_lapped_is_epipe_once() {
    append(&LOG2.open(), "something to be passed over");
    let log = Messages::of_log(&LOG2);
    log.next().expect("a record");
    lap();
    assert_eq!(log.next(), Err(Errno::EPIPE));
    // It goes on with the oldest that is left.
    let oldest = Messages::of_log(&LOG2).next().unwrap();
    assert_eq!(log.next(), Ok(oldest));
    let rest = log.all();
    assert!(
        rest.iter()
            .filter(|message| text(message).starts_with("lap "))
            .count()
            > 300
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

fn log_lseek_goes_where_dev_kmsg_goes() {
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

fn set_form(log: &Messages, form: u32) -> Result<usize, Errno> {
    let mut form = form;
    sys::ioctl(log.raw(), uapi::IOC_LOG_FORM, &mut form)
}

fn log_batch_of_text_is_whole_messages() {
    let single = Messages::of_log(&LOG).all();
    let log = Messages::of_log(&LOG);
    set_form(&log, uapi::FORM_TEXT).unwrap();
    let mut text = Vec::new();
    let mut calls = 0;
    while text.len() < single.concat().len() {
        let mut buffer = [0; 4096];
        let n = sys::read(log.raw(), &mut buffer).expect("a batch");
        assert_eq!(buffer[n - 1], b'\n', "a batch ends with a message");
        text.extend_from_slice(&buffer[..n]);
        calls += 1;
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with(&single.concat()));
    assert!(
        calls * 5 < single.len(),
        "{calls} calls for {} messages",
        single.len()
    );
}

/// Takes a batch of binary records apart.
fn records(bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len_state = u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        let len = (len_state & 0xff_fff8) as usize;
        assert_eq!(len_state >> 24, uapi::RECORD_WHOLE, "only whole records");
        assert!(at + len <= bytes.len(), "a record that is cut off");
        records.push(Record {
            position: 0,
            ..Record::parse(&bytes[at..at + len], 0)
        });
        at += len;
    }
    records
}

fn log_batch_of_binary_is_whole_records() {
    let by_map: Vec<Record> = Reader::new(&LOG)
        .all()
        .into_iter()
        .map(|r| Record { position: 0, ..r })
        .collect();
    let log = Messages::of_log(&LOG);
    set_form(&log, uapi::FORM_BINARY).unwrap();
    let mut got = Vec::new();
    let mut calls = 0;
    while got.len() < by_map.len() {
        let mut buffer = [0; 4096];
        let n = sys::read(log.raw(), &mut buffer).expect("a batch");
        assert!(
            n > 4096 - uapi::RECORD_MAX || got.len() + records(&buffer[..n]).len() >= by_map.len(),
            "{n} bytes only"
        );
        got.extend(records(&buffer[..n]));
        calls += 1;
    }
    assert_eq!(got[..by_map.len()], by_map[..]);
    assert!(calls * 5 < by_map.len());
}

fn log_batch_into_a_short_buffer_is_einval_and_loses_nothing() {
    for form in [uapi::FORM_TEXT, uapi::FORM_BINARY] {
        let (log, other) = (Messages::of_log(&LOG), Messages::of_log(&LOG));
        for log in [&log, &other] {
            set_form(log, form).unwrap();
        }
        let (mut expected, mut got) = (vec![0; 4096], vec![0; 4096]);
        let n = sys::read(other.raw(), &mut expected).unwrap();
        for len in [0, 1, 16] {
            assert_eq!(
                sys::read(log.raw(), &mut vec![0; len]),
                Err(Errno::EINVAL),
                "{len} bytes, form {form}"
            );
        }
        assert_eq!(sys::read(log.raw(), &mut got), Ok(n));
        assert_eq!(got, expected, "form {form}");
    }
}

fn log_batch_when_lapped_is_epipe_once() {
    append(&LOG2.open(), "something to be passed over");
    for form in [uapi::FORM_TEXT, uapi::FORM_BINARY] {
        let log = Messages::of_log(&LOG2);
        set_form(&log, form).unwrap();
        sys::lseek(log.raw(), 0, SEEK_SET).unwrap();
        let mut buffer = [0; 2048];
        sys::read(log.raw(), &mut buffer).expect("a batch");
        lap();
        assert_eq!(
            sys::read(log.raw(), &mut buffer),
            Err(Errno::EPIPE),
            "form {form}"
        );
        let n = sys::read(log.raw(), &mut buffer).expect("a batch");
        assert!(n > 0);
        assert!(stats(log.raw()).lost > 0);
    }
}

fn log_batch_into_a_half_bad_buffer_loses_nothing() {
    let place = Map::nothing(2 * PAGE);
    sys::mprotect(place.at, PAGE, RW).unwrap();
    for form in [uapi::FORM_TEXT, uapi::FORM_BINARY] {
        let (log, other) = (Messages::of_log(&LOG), Messages::of_log(&LOG));
        for log in [&log, &other] {
            set_form(log, form).unwrap();
        }
        let mut expected = vec![0; 16384];
        let len = sys::read(other.raw(), &mut expected).unwrap();
        // Whole records that were copied count; the rest comes with the next call.
        let edge = place.at + PAGE - 1024;
        let first = match sys::read_at(log.raw(), edge, 8192) {
            Ok(n) => place.copy(PAGE - 1024, 1024)[..n].to_vec(),
            Err(refused) => {
                assert_eq!(refused, Errno::EFAULT);
                Vec::new()
            }
        };
        let mut got = first;
        while got.len() < len {
            let mut more = vec![0; 16384];
            let n = sys::read(log.raw(), &mut more).expect("the rest");
            got.extend_from_slice(&more[..n]);
        }
        assert_eq!(got[..len], expected[..len], "form {form}");
    }
}

fn log_form_unknown_is_einval() {
    let log = Messages::of_log(&LOG);
    for form in [3, 4, u32::MAX] {
        assert_eq!(set_form(&log, form), Err(Errno::EINVAL), "form {form}");
    }
    let hole = Map::nothing(PAGE);
    assert_eq!(
        sys::ioctl_at(log.raw(), uapi::IOC_LOG_FORM, hole.at),
        Err(Errno::EFAULT)
    );
    assert!(log.next().is_ok());
}

fn log_form_is_of_the_descriptor() {
    let (a, b) = (Messages::of_log(&LOG), Messages::of_log(&LOG));
    set_form(&a, uapi::FORM_BINARY).unwrap();
    let mut buffer = [0; 4096];
    let n = sys::read(a.raw(), &mut buffer).unwrap();
    let first = &records(&buffer[..n])[0];
    assert_eq!(b.next(), Ok(first.as_kmsg()));
    set_form(&a, uapi::FORM_KMSG).unwrap();
    sys::lseek(a.raw(), 0, SEEK_SET).unwrap();
    assert_eq!(a.next(), Ok(first.as_kmsg()));
    assert!(a.fd.as_raw_fd() >= 0);
}
