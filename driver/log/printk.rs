// SPDX-License-Identifier: GPL-2.0-only

//! Appends printk's messages to the log.
//!
//! The console delivers messages that are more urgent than `console_loglevel`, with their
//! dictionary. The others are read from printk's buffer, in the form of the kernel's dumpers, when
//! the console has passed them. Sequence numbers identify the messages, so that each message is
//! taken once, whichever context takes it.

use super::{
    context::Context,
    intake::Intake,
    scratch::{
        Dump,
        Scratch, //
    }, //
};
use crate::{
    ring::{
        kmsg,
        parse_dump,
        persist::Ending,
        Entry,
        EMERGENCY, //
    },
    sys::{
        console::{
            Reason,
            Sink, //
        },
        panic::{
            in_emergency,
            panic_on_this_cpu, //
        },
        persistent::drain_stores,
        printk::{
            dumped,
            is_suppressed,
            kmsg_range, //
        },
        time::local_clock,
        try_cell::Claim, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

/// How long one tick takes messages while no task gets to run, in nanoseconds. Interrupts are off
/// during that time.
const STUCK_NS: u64 = 2_000_000;
/// The number of messages that it takes between two reads of the clock.
const STUCK_MESSAGES: u64 = 16;

/// Which messages [`Intake::take_until`] takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// All. The console has passed them, so no call will deliver the ones that are missing.
    Passed,
    /// All, and the console is overdue: messages that `dmesg -C` has cleared are not waited for.
    Overdue,
    /// All, but the console may still deliver what `dmesg -C` has cleared. It cannot deliver what
    /// newer messages have overwritten.
    Pending,
    /// Those that consoles suppress because of their level. These are the same in whichever way
    /// they are taken. The console may still deliver the others, with their dictionaries.
    Suppressed,
}

impl Intake {
    /// Takes messages from printk's buffer up to and without `until`, or as far as `which` allows.
    ///
    /// Each turn takes one message that printk's buffer holds, so that there are at most as many
    /// turns as messages in it.
    pub(super) fn take_until(&self, until: u64, which: Take, scratch: &mut Dump, context: Context) {
        loop {
            let next = self.next_message();
            if next >= until {
                return;
            }
            let found = dumped(next, &mut scratch.dumped);
            let cut = found.is_some_and(|(seq, len)| scratch.is_cut(seq, len));
            // A message of very many lines. If the buffer cannot grow, the first lines are appended
            // and the message counts as missed.
            if cut && context == Context::Normal && scratch.grow() {
                continue;
            }
            let Dump {
                dumped: buffer,
                lines,
            } = scratch;
            let gap = found.is_some_and(|(seq, _)| seq != next);
            let gone = match which {
                Take::Passed => true,
                Take::Overdue => self.begun.load() != 0,
                Take::Pending | Take::Suppressed => gap && self.is_overwritten(next),
            };
            let entry = match found {
                Some((seq, len)) if seq < until && (gone || !gap) => {
                    let text = buffer.get(..len).unwrap_or(&[]);
                    parse_dump(text, lines).map(|entry| (seq, entry))
                }
                // Cleared by `dmesg -C` before it was taken, or overwritten.
                _ if gone => return self.pass_over(until, context),
                _ => return,
            };
            let taken = match entry {
                Some((_, entry)) if which == Take::Suppressed && !is_suppressed(entry.level) => {
                    return
                }
                Some((seq, entry)) => self.take(seq, &self.mark(entry), context),
                None => {
                    self.pass_over(next + 1, context);
                    false
                }
            };
            if self.next_message() == next {
                // The lock was not available. The next call finds the message again.
                return;
            }
            if cut && taken {
                self.count_cut(context);
            }
        }
    }

    /// Whether newer messages have overwritten message `next`, which printk's buffer was found not
    /// to have: it was not cleared, then.
    fn is_overwritten(&self, next: u64) -> bool {
        self.begun.load() != 0 && kmsg_range().cleared <= next
    }

    /// Marks a message that was printed in the current emergency, not one that is only taken during
    /// it.
    fn mark<'a>(&self, entry: Entry<'a>) -> Entry<'a> {
        let emergency = self.emergency.load() != 0
            && entry.ns >= self.emergency_since.load(Relaxed)
            && in_emergency();
        let flags = if emergency { EMERGENCY } else { 0 };
        Entry {
            flags: entry.flags | flags,
            ..entry
        }
    }

    /// Begins with message `seq`, or with an older one. `each`: the console reported each message
    /// that it passed. Otherwise it may have passed messages before `seq`. Which of them printk
    /// still had before a clear is not known, so all of them count as missed.
    fn begin_with(&self, seq: u64, each: bool) {
        let all = !each && kmsg_range().cleared != 0;
        self.begin(if all { self.next_message() } else { seq });
    }

    /// Finds room for an emergency: the processor that panics has its own, since what another one
    /// was doing may never end.
    fn claim_atomic(&self) -> Option<Claim<'_, Scratch>> {
        if panic_on_this_cpu() {
            self.panic.claim()
        } else {
            self.atomic.claim()
        }
    }

    /// Takes messages that have been waiting since the tick before, in its interrupt.
    fn take_stuck(&self) {
        // printk still has what the region is not ready for.
        if self.region.as_ref().is_some_and(|region| region.is_new()) {
            return;
        }
        let waiting = self.waiting.load(Relaxed);
        let mut next = self.next_message();
        if next >= waiting {
            return;
        }
        // Not the room of an emergency, which may come on top of this or on another processor.
        if let Some(mut dump) = self.interrupt.claim() {
            let begin = local_clock();
            while next < waiting && local_clock().wrapping_sub(begin) < STUCK_NS {
                let until = waiting.min(next + STUCK_MESSAGES);
                self.take_until(until, Take::Overdue, &mut dump, Context::Atomic);
                let before = core::mem::replace(&mut next, self.next_message());
                if next == before {
                    // The lock was not available.
                    break;
                }
            }
        }
        drain_stores();
    }

    fn take_line(&self, text: &[u8], scratch: &mut Scratch, context: Context) {
        let Scratch { line, dump } = scratch;
        let line = kmsg::parse(text, line);
        let Some(seq) = line.as_ref().map(|line| line.seq).or_else(|| number(text)) else {
            return;
        };
        self.begin_with(seq, context == Context::Normal);
        if seq > self.next_message() {
            self.take_until(seq, Take::Passed, dump, context);
        }
        if let Some(line) = line {
            let _ = self.take(seq, &self.mark(line.entry), context);
        }
    }
}

