// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGBUS on a mapping that the driver has taken away.
//!
//! Unbinding the driver revokes every mapping: the next touch raises SIGBUS. A program that asked for it survives that: the
//! handler puts zero pages over the whole mapping, marks it revoked, and lets the access run again. Everything that uses the
//! mapping looks at the mark afterwards and reports the revocation as an error.
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
    revoked: AtomicBool,
}

impl Slot {
    const fn new() -> Self {
        Self {
            used: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            revoked: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
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
                slot.revoked.store(false, Ordering::Relaxed);
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
    // Not BUS_ADRALN: an access that is not aligned is a mistake of the program, and no revocation.
    if code == libc::BUS_ADRERR && slots().any(|slot| replace(slot, address)) {
        return;
    }
    // SAFETY: by our own precondition.
    unsafe { pass_on(signal, info, context) };
}

/// Puts zero pages over the slot's mapping if the address is in it.
fn replace(slot: &Slot, address: usize) -> bool {
    let start = slot.start.load(Ordering::Acquire);
    let len = slot.len.load(Ordering::Relaxed);
    if start == 0 || address < start || address - start >= len {
        return false;
    }
    // SAFETY: errno of this thread; the interrupted code may be about to read it.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the range is a live mapping of ours that only `Memory` uses, and `Memory` allows its bytes to change at any
    // time. Zero pages in place of pages that fault take nothing away from anybody.
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
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    if mapped as usize != start {
        return false;
    }
    slot.revoked.store(true, Ordering::Release);
    true
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
