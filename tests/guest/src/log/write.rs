// SPDX-License-Identifier: MIT OR Apache-2.0
//! write() to the log's node. The expected records are those of the same write to /dev/kmsg.

use std::os::fd::{AsRawFd, OwnedFd};

use libc::{O_RDONLY, O_WRONLY};

use crate::support::child::Child;
use crate::support::dev::{LOG, LOG2};
use crate::support::log::{append, kmsg, stats, text, unique, unlimited, Messages, Reader};
use crate::support::mem::{Map, PAGE};
use crate::support::sys::{self, Ended, Errno};
use crate::tests;

tests! {
    levels:
        log_write_appends_a_record,
        log_write_parses_the_prefix_as_dev_kmsg_does,
        log_write_stores_odd_bytes_as_dev_kmsg_does,
        log_write_marks_the_record_as_a_users,
        log_write_does_not_reach_the_kernels_log,
        log_write_names_its_task_and_time,
        log_write_never_passes_for_the_kernel,
        log_write_too_long_is_einval_as_for_dev_kmsg,
        log_write_of_the_maximum_length_is_stored_whole,
        log_write_from_a_bad_pointer_is_efault,
        log_write_needs_a_writable_descriptor,
        log_write_by_writev_is_one_record,
        log_write_is_counted_in_the_statistics,
        log_write_by_shell_echo_works,
        log_write_poll_reports_pollout_to_writers_only;
    cores:
        log_write_from_many_processes_loses_nothing;
}

fn log_write_appends_a_record() {
    let mut reader = Reader::at_the_end(&LOG);
    let hello = unique("hello");
    append(&LOG.open_with(O_WRONLY), &format!("<5>{hello}\n"));
    let record = reader.next().expect("a record as soon as write() returns");
    assert_eq!(
        (record.text(), record.level, record.facility),
        (hello, 5, 1)
    );
}

fn sys_kmsg() -> OwnedFd {
    kmsg("the messages of the next test");
    sys::open("/dev/kmsg", O_WRONLY).expect("/dev/kmsg")
}

/// Writes the same to both and compares priority and text.
fn same_in_both(message: &str) {
    let (mut ours, theirs) = (Reader::at_the_end(&LOG), Messages::of_kernel());
    let kernel_fd = sys_kmsg();
    theirs.skip_all();
    append(&LOG.open_with(O_WRONLY), message);
    // printk's messages are appended later, by the console's thread.
    let own = ours
        .all()
        .into_iter()
        .find(|record| record.is_user())
        .expect("a record")
        .as_kmsg();
    // Without a newline; then one more line, since printk does not publish a message without
    // newline before the next one.
    assert_eq!(
        sys::write(kernel_fd.as_raw_fd(), message.as_bytes()),
        Ok(message.len())
    );
    kmsg("and on");
    let kernel = theirs.all().into_iter().next().expect("a message");
    let priority = |message: &str| message.split(',').next().unwrap().to_owned();
    let rest = |message: &str| message.split_once(';').unwrap().1.to_owned();
    assert_eq!(
        (priority(&own), rest(&own)),
        (priority(&kernel), rest(&kernel)),
        "{message:?}"
    );
}

fn log_write_parses_the_prefix_as_dev_kmsg_does() {
    for prefix in [
        "",
        "<0>",
        "<7>",
        "<8>",
        "<15>",
        "<46>",
        "<191>",
        "<2047>",
        "<2048>",
        "<99999>",
        "<4",
        "<>",
        "<a>",
        "<-1>",
        "< 4>",
        "<4> ",
        "<<4>",
        "<4><5>",
        "<04>",
        "<4294967300>",
    ] {
        same_in_both(&format!(
            "{prefix}the prefix {}",
            prefix.replace(['<', '>'], "|")
        ));
    }
}

fn log_write_stores_odd_bytes_as_dev_kmsg_does() {
    for message in [
        "newline\n",
        "two newlines\n\n",
        "in the\nmiddle",
        "carriage\r\n",
        "nul\0after",
        "tab\t",
        "\\",
        "grüße",
        "\x7f",
        " leading",
        "trailing ",
        "<4>",
        "<4>\n",
    ] {
        same_in_both(message);
    }
}

fn log_write_marks_the_record_as_a_users() {
    let mut reader = Reader::at_the_end(&LOG);
    let (own, kernels) = (unique("to the log"), unique("to the kernel"));
    append(&LOG.open(), &own);
    kmsg(&kernels);
    assert!(reader.find(&own).is_user());
    assert!(!reader.find(&kernels).is_user());
}

fn log_write_does_not_reach_the_kernels_log() {
    let theirs = Messages::of_kernel();
    theirs.skip_all();
    let hello = unique("for the ring alone");
    append(&LOG.open(), &hello);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(!theirs.all().iter().any(|message| text(message) == hello));
}

fn log_write_names_its_task_and_time() {
    let mut reader = Reader::at_the_end(&LOG);
    let theirs = Messages::of_kernel();
    theirs.skip_all();
    let (before, after) = (unique("before"), unique("after"));
    kmsg(&before);
    append(&LOG.open(), "who and when");
    kmsg(&after);
    let record = reader.find("who and when");
    assert_eq!(record.caller, std::process::id());
    // By printk's clock, which is not the monotonic one.
    let micros = |mark: &str| -> u64 {
        let message = theirs.find(mark);
        message
            .split(',')
            .nth(2)
            .and_then(|n| n.parse().ok())
            .expect("a time")
    };
    let (before, after) = (micros(&before), micros(&after));
    assert!(
        (before..=after).contains(&(record.ns / 1000)),
        "{} us is not between {before} and {after}",
        record.ns / 1000
    );
}

