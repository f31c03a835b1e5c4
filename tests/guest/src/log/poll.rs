// SPDX-License-Identifier: MIT OR Apache-2.0
//! poll() and epoll on the log, with and without a watermark.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use libc::{O_NONBLOCK, O_RDONLY, POLLERR, POLLIN, POLLPRI, POLLRDNORM};

use crate::support::child::{Child, Signal};
use crate::support::dev::{Window, LOG, LOG2};
use crate::support::log::{append, kmsg, unique, unlimited, Messages};
use crate::support::mem::{Map, PAGE};
use crate::support::sys::{self, Errno};
use crate::support::uapi::{self, Watermark};
use crate::tests;

tests! {
    levels:
        log_poll_at_the_end_reports_nothing,
        log_poll_reports_a_record_at_once,
        log_poll_is_woken_by_a_write,
        log_poll_is_woken_by_printk,
        log_poll_reports_loss_as_err_and_pri,
        log_poll_is_level_triggered,
        log_epoll_edge_triggers_for_each_record,
        log_watermark_of_records_is_reached_or_not,
        log_watermark_of_bytes_is_reached_or_not,
        log_watermark_delay_reports_an_old_record,
        log_watermark_of_records_and_delay_is_whichever_is_first,
        log_watermark_is_of_the_descriptor,
        log_watermark_of_nothing_is_the_first_record,
        log_watermark_with_reserved_bits_is_einval,
        log_watermark_keeps_a_reader_asleep_over_a_burst;
}

const READABLE: i16 = POLLIN | POLLRDNORM;

/// The small log, at its end.
fn at_the_end() -> Messages {
    let log = Messages {
        fd: LOG2.open_with(O_RDONLY | O_NONBLOCK).fd,
    };
    log.all();
    log
}

/// Milliseconds to wait for an event that should be reported immediately.
const LONG: u64 = 60_000;

fn poll(log: &Messages, milliseconds: u64) -> i16 {
    sys::poll(
        log.raw(),
        POLLIN | POLLRDNORM | POLLPRI,
        Duration::from_millis(milliseconds),
    )
}

fn watermark(log: &Messages, records: u32, bytes: u32, delay_us: u32) -> Result<usize, Errno> {
    let mut mark = Watermark {
        records,
        bytes,
        delay_us,
        reserved: 0,
    };
    sys::ioctl(log.raw(), uapi::IOC_LOG_WATERMARK, &mut mark)
}

/// Appends after a delay, in another process.
fn later(milliseconds: u64, message: &str) -> Child {
    let message = message.to_owned();
    Child::spawn(move || {
        std::thread::sleep(Duration::from_millis(milliseconds));
        append(&LOG2.open(), &message);
        0
    })
}

fn log_poll_at_the_end_reports_nothing() {
    assert_eq!(poll(&at_the_end(), 50), 0);
}

fn log_poll_reports_a_record_at_once() {
    let log = at_the_end();
    append(&LOG2.open(), "now");
    assert_eq!(poll(&log, 0), READABLE);
    log.all();
    assert_eq!(poll(&log, 0), 0);
}

fn log_poll_is_woken_by_a_write() {
    let log = at_the_end();
    let began = Instant::now();
    let child = later(100, "wake up");
    assert_eq!(poll(&log, LONG), READABLE);
    let took = began.elapsed();
    assert!((90..LONG.into()).contains(&took.as_millis()), "{took:?}");
    child.wait();
}

fn log_poll_is_woken_by_printk() {
    let log = at_the_end();
    let child = Child::spawn(|| {
        std::thread::sleep(Duration::from_millis(100));
        kmsg("wake up, says the kernel");
        0
    });
    assert_eq!(poll(&log, LONG), READABLE);
    child.wait();
}

fn lap(log: &Window) {
    let _unlimited = unlimited(&LOG2);
    for n in 0..1200 {
        append(log, &format!("lap {n:04}"));
    }
}

fn log_poll_reports_loss_as_err_and_pri() {
    let log = at_the_end();
    let writer = LOG2.open();
    append(&writer, "to be passed over");
    assert_eq!(poll(&log, 0), READABLE);
    lap(&writer);
    // As /dev/kmsg: readable, with an error.
    assert_eq!(poll(&log, 0), READABLE | POLLERR | POLLPRI);
    assert_eq!(log.next(), Err(Errno::EPIPE));
    assert_eq!(poll(&log, 0), READABLE);
}

fn log_poll_is_level_triggered() {
    let log = at_the_end();
    append(&LOG2.open(), "one");
    append(&LOG2.open(), "two");
    for _ in 0..2 {
        assert_eq!(poll(&log, 0) & READABLE, READABLE);
    }
    log.next().unwrap();
    assert_eq!(poll(&log, 0) & READABLE, READABLE);
}

fn log_epoll_edge_triggers_for_each_record() {
    let log = at_the_end();
    let epoll = sys::epoll_of(log.raw(), libc::EPOLLIN | libc::EPOLLET);
    let wait = |milliseconds| {
        sys::epoll_wait(epoll.as_raw_fd(), Duration::from_millis(milliseconds)).is_some()
    };
    assert!(!wait(20));
    for n in 0..3 {
        append(&LOG2.open(), &format!("edge {n}"));
        assert!(wait(2000), "edge {n}");
        assert!(!wait(20), "one edge {n} only");
    }
}

