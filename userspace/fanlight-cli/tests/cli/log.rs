// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight log` of a saved ring.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use fanlight_ring::{Entry, Header, Mode, Ring, Start, Word, Writer, HEADER_SIZE};

use super::{fails, run, text};

/// A saved ring of records with these levels and texts, a second apart.
pub struct Image(pub PathBuf);

impl Image {
    pub fn new(name: &str, records: &[(u8, u8, &str)]) -> Self {
        let header = Header::empty();
        let data: Vec<Word> = (0..32 << 10 >> 2).map(|_| Word::new(0)).collect();
        let ring = Ring::init(&header, &data, &[7; 16], Start::default()).unwrap();
        let writer = Writer::new(Start::default());
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
            writer.append(ring, &entry, Mode::Normal).unwrap();
        }
        let mut bytes = Vec::new();
        for word in [
            &header.magic,
            &header.version,
            &header.header_size,
            &header.data_size,
        ] {
            bytes.extend(word.load().to_ne_bytes());
        }
        for long in [&header.head, &header.tail, &header.first_seq] {
            bytes.extend(long.load().to_ne_bytes());
        }
        bytes.extend(header.boot_id());
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

    fn log(&self, options: &[&str]) -> Output {
        let mut arguments = vec!["log", "--file", self.0.to_str().unwrap()];
        arguments.extend(options);
        run(&arguments)
    }

    /// The lines that are printed, and that nothing else happens.
    fn lines(&self, options: &[&str]) -> Vec<String> {
        let output = self.log(options);
        assert_eq!(text(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0), "{options:?}");
        text(&output.stdout).lines().map(str::to_owned).collect()
    }
}

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
        "when another boot was is not known",
    );
    fails(&["log", "-F", file, "--time", "local"], "use --time=boot");
    fails(
        &["log", "-F", file, "--raw", "--json"],
        "exclude each other",
    );
    fails(&["log", "-F", "/nonexistent"], "/nonexistent: no such");
    fails(&["log", "-F", "/etc/passwd"], "/etc/passwd is not a log");
}

#[test]
fn log_json_is_an_object_a_line() {
    let lines = Image::usual("json").lines(&["--json"]);
    assert_eq!(lines.len(), 5);
    assert_eq!(
        lines[2],
        r#"{"seq":2,"time":2.500000000,"level":3,"priority":"err","facility":"daemon","caller":"T9","text":"daemon: no file","dict":{}}"#
    );
    assert!(lines[4].contains(r#""text":"debug\nof two lines""#));
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
