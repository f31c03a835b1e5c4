// SPDX-License-Identifier: GPL-2.0-only

//! QEMU's firmware configuration device, by its DMA interface.
//!
//! The interface is specified in QEMU's `docs/specs/fw_cfg.rst`. `fw_cfg.c` does the transfers;
//! this file finds and writes the device's files.

use super::ffi;
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    prelude::*, //
};

const FILE_DIRECTORY: u16 = 0x19;
const CONTROL_READ: u32 = 1 << 1;
const CONTROL_SELECT: u32 = 1 << 3;
const CONTROL_WRITE: u32 = 1 << 4;

/// The device, which all instances share.
///
/// # Invariants
///
/// One use of the device is counted for this value.
pub(crate) struct FwCfg(());

/// The right to do transfers: no other thread does one while this exists.
///
/// # Invariants
///
/// The current thread holds the device's lock, and a [`FwCfg`] exists.
struct Transfers<'a>(PhantomData<&'a FwCfg>);

impl FwCfg {
    /// `ENODEV`: this is not QEMU; `EBUSY`: another driver uses the device.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: called from a probe, which may sleep.
        to_result(unsafe { ffi::fanlight_fw_cfg_get() })?;
        // INVARIANT: counted just now.
        Ok(Self(()))
    }

    /// The number of the file `name`; `ENOENT` if QEMU does not have it.
    pub(crate) fn find(&self, name: &[u8]) -> Result<u16> {
        let transfers = Transfers::new(self);
        // A count, then entries of 64 bytes: size, number, reserved, name. See `struct FWCfgFile`.
        let mut count = [0; 4];
        transfers.run(CONTROL_SELECT | CONTROL_READ, FILE_DIRECTORY, &mut count)?;
        for _ in 0..u32::from_be_bytes(count) {
            let mut entry = [0; 64];
            transfers.run(CONTROL_READ, 0, &mut entry)?;
            let found = entry[8..].split(|&b| b == 0).next().unwrap_or(&[]);
            if found == name {
                return Ok(u16::from_be_bytes([entry[4], entry[5]]));
            }
        }
        Err(ENOENT)
    }

    /// Writes the whole of file `number`.
    pub(crate) fn write(&self, number: u16, data: &[u8]) -> Result {
        let mut copy = [0; 64];
        let copy = copy.get_mut(..data.len()).ok_or(EINVAL)?;
        copy.copy_from_slice(data);
        Transfers::new(self).run(CONTROL_SELECT | CONTROL_WRITE, number, copy)
    }
}

impl Drop for FwCfg {
    fn drop(&mut self) {
        // SAFETY: `fanlight_fw_cfg_get` succeeded for this value, and this is the only call of
        // `put` for it.
        unsafe { ffi::fanlight_fw_cfg_put() };
    }
}

impl<'a> Transfers<'a> {
    fn new(_device: &'a FwCfg) -> Self {
        // SAFETY: no preconditions but that this may sleep: displays are driven from probe, remove
        // and ioctl.
        unsafe { ffi::fanlight_fw_cfg_lock() };
        // INVARIANT: locked just now.
        Self(PhantomData)
    }

    /// Writes or reads `data`, depending on `control`.
    fn run(&self, control: u32, number: u16, data: &mut [u8]) -> Result {
        let control = control | u32::from(number) << 16;
        // SAFETY: `new` has locked the device, and the `FwCfg` that it borrows keeps the device in
        // use. `data` may be read and written for its length.
        to_result(unsafe {
            ffi::fanlight_fw_cfg_transfer(control, data.as_mut_ptr().cast(), data.len())
        })
    }
}

impl Drop for Transfers<'_> {
    fn drop(&mut self) {
        // SAFETY: `new` has locked it, and only this drop unlocks it, in the same task: every value
        // is a local variable of the method that made it.
        unsafe { ffi::fanlight_fw_cfg_unlock() };
    }
}
