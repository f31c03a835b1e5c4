// SPDX-License-Identifier: GPL-2.0-only

//! `pte`: a pread at a user address returns five 64-bit numbers for the page at this address of
//! the reading process: the members of `struct fanlight_test_pte` in helpers.h.
//!
//! `kernel-ptes`: a pread at a physical address returns three such numbers for each mapping of this
//! page in the kernel's addresses: its address, the hardware's entry, and whether that entry maps
//! more than a page.

use crate::sys;
use kernel::{
    debugfs::BinaryWriter,
    fs::file,
    prelude::*,
    uaccess::UserSliceWriter, //
};

/// No state: the file position is the address.
pub(crate) struct Lookup;

impl BinaryWriter for Lookup {
    fn write_to_slice(
        &self,
        writer: &mut UserSliceWriter,
        offset: &mut file::Offset,
    ) -> Result<usize> {
        let pte = sys::pte(usize::try_from(*offset)?)?;
        let numbers = [
            pte.software,
            pte.hardware,
            pte.attributes,
            pte.format.into(),
            pte.references.into(),
        ];
        for number in numbers {
            writer.write_slice(&number.to_ne_bytes())?;
        }
        Ok(core::mem::size_of_val(&numbers))
    }
}

/// No state: the file position is the address.
pub(crate) struct KernelLookup;

impl BinaryWriter for KernelLookup {
    fn write_to_slice(
        &self,
        writer: &mut UserSliceWriter,
        offset: &mut file::Offset,
    ) -> Result<usize> {
        let mut found = [sys::KernelPte::default(); 16];
        let found = sys::kernel_ptes(u64::try_from(*offset)?, &mut found)?;
        let mut len = 0;
        for pte in found {
            for number in [pte.address, pte.hardware, pte.is_section.into()] {
                writer.write_slice(&number.to_ne_bytes())?;
                len += core::mem::size_of_val(&number);
            }
        }
        Ok(len)
    }
}
