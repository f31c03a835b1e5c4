// SPDX-License-Identifier: GPL-2.0-only

//! A window's memory, the user mappings of it, and taking them back.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`Documentation/filesystems/mmap_prepare.rst`](srctree/Documentation/filesystems/mmap_prepare.rst)
//!
//! # Revocation
//!
//! After [`Mapping::revoke`] returns, no page of the window is mapped anywhere and none will be:
//!
//! - Everything that could map a page looks at `mmaps` under its mutex first: `mmap_prepare`, the
//!   fault handler.
//! - A fault inserts its pages before it drops the mutex, so `revoke` either stops it or sees its
//!   pages.
//! - An mmap of a carve-out is in flight from `mmap_prepare` to `mapped`, in between the core
//!   inserts pages without the mutex. `mmap_prepare` therefore notes the address space (`pending`),
//!   and `revoke` waits for the lock that such an mmap holds all the while. An mmap that comes out
//!   of it late is refused by `mapped`, and the core unmaps it.
//! - Then all pages are taken out, through the address space that all files share.
//! - read() and write() access the memory in an RCU read-side critical section, and `revoke` waits
//!   for a grace period if an access may be under way. They take no lock: an access that ends in an
//!   oops leaves no lock held, and RCU does not wait for a task that has exited.

use super::{
    address_space::AddressSpace,
    backing::Backing,
    ffi,
    vm_ops::{
        FAULT_VM_OPS,
        VM_OPS, //
    },
    Cache,
    PAGE_SIZE, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_int, //
    },
    mm::{
        virt::VmaRef,
        Mm, //
    },
    new_mutex,
    prelude::*,
    revocable::Revocable,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            AtomicFlag,
            Full,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex, //
    }, //
};

/// What has happened to a mapping since it was made.
pub(crate) struct Counters {
    /// Mappings that exist now.
    pub(crate) maps: Atomic<i32>,
    /// Mappings ever made by mmap, forks and splits not counted.
    pub(crate) mapped: Atomic<i32>,
    /// Calls of the fault handler.
    pub(crate) faults: Atomic<i32>,
    /// Pages that the fault handler inserted.
    pub(crate) inserted: Atomic<i32>,
    /// Times that all mappings were taken back.
    pub(crate) revocations: Atomic<i32>,
}

impl Counters {
    const fn new() -> Self {
        Self {
            maps: Atomic::<i32>::new(0),
            mapped: Atomic::<i32>::new(0),
            faults: Atomic::<i32>::new(0),
            inserted: Atomic::<i32>::new(0),
            revocations: Atomic::<i32>::new(0),
        }
    }
}

/// A window's memory and its mappings.
#[pin_data]
pub(crate) struct Mapping {
    space: Arc<AddressSpace>,
    cache: Cache,
    size: usize,
    pfn: Option<usize>,
    map_only: bool,
    by_pages: bool,
    /// Cleared when revocation begins.
    live: AtomicFlag,
    /// Tasks that are in [`Mapping::access`]. One that had an oops there is counted for ever.
    accesses: Atomic<i32>,
    /// Revoked only after `mmaps` became `None`.
    #[pin]
    backing: Revocable<Backing>,
    /// Address spaces in which an mmap may be between `mmap_prepare` and `mapped`; `None` after
    /// revocation. The mutex is not held during an access to the memory.
    #[pin]
    mmaps: Mutex<Option<KVec<ARef<Mm>>>>,
    /// Statistics.
    pub(crate) counters: Counters,
}

/// What a mapping may be used for, beyond what the descriptor's mode allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// Whatever was asked for.
    Any,
    /// Never writable, nor made so later.
    NoWrite,
    /// Never writable or executable, nor made so later.
    ReadOnly,
}

impl Mapping {
    /// The mappings of `backing`, which will belong to `space`.
    pub(crate) fn new(
        space: Arc<AddressSpace>,
        backing: Backing,
        cache: Cache,
    ) -> impl PinInit<Self, Error> {
        let size = backing.size();
        let pfn = backing.pfn();
        let map_only = backing.is_map_only();
        let by_pages = backing.pages().is_some();
        try_pin_init!(Self {
            space,
            cache,
            size,
            pfn,
            map_only,
            by_pages,
            live: AtomicFlag::new(true),
            accesses: Atomic::<i32>::new(0),
            backing <- Revocable::new(backing),
            mmaps <- new_mutex!(Some(KVec::new()), "fanlight::mmaps"),
            counters: Counters::new(),
        })
    }

    /// Bytes that can be mapped.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Memory type.
    pub(crate) fn cache(&self) -> Cache {
        self.cache
    }

    /// Physical address of the first byte, where there is one.
    pub(crate) fn phys(&self) -> Option<u64> {
        self.pfn.map(|pfn| pfn as u64 * PAGE_SIZE as u64)
    }

    /// The address space that all files of the device share.
    pub(super) fn space(&self) -> &AddressSpace {
        &self.space
    }

    /// Whether read() and write() are not supported, because the kernel does not access the memory.
    pub(crate) fn is_map_only(&self) -> bool {
        self.map_only
    }

