// SPDX-License-Identifier: MIT OR Apache-2.0
//! Accesses to a mapping by other ways: core dumps, /proc/pid/mem, direct I/O (docs/test-plan.md,
//! rows 14 to 16).

use std::fs;
use std::os::fd::AsRawFd;

use crate::support::child::Child;
use crate::support::dev::{
    Spec, CARVE_WC, EACH_BACKING, LOG, PAGE_MAPPED, PFN_MAPPED, REGS, TABLE,
};
use crate::support::kernel;
use crate::support::mem::{Map, PAGE};
use crate::support::sys::{self, Ended, Errno};
use crate::tests;

tests! {
    quick:
        window_core_dump_completes_without_the_windows,
        window_proc_mem_reads_page_mappings,
        window_proc_mem_never_writes_the_log,
        window_proc_mem_of_pfn_mapping_is_eio,
        window_vmsplice_from_pfn_mapping_is_efault,
        window_vmsplice_from_log_works,
        window_direct_io_from_pfn_mapping_is_efault,
        window_plain_write_from_any_window_works;
}

/// Restores the pattern of core dumps when it is dropped.
struct CorePattern(String);

impl CorePattern {
    const FILE: &'static str = "/proc/sys/kernel/core_pattern";

    fn set(pattern: &str) -> Self {
        let before = fs::read_to_string(Self::FILE)
            .unwrap_or_else(|_| crate::skip!("the kernel has no core dumps"));
        fs::write(Self::FILE, pattern).expect("core_pattern");
        Self(before)
    }
}

impl Drop for CorePattern {
    fn drop(&mut self) {
        let _ = fs::write(Self::FILE, &self.0);
    }
}

/// The PT_LOAD segments of an ELF core of this architecture: address and size in the file.
fn segments(core: &[u8]) -> Vec<(usize, usize)> {
    const WORD: usize = size_of::<usize>();
    let long = |at: usize| usize::from_le_bytes(core[at..at + WORD].try_into().unwrap());
    let word = |at: usize| u32::from_le_bytes(core[at..at + 4].try_into().unwrap());
    let half = |at: usize| usize::from(u16::from_le_bytes(core[at..at + 2].try_into().unwrap()));
    let class = if WORD == 4 {
        b"\x7fELF\x01"
    } else {
        b"\x7fELF\x02"
    };
    assert_eq!(&core[..5], class, "a core of this architecture");
    // e_phoff follows e_ident, 8 more bytes and e_entry; e_phentsize follows e_phoff, e_shoff and 6
    // bytes. p_vaddr and p_filesz are longs 2 and 4 of a program header, whose first word is the
    // type. In a 64-bit file, p_flags follows the type.
    let (offset, size, count) = (
        long(24 + WORD),
        half(24 + 3 * WORD + 6),
        half(24 + 3 * WORD + 8),
    );
    (0..count)
        .map(|i| offset + i * size)
        .filter(|&at| word(at) == 1)
        .map(|at| (long(at + 2 * WORD), long(at + 4 * WORD)))
        .collect()
}

fn window_core_dump_completes_without_the_windows() {
    let path = "/tmp/fanlight-test-core";
    let _ = fs::remove_file(path);
    let pattern = CorePattern::set(path);
    let (log, fb, table) = (LOG.open().map(), CARVE_WC.open().map(), TABLE.open().map());
    for map in [&log, &fb, &table] {
        map.load32(0).unwrap();
    }
    let child = Child::spawn(|| {
        fs::write("/proc/self/coredump_filter", "0xff").expect("coredump_filter");
        let limit = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: the structure outlives the call; abort ends this child only.
        unsafe {
            libc::setrlimit(libc::RLIMIT_CORE, &limit);
            libc::abort()
        }
    });
    assert_eq!(child.wait(), Ended::Signal(libc::SIGABRT));
    drop(pattern);
    let core = fs::read(path).expect("a core file");
    let _ = fs::remove_file(path);
    let segments = segments(&core);
    assert!(
        segments.iter().any(|&(_, size)| size > 0),
        "the core has something in it"
    );
    for (map, name) in [(&log, "log"), (&fb, "carve-out"), (&table, "table")] {
        let range = map.at..map.at + map.len;
        for (address, size) in &segments {
            assert!(
                !range.contains(address) || *size == 0,
                "{name}: {size} bytes at {address:#x}"
            );
        }
    }
}

fn own_memory(flags: i32) -> std::os::fd::OwnedFd {
    sys::open("/proc/self/mem", flags).expect("/proc/self/mem")
}

