// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! All interleavings, and all that weak memory allows, of a few writers and readers on a tiny ring.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p fanlight-ring --release --test loom`
//!
//! A thread that is preempted in the middle of an append stands for a writer that was interrupted there: the model
//! includes every schedule in which the others run to their end meanwhile. Schedules with more preemptions than
//! `LOOM_MAX_PREEMPTIONS` (2 unless it is set) are left out.

#![cfg(loom)]

use fanlight_ring::{
    Cursor, Entry, Header, Item, Look, Mode, Next, Refused, Ring, Start, Word, Writer, RECORD_MAX,
};
use loom::sync::Arc;
use loom::thread;

const START: Start = Start {
    // Positions wrap at 2^64 after two records, which lie one behind the other in rings of two or more.
    position: 0u64.wrapping_sub(2 * RECORD_MAX as u64),
    seq: 5,
};

struct Shared {
    header: Header,
    data: Vec<Word>,
    writer: Writer,
}

impl Shared {
    /// A ring that has room for so many of the records of [`Shared::write`].
    fn new(records: usize) -> Arc<Self> {
        // Watched are the low words of length and state, number, and time. The others are the same in all records.
        let word = |at| match at % 8 {
            0 | 2 | 4 => Word::new(0),
            _ => Word::plain(0),
        };
        let shared = Self {
            header: Header::empty(),
            data: (0..records * RECORD_MAX / 4).map(word).collect(),
            writer: Writer::new(START),
        };
        Ring::init(&shared.header, &shared.data, &[0; 16], START).unwrap();
        Arc::new(shared)
    }

    fn ring(&self) -> Ring<'_> {
        Ring::attach(&self.header, &self.data).unwrap()
    }

    fn write(&self, tag: u64, mode: Mode) -> Result<u64, Refused> {
        let entry = Entry {
            ns: tag,
            ..Entry::default()
        };
        self.writer.append(self.ring(), &entry, mode)
    }
}

/// How a reader reads.
#[derive(Clone, Copy)]
enum Form {
    Single,
    Batch,
    Span,
}

/// A reader, and what it got.
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
            cursor: Cursor::oldest(shared.ring()),
            records: vec![],
            lost: 0,
        }
    }

    /// Whether there was anything.
    fn read(&mut self) -> bool {
        let expected = self.cursor.seq();
        let mut buffer = [0; RECORD_MAX];
        let next = self.cursor.next(self.shared.ring(), &mut buffer);
        assert_eq!(self.cursor.damaged(), 0);
        match next {
            Next::Record(record) => {
                assert!(expected.is_none_or(|expected| record.seq == expected));
                self.records.push((record.seq, record.entry.ns));
            }
            Next::Lost(n) => self.lost += n,
            Next::Empty => return false,
            Next::Short(_) => unreachable!(),
        }
        true
    }

    fn read_batch(&mut self) {
        let mut buffer = [0; 4 * RECORD_MAX];
        if let Some(batch) = self.cursor.batch(self.shared.ring(), &mut buffer) {
            for item in batch {
                match item {
                    Item::Record(record) => self.records.push((record.seq, record.entry.ns)),
                    Item::Lost(n) => self.lost += n,
                }
            }
        }
        assert_eq!(self.cursor.damaged(), 0);
    }

    /// Looks at the records where they are.
    fn read_span(&mut self) {
        let shared = self.shared.clone();
        match self.cursor.span(shared.ring(), 4 * RECORD_MAX) {
            Look::Records(mut span) => {
                let seen: Vec<_> = span.by_ref().map(|slot| (slot.seq(), slot.ns())).collect();
                if span.commit() {
                    self.records.extend(seen);
                }
            }
            Look::Lost(n) => self.lost += n,
            Look::Empty => {}
        }
        assert_eq!(self.cursor.damaged(), 0);
    }

    /// Reads once in a thread of its own.
    fn spawn(mut self, form: Form) -> thread::JoinHandle<Self> {
        thread::spawn(move || {
            match form {
                Form::Single => drop(self.read()),
                Form::Batch => self.read_batch(),
                Form::Span => self.read_span(),
            }
            self
        })
    }

    /// Reads the rest when nobody writes any more, and returns how many records it heard of.
    fn finish(&mut self) -> u64 {
        while self.read() {}
        self.records.len() as u64 + self.lost
    }
}

fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(preemptions);
    model.check(f);
}

/// One writes `writes` records into a ring that has room for `room`, while others read.
fn overwrite(room: usize, writes: u64, readers: &'static [Form], preemptions: usize) {
    follow(room, 0, writes, readers, preemptions);
}

/// The same, but there are `before` others, which the readers know already.
fn follow(room: usize, before: u64, writes: u64, readers: &'static [Form], preemptions: usize) {
    model(preemptions, move || {
        let shared = Shared::new(room);
        let mut cursors: Vec<_> = readers.iter().map(|_| Reader::new(&shared)).collect();
        for tag in 0..before {
            shared.write(tag, Mode::Normal).unwrap();
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
            shared.write(tag, Mode::Normal).unwrap();
        }
        for reader in readers {
            let mut reader = reader.join().unwrap();
            assert_eq!(reader.finish(), before + writes);
            assert!(reader
                .records
                .iter()
                .all(|(seq, tag)| *seq == START.seq + tag));
        }
    });
}

