// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The layout of a ring in memory: the header page, and the lanes after it. C header:
//! `driver/uapi/fanlight.h`.

#![forbid(unsafe_code)]

use super::atomic::Word;
use super::clock::{Clocks, CLOCKS};
use super::record::halves;

/// First word of the header: `FANLIGHT_LOG_MAGIC`.
pub const MAGIC: u32 = 0x474c_4e46;
/// Version of the format: `FANLIGHT_LOG_VERSION`.
pub const VERSION: u32 = 3;
/// Bytes from the header to the data.
pub const HEADER_SIZE: usize = 4096;
/// The number of lanes: `FANLIGHT_LOG_LANES`.
pub const LANES: usize = 2;
/// The smallest size of the kernel's lane in bytes.
pub const KERNEL_LANE_MIN: usize = if cfg!(loom) { 32 } else { 32 << 10 };
/// The smallest size of the programs' lane in bytes, if there is one.
pub const USER_LANE_MIN: usize = if cfg!(loom) { 32 } else { 16 << 10 };
/// The largest size of a lane in bytes.
pub const LANE_MAX: usize = 1 << 28;

/// `struct fanlight_log_lane`: the part of the header that describes one lane.
#[derive(Debug)]
#[repr(C)]
pub struct LaneHeader {
    /// Low 32 bits of the position at the end of the newest whole record.
    pub head: Word,
    /// Low 32 bits of the position at the start of the oldest record.
    pub tail: Word,
    /// The position of the head, shifted right by 31.
    pub epoch: Word,
    /// Bytes from the beginning of the header to the lane's data.
    pub offset: Word,
    /// Bytes of the lane's data, a power of two; 0 if there is no such lane.
    pub size: Word,
    /// 0.
    pub reserved: [Word; 3],
}

/// `struct fanlight_log_header`.
///
/// If other programs can write to the memory, no field is trusted: [`Ring::attach`] and the readers
/// check what they use.
#[derive(Debug)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`]; stored last when a ring is created.
    pub magic: Word,
    /// [`VERSION`].
    pub version: Word,
    /// [`HEADER_SIZE`].
    pub header_size: Word,
    /// Bytes of data of all lanes.
    pub data_size: Word,
    /// The sequence number of the first record: a 64-bit number.
    pub first_seq: [Word; 2],
    /// The boot whose records these are.
    pub boot_id: [Word; 4],
    /// 0.
    pub reserved: [Word; 6],
    /// The kernel's lane, and the programs'.
    pub lanes: [LaneHeader; LANES],
    /// The list of offsets to the wall clock.
    pub clocks: Clocks,
}

/// Bytes of a [`Header`].
pub const HEADER_USED: usize = 128 + 16 + CLOCKS * 16;

#[cfg(not(loom))]
const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<LaneHeader>() == 32);
    assert!(size_of::<Header>() == HEADER_USED && HEADER_USED <= HEADER_SIZE);
    assert!(offset_of!(Header, data_size) == 12);
    assert!(offset_of!(Header, first_seq) == 16);
    assert!(offset_of!(Header, boot_id) == 24);
    assert!(offset_of!(Header, lanes) == 64);
    assert!(offset_of!(Header, clocks) == 128);
    assert!(offset_of!(LaneHeader, epoch) == 8);
    assert!(offset_of!(LaneHeader, size) == 16);
};

impl Header {
    /// Creates a header of zeros, which is not a ring yet.
    pub fn empty() -> Self {
        fn zeros<const N: usize>() -> [Word; N] {
            core::array::from_fn(|_| Word::new(0))
        }
        let zero = || Word::new(0);
        Self {
            magic: zero(),
            version: zero(),
            header_size: zero(),
            data_size: zero(),
            first_seq: zeros(),
            boot_id: zeros(),
            reserved: zeros(),
            lanes: core::array::from_fn(|_| LaneHeader {
                head: zero(),
                tail: zero(),
                epoch: zero(),
                offset: zero(),
                size: zero(),
                reserved: zeros(),
            }),
            clocks: Clocks::empty(),
        }
    }

    /// Checks the constant fields and returns the bytes of data that follow the header page.
    pub fn check(&self) -> Result<usize, AttachError> {
        if self.magic.load_acquire() != MAGIC {
            return Err(AttachError::Magic);
        }
        let version = self.version.load();
        if version != VERSION {
            return Err(AttachError::Version(version));
        }
        if usize::try_from(self.header_size.load()) != Ok(HEADER_SIZE) {
            return Err(AttachError::Size);
        }
        usize::try_from(self.data_size.load()).map_err(|_| AttachError::Size)
    }

