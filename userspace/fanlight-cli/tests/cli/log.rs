// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log` of files: saved rings, and text of /dev/kmsg.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use fanlight_ring::{Entry, Header, Ring, Word, Writer, HEADER_SIZE};

use super::{fails, run, text, tool};

/// A saved ring of records with these levels and texts, a second apart.
pub struct Image(pub PathBuf);

impl Image {
    pub fn new(name: &str, records: &[(u8, u8, &str)]) -> Self {
        let header = Header::empty();
        let data: Vec<Word> = (0..32 << 10 >> 2).map(|_| Word::new(0)).collect();
        let ring = Ring::init(&header, &data, [32 << 10, 0], &[7; 16], 0).unwrap();
        let writer = Writer::new(0);
        for (i, (level, facility, text)) in (0..).zip(records) {
            let ns = i * 1_000_000_000 + 500_000_000;
            let entry = Entry {
                level: *level,
                facility: *facility,
                ns,
                caller: 9,
                text: text.as_bytes(),
                ..Entry::default()
            };
            writer.append(&ring, &entry).unwrap();
        }
        let words = header.words();
        let mut bytes: Vec<u8> = words.flat_map(|word| word.load().to_ne_bytes()).collect();
        bytes.resize(HEADER_SIZE, 0);
        bytes.extend(data.iter().flat_map(|word| word.load().to_ne_bytes()));
        let path = std::env::temp_dir().join(format!("fanlight-cli-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn usual(name: &str) -> Self {
        Self::new(
            name,
            &[
                (6, 0, "booting"),
                (4, 0, "usb 1-1: slow"),
                (3, 3, "daemon: no file"),
                (6, 1, "user said (a+b)"),
                (7, 0, "debug\nof two lines"),
            ],
        )
    }

    /// A file with this text.
    fn text(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fanlight-cli-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    /// Text of a boot whose clock began at 2026-11-20 12:00:00 UTC.
    fn dated(name: &str) -> Self {
        let zero = 1_795_176_000i64 * 1_000_000_000;
        Self::text(
            name,
            &format!(
                "# fanlight log: boot_id={BOOT} clock_offset={zero}\n\
                 6,7,1500000,-;one\n\
                 4,8,61000000,-;two\\x0alines\n SUBSYSTEM=usb\n\
                 14,12,3600000001,-;\\xe2\\x80\\xaethree\n"
            ),
        )
    }

    fn log(&self, options: &[&str]) -> Output {
        self.log_in("UTC0", options)
    }

    fn log_in(&self, zone: &str, options: &[&str]) -> Output {
        let mut arguments = vec!["log", "--file", self.0.to_str().unwrap()];
        arguments.extend(options);
        let mut command = tool();
        command.args(arguments).stdin(Stdio::null()).env("TZ", zone);
        command.output().unwrap()
    }

    /// The printed lines; checks that stderr is empty and the status is 0.
    fn lines(&self, options: &[&str]) -> Vec<String> {
        let output = self.log(options);
        assert_eq!(text(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0), "{options:?}");
        text(&output.stdout).lines().map(str::to_owned).collect()
    }
}

const BOOT: &str = "0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c11";

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn log_is_printed_as_dmesg_prints_it() {
    let image = Image::usual("plain");
    assert_eq!(
        image.lines(&[]),
        [
            "[    0.500000] booting",
            "[    1.500000] usb 1-1: slow",
            "[    2.500000] daemon: no file",
            "[    3.500000] user said (a+b)",
            "[    4.500000] debug",
            "               of two lines"
        ]
    );
    assert_eq!(
        image.lines(&["-x"])[1],
        "kern  :warn  : [    1.500000] usb 1-1: slow"
    );
    assert_eq!(
        image.lines(&["--color=always"])[1],
        "\x1b[32m[    1.500000]\x1b[0m \x1b[33musb 1-1:\x1b[0m\x1b[1m slow\x1b[0m"
    );
    assert_eq!(
        image.lines(&["--raw"])[4],
        "7,4,4500000,-;debug\\x0aof two lines"
    );
}

#[test]
fn log_filters_and_says_when_nothing_is_left() {
    let image = Image::usual("filter");
    let numbers = |options: &[&str]| -> Vec<String> {
        let mut all = options.to_vec();
        all.push("--raw");
        image
            .lines(&all)
            .iter()
            .map(|line| line.split(',').nth(1).unwrap().to_owned())
            .collect()
    };
    assert_eq!(numbers(&["-l", "err+"]), ["2"]);
    assert_eq!(numbers(&["--level=warn,debug"]), ["1", "4"]);
    assert_eq!(numbers(&["--facility", "daemon,user"]), ["2", "3"]);
    assert_eq!(numbers(&["--since", "+2", "--until", "+3.5"]), ["2", "3"]);
    assert_eq!(numbers(&["--grep", "^usb.*w$"]), ["1"]);
    assert_eq!(numbers(&["--grep", "(a+b)", "--fixed"]), ["3"]);
    assert_eq!(numbers(&["-l", "info", "-g", "user"]), ["3"]);
    let output = image.log(&["--grep", "nothing like it"]);
    assert_eq!(
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr)
        ),
        (Some(2), "", "")
    );
    assert_eq!(Image::new("empty", &[]).lines(&[]), [""; 0]);

    let file = image.0.to_str().unwrap();
    fails(
        &["log", "-F", file, "-l", "loud"],
        "unknown level 'loud'; there are emerg, alert",
    );
    fails(
        &["log", "-F", file, "--grep", "("],
        "invalid regular expression '('",
    );
    fails(
        &["log", "-F", file, "--since", "whenever"],
        "invalid time 'whenever'",
    );
    fails(
        &["log", "-F", file, "--since", "today"],
        "the dates of this log are not known",
    );
    fails(&["log", "-F", file, "-T", "-t"], "exclude each other");
    fails(
        &["log", "-F", file, "--time-format", "local"],
        "use one of raw, ctime, iso",
    );
    fails(
        &["log", "-F", file, "--raw", "--json"],
        "exclude each other",
    );
    fails(
        &["log", "-F", "/nonexistent"],
        "/nonexistent: no such file\n",
    );
    fails(&["log", "-F", "/etc/passwd"], "/etc/passwd is not a log");
}

#[test]
fn log_json_is_an_object_a_line() {
    let lines = Image::usual("json").lines(&["--json"]);
    assert_eq!(lines.len(), 5);
    assert_eq!(
        lines[2],
        concat!(
            r#"{"seq":2,"cursor":"07070707-0707-0707-0707-070707070707:2:2500000:"#,
            r#"a3fd40bd1083b432","time":2.500000000,"level":3,"priority":"err","#,
            r#""facility":"daemon","caller":"T9","text":"daemon: no file","dict":{}}"#,
        )
    );
    assert!(lines[4].contains(r#""text":"debug\nof two lines""#));
}

/// The numbers of the records that are printed with options.
fn numbers(image: &Image, options: &[&str]) -> Vec<String> {
    let mut all = options.to_vec();
    all.push("--raw");
    let lines = image.lines(&all);
    let records = lines.iter().filter(|line| !line.starts_with(' '));
    records
        .map(|line| line.split(',').nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn log_options_are_dmesgs_and_journalctls() {
    let image = Image::usual("letters");
    assert_eq!(numbers(&image, &["-k"]), ["0", "1", "4"]);
    assert_eq!(numbers(&image, &["-u"]), ["2", "3"]);
    assert_eq!(
        numbers(&image, &["-k", "-f", "daemon"]),
        ["0", "1", "2", "4"]
    );
    assert_eq!(numbers(&image, &["-n", "2"]), ["3", "4"]);
    assert_eq!(numbers(&image, &["-n", "1", "-k", "-l", "warn"]), ["1"]);
    assert_eq!(numbers(&image, &["--lines=all"]).len(), 5);
    assert_eq!(numbers(&image, &["-n0"]), [""; 0]);
    assert_eq!(image.lines(&["-t"])[1], "usb 1-1: slow");
    assert_eq!(image.lines(&["-o", "cat"])[5], "of two lines");
    assert_eq!(
        image.lines(&["--time-format=delta"])[1],
        "[    1.500000 <    1.000000>] usb 1-1: slow"
    );
    let file = image.0.to_str().unwrap();
    fails(&["log", "-F", file, "-b", "-1"], "exclude each other");
    fails(
        &["log", "-F", file, "-n", "-1"],
        "invalid argument for --lines",
    );
    fails(&["log", "-F", file, "-o", "xml"], "use one of short, cat");
    fails(
        &["log", "-F", file, "-C"],
        "--clear can clear only an earlier boot's log",
    );
}

#[test]
fn log_text_of_kmsg_can_be_read_again() {
    let image = Image::usual("again");
    let raw = image.log(&["--raw"]);
    let copy = Image::text("again-text", text(&raw.stdout));
    assert_eq!(copy.lines(&["--raw"]), image.lines(&["--raw"]));
    assert_eq!(copy.lines(&["-x"]), image.lines(&["-x"]));
    assert_eq!(numbers(&copy, &["-l", "err+"]), ["2"]);
    let file = copy.0.to_str().unwrap();
    fails(&["log", "-F", file, "-w"], "can be followed");
    fails(&["log", "-F", file, "--save", "/dev/null"], "copies a ring");
    // It has neither a boot id nor dates.
    assert!(copy.lines(&["-J"])[0].starts_with(r#"{"seq":0,"time":0.500000000,"#));
    // A pipe is a file, too.
    let output = tool()
        .args(["log", "-F", "/dev/stdin", "-n1", "-t"])
        .stdin(fs::File::open(&copy.0).unwrap())
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "debug\nof two lines\n");
}

#[test]
fn log_ring_that_is_saved_can_be_read_again() {
    let image = Image::usual("save");
    let copy = Image::text("save-copy", "");
    let path = copy.0.to_str().unwrap();
    let output = image.log(&["--save", path]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert_eq!(copy.lines(&["--json"]), image.lines(&["--json"]));
    fails(
        &["log", "-F", path, "--save", "/nonexistent/ring"],
        "cannot save to /nonexistent/ring: No such file",
    );
    fails(
        &["log", "-F", path, "--save", "/dev/full"],
        "cannot save to /dev/full: No space left",
    );
}

#[test]
fn log_dates_are_those_of_the_logs_boot() {
    let image = Image::dated("dates");
    assert_eq!(image.lines(&["-T"])[0], "[Fri Nov 20 12:00:01 2026] one");
    assert_eq!(
        image.lines(&["--time-format=iso"])[1..3],
        [
            "2026-11-20T12:01:01,000000+00:00 two",
            "                                 lines"
        ]
    );
    let berlin = image.log_in("CET-1", &["-H"]);
    assert_eq!(
        text(&berlin.stdout),
        "[Nov20 13:00] one\n[Nov20 13:01] two\n              lines\n\
         [Nov20 14:00] \\xe2\\x80\\xaethree\n"
    );
    // A log without dates causes a warning, and is printed.
    let undated = Image::usual("undated").log(&["-T", "-n1"]);
    assert!(text(&undated.stdout).starts_with("[    4.500000] debug\n"));
    assert!(text(&undated.stderr).contains("times are seconds since its boot"));
    assert_eq!(undated.status.code(), Some(0));
}

#[test]
fn log_dates_that_are_printed_are_read() {
    let image = Image::dated("round");
    for (zone, name) in [("UTC0", "UTC"), ("CET-1", "CET"), ("NST3:30", "NST")] {
        for form in ["-T", "--time-format=iso", "-J"] {
            let output = image.log_in(zone, &[form]);
            let printed = text(&output.stdout).lines().nth(1).unwrap();
            let when = match form {
                "-J" => printed
                    .split_once(r#""date":""#)
                    .unwrap()
                    .1
                    .split('"')
                    .next(),
                "-T" => printed[1..].split(']').next(),
                _ => printed.split(' ').next(),
            };
            let since = image.log_in(zone, &["--raw", "--since", when.unwrap()]);
            assert!(
                text(&since.stdout).starts_with("4,8,"),
                "{name} {form} {when:?}: {}",
                text(&since.stderr)
            );
        }
    }
    assert_eq!(
        numbers(&image, &["--until", "2026-11-20 13:01+01:00"]),
        ["7"]
    );
    assert_eq!(numbers(&image, &["--since", "Nov 20 12:30 UTC"]), ["12"]);
}

#[test]
fn log_cursor_goes_on_behind_its_record() {
    let image = Image::dated("cursor");
    let json = image.lines(&["--json"]);
    let cursor = |line: &str| {
        let rest = line.split_once(r#""cursor":""#).unwrap().1;
        format!("--after-cursor={}", rest.split_once('"').unwrap().0)
    };
    assert!(cursor(&json[0]).contains(&format!("{BOOT}:7:1500000:")));
    assert_eq!(numbers(&image, &[&cursor(&json[0])]), ["8", "12"]);
    assert_eq!(numbers(&image, &[&cursor(&json[1])]), ["12"]);
    assert_eq!(numbers(&image, &[&cursor(&json[2])]), [""; 0]);
    // After the driver was bound again, the same messages have other numbers.
    let moved = cursor(&json[1]).replace(":8:", ":3:");
    assert_eq!(numbers(&image, &[&moved]), ["12"]);
    let gone = format!("--after-cursor={BOOT}:8:1600000:0123456789abcdef");
    assert_eq!(numbers(&image, &[&gone]), ["8", "12"]);
    let file = image.0.to_str().unwrap();
    fails(
        &["log", "-F", file, "--after-cursor", "7"],
        "'7' is not a cursor",
    );
    let other = BOOT.replace('0', "1");
    fails(
        &[
            "log",
            "-F",
            file,
            "--after-cursor",
            &format!("{other}:7:0:0123456789abcdef"),
        ],
        "this log is of another boot",
    );
}

#[test]
fn log_export_is_what_the_journal_reads() {
    let image = Image::dated("export");
    let output = image.log(&["-o", "export"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let entries = String::from_utf8(output.stdout).unwrap();
    assert!(entries.starts_with(&format!(
        "__CURSOR={BOOT}:7:1500000:1a08aa1921ca5caf\n__REALTIME_TIMESTAMP=1795176001500000\n\
         __MONOTONIC_TIMESTAMP=1500000\n_BOOT_ID={}\n_TRANSPORT=kernel\n",
        BOOT.replace('-', "")
    )));
    assert!(entries.contains("\nMESSAGE=one\n\n__CURSOR="));
    assert!(entries.contains("\n_KERNEL_SUBSYSTEM=usb\nMESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n\n"));
    let undated = Image::usual("export-undated").log(&["-o", "export"]);
    assert!(text(&undated.stderr).contains("systemd-journal-remote refuses"));
}

#[test]
fn log_hides_no_character_in_any_form() {
    let mut record = String::from("6,1,500000,-;a");
    let hidden = "\u{202e}\u{2066}\u{2069}\u{200b}\u{200f}\u{2028}\u{2029}\u{feff}\u{9b}\x1b\x7f";
    for byte in hidden.bytes() {
        record.push_str(&format!("\\x{byte:02x}"));
    }
    let image = Image::text("hidden", &format!("{record}b\n"));
    for form in ["short", "cat", "json", "raw"] {
        let output = image.log(&["--color=always", "-o", form]);
        let printed = text(&output.stdout)
            .replace("\x1b[32m", "")
            .replace("\x1b[0m", "");
        assert!(
            !printed.contains(|c| hidden.contains(c)),
            "{form}: {printed:?}"
        );
        assert!(printed.is_ascii(), "{form}: {printed:?}");
    }
    assert!(image.lines(&["-J"])[0].contains(r"a\u202e\u2066\u2069\u200b\u200f\u2028"));
}

#[test]
fn log_file_that_is_no_log_is_refused() {
    for (name, content) in [
        ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("empty", ""),
        ("dmesg", "[    0.000000] Booting Linux\n"),
    ] {
        let image = Image::text(name, content);
        fails(
            &["log", "-F", image.0.to_str().unwrap()],
            "is not a log: neither a saved ring nor the text of /dev/kmsg",
        );
    }
    fails(&["log", "-F", "/dev/zero"], "/dev/zero is not a log");
    fails(&["log", "-F", "/tmp"], "cannot read /tmp: Is a directory");
}

/// Waits for a program that must end soon.
fn ends(child: &mut Child) -> Option<i32> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("it does not end");
}

#[test]
fn log_follower_ends_when_nothing_reads_it() {
    let image = Image::usual("follow");
    let mut child = tool()
        .args(["log", "-w", "-F", image.0.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut first = [0; 20];
    output.read_exact(&mut first).unwrap();
    drop(output);
    // Nothing is written to the ring, so only poll() can detect it.
    assert_eq!(ends(&mut child), Some(141));
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn log_write_goes_on_and_fails_at_the_end() {
    for (device, expected, status) in [
        ("/dev/null", "", 0),
        (
            "/dev/full",
            "fanlight: line 1: cannot write to /dev/full: No space left on device\n\
             fanlight: 3 of 3 lines could not be written\n",
            1,
        ),
    ] {
        let mut child = tool()
            .args(["log", "write", "-d", device])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = format!("short\n{}\nlast", "long ".repeat(1000));
        let mut input = child.stdin.take().unwrap();
        input.write_all(lines.as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert_eq!(text(&output.stderr), expected);
        assert_eq!(output.status.code(), Some(status), "{device}");
    }
}

#[test]
fn log_is_coloured_on_terminals_that_can() {
    // `script` gives the program a terminal.
    let image = Image::usual("colour");
    let tool = env!("CARGO_BIN_EXE_fanlight");
    let colored = |term: Option<&str>| {
        let mut command = std::process::Command::new("script");
        let line = format!("'{tool}' log -F '{}'", image.0.display());
        command
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::null());
        command.env_remove("NO_COLOR").env_remove("TERM");
        if let Some(term) = term {
            command.env("TERM", term);
        }
        let output = command.output().ok()?;
        Some(text(&output.stdout).contains("\x1b[32m"))
    };
    if colored(Some("linux")).is_none() {
        return;
    }
    assert_eq!(colored(Some("linux")), Some(true));
    assert_eq!(colored(Some("dumb")), Some(false));
    assert_eq!(colored(Some("")), Some(false));
    assert_eq!(colored(None), Some(false));
}

#[test]
fn log_boots_are_named_by_numbers_and_ids() {
    // Without a device, only errors of the arguments can be tested.
    fails(&["log", "--after-cursor", "x"], "'x' is not a cursor");
    fails(&["log", "archive"], "DIRECTORY is missing");
    fails(&["log", "-b"], "option '--boot' requires an argument");
}

#[test]
fn cli_long_options_may_be_shortened_and_stand_anywhere() {
    let image = Image::usual("short");
    let file = image.0.to_str().unwrap();
    let output = run(&["-d", "0", "log", "--le=err", "--fil", file, "--ra"]);
    assert_eq!(
        text(&output.stdout),
        "3,0,2500000,-;daemon: no file\n".replace("3,0", "27,2")
    );
}

#[test]
fn log_saved_ring_keeps_its_dates() {
    let image = Image::usual("dated-ring");
    let mut bytes = fs::read(&image.0).unwrap();
    // struct fanlight_log_header: clock_count and clocks. Asleep for an hour after two seconds.
    let zero = 1_795_176_000i64 * 1_000_000_000;
    bytes[132..136].copy_from_slice(&2u32.to_ne_bytes());
    for (at, number) in [
        (152, zero),
        (160, 2_000_000_000),
        (168, zero + 3_600_000_000_000),
    ] {
        bytes[at..at + 8].copy_from_slice(&number.to_ne_bytes());
    }
    fs::write(&image.0, &bytes).unwrap();
    let iso = ["--time-format=iso"];
    let dates = image.lines(&["-T"]);
    assert_eq!(dates[0], "[Fri Nov 20 12:00:00 2026] booting");
    assert_eq!(dates[1], "[Fri Nov 20 12:00:01 2026] usb 1-1: slow");
    assert_eq!(dates[2], "[Fri Nov 20 13:00:02 2026] daemon: no file");
    assert_eq!(
        image.lines(&["-o", "cat", "--until", "2026-11-20 12:30"]),
        ["booting", "usb 1-1: slow"]
    );
    let copy = Image::text("dated-copy", "");
    let saved = image.log(&["--save", copy.0.to_str().unwrap()]);
    assert_eq!((saved.status.code(), text(&saved.stderr)), (Some(0), ""));
    assert_eq!(copy.lines(&iso), image.lines(&iso));

    // An invalid entry ends the list: the second one is not later than the first.
    bytes[160..168].copy_from_slice(&0u64.to_ne_bytes());
    bytes[132..136].copy_from_slice(&u32::MAX.to_ne_bytes());
    fs::write(&image.0, &bytes).unwrap();
    assert_eq!(
        image.lines(&["-T"])[2],
        "[Fri Nov 20 12:00:02 2026] daemon: no file"
    );
}

#[test]
fn log_file_that_was_archived_has_the_dates_of_its_records() {
    let zero = 1_795_176_000i64 * 1_000_000_000;
    let image = Image::text(
        "slept",
        &format!(
            "# fanlight log: clock_offset={zero},2000000000:{}\n\
             6,1,1000000,-,ns=7;one\n4,2,2000000,-,ns=5,module=yes,emergency=yes;two\n",
            zero + 3_600_000_000_000
        ),
    );
    assert_eq!(
        image.lines(&["-T"]),
        [
            "[Fri Nov 20 12:00:01 2026] one",
            "[Fri Nov 20 13:00:02 2026] two"
        ]
    );
    let json = image.lines(&["-J"])[1].clone();
    for part in [
        r#""time":2.000000005,"#,
        r#""emergency":true,"module":true"#,
    ] {
        assert!(json.contains(part), "{json}");
    }
}

#[test]
fn log_save_leaves_links_as_they_are() {
    let image = Image::usual("save-link");
    let (link, file) = (Image::text("link", ""), Image::text("linked", ""));
    fs::remove_file(&link.0).unwrap();
    std::os::unix::fs::symlink(&file.0, &link.0).unwrap();
    let saved = image.log(&["--save", link.0.to_str().unwrap()]);
    assert_eq!((saved.status.code(), text(&saved.stderr)), (Some(0), ""));
    assert!(fs::symlink_metadata(&link.0).unwrap().is_symlink());
    assert_eq!(file.lines(&[]), image.lines(&[]));
    // A link to an open file of this program: the shell's redirection.
    fs::remove_file(&link.0).unwrap();
    std::os::unix::fs::symlink("/proc/self/fd/1", &link.0).unwrap();
    let saved = image.log(&["--save", link.0.to_str().unwrap()]);
    assert!(fs::symlink_metadata(&link.0).unwrap().is_symlink());
    assert_eq!(saved.stdout, fs::read(&file.0).unwrap());
}

#[test]
fn log_until_before_the_boot_prints_nothing() {
    let image = Image::dated("until");
    for until in ["1999-01-01", "2026-11-20 11:59:59"] {
        let printed = image.log(&["--until", until]);
        assert_eq!(
            (printed.status.code(), text(&printed.stdout)),
            (Some(2), "")
        );
    }
    assert_eq!(
        numbers(&image, &["--since", "1999-01-01"]),
        ["7", "8", "12"]
    );
}

#[test]
fn log_zone_that_is_empty_is_utc() {
    let image = Image::dated("utc");
    let iso = |zone| {
        let output = image.log_in(zone, &["--time-format=iso"]);
        text(&output.stdout).lines().next().unwrap().to_owned()
    };
    assert_eq!(iso(""), iso("UTC0"));
    assert_ne!(iso(""), iso("EST5"));
}

#[test]
fn log_dates_before_1970_are_read() {
    let image = Image::text(
        "unset",
        "# fanlight log: clock_offset=0\n6,1,56000000,-;one\n",
    );
    let printed = image.log_in("EST5", &["--time-format=iso"]);
    let date = text(&printed.stdout).split(' ').next().unwrap().to_owned();
    assert_eq!(date, "1969-12-31T19:00:56,000000-05:00");
    let since = image.log_in("EST5", &["--since", &date]);
    assert_eq!((since.status.code(), text(&since.stderr)), (Some(0), ""));
}

#[test]
fn log_file_that_was_archived_says_how_its_boot_ended() {
    let image = Image::text(
        "ended",
        "# fanlight log: missing=3 damaged=1 ending=reset reason=watchdog, overheat\n6,1,5,-;one\n",
    );
    let printed = image.log(&["-o", "cat"]);
    assert_eq!(text(&printed.stdout), "one\n");
    assert_eq!(
        text(&printed.stderr),
        "fanlight: the boot of the file ended in a reset (watchdog, overheat); 3 of its records \
         are missing, 1 places are damaged\n"
    );
}
