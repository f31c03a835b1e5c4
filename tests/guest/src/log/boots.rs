// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several boots in one region: which are kept, in what order, and how each of them ended. Tests in
//! stages.

use std::fs;

use crate::support::child::Child;
use crate::support::dev::{Unbound, LOG};
use crate::support::earlier::{self, arrived, Earlier, PREVIOUS};
use crate::support::host;
use crate::support::log::{append, kmsg, number, text, unique, unlimited, Loglevel, Messages};
use crate::support::module::TestModule;
use crate::support::program::run;
use crate::support::stages::{go_down, staged, Down, Staged};
use crate::support::sys::{self, Ended};
use crate::support::uapi;

pub const STAGED: &[Staged] = staged! {
    log_boots_are_kept_in_order_with_their_endings,
    log_boots_first_panic_outlives_boots_that_fill_the_region,
    log_boots_emergency_is_for_panics_only,
    log_boots_oops_is_an_emergency_that_ends,
    log_boots_message_that_continues_another_has_the_flag,
    log_boots_flood_by_programs_leaves_the_kernels_records,
};

/// Forgets all earlier boots.
pub fn forget_all() {
    for boot in earlier::all() {
        let _ = sys::ioctl_at(boot.open().raw(), uapi::IOC_LOG_CLEAR, 0);
    }
}

fn mark(stage: usize) -> String {
    format!("boot number {stage} of several")
}

fn log_boots_are_kept_in_order_with_their_endings(stage: u32) {
    const DOWN: [(Down, &str); 5] = [
        (Down::Panic, "panic"),
        (Down::Panic, "panic"),
        (Down::Reboot, "clean"),
        (Down::Reset, "reset"),
        (Down::Reboot, "clean"),
    ];
    let stage = stage as usize;
    if stage == 0 {
        forget_all();
    }
    let before = earlier::all();
    // Newest first.
    for (boot, stage_of_it) in before.iter().zip((0..stage).rev()) {
        assert!(
            boot.has(&mark(stage_of_it)),
            "{} in stage {stage}",
            boot.name()
        );
        assert_eq!(
            boot.attribute("ending"),
            DOWN[stage_of_it].1,
            "{} in stage {stage}",
            boot.name()
        );
    }
    assert!(
        before.len() >= stage,
        "{} earlier boots in stage {stage}",
        before.len()
    );
    let mut ids: Vec<String> = before[..stage]
        .iter()
        .map(|boot| boot.attribute("boot_id"))
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), stage, "every boot has a name of its own");
    if stage == DOWN.len() {
        the_command_finds_them(&before[..stage]);
    }
    if let Some((down, _)) = DOWN.get(stage) {
        kmsg(&format!("<5>{}", mark(stage)));
        append(&LOG.open(), &format!("<5>{} by a program", mark(stage)));
        arrived();
        go_down(*down);
    }
}

