// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reader of a log: reads records through the mapping, and waits for more by poll().

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use fanlight_ring::{Cursor, End, Next, Read};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::fs::{seek, SeekFrom};
use rustix::io::Errno;

use super::{Glimpse, Log, Record};
use crate::abi::Watermark;
use crate::error::{Error, Result};
use crate::sys;
use crate::window::Window;

/// Where a reader begins.
///
/// ```
/// assert_ne!(fanlight::Start::Oldest, fanlight::Start::Newest);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    Oldest,
    /// After the newest one: only records that come from now on.
    Newest,
    /// At the record with this number, or the next one; records in between count as lost.
    Sequence(u64),
}

/// The position of one reader in a log.
///
/// It keeps the log open, so it can be kept in a structure, moved to a thread or to a task of an
/// asynchronous runtime. Any number of readers of one log may wait at the same time: each has its
/// own descriptor. For asynchronous runtimes, see [`prepare_wait`](Self::prepare_wait).
///
/// ```no_run
/// use fanlight::Start;
///
/// let mut reader = fanlight::Instance::open(0)?.log()?.reader(Start::Oldest)?;
/// while let Some(record) = reader.next_record()? {
///     if record.lost > 0 {
///         eprintln!("{} records lost", record.lost);
///     }
///     println!("{}", record.text_lossy());
/// }
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    scan: Scan,
    /// The node, opened again. The position of this file is after the records that the reader does
    /// not wait for. `None`: an image, for which there is nothing to wait.
    file: Option<Window>,
    /// Whether no more records will come: it is the log of an earlier boot.
    ends: bool,
}

/// A position in a ring, without a descriptor to wait on.
pub(super) struct Scan {
    log: Log,
    pub(super) cursor: Cursor,
    /// Lost records that are not reported yet, because no record has come since.
    lost: u64,
    buffer: Box<[u8; BUFFER]>,
}

/// Room for several records, and at least for one of the maximum length.
const BUFFER: usize = 16 << 10;
const _: () = assert!(BUFFER >= fanlight_ring::RECORD_MAX);

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan")
            .field("log", &self.log)
            .field("cursor", &self.cursor)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

impl Scan {
    pub(super) fn new(log: Log, start: Start) -> Self {
        let ring = log.ring();
        let cursor = match start {
            Start::Oldest => Cursor::oldest(&ring),
            Start::Newest => Cursor::newest(&ring),
            Start::Sequence(seq) => Cursor::at_seq(&ring, seq),
        };
        Self {
            log,
            cursor,
            lost: 0,
            buffer: Box::new([0; BUFFER]),
        }
    }

    /// The next record; `None` if there is none yet, or none before `end`.
    fn next_before(&mut self, end: Option<&End>) -> Result<Option<Record<'_>>> {
        let ring = self.log.ring();
        loop {
            let next = self.cursor.next_before(&ring, &mut self.buffer[..], end);
            // What was read of a revoked mapping is zeros, and not the log's.
            self.log.check()?;
            match next {
                // The buffer is long enough for every record.
                Next::Empty | Next::Short(_) => return Ok(None),
                Next::Lost(count) => self.lost = self.lost.saturating_add(count),
                Next::Record(_) => break,
            }
        }
        // Parsed again, since the borrow checker does not accept that only the last iteration of
        // the loop returns a borrow.
        let record = fanlight_ring::Record::parse(&self.buffer[..]);
        let lost = std::mem::take(&mut self.lost);
        Ok(record.map(|record| Record::from_ring(&record, lost)))
    }
}

impl Reader {
    pub(super) fn new(log: Log, start: Start) -> Result<Self> {
        let (mut file, mut ends) = (None, false);
        if !log.is_image() {
            let own = Window::open_read_only(log.path()).and_then(|own| {
                log.check_same_node()?;
                Ok(own)
            });
            let own = own.map_err(|error| match log.check_same_node() {
                // The node was removed with the driver.
                Err(gone) => gone,
                Ok(()) => error,
            })?;
            // The driver first waits until the log has all of printk's messages. The position stays
            // at the oldest record, so that poll() without `prepare_wait` reports existing records.
            ends = matches!(seek(own.as_fd(), SeekFrom::End(0)), Err(Errno::SPIPE));
            let _ = seek(own.as_fd(), SeekFrom::Start(0));
            file = Some(own);
        }
        let scan = Scan::new(log, start);
        scan.log.check()?;
        Ok(Self { scan, file, ends })
    }

    /// The log that it reads.
    pub fn log(&self) -> &Log {
        &self.scan.log
    }

