// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The log ring: the format of its memory, its writers and its readers. C header: `driver/uapi/fanlight.h`.
//!
//! A header page and a power of two of data. Records are 8 to 2048 bytes long, multiples of 8, and do not wrap; a filler
//! takes what is left at the end. A position is a count of bytes ever written, modulo 2^64, and its place in the data is
//! its low bits. Published is what lies between the header's `tail` and `head`. Every record has a sequence number, one
//! more than that of the record before; a bigger step says how many were lost between them, for whatever reason. That is
//! the only thing readers count by.
//!
//! Nothing here allocates, blocks, formats on the writer's side, or depends on the kernel: the driver, user space, the
//! tests and the model checker compile the same files. Only `atomic.rs` is another one in each of them.
//!
//! # One writer at a time
//!
//! A writer owns the ring while it writes. One word of the private [`Writer`] says whether somebody does: it is claimed by
//! a compare and exchange (acquire) and given back by another one (release), so that what an owner did happened before
//! what the next one does. Nobody waits in here. A writer that finds the ring owned, because it interrupted the owner or
//! because it is on another processor, gets [`Refused::Busy`]; it may try again, or leave its number to be passed over by
//! the next owner, so that readers miss exactly one record.
//!
//! In a panic the owner may never go on. [`Mode::Final`] then takes the ring away from it: the generation in the word
//! changes, so that the old owner's exchanges fail. The word also says how long the owner's record is. It is left as a
//! hole, an open record at the head, because a processor that did not stop may still be writing there; it knows the head
//! from before the ring was taken, for it checks the word after it loaded the head. If it finishes, its record turns
//! whole, which is why a record's first word is stored last, by a release, and why readers load it by an acquire before
//! they load the rest. The hole protects from such a writer until the ring has gone round once.
//!
//! # Writer against readers
//!
//! Readers leave no trace, so a writer overwrites what they are looking at. It does so in this order, and readers go the
//! other way round:
//!
//! | writer                                           | reader                                                    |
//! |--------------------------------------------------|-----------------------------------------------------------|
//! | 1. moves `tail` past what it will overwrite      | 1. loads `head`, acquire                                  |
//! | 2. fence, release                                | 2. loads the records before it                            |
//! | 3. stores the record                             | 3. fence, acquire                                         |
//! | 4. stores `head`, release                        | 4. loads `tail`: what lies before it is void              |
//!
//! *What is behind the head is complete.* The acquire of the reader's 1 meets the release of the writer's 4: all of 3
//! happened before all of the reader's 2.
//!
//! *What was overwritten is noticed.* Suppose the reader's 2 saw something of the writer's 3. Then the two fences meet
//! through that word: the writer's 1 happened before the reader's 4, which sees that tail or a later one. A later writer
//! may find that the tail was moved far enough by an earlier one; it loaded that tail before its own fence, and no load
//! that comes after can see an older one. And if the reader's 2 saw nothing of any later writer's 3, the copy is good.
//!
//! The tail is moved record by record, by the lengths that are in the data, and by a compare and exchange: if it succeeds,
//! nobody has moved the tail meanwhile, hence nobody has overwritten what lies behind it, hence the lengths were those of
//! records. It goes a 64th of the ring farther than it must, so that most records need not move it; and it never passes the
//! head, since a ring is at least 16 times as long as the longest record.
//!
//! Loads and stores of the data are relaxed, word by word or by a plain copy in the kernel; what they tear the tail tells.
//! Head and tail are 64 bits wide and must not be seen half changed, for which 32-bit ARM has `ldrexd` and `strexd`.
//!
//! `tests/loom.rs` has loom try all this. Each fence was taken away by hand, and each acquire and release weakened, to see
//! whether it finds out. It does for the fences of the table, wherever they stand, and for the one of a new owner; for the
//! acquire and the release of the head and of a record's first word; and for those by which the ring is claimed and given
//! back. It does not for what another one makes up for, or what only matters where no model goes: the tail's acquire in
//! `Cursor::oldest`, the owner's in `Writer::next_seq` and `Writer::end` and the fence there, and the owner's when numbers
//! are passed over or the ring is taken away. They stay because the argument asks for them.

#[cfg_attr(fanlight_driver, path = "../sys/atomic.rs")]
#[cfg_attr(loom, path = "atomic_loom.rs")]
mod atomic;
mod batch;
pub mod crc;
mod cursor;
mod dump;
pub mod kmsg;
mod layout;
mod number;
mod owner;
pub mod persist;
mod record;
mod salvage;
mod span;
mod tail;
mod writer;

pub use atomic::{Long, Word};
pub use batch::{Batch, Item};
pub use cursor::{Cursor, Next, Peek, Slot};
pub use dump::parse_dump;
pub use layout::{
    distance, size_ok, AttachError, Header, Ring, Start, DATA_MAX, DATA_MIN, HEADER_SIZE, MAGIC,
    VERSION,
};
pub use number::Digits;
pub use record::{
    Entry, Record, BODY_MAX, CONT, EMERGENCY, MODULE, RECORD_HEADER, RECORD_MAX, USER,
};
pub use span::{Look, Span};
pub use writer::{Counts, Mode, Refused, Writer};