    /// The words of the header in memory.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        let Self {
            magic,
            version,
            header_size,
            data_size,
            first_seq,
            boot_id,
            reserved,
            lanes,
            clocks,
        } = self;
        let words = [magic, version, header_size, data_size].into_iter();
        let words = words.chain(first_seq).chain(boot_id);
        let words = words.chain(reserved);
        let lanes = lanes.iter().flat_map(|lane| {
            let words = [
                &lane.head,
                &lane.tail,
                &lane.epoch,
                &lane.offset,
                &lane.size,
            ];
            words.into_iter().chain(&lane.reserved)
        });
        words.chain(lanes).chain(clocks.words())
    }

    /// The boot whose records these are, in binary.
    pub fn boot_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        for (to, word) in id.chunks_exact_mut(4).zip(&self.boot_id) {
            to.copy_from_slice(&word.load().to_ne_bytes());
        }
        id
    }

    /// The sequence number of the first record that was ever written.
    pub fn first_seq(&self) -> u64 {
        wide(&self.first_seq, 0)
    }
}

/// Why memory is not a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachError {
    /// The first word is not [`MAGIC`].
    Magic,
    /// The ring has this version of the format, not [`VERSION`].
    Version(u32),
    /// The sizes are invalid, or do not match the memory.
    Size,
}

/// Whether a ring can have lanes of these sizes in bytes.
pub const fn sizes_ok(kernel: usize, user: usize) -> bool {
    kernel.is_power_of_two()
        && kernel >= KERNEL_LANE_MIN
        && kernel <= LANE_MAX
        && (user == 0 || user.is_power_of_two() && user >= USER_LANE_MIN && user <= LANE_MAX)
}

/// One lane: its part of the header, and its data.
///
/// # Invariants
///
/// The size of the data is a power of two, at most [`LANE_MAX`]; or it is 0, and there is no such
/// lane.
#[derive(Clone, Copy, Debug)]
pub struct Lane<'a> {
    header: &'a LaneHeader,
    data: &'a [Word],
}

impl<'a> Lane<'a> {
    /// The lane's part of the header.
    #[inline]
    pub fn header(&self) -> &'a LaneHeader {
        self.header
    }

    /// Bytes of data.
    #[inline]
    pub fn size(&self) -> usize {
        self.data.len() * 4
    }

    /// The data.
    pub fn data(&self) -> &'a [Word] {
        self.data
    }

    /// The offset in the data of a position; its low 32 bits are enough.
    #[inline]
    pub(super) fn offset(&self, position: u32) -> usize {
        // The mask makes the position fit.
        position as usize & self.size().wrapping_sub(1)
    }

    /// The words of the `len` bytes at `offset`; none if they would wrap.
    #[inline]
    pub(super) fn words(&self, offset: usize, len: usize) -> &'a [Word] {
        let at = offset / 4;
        self.data.get(at..at.wrapping_add(len / 4)).unwrap_or(&[])
    }

    /// The words of a record of `len` bytes at `offset`; `None` if they would wrap.
    #[inline]
    pub(super) fn record(&self, offset: usize, len: usize) -> Option<&'a [Word]> {
        self.data.get(offset / 4..)?.get(..len / 4)
    }

    /// The head, acquire.
    ///
    /// LMM(lane_head:A) pairs with LMM(publish:A). The epoch is the same before and after the load
    /// of the head, so it belongs to this head or, if the writer is between its two stores, is one
    /// more.
    #[inline]
    pub fn head(&self) -> u64 {
        let mut epoch = self.header.epoch.load_acquire();
        loop {
            let low = self.header.head.load_acquire();
            let after = self.header.epoch.load();
            // The number of iterations is bounded for memory that other programs write to.
            if after == epoch || distance(after.into(), epoch.into()) != 1 {
                return position(low, epoch);
            }
            epoch = after;
        }
    }

    /// The tail. If the epoch is newer than that of the tail, the result is too high, and the
    /// caller discards valid records, which is safe.
    #[inline]
    pub fn tail(&self) -> u64 {
        let low = self.header.tail.load_acquire();
        position(low, self.header.epoch.load())
    }
}

/// A ring: a view of the header and of the lanes.
#[derive(Clone, Copy, Debug)]
pub struct Ring<'a> {
    header: &'a Header,
    lanes: [Lane<'a>; LANES],
}

