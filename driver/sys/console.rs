// SPDX-License-Identifier: GPL-2.0-only

//! The callbacks of printk and others: an nbcon console, a dumper, the tick, changes of the wall
//! clock, and records of other modules.
//!
//! C headers: [`include/linux/console.h`](srctree/include/linux/console.h),
//! [`include/linux/kmsg_dump.h`](srctree/include/linux/kmsg_dump.h)
//!
//! bindgen leaves `struct console` opaque, so the structures and their callbacks are in
//! `console.c`, `dump.c`, `tick.c`, `clock.c` and `log.c`. The callbacks end in the functions at
//! the end of this file, which call a [`Sink`].
//!
//! A console gets only messages whose level is below `console_loglevel`. But its thread also passes
//! the suppressed ones, and unlocks the device after each message: [`Sink::passed`] then reads the
//! suppressed messages from printk's buffer.

use super::ffi;
use core::ptr::NonNull;
use kernel::{
    device::Device,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*,
    sync::Arc, //
};

/// The functions that printk, the clock and other modules call. They must not print.
pub(crate) trait Sink: Send + Sync + 'static {
    /// A message in the extended form of `/dev/kmsg`, in the console's thread.
    fn line(&self, text: &[u8]);

    /// A message in an emergency: in any context, NMI and panic included. May interrupt any other
    /// call.
    fn line_atomic(&self, text: &[u8]);

    /// The console has passed all messages before `next`, a number modulo 2^32. `each`: this was
    /// called for each of them.
    fn passed(&self, next: u32, each: bool);

    /// The kernel dumps its log. Any context; must not wait.
    fn dumping(&self, reason: Reason);

    /// A record of another module, in any context.
    fn record(&self, level: u8, text: &[u8]) -> Result;

    /// The wall clock was set. Called in hard interrupt context.
    fn clock_set(&self);

    /// About half a second has passed. `stuck`: [`Sink::tick`] was not called yet for an earlier
    /// tick, so tasks may not run any longer. Called in hard interrupt context, also on PREEMPT_RT.
    fn ticked(&self, stuck: bool);

    /// Called in task context soon after [`Sink::ticked`].
    fn tick(&self);
}

/// Why the kernel dumps its log: `enum kmsg_dump_reason`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The kernel panics: the other processors are stopped.
    Panic,
    /// An orderly shutdown or reboot: all devices are shut down.
    Shutdown,
    /// An oops, or an emergency restart.
    Other,
}

/// All registrations through which a [`Sink`] is called. Dropping it removes them.
///
/// # Invariants
///
/// The pointers are from the C functions that make them, have not been freed, and have
/// `sink` as their data, which is a pointer to the sink that `owner` keeps.
pub(crate) struct Console<S: Sink> {
    console: NonNull<ffi::Console>,
    dumper: Option<NonNull<ffi::Dumper>>,
    clock: Option<NonNull<ffi::Clock>>,
    tick: Option<NonNull<ffi::Tick>>,
    target: Option<NonNull<ffi::Target>>,
    sink: NonNull<SinkRef>,
    owner: Arc<S>,
}

/// The data of the C side.
struct SinkRef(NonNull<dyn Sink>);

// SAFETY: each of these may be freed by any thread, and the sink is `Send`.
unsafe impl<S: Sink> Send for Console<S> {}
// SAFETY: there are no methods on `&Console`.
unsafe impl<S: Sink> Sync for Console<S> {}

impl<S: Sink> Console<S> {
    /// Registers a console with the name `fanlight<index>`. Before [`Console::start`], only
    /// [`Sink::dumping`] may be called.
    pub(crate) fn new(sink: Arc<S>, index: i16) -> Result<Self> {
        let target: &dyn Sink = &*sink;
        let data = KBox::new(SinkRef(NonNull::from(target)), GFP_KERNEL)?;
        let data = NonNull::from(KBox::leak(data));
        let raw: *mut c_void = data.as_ptr().cast();
        // SAFETY: the data is a leaked box, valid until `drop` takes it back.
        let console = unsafe { ffi::fanlight_console_new(raw, index) };
        let Some(console) = NonNull::new(console) else {
            // SAFETY: leaked above; no console was created, so nothing else has the pointer.
            drop(unsafe { KBox::from_raw(data.as_ptr()) });
            return Err(ENOMEM);
        };
        // INVARIANT: just made, with `data` as its data.
        let mut this = Self {
            console,
            dumper: None,
            clock: None,
            tick: None,
            target: None,
            sink: data,
            owner: sink,
        };
        // SAFETY: the console was made above and is not registered yet. Its data is a `SinkRef`
        // that `drop` frees after the console.
        to_result(unsafe { ffi::fanlight_console_register(this.console.as_ptr()) })?;
        // SAFETY: the data lives until `drop` has freed what refers to it.
        this.dumper = NonNull::new(from_err_ptr(unsafe { ffi::fanlight_dumper_new(raw) })?);
        Ok(this)
    }

