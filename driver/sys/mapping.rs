// SPDX-License-Identifier: GPL-2.0-only

//! The memory of a window, its user mappings, and their revocation.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`Documentation/filesystems/mmap_prepare.rst`](srctree/Documentation/filesystems/mmap_prepare.rst)
//!
//! # Revocation
//!
//! After [`Mapping::stop`] returns, no page of the window is mapped anywhere and none will be:
//!
//! - Everything that could map a page first checks `live`, which `stop` has cleared.
//! - A fault inserts its pages while it holds `faults` for reading, and checks `live` under it.
//!   `stop` waits until no fault that has seen `live` set holds it.
//! - An mmap of a carve-out is in flight from `mmap_prepare` to `mapped`; in between the core
//!   inserts pages. `mmap_prepare` therefore adds the address space to `pending`, and `stop` waits
//!   for the lock that such an mmap holds until `mapped` has returned. `mapped` refuses an mmap
//!   that completes after `live` was cleared, and the core unmaps it.
//! - Then all pages are unmapped, through the address space that all files share.
//! - read() and write() access the memory in an RCU read-side critical section, and
//!   [`Mapping::revoke`] waits for a grace period if an access may be under way. They take no lock,
//!   so that an access that ends in an oops does not leave a lock held; RCU does not wait for a
//!   task that has exited. The kernel's temporary mapping of a part ([`Piece`]) is made before that
//!   section and removed after it, and so may outlive the window for a moment.
//!
//! # State in mmap_prepare
//!
//! `Documentation/filesystems/mmap_prepare.rst` asks for an `mmap_prepare` that keeps no state,
//! since the core reports neither success nor failure if it runs out of memory before the mapping
//! exists. The entry in `pending` is such a state. Two alternatives need no state, but neither is
//! good enough:
//!
//! - Faults could fill mappings of page frames as they fill those of scattered pages. Then the
//!   first access to a register would take a fault, which neither `MAP_POPULATE` nor mlock()
//!   prevents for page frames. UIO, fbdev and /dev/mem have no such latency.
//! - `hide_from_rmap_until_complete` makes [`AddressSpace::unmap`] wait for an mmap whose mapping
//!   exists. But if an mmap has passed `mmap_prepare` and its mapping does not exist yet, other
//!   threads could access the pages until `mapped` refuses it.
//!
//! A stale entry holds the `mm_struct` but no page of its owner. It is removed when the next mmap
//! adds an entry, when its owner closes a descriptor of the window or exits
//! ([`Mapping::forget_failed`]), and by revocation.

mod piece;
mod request;

pub(crate) use piece::Piece;
pub(super) use request::Fault;
pub(crate) use request::MapRequest;

use super::{
    address_space::AddressSpace,
    backing::Backing,
    ffi,
    not_supported,
    poll::Events,
    rw_semaphore::RwSemaphore,
    vm_ops::{
        FAULT_VM_OPS,
        VM_OPS, //
    },
    wait_queue::WaitQueue,
    Cache,
    PAGE_SIZE, //
};
use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    ffi::c_int,
    mm::Mm,
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
        rcu,
        Arc,
        Mutex, //
    }, //
};

/// The maximum number of pages that one fault inserts: the entries of one ARM page table in Linux.
const BATCH: usize = 512;

