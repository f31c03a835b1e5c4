// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options, messages and exit statuses.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use fanlight_ring::HEADER_SIZE;

use super::log::Image;
use super::{fails, run, text, tool};

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
    fails(&["mem", "read", "sram", "zero"], "'zero' is not a number");
    fails(&["mem", "write", "sram", "0"], "VALUE is missing");
    fails(
        &["mem", "write", "sram", "0", "256", "-w1"],
        "256 does not fit in 1 byte",
    );
    fails(&["mem", "dump", "sram", "-w", "3"], "use one of 1, 2, 4");
    fails(
        &["mem", "watch", "sram", "0", "-i", "0"],
        "--interval takes seconds",
    );
    fails(&["top"], "this is not a terminal: use --batch");
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
    for command in ["dump", "read", "write", "set", "clear", "watch", "save"] {
        all.push(vec!["mem", command]);
    }
    all.push(vec!["log", "write"]);
    all.push(vec!["log", "archive"]);
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
fn cli_version_prints_both_abis() {
    for arguments in [
        &["log", "-V"][..],
        &["fb", "fill", "--version"],
        &["-d", "9", "-V"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            text(&output.stdout).starts_with("fanlight "),
            "{arguments:?}"
        );
    }
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
fn cli_without_a_driver_names_the_remedy() {
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
        fails(
            arguments,
            "/dev/fanlight0: no such device, and the fanlight driver is not loaded: try \
             'modprobe fanlight'",
        );
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
    // After everything that the pipe has accepted, so that the next write fails.
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
    // Records first, then the head, like a writer.
    let more = fs::read(&more.0).unwrap();
    let (header, records) = more.split_at(HEADER_SIZE);
    file.write_all_at(records, HEADER_SIZE as u64).unwrap();
    file.write_all_at(header, 0).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(text(&output.stderr), "");
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

#[test]
fn cli_mistyped_words_are_answered_with_what_may_be_meant() {
    for (arguments, meant) in [
        (&["lgo"][..], "unknown command 'lgo'; did you mean 'log'?"),
        (
            &["mem", "raed"],
            "unknown command 'raed'; did you mean 'read'?",
        ),
        (
            &["log", "--folow"],
            "unrecognized option '--folow'; did you mean '--follow'?",
        ),
        (&["fb", "pattern", "gird"], "did you mean 'grid'?"),
        (&["fb", "fill", "yelow"], "did you mean 'yellow'?"),
        (&["log", "write", "-l", "wran", "x"], "did you mean 'warn'?"),
        (
            &["log", "write", "-f", "deamon", "x"],
            "did you mean 'daemon'?",
        ),
        (
            &["log", "-o", "jsno"],
            "use one of short, cat, json, raw, export; did you mean 'json'?",
        ),
    ] {
        fails(arguments, meant);
    }
    // A word that is not similar to any other gets no suggestion.
    let output = run(&["nonsense"]);
    assert!(!text(&output.stderr).contains("did you mean"));
}

#[test]
fn cli_help_is_of_the_command_wherever_it_is_asked_for() {
    let help = run(&["fb", "fill", "--help"]);
    for arguments in [
        &["fb", "fill", "-h"][..],
        &["-h", "fb", "fill"],
        &["fb", "--help", "fill"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            text(&output.stdout).starts_with("\nUsage:\n fanlight"),
            "{arguments:?}"
        );
    }
    assert!(text(&help.stdout).contains("#rrggbb"));
    // Each command that makes accesses documents their width.
    for command in ["dump", "read", "write", "set", "clear", "watch", "save"] {
        let output = run(&["mem", command, "--help"]);
        let words: Vec<&str> = text(&output.stdout).split_whitespace().collect();
        let words = words.join(" ");
        assert!(
            words.contains("The default is the width that the registers need"),
            "{command}"
        );
        assert!(words.contains("else 4"), "{command}");
    }
}

#[test]
fn cli_device_is_only_one_of_fanlights() {
    // None of these is opened: opening a device can have effects.
    let empty = std::env::temp_dir().join(format!("fanlight-cli-empty-{}", std::process::id()));
    fs::create_dir_all(&empty).unwrap();
    let empty = empty.to_str().unwrap();
    for name in ["/dev", "/etc", "/etc/passwd", "/dev/null", empty] {
        let refused = if name == "/dev/null" {
            "/dev/null is not a window of fanlight".to_owned()
        } else {
            format!("{name} is not a fanlight device: ")
        };
        for arguments in [
            &["list", "-d", name][..],
            &["-d", name, "stats"],
            &["log", "-d", name],
            &["fb", "info", "-d", name],
            &["mem", "dump", "-d", name, "sram"],
        ] {
            fails(arguments, &refused);
        }
        let output = tool().arg("list").env("FANLIGHT", name).output().unwrap();
        assert!(text(&output.stderr).contains(&refused), "{name}");
    }
    fs::remove_dir(empty).unwrap();
    for command in ["dump", "read", "watch", "write", "set", "clear", "save"] {
        let arguments = ["mem", command, "/dev/null", "0", "1"];
        fails(&arguments, "/dev/null is not a window of fanlight");
    }
}

#[test]
fn cli_device_has_the_names_that_it_has_in_dev() {
    for name in ["7", "fanlight7", "/dev/fanlight7"] {
        fails(&["list", "-d", name], "/dev/fanlight7: no such device");
        let output = tool().arg("list").env("FANLIGHT", name).output().unwrap();
        assert!(
            text(&output.stderr).contains("/dev/fanlight7: no such device"),
            "{name}"
        );
    }
}

#[test]
fn cli_mem_width_is_one_that_the_bus_has() {
    fails(
        &["mem", "read", "sram", "0", "-w", "8"],
        "--width 8: a 32-bit bus makes two accesses of 8 bytes; use --width 4",
    );
    fails(
        &["mem", "set", "sram", "0", "0x100", "-w", "1"],
        "0x100 does not fit in 1 byte",
    );
    fails(&["mem", "set", "sram", "0"], "BITS is missing");
}

#[cfg(feature = "png")]
#[test]
fn cli_show_reads_standard_input() {
    let mut child = tool()
        .args(["fb", "show", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    use std::io::Write;
    child.stdin.take().unwrap().write_all(b"GIF89a").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        text(&output.stderr),
        "fanlight: standard input: not a PNG picture\n"
    );
}

#[cfg(feature = "png")]
#[test]
fn cli_show_names_a_damaged_chunk_without_code() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/bars-r5g6b5.png");
    let mut bytes = fs::read(golden).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let path = std::env::temp_dir().join(format!("fanlight-cli-bad-{}.png", std::process::id()));
    fs::write(&path, bytes).unwrap();
    let output = run(&["fb", "show", path.to_str().unwrap()]);
    fs::remove_file(&path).unwrap();
    let said = text(&output.stderr);
    assert!(
        said.contains("the PNG picture is damaged: ") && said.contains("IDAT"),
        "{said}"
    );
    assert!(!said.contains(['{', '}']), "{said}");
}
