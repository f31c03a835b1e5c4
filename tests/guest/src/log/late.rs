// SPDX-License-Identifier: MIT OR Apache-2.0
//! The order of the log while the console's thread cannot run: printk's buffer overruns, and
//! records wait for messages that the console has not delivered yet.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::log::context::{pin_task_to, pin_to, processors};
use crate::log::limit::{Limit, REPORT};
use crate::log::order::{clear, continues};
use crate::support::dev::{Unbound, Window, LOG};
use crate::support::log::{append, kernel_has_arrived, kmsg, stats, text, unique, unlimited};
use crate::support::log::{Loglevel, Messages};
use crate::support::module::TestModule;
use crate::support::sys;
use crate::support::wait;
use crate::tests;

tests! {
    cores:
        log_late_record_follows_messages_that_overran_printks_buffer,
        log_late_report_at_close_follows_what_was_printed_before,
        log_late_reader_that_does_not_wait_changes_no_loud_message,
        log_late_reader_that_does_not_wait_has_suppressed_messages,
        log_late_message_after_a_clear_does_not_wait_for_the_console,
        log_late_tick_continues_when_processors_are_switched;
}

/// Keeps the log's consoles from running, by a real-time task on the one processor that their
/// threads may use. The test continues on another one.
pub struct Held {
    done: Arc<AtomicBool>,
    task: Option<JoinHandle<()>>,
    settings: Vec<(&'static str, String)>,
}

impl Held {
    /// Skips the test where that is not possible. Must be called before anything is changed.
    pub fn needed() {
        if processors() < 2 {
            crate::skip!("one processor: what holds the console up would hold the test up, too");
        }
        if console_threads().is_empty() {
            crate::skip!("printk has no thread for the console here");
        }
    }

    pub fn new() -> Self {
        // The kernel has two mechanisms that let other threads run beside a real-time task: disable
        // both.
        let settings = [
            ("/proc/sys/kernel/sched_rt_runtime_us", "-1"),
            ("/sys/kernel/debug/sched/fair_server/cpu0/runtime", "0"),
        ]
        .into_iter()
        .filter_map(|(path, value)| {
            let before = fs::read_to_string(path).ok()?;
            fs::write(path, value).ok()?;
            Some((path, before))
        })
        .collect();
        pin_to(1);
        for thread in console_threads() {
            pin_task_to(thread, 0);
        }
        let done = Arc::new(AtomicBool::new(false));
        let started = Arc::new(AtomicBool::new(false));
        let task = {
            let (done, started) = (done.clone(), started.clone());
            std::thread::spawn(move || {
                pin_to(0);
                become_real_time();
                started.store(true, Ordering::Release);
                while !done.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
            })
        };
        assert!(crate::support::wait::until(
            || started.load(Ordering::Acquire)
        ));
        Self {
            done,
            task: Some(task),
            settings,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        if let Some(task) = self.task.take() {
            let _ = task.join();
        }
        for (path, value) in &self.settings {
            let _ = fs::write(path, value);
        }
    }
}

/// The threads that print to the logs' consoles.
fn console_threads() -> Vec<libc::pid_t> {
    let tasks = fs::read_dir("/proc").expect("/proc");
    let pids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name.starts_with("pr/fanlight"))
    })
    .collect()
}

/// No task of the usual scheduler runs on this task's processor any more.
fn become_real_time() {
    // All of the kernel's `struct sched_param`. The console's thread is no real-time task. With
    // PREEMPT_RT, the threads of interrupts have 50, and the host's answers need them.
    let priority: libc::c_int = 2;
    // SAFETY: the priority lives for the call. Not by the C library: musl's refuses.
    let set = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_FIFO,
            &raw const priority,
        )
    };
    assert_eq!(set, 0, "SCHED_FIFO");
}

/// The log, for a program that does not wait.
fn nonblocking() -> Window {
    LOG.open_with(libc::O_RDWR | libc::O_NONBLOCK)
}

/// The positions of the records with these words in the log, oldest first.
fn places(messages: &[String], words: &str) -> Vec<usize> {
    let all = messages.iter().enumerate();
    all.filter(|(_, message)| text(message).starts_with(words))
        .map(|(place, _)| place)
        .collect()
}

fn log_late_record_follows_messages_that_overran_printks_buffer() {
    // Three times the size of the buffer: CONFIG_LOG_BUF_SHIFT=17.
    const COUNT: u64 = 400;
    Held::needed();
    let _unlimited = unlimited(&LOG);
    let _loglevel = Loglevel::set(4);
    kernel_has_arrived(&LOG);
    let log = nonblocking();
    let missed = || stats(log.raw()).kernel_missed;
    let (before, mark) = (missed(), unique("overrun"));
    let (kernel, program) = (format!("{mark} kernel"), format!("{mark} program"));
    let held = Held::new();
    for n in 0..COUNT {
        kmsg(&format!("<7>{kernel} {n:0900}"));
    }
    append(&log, &program);
    drop(held);
    kernel_has_arrived(&LOG);
    let messages = Messages::of_log(&LOG).all();
    let missed = missed() - before;
    if missed == 0 {
        crate::skip!("the console's thread was not held up long enough");
    }
    let kernels = places(&messages, &kernel);
    let programs = places(&messages, &program);
    assert_eq!(programs.len(), 1);
    let later = kernels.iter().filter(|place| **place > programs[0]).count();
    assert_eq!(
        later,
        0,
        "{later} of {} messages follow the record, {missed} were missed",
        kernels.len()
    );
    assert!(
        kernels.len() as u64 + missed >= COUNT,
        "{} messages are there, {missed} are counted",
        kernels.len()
    );
}