/// Counters of a window's mappings.
pub(crate) struct Counters {
    /// Current mappings.
    pub(crate) maps: Atomic<i32>,
    /// Mappings ever created by mmap, without those of forks and splits.
    pub(crate) mapped: Atomic<i32>,
    /// Calls of the fault handler.
    pub(crate) faults: Atomic<i32>,
    /// Pages that the fault handler inserted.
    pub(crate) inserted: Atomic<i32>,
    /// Revocations.
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
    /// Physical address of the first byte, if the memory is contiguous.
    phys: Option<u64>,
    page_offset: usize,
    /// How many pages can be mapped.
    pages: usize,
    accessible: bool,
    /// Whether the kernel has a permanent mapping of the memory.
    mapped: bool,
    by_pages: bool,
    /// Cleared when revocation begins.
    live: AtomicFlag,
    /// Set when the first mmap is accepted. A counter could wrap to 0.
    used: AtomicFlag,
    /// Tasks that are in [`Mapping::access`]. A task that had an oops there stays counted forever.
    accesses: Atomic<i32>,
    /// Revoked only after `live` was cleared, and after `pending` and `faults` were taken and
    /// released since.
    #[pin]
    backing: Revocable<Backing>,
    /// Held for reading by faults. Not held during an access to the memory.
    #[pin]
    faults: RwSemaphore,
    /// Address spaces in which an mmap may be between `mmap_prepare` and `mapped`. Not held during
    /// an access to the memory.
    #[pin]
    pending: Mutex<KVec<ARef<Mm>>>,
    /// The RCU state after which a grace period must pass before `backing` is revoked, once `live`
    /// is cleared and all pages are unmapped. `None`: no access was under way.
    #[pin]
    stopped: Mutex<Option<Stopped>>,
    /// Wakes pollers when `live` is cleared.
    #[pin]
    gone: WaitQueue,
    /// Statistics.
    pub(crate) counters: Counters,
}

/// The result of [`Mapping::stop`].
#[derive(Clone, Copy)]
struct Stopped {
    /// The state of RCU when `live` had been cleared, if an access may have been under way then.
    grace: Option<usize>,
}

/// The accesses that a mapping allows, in addition to the limits of the descriptor's mode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// Every access that was requested.
    Any,
    /// No stores to the memory. A private mapping may be written to: its pages are copied.
    NoWrite,
    /// Never writable or executable, not even after mprotect(), and without copies of pages.
    ReadOnly,
}

impl Mapping {
    /// Creates a `Mapping` of `backing`; its user mappings will belong to `space`.
    pub(crate) fn new(
        space: Arc<AddressSpace>,
        backing: Backing,
        cache: Cache,
    ) -> impl PinInit<Self, Error> {
        let size = backing.size();
        let phys = backing.phys();
        let page_offset = backing.page_offset();
        let pages = backing.page_count();
        let accessible = backing.is_accessible();
        let mapped = backing.is_mapped();
        let by_pages = backing.pages().is_some();
        try_pin_init!(Self {
            space,
            cache,
            size,
            phys,
            page_offset,
            pages,
            accessible,
            mapped,
            by_pages,
            live: AtomicFlag::new(true),
            used: AtomicFlag::new(false),
            accesses: Atomic::<i32>::new(0),
            backing <- Revocable::new(backing),
            faults <- RwSemaphore::new(),
            pending <- new_mutex!(KVec::new(), "fanlight::pending"),
            stopped <- new_mutex!(None, "fanlight::stopped"),
            gone <- WaitQueue::new(),
            counters: Counters::new(),
        })
    }

    /// Bytes of the window.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Memory type.
    pub(crate) fn cache(&self) -> Cache {
        self.cache
    }

    /// Physical address of the first byte, if the memory is contiguous.
    pub(crate) fn phys(&self) -> Option<u64> {
        self.phys
    }

    /// Offset of the first byte in a mapping, which begins at a page boundary.
    pub(crate) fn page_offset(&self) -> usize {
        self.page_offset
    }

    /// Whether the window can be mapped: not if it is not whole pages, unless the tree allows it.
    pub(crate) fn is_mappable(&self) -> bool {
        self.pages != 0
    }

    /// The address space that all files of the device share.
    pub(super) fn space(&self) -> &AddressSpace {
        &self.space
    }

    /// Whether read() and write() are not supported, because the kernel does not access the memory.
    pub(crate) fn is_map_only(&self) -> bool {
        !self.accessible
    }

    /// Whether user space maps it as pages, which get_user_pages() supports.
    pub(crate) fn is_by_pages(&self) -> bool {
        self.by_pages
    }