    /// Sets when a wait of this reader ends and when `poll` reports its descriptor, so that a busy
    /// log does not wake it for every record.
    ///
    /// # Errors
    ///
    /// The device is gone, or the log is a file, which does not wake readers.
    ///
    /// ```no_run
    /// use fanlight::abi::Watermark;
    ///
    /// let reader = fanlight::Instance::open(0)?.log()?.reader(fanlight::Start::Newest)?;
    /// // At a hundred records, or a quarter of a second after the first.
    /// reader.set_watermark(Watermark { records: 100, delay_us: 250_000, ..Default::default() })?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn set_watermark(&self, mark: Watermark) -> Result<()> {
        sys::ioctl::set_watermark(self.as_fd(), mark).map_err(|error| {
            let path = self.log().path().display();
            Error::io(format!("set the watermark of {path}"), error)
        })
    }

    /// The next record, copied from the ring and intact; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// The device is gone.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>> {
        self.scan.next_before(None)
    }

    /// Calls `each` for every current record, and returns their number. Later records are left for
    /// the next call. Many records are copied from the ring at once, which is much faster than
    /// [`next_record`](Self::next_record).
    ///
    /// # Errors
    ///
    /// The device is gone, or the error of `each`; the reader is then after the record of that
    /// call.
    ///
    /// ```no_run
    /// # let log = fanlight::Instance::open(0)?.log()?;
    /// # let mut reader = log.reader(fanlight::Start::Oldest)?;
    /// let mut errors = 0;
    /// let all = reader.drain(|record| {
    ///     errors += u64::from(record.level <= fanlight::Level::Err);
    ///     Ok::<(), fanlight::Error>(())
    /// })?;
    /// println!("{errors} of {all} records are errors");
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn drain<E: From<Error>>(
        &mut self,
        mut each: impl FnMut(&Record<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<u64, E> {
        let scan = &mut self.scan;
        let ring = scan.log.ring();
        let end = End::now(&ring);
        let mut count = 0;
        loop {
            let span = match scan.cursor.read(&ring, BUFFER, Some(&end)) {
                Read::Empty => break,
                Read::Lost(lost) => {
                    scan.lost = scan.lost.saturating_add(lost);
                    continue;
                }
                Read::Records(span) => span,
            };
            let copy = span.copy(&mut scan.buffer[..]);
            // If the mapping was revoked during the copy, a part of it is zeros.
            scan.log.check()?;
            // `None`: the records were overwritten, and the next iteration counts them.
            let mut rest = copy.unwrap_or_default();
            while !rest.is_empty() {
                let record = fanlight_ring::Record::parse(rest);
                rest = fanlight_ring::Record::behind(rest);
                let Some(record) = record else {
                    scan.cursor.damage();
                    scan.lost = scan.lost.saturating_add(1);
                    continue;
                };
                let lost = std::mem::take(&mut scan.lost);
                if let Err(error) = each(&Record::from_ring(&record, lost)) {
                    scan.cursor
                        .step_back(rest.len(), record.seq.wrapping_add(1));
                    return Err(error);
                }
                count += 1;
            }
        }
        scan.log.check()?;
        Ok(count)
    }

    /// Calls `each` for every current record, in place in the ring: nothing is copied, which is the
    /// fastest way to read a log. Later records are left for the next call. `each` changes its
    /// state argument; the last state is returned.
    ///
    /// Records may be overwritten while they are being read. Then the state before them is
    /// restored, and they count as [lost](Self::lost). So `each` must have no other effect than
    /// changing the state.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// ```no_run
    /// # let log = fanlight::Instance::open(0)?.log()?;
    /// # let mut reader = log.reader(fanlight::Start::Oldest)?;
    /// let errors = reader.fold(0, |errors, record| {
    ///     if record.level() <= fanlight::Level::Err {
    ///         *errors += 1;
    ///     }
    /// })?;
    /// println!("{errors} errors");
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn fold<T: Clone>(
        &mut self,
        state: T,
        mut each: impl FnMut(&mut T, Glimpse<'_>),
    ) -> Result<T> {
        let scan = &mut self.scan;
        let ring = scan.log.ring();
        // A smaller span loses fewer records when the writer overtakes the reader.
        let limit = ring.lanes()[0].size() / 8;
        let end = End::now(&ring);
        let mut state = state;
        loop {
            match scan.cursor.read(&ring, limit, Some(&end)) {
                Read::Empty => break,
                Read::Lost(count) => scan.lost = scan.lost.saturating_add(count),
                Read::Records(mut span) => {
                    let mut next = state.clone();
                    for record in span.by_ref() {
                        each(&mut next, Glimpse(record));
                    }
                    if span.commit() {
                        state = next;
                    }
                    // What was read of a revoked mapping is zeros, and not the log's.
                    scan.log.check()?;
                }
            }
        }
        scan.log.check()?;
        Ok(state)
    }

    /// Waits until there is a record, or until the timeout; returns whether there is one.
    ///
    /// Does not wait at the end of an earlier boot's log, which gets no more records: returns false
    /// at once.
    ///
    /// # Errors
    ///
    /// The device is gone.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        while !self.prepare_wait()? {
            if self.ends {
                return Ok(false);
            }
            let Some(file) = &self.file else {
                // A file is always ready to be read, so there is nothing to poll.
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Ok(false);
                }
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.map(|left| Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            let mut fds = [PollFd::new(file, PollFlags::IN)];
            match poll(&mut fds, left.as_ref()) {
                Ok(0) => return Ok(false),
                Ok(_) if fds[0].revents().contains(PollFlags::HUP) => {
                    return at_the_end(fds[0].revents()).map_or_else(|| Err(self.log().gone()), Ok)
                }
                // An interrupted wait has found no record yet.
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => {
                    return Err(Error::io(
                        format!("wait for {}", self.log().path().display()),
                        error,
                    ))
                }
            }
        }
        Ok(true)
    }

    /// Must be called before other code polls the reader's descriptor, for example an asynchronous
    /// runtime. Informs the driver that all current records are read, so that only newer ones wake.
    /// Returns whether there is already an unread one; then do not wait.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// With tokio, a reader goes into an `AsyncFd`:
    ///
    /// ```no_run
    /// use fanlight::{Instance, Start};
    /// use tokio::io::unix::AsyncFd;
    ///
    /// # async fn follow() -> std::io::Result<()> {
    /// let reader = Instance::open(0)?.log()?.reader(Start::Oldest)?;
    /// // SAFETY: a reader owns its descriptor, and keeps it until it is dropped.
    /// let mut reader = unsafe { AsyncFd::register(reader)? };
    /// while !reader.get_ref().is_over() {
    ///     while let Some(record) = reader.get_mut().next_record()? {
    ///         println!("{}", record.text_lossy());
    ///     }
    ///     if !reader.get_mut().prepare_wait()? {
    ///         reader.readable().await?.clear_ready();
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn prepare_wait(&mut self) -> Result<bool> {
        // poll() uses the descriptor's own cursor, that of read(). First move that to the end, then
        // check the ring: this sees records that come in between, and later ones wake.
        if let (Some(file), false) = (&self.file, self.ends) {
            if let Err(error) = seek(file.as_fd(), SeekFrom::End(0)) {
                let what = format!("follow {}", self.log().path().display());
                return Err(Error::io(what, error));
            }
        }
        let unread = self.has_unread();
        self.log().check()?;
        Ok(unread)
    }

    fn has_unread(&self) -> bool {
        self.scan.cursor.unread_bytes(&self.log().ring()) > 0
    }

    /// Whether all records are read and no more will come, as in the log of an earlier boot. Do not
    /// wait then.
    ///
    /// ```no_run
    /// # let log = fanlight::Instance::open(0)?.previous_log()?;
    /// # let mut reader = log.reader(fanlight::Start::Oldest)?;
    /// while let Some(record) = reader.next_record()? {
    ///     println!("{}", record.text_lossy());
    /// }
    /// assert!(reader.is_over());
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn is_over(&self) -> bool {
        self.ends && !self.has_unread()
    }

    /// Records that this reader has lost so far.
    pub fn lost(&self) -> u64 {
        self.scan.cursor.lost()
    }
}

/// For `poll` and for asynchronous runtimes; see [`prepare_wait`](Reader::prepare_wait). The
/// descriptor of a ring in a file is always ready.
impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.file {
            Some(file) => file.as_fd(),
            None => self.log().window().as_fd(),
        }
    }
}

