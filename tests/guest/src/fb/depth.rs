// SPDX-License-Identifier: MIT OR Apache-2.0
//! The colours on the screen of a Raspberry Pi's firmware that shows 16 bits per pixel.

use crate::skip;
use crate::support::dev::{Spec, FB};
use crate::support::fbdev;
use crate::support::host::{self, Screen};
use crate::support::log::{text, Messages};
use crate::support::sys::{self, Errno};
use crate::tests;

tests! {
    depth:
        fb_depth_colours_are_right_on_the_screen,
        fb_depth_two_pages_are_shown_in_turn,
        fb_depth_bootloaders_framebuffer_has_no_driver_any_more,
        fb_depth_stride_is_the_firmwares;
}

const LINE: usize = 2048;
const PAGE: usize = 600 * LINE;
const FB_16: Spec = Spec {
    size: 2 * PAGE,
    ..FB
};

fn open() -> crate::support::dev::Window {
    let fb = FB_16.open();
    if fbdev::var(fb.raw()).bits_per_pixel != 16 {
        skip!("the screen does not have 16 bits: boot with tests/dts/rpi-16.dtso");
    }
    fb
}

/// A screen of one colour. Five and six bits become eight by a shift, or by repeating the top ones.
fn filled(rgb: [bool; 3], full: [u8; 3]) -> Screen {
    let pixel = [0, 1, 2].map(|i| if rgb[i] { full[i] } else { 0 });
    Screen {
        width: 1024,
        height: 600,
        crc: host::crc32((0..1024 * 600).flat_map(|_| pixel)),
    }
}

fn fb_depth_colours_are_right_on_the_screen() {
    let fb = open();
    fbdev::pan(fb.raw(), 0).unwrap();
    let map = fb.map();
    for (name, pixel, rgb) in [
        ("red", 0xf800_u32, [true, false, false]),
        ("green", 0x07e0, [false, true, false]),
        ("blue", 0x001f, [false, false, true]),
        ("white", 0xffff, [true; 3]),
    ] {
        for offset in (0..PAGE).step_by(4) {
            map.store32(offset, (pixel << 16) | pixel).unwrap();
        }
        let seen = host::screen(name);
        let expected = [[0xf8, 0xfc, 0xf8], [0xff; 3]].map(|full| filled(rgb, full));
        assert!(expected.contains(&seen), "{name}: {seen:?}");
    }
}

fn fb_depth_two_pages_are_shown_in_turn() {
    let fb = open();
    let map = fb.map();
    for offset in (0..PAGE).step_by(4) {
        map.store32(offset, 0).unwrap();
        map.store32(PAGE + offset, 0xffff_ffff).unwrap();
    }
    for (line, rgb) in [(0, [false; 3]), (600, [true; 3]), (0, [false; 3])] {
        fbdev::pan(fb.raw(), line).unwrap();
        let seen = host::screen(&format!("at-{line}"));
        let expected = [[0xf8, 0xfc, 0xf8], [0xff; 3]].map(|full| filled(rgb, full));
        assert!(expected.contains(&seen), "line {line}: {seen:?}");
    }
    assert_eq!(fbdev::pan(fb.raw(), 601), Err(Errno::EINVAL));
    assert_eq!(sys::ioctl_at(fb.raw(), fbdev::BLANK, 4), Ok(0));
    assert_eq!(sys::ioctl_at(fb.raw(), fbdev::BLANK, 0), Ok(0));
    assert_eq!(host::screen("unblanked"), filled([false; 3], [0; 3]));
}

/// The firmware has freed its memory.
fn fb_depth_bootloaders_framebuffer_has_no_driver_any_more() {
    const NODE: &str = "3e000000.framebuffer";
    drop(open());
    let messages = Messages::of_kernel().all();
    let had_one = |m: &String| text(m).contains(NODE) && text(m).contains("framebuffer at");
    assert!(messages.iter().any(had_one), "simplefb had it");
    let left = crate::support::dev::names_in("/sys/bus/platform/drivers/simple-framebuffer");
    assert!(!left.iter().any(|name| name == NODE), "{left:?}");
}

/// The device tree requests another depth.
fn fb_depth_stride_is_the_firmwares() {
    assert_eq!(fbdev::fix(open().raw()).line_length as usize, LINE);
    let line = "window fb: stride is 2048, as the firmware chose, not 2304";
    let messages = Messages::of_kernel().all();
    assert!(
        messages.iter().any(|m| text(m).contains(line)),
        "no {line:?}"
    );
}
