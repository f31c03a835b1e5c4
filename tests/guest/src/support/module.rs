// SPDX-License-Identifier: MIT OR Apache-2.0
//! The test module, tests/module: page-table entries, records from every context, and overlays of
//! the live tree.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use crate::skip;
use crate::support::dev;
use crate::support::sys::{self, Errno};
use crate::support::wait;

const DIRECTORY: &str = "/lib/fanlight-test";
const FILES: &str = "/sys/kernel/debug/fanlight_test";
pub const NAME: &str = "fanlight_test";

const RCU_STALLS_ARE_QUIET: &str = "/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress";

/// Loads the module until this is dropped. The module uses the driver, which can't be removed
/// during that time.
pub struct TestModule {
    pte: OwnedFd,
    kernel_ptes: OwnedFd,
}

impl TestModule {
    /// As [`TestModule::load`], for tests that apply an overlay. Whether they are skipped is asked
    /// first: a skip ends the process, and would leave the module.
    pub fn load_for_overlays() -> Self {
        dev::CARVE_WC.needed();
        Self::load()
    }

    pub fn load() -> Self {
        let path = format!("{DIRECTORY}/{NAME}.ko");
        crate::support::kernel::needs_debugfs();
        let Ok(file) = sys::open(&path, libc::O_RDONLY) else {
            skip!("{path} is not in the image")
        };
        match sys::init_module(file.as_raw_fd()) {
            Ok(_) | Err(Errno::EEXIST) => {}
            Err(refused) => panic!("{path}: {refused:?}"),
        }
        let pte = sys::open(&format!("{FILES}/pte"), libc::O_RDONLY).expect("the module's files");
        let kernel_ptes =
            sys::open(&format!("{FILES}/kernel-ptes"), libc::O_RDONLY).expect("the module's files");
        Self { pte, kernel_ptes }
    }

    /// The page table entries of an address of this process.
    pub fn entry(&self, address: usize) -> Entry {
        let mut bytes = [0; 5 * 8];
        let read = sys::pread(self.pte.as_raw_fd(), &mut bytes, address as i64);
        if read == Err(Errno::EOPNOTSUPP) {
            // A skip ends the process, and the module would stay. Only this file keeps it busy.
            sys::close(self.pte.as_raw_fd());
            let _ = sys::delete_module(NAME);
            skip!("the kernel's page tables are in high memory");
        }
        assert_eq!(read, Ok(bytes.len()), "{address:#x}");
        let [software, hardware, attributes, format, references] = numbers(&bytes);
        Entry {
            software,
            hardware,
            tables: Tables {
                format: Format::of(format),
                attributes,
            },
            references,
        }
    }

    /// The largest number of bytes of this task's kernel stack that were in use while `f` ran, and
    /// the size of the stack. The count includes the system call and the file that reports it.
    pub fn stack_used<R>(&self, f: impl FnOnce() -> R) -> (R, Stack) {
        order("stack", "1");
        let result = f();
        let text = fs::read_to_string(format!("{FILES}/stack")).expect("stack");
        let mut numbers = text
            .split_whitespace()
            .map(|n| n.parse().expect("a number"));
        let mut next = || numbers.next().expect("two numbers");
        let (used, size) = (next(), next());
        (result, Stack { used, size })
    }

