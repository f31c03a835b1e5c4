// SPDX-License-Identifier: MIT OR Apache-2.0
//! Typed access to a mapped window: one aligned load or store at a time, inside of the window.

use core::fmt;

#[cfg(feature = "std")]
use core::ptr::NonNull;

#[cfg(feature = "std")]
use crate::sys::atomics::{Atomic, Atomics};
#[cfg(feature = "std")]
use crate::sys::word::Word;
#[cfg(feature = "std")]
use crate::sys::Memory;

/// Why a load, a store or a drawing operation was refused.
///
/// ```
/// let error = fanlight::AccessError::OutOfBounds { offset: 4096, count: 4, size: 4096 };
/// let expected = "4 bytes at offset 0x1000 are beyond the end, which is at 0x1000";
/// assert_eq!(error.to_string(), expected);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessError {
    /// Some of the bytes are beyond the end.
    OutOfBounds {
        /// Where the access would begin.
        offset: u64,
        /// How many bytes were wanted.
        count: u64,
        /// Bytes that there are.
        size: u64,
    },
    /// The offset is no multiple of the access's width.
    Misaligned {
        /// Where the access would begin.
        offset: u64,
        /// Its bytes.
        width: usize,
    },
    /// The registers are accessed with another width only: `reg-io-width` in the device tree.
    Width {
        /// Bytes of the access.
        wanted: usize,
        /// Bytes that an access has to have.
        width: usize,
    },
    /// A store into what is mapped read-only.
    ReadOnly,
    /// Atomic operations on memory that is not cached, where the processor's exclusive accesses may
    /// fail for ever.
    NotCached,
    /// The driver has taken the memory away: it was unbound. What was read is not the window's.
    Revoked,
    /// No device responds at this address: its clock is off, it is in reset, or there is none. Of a
    /// copy, some bytes may have been copied. The rest of the window stays usable.
    ///
    /// Only after [`survive_revocation`](crate::survive_revocation); without it the process is
    /// ended by SIGBUS.
    BusError {
        /// The window.
        window: WindowName,
        /// The first byte, from the beginning of the window, that did not respond.
        offset: u64,
    },
}

/// The name of a window in an error.
///
/// ```
/// assert_eq!(fanlight::WindowName::new("regs").as_str(), "regs");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WindowName {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl WindowName {
    /// The longest name that the driver gives to a window, in bytes.
    const MAX: usize = 31;

    /// Copies a name. A longer one than the driver's is cut.
    ///
    /// ```
    /// let longest = "w".repeat(31);
    /// assert_eq!(fanlight::WindowName::new(&(longest.clone() + "x")).as_str(), longest);
    /// ```
    pub fn new(name: &str) -> Self {
        let mut len = name.len().min(Self::MAX);
        while !name.is_char_boundary(len) {
            len -= 1;
        }
        let mut bytes = [0; Self::MAX];
        bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
        Self { bytes, len }
    }

    /// The name.
    ///
    /// ```
    /// assert_eq!(fanlight::WindowName::new("").as_str(), "");
    /// ```
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl fmt::Debug for WindowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for WindowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessError::OutOfBounds {
                offset,
                count,
                size,
            } => {
                write!(
                    f,
                    "{count} bytes at offset {offset:#x} are beyond the end, which is at {size:#x}"
                )
            }
            AccessError::Misaligned { offset, width } => {
                write!(
                    f,
                    "offset {offset:#x} is no multiple of the access's {width} bytes"
                )
            }
            AccessError::Width { wanted, width } => write!(
                f,
                "an access of {wanted} bytes, where the registers take {width} bytes at a time \
                 (reg-io-width)"
            ),
            AccessError::ReadOnly => f.write_str("it is mapped read-only"),
            AccessError::NotCached => f.write_str(
                "atomic operations need cached memory, and it is not cached \
                 (fanlight,cache = \"cached\" in its device-tree node makes it so)",
            ),
            AccessError::Revoked => f.write_str(
                "the device is gone: its driver was unbound while it was mapped; bind it \
                     and open it again",
            ),
            AccessError::BusError { window, offset } => write!(
                f,
                "bus error at offset {offset:#x} of window {window}: no device responds there \
                 (is its clock off, or is it in reset?)"
            ),
        }
    }
}

impl core::error::Error for AccessError {}

/// A window mapped for reading.
///
/// Its memory may change at any time, by other programs or by hardware, and is therefore never
/// borrowed: every value is loaded once, by an access of exactly that width.
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
/// Threads can share it. [`barrier`](crate::barrier) describes in which order accesses are seen.
#[cfg(feature = "std")]
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
#[cfg(feature = "std")]
#[derive(Debug)]
pub struct MapMut {
    map: Map,
}

