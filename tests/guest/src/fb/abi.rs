// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fbdev ioctls of a framebuffer window.

use std::fs;
use std::os::fd::AsRawFd;

use crate::skip;
use crate::support::board;
use crate::support::child::Child;
use crate::support::dev::{self, Spec, FB};
use crate::support::fbdev::{self, Bitfield, Var};
use crate::support::mem::{Map, PAGE};
use crate::support::program::{needs, run};
use crate::support::sys::{self, Ended, Errno};
use crate::support::uapi;
use crate::tests;

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
        fb_put_of_another_mode_returns_the_current_one,
        fb_pan_within_the_window_is_remembered,
        fb_pan_beyond_the_window_is_einval,
        fb_pan_of_a_single_page_changes_nothing,
        fb_blank_refuses_levels_that_fbdev_does_not_have,
        fb_put_with_activate_test_changes_nothing,
        fb_put_of_another_line_pans,
        fb_put_that_would_wrap_is_einval,
        fb_put_of_an_invalid_mode_removes_nothing,
        fb_pan_that_would_wrap_is_einval,
        fb_pan_leaves_the_request_as_it_was,
        fb_colour_map_is_that_of_a_true_colour_display,
        fb_wait_for_vsync_works_or_is_enotty,
        fb_sysfs_has_what_fbdev_has,
        fb_sysfs_pan_of_a_read_only_picture_is_refused,
        fb_sysfs_pan_shows_another_page,
        fb_sysfs_is_there_for_programs_of_fbdev,
        fb_answers_are_those_of_the_kernels_simplefb,
        fb_memory_is_taken_over_from_simplefb,
        fb_refused_window_leaves_the_screen_to_its_owner,
        fb_memory_that_a_driver_shows_is_no_other_window,
        fb_display_shows_one_window,
        fb_ioctl_unknown_is_enotty,
        fb_ioctl_into_a_bad_pointer_is_efault;
    regions:
        fb_deferred_window_leaves_the_screen_to_its_owner;
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
pub const FB_RGB24: Spec = Spec {
    cache: uapi::CACHE_NONCACHED,
    ..other("fb-rgb24", 0x1_0000)
};
pub const FB_ABGR: Spec = other("fb-abgr", 0x1_0000);
pub const FB_5551: Spec = other("fb-5551", 0x1_0000);
pub const FB_X555: Spec = other("fb-x555", 0x1_0000);
pub const FB_A555: Spec = other("fb-a555", 0x1_0000);
pub const FB_X2R10: Spec = other("fb-x2r10", 0x1_0000);
pub const FB_A2R10: Spec = other("fb-a2r10", 0x1_0000);

type Fields = [(u32, u32); 4];

