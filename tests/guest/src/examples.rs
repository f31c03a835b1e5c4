// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs the library's examples (userspace/fanlight/examples) and checks their effects.

use std::process::Command;

use crate::support::dev::{self, CARVE_CACHED, CARVE_WC, FB, LOG, REGS};
use crate::support::fbdev;
use crate::support::log::{append, kmsg, unique, unlimited, Reader};
use crate::support::program::{run, Follower, Ran};
use crate::tests;

tests! {
    quick:
        log_example_logger_writes_records_with_their_levels,
        log_example_follow_tokio_prints_new_records,
        log_example_follow_tokio_ends_with_an_error_at_unbind,
        log_example_watch_errors_prints_errors_only,
        log_example_read_log_in_c_prints_old_and_new_records,
        window_example_shared_counter_loses_no_count_between_processes,
        window_example_shared_counter_needs_cached_memory,
        window_example_registers_identifies_a_primecell,
        fb_example_bounce_draws_a_ball;
    regs:
        window_regs_example_reports_a_bus_error;
}

/// The directory of the examples in the quick image.
fn example(name: &str) -> String {
    format!("/lib/fanlight-test/{name}")
}

fn run_example(name: &str, args: &[&str]) -> Ran {
    run(&example(name), args)
}

fn log_example_logger_writes_records_with_their_levels() {
    let _unlimited = unlimited(&LOG);
    let mut reader = Reader::at_the_end(&LOG);
    run_example("logger", &[]).success();
    // A filter of info, syslog's facility user, and the module in front.
    for (level, text) in [
        (6, "logger: started"),
        (4, "logger: battery at 10 %"),
        (5, "door 1 opened"),
        (5, "door 2 opened"),
    ] {
        let record = reader.find(text);
        assert_eq!(record.text(), text);
        assert_eq!((record.level, record.facility), (level, 1), "{record:?}");
    }
}

fn log_example_follow_tokio_prints_new_records() {
    let _unlimited = unlimited(&LOG);
    let first = unique("before tokio");
    append(&LOG.open(), &first);
    let mut follower = Follower::start(&example("follow_tokio"), &[]);
    follower.until(&first);
    for n in 0..20 {
        let next = unique(&format!("record {n} for tokio"));
        append(&LOG.open(), &next);
        follower.until(&next);
    }
    let message = unique("a message for tokio");
    kmsg(&message);
    follower.until(&message);
}

fn log_example_follow_tokio_ends_with_an_error_at_unbind() {
    let _unlimited = unlimited(&LOG);
    let first = unique("tokio before unbind");
    append(&LOG.open(), &first);
    let mut follower = Follower::start(&example("follow_tokio"), &[]);
    follower.until(&first);
    let unbound = dev::Unbound::new(LOG.node);
    let ended = crate::support::wait::for_some(|| follower.ended());
    assert_eq!(ended.and_then(|status| status.code()), Some(1));
    drop(unbound);
}

fn log_example_watch_errors_prints_errors_only() {
    let _unlimited = unlimited(&LOG);
    let mut follower = Follower::start(&example("watch_errors"), &[]);
    let (info, error) = (unique("all is well"), unique("it is broken"));
    append(&LOG.open(), &format!("<14>{info}"));
    append(&LOG.open(), &format!("<11>{error}"));
    let printed = follower.until(&error);
    assert!(printed.contains(&format!("user: {error}")), "{printed}");
    assert!(!printed.contains(&info), "{printed}");
}

fn log_example_read_log_in_c_prints_old_and_new_records() {
    let _unlimited = unlimited(&LOG);
    let (program, message) = (unique("for C"), unique("a message for C"));
    append(&LOG.open(), &program);
    kmsg(&message);
    let mut follower = Follower::start(&example("read_log"), &[&LOG.path()]);
    let printed = follower.until(&message);
    let place = |text: &str| printed.find(text).expect(text);
    assert!(place(&program) < place(&message), "{printed}");
    let next = unique("later for C");
    append(&LOG.open(), &next);
    follower.until(&next);
}

fn window_example_shared_counter_loses_no_count_between_processes() {
    CARVE_CACHED.needed();
    CARVE_CACHED.open().map().store32(0, 0).expect("a store");
    let programs: Vec<_> = (0..3)
        .map(|_| {
            Command::new(example("shared_counter"))
                .args([&CARVE_CACHED.path(), "500"])
                .stdout(std::process::Stdio::null())
                .spawn()
                .expect("shared_counter")
        })
        .collect();
    for mut program in programs {
        assert!(program.wait().expect("wait").success());
    }
    let total = CARVE_CACHED.open().map().load32(0);
    // Three processes with four threads of 500 each.
    assert_eq!(total.expect("a load"), 6000);
    let ran = run_example("shared_counter", &[&CARVE_CACHED.path(), "1"]).success();
    assert_eq!(ran.text(), "4 added, 6004 in all\n");
}

fn window_example_shared_counter_needs_cached_memory() {
    CARVE_WC.needed();
    let ran = run_example("shared_counter", &[&CARVE_WC.path()]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.err.contains("NotCached"), "{ran:?}");
}

/// The window is memory in place of registers, so the test can write its identification.
fn window_example_registers_identifies_a_primecell() {
    let map = REGS.open().map();
    let ids = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];
    let store = |ids: [u32; 8]| {
        for (at, id) in (0xfe0..).step_by(4).zip(ids) {
            map.store32(at, id).expect("a store");
        }
    };
    store(ids);
    let ran = run_example("registers", &[&REGS.path()]).success();
    let expected = format!("{}: part 0x011, revision 3\n", REGS.path());
    assert_eq!(ran.text(), expected);
    store([0; 8]);
    let ran = run_example("registers", &[&REGS.path()]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.err.contains("is not a PrimeCell"), "{ran:?}");
}

fn window_regs_example_reports_a_bus_error() {
    let hole = crate::window::regs::HOLE;
    let ran = run_example("registers", &[&hole.path()]);
    assert_eq!(ran.status, 1, "{ran:?}");
    // From the beginning of the window, not of the range that is mapped.
    let expected = "BusError { window: \"hole\", offset: 4064 }";
    assert!(ran.err.contains(expected), "{ran:?}");
}

fn fb_example_bounce_draws_a_ball() {
    let fb = FB.open();
    run_example("bounce", &["30"]).success();
    // Frame 30 is on the page that is shown; the ball is in it, and so is the background.
    let var = fbdev::var(fb.raw());
    let line = fbdev::fix(fb.raw()).line_length as usize;
    let (width, height) = (var.xres as usize, var.yres as usize);
    let map = fb.map();
    let pixel = |x: usize, y: usize| {
        let at = (var.yoffset as usize + y) * line + x * 4;
        map.load32(at).expect("a pixel") & 0xff_ffff
    };
    // The ball moves by 7 and 5 pixels per frame.
    let middle = height / 12;
    assert_eq!(pixel(7 * 29 + middle, 5 * 29 + middle), 0xff_a500);
    assert_eq!(pixel(width - 1, height - 1), 0x19_1970);
    fbdev::pan(fb.raw(), 0).expect("a pan");
}
