// SPDX-License-Identifier: GPL-2.0-only

//! `overlay`: a write applies the written device-tree blob to the live tree; `overlay-remove`: a
//! write removes the overlay that was applied last. Unloading the module removes the others.

use crate::sys;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    uaccess::UserSliceReader, //
};

/// The overlays that are applied, oldest first.
#[pin_data(PinnedDrop)]
pub(crate) struct Overlays {
    #[pin]
    applied: Mutex<KVec<i32>>,
}

impl Overlays {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            applied <- new_mutex!(KVec::new(), "fanlight_test::overlays"),
        })
    }

    fn remove_last(&self) -> Option<()> {
        let id = self.applied.lock().pop()?;
        sys::overlay_remove(id);
        Some(())
    }
}

#[pinned_drop]
impl PinnedDrop for Overlays {
    fn drop(self: Pin<&mut Self>) {
        while self.remove_last().is_some() {}
    }
}

/// A write to `overlay`.
pub(crate) fn apply(overlays: &Arc<Overlays>, from: &mut UserSliceReader) -> Result {
    let mut blob = KVVec::from_elem(0u8, from.len(), GFP_KERNEL)?;
    from.read_slice(&mut blob)?;
    let id = sys::overlay_apply(&blob)?;
    let mut applied = overlays.applied.lock();
    applied.push(id, GFP_KERNEL)?;
    Ok(())
}

/// A write to `overlay-remove`.
pub(crate) fn remove(overlays: &Arc<Overlays>, _from: &mut UserSliceReader) -> Result {
    overlays.remove_last().ok_or(ENOENT)
}
