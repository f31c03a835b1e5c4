// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log through its mapping: the header, the messages of the boot, and later records.

use crate::support::dev::{Unbound, LOG, LOG2};
use crate::support::log::{
    append, comparable, console_loglevel, kernel_boot_id, kmsg, number, stats, text, unique,
    unlimited, without_number, Messages, Reader,
};
use crate::support::uapi;
use crate::tests;

tests! {
    levels:
        log_map_header_is_as_the_abi_has_it,
        log_map_header_has_the_kernels_boot_id,
        log_map_begins_with_the_first_line_of_the_boot,
        log_map_has_every_kernel_message_in_order,
        log_map_records_have_the_layout_of_the_abi,
        log_map_numbers_step_by_one,
        log_map_shows_what_is_written_to_kmsg,
        log_map_keeps_level_facility_and_time_of_a_kmsg_write,
        log_map_keeps_the_dictionary_of_device_messages,
        log_map_of_the_second_instance_has_the_boot_too,
        log_map_wraps_and_continues,
        log_map_has_no_message_twice,
        log_map_is_read_by_the_code_in_the_header;
}

fn log_map_header_is_as_the_abi_has_it() {
    for spec in [LOG, LOG2] {
        let reader = Reader::new(&spec);
        let header = reader.header();
        assert_eq!(header.magic, uapi::LOG_MAGIC);
        assert_eq!(header.version, uapi::LOG_VERSION);
        assert_eq!(header.header_size, 4096);
        assert_eq!(header.data_size as usize, spec.size - 4096);
        assert_eq!(header.reserved, [0; 24]);
        let mut offset = header.header_size;
        for (number, lane) in header.lanes.iter().enumerate() {
            assert!(lane.size.is_power_of_two() && lane.size >= [0x8000, 0x4000][number]);
            assert_eq!(lane.reserved, [0; 3]);
            assert_eq!(lane.offset, offset, "the lanes follow each other");
            offset += lane.size;
            let (head, tail) = (reader.head(number), reader.tail(number));
            assert!(head - tail <= lane.size.into(), "{tail} to {head}");
            assert_eq!((head % 8, tail % 8), (0, 0));
        }
        assert_eq!(offset as usize, spec.size);
        let clocks = reader.clocks();
        assert_eq!((clocks.changes % 2, clocks.reserved), (0, [0; 2]));
        let used = &clocks.entries[..clocks.count as usize];
        assert!(used.is_sorted_by(|a, b| a.ns < b.ns), "{used:?}");
        assert_eq!(used.first().map(|entry| entry.ns), Some(0), "{used:?}");
    }
}

fn log_map_header_has_the_kernels_boot_id() {
    let id = kernel_boot_id();
    for spec in [LOG, LOG2] {
        assert_eq!(Reader::new(&spec).boot_id(), id);
        assert_eq!(spec.attribute("boot_id"), id);
    }
    drop(Unbound::new(LOG2.node));
    assert_eq!(Reader::new(&LOG2).boot_id(), id, "the same boot");
}

fn log_map_begins_with_the_first_line_of_the_boot() {
    let first = Reader::new(&LOG).next().expect("a record");
    let oldest = Messages::of_kernel().next().expect("a message");
    if text(&oldest).starts_with("Booting Linux") {
        assert!(first.text().starts_with("Booting Linux"), "{first:?}");
    } else {
        // printk's buffer has overwritten them since; the ring is larger.
        assert!(first.ns / 1000 <= oldest.split(',').nth(2).unwrap().parse().unwrap());
    }
}

/// The kernel's messages, and the ring's records of them once it has them all.
fn both() -> (Vec<String>, Vec<String>) {
    let mark = unique("log test mark");
    kmsg(&mark);
    let kernel: Vec<String> = Messages::of_kernel().all();
    let end = kernel
        .iter()
        .position(|message| text(message) == mark)
        .expect("our mark");
    Reader::new(&LOG).find(&mark);
    let ring = Reader::new(&LOG)
        .all()
        .into_iter()
        .filter(|record| !from_write(record))
        .map(|r| r.as_kmsg())
        .collect();
    (
        kernel[..=end]
            .iter()
            .map(|message| comparable(message))
            .collect(),
        ring,
    )
}

