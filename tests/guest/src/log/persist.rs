// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log of the boot before, after three kinds of reset, each a test in two stages.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::log::context::{pin_to, processors};
use crate::log::late::Held;
use crate::log::order::clear;
use crate::support::child::Child;
use crate::support::dev::{UnboundLogs, LOG};
use crate::support::earlier;
use crate::support::host;
use crate::support::log::{
    append, kernel_has_arrived, kmsg, number, text, unique, Messages, Reader,
};
use crate::support::module::{Off, TestModule};
use crate::support::stages::{go_down, go_down_by, next_stage, Down, Staged, RESETS_AT_ANY_LEVEL};
use crate::support::sys;
use crate::support::uapi;

pub const STAGED: &[Staged] = &[
    Staged {
        name: "log_persist_survives_a_reboot",
        run: survives_a_reboot,
        boots: RESETS_AT_ANY_LEVEL,
        slow: false,
    },
    Staged {
        name: "log_persist_survives_a_reset",
        run: survives_a_reset,
        boots: RESETS_AT_ANY_LEVEL,
        slow: false,
    },
    Staged {
        name: "log_persist_survives_a_panic",
        run: survives_a_panic,
        boots: RESETS_AT_ANY_LEVEL,
        slow: false,
    },
    Staged {
        name: "log_persist_survives_a_panic_under_floods",
        run: survives_a_panic_under_floods,
        boots: RESETS_AT_ANY_LEVEL,
        slow: false,
    },
    Staged {
        name: "log_persist_survives_a_panic_of_the_locks_owner",
        run: survives_a_panic_of_the_locks_owner,
        boots: RESETS_AT_ANY_LEVEL,
        slow: false,
    },
    Staged {
        name: "log_persist_has_the_last_message_of_a_processor_that_hangs",
        run: last_message_of_a_processor_that_hangs,
        boots: RESETS_AT_ANY_LEVEL,
        slow: false,
    },
    Staged {
        name: "log_persist_has_the_last_message_of_a_processor_without_softirqs",
        run: last_message_without_softirqs,
        boots: RESETS_AT_ANY_LEVEL,
        slow: false,
    },
    Staged {
        name: "log_persist_has_the_last_message_if_any_processor_lives",
        run: last_message_if_any_processor_lives,
        boots: &["loud-resets"],
        slow: false,
    },
    Staged {
        name: "log_persist_has_what_is_printed_after_a_clear",
        run: message_after_a_clear,
        boots: RESETS_AT_ANY_LEVEL,
        slow: false,
    },
    Staged {
        name: "log_persist_survives_20_panics_and_resets",
        run: survives_20,
        boots: RESETS_AT_ANY_LEVEL,
        slow: true,
    },
];

const PREVIOUS: &str = "/dev/fanlight0/log.prev";

fn previous() -> Messages {
    let fd = sys::open(PREVIOUS, libc::O_RDONLY | libc::O_NONBLOCK)
        .unwrap_or_else(|e| panic!("{PREVIOUS}: {e:?}"));
    Messages { fd }
}

/// The records that this stage writes for the next one.
fn leave(stage: u32) {
    for n in 0..50 {
        append(&LOG.open(), &format!("<5>last words {stage} {n}"));
    }
    kmsg(&format!("<5>the kernel's last words {stage}"));
    Reader::new(&LOG).find(&format!("the kernel's last words {stage}"));
}

/// All records of the stage before, in order and once.
fn find(stage: u32) -> Vec<String> {
    let messages = previous().all();
    let words: Vec<&str> = messages
        .iter()
        .map(|message| text(message))
        .filter(|text| text.contains("last words"))
        .collect();
    let mut expected: Vec<String> = (0..50).map(|n| format!("last words {stage} {n}")).collect();
    expected.push(format!("the kernel's last words {stage}"));
    assert_eq!(words, expected);
    for pair in messages.windows(2) {
        assert!(number(&pair[1]) > number(&pair[0]), "{pair:?}");
    }
    assert!(
        messages
            .iter()
            .any(|message| text(message).starts_with("Booting Linux")),
        "the boot is in it"
    );
    messages
}

/// The map of the previous log has the same.
fn map_agrees(messages: &[String]) {
    let spec = crate::support::dev::Spec {
        name: "log.prev",
        size: size(),
        ..LOG
    };
    let by_map: Vec<String> = Reader::new(&spec)
        .all()
        .iter()
        .map(|record| record.as_kmsg())
        .collect();
    assert_eq!(by_map, messages);
}

fn size() -> usize {
    let path = Path::new("/sys/class/misc/fanlight0-log.prev/size");
    fs::read_to_string(path)
        .expect("the size of log.prev")
        .trim()
        .parse()
        .expect("a number")
}

fn cleared() {
    assert_eq!(
        sys::ioctl_at(previous().raw(), uapi::IOC_LOG_CLEAR, 0),
        Ok(0)
    );
    assert_eq!(previous().all(), [""; 0], "it was cleared");
}

fn survives(stage: u32, down: Down) {
    if stage == 0 {
        leave(stage);
        go_down(down);
    }
    let messages = find(stage - 1);
    map_agrees(&messages);
}

fn survives_a_reboot(stage: u32) {
    survives(stage, Down::Reboot);
}

fn survives_a_reset(stage: u32) {
    survives(stage, Down::Reset);
}

