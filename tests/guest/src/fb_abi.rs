// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fbdev ioctls of a framebuffer window.

use crate::board;
use crate::child::Child;
use crate::dev::{Spec, FB};
use crate::fbdev::{self, Bitfield, Var};
use crate::mem::{Map, PAGE};
use crate::sys::{self, Ended, Errno};
use crate::tests;
use crate::uapi;

tests! {
    quick:
        fb_var_is_the_trees_geometry,
        fb_var_has_the_bitfields_of_each_format,
        fb_var_is_the_same_for_a_read_only_descriptor,
        fb_fix_is_packed_truecolor_of_the_whole_window,
        fb_fix_shows_the_address_by_the_opener,
        fb_pan_and_blank_need_a_writable_descriptor,
        fb_info_names_each_format_as_drm_does,
        fb_put_of_the_current_mode_changes_nothing,
        fb_put_of_another_mode_gives_the_current_one_back,
        fb_pan_within_the_window_is_remembered,
        fb_pan_beyond_the_window_is_einval,
        fb_pan_of_a_single_page_goes_nowhere,
        fb_blank_answers_every_level,
        fb_ioctl_unknown_is_enotty,
        fb_ioctl_into_a_bad_pointer_is_efault;
}

/// A framebuffer of tests/dts/windows.dtso.
const fn other(name: &'static str, size: usize) -> Spec {
    Spec {
        node: "fanlight-formats",
        child: name,
        name,
        size,
        ..FB
    }
}

pub const FB_565: Spec = other("fb-565", 0x10_0000);
pub const FB_XBGR: Spec = other("fb-xbgr", 0x1_0000);
pub const FB_ARGB: Spec = other("fb-argb", 0x1_0000);
pub const FB_RGB24: Spec = other("fb-rgb24", 0x1_0000);

const fn bits(offset: u32, length: u32) -> Bitfield {
    Bitfield {
        offset,
        length,
        msb_right: 0,
    }
}

fn fb_var_is_the_trees_geometry() {
    let fb = FB.open();
    let var = fbdev::var(fb.raw());
    assert_eq!((var.xres, var.yres), (1024, 600));
    assert_eq!((var.xres_virtual, var.yres_virtual), (1024, 1200));
    assert_eq!((var.xoffset, var.yoffset), (0, 0));
    assert_eq!(var.bits_per_pixel, 32);
    assert_eq!((var.grayscale, var.nonstd, var.rotate), (0, 0, 0));
    assert_eq!(var.timings, [0; 7]);
    assert_eq!(var.reserved, [0; 4]);
}

fn fb_var_has_the_bitfields_of_each_format() {
    for (spec, depth, [red, green, blue, transp]) in [
        (FB, 32, [bits(16, 8), bits(8, 8), bits(0, 8), bits(0, 0)]),
        (
            FB_565,
            16,
            [bits(11, 5), bits(5, 6), bits(0, 5), bits(0, 0)],
        ),
        (
            FB_XBGR,
            32,
            [bits(0, 8), bits(8, 8), bits(16, 8), bits(0, 0)],
        ),
        (
            FB_ARGB,
            32,
            [bits(16, 8), bits(8, 8), bits(0, 8), bits(24, 8)],
        ),
        (
            FB_RGB24,
            24,
            [bits(16, 8), bits(8, 8), bits(0, 8), bits(0, 0)],
        ),
    ] {
        let var = fbdev::var(spec.open().raw());
        assert_eq!(var.bits_per_pixel, depth, "{}", spec.name);
        assert_eq!(
            (var.red, var.green, var.blue, var.transp),
            (red, green, blue, transp),
            "{}",
            spec.name
        );
    }
}

fn fb_var_is_the_same_for_a_read_only_descriptor() {
    assert_eq!(
        fbdev::var(FB.open().raw()),
        fbdev::var(FB.open_with(libc::O_RDONLY).raw())
    );
}

