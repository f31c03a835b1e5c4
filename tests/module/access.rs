// SPDX-License-Identifier: GPL-2.0-only

//! `access`: a pread or pwrite at a user address is an access to the memory of this process as
//! ptrace() makes it where the page tables do not lead there. 32-bit ARM has no such accesses, but
//! the driver serves them.

use crate::sys;
use kernel::{
    debugfs::{
        BinaryReader,
        BinaryWriter, //
    },
    fs::file,
    prelude::*,
    uaccess::{
        UserSliceReader,
        UserSliceWriter, //
    }, //
};

/// Nothing: the position says it all.
pub(crate) struct Access;

impl BinaryWriter for Access {
    fn write_to_slice(
        &self,
        writer: &mut UserSliceWriter,
        offset: &mut file::Offset,
    ) -> Result<usize> {
        let mut buf = KVec::from_elem(0u8, writer.len(), GFP_KERNEL)?;
        let done = sys::access(usize::try_from(*offset)?, &mut buf, false)?;
        writer.write_slice(&buf[..done])?;
        Ok(done)
    }
}

impl BinaryReader for Access {
    fn read_from_slice(
        &self,
        reader: &mut UserSliceReader,
        offset: &mut file::Offset,
    ) -> Result<usize> {
        let mut buf = KVec::from_elem(0u8, reader.len(), GFP_KERNEL)?;
        reader.read_slice(&mut buf)?;
        sys::access(usize::try_from(*offset)?, &mut buf, true)
    }
}
