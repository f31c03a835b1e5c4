// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Compares the text form of /dev/kmsg with a model of `kernel/printk/printk.c`, and tests what
//! programs write to it.

#![cfg(not(loom))]

mod common;

use fanlight_ring::kmsg::{format, parse, parse_user, Formatter, Line, MESSAGE_MAX, WRITE_MAX};
use fanlight_ring::{Entry, Read, CONT, KERNEL_LANE_MIN, PLAIN, RECORD_MAX, USER};
use proptest::prelude::*;

/// `info_print_ext_header()` and `msg_print_ext_body()`, into a buffer of `PRINTK_MESSAGE_MAX`; and
/// an end for a line that was cut.
fn kernel(seq: u64, entry: &Entry<'_>, caller: bool) -> Vec<u8> {
    fn append_char(out: &mut Vec<u8>, c: u8) {
        if out.len() < MESSAGE_MAX {
            out.push(c);
        }
    }
    fn scnprintf(out: &mut Vec<u8>, text: &str) {
        let room = MESSAGE_MAX - out.len();
        if room > 0 {
            out.extend(text.bytes().take(room - 1));
        }
    }
    fn msg_add_ext_text(out: &mut Vec<u8>, text: &[u8], end: u8) {
        for &c in text {
            if !(32..127).contains(&c) || c == b'\\' {
                scnprintf(out, &format!("\\x{c:02x}"));
            } else {
                append_char(out, c);
            }
        }
        append_char(out, end);
    }
    let mut out = Vec::new();
    let id = entry.caller;
    let kind = if id & 0x8000_0000 != 0 { 'C' } else { 'T' };
    let who = format!(",caller={kind}{}", id & !0x8000_0000);
    let header = format!(
        "{},{},{},{}{};",
        (u32::from(entry.facility) << 3) | u32::from(entry.level & 7),
        seq,
        entry.ns / 1000,
        if entry.flags & CONT != 0 { 'c' } else { '-' },
        if caller { &who } else { "" },
    );
    scnprintf(&mut out, &header);
    msg_add_ext_text(&mut out, entry.text, b'\n');
    if !entry.dict.is_empty() {
        for pair in entry.dict.split(|&c| c == b'\n') {
            let (key, value) = pair.split_at(pair.iter().position(|&c| c == b'=').unwrap());
            msg_add_ext_text(&mut out, b"", b' ');
            msg_add_ext_text(&mut out, key, b'=');
            msg_add_ext_text(&mut out, &value[1..], b'\n');
        }
    }
    // Unlike the kernel's, a line that was cut has a newline.
    if out.len() == MESSAGE_MAX {
        out[MESSAGE_MAX - 1] = b'\n';
    }
    out
}

fn formatted(seq: u64, entry: &Entry<'_>, caller: bool) -> Vec<u8> {
    let mut out = vec![0; MESSAGE_MAX];
    let len = format(seq, entry, caller, &mut out).unwrap();
    out.truncate(len);
    out
}

/// The flag [`PLAIN`] if it applies.
fn plain(text: &[u8], dict: &[u8]) -> u8 {
    let plain = |&byte: &u8| (0x20..0x7f).contains(&byte) && byte != b'\\';
    match text.iter().all(plain) && dict.is_empty() {
        true => PLAIN,
        false => 0,
    }
}

fn text(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let max = common::few(max, 100);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..max),
        prop::collection::vec(32..127u8, 0..max),
        prop::collection::vec(
            prop_oneof![Just(b'\\'), Just(b'x'), Just(b'\n'), Just(0xff), Just(b'a')],
            0..max
        ),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("separates", |&c| c != b'\n' && c != 0);
    prop::collection::vec(byte, 1..48)
}

fn dict() -> impl Strategy<Value = Vec<u8>> {
    (prop::option::of(value()), prop::option::of(value())).prop_map(|(subsystem, device)| {
        let mut dict = Vec::new();
        for (key, value) in [("SUBSYSTEM=", subsystem), ("DEVICE=", device)] {
            if let Some(value) = value {
                if !dict.is_empty() {
                    dict.push(b'\n');
                }
                dict.extend(key.bytes());
                dict.extend(value);
            }
        }
        dict
    })
}