/// Each format of simple-framebuffer: bits of a pixel, then offset and length of red, green, blue
/// and alpha.
const FORMATS: [(Spec, u32, Fields); 11] = [
    (FB, 32, [(16, 8), (8, 8), (0, 8), (0, 0)]),
    (FB_565, 16, [(11, 5), (5, 6), (0, 5), (0, 0)]),
    (FB_5551, 16, [(11, 5), (6, 5), (1, 5), (0, 1)]),
    (FB_X555, 16, [(10, 5), (5, 5), (0, 5), (0, 0)]),
    (FB_A555, 16, [(10, 5), (5, 5), (0, 5), (15, 1)]),
    (FB_RGB24, 24, [(16, 8), (8, 8), (0, 8), (0, 0)]),
    (FB_ARGB, 32, [(16, 8), (8, 8), (0, 8), (24, 8)]),
    (FB_XBGR, 32, [(0, 8), (8, 8), (16, 8), (0, 0)]),
    (FB_ABGR, 32, [(0, 8), (8, 8), (16, 8), (24, 8)]),
    (FB_X2R10, 32, [(20, 10), (10, 10), (0, 10), (0, 0)]),
    (FB_A2R10, 32, [(20, 10), (10, 10), (0, 10), (30, 2)]),
];

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
    for (spec, depth, fields) in FORMATS {
        let var = fbdev::var(spec.open().raw());
        assert_eq!(var.bits_per_pixel, depth, "{}", spec.name);
        assert_eq!(
            [var.red, var.green, var.blue, var.transp],
            fields.map(|(offset, length)| bits(offset, length)),
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
        (FB_RGB24, 188),
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
            Map::shared(spec.open().raw(), pages, crate::support::mem::RW).is_ok(),
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
    // fbset does that to find the supported modes.
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
        (FB_RGB24, b"RG24", (60, 32, 188, 1)),
        (FB_ABGR, b"AB24", (64, 32, 256, 1)),
        (FB_5551, b"RA15", (64, 32, 128, 1)),
        (FB_X555, b"XR15", (64, 32, 128, 1)),
        (FB_A555, b"AR15", (64, 32, 128, 1)),
        (FB_X2R10, b"XR30", (64, 32, 256, 1)),
        (FB_A2R10, b"AR30", (64, 32, 256, 1)),
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

fn fb_put_of_another_mode_returns_the_current_one() {
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

fn fb_pan_of_a_single_page_changes_nothing() {
    let fb = FB_565.open();
    assert_eq!(fbdev::pan(fb.raw(), 0), Ok(0));
    assert_eq!(fbdev::pan(fb.raw(), 1), Err(Errno::EINVAL));
}

fn fb_blank_refuses_levels_that_fbdev_does_not_have() {
    let fb = FB.open();
    let answer = if board::scanout() == uapi::SCANOUT_NONE {
        Err(Errno::EINVAL)
    } else {
        Ok(0)
    };
    for level in [1, 2, 3, 4, 0] {
        assert_eq!(
            sys::ioctl_at(fb.raw(), fbdev::BLANK, level),
            answer,
            "level {level}"
        );
    }
    // The low half of the last one is a level.
    for level in [5, 99, usize::MAX, (1_u64 << 32) as usize] {
        if level > 4 {
            let answer = sys::ioctl_at(fb.raw(), fbdev::BLANK, level);
            assert_eq!(answer, Err(Errno::EINVAL), "level {level}");
        }
    }
    // A framebuffer without a display cannot be blanked.
    let dark = FB_565.open();
    for level in [0, 4] {
        assert_eq!(
            sys::ioctl_at(dark.raw(), fbdev::BLANK, level),
            Err(Errno::EINVAL),
            "level {level}"
        );
    }
    assert_eq!(fbdev::var(fb.raw()).xres, 1024);
}

fn put(fd: i32, var: Var) -> sys::Result<Var> {
    let mut answer = var;
    sys::ioctl(fd, fbdev::PUT_VAR, &mut answer).map(|_| answer)
}

fn fb_put_with_activate_test_changes_nothing() {
    let fb = FB.open();
    fbdev::pan(fb.raw(), 0).unwrap();
    let before = fbdev::var(fb.raw());
    for activate in [fbdev::ACTIVATE_TEST, fbdev::ACTIVATE_NXTOPEN] {
        let wanted = Var {
            yoffset: 600,
            activate,
            ..before
        };
        let answer = put(fb.raw(), wanted).expect("it could be had");
        assert_eq!(answer.yoffset, 600);
        assert_eq!(fbdev::var(fb.raw()), before, "activate {activate}");
        let beyond = Var {
            yoffset: 601,
            ..wanted
        };
        assert_eq!(put(fb.raw(), beyond), Err(Errno::EINVAL));
        assert_eq!(fbdev::var(fb.raw()), before, "activate {activate}");
    }
}

fn fb_put_of_another_line_pans() {
    let fb = FB.open();
    for yoffset in [600, 0] {
        let wanted = Var {
            yoffset,
            ..fbdev::var(fb.raw())
        };
        assert_eq!(put(fb.raw(), wanted).expect("a pan").yoffset, yoffset);
        assert_eq!(fbdev::var(fb.raw()).yoffset, yoffset);
    }
}

fn fb_put_that_would_wrap_is_einval() {
    let fb = FB.open();
    let wanted = Var {
        yoffset: 600,
        vmode: fbdev::VMODE_YWRAP,
        ..fbdev::var(fb.raw())
    };
    assert_eq!(put(fb.raw(), wanted), Err(Errno::EINVAL));
    assert_eq!(fbdev::var(fb.raw()).yoffset, 0);
}

fn fb_put_of_an_invalid_mode_removes_nothing() {
    let fb = FB.open();
    let before = fbdev::var(fb.raw());
    let wanted = Var {
        activate: fbdev::ACTIVATE_INV_MODE,
        ..before
    };
    assert_eq!(put(fb.raw(), wanted), Err(Errno::EINVAL));
    let another = Var {
        xres: 640,
        yoffset: 600,
        ..wanted
    };
    assert!(put(fb.raw(), another).is_ok());
    assert_eq!(fbdev::var(fb.raw()), before);
}

fn fb_pan_that_would_wrap_is_einval() {
    let fb = FB.open();
    for yoffset in [0, 1, 600] {
        let mut wanted = Var {
            yoffset,
            vmode: fbdev::VMODE_YWRAP,
            ..fbdev::var(fb.raw())
        };
        assert_eq!(
            sys::ioctl(fb.raw(), fbdev::PAN, &mut wanted),
            Err(Errno::EINVAL),
            "line {yoffset}"
        );
    }
    let var = fbdev::var(fb.raw());
    assert_eq!((var.yoffset, var.vmode), (0, 0));
}

fn fb_pan_leaves_the_request_as_it_was() {
    let fb = FB.open();
    let wanted = Var {
        xres: 1,
        bits_per_pixel: 7,
        ..Var::default()
    };
    let mut request = wanted;
    assert_eq!(sys::ioctl(fb.raw(), fbdev::PAN, &mut request), Ok(0));
    assert_eq!(request, wanted);
}

/// Results of ioctls on the colour map.
fn colour_map_answers(fd: i32) -> Vec<(u32, &'static str, sys::Result<usize>)> {
    let mut values = [[0x1111_u16; 32]; 4];
    let [red, green, blue, transp] = values.each_mut().map(|column| column.as_mut_ptr());
    let map = fbdev::Cmap {
        start: 0,
        len: 16,
        red,
        green,
        blue,
        transp,
    };
    let hole = Map::nothing(PAGE);
    let nowhere = hole.at as *mut u16;
    let null = std::ptr::null_mut();
    let cases = [
        ("16 entries", map),
        (
            "without transparency",
            fbdev::Cmap {
                transp: null,
                ..map
            },
        ),
        (
            "beyond the 16",
            fbdev::Cmap {
                start: 8,
                len: 32,
                ..map
            },
        ),
        ("none", fbdev::Cmap { len: 0, ..map }),
        (
            "from -1 on",
            fbdev::Cmap {
                start: u32::MAX,
                ..map
            },
        ),
        (
            "too many",
            fbdev::Cmap {
                len: u32::MAX,
                ..map
            },
        ),
        (
            "red is nowhere",
            fbdev::Cmap {
                red: nowhere,
                ..map
            },
        ),
        ("blue is null", fbdev::Cmap { blue: null, ..map }),
        (
            "transparency is nowhere",
            fbdev::Cmap {
                transp: nowhere,
                ..map
            },
        ),
    ];
    let mut answers = Vec::new();
    for request in [fbdev::PUT_CMAP, fbdev::GET_CMAP] {
        for (name, case) in cases {
            let mut case = case;
            answers.push((request, name, sys::ioctl(fd, request, &mut case)));
        }
        answers.push((request, "at null", sys::ioctl_at(fd, request, 0)));
    }
    answers
}

fn fb_colour_map_is_that_of_a_true_colour_display() {
    for (request, name, answer) in colour_map_answers(FB.open().raw()) {
        let expected = match (request, name) {
            (_, "at null") => Err(Errno::EFAULT),
            (fbdev::GET_CMAP, _) => Err(Errno::EINVAL),
            (_, "none" | "from -1 on") => Err(Errno::EINVAL),
            (_, "too many") => Err(Errno::E2BIG),
            (_, name) if name.ends_with("nowhere") || name.ends_with("null") => Err(Errno::EFAULT),
            _ => Ok(0),
        };
        assert_eq!(answer, expected, "{request:#x} {name}");
    }
}

fn fb_wait_for_vsync_works_or_is_enotty() {
    // A Raspberry Pi's firmware can wait; the other displays cannot.
    let fb = FB.open();
    let answer = sys::ioctl(fb.raw(), fbdev::WAIT_FOR_VSYNC, &mut 0_u32);
    if board::scanout() == uapi::SCANOUT_RPI {
        assert!([Ok(0), Err(Errno::ENOTTY)].contains(&answer), "{answer:?}");
    } else {
        assert_eq!(answer, Err(Errno::ENOTTY));
    }
    let dark = FB_565.open();
    let answer = sys::ioctl(dark.raw(), fbdev::WAIT_FOR_VSYNC, &mut 0_u32);
    assert_eq!(answer, Err(Errno::ENOTTY));
}

fn fb_sysfs_has_what_fbdev_has() {
    for (spec, size, depth, stride) in [
        (FB, "1024,1200", "32", "4096"),
        (FB_565, "800,480", "16", "1600"),
        (FB_RGB24, "60,32", "24", "188"),
        (FB_ARGB, "64,64", "32", "256"),
    ] {
        assert_eq!(spec.attribute("virtual_size"), size, "{}", spec.name);
        assert_eq!(spec.attribute("bits_per_pixel"), depth, "{}", spec.name);
        assert_eq!(spec.attribute("stride"), stride, "{}", spec.name);
        assert_eq!(spec.attribute("pan"), "0,0", "{}", spec.name);
    }
    for name in ["virtual_size", "bits_per_pixel", "stride", "pan"] {
        assert!(!dev::SCRATCH.sysfs().join(name).exists(), "{name}");
    }
}

fn fb_sysfs_pan_shows_another_page() {
    let fb = FB.open();
    let pan = FB.sysfs().join("pan");
    for line in [600, 0] {
        fs::write(&pan, format!("0,{line}\n")).expect("a pan");
        assert_eq!(fbdev::var(fb.raw()).yoffset, line);
        assert_eq!(FB.attribute("pan"), format!("0,{line}"));
    }
    for wrong in ["0,601", "1,0", "600", "", "0,", "a,b", "0,0,0", "-1,0"] {
        let error = fs::write(&pan, wrong).err().and_then(|e| e.raw_os_error());
        // Nothing is written, so nothing is checked.
        let expected = (!wrong.is_empty()).then_some(libc::EINVAL);
        assert_eq!(error, expected, "{wrong:?}");
    }
    assert_eq!(fbdev::var(fb.raw()).yoffset, 0);
}

fn fb_sysfs_pan_of_a_read_only_picture_is_refused() {
    let spec = Spec {
        read_only: true,
        ..other("fb-ro", 0x4000)
    };
    spec.needed();
    let refused = fs::write(spec.sysfs().join("pan"), "0,32").expect_err("panned");
    assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
    assert_eq!(spec.attribute("pan"), "0,0");
}

fn fb_sysfs_is_there_for_programs_of_fbdev() {
    needs("unshare");
    let graphics = "/sys/class/graphics";
    if !std::path::Path::new(graphics).exists() {
        skip!("the kernel has no fbdev: there is no {graphics} to mount over");
    }
    // The link that docs/framebuffer.md describes.
    let device = FB.sysfs().canonicalize().expect("a link");
    let line = format!(
        "set -e; mount -t tmpfs none {graphics}; ln -s {} {graphics}/fb0; \
         cat {graphics}/fb0/virtual_size {graphics}/fb0/bits_per_pixel",
        device.display()
    );
    let ran = run("unshare", &["-m", "sh", "-c", &line]).success();
    assert_eq!(ran.text(), "1024,1200\n32\n");
}

/// A simple-framebuffer node of tests/dts/windows.dtso.
fn simple_framebuffer(node: &str) -> String {
    if !dev::node_exists(node) {
        skip!("the device tree has no {node}: boot with tests/dts/windows.dtso");
    }
    let name = node.split('@').next().expect("a name");
    let address = board::reg(&std::path::Path::new("/proc/device-tree").join(node)).0;
    format!("{address:x}.{name}")
}

const SIMPLEFB: &str = "/sys/bus/platform/drivers/simple-framebuffer";

fn fb_answers_are_those_of_the_kernels_simplefb() {
    let device = simple_framebuffer("framebuffer@515a0000");
    if !std::path::Path::new(SIMPLEFB).exists() {
        skip!("the kernel has no simplefb");
    }
    let graphics = dev::names_in(&format!("{SIMPLEFB}/{device}/graphics"));
    let theirs = sys::open(&format!("/dev/{}", graphics[0]), libc::O_RDWR).expect("/dev/fbN");
    let ours = FB_X555.open();
    let (theirs, ours) = (theirs.as_raw_fd(), ours.raw());

    assert_eq!(fbdev::var(ours), fbdev::var(theirs));
    let [our_fix, their_fix] = [ours, theirs].map(fbdev::fix);
    assert_eq!(our_fix.smem_len, their_fix.smem_len);
    assert_eq!(our_fix.line_length, their_fix.line_length);
    assert_eq!(
        (our_fix.kind, our_fix.visual, our_fix.accel),
        (their_fix.kind, their_fix.visual, their_fix.accel)
    );
    let steps = |fix: fbdev::Fix| (fix.xpanstep, fix.ypanstep, fix.ywrapstep, fix.capabilities);
    assert_eq!(steps(our_fix), steps(their_fix));
    assert_eq!(colour_map_answers(ours), colour_map_answers(theirs));
    let now = fbdev::var(ours);
    for wanted in [
        now,
        Var { xres: 640, ..now },
        Var {
            bits_per_pixel: 32,
            ..now
        },
        Var {
            activate: fbdev::ACTIVATE_TEST,
            xres: 1,
            ..now
        },
        Var {
            activate: fbdev::ACTIVATE_INV_MODE,
            ..now
        },
        Var {
            grayscale: 1,
            yres_virtual: 4000,
            xres: 9,
            ..now
        },
    ] {
        assert_eq!(put(ours, wanted), put(theirs, wanted), "{wanted:?}");
    }
    assert_eq!(fbdev::var(ours), fbdev::var(theirs));
    let file = |name| {
        let text = fs::read_to_string(format!("/sys/class/graphics/{}/{name}", graphics[0]));
        text.expect("fbdev's file").trim_end().to_owned()
    };
    for name in ["virtual_size", "bits_per_pixel", "stride", "pan"] {
        assert_eq!(FB_X555.attribute(name), file(name), "{name}");
    }
}

fn fb_memory_is_taken_over_from_simplefb() {
    let node = "framebuffer@51570000";
    let device = simple_framebuffer(node);
    let window = FB_A2R10.open();
    assert_eq!(window.info().width, 64);
    let devices = std::path::Path::new("/sys/bus/platform/devices");
    if std::path::Path::new(SIMPLEFB).exists() {
        assert!(
            !devices.join(&device).exists(),
            "{device} still has its driver"
        );
        assert!(!std::path::Path::new(SIMPLEFB).join(&device).exists());
    } else {
        // There is no driver that could be removed: one line reports the risk.
        let log = run("dmesg", &[]).success().text();
        assert!(
            log.contains("window fb-a2r10: /framebuffer@51570000 describes the same memory"),
            "{log}"
        );
    }
    // The memory belongs to the window, also after it is bound again.
    let map = window.map();
    map.store32(0, 0x1234_5678).unwrap();
    drop(map);
    drop(window);
    drop(dev::Unbound::new(FB_A2R10.node));
    assert_eq!(FB_A2R10.open().map().load32(0), Ok(0x1234_5678));
}

const SECOND_DISPLAY: &str = "fanlight-second-display";

/// Binds the second window that uses the display; it is not bound when the driver is loaded.
struct SecondDisplay;

impl SecondDisplay {
    fn needed() -> Self {
        if !dev::node_exists(SECOND_DISPLAY) {
            skip!("the device tree has no {SECOND_DISPLAY}: boot with tests/dts/windows.dtso");
        }
        if board::scanout() != uapi::SCANOUT_RAMFB {
            skip!("the second window wants ramfb, which shows no window of this board");
        }
        FB.needed();
        Self::set_driver("fanlight");
        Self
    }

    fn set_driver(driver: &str) {
        let device = format!("/sys/bus/platform/devices/{SECOND_DISPLAY}");
        fs::write(format!("{device}/driver_override"), driver).expect("driver_override");
    }

    fn bind(&self) -> std::io::Result<()> {
        fs::write("/sys/bus/platform/drivers/fanlight/bind", SECOND_DISPLAY)
    }

    fn unbind(&self) {
        dev::unbind(SECOND_DISPLAY);
    }
}

impl Drop for SecondDisplay {
    fn drop(&mut self) {
        Self::set_driver("\n");
    }
}

fn fb_refused_window_leaves_the_screen_to_its_owner() {
    let simple = "framebuffer@51590000";
    let device = simple_framebuffer(simple);
    if !std::path::Path::new(SIMPLEFB).exists() {
        skip!("the kernel has no simplefb");
    }
    let second = SecondDisplay::needed();
    let theirs = std::path::Path::new(SIMPLEFB).join(&device);
    assert!(theirs.exists(), "simplefb has {simple} from boot on");
    second.bind().expect_err("the display is not free");
    assert!(theirs.exists(), "{simple} has lost its driver");
    // Memory that a program may still draw into is not requested.
    let graphics = dev::names_in(theirs.join("graphics").to_str().unwrap());
    let open = sys::open(&format!("/dev/{}", graphics[0]), libc::O_RDWR).expect("/dev/fbN");
    let unbound = dev::Unbound::new(FB.node);
    second.bind().expect_err("the framebuffer is open");
    let log = run("dmesg", &[]).success().text();
    let line = format!("window w: a program has the framebuffer of /{simple} open");
    assert_eq!(log.matches(&line).count(), 1, "{log}");
    drop(open);
    second.bind().expect("the framebuffer has no owner");
    second.unbind();
    drop(unbound);
    assert_eq!(FB.open().info().scanout, board::scanout());
}

/// Another window of its node waits for a driver.
fn fb_deferred_window_leaves_the_screen_to_its_owner() {
    const NODE: &str = "fanlight-region-screen";
    if !dev::node_exists(NODE) {
        skip!("the device tree has no {NODE}: boot with tests/dts/regions.dtso");
    }
    let theirs = ["52600000", "52800000"]
        .map(|address| std::path::Path::new(SIMPLEFB).join(format!("{address}.framebuffer")));
    for _ in 0..3 {
        let shown = theirs.iter().all(|device| device.exists());
        // Checked afterwards: a window that does not exist now did not exist before. A node that is
        // being probed counts as bound.
        if !dev::misc_of(NODE).is_empty() {
            skip!("the kernel does not wait for drivers any more: this test came too late");
        }
        assert!(shown, "simplefb was removed");
        // A probe that succeeds is a reason to try those that were deferred again.
        drop(dev::Unbound::new("fanlight-region-least"));
    }
}

/// A driver of a bootloader's framebuffer draws there, whether it could request the memory or not.
fn fb_memory_that_a_driver_shows_is_no_other_window() {
    const NODE: &str = "fanlight-shown";
    let simple = "framebuffer@51790000";
    let device = simple_framebuffer(simple);
    if !std::path::Path::new(SIMPLEFB).exists() {
        skip!("the kernel has no simplefb");
    }
    let bind = |node| fs::write("/sys/bus/platform/drivers/fanlight/bind", node);
    let simplefb = |what| fs::write(format!("{SIMPLEFB}/{what}"), &device).expect(what);
    assert!(!dev::is_bound(NODE), "it has the memory of a framebuffer");
    let line = format!("window w: the driver of /{simple} shows its region");
    let lines = || {
        let log = run("dmesg", &[]).success().text();
        log.matches(&line).count()
    };
    let before = lines();
    let refused = bind(NODE).expect_err("it is shown");
    assert_eq!(
        lines(),
        before + 1,
        "{refused:?} {:?}",
        crate::support::log::lines_of(NODE)
    );
    // The driver continues without the memory that it could not request.
    simplefb("unbind");
    bind(NODE).expect("no display shows it");
    simplefb("bind");
    dev::unbind(NODE);
    bind(NODE).expect_err("it is shown again");
    assert_eq!(lines(), before + 2);
    assert!(std::path::Path::new(SIMPLEFB).join(&device).exists());
}

fn fb_display_shows_one_window() {
    let second = SecondDisplay::needed();
    let line = "window w: ramfb already shows the window fanlight0/fb";
    let lines = || run("dmesg", &[]).success().text().matches(line).count();
    let before = lines();
    second.bind().expect_err("the display is not free");
    assert_eq!(lines(), before + 1);
    // It is free when its window is removed.
    let unbound = dev::Unbound::new(FB.node);
    second.bind().expect("the display is free");
    second.unbind();
    drop(unbound);
    assert_eq!(FB.open().info().scanout, board::scanout());
    second.bind().expect_err("the display is not free");
}

fn fb_ioctl_unknown_is_enotty() {
    let fb = FB.open();
    let mut buffer = [0_u32; 64];
    // Cursors, console maps, vblank, and unused numbers.
    for request in [
        0x4603,
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
