// SPDX-License-Identifier: MIT OR Apache-2.0
//! Typed access to a mapped window: one aligned load or store at a time, checked against its size.

use core::ptr::NonNull;

use crate::access_error::AccessError;
use crate::sys::atomics::{Atomic, Atomics};
use crate::sys::word::Word;
use crate::sys::Memory;

/// A window mapped for reading.
///
/// Other programs or hardware may change its memory at any time, so it is never borrowed: every
/// value is loaded once, by an access of exactly its width.
///
/// ```no_run
/// use fanlight::Instance;
///
/// let map = Instance::open(0)?.window("sram")?.map()?;
/// let status: u32 = map.read(0x10)?;
/// println!("status {status:#010x}");
/// # Ok::<(), fanlight::Error>(())
/// ```
///
/// Threads can share it. [`barrier`](crate::barrier) describes the order of accesses.
#[derive(Debug)]
pub struct Map {
    pub(crate) memory: Memory,
}

/// A window mapped for reading and writing.
///
/// ```no_run
/// use fanlight::Instance;
///
/// let mut map = Instance::open(0)?.window("sram")?.map_mut()?;
/// map.write(0x10, 1u32)?;
/// map.update(0x14, |control: u32| control | 1 << 7)?;
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Debug)]
pub struct MapMut {
    map: Map,
}

impl Map {
    /// Bytes that are mapped.
    #[expect(clippy::len_without_is_empty, reason = "a window is never empty")]
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Loads a `u8`, `u16`, `u32` or `u64`, in the byte order of the machine, by one instruction;
    /// a `u64` on a 32-bit processor by two, see [`Word`](crate::Word).
    ///
    /// In a noncached window, this is like the kernel's readl(): loads and stores keep their order,
    /// and later loads from memory are ordered after it. See [`barrier`](crate::barrier).
    ///
    /// # Errors
    ///
    /// Beyond the end, not aligned to its width, not the width of the registers, or revoked.
    pub fn read<T: Word>(&self, offset: usize) -> Result<T, AccessError> {
        self.memory.load(offset)
    }

    /// The only width of accesses, in bytes: `reg-io-width` in the device tree.
    pub fn io_width(&self) -> Option<usize> {
        self.memory.width()
    }

    /// Copies bytes out. From a noncached window, in order: with the width of the registers, or
    /// otherwise by aligned words and by single bytes.
    ///
    /// # Errors
    ///
    /// Beyond the end, or revoked.
    pub fn copy_to(&self, offset: usize, into: &mut [u8]) -> Result<(), AccessError> {
        self.memory.read(offset, into)
    }

    /// Whether the driver was unbound; only ever true after
    /// [`survive_revocation`](crate::survive_revocation).
    pub fn is_revoked(&self) -> bool {
        self.memory.is_revoked()
    }

    /// The address of the first byte, for code that makes its own accesses. It is valid for
    /// [`len`](Self::len) bytes and until the map is dropped. The memory may change at any time and
    /// must not be borrowed.
    ///
    /// Use volatile loads for registers, and [`check`](Self::check) the map after them.
    ///
    /// ```no_run
    /// # let map = fanlight::Instance::open(0)?.window("sram")?.map()?;
    /// // SAFETY: the window has four bytes at least, and begins with a page.
    /// let first = unsafe { map.as_ptr().cast::<u32>().read_volatile() };
    /// map.check()?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn as_ptr(&self) -> *const u8 {
        self.memory.as_ptr()
    }

    /// Whether every access by a pointer of [`as_ptr`](Self::as_ptr) or [`ptr_at`](MapMut::ptr_at)
    /// has reached the window since the last error was reported. If not, the loaded values are not
    /// from the window.
    ///
    /// # Errors
    ///
    /// Revoked, or a bus error; only ever after
    /// [`survive_revocation`](crate::survive_revocation).
    pub fn check(&self) -> Result<(), AccessError> {
        self.memory.check()
    }
}

impl MapMut {
    pub(crate) fn new(memory: Memory) -> Self {
        debug_assert!(memory.is_writable());
        Self {
            map: Map { memory },
        }
    }

    /// Stores a `u8`, `u16`, `u32` or `u64`, in the byte order of the machine, by one instruction;
    /// a `u64` on a 32-bit processor by two, see [`Word`](crate::Word).
    ///
    /// In a noncached window, this is like the kernel's writel(): the device sees all earlier
    /// stores to memory. See [`barrier`](crate::barrier).
    ///
    /// # Errors
    ///
    /// Beyond the end, not aligned to its width, not the width of the registers, or revoked.
    pub fn write<T: Word>(&mut self, offset: usize, value: T) -> Result<(), AccessError> {
        self.map.memory.store(offset, value)
    }

    /// Loads a value, and stores the result of `change`. Not atomic: other programs may store in
    /// between.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn update<T: Word>(
        &mut self,
        offset: usize,
        change: impl FnOnce(T) -> T,
    ) -> Result<(), AccessError> {
        let value = self.map.read(offset)?;
        self.write(offset, change(value))
    }

    /// Copies bytes in, by the accesses of [`copy_to`](Map::copy_to).
    ///
    /// # Errors
    ///
    /// Beyond the end, or revoked.
    pub fn copy_from(&mut self, offset: usize, from: &[u8]) -> Result<(), AccessError> {
        self.map.memory.write(offset, from)
    }

    /// Like [`as_ptr`](Map::as_ptr), but also for stores.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.map.memory.as_ptr()
    }

    /// A pointer to a `T` at `offset`, for crates that describe registers by a structure, such as
    /// safe-mmio, tock-registers and volatile. It is valid until the map is dropped.
    ///
    /// # Errors
    ///
    /// Beyond the end, or not aligned for `T`.
    ///
    /// ```no_run
    /// use core::ptr::NonNull;
    ///
    /// #[repr(C)]
    /// struct Registers {
    ///     control: u32,
    ///     status: u32,
    /// }
    ///
    /// let mut map = fanlight::Instance::open(0)?.window("regs")?.map_mut()?;
    /// let registers: NonNull<Registers> = map.ptr_at(0x100)?;
    /// // SAFETY: inside of the map, and aligned.
    /// let status = unsafe { (&raw const (*registers.as_ptr()).status).read_volatile() };
    /// map.check()?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn ptr_at<T>(&mut self, offset: usize) -> Result<NonNull<T>, AccessError> {
        self.map.memory.pointer(offset)
    }

    /// Converts the map to a slice of atomics, for structures that programs share. Any number of
    /// threads can use all operations of the standard library's atomics.
    ///
    /// # Errors
    ///
    /// The window is not cached: [`AccessError::NotCached`].
    pub fn into_atomics<A: Atomic>(self) -> Result<Atomics<A>, AccessError> {
        Atomics::new(self.map.memory)
    }

    /// Sets bytes to one value.
    ///
    /// # Errors
    ///
    /// Beyond the end, or revoked.
    pub fn fill(&mut self, offset: usize, count: usize, value: u8) -> Result<(), AccessError> {
        self.map.memory.fill(offset, count, [value; 12])
    }
}

/// All methods that read.
impl core::ops::Deref for MapMut {
    type Target = Map;

    fn deref(&self) -> &Map {
        &self.map
    }
}
