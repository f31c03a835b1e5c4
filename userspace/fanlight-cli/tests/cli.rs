// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tool as a script sees it: what it prints where, and how it exits. None of this needs a device.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use fanlight_ring::{Entry, Header, Mode, Ring, Start, Word, Writer, HEADER_SIZE};

fn tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanlight"));
    for variable in ["FANLIGHT", "FRAMEBUFFER", "NO_COLOR", "TZ"] {
        command.env_remove(variable);
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    tool()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Fails with status 1, nothing on stdout, and this on stderr.
fn fails(arguments: &[&str], message: &str) {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    assert!(
        text(&output.stderr).contains(message),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    assert!(
        text(&output.stderr).starts_with("fanlight: "),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
}

/// A saved ring of records with these levels and texts, a second apart.
struct Image(PathBuf);

impl Image {
    fn new(name: &str, records: &[(u8, u8, &str)]) -> Self {
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
fn cli_usage_errors_are_util_linuxs() {
    fails(
        &["--nonsense"],
        "unrecognized option '--nonsense'\nTry 'fanlight --help' for more information.",
    );
    fails(&["-z"], "invalid option -- 'z'");
    fails(&["nonsense"], "unknown command 'nonsense'");
    fails(&["log", "--level"], "option '--level' requires an argument");
    fails(
        &["log", "--follow=1"],
        "option '--follow' doesn't allow an argument",
    );
    fails(&["log", "--fo=1"], "option '--fo' is ambiguous");
    fails(
        &["log", "extra"],
        "unknown command 'extra'\nTry 'fanlight log --help'",
    );
    fails(&["fb"], "a command is missing\nTry 'fanlight fb --help'");
    fails(&["fb", "fill"], "COLOUR is missing");
    fails(&["fb", "fill", "red", "blue"], "unexpected argument 'blue'");
    fails(&["fb", "fill", "reddish"], "unknown colour 'reddish'");
    fails(
        &["fb", "pattern", "plaid"],
        "unknown pattern 'plaid'; there are bars, grid, gradient, text",
    );
    fails(&["fb", "blank", "maybe"], "'maybe' is neither on nor off");
    fails(
        &["fb", "show", "x.png", "--fit", "--center"],
        "exclude each other",
    );
    fails(
        &["fb", "show", "x.png", "--scale", "0"],
        "--scale takes a number above 0",
    );
    fails(&["mem", "read", "sram", "zero"], "'zero' is no number");
    fails(&["mem", "write", "sram", "0"], "VALUE is missing");
    fails(
        &["mem", "write", "sram", "0", "256", "-w1"],
        "256 does not fit in 1 bytes",
    );
    fails(&["mem", "dump", "sram", "-w", "3"], "it is one of 1, 2, 4");
    fails(
        &["mem", "watch", "sram", "0", "-i", "0"],
        "--interval takes seconds",
    );
    fails(&["top"], "this is not a terminal: use --batch");
    fails(
        &["--generate", "nonsense"],
        "nothing to generate as 'nonsense'",
    );
}

#[test]
fn cli_help_is_on_stdout_and_short_enough_for_a_terminal() {
    let mut all = vec![vec![]];
    for command in ["list", "log", "fb", "mem", "stats", "top"] {
        all.push(vec![command]);
    }
    for command in ["info", "shot", "show", "pattern", "fill", "blank", "clear"] {
        all.push(vec!["fb", command]);
    }
    for command in ["dump", "read", "write", "watch"] {
        all.push(vec!["mem", command]);
    }
    all.push(vec!["log", "write"]);
    for mut command in all {
        command.push("--help");
        let output = run(&command);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(text(&output.stderr), "");
        let help = text(&output.stdout);
        assert!(help.starts_with("\nUsage:\n fanlight "), "{command:?}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 80),
            "{command:?}"
        );
    }
}

#[test]
fn cli_version_tells_both_abis() {
    let output = run(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    let expected = format!(
        "fanlight {}, ABI {}; ",
        env!("CARGO_PKG_VERSION"),
        fanlight::abi::ABI
    );
    assert!(text(&output.stdout).starts_with(&expected));
}

#[test]
fn cli_without_a_driver_says_what_to_do() {
    if fs::read_dir("/dev")
        .unwrap()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("fanlight"))
    {
        return;
    }
    for arguments in [
        ["list"].as_slice(),
        &["log"],
        &["fb", "info"],
        &["fb", "pattern"],
        &["stats"],
        &["mem", "dump", "sram"],
        &["log", "write", "x"],
    ] {
        fails(arguments, "/dev/fanlight0: no such device, and the fanlight driver is not loaded: try 'modprobe fanlight'");
    }
    fails(&["list", "--device", "3"], "/dev/fanlight3: no such device");
    let output = tool()
        .arg("list")
        .env("FANLIGHT", "/dev/fanlight7")
        .output()
        .unwrap();
    assert!(text(&output.stderr).contains("/dev/fanlight7: no such device"));
    let output = tool()
        .args(["fb", "info"])
        .env("FRAMEBUFFER", "/dev/fb9")
        .output()
        .unwrap();
    assert!(text(&output.stderr).contains("/dev/fb9: no such device"));
}

#[test]
fn cli_node_that_is_no_framebuffer_is_named() {
    let output = tool()
        .args(["fb", "info"])
        .env("FRAMEBUFFER", "/dev/null")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("/dev/null is not a framebuffer"),
        "{}",
        text(&output.stderr)
    );
    fails(
        &["mem", "dump", "/dev/zero"],
        "/dev/zero is not a window of fanlight",
    );
}

#[test]
fn cli_full_disk_is_an_error_and_a_closed_pipe_is_not_a_message() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = tool().arg("--help").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("fanlight: write error: "));

    let records: Vec<_> = (0..400)
        .map(|_| (6, 0, "a line that is long enough for the pipe to fill"))
        .collect();
    let image = Image::new("pipe", &records);
    let mut child = tool()
        .args(["log", "--follow", "--file", image.0.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    // Behind everything that the pipe has taken, so that the next write fails.
    use std::os::unix::fs::FileExt;
    let more = Image::new(
        "pipe-more",
        &records
            .iter()
            .chain(&records)
            .copied()
            .take(420)
            .collect::<Vec<_>>(),
    );
    let file = fs::OpenOptions::new().write(true).open(&image.0).unwrap();
    file.write_all_at(&fs::read(&more.0).unwrap(), 0).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(text(&output.stderr), "");
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

#[cfg(feature = "png")]
#[test]
fn cli_show_says_what_is_wrong_with_a_picture() {
    let path = std::env::temp_dir().join(format!("fanlight-cli-{}.png", std::process::id()));
    let file = path.to_str().unwrap();
    fs::write(&path, "<html>").unwrap();
    fails(&["fb", "show", file], &format!("{file}: not a PNG picture"));
    fs::write(&path, b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR").unwrap();
    fails(
        &["fb", "show", file],
        &format!("{file}: the PNG picture is truncated"),
    );
    fails(
        &["fb", "show", "/tmp"],
        "cannot read /tmp: Is a directory\n",
    );
    fs::remove_file(&path).unwrap();
    fails(
        &["fb", "show", file],
        &format!("cannot open {file}: No such file"),
    );
}