proptest! {
    #![proptest_config(common::cases(256, 1))]

    #[test]
    fn log_kmsg_same_bytes_as_printk(
        seq: u64, usec in 0..u64::MAX / 1000, level in 0..8u8, facility: u8, cont: bool,
        caller: u32, shown: bool, text in text(1024), dict in dict(),
    ) {
        let entry = Entry {
            level,
            facility,
            flags: if cont { CONT } else { 0 } | plain(&text, &dict),
            ns: usec * 1000,
            caller: if shown { caller } else { 0 },
            text: &text,
            dict: &dict,
        };
        let line = kernel(seq, &entry, shown);
        prop_assert_eq!(&formatted(seq, &entry, shown), &line);

        // Parsing the line returns the record, and formatting that gives the same line.
        let mut buffer = vec![0; line.len()];
        let parsed = parse(&line, &mut buffer).unwrap();
        if line.len() < MESSAGE_MAX {
            prop_assert_eq!(parsed, Line { seq, entry });
        } else {
            prop_assert!(text.starts_with(parsed.entry.text), "{:?}", parsed.entry.text);
            let again = formatted(seq, &parsed.entry, shown);
            let same = again.iter().zip(&line).take_while(|(a, b)| a == b).count();
            prop_assert!(same + 8 >= line.len() || !parsed.entry.dict.is_empty());
        }
    }

    #[test]
    fn log_kmsg_records_in_the_ring_have_the_same_bytes(
        all in prop::collection::vec(
            (
                0..u64::MAX / 1000, 0..8u8, any::<u8>(), any::<bool>(), any::<u32>(), text(1024),
                dict(),
            ),
            1..6,
        ),
        shown: bool, missing in 1..200usize,
    ) {
        let memory = common::Memory::new(KERNEL_LANE_MIN);
        let (ring, writer, mut cursor) = memory.start(common::Start::default());
        let mut formatter = Formatter::new(shown);
        let (mut scratch, mut out) = (vec![0; RECORD_MAX], vec![0; MESSAGE_MAX]);
        for (seq, record) in all.into_iter().enumerate() {
            let (usec, level, facility, told, caller, text, dict) = record;
            let entry = Entry {
                level,
                facility,
                // A writer need not set the flag.
                flags: if told { plain(&text, &dict) } else { 0 },
                ns: usec * 1000,
                caller: if shown { caller } else { 0 },
                text: &text,
                dict: &dict,
            };
            writer.append(&ring, &entry).unwrap();
            let line = kernel(seq as u64, &entry, shown);
            let Read::Records(mut span) = cursor.read(&ring, RECORD_MAX, None) else {
                panic!("a record");
            };
            let record = span.next().unwrap();
            let room = line.len().saturating_sub(missing);
            prop_assert_eq!(formatter.format_ref(&record, &mut scratch, &mut out[..room]), None);
            for room in [line.len(), MESSAGE_MAX] {
                let len = formatter.format_ref(&record, &mut scratch, &mut out[..room]);
                prop_assert_eq!(len, Some(line.len()));
                prop_assert_eq!(&out[..line.len()], &line);
            }
            prop_assert!(span.commit());
        }
    }

    #[test]
    fn log_kmsg_rubbish_is_refused_or_read(line in prop_oneof![
        text(200),
        "[0-9]{0,4},[0-9]{0,25},[0-9]{1,3},[-c,=caller0-9TC]{0,30};?.{0,30}\n( .{0,9}\n)?"
            .prop_map(String::into_bytes),
    ], room in 0..300usize) {
        let mut buffer = vec![0; room];
        let _ = parse(&line, &mut buffer);
        let _ = parse_user(&line, 4);
    }

    #[test]
    fn log_kmsg_short_output_is_refused(text in text(300), missing in 1..200usize) {
        let entry = Entry { text: &text, ..Entry::default() };
        let whole = formatted(7, &entry, true);
        let mut out = vec![0; whole.len().saturating_sub(missing)];
        prop_assert_eq!(format(7, &entry, true, &mut out), None);
        let mut out = vec![0; whole.len()];
        prop_assert_eq!(format(7, &entry, true, &mut out), Some(whole.len()));
    }
}

