// SPDX-License-Identifier: GPL-2.0-only

//! Reading the log by read(): one file's place in it.
//!
//! The text and the errors are those of /dev/kmsg (`devkmsg_read` in kernel/printk/printk.c), with one difference: a
//! buffer too short for a record loses no record.

mod watch;

use crate::{
    log::Log,
    ring::{
        kmsg,
        Cursor,
        Item,
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
            Opening, //
        },
    }, //
};
use kernel::{
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

/// Bytes that are copied out of the ring at once, for who reads many records a call.
const BATCH: usize = 8 * RECORD_MAX;

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
    /// For the records that were copied out of the ring last.
    buffer: KVec<u8>,
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
        let cursor = Cursor::oldest(log.ring());
        let kernel = opening.file().is_readable()
            && match may_read_kmsg() {
                Ok(()) => true,
                // Nothing was said about rights.
                Err(e) if e == ENOMEM || e == ENFILE => return Err(e),
                Err(_) => false,
            };
        let buffer = KVec::from_elem(0u8, RECORD_MAX, GFP_KERNEL)?;
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
                        buffer,
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
        self.log.catch_up();
        self.kernel
    }

    fn ring(&self) -> Result<Ring<'_>> {
        if self.log.is_gone() {
            return Err(ENODEV);
        }
        Ok(self.log.ring())
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
                self.log.is_gone() || cursor.unread_bytes(self.log.ring()) != 0
            })?;
        }
    }

    /// `None`: nothing to read now.
    fn read_some(&self, reader: &mut Reader, to: &mut IovIterDest<'_>) -> Result<Option<usize>> {
        let ring = self.ring()?;
        self.log.catch_up();
        if reader.form == Form::Kmsg {
            self.read_one(reader, ring, to)
        } else {
            self.read_many(reader, ring, to)
        }
    }

    fn read_one(
        &self,
        reader: &mut Reader,
        ring: Ring<'_>,
        to: &mut IovIterDest<'_>,
    ) -> Result<Option<usize>> {
        loop {
            let before = reader.cursor.clone();
            match reader.cursor.next(ring, &mut reader.buffer) {
                Next::Empty => return Ok(None),
                Next::Lost(n) => return Err(self.lose(n)),
                Next::Short(_) => return Err(EIO),
                Next::Record(record) => {
                    match self.deliver(&record, Form::Kmsg, &mut reader.text, to) {
                        Ok(0) => {}
                        Ok(len) => return Ok(Some(len)),
                        Err(e) => {
                            reader.cursor = before;
                            return Err(e);
                        }
                    }
                }
            }
        }
    }

    /// As many as there are and as fit.
    fn read_many(
        &self,
        reader: &mut Reader,
        ring: Ring<'_>,
        to: &mut IovIterDest<'_>,
    ) -> Result<Option<usize>> {
        let Reader {
            cursor,
            form,
            buffer,
            text,
            ..
        } = reader;
        let mut done = 0;
        let mut before = cursor.clone();
        loop {
            // Records that there is no room for would only be copied.
            let len = to.len().max(RECORD_MAX).min(buffer.len());
            let Some(mut batch) = cursor.batch(ring, &mut buffer[..len]) else {
                return Ok((done != 0).then_some(done));
            };
            let stopped = loop {
                match batch.next() {
                    None => break None,
                    Some(Item::Lost(n)) if done == 0 => return Err(self.lose(n)),
                    // Said by the next call.
                    Some(Item::Lost(_)) => break Some(EPIPE),
                    Some(Item::Record(record)) => match self.deliver(&record, *form, text, to) {
                        Ok(len) => {
                            done += len;
                            before = batch.place();
                        }
                        Err(e) => break Some(e),
                    },
                }
            };
            if let Some(e) = stopped {
                *cursor = before;
                return if done != 0 { Ok(Some(done)) } else { Err(e) };
            }
        }
    }

    /// Gives a record to user space in `form`, and says how many bytes that were: none if this file may not see it.
    /// `EINVAL`: there is no room.
    #[inline]
    fn deliver(
        &self,
        record: &Record<'_>,
        form: Form,
        text: &mut [u8],
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        if !self.may_see(record) {
            return Ok(0);
        }
        let bytes = if form == Form::Binary {
            record.bytes()
        } else {
            let len = kmsg::format(record.seq, &record.entry, PRINTK_CALLER, text).ok_or(EIO)?;
            text.get(..len).ok_or(EIO)?
        };
        if bytes.len() > to.len() {
            return Err(EINVAL);
        }
        if to.copy_to_iter(bytes) < bytes.len() {
            return Err(EFAULT);
        }
        Ok(bytes.len())
    }

    /// Counts what this file has lost.
    fn lose(&self, n: u64) -> Error {
        self.lost.store(self.lost.load(Relaxed) + n, Relaxed);
        EPIPE
    }

    fn may_see(&self, record: &Record<'_>) -> bool {
        self.kernel || record.entry.flags & USER != 0
    }

    /// As /dev/kmsg: to the oldest, behind the newest, or behind the last one that was cleared.
    pub(crate) fn seek(&self, offset: i64, whence: i32) -> Result<i64> {
        let ring = self.ring()?;
        if offset != 0 {
            return Err(ESPIPE);
        }
        let cursor = match whence {
            SEEK_SET => Cursor::oldest(ring),
            SEEK_DATA => self.log.after_cleared(ring),
            SEEK_END => Cursor::newest_of(ring, self.log.writer()),
            _ => return Err(EINVAL),
        };
        self.reader.lock().cursor = cursor;
        Ok(0)
    }

    /// Chooses the form of what read() gives.
    pub(crate) fn set_form(&self, form: u32) -> Result {
        let form = match form {
            0 => Form::Kmsg,
            1 => Form::Text,
            2 => Form::Binary,
            _ => return Err(EINVAL),
        };
        let mut reader = self.reader.lock();
        if form != Form::Kmsg && reader.buffer.len() < BATCH {
            reader.buffer.resize(BATCH, 0, GFP_KERNEL)?;
        }
        reader.form = form;
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
