// SPDX-License-Identifier: GPL-2.0-only

//! A window's memory, the user mappings of it, and taking them back.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`Documentation/filesystems/mmap_prepare.rst`](srctree/Documentation/filesystems/mmap_prepare.rst)
//!
//! # Revocation
//!
//! After [`Mapping::stop`] returns, no page of the window is mapped anywhere and none will be:
//!
//! - Everything that could map a page looks at `live` first, which `stop` has cleared.
//! - A fault inserts its pages while it holds `faults` for reading, and looks at `live` under it.
//!   `stop` waits until no fault that saw `live` holds it.
//! - An mmap of a carve-out is in flight from `mmap_prepare` to `mapped`; in between the core
//!   inserts pages. `mmap_prepare` therefore notes the address space (`pending`), and `stop` waits
//!   for the lock that such an mmap holds until `mapped` has returned. An mmap that comes out of it
//!   late is refused by `mapped`, and the core unmaps it.
//! - Then all pages are taken out, through the address space that all files share.
//! - read() and write() access the memory in an RCU read-side critical section, and
//!   [`Mapping::revoke`] waits for a grace period if an access may be under way. They take no lock:
//!   an access that ends in an oops leaves no lock held, and RCU does not wait for a task that has
//!   exited. The kernel's temporary mapping of a part ([`Piece`]) is made before that section and
//!   removed after it, and so may outlive the window for a moment.
//!
//! # State in mmap_prepare
//!
//! `Documentation/filesystems/mmap_prepare.rst` asks for an `mmap_prepare` that keeps no state,
//! since the core reports neither success nor failure if it runs out of memory before the mapping
//! exists. The note in `pending` is such a state. Two ways would do without it, and neither serves:
//!
//! - Faults could fill mappings of page frames as they fill those of scattered pages. Then the
//!   first access to a register takes a fault, and neither `MAP_POPULATE` nor mlock() prevents that
//!   for page frames. UIO, fbdev and /dev/mem have no such latency.
//! - `hide_from_rmap_until_complete` makes [`AddressSpace::unmap`] wait for an mmap whose mapping
//!   exists. One that has passed `mmap_prepare` and whose mapping does not exist yet would still
//!   let other threads touch the pages until `mapped` refuses it.
//!
//! A note that is left over holds the `mm_struct` and no page of its owner. It is dropped when the
//! next mmap is noted, when its owner closes a descriptor of the window or exits
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
    /// Physical address of the first byte, where there is one.
    phys: Option<u64>,
    page_offset: usize,
    /// How many pages can be mapped.
    pages: usize,
    accessible: bool,
    /// The kernel has a mapping of the memory at all times.
    mapped: bool,
    by_pages: bool,
    /// Cleared when revocation begins.
    live: AtomicFlag,
    /// Set when the first mmap is let through. A count could come round to 0.
    used: AtomicFlag,
    /// Tasks that are in [`Mapping::access`]. One that had an oops there is counted for ever.
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
    /// What an RCU grace period has to follow before `backing` is revoked, once `live` is cleared
    /// and all pages are unmapped. `None`: no access was under way.
    #[pin]
    stopped: Mutex<Option<Stopped>>,
    /// Wakes those who poll when `live` is cleared.
    #[pin]
    gone: WaitQueue,
    /// Statistics.
    pub(crate) counters: Counters,
}

/// How a mapping was stopped.
#[derive(Clone, Copy)]
struct Stopped {
    /// The state of RCU when `live` had been cleared, if an access may have been under way then.
    grace: Option<usize>,
}