impl<'a> Ring<'a> {
    /// Creates an empty ring in memory that has no readers yet. `sizes`: bytes of the kernel's lane
    /// and of the programs' lane. `data`: the memory after the header page. Returns `None` if a
    /// ring cannot have these sizes.
    pub fn init(
        header: &'a Header,
        data: &'a [Word],
        sizes: [usize; LANES],
        boot_id: &[u8; 16],
        first_seq: u64,
    ) -> Option<Self> {
        let [kernel, user] = sizes;
        if !sizes_ok(kernel, user) || data.len() * 4 != kernel + user {
            return None;
        }
        header.version.store(VERSION);
        header.header_size.store(u32::try_from(HEADER_SIZE).ok()?);
        header.data_size.store(u32::try_from(kernel + user).ok()?);
        for (word, value) in header.first_seq.iter().zip(halves(first_seq)) {
            word.store(value);
        }
        for (word, bytes) in header.boot_id.iter().zip(boot_id.chunks_exact(4)) {
            word.store(u32::from_ne_bytes(<[u8; 4]>::try_from(bytes).ok()?));
        }
        let mut offset = HEADER_SIZE;
        for (lane, size) in header.lanes.iter().zip(sizes) {
            lane.head.store(0);
            lane.tail.store(0);
            lane.epoch.store(0);
            lane.offset.store(u32::try_from(offset).ok()?);
            lane.size.store(u32::try_from(size).ok()?);
            offset += size;
        }
        header.magic.store_release(MAGIC);
        Self::attach(header, data).ok()
    }

    /// Attaches to an existing ring. `data` is the memory after the header page, which may be
    /// longer than the ring.
    pub fn attach(header: &'a Header, data: &'a [Word]) -> Result<Self, AttachError> {
        let data_size = header.check()?;
        let lane = |lane: &'a LaneHeader| {
            let size = usize::try_from(lane.size.load()).ok()?;
            if size == 0 {
                return Some(Lane {
                    header: lane,
                    data: &[],
                });
            }
            let offset = usize::try_from(lane.offset.load()).ok()?;
            let offset = offset.checked_sub(HEADER_SIZE)?;
            let inside = offset % 8 == 0 && offset.checked_add(size)? <= data_size;
            let data = data.get(offset / 4..)?.get(..size / 4)?;
            inside.then_some(Lane { header: lane, data })
        };
        let [kernel, user] = &header.lanes;
        let (Some(kernel), Some(user)) = (lane(kernel), lane(user)) else {
            return Err(AttachError::Size);
        };
        if !sizes_ok(kernel.size(), user.size()) {
            return Err(AttachError::Size);
        }
        // INVARIANT: the sizes were checked just now, and are those of the slices.
        Ok(Self {
            header,
            lanes: [kernel, user],
        })
    }

    /// The header.
    #[inline]
    pub fn header(&self) -> &'a Header {
        self.header
    }

    /// The lanes: the kernel's, and the programs', which has size 0 if there is none.
    #[inline]
    pub fn lanes(&self) -> &[Lane<'a>; LANES] {
        &self.lanes
    }

    /// The heads of the lanes at one moment.
    ///
    /// Loads the heads until they do not change between two loads: then, if a record is before one
    /// head, all records with lower numbers are before the heads, too. The loop is bounded in case
    /// writers never pause.
    pub fn heads(&self) -> [u64; LANES] {
        let load = || self.lanes.map(|lane| lane.head());
        let mut heads = load();
        for _ in 0..100 {
            let before = heads;
            heads = load();
            if heads == before {
                break;
            }
        }
        heads
    }

    /// Bytes of data of all lanes.
    pub fn size(&self) -> usize {
        self.lanes.iter().map(Lane::size).sum()
    }

    /// Bytes of records ever written to all lanes.
    pub fn written_bytes(&self) -> u64 {
        let used = self.lanes.iter().filter(|lane| lane.size() != 0);
        used.fold(0, |sum, lane| sum.wrapping_add(lane.head()))
    }
}

/// The full position with the low half `low`. `epoch` is the epoch of the head, loaded after `low`.
#[inline]
pub fn position(low: u32, epoch: u32) -> u64 {
    let epoch = epoch.wrapping_sub((epoch ^ (low >> 31)) & 1);
    (u64::from(epoch) << 31) | u64::from(low & 0x7fff_ffff)
}

/// How far `a` is past `b`; negative if it is before. Positions and sequence numbers are modulo
/// 2^63.
#[inline]
pub fn distance(a: u64, b: u64) -> i64 {
    // The cast and the shift extend the sign of a difference of 63 bits.
    (a.wrapping_sub(b) << 1) as i64 >> 1
}

/// The 64-bit number in the word `at` and the next one, by two loads.
#[inline]
pub(super) fn wide(words: &[Word], at: usize) -> u64 {
    let Some([first, second]) = words.get(at..).and_then(|words| words.first_chunk()) else {
        return 0;
    };
    let (first, second) = (u64::from(first.load()), u64::from(second.load()));
    if cfg!(target_endian = "little") {
        (second << 32) | first
    } else {
        (first << 32) | second
    }
}
