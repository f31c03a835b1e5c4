// SPDX-License-Identifier: GPL-2.0-only

//! An open log: read(), lseek() and poll() at the position of one open file.
//!
//! Text and errors are those of /dev/kmsg (`devkmsg_read` in kernel/printk/printk.c), with two
//! differences: a buffer too short for a record loses no record, and the log of an earlier boot
//! ends: read() returns 0 there, and a gap in its numbers is no error.

mod poll;

use crate::{
    log::{
        intake::Intake,
        limit::Limit,
        Log, //
    },
    ring::{
        kmsg,
        Cursor,
        Read,
        Ring,
        RECORD_MAX,
        USER, //
    },
    sys::{
        capability::may_read_kmsg,
        file::OpenFile,
        task::should_stop,
        try_cell::{
            Claim,
            TryCell, //
        },
        wait::Waiters, //
    },
    uapi::{
        self,
        LogStats,
        Watermark, //
    }, //
};
use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    }, //
};

const SEEK_SET: i32 = 0;
const SEEK_END: i32 = 2;
const SEEK_DATA: i32 = 3;

/// Bytes of text or records that one read() copies to user space at once.
const BATCH: usize = 8 * RECORD_MAX;

/// How many records a reader without rights skips before it yields the processor.
const STRIDE: usize = 64;

/// Whether the kernel shows the caller of a message.
const PRINTK_CALLER: bool = cfg!(CONFIG_PRINTK_CALLER);

/// The form in which read() delivers records: `FANLIGHT_FORM_*`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Kmsg,
    Text,
    Binary,
}

/// The file's position and settings. Its lock is never held during an access to user memory, since
/// poll() takes it.
struct Place {
    cursor: Cursor,
    form: Form,
    watermark: Watermark,
    /// Counts lseek() calls, so that a concurrent read() does not undo one.
    seeks: u32,
}

/// The buffers of one read().
struct Buffers {
    formatter: kmsg::Formatter,
    /// For a record whose text needs escapes.
    record: KVec<u8>,
    /// The bytes that are copied to user space.
    out: KVec<u8>,
}

/// An open log.
#[pin_data(PinnedDrop)]
pub(crate) struct LogFile {
    log: Arc<Log>,
    /// The intake of the log. `None`: this is the log of an earlier boot.
    intake: Option<Arc<Intake>>,
    /// Whether the opener could read the kernel's records when it opened the file.
    kernel: bool,
    lost: Atomic<u64>,
    buffers: TryCell<Buffers>,
    #[pin]
    limit: Mutex<Limit>,
    #[pin]
    place: Mutex<Place>,
}

