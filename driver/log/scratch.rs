// SPDX-License-Identifier: GPL-2.0-only

//! Buffers to take messages from printk, one for each context that may do so.

use crate::{
    ring::kmsg,
    sys::printk::dumped_size, //
};
use kernel::prelude::*;

/// Room to take a message apart.
pub(super) struct Scratch {
    pub(super) line: KVec<u8>,
    pub(super) dump: Dump,
}

/// Room for a message in the form of the kernel's dumpers, and for its text.
pub(super) struct Dump {
    pub(super) dumped: KVVec<u8>,
    pub(super) lines: KVec<u8>,
}

/// Bytes before each line of a message in the form of the kernel's dumpers: `PRINTK_PREFIX_MAX`.
const PREFIX_MAX: usize = 48;
/// Bytes of the longest text: `PRINTKRB_RECORD_MAX`.
const TEXT_MAX: usize = 1024;
/// Bytes of the longest message in that form, whose lines are empty, with a NUL.
const DUMP_MAX: usize = (TEXT_MAX + 1) * PREFIX_MAX + TEXT_MAX + 2;

impl Dump {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            dumped: KVVec::from_elem(0u8, kmsg::MESSAGE_MAX, GFP_KERNEL)?,
            lines: KVec::from_elem(0u8, kmsg::MESSAGE_MAX, GFP_KERNEL)?,
        })
    }

    /// Whether the kernel has left out lines of message `seq`, of which it gave `len` bytes.
    ///
    /// It first shortens the text to what fits, and then drops a last line that is not whole. So
    /// `len` may be less than the room by a line and a prefix. The size is asked only then.
    pub(super) fn is_cut(&self, seq: u64, len: usize) -> bool {
        let room = self.dumped.len();
        len + PREFIX_MAX + TEXT_MAX + 2 > room && dumped_size(seq).is_some_and(|size| size >= room)
    }

    /// Makes room for any message. Returns whether there is memory for it. May sleep.
    pub(super) fn grow(&mut self) -> bool {
        let room = KVVec::from_elem(0u8, DUMP_MAX, GFP_KERNEL | __GFP_NOWARN);
        room.map(|room| self.dumped = room).is_ok()
    }
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            line: KVec::from_elem(0u8, kmsg::MESSAGE_MAX, GFP_KERNEL)?,
            dump: Dump::new()?,
        })
    }
}