    /// Whether user space maps it as pages, which get_user_pages() reaches.
    pub(crate) fn is_by_pages(&self) -> bool {
        self.by_pages
    }

    /// Whether the memory is still there. Takes no lock.
    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Acquire)
    }

    /// Answers an mmap.
    ///
    /// `EINVAL`: private, or beyond the end; `EPERM`: more than `protection` allows; `ENODEV`:
    /// revoked.
    pub(crate) fn map(&self, request: MapRequest<'_>, protection: Protection) -> Result {
        let desc = request.desc;
        // SAFETY: `desc` is valid while `request` lives, here and below.
        if !unsafe { ffi::fanlight_desc_is_shared(desc) } {
            return Err(EINVAL);
        }
        // SAFETY: as above.
        let (start, end, first) = unsafe { ((*desc).start, (*desc).end, (*desc).pgoff) };
        let pages = (end - start) / PAGE_SIZE;
        let last = first.checked_add(pages).ok_or(EINVAL)?;
        if last > self.size / PAGE_SIZE {
            return Err(EINVAL);
        }
        if protection != Protection::Any {
            // SAFETY: as above.
            if unsafe { ffi::fanlight_desc_is_writable(desc) } {
                return Err(EPERM);
            }
            // SAFETY: as above.
            unsafe { ffi::fanlight_desc_deny_write(desc) };
        }
        if protection == Protection::ReadOnly {
            // SAFETY: as above.
            if unsafe { ffi::fanlight_desc_is_executable(desc) } {
                return Err(EPERM);
            }
            // SAFETY: as above.
            unsafe { ffi::fanlight_desc_deny_exec(desc) };
        }

        let mut guard = self.mmaps.lock();
        let pending = (*guard).as_mut().ok_or(ENODEV)?;
        // SAFETY: `revoke` revokes `backing` only after it took what is in `mmaps`, and it was
        // there under the mutex, which is held as long as `backing` is used.
        let backing = unsafe { self.backing.access() };
        // SAFETY: as above. The private data stays valid as long as a mapping exists: a mapping
        // keeps its file open, and the file keeps the node, of which `self` is a part.
        unsafe { (*desc).private_data = ptr::from_ref(self).cast_mut().cast() };
        let vm_ops = match backing {
            // Prefaulted pages that madvise gave back come again by a fault.
            _ if backing.pages().is_some() => &FAULT_VM_OPS.0,
            _ => &VM_OPS.0,
        };
        // SAFETY: as above. The memory type comes before the action, which takes a copy of it. The
        // page frames are this window's from `first` on, as many as were checked above.
        unsafe {
            (*desc).vm_ops = vm_ops;
            ffi::fanlight_desc_set_prot(desc, self.cache as c_int);
            match backing {
                Backing::Carveout(c) => ffi::fanlight_desc_ioremap(desc, c.pfn() + first),
                Backing::Vmalloc(_) => ffi::fanlight_desc_set_mixedmap(desc),
                Backing::Contiguous(_) | Backing::Prefault(_) => match backing.pages() {
                    Some(list) => {
                        ffi::fanlight_desc_set_mixedmap(desc);
                        // `first + pages` are in the list: checked above. The core only reads it.
                        let list = list.as_ptr().add(first).cast_mut();
                        ffi::fanlight_desc_map_pages(desc, list);
                    }
                    None => {
                        let pfn = backing.pfn().ok_or(EINVAL)?;
                        ffi::fanlight_desc_remap(desc, pfn + first);
                    }
                },
            }
        }
        if !matches!(backing, Backing::Vmalloc(_)) {
            // SAFETY: the descriptor's address space is the current task's, and so valid.
            let mm = unsafe { Mm::from_raw((*desc).mm) };
            if !pending.iter().any(|p| ptr::eq(&**p, mm)) {
                pending.push(mm.into(), GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    /// The core has made the mapping: the last chance to refuse it.
    pub(super) fn mapped(&self) -> Result {
        let mut guard = self.mmaps.lock();
        let pending = (*guard).as_mut().ok_or(ENODEV)?;
        if let Some(mm) = kernel::current!().mm() {
            // The lock of `mm` is held: this was the only mmap in it.
            pending.retain(|p| !ptr::eq(&**p, &**mm));
        }
        self.counters.maps.fetch_add(1, Relaxed);
        self.counters.mapped.fetch_add(1, Relaxed);
        Ok(())
    }

    /// The core could not complete a mapping, and takes away what it had made.
    pub(super) fn abandoned(&self) {
        let mut guard = self.mmaps.lock();
        if let (Some(pending), Some(mm)) = (&mut *guard, kernel::current!().mm()) {
            pending.retain(|p| !ptr::eq(&**p, &**mm));
        }
    }

    /// Inserts the pages around the one that was touched.
    pub(super) fn fault(
        &self,
        vma: &VmaRef,
        touched: usize,
        address: usize,
    ) -> bindings::vm_fault_t {
        let guard = self.mmaps.lock();
        if guard.is_none() {
            return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
        }
        // SAFETY: `revoke` revokes `backing` only after it took what is in `mmaps`, and it is there
        // under the mutex, which is held until this function returns.
        let Some(pages) = unsafe { self.backing.access() }.pages() else {
            return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
        };
        self.counters.faults.fetch_add(1, Relaxed);
        if touched >= pages.len() {
            return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
        }
        // Everything of the mapping that lies in the same page table's worth of the window: one
        // fault fills it.
        let first_of_vma = touched - (address - vma.start()) / PAGE_SIZE;
        let first = (touched & !(BATCH - 1)).max(first_of_vma);
        let end = ((touched | (BATCH - 1)) + 1)
            .min(pages.len())
            .min(touched + (vma.end() - address) / PAGE_SIZE);

        let insert = |from: usize| {
            let mut left = end - from;
            let at = address - (touched - from) * PAGE_SIZE;
            // SAFETY: `from..end` are pages of the area, live under the mutex, and their addresses
            // are in the mapping, which is VM_MIXEDMAP since mmap. The core only reads the list.
            let ret = unsafe {
                bindings::vm_insert_pages(
                    vma.as_ptr(),
                    at,
                    pages.as_ptr().add(from).cast_mut(),
                    &mut left,
                )
            };
            self.counters
                .inserted
                .fetch_add((end - from - left) as i32, Relaxed);
            ret
        };
        let mut ret = insert(first);
        if ret == EBUSY.to_errno() && first != touched {
            // Some were there already (a part was given back by madvise): at least the one that was
            // asked for.
            ret = insert(touched);
        }
        match to_result(ret) {
            Ok(()) => bindings::vm_fault_reason_VM_FAULT_NOPAGE,
            Err(e) if e == EBUSY => bindings::vm_fault_reason_VM_FAULT_NOPAGE,
            Err(e) if e == ENOMEM => bindings::vm_fault_reason_VM_FAULT_OOM,
            Err(_) => bindings::vm_fault_reason_VM_FAULT_SIGBUS,
        }
    }

    /// Takes the memory away from everybody; see the module's description. Frees it, or leaves it
    /// to its other owners.
    pub(crate) fn revoke(&self) {
        // Full: orders the store before the load of `accesses` below. Pairs with `access`.
        if !self.live.xchg(false, Full) {
            return;
        }
        let pending = self.mmaps.lock().take();
        for mm in pending.iter().flatten() {
            if let Some(mm) = mm.mmget_not_zero() {
                // An mmap holds this lock for writing until it has gone through `mapped`.
                drop(mm.mmap_read_lock());
            }
        }
        self.space.unmap();
        // Acquire: pairs with the release in `access`, so that the accesses are complete.
        if self.accesses.load(Acquire) == 0 {
            // SAFETY: `mmaps` is `None`, so that no one uses `backing` under its mutex. No task is
            // in `access`, and one that enters it later finds `live` cleared and does not use
            // `backing`.
            unsafe { self.backing.revoke_nosync() };
        } else {
            self.backing.revoke();
        }
        self.counters.revocations.fetch_add(1, Relaxed);
    }

    /// Calls `f`, which must not sleep, with the memory. `ENODEV`: revoked.
    fn access(&self, f: impl FnOnce(&Backing) -> Result<usize>) -> Result<usize> {
        // Full: orders it before the load of `live`. Pairs with `revoke`, which either finds the
        // count or has cleared `live` before.
        self.accesses.fetch_add(1, Full);
        let result = if self.is_live() {
            self.backing.try_access_with(f)
        } else {
            None
        };
        // Release: pairs with the acquire in `revoke`.
        self.accesses.fetch_sub(1, Release);
        result.unwrap_or(Err(ENODEV))
    }

    /// Copies from the window as [`Backing::read`] does. `ENODEV`: revoked.
    pub(crate) fn read(&self, offset: usize, out: &mut [u8]) -> Result<usize> {
        self.access(|backing| backing.read(offset, out))
    }

    /// Copies into the window as [`Backing::write`] does. `ENODEV`: revoked.
    pub(crate) fn write(&self, offset: usize, data: &[u8]) -> Result<usize> {
        self.access(|backing| backing.write(offset, data))
    }
}

/// Pages that one fault inserts at most: as many as one ARM page table of Linux holds.
const BATCH: usize = 512;

/// A request to map, while `mmap_prepare` runs.
///
/// # Invariants
///
/// `desc` is valid for `'a`, and its file is one whose release drops the node that the [`Mapping`]
/// is a part of.
pub(crate) struct MapRequest<'a> {
    desc: *mut bindings::vm_area_desc,
    _lifetime: PhantomData<&'a mut bindings::vm_area_desc>,
}

impl MapRequest<'_> {
    /// # Safety
    ///
    /// As the type invariant says.
    pub(super) unsafe fn from_raw(desc: *mut bindings::vm_area_desc) -> Self {
        // INVARIANT: by the caller's promise.
        Self {
            desc,
            _lifetime: PhantomData,
        }
    }
}
