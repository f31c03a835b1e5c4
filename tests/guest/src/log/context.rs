// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records and messages from every context of the kernel (row 23), by the test module: tasks, soft
//! and hard interrupts on top of them, raw spinlocks held, NMIs (as if), on all processors at once.

use std::fs;
use std::time::Duration;

use crate::support::child::Child;
use crate::support::dev::{Spec, Unbound, UnboundLogs, LOG, LOG2};
use crate::support::log::{append, kmsg, stats, unique, Loglevel, Reader};
use crate::support::module::TestModule;
use crate::support::sys::{self, Ended};
use crate::support::wait;
use crate::support::witness::{Witness, Witnesses};
use crate::tests;

tests! {
    cores:
        log_flood_from_every_context_is_accounted_for,
        log_flood_from_every_context_into_a_small_ring_is_accounted_for,
        log_flood_with_room_for_all_loses_none,
        log_flood_of_printk_from_interrupts_arrives_whole,
        log_flood_by_sysrq_in_an_interrupt_arrives,
        log_flood_survives_unbinding_of_its_log,
        log_flood_arrives_while_processors_go_and_come_back;
}

pub fn processors() -> usize {
    fs::read_to_string("/proc/cpuinfo")
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count()
}

/// The calling task runs on this processor only.
pub fn pin_to(processor: usize) {
    pin_task_to(0, processor);
}

pub fn pin_task_to(task: libc::pid_t, processor: usize) {
    // SAFETY: all zero is a valid set, and the macro only sets a bit in it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        assert_eq!(
            libc::sched_setaffinity(task, size_of::<libc::cpu_set_t>(), &set),
            0
        );
    }
}

/// Processors that can be taken away, online again as soon as this is dropped.
struct Hotplug(Vec<String>);

impl Hotplug {
    fn new() -> Self {
        let files = (1..).map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}/online"));
        let files: Vec<_> = files
            .take_while(|path| fs::exists(path).is_ok_and(|is| is))
            .collect();
        if files.is_empty() {
            crate::skip!("no processor can be taken away: one core, or no CONFIG_HOTPLUG_CPU");
        }
        Self(files)
    }

    fn set(&self, online: bool) {
        for path in &self.0 {
            fs::write(path, if online { "1" } else { "0" }).expect(path);
        }
    }
}

impl Drop for Hotplug {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::write(path, "1");
        }
    }
}

/// Only the tick appends suppressed messages, unless a reader requests them, which a reader of a map
/// does not.
fn log_flood_arrives_while_processors_go_and_come_back() {
    let hotplug = Hotplug::new();
    let _level = Loglevel::set(4);
    let mut reader = Reader::at_the_end(&LOG);
    for round in 0..20 {
        for online in [false, true] {
            hotplug.set(online);
            let mark = unique(&format!("round {round}, online {online}"));
            kmsg(&format!("<7>{mark}"));
            assert!(reader.find(&mark).text().contains(&mark));
        }
    }
}

