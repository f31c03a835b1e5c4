// SPDX-License-Identifier: MIT OR Apache-2.0
//! A place in a log: record after record by map, and waiting for more by poll.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use fanlight_ring::{Cursor, End, Next, Read, Ring};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::fs::{seek, SeekFrom};

use super::{Glimpse, Log, Record};
use crate::error::{Error, Result};

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
/// ```no_run
/// use fanlight::Start;
///
/// let log = fanlight::Instance::open(0)?.log()?;
/// let mut reader = log.reader(Start::Oldest)?;
/// while let Some(record) = reader.next_record()? {
///     if record.lost > 0 {
///         eprintln!("{} records lost", record.lost);
///     }
///     println!("{}", record.text_lossy());
/// }
/// # Ok::<(), fanlight::Error>(())
/// ```
pub struct Reader<'a> {
    log: &'a Log,
    ring: Ring<'a>,
    pub(super) cursor: Cursor,
    /// Whether nothing more comes: it is the log of an earlier boot.
    ends: bool,
    /// Lost, and not told yet because no record has come since.
    lost: u64,
    buffer: Box<[u8; BUFFER]>,
}

/// Several records' worth, and at least one of the longest.
const BUFFER: usize = 16 << 10;
const _: () = assert!(BUFFER >= fanlight_ring::RECORD_MAX);

impl<'a> Reader<'a> {
    pub(super) fn new(log: &'a Log, ring: Ring<'a>, start: Start) -> Self {
        let cursor = match start {
            Start::Oldest => Cursor::oldest(&ring),
            Start::Newest => Cursor::newest(&ring),
            Start::Sequence(seq) => Cursor::at_seq(&ring, seq),
        };
        Self {
            log,
            ring,
            cursor,
            ends: false,
            lost: 0,
            buffer: Box::new([0; BUFFER]),
        }
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
        self.next_before(None)
    }

    /// As [`next_record`](Self::next_record), but `None` behind `end`.
    fn next_before(&mut self, end: Option<&End>) -> Result<Option<Record<'_>>> {
        loop {
            let next = self
                .cursor
                .next_before(&self.ring, &mut self.buffer[..], end);
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
        let end = End::now(&self.ring);
        let mut count = 0;
        loop {
            let span = match self.cursor.read(&self.ring, BUFFER, Some(&end)) {
                Read::Empty => break,
                Read::Lost(lost) => {
                    self.lost = self.lost.saturating_add(lost);
                    continue;
                }
                Read::Records(span) => span,
            };
            let copy = span.copy(&mut self.buffer[..]);
            // If the mapping was revoked meanwhile, a part of the copy is zeros.
            self.log.check()?;
            // If there is none, the records were overwritten, and the next turn counts them.
            let mut rest = copy.unwrap_or_default();
            while !rest.is_empty() {
                let record = fanlight_ring::Record::parse(rest);
                rest = fanlight_ring::Record::behind(rest);
                let Some(record) = record else {
                    self.cursor.damage();
                    self.lost = self.lost.saturating_add(1);
                    continue;
                };
                let lost = std::mem::take(&mut self.lost);
                if let Err(error) = each(&Record::from_ring(&record, lost)) {
                    self.cursor
                        .step_back(rest.len(), record.seq.wrapping_add(1));
                    return Err(error);
                }
                count += 1;
            }
        }
        self.log.check()?;
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
        // The fewer at once, the fewer are void when the writer comes round.
        let limit = self.ring.lanes()[0].size() / 8;
        let end = End::now(&self.ring);
        let mut state = state;
        loop {
            match self.cursor.read(&self.ring, limit, Some(&end)) {
                Read::Empty => break,
                Read::Lost(count) => self.lost = self.lost.saturating_add(count),
                Read::Records(mut span) => {
                    let mut next = state.clone();
                    for record in span.by_ref() {
                        each(&mut next, Glimpse(record));
                    }
                    if span.commit() {
                        state = next;
                    }
                    // What was read of a revoked mapping is zeros, and not the log's.
                    self.log.check()?;
                }
            }
        }
        self.log.check()?;
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
            if self.log.image {
                // A file is always ready to be read, so there is nothing to poll.
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Ok(false);
                }
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.map(|left| Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            let mut fds = [PollFd::new(self.log, PollFlags::IN)];
            match poll(&mut fds, left.as_ref()) {
                Ok(0) => return Ok(false),
                Ok(_) if fds[0].revents().contains(PollFlags::HUP) => {
                    return at_the_end(fds[0].revents()).map_or_else(|| Err(self.log.gone()), Ok)
                }
                // An interrupted wait is one that found nothing yet.
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    return Err(Error::io(
                        format!("wait for {}", self.log.path().display()),
                        error,
                    ))
                }
            }
        }
        Ok(true)
    }

    /// What has to be done before the log's descriptor is polled by somebody else, as an
    /// asynchronous runtime does: tells the driver that all records up to now are seen, so that
    /// only newer ones wake. Says whether there is an unread one already; then do not wait.
    ///
    /// # Errors
    ///
    /// The device is gone.
    ///
    /// ```no_run
    /// # let log = fanlight::Instance::open(0)?.log()?;
    /// # let mut reader = log.reader(fanlight::Start::Newest)?;
    /// if !reader.prepare_wait()? {
    ///     // Poll `log.as_fd()` for reading here.
    /// }
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn prepare_wait(&mut self) -> Result<bool> {
        // The descriptor has a cursor of its own, for read(), by which poll judges. First that one
        // is moved to the end, then the ring is looked at: what comes in between is seen here, and
        // what comes later wakes.
        match seek(self.log.as_fd(), SeekFrom::End(0)) {
            Ok(_) => {}
            // The log of an earlier boot: nothing comes later.
            Err(rustix::io::Errno::SPIPE) => self.ends = true,
            Err(error) => {
                let what = format!("follow {}", self.log.path().display());
                return Err(Error::io(what, error));
            }
        }
        let unread = self.cursor.unread_bytes(&self.ring) > 0;
        self.log.check()?;
        Ok(unread)
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
        self.cursor.lost()
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
pub struct Records<'a> {
    state: State<'a>,
}

enum State<'a> {
    Reading(Reader<'a>, End),
    Failed(Error),
    Done,
}

impl<'a> Records<'a> {
    pub(super) fn new(reader: Result<Reader<'a>>) -> Self {
        let state = match reader {
            Ok(reader) => {
                let end = End::now(&reader.ring);
                State::Reading(reader, end)
            }
            Err(error) => State::Failed(error),
        };
        Self { state }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record<'static>>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = match &mut self.state {
            State::Reading(reader, end) => match reader.next_before(Some(end)) {
                Ok(record) => return record.map(|record| Ok(record.into_owned())),
                Err(error) => Some(Err(error)),
            },
            State::Failed(_) => match std::mem::replace(&mut self.state, State::Done) {
                State::Failed(error) => Some(Err(error)),
                _ => None,
            },
            State::Done => None,
        };
        self.state = State::Done;
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
