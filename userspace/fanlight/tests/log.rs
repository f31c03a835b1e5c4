// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading a mapped ring from a file.
#![cfg(feature = "std")]

mod common;

use std::fs;
use std::path::PathBuf;

use fanlight::{Error, Facility, Level, Log, Start};

/// A saved ring that is removed at the end.
struct Image(PathBuf);

impl Image {
    fn of(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("fanlight-log-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn log_image_gives_every_record_in_order() {
    let ring = common::Ring::new();
    for i in 0..100 {
        ring.append(i % 8, i, format!("record {i}").as_bytes());
    }
    let image = Image::of("all", &ring.bytes());
    let log = Log::open_image(&image.0).unwrap();
    assert_eq!(log.capacity(), 48 << 10);
    assert_eq!(
        log.boot_id().unwrap(),
        "30313233-3435-3637-3839-616263646566"
    );
    let records: Vec<_> = log.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), 100);
    for (i, record) in (0u8..).zip(&records) {
        assert_eq!(record.seq, u64::from(i));
        assert_eq!(record.level, Level::ALL[usize::from(i % 8)]);
        assert_eq!(record.facility, Facility(i));
        assert_eq!(record.text_lossy(), format!("record {i}"));
        assert_eq!(
            (record.ns, record.caller.to_string(), record.lost),
            (1_500_000_000, "T1".into(), 0)
        );
    }
}

#[test]
fn log_reader_begins_where_it_is_told() {
    let ring = common::Ring::new();
    (0..10).for_each(|i| ring.append(6, 0, &[b'0' + i]));
    let image = Image::of("start", &ring.bytes());
    let log = Log::open_image(&image.0).unwrap();
    let first = |start| {
        log.reader(start)
            .unwrap()
            .next_record()
            .unwrap()
            .map(|record| record.seq)
    };
    assert_eq!(first(Start::Oldest), Some(0));
    assert_eq!(first(Start::Newest), None);
    assert_eq!(first(Start::Sequence(7)), Some(7));
    assert_eq!(first(Start::Sequence(10)), None);
}

#[test]
fn log_reader_counts_what_was_overwritten() {
    let ring = common::Ring::new();
    for i in 0..2000 {
        ring.append(
            6,
            0,
            format!("a record of some length, number {i}").as_bytes(),
        );
    }
    let image = Image::of("lapped", &ring.bytes());
    let log = Log::open_image(&image.0).unwrap();
    let mut reader = log.reader(Start::Sequence(5)).unwrap();
    let first = reader.next_record().unwrap().unwrap().into_owned();
    assert_eq!(first.lost, first.seq - 5);
    let mut count = 1;
    while let Some(record) = reader.next_record().unwrap() {
        assert_eq!(record.lost, 0);
        count += 1;
    }
    assert_eq!(first.seq + count, 2000);
    assert_eq!(reader.lost(), first.seq - 5);
}

#[test]
fn log_reader_sees_what_comes_later() {
    let ring = common::Ring::new();
    ring.append(6, 0, b"first");
    let image = Image::of("later", &ring.bytes());
    let log = Log::open_image(&image.0).unwrap();
    let mut reader = log.reader(Start::Newest).unwrap();
    assert!(!reader
        .wait(Some(std::time::Duration::from_millis(1)))
        .unwrap());
    ring.append(6, 0, b"second");
    // The same pages: the file is not replaced.
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(&image.0).unwrap();
    file.write_all_at(&ring.bytes(), 0).unwrap();
    assert!(reader.wait(None).unwrap());
    assert_eq!(
        reader.next_record().unwrap().unwrap().text_lossy(),
        "second"
    );
    assert!(reader.next_record().unwrap().is_none());
}

