// SPDX-License-Identifier: GPL-2.0

//! Reading the log by read(): one file's place in it.
//!
//! The text and the errors are those of /dev/kmsg (`devkmsg_read` in kernel/printk/printk.c), with one difference: a
//! buffer too short for a record loses no record.

use crate::{
    log::Log,
    ring::{
        kmsg,
        Cursor,
        Next,
        Record,
        Ring,
        RECORD_MAX,
        USER, //
    },
    sys::{
        abi::{
            LogStats,
            Watermark, //
        },
        file::{
            may_read_kmsg,
            OpenFile,
            Opening,
            Poll, //
        }, //
    }, //
};
use kernel::{
    bindings,
    iov::IovIterDest,
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

/// The form in which records are given: `FANLIGHT_FORM_*`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Kmsg,
    Text,
    Binary,
}

/// State under the mutex.
struct Reader {
    cursor: Cursor,
    form: Form,
    watermark: Watermark,
    record: KVec<u8>,
    text: KVec<u8>,
}

/// An open log.
#[pin_data]
pub(crate) struct LogFile {
    log: Arc<Log>,
    /// Whether the kernel's own records may be read, as it was when the file was opened.
    kernel: bool,
    lost: Atomic<u64>,
    #[pin]
    reader: Mutex<Reader>,
}

