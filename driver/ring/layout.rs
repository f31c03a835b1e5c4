// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! What is where: the header page, the data, and a view over both. C header: `driver/uapi/fanlight.h`.

#![forbid(unsafe_code)]

use super::atomic::{Long, Word};

/// First word of the header: `FANLIGHT_LOG_MAGIC`.
pub const MAGIC: u32 = 0x474c_4e46;
/// Version of the format: `FANLIGHT_LOG_VERSION`.
pub const VERSION: u32 = 1;
/// Bytes from the header to the data.
pub const HEADER_SIZE: usize = 4096;
/// The smallest size of the data in bytes.
pub const DATA_MIN: usize = if cfg!(loom) { 32 } else { 32 << 10 };
/// The largest size of the data in bytes.
pub const DATA_MAX: usize = 1 << 28;

/// `struct fanlight_log_header`.
///
/// In memory that others may write, every field is untrusted: [`Ring::attach`] and the readers check what they use.
#[repr(C)]
pub struct Header {
    /// [`MAGIC`]; stored last when a ring is made.
    pub magic: Word,
    /// [`VERSION`].
    pub version: Word,
    /// [`HEADER_SIZE`].
    pub header_size: Word,
    /// Bytes of data, a power of two.
    pub data_size: Word,
    /// End of the newest whole record.
    pub head: Long,
    /// Beginning of the oldest record.
    pub tail: Long,
    /// Sequence number that the first record got.
    pub first_seq: Long,
    /// The boot whose records these are.
    pub boot_id: [Word; 4],
}

#[cfg(not(loom))]
const _: () = {
    use core::mem::{align_of, offset_of, size_of};
    assert!(size_of::<Header>() == 56);
    assert!(align_of::<Header>() <= 8);
    assert!(offset_of!(Header, magic) == 0);
    assert!(offset_of!(Header, version) == 4);
    assert!(offset_of!(Header, header_size) == 8);
    assert!(offset_of!(Header, data_size) == 12);
    assert!(offset_of!(Header, head) == 16);
    assert!(offset_of!(Header, tail) == 24);
    assert!(offset_of!(Header, first_seq) == 32);
    assert!(offset_of!(Header, boot_id) == 40);
};

impl Header {
    /// A header of zeros, which is no ring yet.
    pub fn empty() -> Self {
        Self {
            magic: Word::new(0),
            version: Word::new(0),
            header_size: Word::new(0),
            data_size: Word::new(0),
            head: Long::new(0),
            tail: Long::new(0),
            first_seq: Long::new(0),
            boot_id: [Word::new(0), Word::new(0), Word::new(0), Word::new(0)],
        }
    }

    /// Checks the constant fields and returns the bytes of data that follow the header page.
    pub fn check(&self) -> Result<usize, AttachError> {
        if self.magic.load_acquire() != MAGIC {
            return Err(AttachError::Magic);
        }
        if self.version.load() != VERSION {
            return Err(AttachError::Version);
        }
        let size = usize::try_from(self.data_size.load()).map_err(|_| AttachError::Size)?;
        if usize::try_from(self.header_size.load()) != Ok(HEADER_SIZE) || !size_ok(size) {
            return Err(AttachError::Size);
        }
        Ok(size)
    }

    /// The boot whose records these are.
    pub fn boot_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        for (to, word) in id.chunks_exact_mut(4).zip(&self.boot_id) {
            to.copy_from_slice(&word.load().to_ne_bytes());
        }
        id
    }
}

/// Why memory is not a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachError {
    /// The first word is not [`MAGIC`].
    Magic,
    /// A version that this code does not know.
    Version,
    /// Sizes that cannot be, or that are not those of the memory.
    Size,
}

/// Whether a ring can have `size` bytes of data.
pub const fn size_ok(size: usize) -> bool {
    size.is_power_of_two() && size >= DATA_MIN && size <= DATA_MAX
}

/// Where the first record goes, and its number. Zero and zero unless a test wants the counters to wrap soon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The position, a multiple of 8.
    pub position: u64,
    /// The sequence number.
    pub seq: u64,
}