#[test]
fn log_kmsg_lines_of_a_boot() {
    let mut buffer = [0; 200];
    let line = b"6,339,5140900,-,caller=T1;NET: Registered protocol family 10\n";
    let parsed = parse(line, &mut buffer).unwrap();
    assert_eq!(parsed.seq, 339);
    assert_eq!(parsed.entry.ns, 5_140_900_000);
    assert_eq!((parsed.entry.level, parsed.entry.facility), (6, 0));
    assert_eq!(parsed.entry.caller, 1);
    assert_eq!(parsed.entry.text, b"NET: Registered protocol family 10");
    assert_eq!(parsed.entry.flags, PLAIN);

    let line = b"30,340,5690716,c,caller=C3,new=1;a\\x5cb\\x0ac\n SUBSYSTEM=pci\n \
        DEVICE=+pci:0000:00:00.0\n";
    let parsed = parse(line, &mut buffer).unwrap();
    assert_eq!((parsed.entry.level, parsed.entry.facility), (6, 3));
    assert_eq!(parsed.entry.caller, 0x8000_0003);
    assert_eq!(parsed.entry.flags, CONT);
    assert_eq!(parsed.entry.text, b"a\\b\nc");
    assert_eq!(
        parsed.entry.dict,
        b"SUBSYSTEM=pci\nDEVICE=+pci:0000:00:00.0"
    );
}

#[test]
fn log_kmsg_replay_notice_is_taken_off() {
    let mut buffer = [0; 100];
    let line = b"** replaying previous printk message **\n4,7,8,-;again\n";
    let parsed = parse(line, &mut buffer).unwrap();
    assert_eq!((parsed.seq, parsed.entry.text), (7, &b"again"[..]));
}

#[test]
fn log_kmsg_replay_that_is_cut_is_refused() {
    let mut buffer = [0; MESSAGE_MAX];
    let mut line = b"** replaying previous printk message **\n4,7,8,-;".to_vec();
    line.resize(MESSAGE_MAX - 2, b'x');
    assert_eq!(parse(&line, &mut buffer).unwrap().seq, 7);
    line.push(b'x');
    assert_eq!(parse(&line, &mut buffer), None);
}

#[test]
fn log_kmsg_cut_escape_is_left_out() {
    let mut buffer = [0; 100];
    for (cut, text) in [
        ("a\\x4", "a"),
        ("a\\x", "a"),
        ("a\\", "a"),
        ("a\\x41", "aA"),
    ] {
        let line = format!("4,7,8,-;{cut}");
        let parsed = parse(line.as_bytes(), &mut buffer).unwrap();
        assert_eq!(parsed.entry.text, text.as_bytes());
    }
}

#[test]
fn log_kmsg_line_that_is_cut_ends_all_the_same() {
    let mut out = [0; 4096];
    for odd in 300..520 {
        let text = [vec![1; odd], vec![b'a'; 1024 - odd]].concat();
        let entry = Entry {
            text: &text,
            ..Entry::default()
        };
        let len = format(7, &entry, true, &mut out).unwrap();
        assert!(len <= MESSAGE_MAX);
        assert_eq!(out[len - 1], b'\n', "{odd} escapes");
        assert!(!out[..len - 1].contains(&b'\n'));
    }
}

#[test]
fn log_kmsg_written_by_users() {
    let default = |text| (4, 1, text);
    for (written, (level, facility, text)) in [
        ("hello\n", default("hello")),
        ("hello", default("hello")),
        ("hello\n\n", default("hello\n")),
        ("", default("")),
        ("\n", default("")),
        ("<6>hello\n", (6, 1, "hello")),
        ("<0>hello", (0, 1, "hello")),
        ("<30>hello", (6, 3, "hello")),
        ("<191>hello", (7, 23, "hello")),
        // 8 bits of facility; 0 becomes that of user programs.
        ("<2047>hello", (7, 255, "hello")),
        ("<2048>hello", (0, 1, "hello")),
        ("<4294967299>hello", (3, 1, "hello")),
        ("<18446744073709551621>hello", (5, 1, "hello")),
        ("<>hello", (0, 1, "hello")),
        ("<6hello", default("<6hello")),
        ("<-6>hello", default("<-6>hello")),
        ("<6 >hello", default("<6 >hello")),
        ("< 6>hello", default("< 6>hello")),
        ("<6><5>hello", (6, 1, "<5>hello")),
        ("<6>", (6, 1, "")),
        ("<6\0>hello", default("<6")),
        ("<6>hel\0lo\n", (6, 1, "hel")),
        ("hello\n\0", default("hello")),
    ] {
        let entry = parse_user(written.as_bytes(), 4).unwrap();
        let expected = Entry {
            level,
            facility,
            flags: USER | plain(text.as_bytes(), b""),
            text: text.as_bytes(),
            ..Entry::default()
        };
        assert_eq!(entry, expected, "{written:?}");
    }
}

