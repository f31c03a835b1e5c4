// SPDX-License-Identifier: GPL-2.0-only

//! fanlight_bench: the producers that `make bench` compares, which exist only inside the kernel.
//! Never shipped.
//!
//! Files below `/sys/kernel/debug/fanlight_bench/`, one user at a time:
//!
//! - `run`, written `KIND LEN COUNT`: does the work `COUNT` times; then `result` holds the
//!   nanoseconds it took;
//! - `worst`, written the same: then `result` holds the nanoseconds that the slowest of them took;
//! - `emit`, written `KIND LEN FIRST COUNT PAUSE`: makes records that contain their numbers, from
//!   `FIRST` on, and sleeps for `PAUSE` microseconds after each;
//! - `console`, written `1` or `0`: registers a console that discards messages, or unregisters it;
//! - `result`, read: the result of the last `run` or `worst`;
//! - `idle`, read: nanoseconds for which the processor was idle since boot.
//!
//! Both are hexadecimal: 32-bit ARM kernels have no division of 64-bit numbers for Rust's decimals.
//! The kinds are in `helpers.h`. Loading the module also makes a UIO device of 1 MiB of scattered
//! pages.

mod sys;

use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    uaccess::UserSliceReader, //
};

module! {
    type: BenchModule,
    name: "fanlight_bench",
    authors: ["The fanlight authors"],
    description: "The producers of fanlight's benchmarks",
    license: "GPL v2",
}

#[pin_data]
struct State {
    #[pin]
    result: Mutex<u64>,
}

/// Reads as many numbers as there are in `N`.
fn numbers<const N: usize>(from: &mut UserSliceReader) -> Result<[usize; N]> {
    let mut text = [0; 64];
    let len = from.len();
    from.read_slice(text.get_mut(..len).ok_or(EINVAL)?)?;
    let text = core::str::from_utf8(text.get(..len).ok_or(EINVAL)?).map_err(|_| EINVAL)?;
    let mut words = text.split_ascii_whitespace();
    let mut all = [0; N];
    for number in &mut all {
        *number = words.next().and_then(|word| word.parse().ok()).ok_or(EINVAL)?;
    }
    Ok(all)
}

fn run(state: &Arc<State>, from: &mut UserSliceReader) -> Result {
    let [kind, len, count] = numbers(from)?;
    let mut result = state.result.lock();
    *result = sys::run(i32::try_from(kind)?, len, count)?;
    Ok(())
}

fn worst(state: &Arc<State>, from: &mut UserSliceReader) -> Result {
    let [kind, len, count] = numbers(from)?;
    let mut result = state.result.lock();
    *result = sys::worst(i32::try_from(kind)?, len, count)?;
    Ok(())
}

fn emit(state: &Arc<State>, from: &mut UserSliceReader) -> Result {
    let [kind, len, first, count, pause] = numbers(from)?;
    let _one_at_a_time = state.result.lock();
    sys::emit(i32::try_from(kind)?, len, first, count, pause);
    Ok(())
}

fn console(state: &Arc<State>, from: &mut UserSliceReader) -> Result {
    let [on] = numbers(from)?;
    let _one_at_a_time = state.result.lock();
    sys::console(on != 0)
}

fn result(state: &Arc<State>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{:x}", *state.result.lock())
}

fn idle(_state: &Arc<State>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{:x}", sys::idle())
}

/// The files are dropped first. That waits for their users, which also use the buffers.
struct BenchModule {
    _files: KVec<Pin<KBox<File<Arc<State>>>>>,
    _dir: Dir,
    _peers: sys::Peers,
}

impl kernel::Module for BenchModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let peers = sys::Peers::new()?;
        let dir = Dir::new(c"fanlight_bench");
        let state = Arc::pin_init(
            pin_init!(State { result <- new_mutex!(0) }),
            GFP_KERNEL,
        )?;
        let mut files = KVec::new();
        let file = dir.write_callback_file(c"run", state.clone(), &run);
        files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
        let file = dir.write_callback_file(c"worst", state.clone(), &worst);
        files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
        let file = dir.write_callback_file(c"console", state.clone(), &console);
        files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
        let file = dir.write_callback_file(c"emit", state.clone(), &emit);
        files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
        let file = dir.read_callback_file(c"result", state.clone(), &result);
        files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
        let file = dir.read_callback_file(c"idle", state, &idle);
        files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
        Ok(Self {
            _files: files,
            _dir: dir,
            _peers: peers,
        })
    }
}
