// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mappings, and accesses to them that may fault: a SIGBUS or SIGSEGV is a result, not the end of
//! the test.

use std::os::fd::RawFd;

use crate::support::sys::{self, Errno};

pub const PAGE: usize = 4096;
pub const R: i32 = libc::PROT_READ;
pub const W: i32 = libc::PROT_WRITE;
pub const RW: i32 = R | W;
pub const X: i32 = libc::PROT_EXEC;

/// The fault of an access. The signal handler fills it in.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub signal: i32,
    /// `si_code`, e.g. BUS_ADRERR.
    pub code: i32,
}

impl Fault {
    /// There is no memory at the address: the fault handler returned VM_FAULT_SIGBUS.
    pub const BUS: Self = Self {
        signal: libc::SIGBUS,
        code: libc::BUS_ADRERR,
    };
    /// The mapping doesn't allow it.
    pub const DENIED: Self = Self {
        signal: libc::SIGSEGV,
        code: 2, /* SEGV_ACCERR */
    };
    /// There is no mapping.
    pub const UNMAPPED: Self = Self {
        signal: libc::SIGSEGV,
        code: 1, /* SEGV_MAPERR */
    };
}

// Each accessor is one instruction and the return. If the instruction faults, the handler writes
// the fault to where the last argument points and resumes at the return address.
#[cfg(target_arch = "arm")]
core::arch::global_asm!(
    ".arm",
    ".text",
    ".balign 4",
    // Their types mark them as ARM code for the linker, since the rest may be Thumb code.
    ".type guest_load32, %function",
    ".type guest_store32, %function",
    ".type guest_access_end, %function",
    ".global guest_load32, guest_store32, guest_access_end",
    "guest_load32: ldr r0, [r0]",
    "bx lr",
    "guest_store32: str r1, [r0]",
    "bx lr",
    "guest_access_end: nop",
);
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".text",
    ".balign 4",
    ".type guest_load32, %function",
    ".type guest_store32, %function",
    ".type guest_access_end, %function",
    ".global guest_load32, guest_store32, guest_access_end",
    "guest_load32: ldr w0, [x0]",
    "ret",
    "guest_store32: str w1, [x0]",
    "ret",
    "guest_access_end: nop",
);

#[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
extern "C" {
    fn guest_load32(address: usize, fault: *mut Fault) -> u32;
    fn guest_store32(address: usize, value: u32, fault: *mut Fault);
    fn guest_access_end();
}

/// The registers of an accessor at its first instruction.
#[cfg(target_arch = "arm")]
mod registers {
    pub fn pc(machine: &libc::mcontext_t) -> usize {
        machine.arm_pc as usize
    }

    /// The second and the third argument.
    pub fn arguments(machine: &libc::mcontext_t) -> [usize; 2] {
        [machine.arm_r1, machine.arm_r2].map(|register| register as usize)
    }

    /// Makes it return 0.
    pub fn leave(machine: &mut libc::mcontext_t) {
        machine.arm_r0 = 0;
        // A caller in Thumb code is at an odd address.
        const THUMB: libc::c_ulong = 1 << 5;
        machine.arm_cpsr = (machine.arm_cpsr & !THUMB) | ((machine.arm_lr & 1) * THUMB);
        machine.arm_pc = machine.arm_lr & !1;
    }
}

#[cfg(target_arch = "aarch64")]
mod registers {
    pub fn pc(machine: &libc::mcontext_t) -> usize {
        machine.pc as usize
    }

    /// The second and the third argument.
    pub fn arguments(machine: &libc::mcontext_t) -> [usize; 2] {
        [machine.regs[1], machine.regs[2]].map(|register| register as usize)
    }

    /// Makes it return 0.
    pub fn leave(machine: &mut libc::mcontext_t) {
        machine.regs[0] = 0;
        machine.pc = machine.regs[30];
    }
}

#[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let (load, store, end) = (
        guest_load32 as *const () as usize,
        guest_store32 as *const () as usize,
        guest_access_end as *const () as usize,
    );
    // SAFETY: the kernel passes a context and an info that are ours until we return. The registers
    // of an access are what the assembly above has them be.
    unsafe {
        let machine = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext;
        let pc = registers::pc(machine);
        if !(load..end).contains(&pc) {
            // Not one of ours: let it kill the process, as it would have.
            libc::signal(signal, libc::SIG_DFL);
            return;
        }
        let place = registers::arguments(machine)[usize::from(pc >= store)];
        *(place as *mut Fault) = Fault {
            signal,
            code: (*info).si_code,
        };
        registers::leave(machine);
    }
}

/// From here on, a fault in [`load32`] and [`store32`] is a result.
pub fn catch_faults() {
    #[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
    // SAFETY: all zero is a valid sigaction; the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction =
            on_fault as extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut());
    }
}

