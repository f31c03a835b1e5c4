// SPDX-License-Identifier: MIT OR Apache-2.0
//! 12: what a kernel message of 64 bytes costs the processor, to its end: printk() itself,
//! interrupts, the console's thread and whatever the driver does later. Idle time is left out.
//!
//! Measured without any console, with an nbcon console that discards messages, which is the minimum
//! cost of a console, and with fanlight. Once with a pause after each message, so that each task
//! that it wakes runs before the next one, and once in a burst.

use std::fs;
use std::time::Duration;

use crate::device::{self, Kind, FANLIGHT, LOG};
use crate::meter::{busy, Sheet};
use crate::sys;

const COUNT: usize = 1000;
const LEN: usize = 64;
/// KERN_INFO is 6: printed where console_loglevel is above it.
const LEVELS: [(&str, &str); 2] = [("suppressed", "6 4 1 7"), ("printed", "7 4 1 7")];
/// Microseconds after each message.
const PAUSES: [(&str, usize); 2] = [("one at a time", 20_000), ("in a burst", 0)];
const PRINTK: &str = "/proc/sys/kernel/printk";

/// Consoles of UARTs, which need much more time than everything that is measured here.
struct Quiet(Vec<String>);

impl Quiet {
    fn new() -> Self {
        let files = fs::read_dir("/sys/class/tty").expect("sysfs").flatten();
        let files = files.map(|entry| entry.path().join("console").display().to_string());
        let on = |path: &String| fs::read_to_string(path).is_ok_and(|text| text.trim() == "Y");
        let consoles: Vec<String> = files.filter(on).collect();
        for path in &consoles {
            device::put(path, "N");
        }
        Self(consoles)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::write(path, "Y");
        }
    }
}

/// The console that gets the messages.
struct Setup {
    name: &'static str,
    /// Whether it is fanlight, whose log is to have all of them.
    ours: bool,
    /// The number of the next message. No number is used twice.
    next: usize,
}

impl Setup {
    /// The processor's work per item, for [`COUNT`] items.
    fn cost(&mut self, kind: Kind, pause: usize) -> f64 {
        let took = (0..3).map(|_| {
            let first = self.next;
            self.next += COUNT;
            let took = busy(|| {
                device::emit_slowly(kind, LEN, first, COUNT, pause);
                // For the driver's timers, if it has any; the processor is idle then.
                std::thread::sleep(Duration::from_millis(200));
                if self.ours {
                    // After open(), the log has all messages that were printed before.
                    drop(sys::open(LOG));
                }
            });
            if self.ours && matches!(kind, Kind::PrintkInfo) {
                assert_eq!(arrived(first), COUNT, "messages in the log");
            }
            took
        });
        took.min().unwrap_or(0) as f64 / COUNT as f64
    }

    /// The cost of a message for each level and pace, beyond the loop, its sleeps and the waking
    /// from them.
    fn costs(&mut self, sheet: &mut Sheet) -> Vec<f64> {
        let mut all = Vec::new();
        for (level, setting) in LEVELS {
            device::put(PRINTK, setting);
            for (pace, pause) in PAUSES {
                let took = self.cost(Kind::PrintkInfo, pause) - self.cost(Kind::Empty, pause);
                let case = format!("{}, {level}, {pace}", self.name);
                sheet.put(&case, "instructions/message", took);
                all.push(took);
            }
        }
        device::put(PRINTK, "1 4 1 7");
        all
    }
}

/// The number of messages in the log, from this number on.
fn arrived(first: usize) -> usize {
    let log = fanlight::Log::open(LOG).expect("the log");
    let mut reader = log.reader(fanlight::Start::Oldest).expect("a reader");
    let wanted = |text: &[u8]| {
        let number = text.strip_prefix(b"bench ").and_then(|rest| rest.get(..8));
        let number = number.and_then(|hex| std::str::from_utf8(hex).ok());
        let number = number.and_then(|hex| usize::from_str_radix(hex, 16).ok());
        number.is_some_and(|number| (first..first + COUNT).contains(&number))
    };
    let mut count = 0;
    while let Some(record) = reader.next_record().expect("a record") {
        count += usize::from(wanted(&record.text));
    }
    count
}

pub fn message(sheet: &mut Sheet) {
    let kept = device::get(PRINTK);
    device::unbind("fanlight", FANLIGHT);
    let quiet = Quiet::new();
    let mut setup = Setup {
        name: "without a console",
        ours: false,
        next: 0x10_0000,
    };
    let without = setup.costs(sheet);
    setup.name = "limit: a console that discards";
    device::discarding_console(true);
    let limit = setup.costs(sheet);
    device::discarding_console(false);
    (setup.name, setup.ours) = ("fanlight", true);
    device::bind("fanlight", FANLIGHT);
    let ours = setup.costs(sheet);
    drop(quiet);
    device::put(PRINTK, &kept);

    let cases = LEVELS.iter().flat_map(|(level, _)| {
        PAUSES
            .iter()
            .map(move |(pace, _)| format!("{level}, {pace}"))
    });
    for (i, case) in cases.enumerate() {
        let mut note = |name: &str, metric: &str, value: f64| {
            sheet.put(&format!("{name}, {case}"), metric, value);
        };
        let on_top = "instructions/message on top";
        note(
            "limit: a console that discards",
            on_top,
            limit[i] - without[i],
        );
        note("fanlight", on_top, ours[i] - without[i]);
        note(
            "fanlight",
            "instructions/message over the limit",
            ours[i] - limit[i],
        );
    }
}
