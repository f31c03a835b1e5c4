// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! All interleavings of a few writers and readers on a tiny ring, with all effects of weak memory.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p fanlight-ring --release --test loom`
//!
//! Schedules with more than `LOOM_MAX_PREEMPTIONS` preemptions (3 unless it is set) are left out. A
//! writer that is preempted in the middle, while the others run to their end, represents one that
//! was stopped there.

#![cfg(loom)]

use fanlight_ring::{
    Appended, Cursor, End, Entry, Header, Next, Read, Refused, Ring, Word, Writer, RECORD_MAX, USER,
};
use loom::sync::atomic::{fence, AtomicU32, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

const FIRST: u64 = 5;

/// The lock that serialises the writers, with the properties that the ring needs besides mutual
/// exclusion:
///
/// - The stores of an earlier owner come before those of a later one for all observers (LKMM:
///   po-unlock-lock-po). C11 does not guarantee that, hence the fence.
/// - A thread that fails to get the lock sees the stores of all earlier owners (a failed
///   `spin_trylock()` and a barrier), hence the count.
struct Lock {
    mutex: Mutex<()>,
    /// Odd while the lock is held.
    count: AtomicU32,
}

impl Lock {
    fn with<T>(&self, f: impl FnOnce() -> T) -> T {
        let guard = self.mutex.lock().unwrap();
        self.count.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
        let done = f();
        self.count.fetch_add(1, Ordering::Release);
        drop(guard);
        done
    }

    fn is_held(&self) -> bool {
        self.count.fetch_add(0, Ordering::Acquire) % 2 == 1
    }
}

struct Shared {
    header: Header,
    data: Vec<Word>,
    writer: Writer,
    lock: Lock,
}

impl Shared {
    /// A ring. `records`: how many records of [`Shared::write`] fit in each lane; 0: there is no
    /// such lane. `epoch`: the low halves of the positions wrap after one record.
    fn new(records: [usize; 2], epoch: bool) -> Arc<Self> {
        // loom watches the first word, and the low words of number and time. The others are equal
        // in all records.
        let word = |at| match at % 8 {
            0 | 2 | 4 => Word::new(0),
            _ => Word::plain(0),
        };
        let mut header = Header::empty();
        let plain = || Word::plain(0);
        header.magic = plain();
        header.version = plain();
        header.header_size = plain();
        header.data_size = plain();
        header.first_seq = [plain(), plain()];
        for lane in &mut header.lanes {
            lane.offset = plain();
            lane.size = plain();
            if !epoch {
                lane.epoch = plain();
            }
        }
        let sizes = records.map(|n| n * RECORD_MAX);
        let shared = Self {
            header,
            data: (0..(sizes[0] + sizes[1]) / 4).map(word).collect(),
            writer: Writer::new(FIRST),
            lock: Lock {
                mutex: Mutex::new(()),
                count: AtomicU32::new(0),
            },
        };
        Ring::init(&shared.header, &shared.data, sizes, &[0; 16], FIRST).unwrap();
        let before = (1u32 << 31) - RECORD_MAX as u32;
        for lane in &shared.header.lanes {
            if epoch {
                lane.head.store(before);
                lane.tail.store(before);
            }
        }
        Arc::new(shared)
    }

    fn ring(&self) -> Ring<'_> {
        Ring::attach(&self.header, &self.data).unwrap()
    }

    /// Appends; the caller has the lock, or is the only writer.
    fn put(&self, tag: u64, flags: u8) -> Result<u64, Refused> {
        let ring = self.ring();
        let appended = self.writer.append(&ring, &entry(tag, flags));
        appended.map(|Appended { seq, .. }| seq)
    }

    fn write(&self, tag: u64, flags: u8) -> Result<u64, Refused> {
        self.lock.with(|| self.put(tag, flags))
    }
}

fn entry(tag: u64, flags: u8) -> Entry<'static> {
    Entry {
        ns: tag,
        flags,
        ..Entry::default()
    }
}

/// How a reader reads.
#[derive(Clone, Copy)]
enum Form {
    Single,
    Span,
}

/// A reader, and its results.
struct Reader {
    shared: Arc<Shared>,
    cursor: Cursor,
    /// Numbers and tags of the records.
    records: Vec<(u64, u64)>,
    lost: u64,
}