    /// Starts all calls of the sink. printk begins to replay its buffer. A part that fails is
    /// reported and left out.
    pub(crate) fn start(&mut self, dev: &Device) {
        let raw: *mut c_void = self.sink.as_ptr().cast();
        let log: *const S = &*self.owner;
        // SAFETY: the console is registered, and the data and the sink live until `drop` has freed
        // what refers to them. `record` is made for this type of sink.
        let (clock, tick, target) = unsafe {
            ffi::fanlight_console_start(self.console.as_ptr());
            (
                from_err_ptr(ffi::fanlight_clock_new(raw)),
                from_err_ptr(ffi::fanlight_tick_new(self.console.as_ptr(), raw)),
                from_err_ptr(ffi::fanlight_target_add(record::<S>, log.cast())),
            )
        };
        let failed = [
            ("changes of the wall clock", clock.as_ref().err()),
            ("messages that consoles suppress", tick.as_ref().err()),
            ("records of other modules", target.as_ref().err()),
        ];
        for (what, error) in failed {
            if let Some(error) = error {
                let number = error.to_errno();
                dev_warn!(dev, "window log: it may miss {}: error {}\n", what, number);
            }
        }
        // INVARIANT: just made, with the sink as their data.
        self.clock = clock.ok().and_then(NonNull::new);
        self.tick = tick.ok().and_then(NonNull::new);
        self.target = target.ok().and_then(NonNull::new);
    }
}

impl<S: Sink> Drop for Console<S> {
    fn drop(&mut self) {
        // SAFETY: each pointer is from its own constructor and is freed here only. When each of
        // these returns, no callback of its object runs or will run.
        unsafe {
            // The tick uses the console.
            if let Some(tick) = self.tick {
                ffi::fanlight_tick_free(tick.as_ptr());
            }
            ffi::fanlight_console_free(self.console.as_ptr());
            if let Some(dumper) = self.dumper {
                ffi::fanlight_dumper_free(dumper.as_ptr());
            }
            if let Some(clock) = self.clock {
                ffi::fanlight_clock_free(clock.as_ptr());
            }
            if let Some(target) = self.target {
                ffi::fanlight_target_remove(target.as_ptr());
            }
        }
        // SAFETY: leaked in `new`, and nothing refers to it any more.
        drop(unsafe { KBox::from_raw(self.sink.as_ptr()) });
    }
}

/// # Safety
///
/// `data` must be the data of a live [`Console`].
unsafe fn sink<'a>(data: *const c_void) -> &'a dyn Sink {
    // SAFETY: the data is a `SinkRef`, whose sink the console's owner keeps alive.
    unsafe { (*data.cast::<SinkRef>()).0.as_ref() }
}

/// Called by `console.c`.
///
/// # Safety
///
/// `data` must be the data of a live [`Console`], and `text` be `len` valid bytes that do not
/// change during the call.
#[no_mangle]
unsafe extern "C" fn fanlight_console_line(data: *const c_void, text: *const u8, len: c_uint) {
    // SAFETY: the caller passes the console's data and a line that it owns.
    unsafe { sink(data).line(core::slice::from_raw_parts(text, len as usize)) };
}

/// Called by `console.c`.
///
/// # Safety
///
/// As [`fanlight_console_line`].
#[no_mangle]
unsafe extern "C" fn fanlight_console_line_atomic(
    data: *const c_void,
    text: *const u8,
    len: c_uint,
) {
    // SAFETY: the caller passes the console's data and printk's buffer, which it has made its own.
    unsafe { sink(data).line_atomic(core::slice::from_raw_parts(text, len as usize)) };
}

/// Called by `console.c`.
///
/// # Safety
///
/// `data` must be the data of a live [`Console`].
#[no_mangle]
unsafe extern "C" fn fanlight_console_passed(data: *const c_void, next: u32, each: bool) {
    // SAFETY: the caller passes the console's data.
    unsafe { sink(data) }.passed(next, each);
}

/// Called by `dump.c`.
///
/// # Safety
///
/// `data` must be the data of a live [`Console`].
#[no_mangle]
unsafe extern "C" fn fanlight_dumping(data: *const c_void, panic: bool, shutdown: bool) {
    let reason = match (panic, shutdown) {
        (true, _) => Reason::Panic,
        (_, true) => Reason::Shutdown,
        _ => Reason::Other,
    };
    // SAFETY: the caller passes the console's data.
    unsafe { sink(data) }.dumping(reason);
}

/// Called by `log.c` for other modules.
///
/// # Safety
///
/// `log` must be a live `S`, and `text` be `len` valid bytes that do not change during the call.
unsafe extern "C" fn record<S: Sink>(
    log: *const c_void,
    level: c_uint,
    text: *const u8,
    len: usize,
) -> c_int {
    if level > 7 {
        return EINVAL.to_errno();
    }
    // SAFETY: the caller passes the sink of a live `Console` and a text that it owns.
    let (sink, text) = unsafe { (&*log.cast::<S>(), core::slice::from_raw_parts(text, len)) };
    // The level fits.
    match sink.record(level as u8, text) {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}

/// Called by `clock.c`.
///
/// # Safety
///
/// `data` must be the data of a live [`Console`].
#[no_mangle]
unsafe extern "C" fn fanlight_clock_set(data: *const c_void) {
    // SAFETY: the caller passes the console's data.
    unsafe { sink(data) }.clock_set();
}

/// Called by `tick.c`.
///
/// # Safety
///
/// `data` must be the data of a live [`Console`].
#[no_mangle]
unsafe extern "C" fn fanlight_ticked(data: *const c_void, stuck: bool) {
    // SAFETY: the caller passes the console's data.
    unsafe { sink(data) }.ticked(stuck);
}

/// Called by `tick.c`.
///
/// # Safety
///
/// `data` must be the data of a live [`Console`].
#[no_mangle]
unsafe extern "C" fn fanlight_ticking(data: *const c_void) {
    // SAFETY: the caller passes the console's data.
    unsafe { sink(data) }.tick();
}