    /// Has the mapping at an address of this process read its memory for a debugger.
    pub fn peek(&self, address: usize, len: usize) -> Result<Vec<u8>, Errno> {
        let fd = sys::open(&format!("{FILES}/access"), libc::O_RDONLY).expect("access");
        let mut bytes = vec![0; len];
        let got = sys::pread(fd.as_raw_fd(), &mut bytes, address as i64)?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// Has the mapping at an address of this process write to its memory for a debugger.
    pub fn poke(&self, address: usize, bytes: &[u8]) -> Result<usize, Errno> {
        let fd = sys::open(&format!("{FILES}/access"), libc::O_WRONLY).expect("access");
        sys::pwrite(fd.as_raw_fd(), bytes, address as i64)
    }

    /// The kernel's own mappings of the page that an entry maps.
    pub fn kernel_entries(&self, entry: &Entry) -> Vec<KernelEntry> {
        let mut bytes = [0; 16 * 3 * 8];
        let address = entry.address();
        let fd = self.kernel_ptes.as_raw_fd();
        let len = sys::pread(fd, &mut bytes, address as i64)
            .unwrap_or_else(|e| panic!("the kernel's mappings of {address:#x}: {e:?}"));
        let mappings = bytes[..len].chunks_exact(3 * 8);
        mappings
            .map(|mapping| {
                let [address, hardware, is_section] = numbers(mapping);
                KernelEntry {
                    address,
                    hardware,
                    is_section: is_section != 0,
                    tables: entry.tables,
                }
            })
            .collect()
    }

    /// Records and refusals so far, over all contexts.
    pub fn counts(&self) -> Counts {
        let text = fs::read_to_string(format!("{FILES}/counts")).expect("counts");
        let mut sum = Counts::default();
        for line in text.lines() {
            let mut numbers = line
                .split(' ')
                .skip(1)
                .map(|n| n.parse::<u64>().expect("a number"));
            let mut next = || numbers.next().expect("three numbers");
            let (written, busy, other) = (next(), next(), next());
            sum.written += written;
            sum.busy += busy;
            sum.other += other;
        }
        sum
    }

    /// Has records written from every context on this process's processor.
    pub fn flood(&self, count: usize, writer: usize, mark: &str) {
        order("flood", &format!("{count} {writer} {mark}"));
    }

    /// Has messages printed from a hard interrupt and under a raw spinlock.
    pub fn printk(&self, count: usize, writer: usize, mark: &str) {
        order("printk", &format!("{count} {writer} {mark}"));
    }

    /// Has a message printed, MARK begins, and one that continues it, MARK goes on.
    pub fn cont(&self, mark: &str) {
        order("cont", &format!("0 0 {mark}"));
    }

    /// Disables interrupts on other processors, prints a message, and loops on this processor. On a
    /// busy host it may be half a minute until the host resets the machine: until then, the
    /// kernel's own watchdogs would report the intended hang.
    pub fn hang(&self, off: Off, others: &[usize], mark: &str) -> ! {
        for (watchdog, off) in [
            (RCU_STALLS_ARE_QUIET, "1"),
            ("/sys/module/workqueue/parameters/watchdog_thresh", "0"),
            ("/proc/sys/kernel/watchdog", "0"),
        ] {
            // What a kernel has not cannot report anything.
            if Path::new(watchdog).exists() {
                fs::write(watchdog, off).unwrap_or_else(|error| panic!("{watchdog}: {error}"));
            }
        }
        let others = others.iter().fold(0, |bits, other| bits | (1 << other));
        order("hang", &format!("{} {others} {mark}", off as u32));
        unreachable!("the processor hangs");
    }

    /// Disables interrupts on this processor for some milliseconds.
    pub fn stall(&self, ms: u32) {
        order("stall", &format!("{ms} 0 stall"));
    }

    /// Ends this process by an oops. The module cannot be removed any more.
    pub fn oops(&self) -> ! {
        order("oops", "1");
        unreachable!("an oops ends the process");
    }

    /// Ends this process by an oops while it owns the log's lock.
    pub fn oops_with_lock(&self) -> ! {
        order("oops", "locked");
        unreachable!("an oops ends the process");
    }

    /// Handles a sysrq key, in a hard interrupt.
    pub fn sysrq(&self, key: char) {
        order("sysrq", &key.to_string());
    }
}

fn order(file: &str, text: &str) {
    let fd = sys::open(&format!("{FILES}/{file}"), libc::O_WRONLY).expect(file);
    assert_eq!(
        sys::write(fd.as_raw_fd(), text.as_bytes()),
        Ok(text.len()),
        "{file}: {text}"
    );
}

impl Drop for TestModule {
    fn drop(&mut self) {
        // Only the files that this has open keep it busy.
        let null = || sys::open("/dev/null", libc::O_RDONLY).expect("/dev/null");
        self.pte = null();
        self.kernel_ptes = null();
        let removed = sys::delete_module(NAME);
        assert!(
            removed.is_ok() || std::thread::panicking(),
            "rmmod {NAME}: {removed:?}"
        );
    }
}

/// The facility that is disabled on a processor that hangs.
#[derive(Clone, Copy, Debug)]
pub enum Off {
    Preemption = 0,
    Interrupts = 1,
    Softirqs = 2,
}

/// Bytes of a kernel stack.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    pub used: usize,
    pub size: usize,
}

