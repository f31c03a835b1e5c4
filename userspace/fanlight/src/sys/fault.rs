// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGBUS on a mapping: the driver has taken it away, or no device responds at the address.
//!
//! Unbinding the driver revokes every mapping: the next touch raises SIGBUS. A program that asked for it survives that: the
//! handler puts zero pages over the whole mapping, marks it revoked, and lets the access run again. Everything that uses the
//! mapping looks at the mark afterwards and reports the revocation as an error.
//!
//! An access to a register that does not respond raises SIGBUS too, with another `si_code`. The
//! handler does the same and notes the offset. The thread that uses the mapping then reports a bus
//! error, and maps the device again: see `Mapping::restore` in `memory.rs`.
//!
//! The handler only reads atomics and makes one system call (mmap), so it is async-signal-safe. A SIGBUS anywhere else goes
//! to the handler that was there before.

use std::boxed::Box;
use std::io;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::OnceLock;

/// A mapping that the handler knows.
pub(crate) struct Slot {
    used: AtomicBool,
    /// 0 while there is no mapping.
    start: AtomicUsize,
    len: AtomicUsize,
    /// [`INTACT`], [`REVOKED`], or the offset of a bus error plus one.
    state: AtomicUsize,
}

const INTACT: usize = 0;
const REVOKED: usize = usize::MAX;

/// What happened to a mapping, in place of which there are zero pages now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The driver has taken it away.
    Revoked,
    /// No device responded at this offset.
    BusError(usize),
}

impl Slot {
    const fn new() -> Self {
        Self {
            used: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            state: AtomicUsize::new(INTACT),
        }
    }

    /// What happened to the mapping, if zero pages are in its place.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.state.load(Ordering::Acquire) {
            INTACT => None,
            REVOKED => Some(Fault::Revoked),
            state => Some(Fault::BusError(state - 1)),
        }
    }

    /// The device is mapped again.
    pub(super) fn restored(&self) {
        self.state.store(INTACT, Ordering::Release);
    }

    /// The device cannot be mapped any more, and zero pages are in its place.
    pub(super) fn revoked(&self) {
        self.state.store(REVOKED, Ordering::Release);
    }

    /// The mapping is about to go.
    pub(crate) fn release(&self) {
        self.start.store(0, Ordering::Release);
        self.used.store(false, Ordering::Release);
    }
}

/// Slots live in blocks that are never freed, so that the handler needs no lock.
struct Block {
    slots: [Slot; 16],
    next: AtomicPtr<Block>,
}

impl Block {
    const fn new() -> Self {
        Self {
            slots: [const { Slot::new() }; 16],
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn next(&self) -> Option<&'static Block> {
        // SAFETY: it is null, or was made from a leaked box by `register` and stored with release order.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }
}

static FIRST: Block = Block::new();

fn slots() -> impl Iterator<Item = &'static Slot> {
    std::iter::successors(Some(&FIRST), |block| block.next()).flat_map(|block| block.slots.iter())
}

/// Makes a mapping known to the handler.
pub(super) fn register(start: usize, len: usize) -> &'static Slot {
    loop {
        for slot in slots() {
            if slot
                .used
                .compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                slot.state.store(INTACT, Ordering::Relaxed);
                slot.len.store(len, Ordering::Relaxed);
                // Last: from here on the handler takes the slot for real.
                slot.start.store(start, Ordering::Release);
                return slot;
            }
        }
        let block = Box::into_raw(Box::new(Block::new()));
        let mut last = &FIRST;
        while let Err(other) =
            last.next
                .compare_exchange(ptr::null_mut(), block, Ordering::AcqRel, Ordering::Acquire)
        {
            // SAFETY: not null, and made as above by another thread.
            last = unsafe { &*other };
        }
    }
}