/// Reading in batches returns the same records as reading one by one, in rings of all fill levels.
#[test]
fn log_drain_gives_what_single_steps_give() {
    for count in [0, 1, 3, 250, 700, 2000] {
        let ring = common::Ring::new();
        for i in 0..count {
            let text = "x".repeat(i * 7 % 90);
            ring.append(6, 0, format!("{i} {text}").as_bytes());
        }
        let image = Image::of(&format!("drain-{count}"), &ring.bytes());
        let log = Log::open_image(&image.0).unwrap();
        let start = Start::Sequence(1);
        let mut reader = log.reader(start).unwrap();
        let mut single = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            single.push(record.into_owned());
        }
        let mut batched = Vec::new();
        let mut reader = log.reader(start).unwrap();
        let number = reader
            .drain(|record| {
                batched.push(record.clone().into_owned());
                Ok::<(), Error>(())
            })
            .unwrap();
        assert_eq!(batched, single);
        assert_eq!(number, single.len() as u64);
        let seen = |record: fanlight::Glimpse<'_>| {
            let number = record.seq().to_string();
            assert!(record.starts_with(number.as_bytes()));
            assert!(!record.starts_with(b"-") && !record.starts_with(&[b'0'; 300]));
            (
                record.seq(),
                record.ns(),
                record.level(),
                record.facility(),
                record.caller(),
            )
        };
        let mut reader = log.reader(start).unwrap();
        let folded = reader.fold(Vec::new(), |all, record| all.push(seen(record)));
        let copied = single
            .iter()
            .map(|r| (r.seq, r.ns, r.level, r.facility, r.caller));
        assert_eq!(folded.unwrap(), copied.collect::<Vec<_>>());
        assert!(reader.next_record().unwrap().is_none());
        assert_eq!(reader.lost(), single.first().map_or(0, |first| first.lost));
        // After an error, the reader is after the record of the call.
        if single.len() > 5 {
            let mut reader = log.reader(start).unwrap();
            let mut left = 3;
            let stop = Error::Log {
                path: "".into(),
                what: "enough".into(),
            };
            let mut stop = Some(stop);
            reader
                .drain(|_| {
                    left -= 1;
                    if left == 0 {
                        Err(stop.take().unwrap())
                    } else {
                        Ok(())
                    }
                })
                .unwrap_err();
            assert_eq!(reader.next_record().unwrap().unwrap().seq, single[3].seq);
        }
    }
}

#[test]
fn log_memory_that_is_no_ring_is_refused() {
    let good = common::Ring::new().bytes();
    let change = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let cases = [
        ("empty", Vec::new(), "cannot be mapped"),
        ("short", good[..100].to_vec(), "is not a log"),
        ("magic", change(0, 0), "is not a log"),
        (
            "newer",
            change(4, 9),
            "a ring of format 9; this program reads 3: update the program",
        ),
        (
            "older",
            change(4, 1),
            "a ring of format 1; this program reads 3: read it with the release",
        ),
        ("size", change(13, 3), "invalid sizes"),
        ("cut", good[..good.len() - 4].to_vec(), "invalid sizes"),
    ];
    for (name, bytes, what) in cases {
        let image = Image::of(name, &bytes);
        let error = Log::open_image(&image.0)
            .err()
            .unwrap_or_else(|| panic!("{name} was taken"));
        assert!(error.to_string().contains(what), "{name}: {error}");
        assert!(!matches!(error, Error::Io { .. }), "{name}");
    }
}

/// With any contents of the memory: no panic, no endless loop, no more records than fit.
#[test]
fn log_rubbish_ends() {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u8
    };
    let ring = common::Ring::new();
    (0..300).for_each(|i| ring.append(6, 0, format!("record {i}").as_bytes()));
    for round in 0..200 {
        let mut bytes = ring.bytes();
        for _ in 0..1 + round % 50 {
            // Anywhere but in the constant part of the header.
            let at =
                16 + ((usize::from(random()) << 8) | usize::from(random())) % (bytes.len() - 16);
            bytes[at] = random();
        }
        let image = Image::of(&format!("rubbish-{round}"), &bytes);
        let Ok(log) = Log::open_image(&image.0) else {
            continue;
        };
        assert!(log.records().map_while(Result::ok).count() <= (48 << 10) / 32);
    }
}

/// Appends a record to the ring, and to the file that a reader has mapped.
fn append(ring: &common::Ring, image: &Image) {
    use std::os::unix::fs::FileExt;
    ring.append(6, 1, b"later");
    let file = fs::OpenOptions::new().write(true).open(&image.0).unwrap();
    file.write_all_at(&ring.bytes(), 0).unwrap();
}