/// As [`AsFd`].
impl AsRawFd for Reader {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// The result of [`Reader::wait`] if poll() has reported the end of the log; `None` if the device
/// is gone.
fn at_the_end(events: PollFlags) -> Option<bool> {
    // The end of an earlier boot's log is not an error.
    (!events.contains(PollFlags::ERR)).then_some(false)
}

/// The records of a log, one by one; see [`Log::records`].
///
/// ```no_run
/// let log = fanlight::Instance::open(0)?.log()?;
/// let first = log.records().next().transpose()?;
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Debug)]
pub struct Records {
    /// `None` after an error, too.
    state: Option<(Scan, End)>,
}

impl Records {
    pub(super) fn new(log: Log) -> Self {
        let scan = Scan::new(log, Start::Oldest);
        let end = End::now(&scan.log.ring());
        Self {
            state: Some((scan, end)),
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record<'static>>;

    fn next(&mut self) -> Option<Self::Item> {
        let (scan, end) = self.state.as_mut()?;
        let result = scan
            .next_before(Some(end))
            .map(|record| record.map(Record::into_owned))
            .transpose();
        if !matches!(result, Some(Ok(_))) {
            self.state = None;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_wait_ends_at_the_end_of_an_earlier_boot() {
        let at_the_end = |events| super::at_the_end(events);
        assert_eq!(at_the_end(PollFlags::IN | PollFlags::HUP), Some(false));
        assert_eq!(at_the_end(PollFlags::ERR | PollFlags::HUP), None);
    }
}