/// Whether it was written to the log's node. Messages that programs write to /dev/kmsg are the
/// kernel's.
fn from_write(record: &crate::support::log::Record) -> bool {
    record.is_user()
}

fn log_map_has_every_kernel_message_in_order() {
    let (kernel, ring) = both();
    let ring: Vec<String> = ring.iter().map(|message| comparable(message)).collect();
    let first = ring.iter().position(|message| *message == kernel[0]);
    let first =
        first.unwrap_or_else(|| panic!("the kernel's oldest message is not there: {}", kernel[0]));
    for (theirs, ours) in kernel.iter().zip(&ring[first..]) {
        assert_eq!(ours, theirs);
    }
    assert!(
        ring.len() - first >= kernel.len(),
        "{} of {} messages",
        ring.len() - first,
        kernel.len()
    );
}

fn log_map_records_have_the_layout_of_the_abi() {
    for spec in [LOG, LOG2] {
        let mut reader = Reader::new(&spec);
        let mut last = [None; uapi::LANES];
        while let Some(record) = reader.next() {
            assert_eq!(record.position % 8, 0);
            assert!(record.level <= 7);
            let total = 32 + record.text.len() + record.dict.len();
            assert!(total <= uapi::RECORD_MAX);
            assert!(!record.text.ends_with(b"\n"), "{record:?}");
            // Records of programs, and only these, are in the second lane.
            let last = &mut last[usize::from(record.is_user())];
            assert!(last.is_none_or(|last| record.position > last));
            *last = Some(record.position);
        }
        assert!(last[uapi::LANE_KERNEL].is_some());
    }
}

fn log_map_numbers_step_by_one() {
    let records = Reader::new(&LOG).all();
    let missing: u64 = records
        .windows(2)
        .map(|pair| {
            pair[1]
                .seq
                .checked_sub(pair[0].seq + 1)
                .expect("ascending numbers")
        })
        .sum();
    // If one lane has been overwritten and the other one has not, numbers are missing in between.
    let stats = stats(LOG.open().raw());
    assert!(
        missing <= stats.overwritten + stats.kernel_missed,
        "{missing} numbers are missing: {stats:?}"
    );
}

fn log_map_shows_what_is_written_to_kmsg() {
    let mut reader = Reader::at_the_end(&LOG);
    let hello = unique("hello");
    kmsg(&format!("<4>{hello}\n"));
    assert_eq!(reader.find(&hello).text(), hello);
}

fn log_map_keeps_level_facility_and_time_of_a_kmsg_write() {
    for (prefix, level, facility) in [
        ("<4>", 4, 1),
        ("<0x3>", 4, 1),
        ("<46>", 6, 5),
        ("<131>", 3, 16),
        ("<7>", 7, 1),
    ] {
        let mut reader = Reader::at_the_end(&LOG);
        let theirs = Messages::of_kernel();
        theirs.skip_all();
        let hello = unique("level");
        kmsg(&format!("{prefix}{hello}"));
        let message = theirs.find(&hello);
        let record = reader.find(&hello);
        assert_eq!(without_number(&record.as_kmsg()), without_number(&message));
        if prefix != "<0x3>" {
            assert_eq!(
                (record.level, record.facility),
                (level, facility),
                "{prefix}"
            );
        }
    }
}

fn log_map_keeps_the_dictionary_of_device_messages() {
    if console_loglevel() < 8 {
        crate::skip!("printk gives no console the dictionary of a suppressed message");
    }
    let record = Reader::new(&LOG)
        .all()
        .into_iter()
        .find(|record| !record.dict.is_empty());
    let record = record.expect("a message of a device");
    let dict = String::from_utf8(record.dict).unwrap();
    assert!(
        dict.starts_with("SUBSYSTEM=") && dict.contains("\nDEVICE="),
        "{dict:?}"
    );
}