impl Reader {
    fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            cursor: Cursor::at_seq(&shared.ring(), FIRST),
            records: vec![],
            lost: 0,
        }
    }

    /// Returns whether there was a record or a loss.
    fn read(&mut self) -> bool {
        let expected = self.cursor.seq();
        let mut buffer = [0; RECORD_MAX];
        match self.cursor.next(&self.shared.ring(), &mut buffer) {
            Next::Record(record) => {
                // Higher at the start of a lane, since records that were overwritten before are not
                // lost.
                assert!(expected.is_none_or(|expected| record.seq >= expected));
                self.records.push((record.seq, record.entry.ns));
            }
            Next::Lost(n) => self.lost += n,
            Next::Empty => return false,
            Next::Short(_) => unreachable!(),
        }
        assert_eq!(self.cursor.damaged(), 0);
        true
    }

    /// Reads the records in place.
    fn read_span(&mut self) {
        let shared = self.shared.clone();
        match self.cursor.read(&shared.ring(), 4 * RECORD_MAX, None) {
            Read::Records(mut span) => {
                let seen: Vec<_> = span.by_ref().map(|r| (r.seq(), r.ns())).collect();
                if span.commit() {
                    self.records.extend(seen);
                }
            }
            Read::Lost(n) => self.lost += n,
            Read::Empty => {}
        }
        assert_eq!(self.cursor.damaged(), 0);
    }

    /// Reads once in a separate thread.
    fn spawn(mut self, form: Form) -> thread::JoinHandle<Self> {
        thread::spawn(move || {
            match form {
                Form::Single => drop(self.read()),
                Form::Span => self.read_span(),
            }
            self
        })
    }

    /// Reads the rest after the last write, and returns how many records were read or reported as
    /// lost.
    fn finish(&mut self) -> u64 {
        while self.read() {}
        self.records.len() as u64 + self.lost
    }

    /// Checks that the tags match the numbers, for one writer that counts.
    fn check(&self) {
        let right = |&(seq, tag): &(u64, u64)| seq == FIRST + tag;
        assert!(self.records.iter().all(right), "{:?}", self.records);
    }
}

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(3);
    model.max_branches = 10_000;
    model.check(f);
}

/// One writer appends `writes` records, alternating between the lanes, to a ring with `before`
/// records that the readers have already read.
fn follow(records: [usize; 2], epoch: bool, before: u64, writes: u64, readers: &'static [Form]) {
    model(move || {
        let shared = Shared::new(records, epoch);
        let flags = |tag: u64| {
            if records[1] != 0 && tag % 2 == 1 {
                USER
            } else {
                0
            }
        };
        let mut cursors: Vec<_> = readers.iter().map(|_| Reader::new(&shared)).collect();
        for tag in 0..before {
            shared.put(tag, flags(tag)).unwrap();
            for reader in &mut cursors {
                assert!(reader.read());
            }
        }
        let readers: Vec<_> = cursors
            .into_iter()
            .zip(readers)
            .map(|(reader, &form)| reader.spawn(form))
            .collect();
        for tag in before..before + writes {
            shared.put(tag, flags(tag)).unwrap();
        }
        for reader in readers {
            let mut reader = reader.join().unwrap();
            assert_eq!(reader.finish(), before + writes);
            reader.check();
        }
    });
}

#[test]
fn log_loom_append_and_read() {
    follow([4, 0], false, 0, 2, &[Form::Single]);
    follow([4, 0], false, 0, 2, &[Form::Span]);
}

#[test]
fn log_loom_overwrite() {
    follow([1, 0], false, 0, 2, &[Form::Single]);
    follow([1, 0], false, 0, 3, &[Form::Single]);
    follow([1, 0], false, 0, 3, &[Form::Span]);
    follow([2, 0], false, 0, 3, &[Form::Span]);
    follow([2, 0], false, 0, 3, &[Form::Single]);
}

/// A reader gets to a place that held other data before the lane wrapped around.
#[test]
fn log_loom_overwrite_in_the_second_round() {
    follow([2, 0], false, 2, 2, &[Form::Single]);
    follow([2, 0], false, 2, 2, &[Form::Span]);
}

