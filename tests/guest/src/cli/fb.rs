// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight fb`: the reported picture, the memory, the screen and the picture that it reads back
//! are equal.

use std::fs;
use std::process::Command;

use crate::fb::abi::{FB_565, FB_ARGB, FB_RGB24, FB_XBGR};
use crate::support::dev::{Spec, FB};
use crate::support::fbdev;
use crate::support::host;
use crate::support::mem::Map;
use crate::support::program::{run, run_with, shell};
use crate::tests;

tests! {
    quick:
        cli_fb_info_shows_the_geometry,
        cli_fb_pattern_is_in_memory_as_reported,
        cli_fb_pattern_is_on_the_screen,
        cli_fb_pattern_reads_back_in_every_format,
        cli_fb_draws_on_noncached_memory_at_any_address,
        cli_fb_shot_equals_the_pattern,
        cli_fb_shot_to_stdout_is_a_png,
        cli_fb_shot_into_a_closed_pipe_is_silent,
        cli_fb_show_restores_a_shot,
        cli_fb_show_fits_centers_and_scales,
        cli_fb_fill_and_clear_fill_every_pixel,
        cli_fb_blank_is_answered,
        cli_fb_of_a_window_that_is_none_is_refused,
        cli_fb_show_refuses_what_is_no_png,
        cli_fb_show_refuses_a_truncated_png,
        cli_fb_show_refuses_a_huge_png,
        cli_fb_device_gone_in_the_middle_is_a_clean_error;
}

const PATTERNS: [&str; 4] = ["bars", "grid", "gradient", "text"];

fn geometry(spec: &Spec) -> (usize, usize, usize) {
    let info = spec.open().info();
    (
        info.width as usize,
        info.height as usize,
        info.stride as usize,
    )
}

/// The tool on one of the framebuffers.
fn fb(spec: &Spec, args: &[&str]) -> crate::support::program::Ran {
    let mut command = Command::new("fanlight");
    command.arg("fb").args(args).env("FRAMEBUFFER", spec.path());
    run_with(&mut command, "fanlight", b"")
}

fn crc_of(text: &str) -> u32 {
    let word = text
        .split_whitespace()
        .find(|word| word.len() == 8 && u32::from_str_radix(word, 16).is_ok());
    u32::from_str_radix(word.unwrap_or_else(|| panic!("no CRC in {text:?}")), 16).unwrap()
}

/// The CRC of the visible page, decoded from memory with the bitfields that the driver reports.
fn crc_in_memory(spec: &Spec) -> u32 {
    let window = spec.open();
    let (width, height, stride) = geometry(spec);
    let var = fbdev::var(window.raw());
    let map: Map = window.map();
    let first = var.yoffset as usize * stride;
    let bytes = var.bits_per_pixel as usize / 8;
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        let line = map.copy(first + y * stride, stride & !3);
        for x in 0..width {
            let pixel = line[x * bytes..][..bytes]
                .iter()
                .rev()
                .fold(0_u32, |pixel, &byte| (pixel << 8) | u32::from(byte));
            for field in [var.red, var.green, var.blue] {
                // Fewer bits are made eight as the screen's controller does it: the top ones are
                // repeated below.
                let value = (pixel >> field.offset) & ((1 << field.length) - 1);
                rgb.push(((value << (8 - field.length)) | (value >> (2 * field.length - 8))) as u8);
            }
        }
    }
    host::crc32(rgb)
}

fn cli_fb_info_shows_the_geometry() {
    let text = fb(&FB, &["info"]).success().text();
    for word in ["1024", "600", "4096", "x8r8g8b8"] {
        assert!(text.to_lowercase().contains(word), "no {word} in\n{text}");
    }
    assert!(fb(&FB, &["info", "--json"])
        .success()
        .text()
        .contains("1024"));
}

fn cli_fb_pattern_is_in_memory_as_reported() {
    for pattern in PATTERNS {
        let said = crc_of(&fb(&FB, &["pattern", pattern, "--crc"]).success().text());
        assert_eq!(crc_in_memory(&FB), said, "{pattern}");
    }
}

fn cli_fb_pattern_is_on_the_screen() {
    for pattern in PATTERNS {
        let said = crc_of(&fb(&FB, &["pattern", pattern, "--crc"]).success().text());
        let screen = host::screen(&format!("pattern-{pattern}"));
        assert_eq!((screen.width, screen.height), (1024, 600));
        assert_eq!(screen.crc, said, "{pattern}");
    }
}

fn cli_fb_pattern_reads_back_in_every_format() {
    for spec in [FB, FB_565, FB_XBGR, FB_ARGB, FB_RGB24] {
        fb(&spec, &["pattern", "bars"]).success();
        let shot = crc_of(
            &fb(&spec, &["shot", "/tmp/shot.png", "--crc"])
                .success()
                .text(),
        );
        assert_eq!(shot, crc_in_memory(&spec), "{}", spec.name);
    }
}