/// Outcomes of the records that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub written: u64,
    /// Refused: too many were writing.
    pub busy: u64,
    pub other: u64,
}

/// Numbers of 64 bits, as the module's files have them.
fn numbers<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let number = |i: usize| u64::from_ne_bytes(bytes[8 * i..8 * i + 8].try_into().unwrap());
    std::array::from_fn(number)
}

/// A page-table entry, Linux's and the processor's, with what gives it its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub software: u64,
    pub hardware: u64,
    tables: Tables,
    /// References to the page, if it is one of the kernel's.
    pub references: u64,
}

/// An entry of the kernel's page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelEntry {
    /// The kernel's address of the page.
    pub address: u64,
    pub hardware: u64,
    /// It maps more than a page.
    pub is_section: bool,
    tables: Tables,
}

impl KernelEntry {
    /// What the processor makes of the entry.
    pub fn memory(&self) -> Memory {
        self.tables.memory(self.hardware, self.is_section)
    }
}

/// The format of page-table entries: the values of tests/module/helpers.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// 32-bit ARM.
    Short,
    /// 32-bit ARM with LPAE.
    Long,
    Arm64,
}

impl Format {
    fn of(number: u64) -> Self {
        match number {
            0 => Self::Short,
            1 => Self::Long,
            2 => Self::Arm64,
            _ => panic!("format {number} is not known"),
        }
    }
}

/// What gives the bits of the entries their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tables {
    format: Format,
    /// MAIR_EL1, MAIR1 and MAIR0, or NMRR and PRRR.
    attributes: u64,
}

impl Tables {
    /// The memory type of an entry.
    fn memory(&self, hardware: u64, is_section: bool) -> Memory {
        match self.format {
            Format::Short => self.short(hardware, is_section),
            Format::Long | Format::Arm64 => self.long(hardware),
        }
    }

    /// ARM Architecture Reference Manual for ARMv7, B3.8.3: short descriptors, TEX remap.
    fn short(&self, hardware: u64, is_section: bool) -> Memory {
        let (prrr, nmrr) = (self.attributes & 0xffff_ffff, self.attributes >> 32);
        let tex = if is_section { 12 } else { 6 };
        let n = (((hardware >> tex) & 1) << 2) | ((hardware >> 2) & 3);
        match (prrr >> (2 * n)) & 3 {
            0 => Memory::StronglyOrdered,
            1 => Memory::Device,
            2 => Memory::Normal(
                Policy::of(nmrr >> (2 * n)),
                Policy::of(nmrr >> (2 * n + 16)),
            ),
            _ => panic!("reserved memory type {n}"),
        }
    }

    /// The same manual, B4.1.104, and that for ARMv8, D24.2: MAIR, of which AttrIndx chooses a
    /// byte.
    fn long(&self, hardware: u64) -> Memory {
        let n = (hardware >> 2) & 7;
        let attributes = (self.attributes >> (8 * n)) & 0xff;
        let policy = |bits| match bits {
            4 => Policy::NonCacheable,
            0b1000..=0b1011 => Policy::WriteThrough,
            0b1101 | 0b1111 => Policy::WriteBackAllocate,
            0b1100 | 0b1110 => Policy::WriteBack,
            _ => panic!("memory attributes {attributes:#x} are not known"),
        };
        match attributes {
            0 => Memory::StronglyOrdered,
            4 => Memory::Device,
            _ => Memory::Normal(policy(attributes & 0xf), policy(attributes >> 4)),
        }
    }
}