impl LogFile {
    /// Opens `log` at its oldest record.
    pub(crate) fn new(
        log: &Arc<Log>,
        intake: Option<&Arc<Intake>>,
        file: OpenFile<'_>,
    ) -> Result<Pin<KBox<Self>>> {
        let kernel = file.is_readable()
            && match may_read_kmsg() {
                Ok(()) => true,
                // These errors do not depend on permissions: the check itself failed.
                Err(e) if e == ENOMEM || e == ENFILE => return Err(e),
                Err(_) => false,
            };
        let cursor = Cursor::oldest(log.ring());
        let buffers = Buffers {
            formatter: kmsg::Formatter::new(PRINTK_CALLER),
            record: KVec::from_elem(0u8, RECORD_MAX, GFP_KERNEL_ACCOUNT)?,
            out: KVec::from_elem(0u8, kmsg::MESSAGE_MAX, GFP_KERNEL_ACCOUNT)?,
        };
        let (log, intake) = (log.clone(), intake.cloned());
        KBox::try_pin_init(
            try_pin_init!(Self {
                log,
                intake,
                kernel,
                lost: Atomic::<u64>::new(0),
                buffers: TryCell::new(buffers),
                limit <- new_mutex!(Limit::default(), "fanlight::limit"),
                place <- new_mutex!(
                    Place {
                        cursor,
                        form: Form::Kmsg,
                        watermark: Watermark::default(),
                        seeks: 0,
                    },
                    "fanlight::place"
                ),
            }? Error),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Whether this file may be mapped: a mapping shows the kernel's records too.
    pub(crate) fn may_map(&self) -> bool {
        self.kernel
    }

    /// The waiters that records and a revocation wake.
    pub(crate) fn waiters(&self) -> &Waiters {
        &self.log.waiters
    }

    fn ring(&self) -> Result<&Ring<'_>> {
        if self.log.is_gone() {
            return Err(ENODEV);
        }
        Ok(self.log.ring())
    }

    /// Claims the buffers, which one read() at a time uses.
    fn claim_buffers(&self, file: OpenFile<'_>) -> Result<Claim<'_, Buffers>> {
        if let Some(claim) = self.buffers.claim() {
            return Ok(claim);
        }
        if file.nonblocking() {
            return Err(EAGAIN);
        }
        let mut claim = None;
        while claim.is_none() {
            // The other read() may sleep in a user memory fault for a long time.
            match self.log.waiters.wait_timeout(20, || self.log.is_gone()) {
                Err(e) if e != ETIMEDOUT => return Err(e),
                _ => claim = self.buffers.claim(),
            }
            self.ring()?;
        }
        claim.ok_or(EAGAIN)
    }

    /// Reads as many records as the form allows and as fit. At the end of the log it first waits
    /// until the log has all of printk's messages.
    pub(crate) fn read(&self, file: OpenFile<'_>, to: &mut IovIterDest<'_>) -> Result<usize> {
        let mut caught_up = false;
        loop {
            let mut buffers = self.claim_buffers(file)?;
            let (cursor, form, seeks) = {
                let place = self.place.lock();
                (place.cursor.clone(), place.form, place.seeks)
            };
            let mut reading = Reading {
                file: self,
                ring: self.ring()?,
                cursor,
                buffers: &mut buffers,
            };
            let done = reading.read(form, to);
            let cursor = reading.cursor;
            {
                let mut place = self.place.lock();
                if place.seeks == seeks {
                    place.cursor = cursor.clone();
                }
            }
            drop(buffers);
            match done {
                Ok(0) => {}
                done => return done,
            }
            let Some(intake) = &self.intake else {
                return Ok(0);
            };
            if !caught_up {
                intake.catch_up(file.nonblocking())?;
                caught_up = true;
                continue;
            }
            if file.nonblocking() {
                return Err(EAGAIN);
            }
            self.log.wait_for_more(&cursor)?;
        }
    }

    /// Appends a record that a program writes; see [`Intake::write`].
    pub(crate) fn write(&self, file: OpenFile<'_>, from: &mut IovIterSource<'_>) -> Result<usize> {
        let intake = self.intake.as_ref().ok_or(EACCES)?;
        intake.write(from, &self.limit, file.nonblocking())
    }

    /// Whether this file may see a record with these flags.
    fn may_see(&self, flags: u8) -> bool {
        self.kernel || flags & USER != 0
    }

    /// As for /dev/kmsg: to the oldest record, after the newest, or after the last one that was
    /// cleared. Waits until the log has all of printk's messages, also for programs that map it. It
    /// waits even with O_NONBLOCK, since lseek() cannot report that more messages follow.
    pub(crate) fn seek(&self, offset: i64, whence: i32) -> Result<i64> {
        if offset != 0 {
            self.ring()?;
            return Err(ESPIPE);
        }
        if let Some(intake) = &self.intake {
            intake.catch_up(false)?;
        }
        let ring = self.ring()?;
        let cursor = match (whence, &self.intake) {
            (SEEK_SET, _) | (SEEK_DATA, None) => Cursor::oldest(ring),
            (SEEK_DATA, Some(intake)) => intake.after_cleared(),
            (SEEK_END, Some(intake)) => intake.newest(),
            // Programs such as tail then read it from the beginning, like a pipe.
            (SEEK_END, None) => return Err(ESPIPE),
            _ => return Err(EINVAL),
        };
        let mut place = self.place.lock();
        place.cursor = cursor;
        place.seeks = place.seeks.wrapping_add(1);
        Ok(0)
    }

    /// Sets the form in which read() returns records.
    pub(crate) fn set_form(&self, form: u32, file: OpenFile<'_>) -> Result {
        let form = match form {
            uapi::FORM_KMSG => Form::Kmsg,
            uapi::FORM_TEXT => Form::Text,
            uapi::FORM_BINARY => Form::Binary,
            _ => return Err(EINVAL),
        };
        let mut buffers = self.claim_buffers(file)?;
        if form != Form::Kmsg && buffers.out.len() < BATCH {
            buffers.out.resize(BATCH, 0, GFP_KERNEL_ACCOUNT)?;
        }
        self.place.lock().form = form;
        Ok(())
    }

    /// Sets when poll() reports a record.
    pub(crate) fn set_watermark(&self, watermark: Watermark) -> Result {
        if watermark.reserved != 0 {
            return Err(EINVAL);
        }
        self.place.lock().watermark = watermark;
        Ok(())
    }

    /// The log's counters and this file's.
    pub(crate) fn stats(&self) -> Result<LogStats> {
        self.ring()?;
        let counts = self.intake.as_ref().map(|i| i.counts()).unwrap_or_default();
        Ok(LogStats {
            written: counts.written,
            overwritten: counts.overwritten,
            dropped: counts.dropped,
            kernel_missed: counts.kernel_missed,
            lost: self.lost.load(Relaxed),
            limited: counts.limited,
            own_limited: self.limit.lock().total(),
            reserved: [0; 1],
        })
    }
}

#[pinned_drop]
impl PinnedDrop for LogFile {
    fn drop(self: Pin<&mut Self>) {
        if let Some(intake) = &self.intake {
            intake.report_at_close(self.limit.lock().report());
        }
    }
}

/// One read(). At its end, the cursor becomes the position of the file.
struct Reading<'a> {
    file: &'a LogFile,
    ring: &'a Ring<'a>,
    cursor: Cursor,
    buffers: &'a mut Buffers,
}

impl Reading<'_> {
    /// Copies records to user space and returns their size in bytes; 0: no record is available.
    fn read(&mut self, form: Form, to: &mut IovIterDest<'_>) -> Result<usize> {
        let mut done = 0;
        loop {
            let start = self.cursor.clone();
            let (len, next) = self.fill(form, to.len());
            if len != 0 {
                let out = self.buffers.out.get(..len).ok_or(EIO)?;
                let copied = to.copy_to_iter(out);
                if copied < len {
                    // Records that were not copied to user space are read again.
                    self.cursor = start;
                    let whole = self.refill(form, copied);
                    done += whole;
                    return if done != 0 { Ok(done) } else { Err(EFAULT) };
                }
                done += len;
            }
            match next {
                Fill::More => {}
                Fill::End => return Ok(done),
                // The next read() reports it.
                Fill::Error(_) if done != 0 => return Ok(done),
                Fill::Error(e) => return Err(e),
            }
        }
    }

