// SPDX-License-Identifier: MIT OR Apache-2.0
//! 3: reading 16384 existing records with 64 bytes of text each.

use std::fs::File;
use std::hint::black_box;
use std::os::fd::AsRawFd;

use fanlight::abi::{FORM_BINARY, FORM_KMSG, FORM_TEXT, IOC_LOG_FORM};
use fanlight_ring::{Cursor, Read, Record, Ring, RECORD_MAX};

use crate::device::{self, Kind, LOG};
use crate::meter::{least, Sheet};
use crate::sys::{self, Map};
use crate::touch::TRACE;

pub const COUNT: usize = 16384;
pub const LEN: usize = 64;
/// Bytes of such a record in the ring.
pub const RECORD: usize = 32 + LEN;
const SPAN: usize = 64 << 10;

/// Iterates over the records in place; returns their number.
pub fn in_place(cursor: &mut Cursor, ring: Ring<'_>) -> usize {
    let mut count = 0;
    loop {
        match cursor.read(&ring, SPAN, None) {
            Read::Empty => return count,
            Read::Lost(_) => {}
            Read::Records(mut span) => {
                let mut seen = 0;
                for slot in span.by_ref() {
                    black_box(slot.words());
                    seen += 1;
                }
                if span.commit() {
                    count += seen;
                }
            }
        }
    }
}

/// Copies batches of records and parses them; returns their number.
pub fn batches(cursor: &mut Cursor, ring: Ring<'_>, buffer: &mut [u8]) -> usize {
    let mut count = 0;
    each_copied(cursor, ring, buffer, |record| {
        black_box(record.entry.text);
        count += 1;
    });
    count
}

