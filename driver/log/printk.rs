// SPDX-License-Identifier: GPL-2.0-only

//! How printk's messages come into the log.
//!
//! The console delivers messages that are more urgent than `console_loglevel`, with their
//! dictionary. The others are read from printk's buffer, in the form of the kernel's dumpers, when
//! the console has passed them. Numbers tell which messages those are, so that each message is
//! taken once, whichever context takes it.

use super::intake::Intake;
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
            dumped,
            kmsg_range,
            Reason,
            Sink, //
        },
        time::{
            drain_stores,
            in_emergency,
            panic_on_this_cpu, //
        },
        try_cell::Claim, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

/// How many messages one tick takes while no task gets to run.
const STUCK_MESSAGES: u64 = 256;

/// Room to take a message apart.
pub(super) struct Scratch {
    line: KVec<u8>,
    pub(super) dump: Dump,
}

/// Room for a message in the form of the kernel's dumpers, and for its text.
pub(super) struct Dump {
    dumped: KVVec<u8>,
    lines: KVec<u8>,
}

/// Bytes before each line of a message in the form of the kernel's dumpers: `PRINTK_PREFIX_MAX`.
const PREFIX_MAX: usize = 48;
/// Bytes of the longest message in that form: `PRINTKRB_RECORD_MAX` lines that are empty.
const DUMP_MAX: usize = 1024 * (PREFIX_MAX + 1);

impl Dump {
    /// Whether the kernel may have left out lines of a message that takes `len` bytes.
    fn may_be_cut(&self, len: usize) -> bool {
        len + PREFIX_MAX + 1 >= self.dumped.len() && self.dumped.len() < DUMP_MAX
    }

    /// Makes room for any message. Returns whether there is memory for it. May sleep.
    fn grow(&mut self) -> bool {
        let room = KVVec::from_elem(0u8, DUMP_MAX, GFP_KERNEL | __GFP_NOWARN);
        room.map(|room| self.dumped = room).is_ok()
    }
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let room = || KVec::from_elem(0u8, kmsg::MESSAGE_MAX, GFP_KERNEL);
        Ok(Self {
            line: room()?,
            dump: Dump {
                dumped: KVVec::from_elem(0u8, kmsg::MESSAGE_MAX, GFP_KERNEL)?,
                lines: room()?,
            },
        })
    }
}

/// In which context a message is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// One that may wait for the lock.
    Normal,
    /// Any. The lock's owner may be what this context has interrupted.
    Atomic,
}

impl Intake {
    /// Takes messages from printk's buffer up to and without `until`. `passed`: the console is past
    /// them, so what is not there cannot be had. Otherwise the console may still deliver what
    /// `dmesg -C` has cleared, but not what newer messages have overwritten.
    ///
    /// Each turn takes one message that printk's buffer holds, so that there are at most as many
    /// turns as messages in it.
    pub(super) fn take_until(
        &self,
        until: u64,
        passed: bool,
        scratch: &mut Dump,
        context: Context,
    ) {
        loop {
            let next = self.next_message();
            if next >= until {
                return;
            }
            let found = dumped(next, &mut scratch.dumped);
            let cut = found.is_some_and(|(_, len)| scratch.may_be_cut(len));
            // A message of very many lines. Where no room can be had, some of them are better than
            // none.
            if cut && context == Context::Normal && scratch.grow() {
                continue;
            }
            let Dump {
                dumped: buffer,
                lines,
            } = scratch;
            let gap = found.is_some_and(|(seq, _)| seq != next);
            let gone = passed || (gap && self.is_overwritten(next));
            let entry = match found {
                Some((seq, len)) if seq < until && (gone || !gap) => {
                    let text = buffer.get(..len).unwrap_or(&[]);
                    parse_dump(text, lines).map(|entry| (seq, entry))
                }
                // Cleared by `dmesg -C` before it was taken, or overwritten.
                _ if gone => return self.pass_over(until, context),
                _ => return,
            };
            match entry {
                Some((seq, entry)) => self.take(seq, &self.mark(entry), context),
                None => self.pass_over(next + 1, context),
            }
            if self.next_message() == next {
                // The lock was not to be had. The next call finds the message again.
                return;
            }
        }
    }

    /// Whether newer messages have overwritten message `next`, which printk's buffer was found not
    /// to have: it was not cleared, then.
    fn is_overwritten(&self, next: u64) -> bool {
        self.begun.load() != 0 && kmsg_range().cleared <= next
    }

    /// Marks a message that was printed in an emergency which is under way, not one that was only
    /// taken meanwhile.
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

    /// Begins with message `seq`, or with an older one. `each`: the sink was told of each message
    /// that the console has passed; otherwise messages may have been passed before `seq`, and after
    /// a clear nobody knows which of them printk still had: all count.
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

    fn take_line(&self, text: &[u8], scratch: &mut Scratch, context: Context) {
        let Scratch { line, dump } = scratch;
        let line = kmsg::parse(text, line);
        let Some(seq) = line.as_ref().map(|line| line.seq).or_else(|| number(text)) else {
            return;
        };
        self.begin_with(seq, context == Context::Normal);
        if seq > self.next_message() {
            self.take_until(seq, true, dump, context);
        }
        if let Some(line) = line {
            self.take(seq, &self.mark(line.entry), context);
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
        // The room is taken if this has interrupted another emergency, or if a dumper is at work:
        // that one's messages, and this one, are read from printk's buffer by the next call.
        let Some(mut scratch) = self.claim_atomic() else {
            return;
        };
        if !in_emergency() {
            // Whoever prints directly, as all do while the machine goes down.
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
        // The wrap of the cast is wanted: the console is at most 2^31 messages away.
        let ahead = next.wrapping_sub(known as u32) as i32;
        if ahead <= 0 {
            return;
        }
        let until = known.wrapping_add(ahead as u64);
        if let Some(mut scratch) = self.thread.claim() {
            self.begin_with(until - 1, each);
            self.take_until(until, true, &mut scratch.dump, Context::Normal);
        }
    }

    fn dumping(&self, reason: Reason) {
        match (reason, &self.region) {
            // It may panic before the probe has come to that.
            (Reason::Panic, _) => self.start_region(),
            // What is taken before the region is used would not be kept. printk still has it then.
            (_, Some(region)) if region.is_new() => return,
            _ => {}
        }
        if let Some(mut scratch) = self.claim_atomic() {
            self.take_until(kmsg_range().next, false, &mut scratch.dump, Context::Atomic);
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

    fn tick(&self) {
        self.on_tick();
    }

    fn stuck(&self) {
        // printk still has what the region is not ready for.
        if self.region.as_ref().is_some_and(|region| region.is_new()) {
            return;
        }
        let until = kmsg_range().next.min(self.next_message() + STUCK_MESSAGES);
        if self.next_message() < until {
            if let Some(mut scratch) = self.claim_atomic() {
                self.take_until(until, false, &mut scratch.dump, Context::Atomic);
            }
            drain_stores();
        }
        self.wake_overdue();
    }
}
