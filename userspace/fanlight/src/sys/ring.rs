// SPDX-License-Identifier: MIT OR Apache-2.0
//! A log ring together with its memory.

use core::fmt;
use core::mem::{size_of, MaybeUninit};

use fanlight_ring::{AttachError, Header, Ring, Word, HEADER_SIZE};

use super::Memory;

/// A mapped log ring.
///
/// # Invariants
///
/// `ring` is initialized, and points into the mapping of `memory`, which stays where it is until
/// `memory` is dropped.
pub(crate) struct MappedRing {
    memory: Memory,
    /// Not `Ring`: during the drop of `self`, it points to memory that is already unmapped.
    ring: MaybeUninit<Ring<'static>>,
}

impl MappedRing {
    /// Attaches to a ring in `memory`. The error `None` means that the memory is too short.
    pub(crate) fn attach(memory: Memory) -> Result<Self, Option<AttachError>> {
        let (header, data) = parts(&memory).ok_or(None)?;
        let ring = Ring::attach(header, data)?;
        // SAFETY: the lifetime is the mapping's, which is dropped together with the ring. `ring`
        // below gives out only lifetimes that end before.
        let ring = unsafe { core::mem::transmute::<Ring<'_>, Ring<'static>>(ring) };
        // INVARIANT: made from the memory just now. A mapping does not move with its `Memory`.
        Ok(Self {
            memory,
            ring: MaybeUninit::new(ring),
        })
    }

    /// The ring.
    #[inline]
    pub(crate) fn ring(&self) -> Ring<'_> {
        // SAFETY: initialized, and its memory is mapped, by the type invariant.
        unsafe { self.ring.assume_init() }
    }

    /// The memory.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl fmt::Debug for MappedRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.ring();
        f.debug_struct("MappedRing")
            .field("memory", &self.memory)
            .field("lanes", &ring.lanes().map(|lane| lane.size()))
            .finish_non_exhaustive()
    }
}

/// The header and the words of the data.
fn parts(memory: &Memory) -> Option<(&Header, &[Word])> {
    let words = memory.len().checked_sub(HEADER_SIZE)? / size_of::<Word>();
    let header = memory.pointer::<Header>(0).ok()?;
    let data = memory.pointer::<Word>(HEADER_SIZE).ok()?;
    // SAFETY: both are inside and aligned, and live as long as `memory`. They consist of atomics
    // alone, which may change under a shared reference, and for which every bit pattern is a value.
    Some(unsafe {
        (
            header.as_ref(),
            core::slice::from_raw_parts(data.as_ptr(), words),
        )
    })
}
