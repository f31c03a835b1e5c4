// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The log ring: the format of its memory, its writers and its readers. C header:
//! `driver/uapi/fanlight.h`.
//!
//! A ring is a header page and two *lanes*: one for the kernel's records, one for those of
//! programs. Each lane overwrites its own oldest records, so that programs cannot displace the
//! kernel's. A lane has a power of two of bytes. Its records are 8 to 2048 bytes long, multiples of
//! 8, and do not wrap; a filler takes what is left at the end of the data.
//!
//! A *position* is a count of bytes ever written to a lane, modulo 2^63. Its place in the data is
//! its low bits. What lies between the positions `tail` and `head` is published. The header has the
//! low 32 bits of both, and the `epoch`, which is the head shifted right by 31, so that 32-bit
//! loads and stores are enough.
//!
//! Every record has a *sequence number*. One writer gives the numbers out over both lanes, so in
//! each lane they only grow, and readers merge the lanes by them. A step of more than one means
//! that records are missing, for whatever reason. Readers count losses by nothing else.
//!
//! Nothing here allocates, blocks, or depends on the kernel: the driver, user space, the tests and
//! the model checker compile the same files. Only `atomic.rs` is another one in each of them.
//!
//! # Writer against readers
//!
//! The writer keeps no state about readers, and overwrites what they are looking at. Writers and
//! readers access memory in opposite orders:
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
//! *What was overwritten is noticed.* If the reader's 2 sees something of the writer's 3, the two
//! fences pair through that word, and the reader's 4 sees the tail of the writer's 1 or a later
//! one. If it sees nothing of the writer's 3, what it has seen is good.
//!
//! Most records need not move the tail, because a writer moves it farther than it must, by a 64th
//! of the lane but not more than 4 KiB. There is no fence in an append that does not move the tail.
//! The tail was then moved by an earlier append. If that was on the same processor, its fence is
//! before this record, too. If it was on another one, the lock was handed over in between, and the
//! kernel's memory model orders the stores before an unlock against those after the next lock for
//! everybody (po-unlock-lock-po). C11 promises this to nobody but the owners of the lock, so the
//! lock in `tests/loom.rs` has a fence that stands for it.
//!
//! The tail is moved record by record, by the lengths that are in the data. It never passes the
//! head, since a lane is at least eight times as long as the longest record.
//!
//! Loads and stores of the data are relaxed, word by word, or a plain copy in the kernel. The tail
//! tells which of them were torn. The checks compare full positions, so that a reader which was
//! stopped while the low halves went round is not misled.
//!
//! # Two lanes, one order
//!
//! Records are published in the order of their numbers. A reader takes the record that has the
//! number it expects, in whichever lane it is. If neither has it, the lower number is the next one.
//! One case needs care: when one lane is empty and the other has a record, a record with a lower
//! number may have come to the empty one since. It was published first, so that who has seen the
//! second one (acquire) sees it. The reader therefore looks at the empty lane again.
//!
//! # One writer, and its end in a panic
//!
//! Writers hold a lock that the caller provides. In a panic the owner of the lock may have been
//! stopped in the middle of an append, and may even go on, if it is on a processor that could not
//! be stopped. [`Writer::take_over`] gives the right to append to the panicking processor once and
//! for all:
//!
//! - A writer stores what it begins (`open`), then looks at `taken`. [`Writer::take_over`] stores
//!   `taken`, then looks at `open`. Both have a full fence in between: LMM(begin:A),
//!   LMM(take_over:A). So either the writer gives up before it stores anything, or its record is
//!   known. No other writer begins after it.
//! - The place of that record is left as a hole: an open record of the same length, from the head
//!   that the stopped writer has loaded. It loaded head and number before its fence, so both are
//!   from before the take-over.
//! - Head and tail are only moved by a compare and exchange. If the stopped writer goes on, those
//!   that come too late fail, and it gives up. What it writes is inside its hole.
//! - The first word of a record is stored last, by a release, LMM(first_word:A), and loaded first,
//!   by an acquire, LMM(reader_first_word:A). If the stopped writer finishes the record, the hole
//!   turns into a whole record.
//!
//! The hole protects from that writer until the lane has gone round once. A second take-over is
//! refused.
//!
//! `tests/loom.rs` checks all this. Take away a fence, or weaken an acquire or a release, and see
//! whether it finds out.

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