#[test]
fn log_kmsg_written_lines_of_the_longest_kind() {
    // Like vscnprintf() into a buffer of 1024 bytes: the last one is for the NUL.
    let longest = [b'a'; WRITE_MAX];
    assert_eq!(parse_user(&longest, 4).unwrap().text.len(), WRITE_MAX - 1);
    assert_eq!(
        parse_user(&longest[1..], 4).unwrap().text.len(),
        WRITE_MAX - 1
    );
    let mut prefixed = longest;
    prefixed[..3].copy_from_slice(b"<6>");
    assert_eq!(parse_user(&prefixed, 4).unwrap().text.len(), WRITE_MAX - 3);
    assert!(parse_user(&[b'a'; WRITE_MAX + 1], 4).is_none());
}

/// An interrupt may append a record between the time and the append of what it interrupts.
#[test]
fn log_kmsg_formatter_takes_earlier_times_within_the_first_second() {
    let mut out = vec![0; MESSAGE_MAX];
    for later in [50_000_000, 500_000_000, 999_999_999, 1_500_000_000] {
        let mut formatter = Formatter::new(true);
        for (seq, ns) in [(7, later), (8, later - 100_000), (9, later), (10, 1_000)] {
            let entry = Entry {
                level: 6,
                ns,
                caller: 0x8000_0000,
                text: b"text",
                ..Entry::default()
            };
            let len = formatter.format(seq, &entry, &mut out).unwrap();
            assert_eq!(out[..len], formatted(seq, &entry, true), "{seq} {ns}");
        }
    }
}

/// One formatter for many records gives the same bytes as a new one for each.
#[test]
fn log_kmsg_formatter_changes_digits_as_it_should() {
    let mut out = vec![0; MESSAGE_MAX];
    let mut formatter = Formatter::new(true);
    let (mut seq, mut ns, mut state) = (0u64, 0u64, 1u32);
    for step in 0..common::few(200_000u64, 300) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let random = state >> 8;
        match random % 64 {
            0 => seq += u64::from(random % 7),
            1 => seq += 10u64.pow(random / 64 % 12),
            2 => ns = ns.saturating_sub(u64::from(random) * 100),
            3 => ns += 1 << (random / 64 % 40),
            4 => (seq, ns) = (0, u64::from(random)),
            _ => seq += 1,
        }
        ns += u64::from(random % 30_000_000);
        let entry = Entry {
            level: if random % 16 == 5 { 3 } else { 6 },
            flags: if random % 32 == 6 { CONT } else { 0 } | if step % 2 == 0 { PLAIN } else { 0 },
            ns,
            caller: if random % 16 == 7 { 0x8000_0002 } else { 123 },
            text: b"a message of the kernel",
            ..Entry::default()
        };
        let len = formatter.format(seq, &entry, &mut out).unwrap();
        assert_eq!(out[..len], formatted(seq, &entry, true), "{seq} {ns}");
    }
}

#[test]
fn log_kmsg_numbers_at_their_limits() {
    for ns in [0, 999, 1000, 999_999, u64::MAX, 1 << 32, 1 << 63] {
        for seq in [0, 9, 10, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let entry = Entry {
                ns,
                level: 7,
                facility: 255,
                caller: u32::MAX,
                ..Entry::default()
            };
            let expected = format!("2047,{seq},{},-,caller=C2147483647;\n", ns / 1000);
            assert_eq!(formatted(seq, &entry, true), expected.as_bytes());
        }
    }
}