fn log_map_of_the_second_instance_has_the_boot_too() {
    // 32 KiB: only the newest messages are there yet, and they are the same.
    let mark = unique("both rings");
    kmsg(&mark);
    let record = Reader::new(&LOG2).find(&mark);
    assert_eq!(
        without_number(&record.as_kmsg()),
        without_number(&Reader::new(&LOG).find(&mark).as_kmsg())
    );
}

fn log_map_wraps_and_continues() {
    let log = LOG2.open();
    let mut reader = Reader::at_the_end(&LOG2);
    let start = reader.head(uapi::LANE_USER);
    let _unlimited = unlimited(&LOG2);
    // More than three times the size of the ring.
    for n in 0..3000 {
        append(&log, &format!("wrap {n:05} {}", "x".repeat(n % 60)));
        let record = reader
            .next()
            .expect("it is there as soon as write() returns");
        assert!(
            record.text().starts_with(&format!("wrap {n:05} ")),
            "{record:?}"
        );
    }
    let span = reader.head(uapi::LANE_USER) - start;
    assert!(span > 3 * reader.size(uapi::LANE_USER) as u64);
    assert_eq!(reader.lost, 0);
}

fn log_map_has_no_message_twice() {
    let messages: Vec<String> = Reader::new(&LOG)
        .all()
        .iter()
        .map(|record| record.as_kmsg())
        .collect();
    let mut numbers: Vec<u64> = messages.iter().map(|message| number(message)).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), messages.len());
    // Before the clock runs, all times are 0, and some messages of the early boot are printed
    // twice.
    for pair in messages
        .windows(2)
        .filter(|pair| !pair[0].contains(",0,-,"))
    {
        assert_ne!(
            without_number(&pair[0]),
            without_number(&pair[1]),
            "replayed"
        );
    }
}

/// tests/c/fanlight-log.c is the code that the header's comments show.
fn log_map_is_read_by_the_code_in_the_header() {
    let _unlimited = unlimited(&LOG2);
    let (first, last) = (unique("from write()"), unique("the last one"));
    append(&LOG2.open(), &first);
    kmsg(&last);
    let path = LOG2.path();
    let output = std::process::Command::new("fanlight-log")
        .arg(&path)
        .output();
    let output = output.unwrap_or_else(|_| crate::skip!("fanlight-log (tests/c) is not installed"));
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let numbers = |lines: &str| -> Vec<u64> {
        let number = |line: &str| line.split(' ').next()?.parse().ok();
        lines.lines().filter_map(number).collect()
    };
    let printed_numbers = numbers(&printed);
    assert!(printed_numbers.is_sorted_by(|a, b| a < b), "{printed}");
    for (mark, lane) in [(&first, "1"), (&last, "0")] {
        let line = printed.lines().find(|line| line.ends_with(mark.as_str()));
        let line = line.unwrap_or_else(|| panic!("{mark:?} in\n{printed}"));
        assert_eq!(line.split(' ').nth(1), Some(lane), "{line}");
        let ns: i64 = line.split(' ').nth(2).unwrap().parse().expect(line);
        let args = ["log", "-d", &path, "-o", "export", "-Q", "-g", mark];
        let tool = crate::support::program::run("fanlight", &args)
            .success()
            .text();
        let micros = format!("__REALTIME_TIMESTAMP={}\n", ns / 1000);
        assert!(tool.contains(&micros), "{line}\n{tool}");
    }
    // The ring has all earlier records, except for those that were overwritten.
    let ring: Vec<u64> = Reader::new(&LOG2).all().iter().map(|r| r.seq).collect();
    let newest = *printed_numbers.last().expect("records");
    let both = ring.iter().filter(|seq| **seq <= newest);
    assert!(both.eq(printed_numbers.iter().filter(|seq| **seq >= ring[0])));
}
