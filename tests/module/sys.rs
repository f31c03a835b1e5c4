// SPDX-License-Identifier: GPL-2.0-only

//! Safe functions over the C functions of `helpers.h` and over the driver's `fanlight_log()`.

use core::ptr::NonNull;
use kernel::{
    error::to_result,
    ffi::{
        c_char,
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    },
    prelude::*, //
};

/// `struct fanlight_test_pte` of helpers.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Pte {
    pub(crate) software: u64,
    pub(crate) hardware: u64,
    pub(crate) attributes: u64,
    pub(crate) format: u32,
    pub(crate) references: u32,
}

/// `struct fanlight_test_kernel_pte` of helpers.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct KernelPte {
    pub(crate) hardware: u64,
    pub(crate) address: u64,
    pub(crate) is_section: u32,
}

type Callback = unsafe extern "C" fn(*mut c_void);

extern "C" {
    fn fanlight_test_pte(address: usize, out: *mut Pte) -> c_int;
    fn fanlight_test_access(address: usize, buf: *mut c_void, len: c_int, write: bool) -> c_int;
    fn fanlight_test_kernel_ptes(phys: u64, out: *mut KernelPte, max: c_uint) -> c_uint;
    fn fanlight_test_stack_fill();
    fn fanlight_test_stack_used() -> c_uint;
    fn fanlight_test_stack_size() -> c_uint;
    fn fanlight_test_overlay_apply(blob: *const c_void, size: u32, id: *mut c_int) -> c_int;
    fn fanlight_test_overlay_remove(id: c_int);
    fn fanlight_test_run(context: c_int, func: Callback, data: *mut c_void);
    fn fanlight_test_ticker_start(
        hard: bool,
        period_ns: u64,
        func: Callback,
        data: *mut c_void,
    ) -> *mut c_void;
    fn fanlight_test_ticker_stop(ticker: *mut c_void);
    fn fanlight_test_migrate_disable();
    fn fanlight_test_migrate_enable();
    fn fanlight_test_cond_resched();
    fn fanlight_test_printk(text: *const c_char, len: usize);
    fn fanlight_test_cont(text: *const c_char, len: usize);
    fn fanlight_test_oops();
    fn fanlight_test_hang(off: c_int, others: c_ulong, text: *const c_char, len: usize) -> !;
    fn fanlight_test_stall(ms: c_uint);
    fn fanlight_test_sysrq(key: u8);

    fn fanlight_log(level: c_uint, text: *const c_char, len: usize) -> c_int;
}

/// The page-table entry of an address of the current process.
pub(crate) fn pte(address: usize) -> Result<Pte> {
    let mut pte = Pte::default();
    // SAFETY: the structure may be written; the function checks the address.
    to_result(unsafe { fanlight_test_pte(address, &mut pte) })?;
    Ok(pte)
}

/// Calls the `access` operation of the mapping at an address of the current process.
pub(crate) fn access(address: usize, buf: &mut [u8], write: bool) -> Result<usize> {
    let len = c_int::try_from(buf.len())?;
    // SAFETY: the buffer has `len` bytes; the function checks the address.
    let done = unsafe { fanlight_test_access(address, buf.as_mut_ptr().cast(), len, write) };
    to_result(done)?;
    Ok(done as usize)
}

/// The kernel's mappings of the page at a physical address. `E2BIG`: more than `out` has room for.
pub(crate) fn kernel_ptes(phys: u64, out: &mut [KernelPte]) -> Result<&[KernelPte]> {
    let max = c_uint::try_from(out.len())?;
    // SAFETY: `out` may be written for `max` elements.
    let found = unsafe { fanlight_test_kernel_ptes(phys, out.as_mut_ptr(), max) };
    out.get(..found as usize).ok_or(E2BIG)
}

/// Fills the unused part of the current task's stack.
pub(crate) fn stack_fill() {
    // SAFETY: it writes below the stack pointer only. Frames of an interrupt there are removed
    // before this function continues.
    unsafe { fanlight_test_stack_fill() };
}

/// The largest number of bytes of the stack in use since [`stack_fill`].
pub(crate) fn stack_used() -> u32 {
    // SAFETY: it reads the current task's stack only, and ends at the latest at its own frame.
    unsafe { fanlight_test_stack_used() }
}

/// Bytes that a stack has.
pub(crate) fn stack_size() -> u32 {
    // SAFETY: no preconditions.
    unsafe { fanlight_test_stack_size() }
}

/// Applies an overlay and returns its number.
pub(crate) fn overlay_apply(blob: &[u8]) -> Result<i32> {
    let mut id = 0;
    let size = u32::try_from(blob.len())?;
    // SAFETY: the blob may be read for its length, which the core checks against the blob's own.
    to_result(unsafe { fanlight_test_overlay_apply(blob.as_ptr().cast(), size, &mut id) })?;
    Ok(id)
}

