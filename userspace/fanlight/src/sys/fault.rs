// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGBUS on a mapping: the driver has revoked it, or no device responds at the address.
//!
//! Unbinding the driver revokes every mapping: the next access raises SIGBUS. A program that has
//! installed the handler survives that: the handler marks the mapping as revoked, maps zero pages
//! over all of it, and lets the access run again. Everything that uses the mapping checks the mark
//! afterwards and reports the revocation as an error.
//!
//! An access to a register that does not respond also raises SIGBUS, with another `si_code`. The
//! handler does the same and stores the offset. A thread that uses the mapping then reports a bus
//! error, and maps the device again: see `Memory::restore`.
//!
//! Other threads may use the mapping while zero pages are in its place, and while it is mapped
//! again. So each change gives the state ([`Slot::state`]) a number that it never had before. An
//! access reads the state before and after; it is valid if the mapping was intact and the state has
//! not changed. The handler changes the state before it maps the zero pages.
//!
//! The handler only uses atomics and makes one system call (mmap), so it is async-signal-safe. Any
//! other SIGBUS goes to the previous handler.

use std::boxed::Box;
use std::cell::Cell;
use std::io;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::OnceLock;

/// A mapping that is registered with the handler.
pub(crate) struct Slot {
    used: AtomicBool,
    /// 0 while there is no mapping.
    start: AtomicUsize,
    len: AtomicUsize,
    /// One of [`INTACT`], [`ABORTED`] and [`REVOKED`], and the number of changes times [`CHANGE`].
    state: AtomicUsize,
    /// The offset of the last bus error.
    offset: AtomicUsize,
    /// How many handlers are between their change of the state and the end of their system call.
    handlers: AtomicUsize,
    /// A thread is in [`restore`](Self::restore).
    restoring: AtomicBool,
}

/// The device is mapped.
const INTACT: usize = 0;
/// Zero pages are mapped after a bus error.
const ABORTED: usize = 1;
/// Zero pages are mapped permanently.
const REVOKED: usize = 2;
const KIND: usize = 3;
const CHANGE: usize = 4;

/// The result of mapping the device again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restored {
    /// It is mapped.
    Done,
    /// It cannot be mapped now, because of a lack of memory.
    Later,
    /// It can never be mapped again.
    Never,
}

/// Why zero pages are in place of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The driver has revoked it.
    Revoked,
    /// No device responded at this offset.
    BusError(usize),
}

/// The state of a mapping before an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Before(usize);

impl Slot {
    const fn new() -> Self {
        Self {
            used: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            state: AtomicUsize::new(INTACT),
            offset: AtomicUsize::new(0),
            handlers: AtomicUsize::new(0),
            restoring: AtomicBool::new(false),
        }
    }

    /// Must be called before an access that [`fault`](Self::fault) checks.
    #[inline]
    pub(crate) fn before(&self) -> Before {
        Before(self.state.load(Ordering::Acquire))
    }

    /// The fault, if an access since `before` may have seen zero pages.
    #[inline]
    pub(crate) fn fault(&self, before: Before) -> Option<Fault> {
        let state = self.state.load(Ordering::Acquire);
        match state & KIND {
            INTACT if state == before.0 => None,
            REVOKED => Some(Fault::Revoked),
            _ => Some(Fault::BusError(self.offset.load(Ordering::Acquire))),
        }
    }

    /// The fault, if zero pages are in place of the mapping now.
    pub(crate) fn fault_now(&self) -> Option<Fault> {
        self.fault(self.before())
    }

    /// Changes the state. A revocation is final.
    fn mark(&self, kind: usize) {
        let mut state = self.state.load(Ordering::SeqCst);
        while state & KIND != REVOKED {
            let next = (state & !KIND).wrapping_add(CHANGE) | kind;
            match self
                .state
                .compare_exchange(state, next, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => break,
                Err(other) => state = other,
            }
        }
    }

