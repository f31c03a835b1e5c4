// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log through read() in batches, of text and of records.

use std::os::fd::AsRawFd;

use libc::{SEEK_END, SEEK_SET};

use crate::log::read::lap;
use crate::support::dev::{LOG, LOG2};
use crate::support::log::{append, stats, Messages, Reader, Record};
use crate::support::mem::{Map, PAGE, RW};
use crate::support::sys::{self, Errno};
use crate::support::uapi;
use crate::tests;

tests! {
    levels:
        log_batch_of_text_is_whole_messages,
        log_batch_of_binary_is_whole_records,
        log_batch_into_a_short_buffer_is_einval_and_loses_nothing,
        log_batch_when_lapped_is_epipe_once,
        log_batch_into_a_half_bad_buffer_loses_nothing,
        log_form_unknown_is_einval,
        log_form_is_of_the_descriptor;
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

/// Parses a batch of binary records.
pub fn records(bytes: &[u8]) -> Vec<Record> {
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
        // Records of programs only: they do not displace the kernel's.
        sys::lseek(log.raw(), 0, SEEK_END).unwrap();
        append(&LOG2.open(), "something that is read");
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