/// What the processor may do with accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// ARMv8: Device-nGnRnE.
    StronglyOrdered,
    /// ARMv8: Device-nGnRE.
    Device,
    /// Normal memory with these inner and outer cache policies.
    Normal(Policy, Policy),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    NonCacheable,
    WriteBackAllocate,
    WriteThrough,
    WriteBack,
}

impl Policy {
    fn of(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::NonCacheable,
            1 => Self::WriteBackAllocate,
            2 => Self::WriteThrough,
            _ => Self::WriteBack,
        }
    }
}

impl Entry {
    /// Nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.hardware == 0
    }

    /// Linux's name for the memory type, `L_PTE_MT_*`, if it has an entry of its own.
    pub fn software_type(&self) -> Option<u64> {
        match self.tables.format {
            Format::Short => Some((self.software >> 2) & 0xf),
            Format::Long => Some((self.software >> 2) & 7),
            Format::Arm64 => None,
        }
    }

    /// What the processor makes of the entry.
    pub fn memory(&self) -> Memory {
        assert_eq!(
            (self.hardware >> 1) & 1,
            1,
            "not a page: {:#x}",
            self.hardware
        );
        self.tables.memory(self.hardware, false)
    }

    /// Whether user space may write, by the hardware's entry.
    pub fn is_writable(&self) -> bool {
        let (read_only, user) = match self.tables.format {
            Format::Short => (9, 5),
            Format::Long | Format::Arm64 => (7, 6),
        };
        (self.hardware >> read_only) & 1 == 0 && (self.hardware >> user) & 1 == 1
    }

    /// Whether user space may execute it, by the hardware's entry.
    pub fn is_executable(&self) -> bool {
        let never = match self.tables.format {
            Format::Short => 0,
            // XN, UXN
            Format::Long | Format::Arm64 => 54,
        };
        (self.hardware >> never) & 1 == 0
    }

    /// The page's physical address.
    pub fn address(&self) -> u64 {
        let bits = match self.tables.format {
            Format::Short => 32,
            Format::Long => 40,
            Format::Arm64 => 48,
        };
        self.hardware & ((1 << bits) - 1) & !0xfff
    }
}

/// The node that tests/dts/runtime.dtso adds.
pub const RUNTIME: &str = "fanlight-runtime";

/// Applies tests/dts/runtime.dtso to the live tree until this is dropped.
pub struct Overlay(());

impl Overlay {
    /// Applies it and waits for the device nodes.
    pub fn apply(_module: &TestModule) -> Self {
        let blob = fs::read(format!("{DIRECTORY}/runtime.dtbo")).expect("runtime.dtbo");
        let fd = sys::open(&format!("{FILES}/overlay"), libc::O_WRONLY).expect("overlay");
        assert_eq!(
            sys::write(fd.as_raw_fd(), &blob),
            Ok(blob.len()),
            "the overlay"
        );
        assert!(
            wait::until(|| dev::is_bound(RUNTIME)),
            "{RUNTIME} is in the tree and is not bound"
        );
        dev::wait_for_node(RUNTIME);
        Self(())
    }

    /// Takes it out of the tree: all of it is gone when this returns.
    pub fn remove(self) {}
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let fd =
            sys::open(&format!("{FILES}/overlay-remove"), libc::O_WRONLY).expect("overlay-remove");
        let removed = sys::write(fd.as_raw_fd(), b"1");
        assert!(
            removed.is_ok() || std::thread::panicking(),
            "removing the overlay: {removed:?}"
        );
    }
}