    /// Maps the device again after a bus error, by `map`. If that is not possible now, the next
    /// access tries again.
    ///
    /// Any number of threads may call this at the same time, and handlers may run. One of them
    /// maps, since mapping again what another one has mapped could fail and leave zero pages.
    pub(super) fn restore(&self, mut map: impl FnMut() -> Restored) {
        if self.restoring.swap(true, Ordering::SeqCst) {
            return;
        }
        self.restore_alone(&mut map);
        self.restoring.store(false, Ordering::SeqCst);
    }

    fn restore_alone(&self, map: &mut impl FnMut() -> Restored) {
        loop {
            let state = self.state.load(Ordering::SeqCst);
            if state & KIND != ABORTED {
                return;
            }
            // A handler that changed the state before this read of it may still map zero pages. It
            // makes one system call. A real-time thread has to sleep to let it go on.
            if self.handlers.load(Ordering::SeqCst) != 0 {
                // SAFETY: no preconditions.
                unsafe { libc::usleep(50) };
                continue;
            }
            match map() {
                Restored::Done => {}
                Restored::Later => return,
                Restored::Never => return self.mark(REVOKED),
            }
            let intact = (state & !KIND).wrapping_add(CHANGE) | INTACT;
            // If a handler ran in between, zero pages may be mapped again.
            let stored =
                self.state
                    .compare_exchange(state, intact, Ordering::SeqCst, Ordering::SeqCst);
            if stored.is_ok() {
                return;
            }
        }
    }

    /// Unregisters a mapping before it is unmapped.
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
        // SAFETY: it is null, or was made from a leaked box by `register` and stored with release
        // order.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }
}

static FIRST: Block = Block::new();

fn slots() -> impl Iterator<Item = &'static Slot> {
    std::iter::successors(Some(&FIRST), |block| block.next()).flat_map(|block| block.slots.iter())
}

/// Registers a mapping with the handler.
pub(super) fn register(start: usize, len: usize) -> &'static Slot {
    loop {
        for slot in slots() {
            if slot
                .used
                .compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                // The number may repeat that of an earlier mapping of the slot, none of whose
                // accesses is left.
                slot.state.store(INTACT, Ordering::Relaxed);
                slot.len.store(len, Ordering::Relaxed);
                // Last: from here on the handler uses the slot.
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
            // SAFETY: not null. Another thread allocated the block here, and blocks are never
            // freed.
            last = unsafe { &*other };
        }
    }
}

thread_local! {
    /// The start of the mapping and the offset that this thread stores to, if that is a device;
    /// otherwise 0. Without a destructor, so that the handler can read it.
    static STORING: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// While this exists, it marks that this thread stores to a device.
///
/// The processor continues before a store is complete. If the device does not accept it, that is
/// reported later, without the address: an asynchronous abort. The caller must therefore wait until
/// the store is complete ([`barrier::complete`](crate::barrier::complete)) before this is dropped.
pub(super) struct Storing((usize, usize));

impl Storing {
    #[inline]
    pub(super) fn at(slot: &Slot, offset: usize) -> Self {
        // A handler of another signal may interrupt this thread and store, too.
        Self(STORING.replace((slot.start.load(Ordering::Relaxed), offset)))
    }
}

impl Drop for Storing {
    #[inline]
    fn drop(&mut self) {
        STORING.set(self.0);
    }
}

/// The previous action for SIGBUS.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once for the process.
pub(crate) fn install() -> io::Result<()> {
    /// The error number if that failed.
    static INSTALLED: OnceLock<Option<i32>> = OnceLock::new();
    // Other threads wait.
    match *INSTALLED.get_or_init(|| install_once().err().and_then(|error| error.raw_os_error())) {
        None => Ok(()),
        Some(number) => Err(io::Error::from_raw_os_error(number)),
    }
}

fn install_once() -> io::Result<()> {
    // SAFETY: all-zero is a value of this C structure: no handler, no flags, an empty mask.
    let mut previous: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: asks only; `previous` is writable.
    if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &mut previous) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // Stored before the handler is installed, because the handler may need it at once.
    PREVIOUS.get_or_init(|| previous);
    // SAFETY: all zeros are a valid sigaction.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = on_sigbus as *const () as usize;
    // On the alternative stack, if std has set one up for the thread.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // The handler of another signal would wait forever in `Slot::restore` if it interrupted this
    // one.
    // SAFETY: the mask may be written.
    unsafe { libc::sigfillset(&mut action.sa_mask) };
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
    // SAFETY: `context` is the one that the kernel has passed to this handler of SIGBUS.
    let late = code >= 0 && unsafe { is_asynchronous(context) };
    if handle(code, address, late) {
        return;
    }
    // SAFETY: `info` and `context` are those that the kernel has passed to this handler, and stay
    // valid until it returns.
    unsafe { pass_on(signal, info, context) };
}