/// On arm64, an access to noncached memory is a bus error unless it is aligned to its size. Such
/// errors show stores that the compiler has merged.
fn cli_fb_draws_on_noncached_memory_at_any_address() {
    for pattern in PATTERNS {
        let said = crc_of(
            &fb(&FB_RGB24, &["pattern", pattern, "--crc"])
                .success()
                .text(),
        );
        assert_eq!(crc_in_memory(&FB_RGB24), said, "{pattern}");
    }
    fb(&FB_RGB24, &["fill", "#ff8000"]).success();
    let (width, height, _) = geometry(&FB_RGB24);
    let filled = host::crc32([0xff, 0x80, 0].repeat(width * height));
    assert_eq!(crc_in_memory(&FB_RGB24), filled);
}

fn cli_fb_shot_equals_the_pattern() {
    for pattern in PATTERNS {
        let drawn = crc_of(
            &fb(
                &FB,
                &["pattern", pattern, "--save", "/tmp/drawn.png", "--crc"],
            )
            .success()
            .text(),
        );
        let shot = crc_of(
            &fb(&FB, &["shot", "/tmp/shot.png", "--crc"])
                .success()
                .text(),
        );
        assert_eq!(shot, drawn, "{pattern}");
        // The same pixels by the same encoder.
        assert_eq!(
            fs::read("/tmp/shot.png").unwrap(),
            fs::read("/tmp/drawn.png").unwrap(),
            "{pattern}"
        );
    }
}

fn cli_fb_shot_to_stdout_is_a_png() {
    let png = fb(&FB, &["shot", "-"]).success().out;
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(png[16..24], [0, 0, 4, 0, 0, 0, 2, 88], "1024 x 600");
    assert_eq!(&png[png.len() - 8..png.len() - 4], b"IEND");
}

fn cli_fb_shot_into_a_closed_pipe_is_silent() {
    FB.needed();
    let line = format!(
        "export FRAMEBUFFER={}; fanlight fb pattern text; fanlight fb shot - | head -c 8 | wc -c",
        FB.path()
    );
    let ran = shell(&line).success();
    assert_eq!((ran.text().trim(), ran.err.as_str()), ("8", ""));
}

fn cli_fb_show_restores_a_shot() {
    fb(&FB, &["pattern", "gradient"]).success();
    let drawn = crc_of(
        &fb(&FB, &["shot", "/tmp/back.png", "--crc"])
            .success()
            .text(),
    );
    fb(&FB, &["clear"]).success();
    assert_ne!(crc_in_memory(&FB), drawn);
    fb(&FB, &["show", "/tmp/back.png"]).success();
    assert_eq!(crc_in_memory(&FB), drawn);
    // And by a pipe.
    fb(&FB, &["clear"]).success();
    let line = format!(
        "FRAMEBUFFER={} fanlight fb show - </tmp/back.png",
        FB.path()
    );
    shell(&line).success();
    assert_eq!(crc_in_memory(&FB), drawn);
}

fn cli_fb_show_fits_centers_and_scales() {
    // A picture of the small framebuffer, 64 x 32, all red but for its frame.
    fb(&FB_XBGR, &["fill", "red"]).success();
    fb(&FB_XBGR, &["shot", "/tmp/small.png"]).success();
    let pixel = |x: usize, y: usize| {
        let window = FB.open();
        let shown = fbdev::var(window.raw()).yoffset as usize + y;
        window.map().load32(shown * 4096 + x * 4).unwrap() & 0xff_ffff
    };
    let (red, black) = (0xff_0000, 0);
    fb(&FB, &["show", "--center", "/tmp/small.png"]).success();
    assert_eq!(
        (pixel(512, 300), pixel(480, 284), pixel(543, 315)),
        (red, red, red)
    );
    assert_eq!(
        (
            pixel(479, 300),
            pixel(544, 300),
            pixel(512, 283),
            pixel(512, 316)
        ),
        (black, black, black, black)
    );
    fb(&FB, &["show", "--scale", "2", "/tmp/small.png"]).success();
    assert_eq!(
        (
            pixel(512, 300),
            pixel(450, 270),
            pixel(447, 300),
            pixel(512, 267)
        ),
        (red, red, black, black)
    );
    // 64 x 32 fits 1024 x 600 as 1024 x 512.
    fb(
        &FB,
        &["show", "--fit", "--background", "#00f", "/tmp/small.png"],
    )
    .success();
    assert_eq!(
        (
            pixel(0, 300),
            pixel(1023, 300),
            pixel(512, 50),
            pixel(512, 550)
        ),
        (red, red, red, red)
    );
    assert_eq!((pixel(0, 0), pixel(1023, 599)), (0xff, 0xff));
}

