// SPDX-License-Identifier: MIT OR Apache-2.0
//! Unmodified third-party programs on the driver's nodes.

use crate::fb::abi::FB_565;
use crate::support::dev::{CARVE_CACHED, CARVE_WC, FB};
use crate::support::fbdev;
use crate::support::program::{needs, needs_more_than_busybox, run, shell};
use crate::tests;

tests! {
    quick:
        fb_client_fbset_reads_both_structures,
        fb_client_fbcat_copies_every_pixel,
        fb_client_fbcat_copies_r5g6b5,
        fb_client_fbsplash_draws_a_picture,
        fb_client_strace_decodes_our_ioctls;
    long:
        fb_client_pfnmap_selftest_passes,
        fb_client_memtester_finds_every_bit;
}

fn fb_client_fbset_reads_both_structures() {
    needs_more_than_busybox("fbset");
    let text = run("fbset", &["-fb", &FB.path(), "-i"]).success().text();
    for part in [
        "geometry 1024 600 1024 1200 32",
        "rgba 8/16,8/8,8/0,0/0",
        "PACKED PIXELS",
        "TRUECOLOR",
        "LineLength",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

/// Width, height and pixels of a binary PPM of 8-bit samples.
fn ppm(bytes: &[u8]) -> (usize, usize, &[u8]) {
    let mut at = 0;
    let mut fields = Vec::new();
    while fields.len() < 4 {
        let from = at
            + bytes[at..]
                .iter()
                .position(|b| !b.is_ascii_whitespace())
                .expect("a field");
        if bytes[from] == b'#' {
            at = from
                + bytes[from..]
                    .iter()
                    .position(|&b| b == b'\n')
                    .expect("the comment's end");
            continue;
        }
        at = from
            + bytes[from..]
                .iter()
                .position(u8::is_ascii_whitespace)
                .expect("a space");
        fields.push(std::str::from_utf8(&bytes[from..at]).expect("ASCII"));
    }
    assert_eq!((fields[0], fields[3]), ("P6", "255"));
    (
        fields[1].parse().unwrap(),
        fields[2].parse().unwrap(),
        &bytes[at + 1..],
    )
}

fn fb_client_fbcat_copies_every_pixel() {
    needs("fbcat");
    let fb = FB.open();
    fbdev::pan(fb.raw(), 0).unwrap();
    let map = fb.map();
    for offset in (0..600 * 4096).step_by(4) {
        map.store32(
            offset,
            (offset as u32 / 4).wrapping_mul(0x0001_0305) & 0xff_ffff,
        )
        .unwrap();
    }
    let picture = run("fbcat", &[&FB.path()]).success().out;
    let (width, height, pixels) = ppm(&picture);
    assert_eq!((width, height, pixels.len()), (1024, 600, 1024 * 600 * 3));
    for (pixel, rgb) in pixels.chunks(3).enumerate() {
        let value = map.load32(pixel * 4).unwrap();
        assert_eq!(
            rgb,
            [(value >> 16) as u8, (value >> 8) as u8, value as u8],
            "pixel {pixel}"
        );
    }
}

fn fb_client_fbcat_copies_r5g6b5() {
    needs("fbcat");
    let map = FB_565.open().map();
    // Two pixels per word: red and green, then blue and white.
    for offset in (0..480 * 1600).step_by(8) {
        map.store32(offset, 0x07e0_f800).unwrap();
        map.store32(offset + 4, 0xffff_001f).unwrap();
    }
    let picture = run("fbcat", &[&FB_565.path()]).success().out;
    let (width, height, pixels) = ppm(&picture);
    assert_eq!((width, height), (800, 480));
    for (number, rgb) in pixels.chunks(3).enumerate() {
        // Some versions scale five bits up, some shift: what is full must be bright, and what is
        // not must be black.
        let lit = rgb.iter().map(|&sample| sample >= 0xf8).collect::<Vec<_>>();
        let dark = rgb.iter().map(|&sample| sample == 0).collect::<Vec<_>>();
        let full = [
            [true, false, false],
            [false, true, false],
            [false, false, true],
            [true, true, true],
        ][number % 4];
        assert_eq!(lit, full, "pixel {number}: {rgb:?}");
        assert_eq!(dark, full.map(|on| !on), "pixel {number}: {rgb:?}");
    }
}

fn fb_client_fbsplash_draws_a_picture() {
    needs("fbsplash");
    let map = FB.open().map();
    for offset in (0..64 * 4096).step_by(4) {
        map.store32(offset, 0).unwrap();
    }
    let mut picture = b"P6 16 8 255\n".to_vec();
    for pixel in 0..16 * 8_u8 {
        picture.extend([pixel, 0xff - pixel, 0x40]);
    }
    std::fs::write("/tmp/splash.ppm", picture).unwrap();
    run("fbsplash", &["-s", "/tmp/splash.ppm", "-d", &FB.path()]).success();
    for pixel in 0..16 * 8_u32 {
        let (x, y) = (pixel as usize % 16, pixel as usize / 16);
        let expected = (pixel << 16) | ((0xff - pixel) << 8) | 0x40;
        assert_eq!(
            map.load32(y * 4096 + x * 4).unwrap() & 0xff_ffff,
            expected,
            "pixel {x},{y}"
        );
    }
    assert_eq!(map.load32(16 * 4), Ok(0), "right of the picture");
}

fn fb_client_strace_decodes_our_ioctls() {
    needs("fbset");
    let ran = run(
        "strace",
        &["-e", "trace=ioctl", "fbset", "-fb", &FB.path(), "-i"],
    )
    .success();
    assert!(
        ran.err.contains("FBIOGET_VSCREENINFO") && ran.err.contains("FBIOGET_FSCREENINFO"),
        "{}",
        ran.err
    );
}

fn fb_client_pfnmap_selftest_passes() {
    for spec in [FB, CARVE_WC, CARVE_CACHED] {
        let path = spec.path();
        let ran = run("pfnmap", &["--", &path]);
        assert_eq!(ran.status, 0, "{path}:\n{}{}", ran.text(), ran.err);
        assert!(!ran.text().contains("not ok"), "{}", ran.text());
        assert!(ran.text().contains("ok 6"), "{}", ran.text());
    }
}

fn fb_client_memtester_finds_every_bit() {
    needs("memtester");
    for spec in [CARVE_WC, FB] {
        let ran = shell(&format!("memtester -p 0 -d {} 128K 1", spec.path()));
        assert_eq!(ran.status, 0, "{}:\n{}{}", spec.name, ran.text(), ran.err);
        assert!(ran.text().contains("Done."), "{}", ran.text());
    }
}
