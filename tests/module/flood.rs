// SPDX-License-Identifier: GPL-2.0-only

//! Records and messages from every context, in a form that lets a reader check that each one
//! arrived once, complete and in order.
//!
//! - `flood`, written `COUNT WRITER MARK`: `COUNT` records by `fanlight_log()` from task context on
//!   the writer's processor, some of them under a raw spinlock or as in an NMI, while a hard and a
//!   soft interrupt on the same processor write as well. Returns when all is written. Several
//!   processes may do so concurrently.
//! - `printk`, the same by printk, from a hard interrupt and under a raw spinlock in turns.
//! - `cont`, written as the others: a message by printk, and one that continues it.
//! - `hang`, written as the others: a message by printk, after which the processor does nothing
//!   else. `COUNT` selects what is disabled: 0 preemption, 1 interrupts, 2 soft interrupts.
//! - `stall`, written as the others: disables interrupts on the processor for `COUNT` milliseconds.
//! - `oops`: ends the writing process by an oops; if `locked` is written, while it owns the log's
//!   lock.
//! - `sysrq`: handles the written character as a sysrq key, in an interrupt like that of a serial
//!   port.
//! - `counts`: how many records each context has written, and how many of them were refused, since
//!   the module was loaded.
//!
//! The text of a record is `MARK STREAM N LETTERS`. The stream is `WRITER * 8 +` the number of the
//! context; its `N` counts from 0 and determines the letter and the number of letters, which
//! `fanlight-guest-tests` checks.

use crate::sys::{
    self,
    Context,
    Pinned,
    Ticker, //
};
use core::fmt::Write;
use kernel::{
    fmt,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    uaccess::UserSliceReader, //
};

const CONTEXTS: [(&str, Context); 5] = [
    ("task", Context::Task),
    ("softirq", Context::Softirq),
    ("hardirq", Context::Hardirq),
    ("raw-lock", Context::RawLock),
    ("nmi", Context::Nmi),
];
const HARD_PERIOD_NS: u64 = 400_000;
const SOFT_PERIOD_NS: u64 = 700_000;
/// Records that one interrupt writes.
const BURST: usize = 3;
const TEXT_MAX: usize = 320;
const MARK_MAX: usize = 64;

/// Outcomes of all records so far, by context.
pub(crate) struct Counts([[Atomic<i32>; 3]; CONTEXTS.len()]);

impl Counts {
    pub(crate) fn new() -> Self {
        Self([const { [const { Atomic::<i32>::new(0) }; 3] }; CONTEXTS.len()])
    }

    fn count(&self, context: Context, outcome: Result) {
        let column = match outcome {
            Ok(()) => 0,
            Err(e) if e == EBUSY => 1,
            Err(_) => 2,
        };
        self.0[context as usize][column].fetch_add(1, Relaxed);
    }
}

/// A read of `counts`: context, written, refused as busy, refused otherwise.
pub(crate) fn show(counts: &Arc<Counts>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for ((name, _), [written, busy, other]) in CONTEXTS.iter().zip(&counts.0) {
        let (written, busy, other) = (
            written.load(Relaxed),
            busy.load(Relaxed),
            other.load(Relaxed),
        );
        writeln!(f, "{name} {written} {busy} {other}")?;
    }
    Ok(())
}

/// A parsed request.
struct Order {
    count: usize,
    writer: usize,
    mark: [u8; MARK_MAX],
    mark_len: usize,
}

impl Order {
    fn read(from: &mut UserSliceReader) -> Result<Self> {
        let mut text = [0; 128];
        let len = from.len();
        from.read_slice(text.get_mut(..len).ok_or(EINVAL)?)?;
        let text = core::str::from_utf8(&text[..len]).map_err(|_| EINVAL)?;
        let mut words = text.trim_end().splitn(3, ' ');
        let mut number = || {
            words
                .next()
                .and_then(|word| word.parse().ok())
                .ok_or(EINVAL)
        };
        let (count, writer) = (number()?, number()?);
        let words = words.next().ok_or(EINVAL)?.as_bytes();
        let mut mark = [0; MARK_MAX];
        mark.get_mut(..words.len())
            .ok_or(EINVAL)?
            .copy_from_slice(words);
        Ok(Self {
            count,
            writer,
            mark,
            mark_len: words.len(),
        })
    }

    fn stream(&self, context: Context) -> Stream<'_> {
        Stream {
            order: self,
            context,
            next: Atomic::<i32>::new(0),
        }
    }
}