/// Whether the kernel reports an asynchronous abort, which has no address. On 32-bit ARM, the fault
/// status shows this (`arch/arm/mm/fsr-2level.c`, `fsr-3level.c`). The status is that of the last
/// fault of this thread, even if another process has sent the signal.
///
/// # Safety
///
/// `context` is what the kernel passes to a handler of SIGBUS.
#[cfg(all(target_arch = "arm", target_os = "linux"))]
unsafe fn is_asynchronous(context: *const libc::c_void) -> bool {
    // SAFETY: the kernel passes a ucontext_t.
    let status = unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.error_code };
    let long_format = status & (1 << 9) != 0;
    if long_format {
        status & 0x3f == 0x11
    } else {
        status & 0x40f == 0x406
    }
}

/// On other architectures the code is sufficient.
///
/// # Safety
///
/// None.
#[cfg(not(all(target_arch = "arm", target_os = "linux")))]
unsafe fn is_asynchronous(_context: *const libc::c_void) -> bool {
    false
}

/// Handles a SIGBUS at `address`, which is invalid for an asynchronous (`late`) abort. Returns
/// false if it does not concern a registered mapping.
pub(super) fn handle(code: libc::c_int, address: usize, late: bool) -> bool {
    let fault: fn(usize) -> Fault = match code {
        // Neither the driver's fault handler nor the kernel's default one finds a page.
        libc::BUS_ADRERR => |_| Fault::Revoked,
        // An external abort: 32-bit ARM reports it with the code 0, 64-bit ARM with BUS_OBJERR. A
        // SIGBUS by kill() also has the code 0, with the sender's process id in place of the
        // address; no mapping is at such a low address.
        0 | libc::BUS_OBJERR => Fault::BusError,
        // BUS_ADRALN: an unaligned access is a bug of the program.
        _ => return false,
    };
    let address = match STORING.get() {
        _ if !late => address,
        // The access is unknown: the address is that of an earlier fault.
        (0, _) => return false,
        // It belongs to the store that this thread waits for.
        (start, offset) => start + offset,
    };
    slots().any(|slot| replace(slot, address, fault))
}

/// Maps zero pages over the slot's mapping if the address is in it. `fault` creates the fault from
/// the offset of the address.
fn replace(slot: &Slot, address: usize, fault: fn(usize) -> Fault) -> bool {
    let start = slot.start.load(Ordering::Acquire);
    let len = slot.len.load(Ordering::Relaxed);
    if start == 0 || address < start || address - start >= len {
        return false;
    }
    slot.handlers.fetch_add(1, Ordering::SeqCst);
    slot.mark(match fault(address - start) {
        Fault::Revoked => REVOKED,
        Fault::BusError(offset) => {
            slot.offset.store(offset, Ordering::SeqCst);
            ABORTED
        }
    });
    // SAFETY: errno of this thread; the interrupted code may be about to read it.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the range is a live mapping of ours that only `Memory` uses.
    let mapped = unsafe { zero_pages(start, len) };
    // SAFETY: errno belongs to this thread, and the code that the handler interrupts does not run
    // before the handler returns.
    unsafe { *libc::__errno_location() = errno };
    slot.handlers.fetch_sub(1, Ordering::SeqCst);
    mapped
}

