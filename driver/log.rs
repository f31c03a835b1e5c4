// SPDX-License-Identifier: GPL-2.0

//! The log: a ring in vmalloc memory, what writes to it, and the waking of its readers.

use crate::{
    ring::{
        kmsg,
        parse_dump,
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
            dumped,
            loglevel,
            Sink, //
        },
        irq_lock::{
            IrqGuard,
            IrqLock, //
        },
        persistent::Persistent,
        time::{
            caller_id,
            local_clock,
            panic_in_progress, //
        },
        try_cell::{
            Claim,
            TryCell, //
        },
        vmalloc::VmallocArea,
        wait::Waiters, //
    }, //
};
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

/// Room to take messages apart.
struct Scratch {
    line: KVec<u8>,
    dump: KVec<u8>,
    lines: KVec<u8>,
}

impl Scratch {
    fn new() -> Result<TryCell<Self>> {
        let room = || KVec::from_elem(0u8, kmsg::MESSAGE_MAX, GFP_KERNEL);
        Ok(TryCell::new(Self {
            line: room()?,
            dump: room()?,
            lines: room()?,
        }))
    }
}

/// The lock, or the knowledge that it can't be had.
struct Held<'a>(Option<IrqGuard<'a>>);

impl Held<'_> {
    fn mode(&self) -> Mode {
        // Who has the lock for so long was interrupted by this very context, or was stopped by the panic.
        if self.0.is_none() && panic_in_progress() {
            Mode::Final
        } else {
            Mode::Normal
        }
    }
}

/// A log ring.
///
/// Readers, by map or by read(), need nothing but the ring. Writers are serialised by `lock`; one that can't wait for it,
/// in an emergency, appends all the same: the ring allows for that.
#[pin_data]
pub(crate) struct Log {
    area: Arc<VmallocArea>,
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
        let area = Arc::new(VmallocArea::new(HEADER_SIZE + data_size)?, GFP_KERNEL)?;
        let start = Start { position: 0, seq };
        Ring::init(area.ring_header(), area.words(HEADER_SIZE), boot_id, start).ok_or(EINVAL)?;
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
        &self.area
    }

    /// The ring; `None` never, since only the kernel can write to it.
    pub(crate) fn ring(&self) -> Option<Ring<'_>> {
        Ring::attach(self.area.ring_header(), self.area.words(HEADER_SIZE)).ok()
    }

    /// The ring's writer, for its counters.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Appends a record and wakes who waits. Any context; waits for nothing in an emergency.
    pub(crate) fn append(&self, entry: &Entry<'_>) -> Result<u64, Refused> {
        let ring = self.ring().ok_or(Refused::Busy)?;
        let lock = self.lock_for(entry.flags);
        let seq = self.put(ring, entry, &lock)?;
        drop(lock);
        self.waiters.appended(seq, ring.header().head.load());
        Ok(seq)
    }

    /// Takes over a record of the previous boot, with its number. For a ring that nobody else writes to yet.
    pub(crate) fn take_over(&self, record: &Record<'_>) {
        if let Some(ring) = self.ring() {
            // What can't be appended is missing from the numbers.
            let _ = self.writer.append_with_seq(ring, &record.entry, record.seq);
        }
    }

    /// Appends to the ring and to the copy.
    #[inline]
    fn put(&self, ring: Ring<'_>, entry: &Entry<'_>, lock: &Held<'_>) -> Result<u64, Refused> {
        let seq = self.writer.append(ring, entry, lock.mode())?;
        if let Some(persistent) = &self.persistent {
            persistent.append(entry, seq);
            if entry.flags & EMERGENCY != 0 && panic_in_progress() {
                persistent.panicking();
            }
        }
        Ok(seq)
    }

    /// Forgets all records that are there.
    pub(crate) fn clear(&self) {
        let _lock = self.lock.lock();
        if let Some(ring) = self.ring() {
            ring.header().tail.store(ring.header().head.load());
        }
        // Nor can they be seen through a map any more.
        for word in self.area.words(HEADER_SIZE) {
            word.store(0);
        }
    }

    /// Waits for the lock, but in an emergency not for ever.
    fn lock_for(&self, flags: u8) -> Held<'_> {
        Held(if flags & EMERGENCY == 0 {
            Some(self.lock.lock())
        } else {
            (0..EMERGENCY_TRIES).find_map(|_| self.lock.try_lock())
        })
    }

    /// Appends what a program has written, as /dev/kmsg would; returns its length.
    pub(crate) fn write(&self, from: &mut IovIterSource<'_>) -> Result<usize> {
        let len = from.len();
        if len > kmsg::WRITE_MAX {
            return Err(EINVAL);
        }
        let mut text = KVec::from_elem(0u8, len, GFP_KERNEL)?;
        if from.copy_from_iter(&mut text) < len {
            return Err(EFAULT);
        }
        if self.is_gone() {
            return Err(ENODEV);
        }
        let entry = kmsg::parse_user(&text, DEFAULT_LEVEL).ok_or(EINVAL)?;
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

    /// Takes message `seq` of the kernel, unless it was taken before. Messages that were passed over are counted, and leave
    /// a gap in the ring's numbers.
    fn take(&self, seq: u64, entry: &Entry<'_>) {
        let Some(ring) = self.ring() else { return };
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
            let _ = self.put(ring, entry, &lock);
        }
        self.waiters
            .appended(self.writer.next_seq() - 1, ring.header().head.load());
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

    fn claim_scratch(&self) -> Option<Claim<'_, Scratch>> {
        self.scratch.iter().find_map(|cell| cell.claim())
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

/// Adds to a counter that only the holder of the lock changes.
fn add(counter: &Atomic<u64>, n: u64) {
    counter.store(counter.load(Relaxed) + n, Relaxed);
}

fn errno(refused: Refused) -> Error {
    match refused {
        Refused::TooLong => EINVAL,
        Refused::Busy => EBUSY,
    }
}

/// Level of a message that gives none: `CONFIG_MESSAGE_LOGLEVEL_DEFAULT` as it comes.
const DEFAULT_LEVEL: u8 = 4;

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