    /// Whether the memory is still there. Takes no lock.
    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Acquire)
    }

    /// The wait queue that revocation wakes.
    pub(super) fn gone(&self) -> &WaitQueue {
        &self.gone
    }

    /// How many address spaces are in `pending`.
    pub(crate) fn pending(&self) -> usize {
        self.pending.lock().len()
    }

    /// Handles an mmap. `addresses`: the opener may see physical addresses.
    ///
    /// `EINVAL`: beyond the end, or a private mapping of pages that cannot be copied; `EPERM`: more
    /// than `protection` allows, PROT_EXEC in memory that is not cached RAM, or a private mapping
    /// that would show a physical address to an opener that may not see it; `EOPNOTSUPP`: the
    /// window is not whole pages; `ENODEV`: revoked.
    fn map(&self, request: &MapRequest<'_>, protection: Protection, addresses: bool) -> Result {
        let desc = request.desc;
        // SAFETY: `desc` is valid while `request` lives, here and below.
        let (start, end, first) = unsafe { ((*desc).start, (*desc).end, (*desc).pgoff) };
        let pages = (end - start) / PAGE_SIZE;
        let last = first.checked_add(pages).ok_or(EINVAL)?;
        if !self.is_mappable() {
            return Err(not_supported());
        }
        if last > self.pages {
            return Err(EINVAL);
        }
        let copies = self.limit_write(request, protection, addresses)?;
        self.limit_exec(request, protection)?;

        let mut pending = self.pending.lock();
        if !self.is_live() {
            return Err(ENODEV);
        }
        // Under `pending`, which `stop` takes before it reads this.
        self.used.store(true, Relaxed);
        // SAFETY: `backing` is revoked only after `live` was cleared and `pending` was released
        // since. It was not cleared under `pending`, which is held as long as `backing` is used.
        let backing = unsafe { self.backing.access() };
        // SAFETY: `desc` is valid by the invariant of `MapRequest`. The private data stays valid as
        // long as a mapping exists: a mapping keeps its file open, which keeps `self` by the same
        // invariant.
        unsafe { (*desc).private_data = ptr::from_ref(self).cast_mut().cast() };
        let vm_ops = match backing {
            // Prefaulted pages that madvise() has unmapped are inserted again by a fault.
            _ if backing.pages().is_some() => &FAULT_VM_OPS.0,
            _ => &VM_OPS.0,
        };
        // SAFETY: `desc` is valid by the invariant of `MapRequest`. The memory type comes before
        // the action, which copies it. The page frames are this window's from `first` on, as many
        // as were checked above.
        unsafe {
            (*desc).vm_ops = vm_ops;
            ffi::fanlight_desc_set_prot(desc, self.cache as c_int);
            match backing {
                Backing::Carveout(c) => ffi::fanlight_desc_ioremap(desc, c.pfn() + first),
                _ if backing.is_mapped_by_faults() => ffi::fanlight_desc_set_mixedmap(desc),
                Backing::Contiguous(_) | Backing::Vmalloc { .. } => match backing.pages() {
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
            if copies {
                // The action has its copy of the type. From here on, the type applies to copied
                // pages, which are the kernel's own and cached.
                ffi::fanlight_desc_reset_prot(desc);
            }
        }
        if !backing.is_mapped_by_faults() {
            // SAFETY: the descriptor's address space is the current task's, and so valid.
            let mm = unsafe { Mm::from_raw((*desc).mm) };
            pending.retain(|p| !is_dead(p));
            if !pending.iter().any(|p| ptr::eq(&**p, mm)) {
                pending.push(mm.into(), GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    /// Refuses stores that are not allowed, now and after a later mprotect(). Returns whether pages
    /// are copied on write.
    fn limit_write(
        &self,
        request: &MapRequest<'_>,
        protection: Protection,
        addresses: bool,
    ) -> Result<bool> {
        let desc = request.desc;
        // SAFETY: `desc` is valid while `request` lives, here and below.
        let (shared, write) = unsafe {
            (
                ffi::fanlight_desc_is_shared(desc),
                ffi::fanlight_desc_is_writable(desc),
            )
        };
        // The core stores the page frame number as the offset of a mapping whose pages may be
        // copied, and /proc/PID/maps shows it.
        let may_copy = addresses || self.by_pages;
        let may_write = match protection {
            Protection::ReadOnly => false,
            _ if !shared => may_copy,
            Protection::Any => true,
            Protection::NoWrite => false,
        };
        if write && !may_write {
            return Err(EPERM);
        }
        // SAFETY: no preconditions.
        let keeps_type = unsafe { ffi::fanlight_mprotect_keeps_type() };
        // A copy on write reads the page, but the kernel must not read registers.
        let may_copy = self.accessible && (self.cache == Cache::Cached || keeps_type);
        if write && !shared && !may_copy {
            return Err(EINVAL);
        }
        if !may_write || (!shared && !may_copy) {
            // SAFETY: `desc` is valid by the invariant of `MapRequest`.
            unsafe { ffi::fanlight_desc_deny_write(desc) };
            return Ok(false);
        }
        Ok(!shared)
    }

    /// Refuses PROT_EXEC in anything but cached RAM. Instruction fetches are speculative and read
    /// ahead: they must not read registers, and are not coherent with memory that is not cached.
    fn limit_exec(&self, request: &MapRequest<'_>, protection: Protection) -> Result {
        let desc = request.desc;
        let cached_ram = self.cache == Cache::Cached && self.accessible;
        if cached_ram && protection != Protection::ReadOnly {
            return Ok(());
        }
        // SAFETY: `desc` is valid while `request` lives. The core has added PROT_EXEC if reading
        // implies it: such a process requested PROT_READ only.
        unsafe {
            if ffi::fanlight_desc_is_executable(desc) && !ffi::fanlight_read_implies_exec() {
                return Err(EPERM);
            }
            ffi::fanlight_desc_deny_exec(desc);
        }
        Ok(())
    }

    /// The core has created the mapping: the last chance to refuse it.
    pub(super) fn mapped(&self) -> Result {
        let mut pending = self.pending.lock();
        if !self.is_live() {
            return Err(ENODEV);
        }
        // The mmap lock is held, so this is the only mmap in this address space.
        forget_current(&mut pending);
        self.counters.maps.fetch_add(1, Relaxed);
        self.counters.mapped.fetch_add(1, Relaxed);
        Ok(())
    }

    /// The core could not complete a mapping, and removes it.
    pub(super) fn abandoned(&self) {
        forget_current(&mut self.pending.lock());
    }

    /// Removes the entries that an early failure of mmap has left in `pending`: those of address
    /// spaces without tasks, and that of the current task.
    pub(super) fn forget_failed(&self) {
        let mut pending = self.pending.lock();
        pending.retain(|mm| !is_dead(mm));
        let task = kernel::current!();
        let Some(current) = task.mm() else {
            return;
        };
        if pending.iter().any(|mm| ptr::eq(&**mm, &**current)) {
            drop(pending);
            // An mmap holds this lock for writing. While it is held here, no mmap in this address
            // space is between `mmap_prepare` and `mapped`.
            let _lock = current.mmap_read_lock();
            forget_current(&mut self.pending.lock());
        }
    }

    /// Inserts the pages around the faulting one.
    fn fault(&self, fault: &Fault<'_>) -> bindings::vm_fault_t {
        let Fault {
            vma,
            pgoff: touched,
            address,
            ..
        } = *fault;
        let _reader = self.faults.read();
        if !self.is_live() {
            return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
        }
        // SAFETY: `backing` is revoked only after `live` was cleared and `faults` was released
        // since. It was not cleared under `faults`, which is held until this function returns.
        let Some(pages) = unsafe { self.backing.access() }.pages() else {
            return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
        };
        self.counters.faults.fetch_add(1, Relaxed);
        if touched >= pages.len() {
            return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
        }
        // One fault inserts all pages of the mapping in the same aligned block of `BATCH` pages of
        // the window.
        let first_of_vma = touched - (address - vma.start()) / PAGE_SIZE;
        let first = (touched & !(BATCH - 1)).max(first_of_vma);
        let end = ((touched | (BATCH - 1)) + 1)
            .min(pages.len())
            .min(touched + (vma.end() - address) / PAGE_SIZE);

        let insert = |from: usize| {
            let mut left = end - from;
            let at = address - (touched - from) * PAGE_SIZE;
            // SAFETY: `from..end` are pages of the area, which is live as long as `backing` is
            // used, and their addresses are in the mapping, which is VM_MIXEDMAP since mmap:
            // `pgoff` and `address` are of one fault. The core only reads the list.
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
            // Some pages are already mapped, since madvise() has unmapped only a part: insert at
            // least the faulting one.
            ret = insert(touched);
        }
        match to_result(ret) {
            Ok(()) => bindings::vm_fault_reason_VM_FAULT_NOPAGE,
            Err(e) if e == EBUSY => bindings::vm_fault_reason_VM_FAULT_NOPAGE,
            Err(e) if e == ENOMEM => bindings::vm_fault_reason_VM_FAULT_OOM,
            Err(_) => bindings::vm_fault_reason_VM_FAULT_SIGBUS,
        }
    }

    /// Removes the memory from all users; see the module's documentation. It is not freed yet,
    /// since a kernel access may be under way.
    pub(crate) fn stop(&self) {
        let mut stopped = self.stopped.lock();
        // Full: orders the store before the load of `accesses` below. Pairs with `access`.
        if !self.live.xchg(false, Full) {
            return;
        }
        self.gone.wake(Events::GONE);
        let pending = core::mem::take(&mut *self.pending.lock());
        for mm in &pending {
            if let Some(mm) = mm.mmget_not_zero() {
                // An mmap holds this lock for writing until `mapped` has returned.
                drop(mm.mmap_read_lock());
            }
        }
        self.faults.wait_for_readers();
        // The address space also has the mappings of the other windows. They are left alone if this
        // window was never mapped.
        if self.used.load(Relaxed) {
            self.space.unmap();
        }
        // Acquire: pairs with the release in `access`, so that the accesses are complete.
        let busy = self.accesses.load(Acquire) != 0;
        // SAFETY: no preconditions.
        let grace = busy.then(|| unsafe { ffi::fanlight_rcu_snapshot() });
        *stopped = Some(Stopped { grace });
        self.counters.revocations.fetch_add(1, Relaxed);
    }

    /// Removes the memory from all users, and drops the reference to it. If several mappings are
    /// stopped before the first of these calls, one grace period is enough for all.
    pub(crate) fn revoke(&self) {
        self.stop();
        let mut stopped = self.stopped.lock();
        if let Some(Stopped { grace }) = stopped.take() {
            if let Some(snapshot) = grace {
                // SAFETY: no preconditions in task context.
                unsafe { ffi::fanlight_rcu_wait(snapshot) };
            }
            // SAFETY: `stop` has cleared `live`, and has taken and released `pending` and `faults`
            // since, so that no mmap or fault uses `backing`. A task that found `live` set in
            // `access` was counted, and did so in an RCU read-side critical section that began
            // before `live` was cleared: a grace period has ended since, and with it the section.
            // One that enters `access` later finds `live` cleared and does not use `backing`.
            unsafe { self.backing.revoke_nosync() };
        }
    }

    /// Calls `f` with the memory. `f` must not sleep. `ENODEV`: revoked.
    fn access(&self, f: impl FnOnce(&Backing) -> Result<usize>) -> Result<usize> {
        // Full: orders the addition before the load of `live`. Pairs with `stop`, which either sees
        // the count or has cleared `live` before.
        self.accesses.fetch_add(1, Full);
        // Before the load of `live`: if it is set, the grace period waits for this section, since
        // it begins after `live` was cleared.
        let guard = rcu::read_lock();
        let backing = if self.is_live() {
            self.backing.try_access_with_guard(&guard)
        } else {
            None
        };
        let result = backing.map_or(Err(ENODEV), f);
        drop(guard);
        // Release: pairs with the acquire in `stop`.
        self.accesses.fetch_sub(1, Release);
        result
    }
}

/// Whether an address space has no tasks and will never have one.
fn is_dead(mm: &Mm) -> bool {
    // SAFETY: a reference to an address space is valid.
    unsafe { ffi::fanlight_mm_is_dead(mm.as_raw()) }
}

/// Removes the entry of the current task's address space.
fn forget_current(pending: &mut KVec<ARef<Mm>>) {
    if let Some(mm) = kernel::current!().mm() {
        pending.retain(|p| !ptr::eq(&**p, &**mm));
    }
}