/// Passes a copy of each record to `each`.
fn each_copied(
    cursor: &mut Cursor,
    ring: Ring<'_>,
    buffer: &mut [u8],
    mut each: impl FnMut(&Record<'_>),
) {
    assert!(buffer.len() >= RECORD_MAX);
    loop {
        match cursor.read(&ring, buffer.len(), None) {
            Read::Empty => return,
            Read::Lost(_) => {}
            Read::Records(span) => {
                let mut rest = span.copy(buffer).unwrap_or(&[]);
                while let Some(record) = Record::parse(rest) {
                    each(&record);
                    rest = &rest[record.bytes().len()..];
                }
            }
        }
    }
}

/// The log's mapping: the header's page and the data.
pub fn map_log(path: &str, data: usize) -> Map {
    // The lane of programs has a quarter of that in addition, 16 KiB at least.
    let data = data + (data / 4).max(16 << 10);
    Map::new(&sys::open(path), 0, 4096 + data, false, libc::MAP_POPULATE)
}

pub fn set_form(file: &File, form: u32) {
    sys::ioctl(file.as_raw_fd(), IOC_LOG_FORM, &mut { form });
}

/// Reads to the end; returns the number of bytes, and of calls that returned some.
fn read_all(file: &File, buffer: &mut [u8]) -> (usize, usize) {
    let (mut bytes, mut calls) = (0, 0);
    while let Some(len) = sys::read(file.as_raw_fd(), buffer) {
        if len == 0 {
            break;
        }
        bytes += len;
        calls += 1;
    }
    (bytes, calls)
}

/// Checks that all records are there, in order and with the right text.
fn check(ring: Ring<'_>) {
    let mut buffer = vec![0; 1 << 16];
    let mut next = 0;
    each_copied(&mut Cursor::oldest(&ring), ring, &mut buffer, |record| {
        if record.entry.text == device::text(next, LEN) {
            next += 1;
        }
    });
    assert_eq!(next, COUNT, "records in the ring");
}

pub fn drain(sheet: &mut Sheet) {
    device::emit(Kind::Fanlight, LEN, 0, COUNT);
    let map = map_log(LOG, 2 << 20);
    let ring = map.ring();
    check(ring);
    // Earlier messages of the kernel are in the log as well.
    let all = in_place(&mut Cursor::oldest(&ring), ring);
    let mut buffer = vec![1; COUNT * RECORD];

    let took = least(5, || {
        assert_eq!(in_place(&mut Cursor::oldest(&ring), ring), all)
    });
    sheet.each("fanlight map, in place", "instructions/record", took, all);
    let took = least(5, || {
        assert_eq!(
            batches(&mut Cursor::oldest(&ring), ring, &mut buffer[..SPAN]),
            all
        );
    });
    sheet.each(
        "fanlight map, copied in batches",
        "instructions/record",
        took,
        all,
    );
    let log = fanlight::Log::open(LOG).expect("the log");
    let reader = || log.reader(fanlight::Start::Oldest).expect("a reader");
    let took = least(5, || drop(reader()));
    sheet.put(
        "fanlight map, library, a new reader",
        "instructions",
        took as f64,
    );
    // A reader is created once, and used for a long time.
    let mut readers: Vec<_> = (0..10).map(|_| reader()).collect();
    let mut reader = || readers.pop().expect("a reader");
    let took = least(5, || {
        let mut reader = reader();
        let count = reader.fold(0, |count, record| {
            black_box(record.seq());
            *count += 1;
        });
        assert_eq!(count.expect("a log"), all);
    });
    sheet.each(
        "fanlight map, library, in place",
        "instructions/record",
        took,
        all,
    );
    let took = least(5, || {
        let mut reader = reader();
        let mut count = 0;
        while let Some(record) = reader.next_record().expect("a record") {
            black_box(record);
            count += 1;
        }
        assert_eq!(count, all);
    });
    sheet.each(
        "fanlight map, library, one copy each",
        "instructions/record",
        took,
        all,
    );
    let took = least(5, || map.copy_out(4096, black_box(&mut buffer)));
    sheet.each(
        "limit: memcpy of the same bytes",
        "instructions/record",
        took,
        COUNT,
    );

    for (name, form) in [
        ("fanlight read(), one record", FORM_KMSG),
        ("fanlight read(), batches of text", FORM_TEXT),
        ("fanlight read(), batches of records", FORM_BINARY),
    ] {
        let took = (0..8).map(|_| {
            let file = sys::open(LOG);
            sys::set_nonblocking(&file);
            set_form(&file, form);
            crate::meter::time(|| {
                read_all(&file, &mut buffer[..SPAN]);
            })
        });
        sheet.each(name, "instructions/record", took.min().unwrap_or(0), all);
    }

    for (name, text) in [
        (
            "fanlight read(), batches of text, plain",
            &plain as &dyn Fn(usize) -> Vec<u8>,
        ),
        ("fanlight read(), batches of text, with escapes", &escaped),
    ] {
        let took = read_written(text, &mut buffer[..SPAN]);
        sheet.each(name, "instructions/record", took, WRITTEN);
    }

    // An instance with a mapping cannot be bound again.
    drop((map, log));
    device::without_fanlight(|| {
        device::emit(Kind::Printk, LEN, 0, COUNT);
        let took = (0..3).map(|_| {
            let file = sys::open("/dev/kmsg");
            sys::set_nonblocking(&file);
            let mut calls = 0;
            let took = crate::meter::time(|| calls = read_all(&file, &mut buffer[..8192]).1);
            assert!(calls >= COUNT, "{calls} records in /dev/kmsg");
            took / calls as u64
        });
        sheet.put(
            "/dev/kmsg",
            "instructions/record",
            took.min().unwrap_or(0) as f64,
        );
    });
    if device::has(TRACE) {
        ftrace(sheet, &mut buffer);
    }
}

/// Records that programs write, few enough to be in the ring at once.
const WRITTEN: usize = 2000;

/// 64 bytes that the text form does not escape.
fn plain(number: usize) -> Vec<u8> {
    device::text(number, LEN)
}

/// 64 bytes as a program that uses colours writes them: two of them are escape characters, which
/// are \x1b in the text form.
fn escaped(number: usize) -> Vec<u8> {
    let mut text = format!("\x1b[1mbench {number:08x}\x1b[0m ").into_bytes();
    text.resize(LEN, b'x');
    text
}

/// The minimum cost of reading [`WRITTEN`] records of a program. Each reader is positioned before
/// them.
fn read_written(text: &dyn Fn(usize) -> Vec<u8>, buffer: &mut [u8]) -> u64 {
    device::unlimited();
    let readers: Vec<File> = (0..5)
        .map(|_| {
            let file = sys::open(LOG);
            sys::set_nonblocking(&file);
            set_form(&file, FORM_TEXT);
            sys::seek_end(file.as_raw_fd());
            file
        })
        .collect();
    let log = sys::open_wo(LOG);
    for number in 0..WRITTEN {
        sys::write(log.as_raw_fd(), &text(number));
    }
    let took = readers.iter().map(|file| {
        let mut bytes = 0;
        let took = crate::meter::time(|| bytes = read_all(file, buffer).0);
        assert!(bytes > WRITTEN * LEN, "{bytes} bytes of text");
        took
    });
    took.min().unwrap_or(0)
}

/// The same records by ftrace: written through trace_marker, and read as pages that are not parsed.
fn ftrace(sheet: &mut Sheet, buffer: &mut [u8]) {
    device::put("/sys/kernel/tracing/buffer_size_kb", "4096");
    let mut took = u64::MAX;
    for _ in 0..3 {
        device::put("/sys/kernel/tracing/trace", "");
        let marker = sys::open_wo("/sys/kernel/tracing/trace_marker");
        for number in 0..COUNT {
            sys::write(marker.as_raw_fd(), &device::text(number, LEN));
        }
        let file = sys::open(TRACE);
        sys::set_nonblocking(&file);
        let mut bytes = 0;
        let this = crate::meter::time(|| bytes = read_all(&file, &mut buffer[..4096]).0);
        assert!(bytes >= COUNT * LEN, "{bytes} bytes in trace_pipe_raw");
        took = took.min(this);
    }
    sheet.each(
        "trace_pipe_raw read(), pages not taken apart",
        "instructions/record",
        took,
        COUNT,
    );
    device::put("/sys/kernel/tracing/buffer_size_kb", "64");
}
