// SPDX-License-Identifier: GPL-2.0-only

//! Requests of the core: to create a mapping, and to handle a fault in it.

use super::{
    Mapping,
    Protection, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    mm::virt::VmaRef,
    prelude::*, //
};

/// A request to map, while `mmap_prepare` runs.
///
/// # Invariants
///
/// `desc` is valid for `'a`. Its file belongs to the address space of `mapping`, and keeps
/// `mapping` until its release.
pub(crate) struct MapRequest<'a> {
    pub(super) desc: *mut bindings::vm_area_desc,
    mapping: &'a Mapping,
    _lifetime: PhantomData<&'a mut bindings::vm_area_desc>,
}

impl<'a> MapRequest<'a> {
    /// # Safety
    ///
    /// The type invariant holds for `desc` and `mapping`.
    pub(in crate::sys) unsafe fn from_raw(
        desc: *mut bindings::vm_area_desc,
        mapping: &'a Mapping,
    ) -> Self {
        // INVARIANT: the caller passes the descriptor of this call, and the mapping that the file
        // of the descriptor keeps until its release.
        Self {
            desc,
            mapping,
            _lifetime: PhantomData,
        }
    }

    /// Prepares the mapping, which the core then creates; see [`Mapping::map`] for the errors.
    /// `addresses`: the opener may see physical addresses.
    pub(crate) fn map(self, protection: Protection, addresses: bool) -> Result {
        self.mapping.map(&self, protection, addresses)
    }
}

/// A fault in a mapping.
///
/// # Invariants
///
/// `vma` was made by [`Mapping::map`] of `mapping`. `address` is in it, and `pgoff` is the page of
/// the window that is mapped there.
pub(in crate::sys) struct Fault<'a> {
    mapping: &'a Mapping,
    pub(super) vma: &'a VmaRef,
    pub(super) pgoff: usize,
    pub(super) address: usize,
}

impl<'a> Fault<'a> {
    /// # Safety
    ///
    /// `vmf` must be valid and its mapping locked for `'a`, and have been made by [`Mapping::map`]
    /// of `mapping`.
    pub(in crate::sys) unsafe fn from_raw(
        vmf: *mut bindings::vm_fault,
        mapping: &'a Mapping,
    ) -> Self {
        // SAFETY: the core has locked the mapping for the fault, so that both stay valid and the
        // fields that are read here do not change for `'a`.
        let (vma, pgoff, address) = unsafe {
            let fault = (*vmf).__bindgen_anon_1;
            (VmaRef::from_raw(fault.vma), fault.pgoff, fault.address)
        };
        // INVARIANT: the core computes `pgoff` from `address` and the mapping. `Mapping::map`
        // leaves the page offset of a mapping that is filled by faults as it was asked for.
        Self {
            mapping,
            vma,
            pgoff,
            address,
        }
    }

    /// Inserts the pages around the faulting one.
    pub(in crate::sys) fn handle(&self) -> bindings::vm_fault_t {
        self.mapping.fault(self)
    }
}
