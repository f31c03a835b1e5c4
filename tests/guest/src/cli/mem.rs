// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight mem`: accesses of exactly the width, inside of the window.

use crate::support::dev::{CARVE_NC, CARVE_RO, LOG, REGS};
use crate::support::program::run;
use crate::tests;

tests! {
    quick:
        cli_mem_dump_prints_as_xxd_does,
        cli_mem_read_and_write_of_every_width,
        cli_mem_beyond_the_window_is_refused,
        cli_mem_unaligned_is_refused,
        cli_mem_value_that_does_not_fit_is_refused,
        cli_mem_write_of_a_read_only_window_is_refused,
        cli_mem_set_and_clear_change_their_bits_only,
        cli_mem_write_reads_back,
        cli_mem_save_is_the_memory,
        cli_mem_watch_prints_a_line_a_change;
}

fn mem(args: &[&str]) -> crate::support::program::Ran {
    run("fanlight", &[&["mem"], args].concat())
}

fn cli_mem_dump_prints_as_xxd_does() {
    let map = REGS.open().map();
    for (word, offset) in [
        0x3130_6665_u32,
        0x2e2d_2c2b,
        0x0a09_0807,
        0xfffe_fdfc,
        0x7f7e_2041,
    ]
    .iter()
    .zip((0..).step_by(4))
    {
        map.store32(offset, *word).unwrap();
    }
    let text = mem(&["dump", &REGS.path(), "0", "20"]).success().text();
    let expected = "00000000: 65 66 30 31 2b 2c 2d 2e 07 08 09 0a fc fd fe ff  ef01+,-.........\n\
                    00000010: 41 20 7e 7f                                      A ~.\n";
    assert_eq!(text, expected);
    let words = mem(&["dump", &REGS.path(), "0", "8", "--width", "4"])
        .success()
        .text();
    assert!(words.starts_with("00000000: 31306665 2e2d2c2b"), "{words}");
}

fn cli_mem_read_and_write_of_every_width() {
    let path = REGS.path();
    let map = REGS.open().map();
    for at in [0, 4] {
        map.store32(at, 0).unwrap();
    }
    mem(&["write", &path, "0", "0x11223344"]).success();
    assert_eq!(map.load32(0), Ok(0x1122_3344));
    mem(&["write", &path, "4", "0xab", "--width", "1"]).success();
    mem(&["write", &path, "6", "0xcdef", "--width", "2"]).success();
    assert_eq!(map.load32(4), Ok(0xcdef_00ab));
    assert_eq!(
        mem(&["read", &path, "0", "2"]).success().text(),
        "0x11223344\n0xcdef00ab\n"
    );
    assert_eq!(
        mem(&["read", &path, "1", "--width", "1"]).success().text(),
        "0x33\n"
    );
    assert_eq!(
        mem(&["read", &path, "2", "--width", "2"]).success().text(),
        "0x1122\n"
    );
    assert!(mem(&["read", &path, "0", "--json"])
        .success()
        .text()
        .contains("287454020"));
}

fn cli_mem_beyond_the_window_is_refused() {
    let path = REGS.path();
    for args in [
        &["read", &path, "0x2000"][..],
        &["read", &path, "0x1ffc", "2"],
        &["dump", &path, "0", "0x2001"],
        &["dump", &path, "0x2000"],
        &["write", &path, "0x2000", "1"],
        &["read", &path, "0xffffffff"],
        &["read", &path, "0x100000000"],
        &["read", &path, "0xffffffffffffffff", "--width", "1"],
    ] {
        mem(args).fails_with(&["regs"]);
    }
    // If the value does not fit completely, nothing is written.
    let map = REGS.open().map();
    map.store32(0x1ffc, 0x0bad_cafe).unwrap();
    mem(&["write", &path, "0x1ffc", "1", "2"]).fails_with(&["regs"]);
    assert_eq!(map.load32(0x1ffc), Ok(0x0bad_cafe));
}

fn cli_mem_unaligned_is_refused() {
    for args in [["read", "2", "4"], ["read", "1", "2"]] {
        mem(&[args[0], &CARVE_NC.path(), args[1], "--width", args[2]]).fails_with(&["multiple"]);
    }
}