/// Loads a word, or returns the fault.
pub fn load32(address: usize) -> Result<u32, Fault> {
    #[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
    {
        let mut fault = Fault { signal: 0, code: 0 };
        // SAFETY: a bad address is caught by the handler; nothing of Rust's is at the addresses
        // that tests use.
        let value = unsafe { guest_load32(address, &mut fault) };
        if fault.signal == 0 {
            Ok(value)
        } else {
            Err(fault)
        }
    }
    #[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
    // SAFETY: only to compile the tests on another machine; they run on ARM.
    Ok(unsafe { std::ptr::read_volatile(address as *const u32) })
}

/// Stores a word, or returns the fault.
pub fn store32(address: usize, value: u32) -> Result<(), Fault> {
    #[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
    {
        let mut fault = Fault { signal: 0, code: 0 };
        // SAFETY: the handler catches a fault of the store. The addresses that tests use are in
        // mappings of their own, where Rust has no objects.
        unsafe { guest_store32(address, value, &mut fault) };
        if fault.signal == 0 {
            Ok(())
        } else {
            Err(fault)
        }
    }
    #[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
    {
        // SAFETY: only to compile the tests on another machine; they run on ARM.
        unsafe { std::ptr::write_volatile(address as *mut u32, value) };
        Ok(())
    }
}

/// A mapping. Dropping it unmaps the memory.
#[derive(Debug)]
pub struct Map {
    pub at: usize,
    pub len: usize,
}

impl Map {
    /// Maps shared, wherever there is room.
    pub fn shared(fd: RawFd, len: usize, prot: i32) -> Result<Self, Errno> {
        Self::new(fd, len, prot, libc::MAP_SHARED, 0)
    }

    /// The general case; `page` is the offset in pages.
    pub fn new(fd: RawFd, len: usize, prot: i32, flags: i32, page: usize) -> Result<Self, Errno> {
        Ok(Self {
            at: sys::mmap(0, len, prot, flags, fd, page)?,
            len,
        })
    }

    /// Reserves address space without memory, to map into.
    pub fn nothing(len: usize) -> Self {
        Self::new(
            -1,
            len,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            0,
        )
        .expect("address space")
    }

    pub fn load32(&self, offset: usize) -> Result<u32, Fault> {
        load32(self.at + offset)
    }

    pub fn store32(&self, offset: usize, value: u32) -> Result<(), Fault> {
        store32(self.at + offset, value)
    }

    /// A copy of a part, word by word, so that any memory type will do.
    pub fn copy(&self, offset: usize, len: usize) -> Vec<u8> {
        assert_eq!((offset % 4, len % 4), (0, 0));
        (offset..offset + len)
            .step_by(4)
            .flat_map(|at| self.load32(at).expect("readable").to_ne_bytes())
            .collect()
    }

    /// Writes a pattern that differs from word to word and from seed to seed.
    pub fn fill(&self, seed: u32) {
        for offset in (0..self.len).step_by(4) {
            self.store32(offset, pattern(seed, offset))
                .expect("writable");
        }
    }

    /// The first word that is not what [`fill`](Self::fill) wrote.
    pub fn differs(&self, seed: u32) -> Option<usize> {
        (0..self.len)
            .step_by(4)
            .find(|&offset| self.load32(offset) != Ok(pattern(seed, offset)))
    }

    pub fn pages(&self) -> impl Iterator<Item = usize> {
        (0..self.len).step_by(PAGE)
    }

    /// Loads a word of each page, and returns how many faults that caused. Panics if there is no
    /// page.
    pub fn faults(&self) -> i64 {
        // This program's own code and stack cause faults as well, when they are used the first
        // time.
        let own = [0_u8; PAGE];
        std::hint::black_box(&own);
        let load = |address| {
            load32(address).expect("a page");
        };
        faults_of(&[own.as_ptr() as usize & !3], load);
        faults_of(&self.addresses(), load)
    }

    /// Stores a word to each page, and returns how many faults that caused. Panics if there is no
    /// page, or if it cannot be written to.
    pub fn faults_of_stores(&self) -> i64 {
        let mut own = [0_u8; PAGE];
        std::hint::black_box(&mut own);
        let store = |address| store32(address, 0).expect("a writable page");
        faults_of(&[own.as_mut_ptr() as usize & !3], store);
        faults_of(&self.addresses(), store)
    }

    fn addresses(&self) -> Vec<usize> {
        self.pages().map(|page| self.at + page).collect()
    }
}

#[inline(never)]
fn faults_of(addresses: &[usize], touch: impl Fn(usize)) -> i64 {
    let before = sys::minor_faults();
    for &address in addresses {
        touch(address);
    }
    sys::minor_faults() - before
}

pub fn pattern(seed: u32, offset: usize) -> u32 {
    (seed ^ offset as u32)
        .wrapping_mul(0x9e37_79b1)
        .rotate_left(7)
        ^ seed
}

impl Drop for Map {
    fn drop(&mut self) {
        let _ = sys::munmap(self.at, self.len);
    }
}