/// The low halves of the positions begin a new epoch.
#[test]
fn log_loom_epoch() {
    follow([1, 0], true, 0, 2, &[Form::Single]);
    follow([2, 0], true, 0, 3, &[Form::Span]);
}

#[test]
fn log_loom_two_lanes_are_merged_by_number() {
    follow([2, 2], false, 0, 2, &[Form::Single]);
    follow([2, 2], false, 0, 3, &[Form::Span]);
    follow([1, 1], false, 1, 3, &[Form::Single]);
}

/// A reader that sees number n + 1 in one lane sees number n in the other, although it has checked
/// there before.
#[test]
fn log_loom_two_lanes_lose_nothing() {
    model(|| {
        let shared = Shared::new([2, 2], false);
        let mut reader = Reader::new(&shared);
        let reader = thread::spawn(move || {
            reader.read();
            reader.read();
            reader
        });
        shared.put(0, 0).unwrap();
        shared.put(1, USER).unwrap();
        let mut reader = reader.join().unwrap();
        assert_eq!((reader.finish(), reader.lost), (2, 0));
        reader.check();
    });
}

#[test]
fn log_loom_end_of_two_lanes() {
    model(|| {
        let shared = Shared::new([4, 4], false);
        shared.put(0, 0).unwrap();
        let reader = {
            let shared = shared.clone();
            thread::spawn(move || {
                let ring = shared.ring();
                let end = End::now(&ring);
                let mut cursor = Cursor::at_seq(&ring, FIRST);
                let mut buffer = [0; RECORD_MAX];
                let mut seen = vec![];
                loop {
                    match cursor.next_before(&ring, &mut buffer, Some(&end)) {
                        Next::Record(record) => seen.push(record.seq),
                        Next::Empty => break seen,
                        other => panic!("{other:?}"),
                    }
                }
            })
        };
        shared.put(1, 0).unwrap();
        shared.put(2, USER).unwrap();
        let seen = reader.join().unwrap();
        // The existing records, and then the new ones, in order.
        assert!(seen[..] == [5, 6, 7][..seen.len()] && !seen.is_empty());
    });
}

/// A cursor after the newest record, while more are appended: number and positions match.
#[test]
fn log_loom_newest() {
    model(|| {
        let shared = Shared::new([2, 2], false);
        let reader = {
            let shared = shared.clone();
            thread::spawn(move || shared.writer.newest(&shared.ring()))
        };
        shared.put(0, 0).unwrap();
        shared.put(1, USER).unwrap();
        let mut cursor = reader.join().unwrap();
        shared.put(2, 0).unwrap();
        let mut buffer = [0; RECORD_MAX];
        let mut seqs = vec![];
        loop {
            match cursor.next(&shared.ring(), &mut buffer) {
                Next::Record(record) => seqs.push(record.seq),
                Next::Empty => break,
                other => panic!("{other:?}"),
            }
        }
        let expected: Vec<u64> = (FIRST + 3 - seqs.len() as u64..FIRST + 3).collect();
        assert_eq!(seqs, expected);
        assert_eq!(cursor.damaged(), 0);
    });
}

#[test]
fn log_loom_three_writers_under_a_lock() {
    model(|| {
        let shared = Shared::new([2, 0], false);
        let others: Vec<_> = (0..2)
            .map(|tag| {
                let shared = shared.clone();
                thread::spawn(move || shared.write(tag, 0).unwrap())
            })
            .collect();
        let mut written = vec![shared.write(2, 0).unwrap()];
        written.extend(others.into_iter().map(|other| other.join().unwrap()));
        let mut reader = Reader::new(&shared);
        assert_eq!(reader.finish(), 3);
        for (seq, tag) in &reader.records {
            assert_eq!(*seq, written[[1, 2, 0][*tag as usize]]);
        }
        written.sort_unstable();
        assert_eq!(written, [FIRST, FIRST + 1, FIRST + 2]);
    });
}