fn fb_fix_is_packed_truecolor_of_the_whole_window() {
    for (spec, line) in [
        (FB, 4096),
        (FB_565, 1600),
        (FB_XBGR, 256),
        (FB_ARGB, 256),
        (FB_RGB24, 192),
    ] {
        let fix = fbdev::fix(spec.open().raw());
        assert_eq!(
            (fix.kind, fix.visual),
            (0, 2),
            "{}: PACKED_PIXELS, TRUECOLOR",
            spec.name
        );
        assert_eq!(fix.line_length, line, "{}", spec.name);
        assert_eq!(fix.smem_start as usize % PAGE, 0, "{}", spec.name);
        let var = fbdev::var(spec.open().raw());
        assert!(
            fix.smem_len >= line * var.yres_virtual,
            "{}: {fix:?}",
            spec.name
        );
        // Programs map up to the next page's end of it.
        let pages = (fix.smem_len as usize).next_multiple_of(PAGE);
        assert!(
            Map::shared(spec.open().raw(), pages, crate::mem::RW).is_ok(),
            "{}",
            spec.name
        );
        assert_ne!(fix.id[0], 0, "{} has no id", spec.name);
        assert_eq!(fix.id[15], 0);
        assert_eq!(
            (fix.mmio_start, fix.mmio_len, fix.accel),
            (0, 0, 0),
            "{}",
            spec.name
        );
    }
}

fn fb_fix_shows_the_address_by_the_opener() {
    let fb = FB.open();
    let start = fbdev::fix(fb.raw()).smem_start as usize;
    assert_eq!(start, board::framebuffer().unwrap_or(start));
    assert_ne!(start, 0);
    let path = FB.path();
    std::os::unix::fs::chown(&path, Some(0), Some(65534)).unwrap();
    let child = Child::spawn(|| {
        sys::become_user(65534, &[]);
        assert_eq!(fbdev::fix(fb.raw()).smem_start as usize, start);
        let fb = FB.open();
        assert_eq!(fbdev::fix(fb.raw()).smem_start, 0);
        assert_eq!(fbdev::fix(fb.raw()).line_length, 4096);
        0
    });
    let ended = child.wait();
    std::os::unix::fs::chown(&path, Some(0), Some(0)).unwrap();
    assert_eq!(ended, Ended::Exit(0));
}

/// A window with fanlight,read-only can only be opened for reading.
fn fb_pan_and_blank_need_a_writable_descriptor() {
    let (reader, writer) = (FB.open_with(libc::O_RDONLY), FB.open());
    fbdev::pan(writer.raw(), 0).unwrap();
    assert_eq!(fbdev::pan(reader.raw(), 600), Err(Errno::EBADF));
    for level in [0, 1, 4] {
        let refused = sys::ioctl_at(reader.raw(), fbdev::BLANK, level);
        assert_eq!(refused, Err(Errno::EBADF), "level {level}");
    }
    let now = fbdev::var(reader.raw());
    assert_eq!(now.yoffset, 0);
    let mut wanted = fbdev::Var {
        yoffset: 600,
        ..now
    };
    let refused = sys::ioctl(reader.raw(), fbdev::PUT_VAR, &mut wanted);
    assert_eq!(refused, Err(Errno::EBADF));
    // fbset does that to tell which modes there are.
    let mut same = now;
    assert_eq!(sys::ioctl(reader.raw(), fbdev::PUT_VAR, &mut same), Ok(0));
    assert_eq!(fbdev::var(writer.raw()), now);
}

fn fb_info_names_each_format_as_drm_does() {
    for (spec, fourcc, geometry) in [
        (FB, b"XR24", (1024, 600, 4096, 2)),
        (FB_565, b"RG16", (800, 480, 1600, 1)),
        (FB_XBGR, b"XB24", (64, 32, 256, 1)),
        (FB_ARGB, b"AR24", (64, 32, 256, 2)),
        (FB_RGB24, b"RG24", (60, 32, 192, 1)),
    ] {
        let info = spec.open().info();
        assert_eq!(info.kind, uapi::KIND_FRAMEBUFFER, "{}", spec.name);
        assert_eq!(&info.format.to_le_bytes(), fourcc, "{}", spec.name);
        assert_eq!(
            (info.width, info.height, info.stride, info.pages),
            geometry,
            "{}",
            spec.name
        );
    }
}