/// One record is appended for each one that is read; the reader ends at the newest record of its
/// start.
#[test]
fn log_readers_end_while_the_writer_goes_on() {
    let ring = common::Ring::new();
    for n in 0..20 {
        ring.append(6, n % 2, b"before");
    }
    let image = Image::of("ends", &ring.bytes());
    let log = Log::open_image(&image.0).unwrap();
    let mut reader = log.reader(Start::Oldest).unwrap();
    let mut seen = 0;
    for turn in [20, 20, 20] {
        let count = reader.drain(|_| {
            seen += 1;
            assert!(seen <= 60, "the reader does not end");
            append(&ring, &image);
            Ok::<(), Error>(())
        });
        assert_eq!(count.unwrap(), turn);
    }
    let folded = reader.fold(0, |count, _| {
        *count += 1;
        assert!(*count <= 20, "the reader does not end");
        append(&ring, &image);
    });
    assert_eq!(folded.unwrap(), 20);
    let mut count = 0;
    for record in log.records() {
        record.unwrap();
        count += 1;
        assert!(count <= 100, "the reader does not end");
        append(&ring, &image);
    }
    assert_eq!(count, 100);
}

#[test]
fn log_saved_copy_gives_the_same_records() {
    let ring = common::Ring::new();
    for n in 0..2000usize {
        let text = "x".repeat(n * 7 % 90);
        let facility = if n % 5 == 0 { 3 } else { 0 };
        ring.append(6, facility, format!("{n} {text}").as_bytes());
        if n == 3 || n == 1999 {
            let image = Image::of(&format!("original-{n}"), &ring.bytes());
            let log = Log::open_image(&image.0).unwrap();
            let mut bytes = Vec::new();
            let count = log.save_to(&mut bytes).unwrap();
            let saved = Image::of(&format!("saved-{n}"), &bytes);
            let copy = Log::open_image(&saved.0).unwrap();
            let records = |log: &Log| log.records().map(Result::unwrap).collect::<Vec<_>>();
            let original = records(&log);
            assert_eq!(records(&copy), original);
            assert_eq!(count, original.len() as u64);
            assert_eq!(copy.boot_id().unwrap(), log.boot_id().unwrap());
            assert_eq!(copy.capacity(), log.capacity());
            // Records that were overwritten before the ring was saved do not count as lost.
            assert!(original.iter().all(|record| record.lost == 0));
        }
    }
}

#[test]
fn log_record_with_contradictory_lengths_is_skipped() {
    let ring = common::Ring::new();
    for n in 0..3 {
        ring.append(6, 0, format!("record {n}").as_bytes());
    }
    let mut bytes = ring.bytes();
    // The length of the second one's text.
    let second = 4096 + 40;
    bytes[second + 28] = 0xff;
    let image = Image::of("contradictory", &bytes);
    let log = Log::open_image(&image.0).unwrap();
    let expected = [(0, 0), (2, 1)];
    let single: Vec<_> = log.records().map(|r| r.unwrap()).collect();
    let single: Vec<_> = single.iter().map(|r| (r.seq, r.lost)).collect();
    assert_eq!(single, expected);
    let mut reader = log.reader(Start::Oldest).unwrap();
    let mut drained = Vec::new();
    let drain = reader.drain(|record| {
        drained.push((record.seq, record.lost));
        Ok::<(), Error>(())
    });
    assert_eq!(drain.unwrap(), 2);
    assert_eq!(drained, expected);
    assert_eq!(reader.lost(), 1);
}

/// A flood of programs' records does not displace the kernel's records.
#[test]
fn log_programs_do_not_displace_the_kernel() {
    let ring = common::Ring::new();
    ring.append(3, 0, b"kernel");
    (0..5000).for_each(|_| ring.append(6, 1, b"program"));
    let image = Image::of("flood", &ring.bytes());
    let log = Log::open_image(&image.0).unwrap();
    let first = log.records().next().unwrap().unwrap();
    assert_eq!((first.seq, first.text_lossy()), (0, "kernel".into()));
}