fn survives_a_panic(stage: u32) {
    survives(stage, Down::Panic);
    let messages = previous().all();
    let panic = messages
        .iter()
        .position(|message| text(message).starts_with("Kernel panic - not syncing"));
    assert!(
        panic.is_some(),
        "the panic itself is missing; the last is {:?}",
        messages.last()
    );
    // With panic=1, this is the last line.
    assert!(
        messages
            .iter()
            .any(|message| text(message).contains("Rebooting in")),
        "{:?}",
        messages.last()
    );
    cleared();
}

fn survives_20(stage: u32) {
    if stage > 0 {
        map_agrees(&find(stage - 1));
    }
    if stage < 20 {
        leave(stage);
        go_down([Down::Panic, Down::Reset, Down::Reboot][stage as usize % 3]);
    }
}

/// The log of the boot before ends with the whole panic.
fn panic_is_whole() {
    assert_eq!(earlier::PREVIOUS.attribute("ending"), "panic");
    assert_eq!(earlier::PREVIOUS.number("damaged"), 0);
    for words in ["Kernel panic - not syncing", "Rebooting in"] {
        assert!(earlier::PREVIOUS.has(words), "no {words:?}");
    }
}

/// Every processor but the one that panics is stopped in the middle of a record.
fn survives_a_panic_under_floods(stage: u32) {
    if stage == 0 {
        let module = TestModule::load();
        let _others = UnboundLogs::all_but(&LOG);
        let mark = unique("until the panic");
        let _floods: Vec<Child> = (0..processors())
            .map(|processor| {
                let (module, mark) = (&module, &mark);
                Child::spawn(move || {
                    pin_to(processor);
                    module.flood(10_000_000, processor, mark);
                    0
                })
            })
            .collect();
        Reader::at_the_end(&LOG).find(&mark);
        go_down(Down::Panic);
    }
    panic_is_whole();
    assert!(earlier::PREVIOUS.has("until the panic"));
}

/// The panicking context owns the lock and never releases it.
fn survives_a_panic_of_the_locks_owner(stage: u32) {
    const BEFORE: &str = "before the lock's owner panicked";
    if stage == 0 {
        kmsg(&format!("<5>{BEFORE}"));
        earlier::arrived();
        fs::write("/proc/sys/kernel/panic_on_oops", "1\n").expect("panic_on_oops");
        let module = TestModule::load();
        let _others = UnboundLogs::all_but(&LOG);
        go_down_by(|| module.oops_with_lock());
    }
    panic_is_whole();
    assert!(earlier::PREVIOUS.has(BEFORE));
}

/// How long the host waits before it resets a machine that hangs: a busy host makes the guest slow.
const RESET: &str = "reset 20";

/// This boot's log has a message that the boot before printed.
fn has_arrived(last: &str) {
    let messages = previous().all();
    let mut texts = messages.iter().map(|message| text(message));
    let end = messages.len().saturating_sub(8);
    assert!(texts.any(|text| text == last), "{:#?}", &messages[end..]);
}

/// As before a reset by a watchdog. printk cannot wake the console's thread on a processor with
/// disabled interrupts, and on a machine with one processor no task runs any more.
fn last_message_of_a_processor_that_hangs(stage: u32) {
    const LAST: &str = "the last message before the hang";
    if stage == 0 {
        let module = TestModule::load();
        let last = processors() - 1;
        next_stage();
        // Requested before the hang: a task that waits for that processor never runs again.
        host::ask(RESET);
        pin_to(last);
        let off = if last != 0 {
            Off::Interrupts
        } else {
            Off::Preemption
        };
        module.hang(off, &[], LAST);
    }
    has_arrived(LAST);
}

/// No soft interrupt runs, as in an endless loop in one of them; the other processors hang.
fn last_message_without_softirqs(stage: u32) {
    const LAST: &str = "the last message before a hang without soft interrupts";
    if stage == 0 {
        let module = TestModule::load();
        let last = processors() - 1;
        next_stage();
        host::ask(RESET);
        pin_to(last);
        let others: Vec<usize> = (0..last).collect();
        module.hang(Off::Softirqs, &others, LAST);
    }
    has_arrived(LAST);
}

/// The first and the last processor hang, and an idle one remains.
fn last_message_if_any_processor_lives(stage: u32) {
    const LAST: &str = "the last message before two processors hang";
    if stage == 0 {
        if processors() < 3 {
            crate::skip!("needs three processors");
        }
        let module = TestModule::load();
        let last = processors() - 1;
        next_stage();
        host::ask(RESET);
        pin_to(last);
        module.hang(Off::Interrupts, &[0], LAST);
    }
    has_arrived(LAST);
}

/// `dmesg -C` has cleared messages that the driver had not read, and the console's thread does not
/// run before an emergency restart.
fn message_after_a_clear(stage: u32) {
    const LAST: &str = "the last message after a clear";
    if stage == 0 {
        Held::needed();
        kernel_has_arrived(&LOG);
        fs::write("/proc/sys/kernel/sysrq", "1").expect("sysrq");
        let _held = Held::new();
        kmsg("<5>cleared before it is taken");
        clear();
        kmsg(&format!("<5>{LAST}"));
        next_stage();
        host::ask("expect-reset");
        fs::write("/proc/sysrq-trigger", "b").expect("sysrq");
        std::thread::sleep(Duration::from_secs(30));
        panic!("the machine is still up");
    }
    has_arrived(LAST);
}
