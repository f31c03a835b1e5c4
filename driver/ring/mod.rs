// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The log ring: the format of its memory, its writers and its readers. C header: `driver/uapi/fanlight.h`.

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