/// What SIGBUS did before.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once for the process.
pub(crate) fn install() -> io::Result<()> {
    if PREVIOUS.get().is_some() {
        return Ok(());
    }
    // SAFETY: all-zero is a value of this C structure: no handler, no flags, an empty mask.
    let mut previous: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: asks only; `previous` is writable.
    if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &mut previous) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // Kept before the handler is there, because the handler may need it at once. Of two threads the first one goes on.
    if PREVIOUS.set(previous).is_err() {
        return Ok(());
    }
    // SAFETY: as above.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = on_sigbus as *const () as usize;
    // On the alternative stack, where std has set one up for its threads.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: `on_sigbus` has the signature that SA_SIGINFO asks for and is async-signal-safe.
    if unsafe { libc::sigaction(libc::SIGBUS, &action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// # Safety
///
/// Called by the kernel only, with what SA_SIGINFO promises.
unsafe extern "C" fn on_sigbus(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a siginfo_t, whose address is filled in for SIGBUS.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    if handle(code, address) {
        return;
    }
    // SAFETY: by our own precondition.
    unsafe { pass_on(signal, info, context) };
}

/// Handles a SIGBUS at an address. Returns false if it is not one of a mapping of ours.
pub(super) fn handle(code: libc::c_int, address: usize) -> bool {
    let fault: fn(usize) -> Fault = match code {
        // The driver's fault handler, and the kernel's for a mapping without one, find no page.
        libc::BUS_ADRERR => |_| Fault::Revoked,
        // An external abort: 32-bit ARM reports it with the code 0, 64-bit ARM with BUS_OBJERR. A
        // process that sends SIGBUS by kill() makes the code 0 too, with its process id in place of
        // the address: no mapping is at so low an address.
        0 | libc::BUS_OBJERR => Fault::BusError,
        // BUS_ADRALN: an access that is not aligned is a mistake of the program.
        _ => return false,
    };
    slots().any(|slot| replace(slot, address, fault))
}

/// Puts zero pages over the slot's mapping if the address is in it. `fault` makes the fault of the
/// address's offset.
fn replace(slot: &Slot, address: usize, fault: fn(usize) -> Fault) -> bool {
    let start = slot.start.load(Ordering::Acquire);
    let len = slot.len.load(Ordering::Relaxed);
    if start == 0 || address < start || address - start >= len {
        return false;
    }
    // SAFETY: errno of this thread; the interrupted code may be about to read it.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the range is a live mapping of ours that only `Memory` uses.
    let mapped = unsafe { zero_pages(start, len) };
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    if !mapped {
        return false;
    }
    let state = match fault(address - start) {
        Fault::Revoked => REVOKED,
        Fault::BusError(offset) => offset + 1,
    };
    slot.state.store(state, Ordering::Release);
    true
}

/// Puts zero pages over a mapping. Returns false if the kernel refuses.
///
/// # Safety
///
/// The range is a live mapping that only `Memory` uses. `Memory` allows its bytes to change at any
/// time.
pub(super) unsafe fn zero_pages(start: usize, len: usize) -> bool {
    // SAFETY: the caller says that the range is a mapping whose bytes may change at any time, so it
    // may be replaced by another mapping that is readable and writable.
    let mapped = unsafe {
        libc::mmap(
            start as *mut libc::c_void,
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    mapped as usize == start
}

/// Does what would have been done without us.
///
/// # Safety
///
/// As `on_sigbus`.
unsafe fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    if let Some(previous) = PREVIOUS.get() {
        match previous.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {}
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                // SAFETY: with SA_SIGINFO the handler that sigaction() told has this type.
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    unsafe { mem::transmute(handler) };
                return handler(signal, info, context);
            }
            handler => {
                // SAFETY: without SA_SIGINFO the handler has this type.
                let handler: extern "C" fn(libc::c_int) = unsafe { mem::transmute(handler) };
                return handler(signal);
            }
        }
    }
    // SAFETY: the access that faulted runs again and the process ends as it would have.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}
