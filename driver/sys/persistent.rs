// SPDX-License-Identifier: GPL-2.0-only

//! The carve-out that keeps a copy of the log over a warm reboot, and the notice that a reboot is coming.
//!
//! C headers: [`include/linux/reboot.h`](srctree/include/linux/reboot.h),
//! [`include/linux/crc32.h`](srctree/include/linux/crc32.h)

use super::{
    carveout::Carveout,
    ffi, //
};
use crate::ring::{
    persist::{
        marks,
        salvage,
        Appender,
        Ending,
        Salvaged, //
    },
    Entry,
    Record,
    Word,
    RECORD_MAX, //
};
use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

fn crc32_le(crc: u32, bytes: &[u8]) -> u32 {
    // SAFETY: `bytes` may be read for its length.
    unsafe { ffi::crc32_le(crc, bytes.as_ptr().cast(), bytes.len()) }
}

/// What the previous boot left in `carveout`: each record to `sink`, in order. May take a while.
pub(crate) fn recover(carveout: &Carveout, sink: impl FnMut(&Record<'_>)) -> Result<Salvaged> {
    let mut buffer = KBox::new([0; RECORD_MAX], GFP_KERNEL)?;
    let mut places = KVVec::from_elem(0u32, marks(carveout.size()), GFP_KERNEL)?;
    Ok(salvage(
        carveout.words(),
        crc32_le,
        &mut buffer,
        &mut places,
        sink,
    ))
}

/// The persistent copy of this boot's log.
///
/// # Invariants
///
/// `appender` refers to the mapping of `_carveout`, which stays where it is while `_carveout` lives: the fields are dropped
/// in their order.
#[pin_data(PinnedDrop)]
pub(crate) struct Persistent {
    appender: Appender<'static>,
    _carveout: Carveout,
    /// Records of this level and more urgent ones are kept.
    pub(crate) level: Atomic<u32>,
    /// 1 after the panic was noted.
    panicked: Atomic<i32>,
    #[pin]
    notifier: Opaque<bindings::notifier_block>,
}

// SAFETY: the appender works by atomics on memory that is valid in every context.
unsafe impl Send for Persistent {}
// SAFETY: as above.
unsafe impl Sync for Persistent {}

impl Persistent {
    /// Clears `carveout` and makes it this boot's. `EINVAL`: it is too small.
    pub(crate) fn new(
        carveout: Carveout,
        boot_id: &[u8; 16],
        level: u8,
    ) -> Result<impl PinInit<Self, Error>> {
        let words: *const [Word] = carveout.words();
        // SAFETY: the mapping does not move with the `Carveout`, and lives as long as it; see the type invariant.
        let words: &'static [Word] = unsafe { &*words };
        let appender = Appender::format(words, boot_id, crc32_le).ok_or(EINVAL)?;
        // INVARIANT: made from the words of this carve-out.
        Ok(try_pin_init!(Self {
            appender,
            _carveout: carveout,
            level: Atomic::<u32>::new(level.into()),
            panicked: Atomic::<i32>::new(0),
            notifier <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                // SAFETY: the slot may be written, and stays where it is until the drop has taken it out.
                unsafe {
                    slot.write(bindings::notifier_block {
                        notifier_call: Some(rebooting),
                        ..pin_init::zeroed()
                    });
                    to_result(ffi::register_reboot_notifier(slot))
                }
            }),
        }? Error))
    }

    /// Keeps a record, if it is urgent enough. Any context.
    #[inline]
    pub(crate) fn append(&self, entry: &Entry<'_>, seq: u64) {
        if u32::from(entry.level) <= self.level.load(Relaxed) {
            self.appender.append(entry, seq);
        }
    }

    /// Notes that this boot ends by a panic. Any context.
    pub(crate) fn panicking(&self) {
        if self.panicked.cmpxchg(0, 1, Relaxed).is_ok() {
            self.appender.set_ending(Ending::Panic);
        }
    }
}

/// # Safety
///
/// `block` must be the `notifier` of a live [`Persistent`].
unsafe extern "C" fn rebooting(
    block: *mut bindings::notifier_block,
    _mode: c_ulong,
    _command: *mut c_void,
) -> c_int {
    // SAFETY: only `Persistent::new` hands out this function, with its own block, and its drop takes the block out.
    let this = unsafe { &*kernel::container_of!(Opaque::cast_from(block), Persistent, notifier) };
    this.appender.set_ending(Ending::Clean);
    bindings::NOTIFY_DONE as c_int
}

#[pinned_drop]
impl PinnedDrop for Persistent {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: registered in `new`; when this returns, nobody calls it. It can't fail for a block that is there.
        unsafe { ffi::unregister_reboot_notifier(self.notifier.get()) };
        // The driver was unbound in order: what comes after is not this log's.
        self.appender.set_ending(Ending::Clean);
    }
}
