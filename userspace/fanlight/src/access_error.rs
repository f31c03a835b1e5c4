// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why an access to a window failed.

use core::fmt;

/// Why a load, a store or a drawing operation was refused.
///
/// ```
/// let error = fanlight::AccessError::OutOfBounds { offset: 4096, count: 4, size: 4096 };
/// let expected = "4 bytes at offset 0x1000 exceed the size, 0x1000 bytes";
/// assert_eq!(error.to_string(), expected);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessError {
    /// The access exceeds the size.
    OutOfBounds {
        /// Offset of the access.
        offset: u64,
        /// Bytes of the access.
        count: u64,
        /// Bytes of the window or of the picture.
        size: u64,
    },
    /// The offset is not a multiple of the width of the access.
    Misaligned {
        /// Offset of the access.
        offset: u64,
        /// Bytes of the access, which is one load or store.
        width: usize,
    },
    /// The registers have to be accessed with another width: `reg-io-width` in the device tree.
    Width {
        /// Bytes of the access.
        wanted: usize,
        /// The required number of bytes.
        width: usize,
    },
    /// A store to a read-only mapping.
    ReadOnly,
    /// Atomic operations on memory that is not cached, where the processor's exclusive accesses may
    /// fail forever.
    NotCached,
    /// The memory was revoked, because the driver was unbound. Values that were read are not from
    /// the window.
    Revoked,
    /// No device responds at this address: its clock is off, it is in reset, or there is none. A
    /// copy may be incomplete. The rest of the window stays usable.
    ///
    /// Only after [`survive_revocation`](crate::survive_revocation); without it the process is
    /// ended by SIGBUS.
    BusError {
        /// The window.
        window: WindowName,
        /// The offset in the window of the first byte that did not respond.
        offset: u64,
    },
}

/// The name of a window in an error.
///
/// ```
/// use fanlight::WindowName;
///
/// assert_eq!(WindowName::new("regs").as_str(), "regs");
/// // A longer name than the driver allows is cut.
/// assert_eq!(WindowName::new(&"w".repeat(32)).as_str(), "w".repeat(31));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WindowName {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl WindowName {
    /// The longest name that the driver gives to a window, in bytes.
    const MAX: usize = 31;

    /// Copies a name. A name that is longer than the driver allows is cut.
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
                    "{count} bytes at offset {offset:#x} exceed the size, {size:#x} bytes"
                )
            }
            AccessError::Misaligned { offset, width } => {
                write!(
                    f,
                    "offset {offset:#x} is not a multiple of the access width, {width} bytes"
                )
            }
            AccessError::Width { wanted, width } => write!(
                f,
                "an access of {wanted} bytes, but the registers need accesses of {width} bytes \
                 (reg-io-width)"
            ),
            AccessError::ReadOnly => f.write_str("the mapping is read-only"),
            AccessError::NotCached => f.write_str(
                "atomic operations need cached memory, but the window is not cached \
                 (fanlight,cache = \"cached\" in its device-tree node changes that)",
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
