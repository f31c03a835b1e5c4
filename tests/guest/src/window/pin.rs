// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages of contiguous windows that the kernel pins for a program: direct I/O, vmsplice(), and pins
//! that are held while the window is unbound.

use std::os::fd::{AsRawFd, OwnedFd};

use crate::support::dev::{self, Unbound, BIG, CONTIG, CONTIG_PFN, SCRATCH};
use crate::support::io_uring::{Op, Ring};
use crate::support::mem::PAGE;
use crate::support::sys::{self, Errno};
use crate::tests;

tests! {
    any_cma:
        window_pin_direct_io_writes_and_reads_contiguous_pages,
        window_pin_io_uring_accepts_contiguous_pages_as_fixed_buffers,
        window_pin_vmsplice_accepts_contiguous_pages,
        window_pin_outlives_the_window,
        window_pin_of_pfn_mapping_is_efault;
}

/// A disk that is read and written without the page cache.
fn disk() -> OwnedFd {
    // Of tmpfs, direct I/O is a copy.
    let disk = ["/dev/vda", "/dev/mmcblk0"].into_iter().find_map(|path| {
        let fd = sys::open(path, libc::O_RDWR | libc::O_DIRECT).ok()?;
        (sys::lseek(fd.as_raw_fd(), 0, libc::SEEK_END).ok()? >= 64 * PAGE as i64).then_some(fd)
    });
    let Some(disk) = disk else {
        crate::skip!("no block device to write to directly")
    };
    disk
}

fn seek(disk: &OwnedFd, to: usize) {
    assert_eq!(
        sys::lseek(disk.as_raw_fd(), to as i64, libc::SEEK_SET),
        Ok(to as i64)
    );
}

fn window_pin_direct_io_writes_and_reads_contiguous_pages() {
    let disk = disk();
    // The contents are restored: the system may run from this disk.
    let mut saved = vec![0_u8; 17 * PAGE];
    let start = saved.as_ptr().align_offset(PAGE);
    seek(&disk, 16 * PAGE);
    let kept = sys::read(disk.as_raw_fd(), &mut saved[start..start + 16 * PAGE]).expect("a read");
    for spec in [SCRATCH, CONTIG, BIG] {
        let map = spec.open().map();
        map.fill(61);
        let expected = map.copy(0, 16 * PAGE);
        seek(&disk, 16 * PAGE);
        let written = sys::write_from(disk.as_raw_fd(), map.at, 16 * PAGE);
        assert_eq!(written, Ok(16 * PAGE), "{}", spec.name);
        map.fill(0);
        seek(&disk, 16 * PAGE);
        let read = sys::read_at(disk.as_raw_fd(), map.at, 16 * PAGE);
        assert_eq!(read, Ok(16 * PAGE), "{}", spec.name);
        assert!(map.copy(0, 16 * PAGE) == expected, "{}", spec.name);
    }
    seek(&disk, 16 * PAGE);
    let restored = sys::write(disk.as_raw_fd(), &saved[start..start + kept]);
    assert_eq!(restored, Ok(kept));
}

fn window_pin_io_uring_accepts_contiguous_pages_as_fixed_buffers() {
    let path = "/tmp/fanlight-io-uring";
    let file = sys::open(path, libc::O_RDWR | libc::O_CREAT).expect(path);
    let _ = std::fs::remove_file(path);
    for spec in [SCRATCH, CONTIG, BIG] {
        let map = spec.open().map();
        map.fill(65);
        let expected = map.copy(0, 16 * PAGE);
        let ring = Ring::new();
        assert_eq!(ring.register(&map), Ok(0), "{}", spec.name);
        let transfer = |op| ring.transfer(op, file.as_raw_fd(), 0, map.at, 16 * PAGE);
        assert_eq!(transfer(Op::WriteFixed), Ok(16 * PAGE), "{}", spec.name);
        map.fill(0);
        assert_eq!(transfer(Op::ReadFixed), Ok(16 * PAGE), "{}", spec.name);
        assert!(map.copy(0, 16 * PAGE) == expected, "{}", spec.name);
    }
    let map = CONTIG_PFN.open().map();
    assert_eq!(Ring::new().register(&map), Err(Errno::EFAULT));
}

fn window_pin_vmsplice_accepts_contiguous_pages() {
    for spec in [CONTIG, BIG] {
        let map = spec.open().map();
        map.fill(62);
        let (output, input) = sys::pipe();
        assert_eq!(
            sys::vmsplice(input.as_raw_fd(), map.at, 2 * PAGE),
            Ok(2 * PAGE)
        );
        let mut bytes = vec![0; 2 * PAGE];
        assert_eq!(sys::read(output.as_raw_fd(), &mut bytes), Ok(2 * PAGE));
        assert!(bytes == map.copy(0, 2 * PAGE), "{}", spec.name);
    }
}

fn window_pin_outlives_the_window() {
    for spec in [CONTIG, BIG] {
        let (output, input) = sys::pipe();
        let map = spec.open().map();
        map.fill(63);
        let expected = map.copy(PAGE, 2 * PAGE);
        assert_eq!(
            sys::vmsplice(input.as_raw_fd(), map.at + PAGE, 2 * PAGE),
            Ok(2 * PAGE)
        );
        let unbound = Unbound::new(spec.node);
        assert!(map.load32(PAGE).is_err(), "{}", spec.name);
        // The same memory, except for the pages in the pipe, which cannot be allocated again as
        // long as they are there.
        drop(unbound);
        dev::wait_for_node(spec.node);
        let again = spec.open().map();
        again.fill(64);
        let mut bytes = vec![0; 2 * PAGE];
        assert_eq!(sys::read(output.as_raw_fd(), &mut bytes), Ok(2 * PAGE));
        assert!(bytes == expected, "{}", spec.name);
        assert_eq!(again.differs(64), None, "{}", spec.name);
    }
}

fn window_pin_of_pfn_mapping_is_efault() {
    let disk = disk();
    let map = CONTIG_PFN.open().map();
    seek(&disk, 0);
    assert_eq!(
        sys::write_from(disk.as_raw_fd(), map.at, PAGE),
        Err(Errno::EFAULT)
    );
}