fn log_watermark_of_records_is_reached_or_not() {
    let log = at_the_end();
    let writer = LOG2.open();
    watermark(&log, 5, 0, 0).unwrap();
    for n in 0..4 {
        append(&writer, &format!("record {n}"));
        assert_eq!(poll(&log, 10) & POLLIN, 0, "after {}", n + 1);
    }
    // read() returns the records anyway.
    let mut other = Vec::new();
    append(&writer, "record 4");
    assert_eq!(poll(&log, 2000) & POLLIN, POLLIN);
    other.extend(log.next());
    assert_eq!(other.len(), 1);
    assert_eq!(poll(&log, 10) & POLLIN, 0, "four are left");
}

fn log_watermark_of_bytes_is_reached_or_not() {
    let log = at_the_end();
    let writer = LOG2.open();
    watermark(&log, 0, 4096, 0).unwrap();
    let _unlimited = unlimited(&LOG2);
    // 32 bytes of header and 100 of text, to a multiple of 8: 136 per record.
    for n in 0..29 {
        append(&writer, &format!("{n:0100}"));
    }
    assert_eq!(poll(&log, 10) & POLLIN, 0, "29 * 136 = 3944 bytes");
    for n in 0..2 {
        append(&writer, &format!("{n:0100}"));
    }
    assert_eq!(poll(&log, 2000) & POLLIN, POLLIN, "31 * 136 = 4216 bytes");
}

fn log_watermark_delay_reports_an_old_record() {
    let log = at_the_end();
    watermark(&log, 0, 0, 200_000).unwrap();
    append(&LOG2.open(), "in a while");
    let began = Instant::now();
    assert_eq!(poll(&log, 50) & POLLIN, 0);
    assert_eq!(poll(&log, LONG) & POLLIN, POLLIN);
    let took = began.elapsed().as_millis();
    assert!((150..LONG.into()).contains(&took), "{took} ms");
}

fn log_watermark_of_records_and_delay_is_whichever_is_first() {
    let log = at_the_end();
    let writer = LOG2.open();
    watermark(&log, 100, 0, 200_000).unwrap();
    let _unlimited = unlimited(&LOG2);
    append(&writer, "alone");
    let began = Instant::now();
    assert_eq!(poll(&log, LONG) & POLLIN, POLLIN, "the delay");
    assert!(began.elapsed().as_millis() >= 150);
    log.all();
    watermark(&log, 10, 0, 120_000_000).unwrap();
    for n in 0..10 {
        append(&writer, &format!("many {n}"));
    }
    // Before the delay.
    assert_eq!(poll(&log, LONG) & POLLIN, POLLIN, "the records");
}

fn log_watermark_is_of_the_descriptor() {
    let (high, low) = (at_the_end(), at_the_end());
    watermark(&high, 50, 0, 0).unwrap();
    append(&LOG2.open(), "for one of them");
    assert_eq!(poll(&low, 2000) & POLLIN, POLLIN);
    assert_eq!(poll(&high, 10) & POLLIN, 0);
}

fn log_watermark_of_nothing_is_the_first_record() {
    let log = at_the_end();
    watermark(&log, 50, 0, 0).unwrap();
    append(&LOG2.open(), "one");
    assert_eq!(poll(&log, 10) & POLLIN, 0);
    watermark(&log, 0, 0, 0).unwrap();
    assert_eq!(poll(&log, 0) & POLLIN, POLLIN);
}

fn log_watermark_with_reserved_bits_is_einval() {
    let log = at_the_end();
    let mut mark = Watermark {
        records: 1,
        reserved: 1,
        ..Watermark::default()
    };
    assert_eq!(
        sys::ioctl(log.raw(), uapi::IOC_LOG_WATERMARK, &mut mark),
        Err(Errno::EINVAL)
    );
    let hole = Map::nothing(PAGE);
    assert_eq!(
        sys::ioctl_at(log.raw(), uapi::IOC_LOG_WATERMARK, hole.at),
        Err(Errno::EFAULT)
    );
}

fn log_watermark_keeps_a_reader_asleep_over_a_burst() {
    let (ready, done) = (Signal::new(), Signal::new());
    let last = unique("the last of the burst");
    let child = Child::spawn(|| {
        let log = Messages {
            fd: LOG.open_with(O_RDONLY | O_NONBLOCK).fd,
        };
        log.skip_all();
        watermark(&log, 200, 0, 500_000).unwrap();
        ready.send();
        let mut wakes = 0;
        loop {
            if poll(&log, 5000) & POLLIN == 0 {
                return 1;
            }
            wakes += 1;
            if log.all().iter().any(|message| message.contains(&last)) {
                done.send_value(wakes);
                return 0;
            }
        }
    });
    ready.wait();
    let _unlimited = unlimited(&LOG);
    let writer = LOG.open();
    for n in 0..2000 {
        append(&writer, &format!("burst {n}"));
    }
    append(&writer, &last);
    let wakes = done.wait();
    child.wait();
    assert!(wakes <= 15, "{wakes} wakes for 2000 records");
}