/// Two write without a lock, one record each, after `before` others were written, and then a last one.
fn nested(room: usize, before: u64, mode: Mode, readers: &'static [Form], preemptions: usize) {
    model(preemptions, move || {
        let shared = Shared::new(room);
        for tag in 0..before {
            shared.write(tag, Mode::Normal).unwrap();
        }
        let readers: Vec<_> = readers
            .iter()
            .map(|&form| Reader::new(&shared).spawn(form))
            .collect();
        let outer = {
            let shared = shared.clone();
            thread::spawn(move || shared.write(100, Mode::Normal))
        };
        let inner = shared.write(101, mode);
        let mut now = Reader::new(&shared);
        let outer = outer.join().unwrap();
        if mode == Mode::Final {
            now.finish();
            assert!(now.records.contains(&(inner.unwrap(), 101)));
        } else {
            assert!(inner.is_ok() || outer.is_ok());
        }

        let last = shared.write(102, Mode::Normal).unwrap();
        assert_eq!(last, START.seq + before + 2);
        for reader in readers {
            let mut reader = reader.join().unwrap();
            // Each number is a record or lost, refused ones too.
            reader.finish();
            assert_eq!(reader.cursor.seq(), Some(last + 1));
            for (seq, tag) in reader.records {
                match tag {
                    100 => assert_eq!(Ok(seq), outer),
                    101 => assert_eq!(Ok(seq), inner),
                    102 => assert_eq!(seq, last),
                    _ => assert_eq!(seq, START.seq + tag),
                }
            }
        }
    });
}

#[test]
fn log_loom_one_writer_two_readers() {
    overwrite(1, 2, &[Form::Single, Form::Single], 1);
    overwrite(1, 2, &[Form::Single, Form::Batch], 2);
    overwrite(1, 2, &[Form::Single, Form::Span], 2);
}

#[test]
fn log_loom_one_writer_two_readers_two_records() {
    overwrite(2, 3, &[Form::Single, Form::Batch], 1);
}

#[test]
fn log_loom_one_writer_one_reader_many_preemptions() {
    overwrite(1, 3, &[Form::Single], 3);
    overwrite(1, 3, &[Form::Batch], 3);
    overwrite(1, 3, &[Form::Span], 3);
    overwrite(2, 3, &[Form::Span], 3);
    overwrite(2, 3, &[Form::Single], 3);
}

/// What a reader comes to lies where something else was the round before.
#[test]
fn log_loom_reader_in_the_second_round() {
    for form in [&[Form::Single], &[Form::Batch], &[Form::Span]] {
        follow(2, 2, 2, form, 3);
    }
}

/// Behind the newest record, while there come more: number and position belong together.
#[test]
fn log_loom_reader_from_the_newest_on() {
    model(3, || {
        let shared = Shared::new(2);
        let writer = {
            let shared = shared.clone();
            thread::spawn(move || {
                (0..2).for_each(|tag| assert!(shared.write(tag, Mode::Normal).is_ok()))
            })
        };
        let mut reader = Reader {
            cursor: Cursor::newest_of(shared.ring(), &shared.writer),
            shared: shared.clone(),
            records: vec![],
            lost: 0,
        };
        let first = reader.cursor.seq();
        writer.join().unwrap();
        let heard = reader.finish();
        assert_eq!(reader.cursor.seq(), Some(START.seq + 2));
        assert!(first.is_none_or(|first| heard == START.seq + 2 - first));
        assert!(reader
            .records
            .iter()
            .all(|(seq, tag)| *seq == START.seq + tag));
    });
}

#[test]
fn log_loom_writer_interrupted_by_a_writer() {
    nested(4, 0, Mode::Normal, &[Form::Single], 4);
    nested(4, 0, Mode::Normal, &[Form::Batch], 4);
    nested(4, 0, Mode::Normal, &[Form::Span], 4);
}

#[test]
fn log_loom_writer_interrupted_while_overwriting() {
    nested(2, 2, Mode::Normal, &[], 3);
    nested(2, 2, Mode::Normal, &[Form::Single], 1);
}

#[test]
fn log_loom_writer_given_up_by_a_final_one() {
    nested(4, 0, Mode::Final, &[Form::Single], 3);
    nested(4, 0, Mode::Final, &[Form::Batch], 2);
    // The hole is the second record that it looks at.
    nested(4, 1, Mode::Final, &[Form::Span], 2);
}

#[test]
fn log_loom_writer_given_up_while_overwriting() {
    nested(2, 2, Mode::Final, &[], 3);
    nested(2, 2, Mode::Final, &[Form::Single], 1);
}

/// A writer interrupts one that has interrupted another.
#[test]
fn log_loom_three_writers() {
    for modes in [
        [Mode::Normal, Mode::Normal],
        [Mode::Normal, Mode::Final],
        [Mode::Final, Mode::Final],
    ] {
        model(2, move || {
            let shared = Shared::new(8);
            let others: Vec<_> = [Mode::Normal, modes[0]]
                .into_iter()
                .enumerate()
                .map(|(tag, mode)| {
                    let shared = shared.clone();
                    thread::spawn(move || shared.write(tag as u64, mode))
                })
                .collect();
            let mut written = vec![shared.write(2, modes[1])];
            written.extend(others.into_iter().map(|other| other.join().unwrap()));
            written.push(shared.write(3, Mode::Normal));
            // Nobody gets a number that another one has, and no number is missing.
            assert_eq!(written[3], Ok(START.seq + 3));
            let mut reader = Reader::new(&shared);
            reader.cursor = Cursor::at_seq(shared.ring(), START.seq);
            assert_eq!(reader.finish(), 4);
            for (seq, tag) in &reader.records {
                let index = [1, 2, 0, 3][*tag as usize];
                assert_eq!(Ok(*seq), written[index]);
            }
            if modes == [Mode::Normal, Mode::Normal] {
                let done = written.iter().filter(|result| result.is_ok()).count();
                assert_eq!(reader.records.len(), done);
            }
        });
    }
}