fn cli_mem_value_that_does_not_fit_is_refused() {
    let path = REGS.path();
    mem(&["write", &path, "0", "256", "--width", "1"]).fails_with(&["256"]);
    mem(&["write", &path, "0", "0x100000000"]).fails_with(&["0x100000000"]);
    mem(&["write", &path, "0", "words"]).fails_with(&["words"]);
    mem(&["write", &path, "0"]).fails_with(&["VALUE"]);
    mem(&["read", &path, "0", "--width", "3"]).fails_with(&["3"]);
}

fn cli_mem_write_of_a_read_only_window_is_refused() {
    for spec in [CARVE_RO, LOG] {
        mem(&["write", &spec.path(), "0", "1"]).fails_with(&[&spec.path()]);
    }
    assert!(mem(&["read", &LOG.path(), "0"])
        .success()
        .text()
        .contains("0x474c4e46"));
}

fn cli_mem_watch_prints_a_line_a_change() {
    let map = REGS.open().map();
    map.store32(0x10, 1).unwrap();
    let path = REGS.path();
    let writer = crate::support::child::Child::spawn(|| {
        for value in 2..40 {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let _ = map.store32(0x10, value);
        }
        0
    });
    let text = mem(&["watch", &path, "0x10", "4", "-i", "0.1", "-n", "5"])
        .success()
        .text();
    writer.wait();
    assert!(text.lines().count() >= 3, "{text}");
}

fn cli_mem_set_and_clear_change_their_bits_only() {
    let path = REGS.path();
    let map = REGS.open().map();
    map.store32(0x20, 0x1100_0001).unwrap();
    let set = mem(&["set", &path, "0x20", "0x80"]).success().text();
    assert_eq!(map.load32(0x20), Ok(0x1100_0081));
    assert_eq!(
        set,
        format!("{path} 0x20, 32 bits: 0x11000001 -> 0x11000081\n")
    );
    let clear = mem(&["clear", &path, "0x20", "0x81"]).success().text();
    assert_eq!(map.load32(0x20), Ok(0x1100_0000));
    assert!(clear.ends_with(": 0x11000081 -> 0x11000000\n"), "{clear}");
    // Only the byte that is named is loaded and stored.
    let set = mem(&["set", &path, "0x21", "0xff", "--width", "1"])
        .success()
        .text();
    assert_eq!(map.load32(0x20), Ok(0x1100_ff00));
    assert!(set.contains("0x21, 8 bits: 0x00 -> 0xff"), "{set}");
    mem(&["set", &path, "0x20", "0x100", "-w", "1"]).fails_with(&["0x100"]);
    mem(&["set", &path, "0x2000", "1"]).fails_with(&["regs"]);
    mem(&["clear", &CARVE_RO.path(), "0", "1"]).fails_with(&[&CARVE_RO.path()]);
    assert_eq!(map.load32(0x20), Ok(0x1100_ff00));
}

fn cli_mem_write_reads_back() {
    let path = REGS.path();
    let read_back = ["write", &path, "0x30", "0x12", "0x34", "-w", "2", "-r"];
    let text = mem(&read_back).success().text();
    let expected = format!("{path} 0x30, 16 bits: 0x0012\n{path} 0x32, 16 bits: 0x0034\n");
    assert_eq!(text, expected);
    assert_eq!(REGS.open().map().load32(0x30), Ok(0x0034_0012));
}

fn cli_mem_save_is_the_memory() {
    const SAVED: &str = "/tmp/fanlight-memory";
    let path = REGS.path();
    let map = REGS.open().map();
    for at in (0..0x40).step_by(4) {
        map.store32(at, 0x0101_0101 * at as u32).unwrap();
    }
    mem(&["save", &path, SAVED, "4", "41"]).success();
    let saved = std::fs::read(SAVED).expect("the file");
    assert_eq!(saved, map.copy(4, 44)[..41]);
    assert_eq!(mem(&["save", &path, "-", "4", "41"]).success().out, saved);
    mem(&["save", &path, SAVED]).success();
    assert_eq!(std::fs::metadata(SAVED).expect("the file").len(), 0x2000);
    let _ = std::fs::remove_file(SAVED);
    mem(&["save", &path, "/dev/full"]).fails_with(&["/dev/full: No space left"]);
}
