// SPDX-License-Identifier: GPL-2.0-only

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
        Peek,
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
        },
        time::local_clock,
        wait::Wish, //
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

/// What [`LogFile::peek`] saw.
enum Seen {
    Nothing,
    /// A record of this time.
    Record(u64),
    Loss,
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
        let kernel = opening.file().is_readable()
            && match may_read_kmsg() {
                Ok(()) => true,
                // Nothing was said about rights.
                Err(e) if e == ENOMEM || e == ENFILE => return Err(e),
                Err(_) => false,
            };
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
        self.log.catch_up();
        self.kernel
    }

    fn ring(&self) -> Result<Ring<'_>> {
        if self.log.is_gone() {
            return Err(ENODEV);
        }
        self.log.ring().ok_or(EIO)
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
                let ready = |ring| cursor.unread_bytes(ring) != 0;
                self.log.is_gone() || self.log.ring().is_none_or(ready)
            })?;
        }
    }

    /// `None`: nothing to read now.
    fn read_some(&self, reader: &mut Reader, to: &mut IovIterDest<'_>) -> Result<Option<usize>> {
        let ring = self.ring()?;
        self.log.catch_up();
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
                return if done != 0 {
                    Ok(Some(done))
                } else {
                    Err(EINVAL)
                };
            }
            if to.copy_to_iter(bytes) < bytes.len() {
                *cursor = before;
                return if done != 0 {
                    Ok(Some(done))
                } else {
                    Err(EFAULT)
                };
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

    /// `POLLIN` when there is as much as the watermark asks for, with `POLLERR | POLLPRI` when some were lost before.
    pub(crate) fn poll(&self, poll: &Poll<'_>) -> u32 {
        const READABLE: u32 = bindings::POLLIN | bindings::POLLRDNORM;
        poll.wait(&self.log.waiters);
        self.log.catch_up();
        let guard = self.reader.lock();
        let (mut cursor, watermark) = (guard.cursor.clone(), guard.watermark);
        drop(guard);
        let events = bindings::POLLOUT | bindings::POLLWRNORM;
        // Said before looking, so that what comes in between wakes.
        if !watermark.is_modest() {
            self.log.waiters.wish(Wish::ANY);
        }
        let Ok(ring) = self.ring() else {
            return bindings::POLLERR | bindings::POLLHUP;
        };
        if !watermark.is_modest() {
            return match self.peek(&mut cursor, ring) {
                Seen::Nothing => events,
                Seen::Record(_) => events | READABLE,
                Seen::Loss => events | READABLE | bindings::POLLERR | bindings::POLLPRI,
            };
        }
        let oldest = match self.peek(&mut cursor, ring) {
            Seen::Loss => return events | READABLE | bindings::POLLERR | bindings::POLLPRI,
            Seen::Nothing => None,
            Seen::Record(ns) => Some(ns),
        };
        let age = oldest.map(|ns| local_clock().saturating_sub(ns));
        let delay = u64::from(watermark.delay_us) * 1000;
        let first = cursor.seq().unwrap_or(0);
        let start = ring
            .header()
            .head
            .load()
            .wrapping_sub(cursor.unread_bytes(ring));
        let wish = Wish {
            seq: match (watermark.records, delay, age) {
                // The clock starts at the first record.
                (_, 1.., None) => 0,
                (0, ..) => u64::MAX,
                (n, ..) => first.saturating_add(u64::from(n) - 1),
            },
            position: match watermark.bytes {
                0 => u64::MAX,
                n => start.saturating_add(n.into()),
            },
            timeout_ns: age
                .filter(|_| delay != 0)
                .map(|age| delay.saturating_sub(age)),
        };
        self.log.waiters.wish(wish);
        let there = |wanted: u32, got: u64| wanted != 0 && got >= wanted.into();
        let ready = there(
            watermark.records,
            self.log.writer().next_seq().saturating_sub(first),
        ) || there(watermark.bytes, cursor.unread_bytes(ring))
            || age.is_some_and(|age| delay != 0 && age >= delay);
        if ready && oldest.is_some() {
            events | READABLE
        } else {
            events
        }
    }

    /// What read() would find next, without moving the file's cursor.
    fn peek(&self, cursor: &mut Cursor, ring: Ring<'_>) -> Seen {
        loop {
            match cursor.peek(ring) {
                Peek::Empty => return Seen::Nothing,
                Peek::Lost(_) => return Seen::Loss,
                Peek::Record(slot) => {
                    let (ns, flags) = (slot.ns(), slot.flags());
                    if !slot.still_valid(ring) {
                        continue;
                    }
                    if self.kernel || flags & USER != 0 {
                        return Seen::Record(ns);
                    }
                    cursor.advance(&slot);
                }
            }
        }
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
