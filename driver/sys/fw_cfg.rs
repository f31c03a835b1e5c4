// SPDX-License-Identifier: GPL-2.0-only

//! QEMU's firmware configuration device, by its DMA interface.
//!
//! The interface is specified in QEMU's `docs/specs/fw_cfg.rst`: to a register at offset 16 goes the big-endian physical
//! address of a request (control, length, address; big-endian), and the device has done it when control reads 0.

use super::{
    contiguous::ContiguousArea,
    of::Range,
    version::smp_mb,
    Cache, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    device::Device,
    prelude::*, //
};

const DMA_REGISTER: usize = 16;
const FILE_DIRECTORY: u16 = 0x19;
const CONTROL_ERROR: u32 = 1 << 0;
const CONTROL_READ: u32 = 1 << 1;
const CONTROL_SELECT: u32 = 1 << 3;
const CONTROL_WRITE: u32 = 1 << 4;

/// Bytes of the request, and bytes for data behind it.
const REQUEST: usize = 16;
const DATA: usize = super::PAGE_SIZE - REQUEST;

/// The device, mapped, with a page to talk through.
///
/// # Invariants
///
/// `registers` is a live mapping of the device's registers, at least 24 bytes.
pub(crate) struct FwCfg {
    registers: NonNull<u8>,
    page: ContiguousArea,
}

// SAFETY: a mapping of registers is valid in every thread.
unsafe impl Send for FwCfg {}
// SAFETY: the methods that use the device take `&mut self`.
unsafe impl Sync for FwCfg {}

impl FwCfg {
    /// Finds the device in the device tree; `ENODEV` when this is not QEMU.
    pub(crate) fn new(dev: &Device) -> Result<Self> {
        let range = Range::by_compatible(c"qemu,fw-cfg-mmio")?;
        if range.size < (DMA_REGISTER + 8) as u64 {
            return Err(ENODEV);
        }
        let page = ContiguousArea::new(dev, REQUEST + DATA, Cache::WriteCombine)?;
        // SAFETY: the range is that of the device's registers, and nobody else in this kernel uses them.
        let registers = unsafe {
            bindings::ioremap(
                range.start as bindings::resource_size_t,
                range.size as usize,
            )
        };
        // INVARIANT: mapped just now; the size was checked.
        Ok(Self {
            registers: NonNull::new(registers.cast::<u8>()).ok_or(ENOMEM)?,
            page,
        })
    }

    /// The number of the file `name`; `ENOENT` when QEMU has none.
    pub(crate) fn find(&mut self, name: &[u8]) -> Result<u16> {
        // A count, then entries of 64 bytes: size, number, reserved, name. See `struct FWCfgFile`.
        let mut count = [0; 4];
        self.transfer(CONTROL_SELECT | CONTROL_READ, FILE_DIRECTORY, &mut count)?;
        for _ in 0..u32::from_be_bytes(count) {
            let mut entry = [0; 64];
            self.transfer(CONTROL_READ, 0, &mut entry)?;
            let found = entry[8..].split(|&b| b == 0).next().unwrap_or(&[]);
            if found == name {
                return Ok(u16::from_be_bytes([entry[4], entry[5]]));
            }
        }
        Err(ENOENT)
    }

    /// Writes the whole of file `number`.
    pub(crate) fn write(&mut self, number: u16, data: &[u8]) -> Result {
        let mut copy = [0; 64];
        let copy = copy.get_mut(..data.len()).ok_or(EINVAL)?;
        copy.copy_from_slice(data);
        self.transfer(CONTROL_SELECT | CONTROL_WRITE, number, copy)
    }

    fn transfer(&mut self, control: u32, number: u16, data: &mut [u8]) -> Result {
        if data.len() > DATA {
            return Err(EINVAL);
        }
        let control = control | u32::from(number) << 16;
        let base = self.page.as_ptr();
        let phys = self.page.pfn() as u64 * super::PAGE_SIZE as u64;
        // SAFETY: all offsets are inside the page, which is ours; the device reads and writes it only during the call.
        unsafe {
            let put = |at: usize, bytes: &[u8]| {
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), base.add(at), bytes.len());
            };
            put(0, &control.to_be_bytes());
            put(4, &(data.len() as u32).to_be_bytes());
            put(8, &(phys + REQUEST as u64).to_be_bytes());
            put(REQUEST, data);
        }
        smp_mb();
        let register = self.registers.as_ptr().cast::<u32>();
        // SAFETY: by the type invariant. The low half starts the transfer.
        unsafe {
            register
                .add(DMA_REGISTER / 4)
                .write_volatile(((phys >> 32) as u32).to_be());
            register
                .add(DMA_REGISTER / 4 + 1)
                .write_volatile((phys as u32).to_be());
        }
        // The device works while the store is executed; the loop is for one that would not.
        for _ in 0..1000 {
            smp_mb();
            // SAFETY: the start of the page is the request's control word.
            let done = u32::from_be(unsafe { base.cast::<u32>().read_volatile() });
            if done & CONTROL_ERROR != 0 {
                return Err(EIO);
            }
            if done == 0 {
                for (i, byte) in data.iter_mut().enumerate() {
                    // SAFETY: inside the page.
                    *byte = unsafe { base.add(REQUEST + i).read_volatile() };
                }
                return Ok(());
            }
        }
        Err(ETIMEDOUT)
    }
}

impl Drop for FwCfg {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::iounmap(self.registers.as_ptr().cast()) };
    }
}
