// SPDX-License-Identifier: GPL-2.0-only

//! The log: a ring in vmalloc memory, what writes to it, and the waking of its readers.

mod intake;

pub(crate) use intake::KernelSink;

use crate::{
    ring::{
        kmsg,
        Cursor,
        Entry,
        Mode,
        Peek,
        Record,
        Refused,
        Ring,
        Slot,
        Start,
        Writer,
        EMERGENCY,
        HEADER_SIZE,
        MODULE,
        USER, //
    },
    sys::{
        console::{
            cleared,
            dumped, //
        },
        irq_lock::{
            IrqGuard,
            IrqLock, //
        },
        persistent::Persistent,
        ring_area::RingArea,
        time::{
            caller_id,
            local_clock,
            panic_in_progress, //
        },
        try_cell::TryCell,
        vmalloc::VmallocArea,
        wait::Waiters, //
    }, //
};
use intake::Scratch;
use kernel::{
    iov::IovIterSource,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// How often an emergency asks for the lock before it goes on without.
const EMERGENCY_TRIES: usize = 10_000;

/// A log ring.
///
/// Readers, by map or by read(), need nothing but the ring. Writers are serialised by `lock`; one that can't wait for it,
/// in an emergency, appends all the same: the ring allows for that.
#[pin_data]
pub(crate) struct Log {
    area: RingArea,
    writer: Writer,
    #[pin]
    lock: IrqLock,
    /// Readers that sleep.
    #[pin]
    pub(crate) waiters: Waiters,
    /// The copy that outlives a reboot.
    pub(crate) persistent: Option<Pin<KBox<Persistent>>>,
    /// For the console's thread, for who catches up meanwhile, and for an emergency on top.
    scratch: [TryCell<Scratch>; 3],
    /// The kernel's number of the next message that is not in the ring; changed under the lock.
    next_message: Atomic<u64>,
    /// Messages that printk had lost before they could be taken.
    pub(crate) missed: Atomic<u64>,
    /// Set when the window was revoked: readers end.
    gone: Atomic<i32>,
}

impl Log {
    /// An empty ring with `data_size` bytes of records, for the kernel's and for those of programs. What it gets is also
    /// kept in `persistent`.
    pub(crate) fn new(
        data_size: usize,
        boot_id: &[u8; 16],
        persistent: Option<Pin<KBox<Persistent>>>,
    ) -> Result<impl PinInit<Self, Error>> {
        // Records have the kernel's numbers until a program writes one of its own.
        let mut first = [0u8; 64];
        let seq = dumped(0, &mut first).map_or(0, |(seq, _)| seq);
        Self::with(data_size, boot_id, seq, persistent)
    }

    /// An empty ring for `records` of another boot.
    pub(crate) fn previous(data_size: usize) -> Result<impl PinInit<Self, Error>> {
        Self::with(data_size, &[0; 16], 0, None)
    }

    fn with(
        data_size: usize,
        boot_id: &[u8; 16],
        seq: u64,
        persistent: Option<Pin<KBox<Persistent>>>,
    ) -> Result<impl PinInit<Self, Error>> {
        let start = Start { position: 0, seq };
        let area = RingArea::new(data_size, boot_id, start)?;
        let scratch = [Scratch::new()?, Scratch::new()?, Scratch::new()?];
        Ok(try_pin_init!(Self {
            area,
            writer: Writer::new(start),
            lock <- IrqLock::new(),
            waiters <- Waiters::new(),
            persistent,
            scratch,
            next_message: Atomic::<u64>::new(seq),
            missed: Atomic::<u64>::new(0),
            gone: Atomic::<i32>::new(0),
        }? Error))
    }

    /// The memory, to be mapped.
    pub(crate) fn area(&self) -> &Arc<VmallocArea> {
        self.area.area()
    }

    /// The ring.
    #[inline]
    pub(crate) fn ring(&self) -> Ring<'_> {
        self.area.ring()
    }

    /// The ring's writer, for its counters.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Appends a record and wakes who waits. Any context; waits for nothing in an emergency.
    #[inline]
    pub(crate) fn append(&self, entry: &Entry<'_>) -> Result<u64, Refused> {
        let lock = self.lock_for(entry.flags);
        let seq = self.put(entry, &lock)?;
        drop(lock);
        self.waiters.appended(seq, self.ring().header().head.load());
        Ok(seq)
    }

    /// Takes over a record of the previous boot, with its number. For a ring that nobody else writes to yet.
    pub(crate) fn take_over(&self, record: &Record<'_>) {
        // What can't be appended is missing from the numbers.
        let _ = self
            .writer
            .append_with_seq(self.ring(), &record.entry, record.seq);
    }

    /// Appends to the ring and to the copy.
    #[inline]
    fn put(&self, entry: &Entry<'_>, lock: &Option<IrqGuard<'_>>) -> Result<u64, Refused> {
        // Who has the lock for so long was interrupted by this very context, or was stopped by the panic.
        let mode = if lock.is_none() && panic_in_progress() {
            Mode::Final
        } else {
            Mode::Normal
        };
        let seq = self.writer.append(self.ring(), entry, mode)?;
        if let Some(persistent) = &self.persistent {
            persistent.append(entry, seq);
            if entry.flags & EMERGENCY != 0 && panic_in_progress() {
                persistent.panicking();
            }
        }
        Ok(seq)
    }

    /// Forgets all records that are there. For a ring that nobody writes to any more.
    pub(crate) fn clear(&self) {
        let header = self.ring().header();
        header.tail.store(header.head.load());
        // Nor can they be seen through a map any more.
        for word in self.area().words(HEADER_SIZE) {
            word.store(0);
        }
    }

    /// Waits for the lock, but in an emergency not for ever: then it is none.
    #[inline]
    fn lock_for(&self, flags: u8) -> Option<IrqGuard<'_>> {
        if flags & EMERGENCY == 0 {
            Some(self.lock.lock())
        } else {
            (0..EMERGENCY_TRIES).find_map(|_| self.lock.try_lock())
        }
    }

    /// Appends what a program has written, as /dev/kmsg would; returns its length.
    pub(crate) fn write(&self, from: &mut IovIterSource<'_>) -> Result<usize> {
        let len = from.len();
        if len > kmsg::WRITE_MAX {
            return Err(EINVAL);
        }
        // Most messages are short: they need no allocation.
        let mut short = [0u8; 128];
        let mut long = KVec::new();
        let text = match short.get_mut(..len) {
            Some(text) => text,
            None => {
                long.resize(len, 0, GFP_KERNEL)?;
                &mut long[..]
            }
        };
        if from.copy_from_iter(text) < len {
            return Err(EFAULT);
        }
        if self.is_gone() {
            return Err(ENODEV);
        }
        let entry = kmsg::parse_user(text, DEFAULT_LEVEL).ok_or(EINVAL)?;
        let entry = Entry {
            ns: local_clock(),
            caller: caller_id(),
            ..entry
        };
        self.append(&entry).map_err(errno)?;
        Ok(len)
    }

    /// Whether the window was revoked.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Relaxed) != 0
    }

    /// Lets all readers end. The memory stays as long as they have it.
    pub(crate) fn end(&self) {
        self.gone.store(1, Relaxed);
        self.waiters
            .wake(kernel::bindings::POLLERR | kernel::bindings::POLLHUP);
    }

    /// Behind the messages that `dmesg -C` has cleared.
    pub(crate) fn after_cleared(&self, ring: Ring<'_>) -> Cursor {
        let clear = cleared();
        let own = |slot: &Slot<'_>| slot.flags() & (USER | MODULE) != 0;
        // Records that did not come through printk shift the numbers of those behind them: all there were, less those
        // that are still here, are before the oldest.
        let mut here = 0;
        let mut cursor = Cursor::oldest(ring);
        let mut best = cursor.clone();
        while let Some(slot) = next_slot(&mut cursor, ring) {
            here += u64::from(own(&slot));
            cursor.advance(&slot);
        }
        let all = self
            .writer
            .next_seq()
            .wrapping_sub(self.next_message.load(Relaxed));
        let mut shift = all.wrapping_sub(here);
        let mut cursor = best.clone();
        while let Some(slot) = next_slot(&mut cursor, ring) {
            cursor.advance(&slot);
            if own(&slot) {
                shift += 1;
            } else if slot.seq().wrapping_sub(shift) < clear {
                best = cursor.clone();
            }
        }
        best
    }
}

/// The next record, over losses; `None` at the end.
fn next_slot<'a>(cursor: &mut Cursor, ring: Ring<'a>) -> Option<Slot<'a>> {
    loop {
        match cursor.peek(ring) {
            Peek::Record(slot) => return Some(slot),
            Peek::Lost(_) => {}
            Peek::Empty => return None,
        }
    }
}

fn errno(refused: Refused) -> Error {
    match refused {
        Refused::TooLong => EINVAL,
        Refused::Busy => EBUSY,
    }
}

/// Level of a message that gives none: `CONFIG_MESSAGE_LOGLEVEL_DEFAULT` as it comes.
const DEFAULT_LEVEL: u8 = 4;
