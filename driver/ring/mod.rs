// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The log ring: the format of its memory, its writers and its readers. C header:
//! `driver/uapi/fanlight.h`.
//!
//! A ring is a header page and two *lanes*: one for the kernel's records, one for those of
//! programs. Each lane overwrites its own oldest records, so that programs cannot displace the
//! kernel's. The size of a lane is a power of two. The length of a record is a multiple of 8, from
//! 8 to 2048 bytes. Records do not wrap; a filler takes the rest of the data at its end.
//!
//! A *position* is a count of bytes ever written to a lane, modulo 2^63. Its low bits are the
//! offset in the data. The records between the positions `tail` and `head` are published. The
//! header has the low 32 bits of both, and the `epoch`, which is the head shifted right by 31, so
//! that 32-bit loads and stores are enough.
//!
//! Every record has a *sequence number*. One writer assigns the numbers over both lanes, so in each
//! lane they only grow, and readers merge the lanes by them. A step of more than one means that
//! records are missing, for any reason. Readers count losses only by these steps.
//!
//! This code does not allocate, block, or depend on the kernel: the driver, user space, the tests
//! and the model checker compile the same files. Only `atomic.rs` is replaced in some of them.
//!
//! # Writer against readers
//!
//! The writer keeps no state about readers, and overwrites records while they are being read.
//! Writers and readers access memory in opposite orders:
//!
//! | writer                                  | reader                                     |
//! |-----------------------------------------|--------------------------------------------|
//! | 1. moves `tail` past what it overwrites | 1. loads `head`: LMM(lane_head:A)          |
//! | 2. release fence: LMM(make_room:A)      | 2. loads the records before it             |
//! | 3. stores the record                    | 3. acquire fence: LMM(validate:A)          |
//! | 4. stores `head`: LMM(publish:A)        | 4. loads `tail`: what is before it is void |
//!
//! *What is before the head is complete.* LMM(lane_head:A), an acquire, pairs with LMM(publish:A),
//! a release: if the reader's 1 sees the writer's 4, then all of the writer's 3 happened before all
//! of the reader's 2.
//!
//! *Overwritten records are detected.* If the reader's 2 sees a store of the writer's 3, the two
//! fences pair through that word, and the reader's 4 sees the tail of the writer's 1 or a later
//! one. If it sees no store of the writer's 3, what it has read is valid.
//!
//! Most appends do not move the tail, because a writer moves it farther than necessary, by a 64th
//! of the lane but at most 4 KiB. An append that does not move the tail has no fence: an earlier
//! append has moved the tail. If that was on the same processor, its fence is also before this
//! record. If it was on another processor, the lock was handed over in between, and the kernel's
//! memory model orders the stores before an unlock against those after the next lock for all
//! observers (po-unlock-lock-po). C11 guarantees this to the owners of the lock only, so the lock
//! in `tests/loom.rs` has a fence in its place.
//!
//! The tail is moved record by record, by the lengths in the data. It never passes the head, since
//! a lane is at least eight times as long as the longest record.
//!
//! Loads and stores of the data are relaxed, word by word, or a plain copy in the kernel. A reader
//! detects torn reads by the tail. The checks compare full positions, so that they also work if a
//! reader was stopped while the low halves wrapped around.
//!
//! # Two lanes, one order
//!
//! Records are published in the order of their numbers. A reader takes the record that has the
//! number it expects, in whichever lane it is. If neither has it, the lower number is the next one.
//! One case needs care: if the reader finds one lane empty and a record in the other, a record with
//! a lower number may have been appended to the empty lane in between. It was published first, so a
//! reader that has seen the record in the other lane (acquire) sees it. The reader therefore checks
//! the empty lane again.
//!
//! # One writer, and its end in a panic
//!
//! Writers hold a lock that the caller provides. In a panic, the owner of the lock may have been
//! stopped in the middle of an append; it may even continue if its processor could not be stopped.
//! [`Writer::take_over`] permanently transfers the right to append to the panicking processor:
//!
//! - A writer stores the length of its record to `open`, then loads `taken`. [`Writer::take_over`]
//!   stores `taken`, then loads `open`. Both have a full fence in between: LMM(begin:A),
//!   LMM(take_over:A). So either the writer gives up before it stores a record, or the take-over
//!   knows of its record. No other writer begins after it.
//! - The space of that record becomes a hole: an open record of the same length, at the head that
//!   the stopped writer has loaded. It loaded head and number before its fence, so both are from
//!   before the take-over.
//! - Head and tail are moved by compare-and-exchange only. If the stopped writer continues after
//!   the take-over, its compare-and-exchange fails and it gives up. Its stores to the data are
//!   inside the hole.
//! - The first word of a record is stored last, by a release, LMM(first_word:A), and loaded first,
//!   by an acquire, LMM(reader_first_word:A). If the stopped writer finishes the record, the hole
//!   becomes a whole record.
//!
//! The hole protects the ring from that writer until the lane has wrapped around once. A second
//! take-over is refused.
//!
//! `tests/loom.rs` checks these claims. To test the check, remove a fence or weaken an acquire or a
//! release.

#[cfg_attr(fanlight_driver, path = "../sys/atomic.rs")]
mod atomic;
mod clock;
mod count;
mod cursor;
mod dump;
mod format;
pub mod kmsg;
mod layout;
mod number;
pub mod persist;
mod record;
mod text;
mod writer;

pub use atomic::Word;
pub use clock::{Clock, Clocks, Keeper, Sample, CLOCKS};
pub use count::Count;
pub use cursor::{About, Cursor, End, Next, Read, RecordRef, Span};
pub use dump::parse_dump;
pub use layout::{
    distance, position, sizes_ok, AttachError, Header, Lane, LaneHeader, Ring, HEADER_SIZE,
    HEADER_USED, KERNEL_LANE_MIN, LANES, LANE_MAX, MAGIC, USER_LANE_MIN, VERSION,
};
pub use number::Digits;
pub use record::{
    Entry, Record, BODY_MAX, CONT, EMERGENCY, MODULE, PLAIN, RECORD_HEADER, RECORD_MAX, USER,
};
pub use writer::{Appended, Counts, Final, Refused, Writer};