/// What a mapping may be used for, beyond what the descriptor's mode allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// Whatever was asked for.
    Any,
    /// No stores to the memory. A private mapping may have copies of its pages.
    NoWrite,
    /// Never writable or executable, nor made so later, nor copied.
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

    /// Physical address of the first byte, where there is one.
    pub(crate) fn phys(&self) -> Option<u64> {
        self.phys
    }

    /// Where the first byte is in a mapping, which begins with a page.
    pub(crate) fn page_offset(&self) -> usize {
        self.page_offset
    }

    /// Whether it can be mapped. Not so what is not whole pages, unless the tree allows it.
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

    /// Whether user space maps it as pages, which get_user_pages() reaches.
    pub(crate) fn is_by_pages(&self) -> bool {
        self.by_pages
    }

    /// Whether the memory is still there. Takes no lock.
    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Acquire)
    }

    /// Wakes those who poll, when the memory goes.
    pub(super) fn gone(&self) -> &WaitQueue {
        &self.gone
    }

    /// Address spaces that are noted as having an mmap under way.
    pub(crate) fn pending(&self) -> usize {
        self.pending.lock().len()
    }

    /// Answers an mmap. `addresses`: the opener may see physical addresses.
    ///
    /// `EINVAL`: beyond the end, or copies of pages that cannot be copied; `EPERM`: more than
    /// `protection` allows, code in memory that is not cached RAM, or copies that would show a
    /// physical address to an opener who may not see it; `EOPNOTSUPP`: the window is not whole
    /// pages; `ENODEV`: revoked.
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
        // Under `pending`, which `stop` takes before it looks.
        self.used.store(true, Relaxed);
        // SAFETY: `backing` is revoked only after `live` was cleared and `pending` was released
        // since. It was not cleared under `pending`, which is held as long as `backing` is used.
        let backing = unsafe { self.backing.access() };
        // SAFETY: as above. The private data stays valid as long as a mapping exists: a mapping
        // keeps its file open, which keeps `self` by the invariant of `MapRequest`.
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
            if copies {
                // The action has taken its copy. From now on this is the type of the copied pages:
                // they are the kernel's, which maps them cached.
                ffi::fanlight_desc_reset_prot(desc);
            }
        }
        if !matches!(backing, Backing::Vmalloc(_)) {
            // SAFETY: the descriptor's address space is the current task's, and so valid.
            let mm = unsafe { Mm::from_raw((*desc).mm) };
            pending.retain(|p| !is_dead(p));
            if !pending.iter().any(|p| ptr::eq(&**p, mm)) {
                pending.push(mm.into(), GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    /// Refuses stores that are not allowed, now and by a later mprotect(). Returns whether pages
    /// are copied when they are written to.
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
        // The core keeps the page frame's number as the offset of a mapping whose pages may be
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
        // The kernel does not read registers, which a copy of them would need.
        let may_copy = self.accessible && (self.cache == Cache::Cached || keeps_type);
        if write && !shared && !may_copy {
            return Err(EINVAL);
        }
        if !may_write || (!shared && !may_copy) {
            // SAFETY: as above.
            unsafe { ffi::fanlight_desc_deny_write(desc) };
            return Ok(false);
        }
        Ok(!shared)
    }

    /// Refuses code in anything but cached RAM: an instruction fetch may be speculative, and reads
    /// ahead. Registers must not be read by that, and other memory is not coherent with it.
    fn limit_exec(&self, request: &MapRequest<'_>, protection: Protection) -> Result {
        let desc = request.desc;
        let cached_ram = self.cache == Cache::Cached && self.accessible;
        if cached_ram && protection != Protection::ReadOnly {
            return Ok(());
        }
        // SAFETY: `desc` is valid while `request` lives. The core has added the right to execute
        // where reading implies it: such a process asked for no more than to read.
        unsafe {
            if ffi::fanlight_desc_is_executable(desc) && !ffi::fanlight_read_implies_exec() {
                return Err(EPERM);
            }
            ffi::fanlight_desc_deny_exec(desc);
        }
        Ok(())
    }

    /// The core has made the mapping: the last chance to refuse it.
    pub(super) fn mapped(&self) -> Result {
        let mut pending = self.pending.lock();
        if !self.is_live() {
            return Err(ENODEV);
        }
        // The lock of the address space is held: this was the only mmap in it.
        forget_current(&mut pending);
        self.counters.maps.fetch_add(1, Relaxed);
        self.counters.mapped.fetch_add(1, Relaxed);
        Ok(())
    }

    /// The core could not complete a mapping, and takes away what it had made.
    pub(super) fn abandoned(&self) {
        forget_current(&mut self.pending.lock());
    }

    /// Drops the notes that an mmap which failed early has left: on address spaces that have ended,
    /// and on the current task's.
    pub(super) fn forget_failed(&self) {
        let mut pending = self.pending.lock();
        pending.retain(|mm| !is_dead(mm));
        let task = kernel::current!();
        let Some(current) = task.mm() else {
            return;
        };
        if pending.iter().any(|mm| ptr::eq(&**mm, &**current)) {
            drop(pending);
            // Nothing of this address space is between `mmap_prepare` and `mapped` while this is
            // held, which an mmap holds for writing.
            let _lock = current.mmap_read_lock();
            forget_current(&mut self.pending.lock());
        }
    }

    /// Inserts the pages around the one that was touched.
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

    /// Takes the memory away from all users; see the module's description. It is still there, for
    /// an access of the kernel that is under way.
    pub(crate) fn stop(&self) {
        let mut stopped = self.stopped.lock();
        // Full: orders the store before the load of `accesses` below. Pairs with `access`.
        if !self.live.xchg(false, Full) {
            return;
        }
        self.gone.wake(bindings::POLLERR | bindings::POLLHUP);
        let pending = core::mem::take(&mut *self.pending.lock());
        for mm in &pending {
            if let Some(mm) = mm.mmget_not_zero() {
                // An mmap holds this lock for writing until it has gone through `mapped`.
                drop(mm.mmap_read_lock());
            }
        }
        self.faults.wait_for_readers();
        // The address space has the mappings of the other windows as well: those stay where nothing
        // of this one was ever mapped.
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

    /// Takes the memory away from all users, and frees it or leaves it to its other owners. Where
    /// several mappings are stopped first, all of them wait for one grace period.
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

    /// Calls `f`, which must not sleep, with the memory. `ENODEV`: revoked.
    fn access(&self, f: impl FnOnce(&Backing) -> Result<usize>) -> Result<usize> {
        // Full: orders it before the load of `live`. Pairs with `stop`, which either finds the
        // count or has cleared `live` before.
        self.accesses.fetch_add(1, Full);
        // Before the look at `live`: whoever finds it set is then waited for by the grace period,
        // which begins after it was cleared.
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

/// Pages that one fault inserts at most: as many as one ARM page table of Linux holds.
const BATCH: usize = 512;

/// Whether an address space has no task any more, and gets none.
fn is_dead(mm: &Mm) -> bool {
    // SAFETY: a reference to an address space is valid.
    unsafe { ffi::fanlight_mm_is_dead(mm.as_raw()) }
}

/// Drops the note on the current task's address space.
fn forget_current(pending: &mut KVec<ARef<Mm>>) {
    if let Some(mm) = kernel::current!().mm() {
        pending.retain(|p| !ptr::eq(&**p, &**mm));
    }
}