impl LogFile {
    /// Opens `log` at its oldest record.
    pub(crate) fn new(log: &Arc<Log>, opening: &Opening<'_>) -> Result<Pin<KBox<Self>>> {
        opening.deny_positions();
        let cursor = Cursor::oldest(log.ring().ok_or(EIO)?);
        let kernel = opening.file().is_readable() && may_read_kmsg().is_ok();
        let record = KVec::from_elem(0u8, RECORD_MAX, GFP_KERNEL)?;
        let text = KVec::from_elem(0u8, kmsg::MESSAGE_MAX, GFP_KERNEL)?;
        let log = log.clone();
        KBox::try_pin_init(
            try_pin_init!(Self {
                log,
                kernel,
                lost: Atomic::<u64>::new(0),
                reader <- new_mutex!(
                    Reader {
                        cursor,
                        form: Form::Kmsg,
                        watermark: Watermark::default(),
                        record,
                        text,
                    },
                    "fanlight::reader"
                ),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Whether this file may be mapped: a map shows the kernel's records too.
    pub(crate) fn may_map(&self) -> bool {
        self.kernel
    }

    fn ring(&self) -> Result<Ring<'_>> {
        if self.log.is_gone() {
            return Err(ENODEV);
        }
        self.log.ring().ok_or(EIO)
    }

    /// Whether a record that this file may see, or a loss, is there.
    fn is_ready(&self, cursor: &Cursor, ring: Ring<'_>) -> bool {
        cursor.unread_bytes(ring) != 0
    }

    /// Reads as many records as the form wants and as fit.
    pub(crate) fn read(&self, file: OpenFile<'_>, to: &mut IovIterDest<'_>) -> Result<usize> {
        loop {
            let mut guard = self.reader.lock();
            match self.read_some(&mut guard, to) {
                Ok(Some(len)) => return Ok(len),
                Ok(None) => {}
                Err(e) => return Err(e),
            }
            if file.nonblocking() {
                return Err(EAGAIN);
            }
            let cursor = guard.cursor.clone();
            drop(guard);
            self.log.waiters.wait_interruptible(|| {
                self.log.is_gone() || self.log.ring().is_none_or(|ring| self.is_ready(&cursor, ring))
            })?;
        }
    }

    /// `None`: nothing to read now.
    fn read_some(&self, reader: &mut Reader, to: &mut IovIterDest<'_>) -> Result<Option<usize>> {
        let ring = self.ring()?;
        let Reader {
            cursor,
            form,
            record,
            text,
            ..
        } = reader;
        let mut done = 0;
        loop {
            let before = cursor.clone();
            let bytes: &[u8] = match cursor.next(ring, record) {
                Next::Empty => return Ok((done != 0).then_some(done)),
                Next::Lost(n) => {
                    if done != 0 {
                        // Said by the next call.
                        *cursor = before;
                        return Ok(Some(done));
                    }
                    self.lost.store(self.lost.load(Relaxed) + n, Relaxed);
                    return Err(EPIPE);
                }
                Next::Short(_) => return Err(EIO),
                Next::Record(r) => {
                    if !self.may_see(&r) {
                        continue;
                    }
                    if *form == Form::Binary {
                        r.bytes()
                    } else {
                        let len = kmsg::format(r.seq, &r.entry, PRINTK_CALLER, text).ok_or(EIO)?;
                        text.get(..len).ok_or(EIO)?
                    }
                }
            };
            if bytes.len() > to.len() {
                *cursor = before;
                return if done != 0 { Ok(Some(done)) } else { Err(EINVAL) };
            }
            if to.copy_to_iter(bytes) < bytes.len() {
                *cursor = before;
                return if done != 0 { Ok(Some(done)) } else { Err(EFAULT) };
            }
            done += bytes.len();
            if *form == Form::Kmsg {
                return Ok(Some(done));
            }
        }
    }

    fn may_see(&self, record: &Record<'_>) -> bool {
        self.kernel || record.entry.flags & USER != 0
    }

    /// As /dev/kmsg: to the oldest, behind the newest, or behind the last one that was cleared (none ever is).
    pub(crate) fn seek(&self, offset: i64, whence: i32) -> Result<i64> {
        let ring = self.ring()?;
        if offset != 0 {
            return Err(ESPIPE);
        }
        let cursor = match whence {
            SEEK_SET | SEEK_DATA => Cursor::oldest(ring),
            SEEK_END => Cursor::newest(ring),
            _ => return Err(EINVAL),
        };
        self.reader.lock().cursor = cursor;
        Ok(0)
    }

    /// `POLLIN` when there is a record, with `POLLERR | POLLPRI` when some were lost before it.
    pub(crate) fn poll(&self, poll: &Poll<'_>) -> u32 {
        poll.wait(&self.log.waiters);
        let Ok(ring) = self.ring() else {
            return bindings::POLLERR | bindings::POLLHUP;
        };
        let mut cursor = self.reader.lock().cursor.clone();
        let mut events = bindings::POLLOUT | bindings::POLLWRNORM;
        match cursor.peek(ring) {
            crate::ring::Peek::Empty => {}
            crate::ring::Peek::Record(_) => events |= bindings::POLLIN | bindings::POLLRDNORM,
            crate::ring::Peek::Lost(_) => {
                events |= bindings::POLLIN
                    | bindings::POLLRDNORM
                    | bindings::POLLERR
                    | bindings::POLLPRI;
            }
        }
        events
    }

    /// Chooses the form of what read() gives.
    pub(crate) fn set_form(&self, form: u32) -> Result {
        self.reader.lock().form = match form {
            0 => Form::Kmsg,
            1 => Form::Text,
            2 => Form::Binary,
            _ => return Err(EINVAL),
        };
        Ok(())
    }

    /// Chooses when poll reports a record.
    pub(crate) fn set_watermark(&self, watermark: Watermark) -> Result {
        if watermark.reserved != 0 {
            return Err(EINVAL);
        }
        self.reader.lock().watermark = watermark;
        Ok(())
    }

    /// The ring's counters and this file's.
    pub(crate) fn stats(&self) -> Result<LogStats> {
        let counts = self.log.writer().counts(self.ring()?);
        Ok(LogStats {
            written: counts.written,
            overwritten: counts.overwritten,
            dropped: counts.dropped,
            kernel_missed: self.log.missed.load(Relaxed),
            lost: self.lost.load(Relaxed),
            reserved: [0; 3],
        })
    }
}

/// Whether the kernel shows who wrote a message.
const PRINTK_CALLER: bool = cfg!(CONFIG_PRINTK_CALLER);