/// A ring: its header and its data.
///
/// # Invariants
///
/// `size` is a size that [`size_ok`] accepts, and `data` has exactly as many bytes.
#[derive(Clone, Copy)]
pub struct Ring<'a> {
    header: &'a Header,
    data: &'a [Word],
    size: usize,
}

impl<'a> Ring<'a> {
    /// Makes an empty ring out of memory that nobody reads yet. `None` if the size of the data cannot be.
    pub fn init(
        header: &'a Header,
        data: &'a [Word],
        boot_id: &[u8; 16],
        start: Start,
    ) -> Option<Self> {
        let size = data.len().checked_mul(4)?;
        if !size_ok(size) || start.position % 8 != 0 {
            return None;
        }
        header.version.store(VERSION);
        header.header_size.store(u32::try_from(HEADER_SIZE).ok()?);
        header.data_size.store(u32::try_from(size).ok()?);
        header.head.store(start.position);
        header.tail.store(start.position);
        header.first_seq.store(start.seq);
        // INVARIANT: `size` was checked and computed from `data`.
        let ring = Self { header, data, size };
        // Says that nothing was ever written: see `Ring::untouched`.
        ring.words_from(start.position).first()?.store(0);
        for (word, bytes) in header.boot_id.iter().zip(boot_id.chunks_exact(4)) {
            word.store(u32::from_ne_bytes(<[u8; 4]>::try_from(bytes).ok()?));
        }
        header.magic.store_release(MAGIC);
        Some(ring)
    }

    /// Views memory that holds a ring already.
    pub fn attach(header: &'a Header, data: &'a [Word]) -> Result<Self, AttachError> {
        if header.check()? != data.len() * 4 {
            return Err(AttachError::Size);
        }
        Self::own(header, data).ok_or(AttachError::Size)
    }

    /// Views memory that holds a ring which was made here, and that nobody else can change: the header is not checked
    /// again.
    #[inline]
    pub fn own(header: &'a Header, data: &'a [Word]) -> Option<Self> {
        let size = data.len().checked_mul(4)?;
        // INVARIANT: the size was just checked.
        size_ok(size).then_some(Self { header, data, size })
    }

    /// The header.
    #[inline]
    pub fn header(&self) -> &'a Header {
        self.header
    }

    /// Bytes of data.
    #[inline]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether nothing was ever written behind `tail`, where nothing is published yet.
    pub(super) fn untouched(&self, tail: u64) -> bool {
        self.words_from(tail)
            .first()
            .is_some_and(|word| word.load() == 0)
    }

    /// The place in the data of a position, of which 29 bits are enough.
    #[inline]
    pub(super) fn offset(&self, position: u32) -> usize {
        // The mask makes the position fit.
        position as usize & self.size.wrapping_sub(1)
    }

    /// The words of the `len` bytes at `position`; none if they would wrap.
    #[inline]
    pub(super) fn words(&self, position: u64, len: usize) -> &'a [Word] {
        self.words_at(self.offset(position as u32), len)
    }

    /// The words of the `len` bytes at `offset`; none if they would wrap.
    #[inline]
    pub(super) fn words_at(&self, offset: usize, len: usize) -> &'a [Word] {
        let at = offset / 4;
        self.data.get(at..at.wrapping_add(len / 4)).unwrap_or(&[])
    }

    /// The words from `position` up to the end of the data.
    #[inline]
    pub(super) fn words_from(&self, position: u64) -> &'a [Word] {
        self.data
            .get(self.offset(position as u32) / 4..)
            .unwrap_or(&[])
    }

    /// Bytes from `position` to the end of the data.
    #[inline]
    pub(super) fn room(&self, position: u64) -> usize {
        self.size.wrapping_sub(self.offset(position as u32))
    }
}

/// How far `a` is past `b`; negative when it is before. Positions and sequence numbers are modulo 2^64.
#[inline]
pub fn distance(a: u64, b: u64) -> i64 {
    // The wrap of the cast is what is wanted.
    a.wrapping_sub(b) as i64
}
