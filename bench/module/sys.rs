// SPDX-License-Identifier: GPL-2.0-only

//! Safe functions over `helpers.c`.

use kernel::{
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

extern "C" {
    fn fanlight_bench_run(kind: c_int, len: usize, count: usize) -> i64;
    fn fanlight_bench_worst(kind: c_int, len: usize, count: usize) -> i64;
    fn fanlight_bench_emit(kind: c_int, len: usize, first: usize, count: usize, pause: usize);
    fn fanlight_bench_console(on: bool) -> c_int;
    fn fanlight_bench_idle() -> u64;
    fn fanlight_bench_init() -> c_int;
    fn fanlight_bench_exit();
}

/// The peers' buffers, made and ready.
pub(crate) struct Peers(());

impl Peers {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: called once, as the module is loaded.
        to_result(unsafe { fanlight_bench_init() })?;
        Ok(Self(()))
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // SAFETY: `new` created them, and the files that use them were removed before.
        unsafe { fanlight_bench_exit() };
    }
}

/// Nanoseconds that `count` records of `len` bytes took. Its callers hold the mutex: there is one
/// set of buffers.
pub(crate) fn run(kind: i32, len: usize, count: usize) -> Result<u64> {
    // SAFETY: the buffers exist while a `Peers` does; an unknown kind does nothing.
    let ns = unsafe { fanlight_bench_run(kind, len, count) };
    u64::try_from(ns).map_err(|_| EINVAL)
}

/// Nanoseconds that the slowest of `count` records took.
pub(crate) fn worst(kind: i32, len: usize, count: usize) -> Result<u64> {
    // SAFETY: The buffers exist while a `Peers` does, and the caller holds the mutex that
    // serialises their use.
    let ns = unsafe { fanlight_bench_worst(kind, len, count) };
    u64::try_from(ns).map_err(|_| EINVAL)
}

/// Makes `count` records whose texts contain their numbers, and sleeps for `pause` microseconds
/// after each.
pub(crate) fn emit(kind: i32, len: usize, first: usize, count: usize, pause: usize) {
    // SAFETY: no preconditions; the arguments are numbers.
    unsafe { fanlight_bench_emit(kind, len, first, count, pause) };
}

/// Registers the console that discards messages, or unregisters it.
pub(crate) fn console(on: bool) -> Result {
    // SAFETY: The caller holds the mutex, so that no other thread registers or unregisters the
    // console at the same time.
    to_result(unsafe { fanlight_bench_console(on) })
}

/// Nanoseconds for which this processor was idle.
pub(crate) fn idle() -> u64 {
    // SAFETY: no preconditions.
    unsafe { fanlight_bench_idle() }
}