fn cli_fb_fill_and_clear_fill_every_pixel() {
    for (spec, red) in [(FB, 0x00ff_8000), (FB_XBGR, 0x0000_80ff)] {
        fb(&spec, &["fill", "#ff8000"]).success();
        let (width, height, stride) = geometry(&spec);
        let window = spec.open();
        let first = fbdev::var(window.raw()).yoffset as usize;
        let map = window.map();
        for y in 0..height {
            for x in 0..width {
                let pixel = map.load32((first + y) * stride + x * 4).unwrap() & 0xff_ffff;
                assert_eq!(pixel, red, "{} {x},{y}", spec.name);
            }
        }
        fb(&spec, &["clear"]).success();
        let first = fbdev::var(window.raw()).yoffset as usize;
        assert_eq!(map.load32(first * stride).unwrap() & 0xff_ffff, 0);
    }
}

fn cli_fb_blank_is_answered() {
    for state in ["on", "off"] {
        let ran = fb(&FB, &["blank", state]);
        assert!(ran.status == 0 || ran.err.contains("blank"), "{ran:?}");
    }
    run("fanlight", &["fb", "blank", "maybe"]).fails_with(&["maybe"]);
}

fn cli_fb_of_a_window_that_is_none_is_refused() {
    let path = crate::support::dev::SCRATCH.path();
    let mut command = Command::new("fanlight");
    command.args(["fb", "info"]).env("FRAMEBUFFER", &path);
    run_with(&mut command, "fanlight", b"").fails_with(&[&path]);
}

fn cli_fb_show_refuses_what_is_no_png() {
    fs::write("/tmp/no.png", "these are words").unwrap();
    run("fanlight", &["fb", "show", "/tmp/no.png"]).fails_with(&["/tmp/no.png", "PNG"]);
    fs::write("/tmp/empty.png", "").unwrap();
    run("fanlight", &["fb", "show", "/tmp/empty.png"]).fails_with(&["/tmp/empty.png"]);
    run("fanlight", &["fb", "show", "/tmp/nowhere.png"]).fails_with(&["/tmp/nowhere.png"]);
    run("fanlight", &["fb", "show", "/tmp"]).fails_with(&["/tmp"]);
}

fn cli_fb_show_refuses_a_truncated_png() {
    fb(&FB_XBGR, &["pattern", "bars"]).success();
    fb(&FB_XBGR, &["shot", "/tmp/whole.png"]).success();
    let whole = fs::read("/tmp/whole.png").unwrap();
    for len in [8, 20, 40, whole.len() / 2, whole.len() - 20] {
        fs::write("/tmp/cut.png", &whole[..len]).unwrap();
        fb(&FB_XBGR, &["show", "/tmp/cut.png"]).fails_with(&["/tmp/cut.png"]);
    }
    // One flipped bit is found by a chunk's own checksum.
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write("/tmp/cut.png", flipped).unwrap();
    fb(&FB_XBGR, &["show", "/tmp/cut.png"]).fails_with(&["/tmp/cut.png"]);
}

/// A PNG chunk.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind, data].concat();
    [
        &(data.len() as u32).to_be_bytes()[..],
        &body,
        &host::crc32(body.iter().copied()).to_be_bytes(),
    ]
    .concat()
}

fn cli_fb_show_refuses_a_huge_png() {
    // A header of 16 gigapixels, without data.
    let mut header = Vec::new();
    for side in [131_072_u32; 2] {
        header.extend(side.to_be_bytes());
    }
    header.extend([8, 6, 0, 0, 0]);
    let png = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", b""),
        chunk(b"IEND", b""),
    ]
    .concat();
    fs::write("/tmp/huge.png", png).unwrap();
    run("fanlight", &["fb", "show", "/tmp/huge.png"]).fails_with(&["/tmp/huge.png"]);
}

fn cli_fb_device_gone_in_the_middle_is_a_clean_error() {
    FB_565.needed();
    let line = format!(
        "export FRAMEBUFFER={}; while :; do fanlight fb pattern grid 2>/tmp/gone || \
         {{ echo $?; break; }}; done",
        FB_565.path()
    );
    let unbinder = crate::support::child::Child::spawn(|| {
        std::thread::sleep(std::time::Duration::from_millis(700));
        crate::support::dev::unbind(FB_565.node);
        0
    });
    let ran = shell(&line);
    unbinder.wait();
    crate::support::dev::bind_everything();
    assert_eq!(ran.text().trim(), "1", "{ran:?}");
    let said = fs::read_to_string("/tmp/gone").unwrap();
    assert!(
        said.starts_with("fanlight: ") && said.contains(&FB_565.path()),
        "{said:?}"
    );
}
