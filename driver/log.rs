// SPDX-License-Identifier: GPL-2.0

//! The log: a ring in vmalloc memory, what writes to it, and the waking of its readers.

use crate::{
    ring::{
        kmsg,
        Entry,
        Mode,
        Refused,
        Ring,
        Start,
        Writer,
        EMERGENCY,
        HEADER_SIZE, //
    },
    sys::{
        console::Sink,
        irq_lock::IrqLock,
        time::{
            caller_id,
            local_clock,
            panic_in_progress,
            random_id, //
        },
        try_cell::TryCell,
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

/// Room to take a line of the console apart.
type Scratch = [u8; kmsg::MESSAGE_MAX];

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
    /// One for the console's thread and one for what interrupts it.
    scratch: [KBox<TryCell<Scratch>>; 2],
    /// The kernel's number of the next message that the console has not seen; touched by the console's owner only.
    next_message: Atomic<u64>,
    /// Messages that printk had lost, or kept to itself for their level, before the console could see them.
    pub(crate) missed: Atomic<u64>,
    /// Set when the window was revoked: readers end.
    gone: Atomic<i32>,
}

impl Log {
    /// An empty ring with `data_size` bytes of records.
    pub(crate) fn new(data_size: usize) -> Result<impl PinInit<Self, Error>> {
        let area = Arc::new(VmallocArea::new(HEADER_SIZE + data_size)?, GFP_KERNEL)?;
        let start = Start::default();
        Ring::init(
            area.ring_header(),
            area.words(HEADER_SIZE),
            &random_id(),
            start,
        )
        .ok_or(EINVAL)?;
        let scratch = [
            KBox::new(TryCell::new([0; kmsg::MESSAGE_MAX]), GFP_KERNEL)?,
            KBox::new(TryCell::new([0; kmsg::MESSAGE_MAX]), GFP_KERNEL)?,
        ];
        Ok(try_pin_init!(Self {
            area,
            writer: Writer::new(start),
            lock <- IrqLock::new(),
            waiters <- Waiters::new(),
            scratch,
            next_message: Atomic::<u64>::new(0),
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
        let seq = if entry.flags & EMERGENCY == 0 {
            let _guard = self.lock.lock();
            self.writer.append(ring, entry, Mode::Normal)
        } else {
            let guard = (0..EMERGENCY_TRIES).find_map(|_| self.lock.try_lock());
            // Who has the lock for so long was interrupted by this very context, or was stopped by the panic.
            let mode = if guard.is_none() && panic_in_progress() {
                Mode::Final
            } else {
                Mode::Normal
            };
            self.writer.append(ring, entry, mode)
        };
        self.waiters.wake_later();
        seq
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
        self.append(&entry).map_err(|refused| match refused {
            Refused::TooLong => EINVAL,
            Refused::Busy => EAGAIN,
        })?;
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

    fn message(&self, line: kmsg::Line<'_>, emergency: bool) {
        let next = self.next_message.load(Relaxed);
        if line.replayed && line.seq < next {
            return;
        }
        if next != 0 && line.seq > next {
            self.missed
                .store(self.missed.load(Relaxed) + (line.seq - next), Relaxed);
        }
        self.next_message.store(line.seq + 1, Relaxed);
        let mut entry = line.entry;
        if emergency {
            entry.flags |= EMERGENCY;
        }
        // A refused record took a number: its readers see that it is missing.
        let _ = self.append(&entry);
    }
}

/// Level of a message that gives none: `CONFIG_MESSAGE_LOGLEVEL_DEFAULT` as it comes.
const DEFAULT_LEVEL: u8 = 4;

/// The log as the kernel's console.
pub(crate) struct KernelSink(pub(crate) Arc<Log>);

impl Sink for KernelSink {
    fn line(&self, text: &[u8], emergency: bool) {
        let log = &*self.0;
        let mut claim = log.scratch.iter().find_map(|cell| cell.claim());
        let buffer: &mut [u8] = match &mut claim {
            Some(scratch) => &mut **scratch,
            // Two were interrupted in the middle: what needs no buffer still goes.
            None => &mut [],
        };
        if let Some(line) = kmsg::parse(text, buffer) {
            log.message(line, emergency);
        } else {
            log.missed.store(log.missed.load(Relaxed) + 1, Relaxed);
        }
    }
}