/// A reader sees the appends of two writers, one after the other; the first one has moved the tail
/// for both.
#[test]
fn log_loom_reader_and_two_writers_under_a_lock() {
    model(|| {
        let shared = Shared::new([2, 0], false);
        let mut reader = Reader::new(&shared);
        shared.put(0, 0).unwrap();
        assert!(reader.read());
        shared.put(1, 0).unwrap();
        let reader = reader.spawn(Form::Single);
        let other = {
            let shared = shared.clone();
            thread::spawn(move || shared.write(10, 0).unwrap())
        };
        let seq = shared.write(20, 0).unwrap();
        let other = other.join().unwrap();
        let mut reader = reader.join().unwrap();
        assert_eq!(reader.finish(), 4);
        for (n, tag) in reader.records {
            match tag {
                10 => assert_eq!(n, other),
                20 => assert_eq!(n, seq),
                _ => assert_eq!(n, FIRST + tag),
            }
        }
    });
}

#[test]
fn log_loom_clear() {
    for form in [Form::Single, Form::Span] {
        model(move || {
            let shared = Shared::new([2, 0], false);
            shared.put(0, 0).unwrap();
            let reader = Reader::new(&shared).spawn(form);
            shared.writer.clear(&shared.ring());
            shared.put(1, 0).unwrap();
            let mut reader = reader.join().unwrap();
            assert_eq!(reader.finish(), 2);
            reader.check();
        });
    }
}

/// The panicking processor takes the ring over from a writer that is somewhere in an append, or has
/// finished it, and which goes on. `before` records are there already; `lane` is the one of the
/// writer.
///
/// With `again` it appends a second record after that.
fn take_over(records: [usize; 2], before: u64, flags: u8, reader: Option<Form>, again: bool) {
    model(move || {
        let shared = Shared::new(records, false);
        for tag in 0..before {
            shared.put(tag, 0).unwrap();
        }
        let reader = reader.map(|form| Reader::new(&shared).spawn(form));
        let straggler = {
            let shared = shared.clone();
            thread::spawn(move || {
                let done = shared.write(100, flags);
                // The next owner of the lock is refused, or came before.
                let next = match again {
                    true => shared.write(101, flags),
                    false => Err(Refused::Busy),
                };
                (done, next)
            })
        };
        let ring = shared.ring();
        let (mut first, mut second) = (Err(Refused::Busy), Err(Refused::Busy));
        if shared.lock.is_held() {
            let mut last = shared.writer.take_over(&ring).unwrap();
            let mut append = |tag| {
                let appended = last.append(&shared.writer, &ring, &entry(tag, 0));
                appended.map(|Appended { seq, .. }| seq)
            };
            first = append(200);
            second = append(201);
            assert!(shared.writer.take_over(&ring).is_none());
            assert!(first.is_ok() && second.is_ok());
        }
        // What another reader finds, wherever the stopped writer is now.
        let mut now = Reader::new(&shared);
        now.cursor = Cursor::oldest(&ring);
        now.finish();
        if let (Ok(_), 4..) = (first, records[0]) {
            assert!(now.records.contains(&(first.unwrap(), 200)));
            assert!(now.records.contains(&(second.unwrap(), 201)));
        }
        let (done, next) = straggler.join().unwrap();
        let mut after = Reader::new(&shared);
        after.cursor = Cursor::oldest(&ring);
        after.finish();
        let readers = reader.map(|reader| {
            let mut reader = reader.join().unwrap();
            reader.finish();
            reader
        });
        for reader in [now, after].into_iter().chain(readers) {
            for (seq, tag) in reader.records {
                match tag {
                    // The record in the hole may become whole, although its writer was refused.
                    100 => assert!(done.is_err() || done == Ok(seq)),
                    101 => assert!(next.is_err() || next == Ok(seq)),
                    200 => assert_eq!(first, Ok(seq)),
                    201 => assert_eq!(second, Ok(seq)),
                    _ => assert_eq!(seq, FIRST + tag),
                }
            }
        }
    });
}

#[test]
fn log_loom_take_over() {
    take_over([8, 0], 0, 0, None, true);
}

#[test]
fn log_loom_take_over_with_a_reader() {
    take_over([8, 0], 0, 0, Some(Form::Single), false);
    take_over([8, 0], 1, 0, Some(Form::Span), false);
}

#[test]
fn log_loom_take_over_while_overwriting() {
    take_over([4, 0], 4, 0, None, false);
}

/// The stopped writer was appending a program's record.
#[test]
fn log_loom_take_over_of_the_other_lane() {
    take_over([4, 4], 0, USER, None, true);
}
