// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! One record: its header in words and bytes, and its content. C header: `driver/uapi/fanlight.h`.

#![forbid(unsafe_code)]

/// The maximum length of a record, header included: `FANLIGHT_RECORD_MAX`.
pub const RECORD_MAX: usize = if cfg!(loom) { 32 } else { 2048 };
/// Bytes of a record's header.
pub const RECORD_HEADER: usize = 32;
/// Bytes of text and dictionary that a record can hold.
pub const BODY_MAX: usize = RECORD_MAX - RECORD_HEADER;

/// Written by a program, not by the kernel: `FANLIGHT_RECORD_USER`. Such a record goes to the
/// programs' lane.
pub const USER: u8 = 1 << 0;
/// A continuation of the line before: `FANLIGHT_RECORD_CONT`.
pub const CONT: u8 = 1 << 1;
/// Written during a panic or an oops: `FANLIGHT_RECORD_EMERGENCY`.
pub const EMERGENCY: u8 = 1 << 2;
/// Written by another module of the kernel, not through printk: `FANLIGHT_RECORD_MODULE`.
pub const MODULE: u8 = 1 << 3;
/// Every byte of the text is 0x20 to 0x7e and not a backslash, and there is no dictionary:
/// `FANLIGHT_RECORD_PLAIN`.
pub const PLAIN: u8 = 1 << 4;
/// All bits for flags.
pub(super) const FLAGS: u8 = 0x1f;

/// State of a record that readers deliver.
pub(super) const WHOLE: u8 = 0xa5;
/// State of a filler at the end of a lane.
pub(super) const FILLER: u8 = 0x5a;
/// State of a record that its writer has not finished, and may never finish.
pub(super) const OPEN: u8 = 0x3c;

/// The content of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// 0 (emergency) to 7 (debug); higher bits are ignored.
    pub level: u8,
    /// Syslog facility.
    pub facility: u8,
    /// [`USER`], [`CONT`], [`EMERGENCY`], [`MODULE`], [`PLAIN`]; higher bits are ignored.
    pub flags: u8,
    /// Nanoseconds since boot.
    pub ns: u64,
    /// Task id, or `0x8000_0000` + processor.
    pub caller: u32,
    /// The text, without escapes and without a newline at its end.
    pub text: &'a [u8],
    /// The dictionary: lines `KEY=value`, separated by newlines, without one at the end.
    pub dict: &'a [u8],
}

impl Entry<'_> {
    /// The priority in syslog and /dev/kmsg: facility * 8 + level.
    pub fn priority(&self) -> u32 {
        (u32::from(self.facility) << 3) | u32::from(self.level & 7)
    }

    /// Bytes of the whole record, and of its padding; `None` if the record exceeds [`RECORD_MAX`].
    #[inline]
    pub(super) fn measure(&self) -> Option<(usize, usize)> {
        // Cannot wrap: a slice is at most half of the address space.
        let body = self.text.len().wrapping_add(self.dict.len());
        if body > BODY_MAX {
            return None;
        }
        let padding = body.wrapping_neg() & 7;
        Some((RECORD_HEADER + body + padding, padding))
    }

    /// The eight words of the record's header.
    #[inline]
    pub(super) fn words(&self, len_state: u32, check: u32, seq: u64) -> [u32; 8] {
        let [seq_a, seq_b] = halves(seq);
        let [ns_a, ns_b] = halves(self.ns);
        // Callers keep the text shorter than 2^16 bytes.
        let text_level = (self.text.len() as u32 & 0xffff)
            | (u32::from(self.flags & FLAGS) << 16)
            | (u32::from(self.level & 7) << 21);
        let last = text_level | (u32::from(self.facility) << 24);
        [
            len_state,
            check,
            seq_a,
            seq_b,
            ns_a,
            ns_b,
            self.caller,
            if cfg!(target_endian = "little") {
                last
            } else {
                last.rotate_left(16).swap_bytes()
            },
        ]
    }
}

/// The first word of a record.
#[inline]
pub(super) fn len_state(state: u8, len: usize, padding: usize) -> u32 {
    // Callers keep `len` below 2^24 and a multiple of 8, and `padding` below 8.
    (u32::from(state) << 24) | (len as u32 & 0xff_fff8) | (padding as u32 & 7)
}

/// A 64-bit number as two words in memory.
#[inline]
pub(super) fn halves(value: u64) -> [u32; 2] {
    let (low, high) = (value as u32, (value >> 32) as u32);
    if cfg!(target_endian = "little") {
        [low, high]
    } else {
        [high, low]
    }
}

/// The fields of a first word. Only `padding < 8` and `len % 8 == 0` are certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// [`WHOLE`], [`FILLER`], [`OPEN`], or an invalid value.
    pub(super) state: u8,
    /// Bytes of the whole record.
    pub(super) len: usize,
}

impl Shape {
    /// Splits a first word.
    #[inline]
    pub(super) fn of(word: u32) -> Self {
        Self {
            state: (word >> 24) as u8,
            len: (word & 0xff_fff8) as usize,
        }
    }

    /// Whether a record of this shape is valid and fits in `room` bytes up to the end of the data.
    #[inline]
    pub(super) fn fits(&self, room: usize) -> bool {
        match self.state {
            WHOLE => self.len >= RECORD_HEADER && self.len <= RECORD_MAX && self.len <= room,
            OPEN => self.len >= 8 && self.len <= RECORD_MAX && self.len <= room,
            FILLER => self.len == room && self.len < RECORD_MAX,
            _ => false,
        }
    }
}

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number.
    pub seq: u64,
    /// Its content.
    pub entry: Entry<'a>,
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Parses the bytes of one whole record; `None` if they are invalid.
    ///
    /// `bytes` may be longer than the record.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let first = u32::from_ne_bytes(field(bytes, 0)?);
        let shape = Shape::of(first);
        if shape.state != WHOLE || !shape.fits(bytes.len()) {
            return None;
        }
        let bytes = bytes.get(..shape.len)?;
        let [text_a, text_b, level_flags, facility] = field(bytes, 28)?;
        let text_len = usize::from(u16::from_ne_bytes([text_a, text_b]));
        let end = shape.len - (first & 7) as usize;
        let body = bytes.get(RECORD_HEADER..end)?;
        if text_len > body.len() {
            return None;
        }
        let (text, dict) = body.split_at(text_len);
        Some(Self {
            seq: u64::from_ne_bytes(field(bytes, 8)?),
            entry: Entry {
                level: level_flags >> 5,
                facility,
                flags: level_flags & FLAGS,
                ns: u64::from_ne_bytes(field(bytes, 16)?),
                caller: u32::from_ne_bytes(field(bytes, 24)?),
                text,
                dict,
            },
            bytes,
        })
    }

    /// The bytes after the record at the start of `bytes`, even if its lengths are inconsistent.
    pub fn behind(bytes: &[u8]) -> &[u8] {
        let first = field(bytes, 0).map_or(0, u32::from_ne_bytes);
        match Shape::of(first).len {
            0 => &[],
            len => bytes.get(len..).unwrap_or(&[]),
        }
    }

    /// The bytes of the record in memory, header and padding included.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The checksum in a persistent copy of the record; 0 in the ring.
    pub fn check(&self) -> u32 {
        field(self.bytes, 4).map_or(0, u32::from_ne_bytes)
    }
}

/// `N` bytes at offset `at`.
#[inline]
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.get(..N)?.try_into().ok()
}
