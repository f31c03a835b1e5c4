// SPDX-License-Identifier: MIT OR Apache-2.0
//! One io_uring request at a time, as asynchronous runtimes submit them. Layout:
//! include/uapi/linux/io_uring.h.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{fence, Ordering};

use crate::support::mem::{Map, RW};
use crate::support::sys::{self, Errno, Result};

/// `IORING_OP_*`.
#[derive(Clone, Copy)]
pub enum Op {
    ReadFixed = 4,
    WriteFixed = 5,
    Read = 22,
    Write = 23,
}

const REGISTER_BUFFERS: usize = 0;
const ENTER_GETEVENTS: usize = 1;
const FEAT_SINGLE_MMAP: u32 = 1;
/// `IORING_OFF_SQES`, in pages.
const SQES_PAGE: usize = 0x1000_0000 / 4096;

/// `struct io_sqring_offsets` and `struct io_cqring_offsets`, which differ in their names.
#[repr(C)]
#[derive(Default)]
struct Offsets {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    /// `flags`, `overflow`.
    fifth: u32,
    /// `dropped`, `cqes`.
    sixth: u32,
    /// `array`, `flags`.
    seventh: u32,
    reserved: u32,
    user_addr: [u32; 2],
}

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Default)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle: u32,
    features: u32,
    wq_fd: u32,
    reserved: [u32; 3],
    sq: Offsets,
    cq: Offsets,
}

/// A submission and a completion queue.
pub struct Ring {
    fd: OwnedFd,
    params: Params,
    rings: Map,
    entries: Map,
}

impl Ring {
    /// Skips the test where the kernel has no io_uring.
    pub fn new() -> Self {
        let mut params = Params::default();
        let fd = match sys::io_uring_setup(1, &raw mut params as usize) {
            Err(Errno::ENOSYS) => crate::skip!("the kernel has no io_uring"),
            fd => fd.expect("io_uring_setup"),
        };
        // SAFETY: the kernel has just made it for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
        assert!(params.features & FEAT_SINGLE_MMAP != 0);
        let map = |len, page| Map::new(fd.as_raw_fd(), len, RW, libc::MAP_SHARED, page);
        let (rings, entries) = (map(4096, 0), map(4096, SQES_PAGE));
        Self {
            params,
            rings: rings.expect("the rings"),
            entries: entries.expect("the entries"),
            fd,
        }
    }

    /// Registers `map` as the fixed buffer of this ring.
    pub fn register(&self, map: &Map) -> Result<usize> {
        let buffer = libc::iovec {
            iov_base: map.at as *mut libc::c_void,
            iov_len: map.len,
        };
        let buffer = &raw const buffer as usize;
        sys::io_uring_register(self.fd.as_raw_fd(), REGISTER_BUFFERS, buffer, 1)
    }

    /// Transfers `len` bytes between a file at `offset` and memory, and waits for the end.
    pub fn transfer(&self, op: Op, fd: RawFd, offset: u64, at: usize, len: usize) -> Result<usize> {
        let word = |at: u32| self.rings.load32(at as usize).expect("the ring");
        let set = |at: u32, value| self.rings.store32(at as usize, value).expect("the ring");
        let Params { sq, cq, .. } = &self.params;
        let tail = word(sq.tail);
        // One entry: its index is 0.
        let [low, high] = [offset as u32, (offset >> 32) as u32];
        let address = at as u64;
        let entry = [
            op as u32,
            fd as u32,
            low,
            high,
            address as u32,
            (address >> 32) as u32,
            len as u32,
        ];
        for (place, value) in entry.into_iter().chain([0; 9]).enumerate() {
            let stored = self.entries.store32(4 * place, value);
            stored.expect("the entry");
        }
        set(sq.seventh, 0);
        fence(Ordering::Release);
        set(sq.tail, tail.wrapping_add(1));
        sys::io_uring_enter(self.fd.as_raw_fd(), 1, 1, ENTER_GETEVENTS)?;
        let head = word(cq.head);
        assert_ne!(head, word(cq.tail), "a completion");
        fence(Ordering::Acquire);
        let place = cq.sixth + (head & word(cq.ring_mask)) * 16;
        let result = word(place + 8) as i32;
        set(cq.head, head.wrapping_add(1));
        usize::try_from(result).map_err(|_| Errno(-result))
    }
}
