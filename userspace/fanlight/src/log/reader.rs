// SPDX-License-Identifier: MIT OR Apache-2.0
//! A place in a log: record after record by map, and waiting for more by poll.

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
    /// At the oldest record that there is.
    Oldest,
    /// Behind the newest one: only what comes from now on.
    Newest,
    /// At the record of that number, or the next one there is; those in between count as lost.
    Sequence(u64),
}

/// One reader's place in a log.
///
/// It keeps the log open, so it can be kept in a structure, moved to a thread or to a task of an
/// asynchronous runtime. Any number of readers of one log may wait at the same time: each has a
/// descriptor of its own. For asynchronous runtimes, see [`prepare_wait`](Self::prepare_wait).
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
    /// The node once more. The position of its file is behind the records that this reader does not
    /// wait for. `None`: an image, which has nothing to wait for.
    file: Option<Window>,
    /// Whether nothing more comes: it is the log of an earlier boot.
    ends: bool,
}

/// A place in a ring, without the means to wait.
pub(super) struct Scan {
    log: Log,
    pub(super) cursor: Cursor,
    /// Lost, and not told yet because no record has come since.
    lost: u64,
    buffer: Box<[u8; BUFFER]>,
}

/// Several records' worth, and at least one of the longest.
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

    /// The next record; `None` when there is none yet, or none before `end`.
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
        // Parsed again, since the compiler does not see that a loop returns what it borrows in its
        // last turn only.
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
                // The node has gone with the driver.
                Err(gone) => gone,
                Ok(()) => error,
            })?;
            // The driver first waits until the log has what printk has. The position stays at the
            // oldest record, so that a poll without `prepare_wait` reports what there is.
            ends = matches!(seek(own.as_fd(), SeekFrom::End(0)), Err(Errno::SPIPE));
            let _ = seek(own.as_fd(), SeekFrom::Start(0));
            file = Some(own);
        }
        let scan = Scan::new(log, start);
        scan.log.check()?;
        Ok(Self { scan, file, ends })
    }

    /// The log that it reads.
    ///
    /// ```no_run
    /// # let reader = fanlight::Instance::open(0)?.log()?.reader(fanlight::Start::Oldest)?;
    /// println!("{}", reader.log().path().display());
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn log(&self) -> &Log {
        &self.scan.log
    }

    /// Says when a wait of this reader is over, and when `poll` reports its descriptor, so that a
    /// busy log wakes it seldom.
    ///
    /// # Errors
    ///
    /// The device is gone, or it is a file, which wakes no reader.
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

    /// The next record, copied out of the ring and whole; `None` when there is none yet.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// ```no_run
    /// # let log = fanlight::Instance::open(0)?.log()?;
    /// # let mut reader = log.reader(fanlight::Start::Oldest)?;
    /// if let Some(record) = reader.next_record()? {
    ///     println!("{}", record.text_lossy());
    /// }
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>> {
        self.scan.next_before(None)
    }

    /// Gives every record that there is now to `each`, and returns their number. Records that come
    /// later are left for the next call. Many records are copied out of the ring at once, which
    /// takes a fraction of the time that [`next_record`](Self::next_record) takes for them.
    ///
    /// # Errors
    ///
    /// The device is gone, or the error of `each`, behind whose record the reader stays.
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
            // If the mapping was revoked meanwhile, a part of the copy is zeros.
            scan.log.check()?;
            // If there is none, the records were overwritten, and the next turn counts them.
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

    /// Shows every record that there is now to `each`, where it is in the ring: nothing is copied,
    /// which is the fastest way to go through a log. Records that come later are left for the next
    /// call. `each` changes the state that it is given; the last state is returned.
    ///
    /// Records may be overwritten while they are looked at. Then the state goes back to what it was
    /// before them, and they count as [lost](Self::lost). So `each` must do nothing else than
    /// change the state.
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
        // The fewer at once, the fewer are void when the writer comes round.
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

    /// Waits until there is a record, or until the time is over; returns whether there is one.
    ///
    /// Does not wait for records of an earlier boot: no more will come, and the result is false at
    /// once.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// ```no_run
    /// # let log = fanlight::Instance::open(0)?.log()?;
    /// # let mut reader = log.reader(fanlight::Start::Newest)?;
    /// if !reader.wait(Some(std::time::Duration::from_secs(5)))? {
    ///     println!("nothing for five seconds");
    /// }
    /// # Ok::<(), fanlight::Error>(())
    /// ```
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
                // An interrupted wait is one that found nothing yet.
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

    /// What has to be done before the reader's descriptor is polled by something else, as an
    /// asynchronous runtime does: tells the driver that all records up to now are seen, so that
    /// only newer ones wake. Returns whether there is an unread one already; then do not wait.
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
        // The descriptor has a cursor of its own, for read(), by which poll judges. First that one
        // is moved to the end, then the ring is looked at: what comes in between is seen here, and
        // what comes later wakes.
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

    /// Whether all records are read and no more will come: it is the log of an earlier boot. Do not
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
    ///
    /// ```no_run
    /// # let log = fanlight::Instance::open(0)?.log()?;
    /// # let reader = log.reader(fanlight::Start::Oldest)?;
    /// assert_eq!(reader.lost(), 0);
    /// # Ok::<(), fanlight::Error>(())
    /// ```
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

/// What [`Reader::wait`] returns if poll has reported that nothing comes any more: `None` if the
/// device is gone.
fn at_the_end(events: PollFlags) -> Option<bool> {
    // The log of an earlier boot has ended, which is no error.
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
    /// `None` behind an error, too.
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