fn log_late_report_at_close_follows_what_was_printed_before() {
    Held::needed();
    let _limit = Limit::set(2);
    let _loglevel = Loglevel::set(4);
    kernel_has_arrived(&LOG);
    let seen = places(&Messages::of_log(&LOG).all(), "").len();
    let log = nonblocking();
    for n in 0..5 {
        append(&log, &format!("closed after a message {n}"));
    }
    let mark = unique("before the close");
    let held = Held::new();
    kmsg(&format!("<7>{mark}"));
    drop(log);
    drop(held);
    kernel_has_arrived(&LOG);
    let messages = Messages::of_log(&LOG).all();
    let message = places(&messages, &mark);
    let reports = messages.iter().enumerate().skip(seen);
    let reports: Vec<usize> = reports
        .filter(|(_, message)| text(message).contains(REPORT))
        .map(|(place, _)| place)
        .collect();
    assert_eq!((message.len(), reports.len()), (1, 1));
    assert!(message[0] < reports[0], "{message:?} {reports:?}");
}

/// What a reader that does not wait finds of these words.
fn find_without_waiting(words: &str) -> Vec<String> {
    let messages = Messages::of_log(&LOG).all();
    let ours = messages.into_iter().filter(|m| text(m).starts_with(words));
    ours.collect()
}

/// The console's thread delivers a message with its flag and its dictionary. The tick and a writer
/// read it without them.
fn log_late_reader_that_does_not_wait_changes_no_loud_message() {
    const ROUNDS: usize = 6;
    Held::needed();
    let module = TestModule::load();
    let _loglevel = Loglevel::set(8);
    let mut flags = Vec::new();
    for _ in 0..ROUNDS {
        let mark = unique("loud and late");
        kernel_has_arrived(&LOG);
        let log = nonblocking();
        sys::lseek(log.raw(), 0, libc::SEEK_END).expect("lseek to the end");
        let held = Held::new();
        module.cont(&mark);
        let _ = sys::read(log.raw(), &mut [0; 8192]);
        drop(held);
        kernel_has_arrived(&LOG);
        let found = find_without_waiting(&format!("{mark} goes on"));
        assert_eq!(found.len(), 1, "{found:?}");
        flags.push(continues(&found[0]).to_owned());
        // In some rounds the tick may have been first.
        if flags.last().is_some_and(|flag| flag == "c") {
            return;
        }
    }
    panic!("in each of {ROUNDS} rounds the flag is lost: {flags:?}");
}

/// No console prints these messages, so waiting for the console's thread is not needed.
fn log_late_reader_that_does_not_wait_has_suppressed_messages() {
    Held::needed();
    let _loglevel = Loglevel::set(4);
    kernel_has_arrived(&LOG);
    let mark = unique("quiet and late");
    let held = Held::new();
    kmsg(&format!("<7>{mark}"));
    let found = find_without_waiting(&mark);
    drop(held);
    assert_eq!(found.len(), 1, "{found:?}");
}

/// Whether a message after a cleared one reaches the log while the console is held. Only the tick
/// can deliver it. It no longer waits for the console to deliver the cleared one.
fn tick_takes(level: u32) -> bool {
    kernel_has_arrived(&LOG);
    let before = stats(LOG.open().raw()).kernel_missed;
    let (cleared, mark) = (unique("cleared and late"), unique("after the clear"));
    let held = Held::new();
    kmsg(&format!("<{level}>{cleared}"));
    clear();
    kmsg(&format!("<{level}>{mark}"));
    let came = wait::until(|| find_without_waiting(&mark).len() == 1);
    drop(held);
    kernel_has_arrived(&LOG);
    let missed = stats(LOG.open().raw()).kernel_missed - before;
    let taken = find_without_waiting(&cleared).len() as u64;
    assert!(taken + missed >= 1, "{taken} taken, {missed} counted");
    came
}

fn log_late_message_after_a_clear_does_not_wait_for_the_console() {
    Held::needed();
    for (loglevel, level) in [(4, 7), (8, 5)] {
        let _loglevel = Loglevel::set(loglevel);
        assert!(tick_takes(level), "level {level} at loglevel {loglevel}");
    }
}

/// A processor that is switched on or off.
struct Switch(usize);

impl Switch {
    fn path(processor: usize) -> String {
        format!("/sys/devices/system/cpu/cpu{processor}/online")
    }

    fn set(&self, on: bool) {
        let path = Self::path(self.0);
        fs::write(&path, if on { "1" } else { "0" }).unwrap_or_else(|e| panic!("{path}: {e}"));
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = fs::write(Self::path(self.0), "1");
    }
}

fn log_late_tick_continues_when_processors_are_switched() {
    Held::needed();
    // Processors that the held console does not use.
    let switches: Vec<Switch> = (2..processors()).map(Switch).collect();
    if switches.is_empty() || !fs::exists(Switch::path(2)).is_ok_and(|there| there) {
        crate::skip!("needs three processors and CONFIG_HOTPLUG_CPU");
    }
    let _loglevel = Loglevel::set(4);
    for switch in &switches {
        switch.set(false);
        assert!(tick_takes(7), "without processor {}", switch.0);
    }
    // Bound while these processors are off, and used while all are on.
    drop(Unbound::new(LOG.node));
    for switch in &switches {
        switch.set(true);
    }
    assert!(tick_takes(7), "with all processors");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                for on in [false, true] {
                    switches.iter().for_each(|switch| switch.set(on));
                }
            }
        });
        for _ in 0..20 {
            drop(Unbound::new(LOG.node));
        }
        done.store(true, Ordering::Release);
    });
    assert!(tick_takes(7), "bound while processors came and went");
}