/// Removes an overlay.
pub(crate) fn overlay_remove(id: i32) {
    // SAFETY: no preconditions: the core looks the number up.
    unsafe { fanlight_test_overlay_remove(id) };
}

/// Where something runs: the values of helpers.h.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(crate) enum Context {
    Task = 0,
    Softirq = 1,
    Hardirq = 2,
    RawLock = 3,
    Nmi = 4,
    IrqWork = 5,
}

/// # Safety
///
/// `data` must point to a live `F`.
unsafe extern "C" fn call<F: Fn() + Sync>(data: *mut c_void) {
    // SAFETY: the caller guarantees that `data` points to a live `F`.
    unsafe { (*data.cast::<F>())() };
}

/// Runs `func` on this processor in `context`, and returns when it is done.
pub(crate) fn run<F: Fn() + Sync>(context: Context, func: &F) {
    let data = core::ptr::from_ref(func).cast_mut().cast();
    // SAFETY: `func` outlives the call, which returns after it has run.
    unsafe { fanlight_test_run(context as c_int, call::<F>, data) };
}

/// Periodically runs a function in an interrupt of this processor.
pub(crate) struct Ticker<'a, F> {
    ticker: NonNull<c_void>,
    _func: &'a F,
}

impl<'a, F: Fn() + Sync> Ticker<'a, F> {
    /// Starts it: in a hard interrupt, or in a soft one. A ticker must not be leaked.
    pub(crate) fn start(hard: bool, period_ns: u64, func: &'a F) -> Result<Self> {
        let data = core::ptr::from_ref(func).cast_mut().cast();
        // SAFETY: `func` outlives the ticker, which is stopped when it is dropped.
        let ticker = unsafe { fanlight_test_ticker_start(hard, period_ns, call::<F>, data) };
        Ok(Self {
            ticker: NonNull::new(ticker).ok_or(ENOMEM)?,
            _func: func,
        })
    }
}

impl<F> Drop for Ticker<'_, F> {
    fn drop(&mut self) {
        // SAFETY: it was started, and is stopped once.
        unsafe { fanlight_test_ticker_stop(self.ticker.as_ptr()) };
    }
}

/// Keeps the current task on its processor.
pub(crate) struct Pinned(());

impl Pinned {
    pub(crate) fn new() -> Self {
        // SAFETY: in task context; undone by drop.
        unsafe { fanlight_test_migrate_disable() };
        Self(())
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: disabled in `new`.
        unsafe { fanlight_test_migrate_enable() };
    }
}

/// Reschedules if necessary. Task context only.
pub(crate) fn breathe() {
    // SAFETY: the callers hold no lock.
    unsafe { fanlight_test_cond_resched() };
}

/// Appends a record to fanlight's log; the error is the driver's.
pub(crate) fn log(level: u32, text: &[u8]) -> Result {
    // SAFETY: the text may be read for its length.
    to_result(unsafe { fanlight_log(level, text.as_ptr().cast(), text.len()) })
}

/// Appends a record whose text cannot be read: an oops while the log is locked.
pub(crate) fn log_from_nowhere() {
    const NOWHERE: usize = 64;
    // SAFETY: nothing is mapped at the address, so the task ends by an oops, as the caller
    // requested.
    unsafe { fanlight_log(6, core::ptr::without_provenance(NOWHERE), 64) };
}

/// Prints a message.
pub(crate) fn printk(text: &[u8]) {
    // SAFETY: the text may be read for its length.
    unsafe { fanlight_test_printk(text.as_ptr().cast(), text.len()) };
}

/// Prints a message, and one that continues it.
pub(crate) fn cont(text: &[u8]) {
    // SAFETY: the text may be read for its length.
    unsafe { fanlight_test_cont(text.as_ptr().cast(), text.len()) };
}

/// Ends the current task by an oops.
pub(crate) fn oops() {
    // SAFETY: no preconditions: the call does not return, and the task holds no lock.
    unsafe { fanlight_test_oops() };
}

/// Prints a message and loops, with the processors in the mask `others` stopped, until a reset.
/// `off` is one of `FANLIGHT_TEST_PREEMPTION` and so on.
pub(crate) fn hang(off: i32, others: usize, text: &[u8]) -> ! {
    // SAFETY: the text is valid for its length, and is read before the loop.
    unsafe { fanlight_test_hang(off, others, text.as_ptr().cast(), text.len()) }
}

/// Disables interrupts on this processor for some milliseconds.
pub(crate) fn stall(ms: u32) {
    // SAFETY: in task context, with interrupts on.
    unsafe { fanlight_test_stall(ms) };
}

/// Handles a sysrq key.
pub(crate) fn sysrq(key: u8) {
    // SAFETY: no preconditions.
    unsafe { fanlight_test_sysrq(key) };
}