fn log_write_never_passes_for_the_kernel() {
    let mut reader = Reader::at_the_end(&LOG);
    append(&LOG.open(), "<3>as if from the kernel");
    assert_ne!(reader.find("as if from the kernel").facility, 0);
}

fn log_write_too_long_is_einval_as_for_dev_kmsg() {
    let theirs = sys::open("/dev/kmsg", O_WRONLY).unwrap();
    let ours = LOG.open_with(O_WRONLY);
    let mut reader = Reader::at_the_end(&LOG);
    for len in [1025, 2048, 4096, 100_000] {
        let bytes = vec![b'z'; len];
        let expected = sys::write(theirs.as_raw_fd(), &bytes);
        assert_eq!(sys::write(ours.raw(), &bytes), expected, "{len} bytes");
    }
    assert_eq!(reader.next(), None);
}

fn log_write_of_the_maximum_length_is_stored_whole() {
    let mut reader = Reader::at_the_end(&LOG);
    let longest = "w".repeat(1000);
    append(&LOG.open(), &longest);
    let mut text = reader.next().expect("a record").text();
    // Readers with small buffers may get it in pieces.
    while let Some(more) = reader.next() {
        text.push_str(&more.text());
    }
    assert_eq!(text, longest);
}

fn log_write_from_a_bad_pointer_is_efault() {
    let hole = Map::nothing(PAGE);
    let mut reader = Reader::at_the_end(&LOG);
    assert_eq!(
        sys::write_from(LOG.open().raw(), hole.at, 16),
        Err(Errno::EFAULT)
    );
    assert_eq!(reader.next(), None);
}

fn log_write_needs_a_writable_descriptor() {
    assert_eq!(
        sys::write(LOG.open_with(O_RDONLY).raw(), b"no"),
        Err(Errno::EBADF)
    );
    assert_eq!(
        sys::read(LOG.open_with(O_WRONLY).raw(), &mut [0; 4096]),
        Err(Errno::EBADF)
    );
}

fn log_write_by_writev_is_one_record() {
    let mut reader = Reader::at_the_end(&LOG);
    let pieces = ["<6>one ", "record ", "of three"];
    let pieces = pieces.map(|p| libc::iovec {
        iov_base: p.as_ptr().cast_mut().cast(),
        iov_len: p.len(),
    });
    // SAFETY: three pieces, which the kernel only reads.
    let n = unsafe { libc::writev(LOG.open().raw(), pieces.as_ptr(), 3) };
    assert_eq!(n, 22);
    assert_eq!(
        reader.next().expect("a record").text(),
        "one record of three"
    );
    assert_eq!(reader.next(), None);
}

fn log_write_is_counted_in_the_statistics() {
    let log = LOG2.open();
    let before = stats(log.raw());
    for n in 0..10 {
        append(&log, &format!("counted {n}"));
    }
    let after = stats(log.raw());
    assert!(
        (10..20).contains(&(after.written - before.written)),
        "{before:?} {after:?}"
    );
    assert_eq!(after.dropped, before.dropped);
    assert!(after.overwritten <= after.written);
}

fn log_write_by_shell_echo_works() {
    let mut reader = Reader::at_the_end(&LOG);
    let hello = unique("by the shell");
    let command = format!("echo '<4>{hello}' > {}", LOG.path());
    let status = std::process::Command::new("sh")
        .arg("-c")
        .arg(command)
        .status();
    assert!(status
        .unwrap_or_else(|_| crate::skip!("no shell"))
        .success());
    assert_eq!(reader.find(&hello).level, 4);
}

fn log_write_from_many_processes_loses_nothing() {
    const WRITERS: usize = 8;
    // All of them fit in the lane of programs.
    const EACH: usize = 250;
    let mut reader = Reader::at_the_end(&LOG);
    let mark = unique("many");
    let _unlimited = unlimited(&LOG);
    let children: Vec<Child> = (0..WRITERS)
        .map(|writer| {
            let mark = &mark;
            Child::spawn(move || {
                let log = LOG.open_with(O_WRONLY);
                for n in 0..EACH {
                    append(
                        &log,
                        &format!(
                            "<6>{mark} {writer} {n} {}",
                            "#".repeat((n * 7 + writer) % 50)
                        ),
                    );
                }
                0
            })
        })
        .collect();
    for child in children {
        assert_eq!(child.wait(), Ended::Exit(0));
    }
    let mut next = [0; WRITERS];
    for record in reader.all() {
        let text = record.text();
        let Some(rest) = text.strip_prefix(&mark) else {
            continue;
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (writer, n): (usize, usize) = (words[0].parse().unwrap(), words[1].parse().unwrap());
        assert_eq!(n, next[writer], "in the order of its writer");
        assert_eq!(
            words.get(2).map_or(0, |w| w.len()),
            (n * 7 + writer) % 50,
            "{text}"
        );
        next[writer] += 1;
    }
    assert_eq!(next, [EACH; WRITERS]);
    assert_eq!(reader.lost, 0);
}

fn log_write_poll_reports_pollout_to_writers_only() {
    use libc::{POLLOUT, POLLWRNORM};
    const WRITABLE: i16 = POLLOUT | POLLWRNORM;
    let poll = |flags| {
        let log = LOG.open_with(flags);
        sys::poll(log.raw(), WRITABLE, std::time::Duration::ZERO) & WRITABLE
    };
    assert_eq!(poll(O_WRONLY), WRITABLE);
    assert_eq!(poll(libc::O_RDWR), WRITABLE);
    assert_eq!(poll(O_RDONLY), 0);
}
