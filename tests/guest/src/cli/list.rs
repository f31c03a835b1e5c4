// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line tool in general: help, list, stats, top, and errors.

use std::process::Command;

use crate::support::child::Child;
use crate::support::dev::{self, Unbound, CARVE_WC, FB, LOG};
use crate::support::program::{needs, run, run_with, shell};
use crate::support::sys::{self, Ended};
use crate::tests;

tests! {
    quick:
        cli_help_fits_a_terminal_and_names_every_command,
        cli_version_names_the_drivers_abi,
        cli_list_shows_every_window,
        cli_list_json_has_every_window,
        cli_list_of_one_board,
        cli_list_reads_the_board_from_the_environment,
        cli_device_of_another_driver_is_not_opened,
        cli_list_opens_nodes_to_read,
        cli_stats_counts_the_log,
        cli_top_prints_a_picture_in_batch_mode,
        cli_unknown_command_is_one_line_and_a_hint,
        cli_unknown_option_is_one_line_and_a_hint,
        cli_without_a_device_names_the_remedy,
        cli_without_permission_names_the_group,
        cli_unknown_window_lists_the_ones_there_are,
        cli_write_error_is_reported,
        cli_broken_pipe_is_silent;
}

/// The tool with other variables, as another user, or with another stdout.
fn fanlight() -> Command {
    Command::new("fanlight")
}

