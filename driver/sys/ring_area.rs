// SPDX-License-Identifier: GPL-2.0-only

//! A log ring and its memory.

use super::{
    vmalloc::VmallocArea,
    PAGE_SIZE, //
};
use crate::ring::{
    Header,
    Ring,
    Word,
    HEADER_SIZE, //
};
use core::mem::size_of;
use kernel::{
    build_assert::static_assert,
    prelude::*,
    sync::Arc, //
};

/// A ring that only the kernel can write to, and its pages.
///
/// # Invariants
///
/// `ring` is in the memory of `area`.
pub(crate) struct RingArea {
    ring: Ring<'static>,
    area: Arc<VmallocArea>,
}

impl RingArea {
    /// Creates an empty ring. `lanes`: bytes of records in each lane; `first_seq`: the number of
    /// the first record. `EINVAL`: a ring cannot have these sizes.
    pub(crate) fn new(lanes: [usize; 2], boot_id: &[u8; 16], first_seq: u64) -> Result<Self> {
        let size = HEADER_SIZE + lanes[0] + lanes[1];
        let area = Arc::new(VmallocArea::new(size)?, GFP_KERNEL)?;
        static_assert!(size_of::<Header>() <= PAGE_SIZE);
        let header: *const Header = area.as_ptr().cast();
        // The last page may be larger than what is needed of it.
        let words: *const [Word] = area
            .words(HEADER_SIZE)
            .get(..(lanes[0] + lanes[1]) / 4)
            .ok_or(EINVAL)?;
        // SAFETY: the area begins with a whole page, in which the header fits. It is made of
        // atomics, for which any bits are valid. The pages stay where they are for as long as
        // `area` lives, which is as long as the references do: they have the lifetime of `self`
        // outside.
        let (header, words) = unsafe { (&*header, &*words) };
        let ring = Ring::init(header, words, lanes, boot_id, first_seq).ok_or(EINVAL)?;
        // INVARIANT: just made there.
        Ok(Self { ring, area })
    }

    /// The ring.
    #[inline]
    pub(crate) fn ring(&self) -> &Ring<'_> {
        &self.ring
    }

    /// The memory, to be mapped.
    pub(crate) fn area(&self) -> &Arc<VmallocArea> {
        &self.area
    }
}