/// Maps zero pages over a mapping. Returns false if the kernel refuses.
///
/// # Safety
///
/// The range is a live mapping that only `Memory` uses. `Memory` allows its bytes to change at any
/// time.
pub(super) unsafe fn zero_pages(start: usize, len: usize) -> bool {
    // SAFETY: the caller guarantees that the range is a mapping whose bytes may change at any time,
    // so it may be replaced by another mapping that is readable and writable.
    let mapped = unsafe {
        libc::mmap(
            start as *mut libc::c_void,
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            // A window may be larger than all memory.
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    mapped as usize == start
}

/// Maps zero pages where mremap() has unmapped its target and then failed. If it failed before, the
/// zero pages of the handler are still there, and nothing changes.
///
/// Another thread may have mapped memory there since mremap() failed. That cannot be noticed.
///
/// # Safety
///
/// The range is a mapping that only `Memory` uses, or one that it had until the failure of
/// mremap().
pub(super) unsafe fn fill_hole(start: *mut libc::c_void, len: usize) {
    // SAFETY: the range is replaced only where nothing is mapped.
    let filled = unsafe {
        libc::mmap(
            start,
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE
                | libc::MAP_ANONYMOUS
                | libc::MAP_FIXED_NOREPLACE
                | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if filled != start && io::Error::last_os_error().raw_os_error() != Some(libc::EEXIST) {
        // The kernel has no memory, or knows no MAP_FIXED_NOREPLACE and has mapped elsewhere.
        // `Memory` would access and unmap what comes to this place next.
        std::process::abort();
    }
}

/// Blocks the signals that the kernel would have blocked for the previous handler, which may leave
/// it by longjmp().
///
/// # Safety
///
/// `context` is what the kernel passes to a handler of SIGBUS.
unsafe fn as_before(previous: &libc::sigaction, context: *const libc::c_void) {
    // SAFETY: the kernel passes a ucontext_t. The sets are only read; the old one is not wanted.
    unsafe {
        let mut blocked = (*context.cast::<libc::ucontext_t>()).uc_sigmask;
        if previous.sa_flags & libc::SA_NODEFER == 0 {
            libc::sigaddset(&mut blocked, libc::SIGBUS);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &blocked, ptr::null_mut());
        libc::pthread_sigmask(libc::SIG_BLOCK, &previous.sa_mask, ptr::null_mut());
    }
}

/// Passes the signal to the previous action.
///
/// # Safety
///
/// As `on_sigbus`.
unsafe fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: `info` is the siginfo_t that the kernel has passed to `on_sigbus`, which has not
    // returned yet.
    let code = unsafe { (*info).si_code };
    // 32-bit ARM also reports external aborts with the code of kill(). If one were ignored, its
    // access would run again forever.
    let sent = code < 0 || (code == 0 && !cfg!(target_arch = "arm"));
    if let Some(previous) = PREVIOUS.get() {
        match previous.sa_sigaction {
            // A fault ends the process anyway.
            libc::SIG_IGN if sent => return,
            libc::SIG_DFL | libc::SIG_IGN => {}
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                // SAFETY: `context` is the one that the kernel has passed to `on_sigbus`, a handler
                // of SIGBUS, which has not returned yet.
                unsafe { as_before(previous, context) };
                // SAFETY: with SA_SIGINFO the handler that sigaction() returned has this type.
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    unsafe { mem::transmute(handler) };
                return handler(signal, info, context);
            }
            handler => {
                // SAFETY: `context` is the one that the kernel has passed to `on_sigbus`, a handler
                // of SIGBUS, which has not returned yet.
                unsafe { as_before(previous, context) };
                // SAFETY: without SA_SIGINFO the handler has this type.
                let handler: extern "C" fn(libc::c_int) = unsafe { mem::transmute(handler) };
                return handler(signal);
            }
        }
    }
    // SAFETY: the default action ends the process, as without this handler.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // An access that faulted runs again and faults again. An access that was reported late does
    // not, and a sender does not repeat its signal, so raise it. It is blocked until the handler
    // returns.
    // SAFETY: `context` is the one that the kernel has passed to `on_sigbus`, a handler of SIGBUS,
    // which has not returned yet.
    if code <= 0 || unsafe { is_asynchronous(context) } {
        // SAFETY: no preconditions.
        unsafe { libc::raise(signal) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_that_cannot_be_mapped_again_now_is_mapped_later() {
        let slot = Slot::new();
        slot.mark(ABORTED);
        slot.restore(|| Restored::Later);
        assert_eq!(slot.fault_now(), Some(Fault::BusError(0)));
        slot.restore(|| Restored::Done);
        assert_eq!(slot.fault_now(), None);
        slot.mark(ABORTED);
        slot.restore(|| Restored::Never);
        assert_eq!(slot.fault_now(), Some(Fault::Revoked));
    }

    /// The handler of another signal may use a window, too, and must not wait for a SIGBUS handler
    /// that it has interrupted.
    #[test]
    fn window_handler_is_interrupted_by_no_other_signal() {
        install().unwrap();
        // SAFETY: all-zero is a value of this C structure.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        // SAFETY: asks only; `action` is writable.
        unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &mut action) };
        for signal in [libc::SIGALRM, libc::SIGTERM, libc::SIGUSR1] {
            // SAFETY: the set was filled in by the kernel.
            assert_eq!(unsafe { libc::sigismember(&action.sa_mask, signal) }, 1);
        }
    }

    /// A signal that another process sends does not belong to a mapping, and no access faults
    /// again.
    #[test]
    fn window_signal_that_was_sent_ends_the_process_as_without_the_handler() {
        use std::os::unix::process::ExitStatusExt;

        const NAME: &str = "window_signal_that_was_sent_ends_the_process_as_without_the_handler";
        if std::env::var_os("FANLIGHT_TEST_DIE").is_some() {
            // The standard library has its own handler.
            // SAFETY: no other thread of this process uses the handler.
            unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
            install().unwrap();
            // SAFETY: no preconditions.
            unsafe { libc::kill(libc::getpid(), libc::SIGBUS) };
            std::thread::sleep(std::time::Duration::from_secs(1));
            std::process::exit(0);
        }
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("sys::fault::tests::{NAME}")])
            .env("FANLIGHT_TEST_DIE", "1")
            .output();
        let status = output.unwrap().status;
        if cfg!(target_arch = "arm") && status.code() == Some(127) {
            // Under an emulator that cannot start programs of its own architecture.
            return;
        }
        assert_eq!(status.signal(), Some(libc::SIGBUS), "{status:?}");
    }

    /// mremap() may have unmapped its target when it fails.
    #[test]
    fn window_leaves_no_hole_where_it_cannot_be_mapped_again() {
        // In a process of its own: another thread could map memory in the hole.
        if !in_a_process("window_leaves_no_hole_where_it_cannot_be_mapped_again") {
            return;
        }
        let len = 1 << 16;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new memory, wherever there is room. Nothing else uses it, and it is accessed only
        // while it is mapped.
        unsafe {
            let start = libc::mmap(ptr::null_mut(), len, access, flags, -1, 0);
            let byte = start.cast::<u8>();
            byte.write_volatile(7);
            fill_hole(start, len);
            assert_eq!(byte.read_volatile(), 7, "what is mapped stays");
            libc::munmap(start, len);
            fill_hole(start, len);
            assert_eq!(byte.read_volatile(), 0);
        }
        std::process::exit(SUCCESS);
    }

    const SUCCESS: i32 = 93;

    /// Runs this test in a process of its own, and checks that it succeeds there. Returns whether
    /// this is that process.
    fn in_a_process(name: &str) -> bool {
        if std::env::var_os("FANLIGHT_TEST_HOLE").is_some() {
            return true;
        }
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("sys::fault::tests::{name}")])
            .env("FANLIGHT_TEST_HOLE", "1")
            .output();
        let status = output.unwrap().status;
        // 127: under an emulator that cannot start programs of its own kind.
        if !cfg!(target_arch = "arm") || status.code() != Some(127) {
            assert_eq!(status.code(), Some(SUCCESS), "{status:?}");
        }
        false
    }
}