/// `fanlight log` lists these boots, newest first, finds each, and forgets the one that is named.
fn the_command_finds_them(boots: &[Earlier]) {
    let fanlight = |args: &[&str]| run("fanlight", &[&["log", "-d", "0"], args].concat());
    let list = fanlight(&["--list-boots"]).success().text();
    let row = |index: &str| -> String {
        let row = list
            .lines()
            .find(|line| line.split_whitespace().next() == Some(index));
        row.unwrap_or_else(|| panic!("no {index} in {list}"))
            .to_owned()
    };
    for (boot, n) in boots.iter().zip(1..) {
        for name in ["boot_id", "ending"] {
            assert!(
                row(&format!("-{n}")).contains(&boot.attribute(name)),
                "{list}"
            );
        }
    }
    assert!(row("0").contains("running"), "{list}");
    let stage_of = |n: usize| boots.len() - n;
    let id = Earlier(2).attribute("boot_id");
    let by_number = fanlight(&["--boot=-2"]).success().text();
    assert!(by_number.contains(&mark(stage_of(2))));
    assert!(!by_number.contains(&mark(stage_of(1))));
    assert_eq!(fanlight(&["--boot", &id]).success().text(), by_number);
    assert_eq!(fanlight(&["--boot=-99"]).status, 2);
    // From the kernel's mark on: the rest of that boot, and all boots after it.
    let messages = Earlier(2).messages();
    let place = messages
        .iter()
        .find(|message| text(message) == mark(stage_of(2)))
        .expect("the kernel's mark");
    let now = unique("of the running boot");
    append(&LOG.open(), &now);
    let json = fanlight(&["--boot=-2", "--json", "-Q", "-g", &mark(stage_of(2))]);
    let json = json.success().text();
    let cursor = json.split(r#""cursor":""#).nth(1).expect("a cursor");
    let cursor = cursor.split('"').next().expect("its end");
    assert!(cursor.starts_with(&format!("{id}:{}:", number(place))));
    let after = fanlight(&["--after-cursor", cursor, "-o", "cat"])
        .success()
        .text();
    let has = |line: &str| after.lines().any(|found| found == line);
    assert!(has(&format!("{} by a program", mark(stage_of(2)))));
    assert!(!has(&mark(stage_of(2))), "that is before the cursor");
    assert!(has(&mark(stage_of(1))) && has(&now));
    fanlight(&["--boot=-1", "--clear"]).success();
    assert_eq!(fanlight(&["--boot=-1"]).status, 2);
    assert_eq!(PREVIOUS.attribute("ending"), "none");
    assert_eq!(fanlight(&["--boot=-2"]).success().text(), by_number);
    the_oldest_is_not_the_previous(boots);
}

/// After the previous boot was forgotten, the newest remaining one is not called the previous boot,
/// and the hardware's report of the last reset is not attributed to it.
fn the_oldest_is_not_the_previous(boots: &[Earlier]) {
    assert_eq!(PREVIOUS.number("boots_ago"), 0, "it was forgotten");
    for boot in &boots[1..] {
        assert_eq!(boot.number("boots_ago"), boot.0 as i64);
    }
    let second = Earlier(2).attribute("boot_id");
    drop(Unbound::new(LOG.node));
    assert_eq!(PREVIOUS.attribute("boot_id"), second);
    assert_eq!(PREVIOUS.number("boots_ago"), 2);
    let ran = run("fanlight", &["log", "-d", "0", "--boot=-1", "-n", "1"]);
    assert!(ran.err.contains("boot -1 "), "{}", ran.err);
    assert!(!ran.err.contains("previous boot"), "{}", ran.err);
}

/// Writes more than the region has room for, as the kernel and as a program.
fn fill() {
    let _unlimited = unlimited(&LOG);
    let log = LOG.open();
    let long = "f".repeat(900);
    for n in 0..400 {
        kmsg(&format!("<5>fill {n} {long}"));
        append(&log, &format!("<5>fill {n} {long}"));
        if n % 50 == 49 {
            arrived();
        }
    }
}

fn log_boots_first_panic_outlives_boots_that_fill_the_region(stage: u32) {
    if stage == 0 {
        forget_all();
        kmsg("<5>the first panic is to come");
        arrived();
        go_down(Down::Panic);
    }
    let boots = earlier::all();
    let panics: Vec<&Earlier> = boots
        .iter()
        .filter(|boot| boot.has("the first panic is to come"))
        .collect();
    assert_eq!(panics.len(), 1, "the boot of the panic is there once");
    assert_eq!(panics[0].attribute("ending"), "panic");
    assert!(panics[0].has("Kernel panic - not syncing"), "with its end");
    if stage <= 3 {
        fill();
        go_down([Down::Reboot, Down::Reset, Down::Panic][stage as usize - 1]);
    }
    assert_eq!(PREVIOUS.attribute("ending"), "panic");
    assert!(
        PREVIOUS.has("Kernel panic - not syncing"),
        "the newest panic as well"
    );
}

/// For each record whose text has these words, whether it is marked as written in an emergency.
fn marked(log: &Messages, words: &str) -> Vec<bool> {
    let mut form = uapi::FORM_BINARY;
    sys::ioctl(log.raw(), uapi::IOC_LOG_FORM, &mut form).expect("the form");
    let mut marked = Vec::new();
    loop {
        let mut buffer = [0; 8192];
        let n = match sys::read(log.raw(), &mut buffer) {
            Ok(0) | Err(sys::Errno::EAGAIN) => return marked,
            Ok(n) => n,
            Err(error) => panic!("read: {error:?}"),
        };
        let records = crate::log::batch::records(&buffer[..n]).into_iter();
        marked.extend(
            records
                .filter(|record| record.text().contains(words))
                .map(|record| record.flags & uapi::RECORD_EMERGENCY != 0),
        );
    }
}

/// The number of records that are marked as written in an emergency, and of all records.
fn emergencies(log: &Messages) -> (usize, usize) {
    let all = marked(log, "");
    (all.iter().filter(|&&marked| marked).count(), all.len())
}

fn log_boots_emergency_is_for_panics_only(stage: u32) {
    assert_eq!(
        emergencies(&Messages::of_log(&LOG)).0,
        0,
        "in the running log"
    );
    match stage {
        0 => go_down(Down::Reboot),
        1 => {
            let (marked, all) = emergencies(&PREVIOUS.open());
            assert!(all > 50, "{all}");
            assert_eq!(marked, 0, "of a boot that ended in order");
            go_down(Down::Panic)
        }
        _ => {
            let (marked, all) = emergencies(&PREVIOUS.open());
            assert!(marked > 0 && marked < all / 2, "{marked} of {all}");
        }
    }
}

fn log_boots_oops_is_an_emergency_that_ends(stage: u32) {
    const AFTER: &str = "after the oops";
    const OOPS: &str = "Internal error: Oops";
    if stage == 0 {
        fs::write("/proc/sys/kernel/panic_on_oops", "0\n").expect("panic_on_oops");
        // The host does not count this oops as a failure.
        host::ask("expect-panic");
        let module = TestModule::load();
        let child = Child::spawn(|| module.oops());
        assert_ne!(child.wait(), Ended::Exit(0));
        kmsg(&format!("<4>{AFTER}: message"));
        append(&LOG.open(), &format!("<4>{AFTER}: record"));
        arrived();
        let log = Messages::of_log(&LOG);
        assert_eq!(marked(&log, OOPS), [true]);
        sys::lseek(log.raw(), 0, libc::SEEK_SET).expect("lseek");
        assert_eq!(marked(&log, AFTER), [false; 2]);
        go_down(Down::Reset);
    }
    assert_eq!(PREVIOUS.attribute("ending"), "reset", "it lived on");
    assert_eq!(marked(&PREVIOUS.open(), OOPS), [true]);
    assert_eq!(marked(&PREVIOUS.open(), AFTER), [false; 2]);
}

fn log_boots_message_that_continues_another_has_the_flag(stage: u32) {
    const MARK: &str = "in parts before the reset";
    if stage == 0 {
        let module = TestModule::load();
        let level = Loglevel::set(8);
        module.cont(MARK);
        arrived();
        drop(level);
        go_down(Down::Reset);
    }
    let messages = PREVIOUS.messages();
    let flags: Vec<&str> = messages
        .iter()
        .filter(|message| text(message).starts_with(MARK))
        .map(|message| crate::log::order::continues(message))
        .collect();
    assert_eq!(flags, ["-", "c"]);
}

fn log_boots_flood_by_programs_leaves_the_kernels_records(stage: u32) {
    const KERNELS: &str = "the kernel said this before the flood";
    if stage == 0 {
        kmsg(&format!("<5>{KERNELS}"));
        arrived();
        let _unlimited = unlimited(&LOG);
        let log = LOG.open();
        for n in 0..20_000 {
            append(
                &log,
                &format!("<5>flood by a program {n}: {}", "p".repeat(100)),
            );
        }
        append(&log, "<5>the end of the flood");
        let ring = Messages::of_log(&LOG).all();
        let first = |words: &str| {
            ring.iter()
                .any(|m| crate::support::log::text(m).starts_with(words))
        };
        assert!(
            first("Booting Linux") && first(KERNELS),
            "the ring has them"
        );
        go_down(Down::Reset);
    }
    let texts = PREVIOUS.texts();
    let has = |words: &str| texts.iter().any(|text| text.starts_with(words));
    assert!(has("Booting Linux"), "the boot");
    assert!(has(KERNELS));
    assert!(
        has("the end of the flood"),
        "and the newest of the programs'"
    );
}