fn window_proc_mem_reads_page_mappings() {
    let mem = own_memory(libc::O_RDONLY);
    for spec in PAGE_MAPPED {
        let map = spec.open().map();
        map.fill(71);
        // By a mapping that has no page yet.
        let other = spec.open().map();
        let mut bytes = vec![0; PAGE];
        assert_eq!(
            sys::pread(mem.as_raw_fd(), &mut bytes, (other.at + PAGE) as i64),
            Ok(PAGE),
            "{}",
            spec.name
        );
        assert_eq!(bytes, map.copy(PAGE, PAGE), "{}", spec.name);
    }
    let log = LOG.open().map();
    let mut magic = [0; 4];
    assert_eq!(
        sys::pread(mem.as_raw_fd(), &mut magic, log.at as i64),
        Ok(4)
    );
    assert_eq!(Ok(u32::from_ne_bytes(magic)), log.load32(0));
}

fn window_proc_mem_never_writes_the_log() {
    let mem = own_memory(libc::O_RDWR);
    let log = LOG.open().map();
    let before = log.load32(0);
    assert_eq!(
        sys::pwrite(mem.as_raw_fd(), &[0xff; 4], log.at as i64),
        Err(Errno::EIO)
    );
    assert_eq!(log.load32(0), before);
}

/// On arm64, the driver serves such accesses to all but registers: see `debugger.rs`.
fn window_proc_mem_of_pfn_mapping_is_eio() {
    let mem = own_memory(libc::O_RDWR);
    let is_served = |spec: &Spec| kernel::is_arm64() && spec.name != REGS.name;
    for spec in PFN_MAPPED.iter().filter(|spec| !is_served(spec)) {
        let map = spec.open().map();
        map.store32(0, 0x7e57).unwrap();
        let mut bytes = [0; 4];
        assert_eq!(
            sys::pread(mem.as_raw_fd(), &mut bytes, map.at as i64),
            Err(Errno::EIO),
            "{}",
            spec.name
        );
        assert_eq!(
            sys::pwrite(mem.as_raw_fd(), &bytes, map.at as i64),
            Err(Errno::EIO),
            "{}",
            spec.name
        );
        assert_eq!(map.load32(0), Ok(0x7e57), "{}", spec.name);
    }
}

fn window_vmsplice_from_pfn_mapping_is_efault() {
    for spec in PFN_MAPPED {
        let map = spec.open().map();
        let (_output, input) = sys::pipe();
        assert_eq!(
            sys::vmsplice(input.as_raw_fd(), map.at, PAGE),
            Err(Errno::EFAULT),
            "{}",
            spec.name
        );
    }
}

fn window_vmsplice_from_log_works() {
    let map = LOG.open().map();
    let (output, input) = sys::pipe();
    assert_eq!(sys::vmsplice(input.as_raw_fd(), map.at, 4), Ok(4));
    let mut magic = [0; 4];
    assert_eq!(sys::read(output.as_raw_fd(), &mut magic), Ok(4));
    assert_eq!(Ok(u32::from_ne_bytes(magic)), map.load32(0));
}

fn window_direct_io_from_pfn_mapping_is_efault() {
    // On a disk: tmpfs has no direct I/O and copies instead.
    let disk = ["/dev/vda", "/dev/mmcblk0"].into_iter().find_map(|path| {
        let fd = sys::open(path, libc::O_RDWR | libc::O_DIRECT).ok()?;
        (sys::lseek(fd.as_raw_fd(), 0, libc::SEEK_END).ok()? >= PAGE as i64).then_some(fd)
    });
    let Some(disk) = disk else {
        crate::skip!("no block device to write to directly")
    };
    let map = CARVE_WC.open().map();
    sys::lseek(disk.as_raw_fd(), 0, libc::SEEK_SET).unwrap();
    assert_eq!(
        sys::write_from(disk.as_raw_fd(), map.at, PAGE),
        Err(Errno::EFAULT)
    );
}

fn window_plain_write_from_any_window_works() {
    let path = "/tmp/fanlight-test-plain";
    for spec in EACH_BACKING {
        let map: Map = spec.open().map();
        map.fill(72);
        let file = sys::open(path, libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC).unwrap();
        assert_eq!(
            sys::write_from(file.as_raw_fd(), map.at, 2 * PAGE),
            Ok(2 * PAGE),
            "{}",
            spec.name
        );
        assert_eq!(
            fs::read(path).unwrap(),
            map.copy(0, 2 * PAGE),
            "{}",
            spec.name
        );
    }
    let _ = fs::remove_file(path);
}