fn cli_help_fits_a_terminal_and_names_every_command() {
    let help = run("fanlight", &["--help"]).success().text();
    for command in ["list", "log", "fb", "mem", "stats", "top"] {
        assert!(
            help.lines()
                .any(|line| line.trim_start().starts_with(command)),
            "no {command}:\n{help}"
        );
        let own = run("fanlight", &[command, "--help"]).success().text();
        assert!(own.starts_with('\n') && own.contains("Usage:"), "{own}");
        for line in help.lines().chain(own.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

fn cli_version_names_the_drivers_abi() {
    FB.needed();
    let text = run("fanlight", &["--version"]).success().text();
    assert!(
        text.starts_with("fanlight ") && text.contains(&format!("ABI {}", FB.open().info().abi)),
        "{text}"
    );
}

fn cli_list_shows_every_window() {
    let text = run("fanlight", &["list"]).success().text();
    for node in dev::bound() {
        for misc in dev::misc_of(&node) {
            let path = format!("/dev/{}", misc.replacen('-', "/", 1));
            assert!(
                text.lines()
                    .any(|line| line.split_whitespace().next() == Some(&path)),
                "no {path}:\n{text}"
            );
        }
    }
    let fb = text
        .lines()
        .find(|line| line.starts_with(&FB.path()))
        .unwrap();
    // The column is empty where no display shows it.
    let scanout = crate::support::board::scanout_name().replace("none", "");
    for word in [
        "framebuffer",
        "carveout",
        "writecombine",
        "1024x600",
        &scanout,
    ] {
        assert!(fb.contains(word), "no {word:?} in {fb:?}");
    }
    let log = text
        .lines()
        .find(|line| line.starts_with("/dev/fanlight0/log "))
        .unwrap();
    assert!(log.contains("vmalloc") && log.contains("cached"), "{log}");
}

fn cli_list_json_has_every_window() {
    let text = run("fanlight", &["list", "--json"]).success().text();
    for spec in [FB, LOG, CARVE_WC] {
        assert!(
            text.contains(&format!("\"{}\"", spec.path())),
            "no {}:\n{text}",
            spec.path()
        );
    }
    assert!(
        text.contains("\"size\":")
            && text.trim_start().starts_with('{')
            && text.trim_end().ends_with('}')
    );
    assert_eq!(
        text.matches(['{', '[']).count(),
        text.matches(['}', ']']).count()
    );
}

fn cli_list_of_one_board() {
    CARVE_WC.needed();
    for name in ["1", "/dev/fanlight1", "/dev/fanlight1/carve-wc"] {
        let text = run("fanlight", &["list", "--device", name])
            .success()
            .text();
        assert!(text.contains("/dev/fanlight1/carve-wc"), "{name}:\n{text}");
        assert!(!text.contains("/dev/fanlight0/"), "{name}:\n{text}");
    }
}

fn cli_list_reads_the_board_from_the_environment() {
    CARVE_WC.needed();
    for name in ["1", "fanlight1", "/dev/fanlight1"] {
        let mut command = fanlight();
        command.arg("list").env("FANLIGHT", name);
        let text = run_with(&mut command, "fanlight", b"").success().text();
        assert!(
            text.contains("/dev/fanlight1/carve-wc") && !text.contains("/dev/fanlight0/"),
            "{name}: {text}"
        );
    }
}

/// The files that the tool opens, as strace reports them.
fn opened(args: &[&str]) -> String {
    let traced = ["-f", "-e", "trace=open,openat", "fanlight"];
    run("strace", &[&traced, args].concat()).err
}

fn cli_device_of_another_driver_is_not_opened() {
    needs("fanlight");
    for name in ["/dev", "/etc", "/etc/passwd", "/dev/null", "/tmp"] {
        let refused = if name == "/dev/null" {
            "is not a window of fanlight"
        } else {
            "is not a fanlight device"
        };
        run("fanlight", &["list", "-d", name]).fails_with(&[name, refused]);
    }
    for args in [
        &["list", "-d", "/dev"][..],
        &["mem", "read", "/dev/mem", "0"],
    ] {
        let opened = opened(args);
        for node in ["mem", "kmsg", "console", "ptmx", "tty", "null"] {
            let node = format!("\"/dev/{node}\"");
            assert!(!opened.contains(&node), "{args:?}: {opened}");
        }
    }
}

fn cli_list_opens_nodes_to_read() {
    CARVE_WC.needed();
    for args in [&["list"][..], &["mem", "dump", &CARVE_WC.path(), "0", "16"]] {
        let opened = opened(args);
        let nodes = opened
            .lines()
            .filter(|line| line.contains("\"/dev/fanlight1/"));
        let nodes: Vec<&str> = nodes.collect();
        assert!(!nodes.is_empty(), "{args:?}: {opened}");
        for line in nodes {
            assert!(line.contains("O_RDONLY"), "{args:?}: {line}");
        }
    }
}

fn cli_stats_counts_the_log() {
    let written = |text: &str| -> u64 {
        let at = text
            .find("\"written\":")
            .unwrap_or_else(|| panic!("no count of written records: {text}"))
            + 10;
        text[at..]
            .trim_start()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .expect("a number")
    };
    let before = written(
        &run("fanlight", &["stats", "--json", "-d", "0"])
            .success()
            .text(),
    );
    run("fanlight", &["log", "write", "-d", "0", "counted"]).success();
    let after = written(
        &run("fanlight", &["stats", "--json", "-d", "0"])
            .success()
            .text(),
    );
    assert!(after > before);
}

fn cli_top_prints_a_picture_in_batch_mode() {
    FB.needed();
    let text = run("fanlight", &["top", "--batch", "-n", "1"])
        .success()
        .text();
    assert!(text.contains("fb") && text.contains("log"), "{text}");
}

fn cli_unknown_command_is_one_line_and_a_hint() {
    run("fanlight", &["nonsense"]).fails_with(&["unknown command 'nonsense'", "--help"]);
}

fn cli_unknown_option_is_one_line_and_a_hint() {
    run("fanlight", &["list", "--nonsense"]).fails_with(&["--nonsense", "--help"]);
    run("fanlight", &["log", "--level", "loud"]).fails_with(&["loud"]);
    run("fanlight", &["fb", "fill", "greenish"]).fails_with(&["greenish"]);
    run("fanlight", &["fb", "show"]).fails_with(&["missing"]);
}

fn cli_without_a_device_names_the_remedy() {
    run("fanlight", &["list", "--device", "99"]).fails_with(&["/dev/fanlight99"]);
    run("fanlight", &["mem", "dump", "/dev/null"]).fails_with(&["/dev/null"]);
    let _unbound = Unbound::new("fanlight-alias");
    run("fanlight", &["mem", "dump", "/dev/fanlight7/mem"]).fails_with(&["/dev/fanlight7/mem"]);
}

fn cli_without_permission_names_the_group() {
    needs("fanlight");
    for (node, args) in [
        (FB.path(), ["fb", "info"]),
        (CARVE_WC.path(), ["mem", "dump"]),
    ] {
        let child = Child::spawn(|| {
            sys::become_user(65534, &[]);
            let mut command = fanlight();
            command.args(args).env("FRAMEBUFFER", &node);
            if args[0] == "mem" {
                command.arg(&node);
            }
            run_with(&mut command, "fanlight", b"").fails_with(&[&node, "group"]);
            0
        });
        assert_eq!(child.wait(), Ended::Exit(0));
    }
}

fn cli_unknown_window_lists_the_ones_there_are() {
    FB.needed();
    run("fanlight", &["mem", "dump", "-d", "0", "nonsense"]).fails_with(&["nonsense", "scratch"]);
    run("fanlight", &["mem", "dump", "-d", "0", "scrath"]).fails_with(&["did you mean 'scratch'?"]);
}

fn cli_write_error_is_reported() {
    let ran = shell("fanlight list >/dev/full");
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(
        ran.err.contains("write error") && !ran.err.contains("panicked"),
        "{}",
        ran.err
    );
}

fn cli_broken_pipe_is_silent() {
    let ran = shell("fanlight log -d 0 | head -n 1").success();
    assert_eq!(ran.text().lines().count(), 1);
    assert_eq!(ran.err, "");
}
