// SPDX-License-Identifier: GPL-2.0-only

//! The callbacks of mappings: thin trampolines into [`Mapping`].
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::{
    mapping::{
        Fault,
        Mapping, //
    },
    AssertSync,
    PAGE_SIZE, //
};
use core::mem::align_of;
use kernel::{
    bindings,
    build_assert::static_assert,
    error::{
        code::EIO,
        Result, //
    },
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    mm::virt::{
        flags,
        VmaRef, //
    },
    sync::atomic::Relaxed, //
};

/// For mappings whose pages are mapped by mmap.
pub(super) static VM_OPS: AssertSync<bindings::vm_operations_struct> =
    AssertSync(bindings::vm_operations_struct {
        open: Some(vm_open),
        close: Some(vm_close),
        mapped: Some(vm_mapped),
        access: Some(vm_access),
        ..pin_init::zeroed()
    });

/// For mappings whose pages faults insert, the first time or again.
pub(super) static FAULT_VM_OPS: AssertSync<bindings::vm_operations_struct> =
    AssertSync(bindings::vm_operations_struct {
        open: Some(vm_open),
        close: Some(vm_close),
        mapped: Some(vm_mapped),
        fault: Some(vm_fault),
        map_pages: Some(vm_map_pages),
        ..pin_init::zeroed()
    });

/// # Safety
///
/// `vma` must be a mapping made by [`Mapping::map`].
unsafe fn mapping_of<'a>(vma: *mut bindings::vm_area_struct) -> &'a Mapping {
    // SAFETY: `Mapping::map` set the private data, which the mapping's file keeps alive;
    // `vm_mapped` added no more than the mark.
    unsafe {
        let private = (*vma).vm_private_data;
        &*private.map_addr(|at| at & !COUNTED).cast::<Mapping>()
    }
}

/// A mark in the private data of a mapping that was counted: the core also calls `close` for a
/// mapping that it could not complete and for which it did not call `mapped`. A fork or split
/// copies the mark.
const COUNTED: usize = 1;
static_assert!(align_of::<Mapping>() > COUNTED);

/// # Safety
///
/// As for [`mapping_of`].
unsafe fn is_counted(vma: *mut bindings::vm_area_struct) -> bool {
    // SAFETY: the mapping is valid as long as a callback for it runs. Its private data changes only
    // while mmap() creates it, under the mmap lock; `open` and `close` come after that.
    unsafe { (*vma).vm_private_data }.addr() & COUNTED != 0
}

/// # Safety
///
/// Called by the core for a mapping made by [`Mapping::map`].
unsafe extern "C" fn vm_open(vma: *mut bindings::vm_area_struct) {
    // SAFETY: the core calls this for a mapping with these operations, which only `Mapping::map`
    // sets, together with the private data.
    let (this, counted) = unsafe { (mapping_of(vma), is_counted(vma)) };
    if counted {
        this.counters.maps.fetch_add(1, Relaxed);
    }
}

/// # Safety
///
/// Called by the core for a mapping made by [`Mapping::map`].
unsafe extern "C" fn vm_close(vma: *mut bindings::vm_area_struct) {
    // SAFETY: the core calls this for a mapping with these operations, which only `Mapping::map`
    // sets, together with the private data.
    let (this, counted) = unsafe { (mapping_of(vma), is_counted(vma)) };
    if counted {
        this.counters.maps.fetch_sub(1, Relaxed);
    } else {
        this.abandoned();
    }
}

/// # Safety
///
/// Called by the core for a mapping made by [`Mapping::map`]; `private` points to its private data.
unsafe extern "C" fn vm_mapped(
    _start: c_ulong,
    _end: c_ulong,
    _pgoff: c_ulong,
    _file: *const bindings::file,
    private: *mut *mut c_void,
) -> c_int {
    // SAFETY: `private` points to the private data that `Mapping::map` has set together with these
    // operations. The new mapping holds a reference to its file, which keeps the `Mapping`.
    let this = unsafe { &*(*private).cast::<Mapping>() };
    match this.mapped() {
        Ok(()) => {
            // SAFETY: `private` is a variable of the core for this call, which then stores its
            // value into the mapping. `Mapping` is aligned to more than the mark.
            unsafe { *private = (*private).map_addr(|at| at | COUNTED) };
            0
        }
        // The core then removes the mapping and calls `close`.
        Err(e) => e.to_errno(),
    }
}

/// # Safety
///
/// Called by the core for a mapping made by [`Mapping::map`].
unsafe extern "C" fn vm_fault(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: the core gives a valid fault. Its mapping is valid, locked for reading at least, and
    // was made by `Mapping::map` of the mapping that its private data points to.
    unsafe {
        let vma = (*vmf).__bindgen_anon_1.vma;
        Fault::from_raw(vmf, mapping_of(vma)).handle()
    }
}

/// For ptrace() and /proc/PID/mem, which cannot access page frames through the page tables. The
/// core calls it if `CONFIG_HAVE_IOREMAP_PROT` is set, which 32-bit ARM does not have. As in read()
/// and write(), the driver makes the access: registers and revoked windows are refused.
///
/// # Safety
///
/// Called by the core for a mapping made by [`Mapping::map`], locked for reading at least, with an
/// address in it and a buffer of `len` bytes that no other thread uses.
unsafe extern "C" fn vm_access(
    vma: *mut bindings::vm_area_struct,
    address: c_ulong,
    buf: *mut c_void,
    len: c_int,
    write: c_int,
) -> c_int {
    // SAFETY: the core holds the mmap lock or the lock of the mapping, so that it is not removed
    // or changed. Its operations are these, which only `Mapping::map` sets.
    let (this, area, pgoff) = unsafe { (mapping_of(vma), VmaRef::from_raw(vma), (*vma).vm_pgoff) };
    let access = || -> Result<usize> {
        let flags = area.flags();
        // Some pages of the mapping may be copies, which are not in the window.
        let copies = flags & (flags::SHARED | flags::MAYWRITE) == flags::MAYWRITE;
        if copies || (write != 0 && flags & flags::WRITE == 0) {
            return Err(EIO);
        }
        let at = pgoff * PAGE_SIZE + (address - area.start());
        // The page may begin before the window does.
        let offset = at.checked_sub(this.page_offset()).ok_or(EIO)?;
        let len = usize::try_from(len)?.min(area.end() - address);
        let piece = this.piece(offset, len)?;
        let len = piece.range().len();
        // SAFETY: the buffer has that many bytes, which are for this call alone.
        let buf = unsafe { core::slice::from_raw_parts_mut(buf.cast::<u8>(), len) };
        if write != 0 {
            piece.write(offset, buf)
        } else {
            piece.read(offset, buf)
        }
    };
    // The core treats any error as the end of the accessible range.
    access().map_or_else(|_| EIO.to_errno(), |done| done as c_int)
}

/// Maps nothing. Without this callback, the core would retry every fault without the per-VMA lock
/// (`vmf_can_call_fault` in mm/memory.c). It runs under RCU and, unlike [`vm_fault`], must not
/// sleep.
///
/// # Safety
///
/// None of the arguments are used.
unsafe extern "C" fn vm_map_pages(
    _vmf: *mut bindings::vm_fault,
    _start: c_ulong,
    _end: c_ulong,
) -> bindings::vm_fault_t {
    0
}
