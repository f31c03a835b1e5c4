// SPDX-License-Identifier: GPL-2.0-only

//! `pte`: a pread at a user address gives six words on the page at this address in the reading process: Linux's
//! page-table entry, the hardware's, SCTLR, PRRR, NMRR, and the number of references to the page.
//!
//! `kernel-ptes`: a pread at a physical address gives three words for each mapping that the kernel
//! has of the page there: its address, the hardware's entry, and whether that is of a section.

use crate::sys;
use kernel::{
    debugfs::BinaryWriter,
    fs::file,
    prelude::*,
    uaccess::UserSliceWriter, //
};

/// Nothing: the position says it all.
pub(crate) struct Lookup;

impl BinaryWriter for Lookup {
    fn write_to_slice(
        &self,
        writer: &mut UserSliceWriter,
        offset: &mut file::Offset,
    ) -> Result<usize> {
        let pte = sys::pte(usize::try_from(*offset)?)?;
        let words = [
            pte.software,
            pte.hardware,
            pte.sctlr,
            pte.prrr,
            pte.nmrr,
            pte.references,
        ];
        for word in words {
            writer.write_slice(&word.to_ne_bytes())?;
        }
        Ok(core::mem::size_of_val(&words))
    }
}

/// Nothing: the position says it all.
pub(crate) struct KernelLookup;

impl BinaryWriter for KernelLookup {
    fn write_to_slice(
        &self,
        writer: &mut UserSliceWriter,
        offset: &mut file::Offset,
    ) -> Result<usize> {
        let mut found = [sys::KernelPte::default(); 16];
        let found = sys::kernel_ptes(u32::try_from(*offset)?, &mut found)?;
        for pte in found {
            for word in [pte.address, pte.hardware, pte.is_section] {
                writer.write_slice(&word.to_ne_bytes())?;
            }
        }
        Ok(core::mem::size_of_val(found))
    }
}