#[cfg(feature = "std")]
impl Map {
    /// Bytes that are mapped.
    ///
    /// ```no_run
    /// # let map = fanlight::Instance::open(0)?.window("sram")?.map()?;
    /// println!("{} bytes", map.len());
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    #[expect(clippy::len_without_is_empty, reason = "a window is never empty")]
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Loads a `u8`, `u16`, `u32` or `u64`, in the byte order of the machine, by one instruction;
    /// a `u64` on a 32-bit processor by two, see [`Word`](crate::Word).
    ///
    /// Of a noncached window, this is what readl() is in the kernel: loads and stores keep their
    /// order, and what is read of memory later is not older. See [`barrier`](crate::barrier).
    ///
    /// # Errors
    ///
    /// Beyond the end, not aligned to its width, not the width of the registers, or revoked.
    ///
    /// ```no_run
    /// # let map = fanlight::Instance::open(0)?.window("sram")?.map()?;
    /// let low: u8 = map.read(0x21)?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn read<T: Word>(&self, offset: usize) -> Result<T, AccessError> {
        self.memory.load(offset)
    }

    /// The only width of accesses, in bytes: `reg-io-width` in the device tree.
    ///
    /// ```no_run
    /// # let map = fanlight::Instance::open(0)?.window("regs")?.map()?;
    /// assert!(map.io_width().is_none_or(|width| [1, 2, 4].contains(&width)));
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn io_width(&self) -> Option<usize> {
        self.memory.width()
    }

    /// Copies bytes out. Of a noncached window, in order: with the width of the registers, or else
    /// by words where they are aligned, and by bytes.
    ///
    /// # Errors
    ///
    /// Beyond the end, or revoked.
    ///
    /// ```no_run
    /// # let map = fanlight::Instance::open(0)?.window("sram")?.map()?;
    /// let mut block = [0; 512];
    /// map.copy_to(0, &mut block)?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn copy_to(&self, offset: usize, into: &mut [u8]) -> Result<(), AccessError> {
        self.memory.read(offset, into)
    }

    /// Whether the driver was unbound; only ever true after
    /// [`survive_revocation`](crate::survive_revocation).
    ///
    /// ```no_run
    /// # let map = fanlight::Instance::open(0)?.window("sram")?.map()?;
    /// if map.is_revoked() {
    ///     eprintln!("the device is gone");
    /// }
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn is_revoked(&self) -> bool {
        self.memory.is_revoked()
    }

    /// The address of the first byte, for code that makes accesses of its own. It is valid for
    /// [`len`](Self::len) bytes and until the map is dropped; what is behind it may change at any
    /// time, and is never to be borrowed.
    ///
    /// Use volatile loads for registers, and [`check`](Self::check) the map behind them.
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

    /// Whether every access by a pointer of [`as_ptr`](Self::as_ptr) or
    /// [`ptr_at`](MapMut::ptr_at) has reached the window since the last error was reported. What
    /// was loaded is not the window's otherwise.
    ///
    /// # Errors
    ///
    /// Revoked, or a bus error; only ever after
    /// [`survive_revocation`](crate::survive_revocation).
    ///
    /// ```no_run
    /// # let map = fanlight::Instance::open(0)?.window("sram")?.map()?;
    /// map.check()?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn check(&self) -> Result<(), AccessError> {
        self.memory.check()
    }
}

#[cfg(feature = "std")]
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
    /// To a noncached window, this is what writel() is in the kernel: a device that it reaches sees
    /// what was written to memory before. See [`barrier`](crate::barrier).
    ///
    /// # Errors
    ///
    /// Beyond the end, not aligned to its width, not the width of the registers, or revoked.
    ///
    /// ```no_run
    /// # let mut map = fanlight::Instance::open(0)?.window("sram")?.map_mut()?;
    /// map.write(0x20, 0xffu8)?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn write<T: Word>(&mut self, offset: usize, value: T) -> Result<(), AccessError> {
        self.map.memory.store(offset, value)
    }

    /// Loads a value and stores what `change` makes of it. Others may store in between.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// ```no_run
    /// # let mut map = fanlight::Instance::open(0)?.window("sram")?.map_mut()?;
    /// map.update(0x20, |value: u32| value & !1)?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
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
    ///
    /// ```no_run
    /// # let mut map = fanlight::Instance::open(0)?.window("sram")?.map_mut()?;
    /// map.copy_from(0, b"hello")?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn copy_from(&mut self, offset: usize, from: &[u8]) -> Result<(), AccessError> {
        self.map.memory.write(offset, from)
    }

    /// As [`as_ptr`](Map::as_ptr), for stores too.
    ///
    /// ```no_run
    /// # let mut map = fanlight::Instance::open(0)?.window("sram")?.map_mut()?;
    /// // SAFETY: the window has four bytes at least, and begins with a page.
    /// unsafe { map.as_mut_ptr().cast::<u32>().write_volatile(1) };
    /// map.check()?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.map.memory.as_ptr()
    }

    /// A pointer to a `T` that begins at `offset`: for crates that describe registers by a
    /// structure, as safe-mmio, tock-registers and volatile do. It is valid until the map is
    /// dropped.
    ///
    /// # Errors
    ///
    /// Beyond the end, or not aligned as a `T` is.
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

    /// Makes a slice of atomics of the map, for structures that programs share. Every operation of
    /// the standard library's atomics can be used, by any number of threads.
    ///
    /// # Errors
    ///
    /// The window is not cached: [`AccessError::NotCached`].
    ///
    /// ```no_run
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let map = fanlight::Instance::open(0)?.window("shared")?.map_mut()?;
    /// map.into_atomics::<AtomicU32>()?[0].fetch_add(1, Ordering::Relaxed);
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn into_atomics<A: Atomic>(self) -> Result<Atomics<A>, AccessError> {
        Atomics::new(self.map.memory)
    }

    /// Sets bytes to one value.
    ///
    /// # Errors
    ///
    /// Beyond the end, or revoked.
    ///
    /// ```no_run
    /// # let mut map = fanlight::Instance::open(0)?.window("sram")?.map_mut()?;
    /// map.fill(0, 4096, 0)?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn fill(&mut self, offset: usize, count: usize, value: u8) -> Result<(), AccessError> {
        self.map.memory.fill(offset, count, [value; 12])
    }
}

/// Everything that reads.
#[cfg(feature = "std")]
impl core::ops::Deref for MapMut {
    type Target = Map;

    fn deref(&self) -> &Map {
        &self.map
    }
}
