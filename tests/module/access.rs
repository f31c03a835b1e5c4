// SPDX-License-Identifier: GPL-2.0-only

//! `access`: a pread or pwrite at a user address calls the driver's `access` operation for this
//! address of the process, as ptrace() does for memory without a `struct page`. The kernel of
//! 32-bit ARM does not call that operation, but the driver implements it.

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

/// No state: the file position is the address.
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