    /// Moves the cursor past the records that fit into the `len` bytes that were copied, and
    /// returns their size in bytes.
    fn refill(&mut self, form: Form, len: usize) -> usize {
        let (len, _) = self.fill(form, len);
        len
    }

    /// Fills the buffer with records of at most `room` bytes, and moves the cursor past them.
    fn fill(&mut self, form: Form, room: usize) -> (usize, Fill) {
        let file = self.file;
        let Buffers {
            formatter,
            record: scratch,
            out,
        } = &mut *self.buffers;
        let room = room.min(out.len());
        let mut done = 0;
        let mut passed = 0usize;
        loop {
            let before = self.cursor.clone();
            let mut span = match self.cursor.read(self.ring, room, None) {
                Read::Empty => return (done, Fill::End),
                // In the log of an earlier boot, a gap in the numbers shows the loss.
                Read::Lost(_) if file.intake.is_none() => continue,
                Read::Lost(n) if done == 0 => {
                    file.lost.store(file.lost.load(Relaxed) + n, Relaxed);
                    return (0, Fill::Error(EPIPE));
                }
                Read::Lost(_) => {
                    self.cursor = before;
                    return (done, Fill::Error(EPIPE));
                }
                Read::Records(span) => span,
            };
            let mut len = done;
            let mut full = false;
            let mut contradictory = 0;
            while let Some(record) = span.next() {
                if !file.kernel && !file.may_see(record.flags()) {
                    passed += 1;
                    if passed % STRIDE == 0 && should_stop() {
                        return (done, Fill::Error(EINTR));
                    }
                    continue;
                }
                let out = out.get_mut(len..room).unwrap_or(&mut []);
                let used = match form {
                    Form::Binary => record.copy(out).map(<[u8]>::len),
                    Form::Kmsg | Form::Text => formatter.format_ref(&record, scratch, out),
                };
                let Some(used) = used else {
                    span.undo();
                    full = true;
                    break;
                };
                len += used;
                // Such a record has no text.
                contradictory += usize::from(used == 0);
                if form == Form::Kmsg && used != 0 {
                    break;
                }
            }
            // Otherwise the writer has overwritten the records, and the next iteration continues
            // after them.
            if span.commit() {
                done = len;
                (0..contradictory).for_each(|_| self.cursor.damage());
                if full {
                    let next = if done == 0 {
                        Fill::Error(EINVAL)
                    } else {
                        Fill::More
                    };
                    return (done, next);
                }
                if form == Form::Kmsg && done != 0 {
                    return (done, Fill::End);
                }
            }
        }
    }
}

/// What follows the records that [`Reading::fill`] put into the buffer.
enum Fill {
    /// Perhaps more records.
    More,
    /// Nothing that this call can return.
    End,
    /// An error.
    Error(Error),
}
