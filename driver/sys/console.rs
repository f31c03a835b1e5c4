// SPDX-License-Identifier: GPL-2.0-only

//! How the kernel reaches the log: an nbcon console for what is printed, a function for other modules.
//!
//! C header: [`include/linux/console.h`](srctree/include/linux/console.h). `struct console` is opaque to bindgen, so the
//! structure and its callbacks are in `kmsg.c`; they end in [`fanlight_console_line`]. The function for other modules is
//! declared in `fanlight_log.h`.

use super::ffi;
use core::ptr::NonNull;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*, //
};

/// Takes printk's records, in order, from the oldest that it still has.
pub(crate) trait Sink: Send + Sync {
    /// One record in the extended form of `/dev/kmsg`. `emergency`: in any context, NMI and panic included, and perhaps
    /// on top of a `line` that was interrupted; nothing may be waited for. Must not print.
    fn line(&self, text: &[u8], emergency: bool);

    /// printk has got messages, of whatever level. In interrupt context, under a lock of printk's readers.
    fn printed(&self);

    /// One record of another module, in any context. `emergency`: as above.
    fn record(&self, level: u8, text: &[u8], emergency: bool) -> Result;
}

/// Reads the message with the kernel's number `seq`, or the oldest one after it, in the form of the kernel's dumpers. Gives
/// its number and the bytes of `buffer` that it takes; what does not fit is cut. `None`: there is no such message yet.
///
/// Safe in any context.
pub(crate) fn dumped(seq: u64, buffer: &mut [u8]) -> Option<(u64, usize)> {
    let mut found = seq;
    // SAFETY: the buffer may be written for its length, and `found` for the call.
    let len =
        unsafe { ffi::fanlight_kmsg_dump(&mut found, buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(len).ok().map(|len| (found, len))
}

/// The kernel's number of the first message after the last one that was cleared (`dmesg -C`).
pub(crate) fn cleared() -> u64 {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_kmsg_cleared() }
}

/// Messages of this level and less urgent ones are not given to consoles.
pub(crate) fn loglevel() -> u8 {
    // SAFETY: no preconditions.
    unsafe { ffi::fanlight_console_loglevel() }.clamp(0, 8) as u8
}

/// A registered console.
///
/// # Invariants
///
/// `console` is from `fanlight_console_new` and `listener`, if there is one, from `fanlight_listen`, and neither is freed;
/// the data of both is `sink`, which is freed after them.
pub(crate) struct Console {
    console: NonNull<c_void>,
    listener: Option<NonNull<c_void>>,
    sink: NonNull<KBox<dyn Sink>>,
}

// SAFETY: the console may be unregistered by any thread, and the sink is `Send`.
unsafe impl Send for Console {}
// SAFETY: there are no methods on `&Console`.
unsafe impl Sync for Console {}

impl Console {
    /// Registers a console, which printk calls `fanlight<index>`. Before this returns, printk may have begun to replay its buffer to `sink`.
    pub(crate) fn new(sink: KBox<dyn Sink>, index: i16) -> Result<Self> {
        let sink = NonNull::from(KBox::leak(KBox::new(sink, GFP_KERNEL)?));
        // SAFETY: the data is a leaked box, valid until `drop` takes it back.
        let console = unsafe { ffi::fanlight_console_new(sink.as_ptr().cast(), index) };
        let Some(console) = NonNull::new(console) else {
            // SAFETY: leaked above, and given to nobody.
            drop(unsafe { KBox::from_raw(sink.as_ptr()) });
            return Err(ENOMEM);
        };
        // INVARIANT: just made, with `sink` as its data.
        let mut this = Self {
            console,
            listener: None,
            sink,
        };
        // SAFETY: the sink lives until `drop` has cleared the target. It is no error that another instance is first.
        unsafe { ffi::fanlight_log_target_set(sink.as_ptr().cast()) };
        // SAFETY: by the type invariant.
        to_result(unsafe { ffi::fanlight_console_register(this.console.as_ptr()) })?;
        // SAFETY: the sink lives until `drop` has ended the listener.
        let listener = from_err_ptr(unsafe { ffi::fanlight_listen(sink.as_ptr().cast()) })?;
        // INVARIANT: just made, with `sink` as its data.
        this.listener = NonNull::new(listener);
        Ok(this)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(listener) = self.listener {
            // SAFETY: by the type invariant. When it returns, it calls nobody any more.
            unsafe { ffi::fanlight_listen_end(listener.as_ptr()) };
        }
        // SAFETY: no preconditions; when it returns, no other module is on its way to the sink.
        unsafe { ffi::fanlight_log_target_clear(self.sink.as_ptr().cast()) };
        // SAFETY: by the type invariant. When it returns, no callback runs or will run.
        unsafe { ffi::fanlight_console_free(self.console.as_ptr()) };
        // SAFETY: leaked in `new`, and nobody uses it any more.
        drop(unsafe { KBox::from_raw(self.sink.as_ptr()) });
    }
}

/// Called by `kmsg.c`.
///
/// # Safety
///
/// `data` must be the data of a live [`Console`], and `text` be `len` valid bytes that do not change during the call.
#[no_mangle]
unsafe extern "C" fn fanlight_console_line(
    data: *const c_void,
    text: *const u8,
    len: c_uint,
    emergency: bool,
) {
    // SAFETY: by the caller's promise.
    let (sink, text) = unsafe {
        (
            &*data.cast::<KBox<dyn Sink>>(),
            core::slice::from_raw_parts(text, len as usize),
        )
    };
    sink.line(text, emergency);
}

/// Called by `kmsg.c` for other modules.
///
/// # Safety
///
/// `target` must be the sink of a live [`Console`], and `text` be `len` valid bytes that do not change during the call.
#[no_mangle]
unsafe extern "C" fn fanlight_log_record(
    target: *const c_void,
    level: c_uint,
    text: *const u8,
    len: usize,
    emergency: bool,
) -> c_int {
    let Some(level) = u8::try_from(level).ok().filter(|level| *level <= 7) else {
        return EINVAL.to_errno();
    };
    // SAFETY: by the caller's promise.
    let (sink, text) = unsafe {
        (
            &*target.cast::<KBox<dyn Sink>>(),
            core::slice::from_raw_parts(text, len),
        )
    };
    match sink.record(level, text, emergency) {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}

/// Called by `kmsg.c` after messages.
///
/// # Safety
///
/// `data` must be the sink of a live [`Console`].
#[no_mangle]
unsafe extern "C" fn fanlight_console_printed(data: *const c_void) {
    // SAFETY: by the caller's promise.
    unsafe { &*data.cast::<KBox<dyn Sink>>() }.printed();
}