/// A flood on every processor, under four readers of different ways and speeds. Returns how many
/// records were written.
fn flood(module: &TestModule, spec: &'static Spec, each: usize) -> u64 {
    let witnesses = Witnesses::start(spec, "contexts");
    let before = (stats(spec.open().raw()), module.counts());
    let writers: Vec<Child> = (0..processors())
        .map(|processor| {
            let mark = &witnesses.mark;
            Child::spawn(move || {
                pin_to(processor);
                module.flood(each, processor, mark);
                0
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.wait(), Ended::Exit(0));
    }
    let after = (stats(spec.open().raw()), module.counts());
    witnesses.end();
    let (log, ours) = (
        after.0.written - before.0.written,
        after.1.written - before.1.written,
    );
    assert!(
        log >= ours,
        "{log} records are in the log, {ours} were written"
    );
    assert!(ours >= (each * processors()) as u64, "{ours}");
    assert_eq!(
        after.0.dropped - before.0.dropped,
        after.1.busy - before.1.busy
    );
    assert_eq!(after.1.other, before.1.other);
    println!("{ours} records, {} refused", after.1.busy - before.1.busy);
    ours
}

fn log_flood_from_every_context_is_accounted_for() {
    let module = TestModule::load();
    let _others = UnboundLogs::all_but(&LOG);
    flood(&module, &LOG, 8000 / processors());
}

fn log_flood_from_every_context_into_a_small_ring_is_accounted_for() {
    let module = TestModule::load();
    let _others = UnboundLogs::all_but(&LOG2);
    flood(&module, &LOG2, 12_000 / processors());
}

fn log_flood_with_room_for_all_loses_none() {
    let module = TestModule::load();
    let _others = UnboundLogs::all_but(&LOG);
    let (mark, last) = (unique("room"), unique("the last"));
    let mut reader = Reader::at_the_end(&LOG);
    let before = module.counts();
    let writers: Vec<Child> = (0..processors())
        .map(|processor| {
            let (module, mark) = (&module, &mark);
            Child::spawn(move || {
                pin_to(processor);
                module.flood(400, processor, mark);
                0
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.wait(), Ended::Exit(0));
    }
    let after = module.counts();
    append(&LOG.open(), &last);
    let mut witness = Witness::default();
    loop {
        let record = reader.next().expect("it ends with our last");
        if record.text() == last {
            break;
        }
        witness.see(&mark, &record.text());
    }
    assert_eq!(reader.lost, after.busy - before.busy);
    assert_eq!(witness.ours, after.written - before.written);
}

fn log_flood_of_printk_from_interrupts_arrives_whole() {
    const EACH: usize = 150;
    let module = TestModule::load();
    let mark = unique("printk");
    let mut reader = Reader::at_the_end(&LOG);
    let writers: Vec<Child> = (0..processors().min(2))
        .map(|processor| {
            let (module, mark) = (&module, &mark);
            Child::spawn(move || {
                pin_to(processor);
                module.printk(EACH, processor, mark);
                0
            })
        })
        .collect();
    let count = writers.len() * EACH;
    for writer in writers {
        assert_eq!(writer.wait(), Ended::Exit(0));
    }
    let last = unique("the last");
    kmsg(&last);
    let mut witness = Witness::default();
    loop {
        let Some(record) = reader.next() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        if record.text() == last {
            break;
        }
        witness.see(&mark, &record.text());
    }
    assert_eq!(witness.ours, count as u64);
    assert_eq!(reader.lost, 0);
}

fn log_flood_by_sysrq_in_an_interrupt_arrives() {
    let module = TestModule::load();
    fs::write("/proc/sys/kernel/sysrq", "1").expect("sysrq");
    let mut keys = vec![('w', "Show Blocked State"), ('m', "Show Memory")];
    // Kernels for one processor do not have this key.
    if crate::support::kernel::is_smp() {
        keys.push(('l', "Show backtrace of all active CPUs"));
    }
    for (key, says) in keys {
        let mut reader = Reader::at_the_end(&LOG);
        module.sysrq(key);
        reader.find(says);
        let (mut records, end) = (Vec::new(), unique("after the key"));
        kmsg(&end);
        while records.last() != Some(&end) {
            records.push(reader.find("").text());
        }
        assert!(records.len() > 1 || key == 'w', "{key}: {records:?}");
        assert_eq!(reader.lost, 0);
    }
}

fn log_flood_survives_unbinding_of_its_log() {
    let module = TestModule::load();
    let mark = unique("unbound");
    let writers: Vec<Child> = (0..processors())
        .map(|processor| {
            let (module, mark) = (&module, &mark);
            Child::spawn(move || {
                pin_to(processor);
                module.flood(8000, processor, mark);
                0
            })
        })
        .collect();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(50));
        // While there is no log, the records go to another instance's, or nowhere.
        drop(Unbound::new(LOG.node));
    }
    for writer in writers {
        assert_eq!(writer.wait(), Ended::Exit(0));
    }
    // printk brings what was printed before the log was bound again, in a thread of its own.
    let log = LOG.open();
    assert!(wait::until(|| sys::poll(
        log.raw(),
        libc::POLLIN,
        Duration::ZERO
    ) & libc::POLLIN
        != 0));
}