fn fb_put_of_the_current_mode_changes_nothing() {
    let fb = FB.open();
    let before = fbdev::var(fb.raw());
    let mut var = before;
    assert_eq!(sys::ioctl(fb.raw(), fbdev::PUT_VAR, &mut var), Ok(0));
    assert_eq!(var, before);
    assert_eq!(fbdev::var(fb.raw()), before);
}

fn fb_put_of_another_mode_gives_the_current_one_back() {
    let fb = FB.open();
    let before = fbdev::var(fb.raw());
    let mut var = Var {
        xres: 640,
        yres: 480,
        bits_per_pixel: 16,
        ..before
    };
    assert_eq!(sys::ioctl(fb.raw(), fbdev::PUT_VAR, &mut var), Ok(0));
    assert_eq!((var.xres, var.yres, var.bits_per_pixel), (1024, 600, 32));
    assert_eq!(fbdev::var(fb.raw()), before);
}

fn fb_pan_within_the_window_is_remembered() {
    let fb = FB.open();
    for line in [600, 0] {
        assert_eq!(fbdev::pan(fb.raw(), line), Ok(0));
        assert_eq!(fbdev::var(fb.raw()).yoffset, line);
    }
}

fn fb_pan_beyond_the_window_is_einval() {
    let fb = FB.open();
    for line in [601, 1200, u32::MAX, u32::MAX - 599] {
        assert_eq!(
            fbdev::pan(fb.raw(), line),
            Err(Errno::EINVAL),
            "line {line}"
        );
    }
    let mut sideways = Var {
        xoffset: 1,
        ..fbdev::var(fb.raw())
    };
    assert_eq!(
        sys::ioctl(fb.raw(), fbdev::PAN, &mut sideways),
        Err(Errno::EINVAL)
    );
    assert_eq!(fbdev::var(fb.raw()).yoffset, 0);
}

fn fb_pan_of_a_single_page_goes_nowhere() {
    let fb = FB_565.open();
    assert_eq!(fbdev::pan(fb.raw(), 0), Ok(0));
    assert_eq!(fbdev::pan(fb.raw(), 1), Err(Errno::EINVAL));
}

fn fb_blank_answers_every_level() {
    let fb = FB.open();
    for level in [1, 2, 3, 4, 0] {
        let answer = sys::ioctl_at(fb.raw(), fbdev::BLANK, level);
        // As the backend can: fbdev says EINVAL where there is nothing to blank.
        assert!(
            [Ok(0), Err(Errno::EINVAL)].contains(&answer),
            "level {level}: {answer:?}"
        );
    }
    assert!([Err(Errno::EINVAL)].contains(&sys::ioctl_at(fb.raw(), fbdev::BLANK, 99)));
    assert_eq!(fbdev::var(fb.raw()).xres, 1024);
}

fn fb_ioctl_unknown_is_enotty() {
    let fb = FB.open();
    let mut buffer = [0_u32; 64];
    // Colour maps, cursors, console maps, vblank, and numbers that are nothing.
    for request in [
        0x4604,
        0x4605,
        0x4608,
        0x460f,
        0x4610,
        0x4612,
        0x8010_4612,
        0x4618,
        0x4620,
        0x46ff,
    ] {
        assert_eq!(
            sys::ioctl(fb.raw(), request, &mut buffer),
            Err(Errno::ENOTTY),
            "{request:#x}"
        );
    }
}

fn fb_ioctl_into_a_bad_pointer_is_efault() {
    let fb = FB.open();
    let hole = Map::nothing(PAGE);
    for request in [fbdev::GET_VAR, fbdev::PUT_VAR, fbdev::GET_FIX, fbdev::PAN] {
        assert_eq!(
            sys::ioctl_at(fb.raw(), request, hole.at),
            Err(Errno::EFAULT),
            "{request:#x}"
        );
        assert_eq!(
            sys::ioctl_at(fb.raw(), request, 0),
            Err(Errno::EFAULT),
            "{request:#x}"
        );
    }
}