/// The records of one context of one writer: only one of them is made at any time.
struct Stream<'a> {
    order: &'a Order,
    context: Context,
    next: Atomic<i32>,
}

impl Stream<'_> {
    /// Formats the next text and passes it to `put`.
    fn next(&self, put: impl FnOnce(&[u8])) {
        let n = self.next.fetch_add(1, Relaxed) as usize;
        let mut text = Text {
            bytes: [0; TEXT_MAX],
            len: 0,
        };
        let mark = self.order.mark.get(..self.order.mark_len).unwrap_or(&[]);
        let mark = core::str::from_utf8(mark).unwrap_or("?");
        let stream = self.order.writer * 8 + self.context as usize;
        let _ = write!(text, "{mark} {stream} {n} ");
        let letter = [b'a' + (n % 26) as u8];
        for _ in 0..n * 31 % 200 + 1 {
            let _ = text.write_str(core::str::from_utf8(&letter).unwrap_or("?"));
        }
        put(text.bytes.get(..text.len).unwrap_or(&[]));
    }

    fn log(&self, counts: &Counts) {
        self.next(|text| counts.count(self.context, sys::log(6, text)));
    }
}

/// A text on the stack.
struct Text {
    bytes: [u8; TEXT_MAX],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let end = self.len + s.len();
        self.bytes
            .get_mut(self.len..end)
            .ok_or(core::fmt::Error)?
            .copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// A write to `flood`.
pub(crate) fn flood(counts: &Arc<Counts>, from: &mut UserSliceReader) -> Result {
    let order = Order::read(from)?;
    let [task, soft, hard, raw, nmi] = CONTEXTS.map(|(_, context)| order.stream(context));
    let counts: &Counts = counts;
    let in_hard = || (0..BURST).for_each(|_| hard.log(counts));
    let in_soft = || (0..BURST).for_each(|_| soft.log(counts));
    let in_raw = || raw.log(counts);
    let in_nmi = || nmi.log(counts);
    let _pinned = Pinned::new();
    let _hard = Ticker::start(true, HARD_PERIOD_NS, &in_hard)?;
    let _soft = Ticker::start(false, SOFT_PERIOD_NS, &in_soft)?;
    for i in 0..order.count {
        match i % 8 {
            3 => sys::run(Context::RawLock, &in_raw),
            7 => sys::run(Context::Nmi, &in_nmi),
            _ => task.log(counts),
        }
        if i % 64 == 0 {
            sys::breathe();
        }
    }
    Ok(())
}

/// A write to `printk`.
pub(crate) fn printk(_counts: &Arc<Counts>, from: &mut UserSliceReader) -> Result {
    let order = Order::read(from)?;
    let (hard, raw) = (
        order.stream(Context::Hardirq),
        order.stream(Context::RawLock),
    );
    let in_hard = || hard.next(sys::printk);
    let in_raw = || raw.next(sys::printk);
    let _pinned = Pinned::new();
    for i in 0..order.count {
        if i % 2 == 0 {
            sys::run(Context::Hardirq, &in_hard);
        } else {
            sys::run(Context::RawLock, &in_raw);
        }
    }
    Ok(())
}

/// A write to `cont`.
pub(crate) fn cont(_counts: &Arc<Counts>, from: &mut UserSliceReader) -> Result {
    let order = Order::read(from)?;
    sys::cont(order.mark.get(..order.mark_len).unwrap_or(&[]));
    Ok(())
}

/// A write to `hang`.
pub(crate) fn hang(_counts: &Arc<Counts>, from: &mut UserSliceReader) -> Result {
    let order = Order::read(from)?;
    let mark = order.mark.get(..order.mark_len).unwrap_or(&[]);
    sys::hang(i32::try_from(order.count)?, order.writer, mark)
}

/// A write to `stall`.
pub(crate) fn stall(_counts: &Arc<Counts>, from: &mut UserSliceReader) -> Result {
    sys::stall(u32::try_from(Order::read(from)?.count)?);
    Ok(())
}

/// A write to `oops`.
pub(crate) fn oops(_counts: &Arc<Counts>, from: &mut UserSliceReader) -> Result {
    if from.len() == b"locked".len() {
        sys::log_from_nowhere();
    } else {
        sys::oops();
    }
    Ok(())
}

/// A write to `sysrq`.
pub(crate) fn sysrq(_counts: &Arc<Counts>, from: &mut UserSliceReader) -> Result {
    let key: u8 = from.read()?;
    sys::run(Context::IrqWork, &|| sys::sysrq(key));
    Ok(())
}