/// The number of a message in the extended form: `<priority>,<number>,<time>,...`.
fn number(text: &[u8]) -> Option<u64> {
    let field = text.split(|&byte| byte == b',').nth(1)?;
    core::str::from_utf8(field).ok()?.parse().ok()
}

impl Sink for Intake {
    fn line(&self, text: &[u8]) {
        self.emergency.store(0);
        if let Some(mut scratch) = self.thread.claim() {
            self.take_line(text, &mut scratch, Context::Normal);
        }
    }

    fn line_atomic(&self, text: &[u8]) {
        // The buffer is in use if this call interrupted another emergency or a dumper. The next
        // call reads the messages of both from printk's buffer.
        let Some(mut scratch) = self.claim_atomic() else {
            return;
        };
        if !in_emergency() {
            // A context that prints directly, as all contexts do during a shutdown.
            self.emergency.store(0);
        } else if self.emergency.load() == 0 {
            let since = kmsg::parse(text, &mut scratch.line).map_or(0, |line| line.entry.ns);
            self.emergency_since.store(since, Relaxed);
            self.emergency.store(1);
        }
        self.take_line(text, &mut scratch, Context::Atomic);
    }

    fn passed(&self, next: u32, each: bool) {
        let known = self.next_message();
        // The cast wraps on purpose: the console is at most 2^31 messages away.
        let ahead = next.wrapping_sub(known as u32) as i32;
        if ahead <= 0 {
            return;
        }
        let until = known.wrapping_add(ahead as u64);
        if let Some(mut scratch) = self.thread.claim() {
            self.begin_with(until - 1, each);
            self.take_until(until, Take::Passed, &mut scratch.dump, Context::Normal);
        }
    }

    fn dumping(&self, reason: Reason) {
        match (reason, &self.region) {
            // The kernel may panic before the probe starts to use the region.
            (Reason::Panic, _) => self.start_region(),
            // Messages that are taken before the region is used would not be kept. printk has them.
            (_, Some(region)) if region.is_new() => return,
            _ => {}
        }
        // A panic still flushes the consoles. Otherwise this may be the last call.
        let which = match reason {
            Reason::Panic => Take::Pending,
            Reason::Shutdown | Reason::Other => Take::Overdue,
        };
        if let Some(mut scratch) = self.claim_atomic() {
            self.take_until(kmsg_range().next, which, &mut scratch.dump, Context::Atomic);
        }
        self.note_clock(Context::Atomic);
        match reason {
            Reason::Panic => self.note_ending(Ending::Panic),
            Reason::Shutdown => self.note_ending(Ending::Clean),
            // An emergency restart follows at once, perhaps.
            Reason::Other => drain_stores(),
        }
    }

    #[inline(always)]
    fn record(&self, level: u8, text: &[u8]) -> Result {
        self.module_record(level, text)
    }

    fn clock_set(&self) {
        self.note_clock(Context::Normal);
    }

    fn ticked(&self, stuck: bool) {
        let before = self.ticked.load(Relaxed);
        self.waiting.store(before, Relaxed);
        self.ticked.store(kmsg_range().next, Relaxed);
        if stuck {
            self.take_stuck();
        }
    }

    fn tick(&self) {
        self.on_tick();
    }
}
