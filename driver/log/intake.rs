// SPDX-License-Identifier: GPL-2.0-only

//! How the kernel's messages come into the log: from its console, and from printk's buffer where they are too quiet for
//! consoles.

use super::{
    errno,
    Log, //
};
use crate::{
    ring::{
        kmsg,
        parse_dump,
        Entry,
        EMERGENCY,
        MODULE, //
    },
    sys::{
        console::{
            dumped,
            loglevel,
            Sink, //
        },
        time::{
            caller_id,
            local_clock, //
        },
        try_cell::{
            Claim,
            TryCell, //
        }, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// Room to take messages apart.
pub(super) struct Scratch {
    line: KVec<u8>,
    dump: KVec<u8>,
    lines: KVec<u8>,
}

impl Scratch {
    pub(super) fn new() -> Result<TryCell<Self>> {
        let room = || KVec::from_elem(0u8, kmsg::MESSAGE_MAX, GFP_KERNEL);
        Ok(TryCell::new(Self {
            line: room()?,
            dump: room()?,
            lines: room()?,
        }))
    }
}

impl Log {
    /// Takes message `seq` of the kernel, unless it was taken before. Messages that were passed over are counted, and leave
    /// a gap in the ring's numbers.
    fn take(&self, seq: u64, entry: &Entry<'_>) {
        {
            let lock = self.lock_for(entry.flags);
            let next = self.next_message.load(Relaxed);
            if seq < next {
                return;
            }
            if seq > next {
                add(&self.missed, seq - next);
                self.writer.skip(seq - next);
            }
            self.next_message.store(seq + 1, Relaxed);
            // A refused record took a number: its readers see that it is missing.
            let _ = self.put(entry, &lock);
        }
        self.waiters
            .appended(self.writer.next_seq() - 1, self.ring().header().head.load());
    }

    /// Takes the messages that printk does not give to consoles: those before `until`, or all that come next.
    fn take_quiet(&self, until: Option<u64>, flags: u8, scratch: &mut Scratch) {
        let Scratch { dump, lines, .. } = scratch;
        loop {
            let next = self.next_message.load(Relaxed);
            if until.is_some_and(|until| next >= until) {
                return;
            }
            let Some((seq, len)) = dumped(next, dump) else {
                return;
            };
            if until.is_some_and(|until| seq >= until) {
                return;
            }
            let Some(entry) = dump.get(..len).and_then(|text| parse_dump(text, lines)) else {
                return;
            };
            if until.is_none() && entry.level < loglevel() {
                // The console is about to give it, with its dictionary.
                return;
            }
            let flags = entry.flags | flags;
            self.take(seq, &Entry { flags, ..entry });
        }
    }

    /// Takes messages that are too quiet for consoles now, and not only when a louder one follows. Any context but NMI.
    pub(crate) fn catch_up(&self) {
        // The last cell is kept for an emergency.
        let mut cells = self.scratch.iter().take(2);
        if let Some(mut scratch) = cells.find_map(TryCell::claim) {
            self.take_quiet(None, 0, &mut scratch);
        }
    }

    fn claim_scratch(&self) -> Option<Claim<'_, Scratch>> {
        self.scratch.iter().find_map(|cell| cell.claim())
    }
}

/// Adds to a counter that only the holder of the lock changes.
fn add(counter: &Atomic<u64>, n: u64) {
    counter.store(counter.load(Relaxed) + n, Relaxed);
}

/// The log as the kernel's console.
pub(crate) struct KernelSink(pub(crate) Arc<Log>);

impl Sink for KernelSink {
    fn line(&self, text: &[u8], emergency: bool) {
        let log = &*self.0;
        let flags = if emergency { EMERGENCY } else { 0 };
        let Some(mut claim) = log.claim_scratch() else {
            // All are taken by what this interrupted, which takes a panic in a panic: what needs no room still goes.
            if let Some(line) = kmsg::parse(text, &mut []) {
                log.take(
                    line.seq,
                    &Entry {
                        flags,
                        ..line.entry
                    },
                );
            }
            return;
        };
        let scratch = &mut *claim;
        if let Some(seq) = kmsg::parse(text, &mut scratch.line).map(|line| line.seq) {
            if seq != log.next_message.load(Relaxed) {
                log.take_quiet(Some(seq), flags, scratch);
            }
        }
        if let Some(line) = kmsg::parse(text, &mut scratch.line) {
            let flags = line.entry.flags | flags;
            log.take(
                line.seq,
                &Entry {
                    flags,
                    ..line.entry
                },
            );
        }
        if !emergency {
            // Quiet ones that came behind it had to wait for it.
            log.take_quiet(None, 0, scratch);
        }
    }

    fn printed(&self) {
        self.0.catch_up();
    }

    fn record(&self, level: u8, text: &[u8], emergency: bool) -> Result {
        let entry = Entry {
            level,
            flags: if emergency {
                MODULE | EMERGENCY
            } else {
                MODULE
            },
            ns: local_clock(),
            caller: caller_id(),
            text,
            ..Entry::default()
        };
        self.0.append(&entry).map(drop).map_err(errno)
    }
}
