// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boot ids: 128 random bits, which the kernel generates at each boot.

use std::fmt;

use fanlight::{Record, Start};

/// A boot's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId([u8; 16]);

impl BootId {
    /// Parses an id with or without dashes; all zeros are invalid.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end();
        let dashes: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
        if !dashes.is_empty() && dashes != [8, 13, 18, 23] {
            return None;
        }
        let digits = text.replace('-', "");
        if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let id = u128::from_str_radix(&digits, 16).ok()?;
        (id != 0).then_some(Self(id.to_be_bytes()))
    }

    /// Without dashes, as in the journal.
    pub fn simple(&self) -> String {
        self.to_string().replace('-', "")
    }
}

/// The format of /proc/sys/kernel/random/boot_id.
impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (i, byte) in self.0.iter().enumerate() {
            let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
            text.push_str(&format!("{dash}{byte:02x}"));
        }
        f.pad(&text)
    }
}

/// A position in the logs of all boots, `BOOTID:SEQ:MICROSECONDS:HASH`: a record's boot and number,
/// its time since that boot, and a hash of its text.
///
/// The number alone is not sufficient: when the driver is bound again, the kernel's messages get
/// other numbers. The time is in microseconds, the resolution of text files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub boot: BootId,
    pub seq: u64,
    pub micros: u64,
    hash: u64,
}

impl Cursor {
    pub fn of(boot: BootId, record: &Record<'_>) -> Self {
        let mut hash = Hash::new();
        hash.add(&record.text);
        Self {
            boot,
            seq: record.seq,
            micros: record.ns / 1000,
            hash: hash.0,
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(4, ':');
        let boot = BootId::parse(parts.next()?)?;
        let mut number = || {
            let digits = parts.next()?;
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| all)
        };
        let (seq, micros) = (number()?, number()?);
        let hash = parts.next()?;
        let digits = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Self {
            boot,
            seq,
            micros,
            hash: u64::from_str_radix(hash, 16).ok().filter(|_| digits)?,
        })
    }

    /// Whether `record` is the record of the cursor, whatever its number.
    fn is_of(&self, record: &Record<'_>) -> bool {
        *self
            == Self {
                seq: self.seq,
                ..Self::of(self.boot, record)
            }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (boot, seq, micros, hash) = (self.boot, self.seq, self.micros, self.hash);
        f.pad(&format!("{boot}:{seq}:{micros}:{hash:016x}"))
    }
}

/// Searches the records of a cursor's boot for the position after the cursor.
pub struct Search {
    cursor: Cursor,
    /// The number after its record, found by number, time and text, or by time and text.
    same: Option<u64>,
    moved: Option<u64>,
    /// The numbers of the first record, and of the first later one.
    first: Option<u64>,
    later: Option<u64>,
    /// The number after all records.
    end: Option<u64>,
}

impl Search {
    pub fn new(cursor: Cursor) -> Self {
        Self {
            cursor,
            same: None,
            moved: None,
            first: None,
            later: None,
            end: None,
        }
    }

    /// Checks the next record of the log.
    pub fn look(&mut self, record: &Record<'_>) {
        let behind = Some(record.seq.saturating_add(1));
        self.first = self.first.or(Some(record.seq));
        if self.cursor.is_of(record) {
            if self.cursor.seq == record.seq {
                self.same = behind;
            }
            self.moved = self.moved.or(behind);
        } else if record.ns / 1000 > self.cursor.micros {
            self.later = self.later.or(Some(record.seq));
        }
        self.end = behind;
    }

    /// Where reading starts. If the cursor's record is gone, this is the first later one.
    pub fn start(&self) -> Start {
        let overwritten = self.later == self.first && self.first > Some(self.cursor.seq);
        if overwritten && self.moved.is_none() {
            // The reader counts lost records.
            return Start::Sequence(self.cursor.seq.saturating_add(1));
        }
        let found = self.same.or(self.moved).or(self.later).or(self.end);
        found.map_or(Start::Oldest, Start::Sequence)
    }
}

/// FNV-1a with 64 bits.
pub struct Hash(pub u64);

impl Hash {
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use fanlight::Level;

    use super::*;

    #[test]
    fn log_boot_ids_have_two_forms() {
        let text = "0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c11";
        let id = BootId::parse(&format!("{text}\n")).unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(BootId::parse(&id.simple()), Some(id));
        for wrong in [
            "",
            "-1",
            "0fb8a0b2",
            "0fb8a0b-2d94a-4d1b-8a2b-8e0a0f6a3c11",
            "zfb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c11",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(BootId::parse(wrong), None, "{wrong}");
        }
        let cursor = Cursor::of(id, &record(42, 1_500_000, "text"));
        assert!(cursor.to_string().starts_with(&format!("{text}:42:1500:")));
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        let hash = "0123456789abcdef";
        assert!(Cursor::parse(&format!("{text}:1:2:{hash}")).is_some());
        for wrong in [
            "".to_owned(),
            ":42".to_owned(),
            format!(":+1:2:{hash}"),
            format!(":1::{hash}"),
            ":1:2:+123456789abcdef".to_owned(),
            format!(":1:2:{hash}0"),
            format!(":1:2:{hash}:"),
        ] {
            assert_eq!(Cursor::parse(&format!("{text}{wrong}")), None, "{wrong}");
        }
    }

    fn record(seq: u64, ns: u64, text: &str) -> Record<'_> {
        Record::new(seq, ns, Level::Info, text.as_bytes())
    }

    /// Where reading starts after the record with `seq`, `ns` and `text` in this log.
    fn behind(place: (u64, u64, &str), log: &[(u64, u64, &str)]) -> Start {
        let id = BootId::parse("0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c11").unwrap();
        let (seq, ns, text) = place;
        let mut search = Search::new(Cursor::of(id, &record(seq, ns, text)));
        for &(seq, ns, text) in log {
            search.look(&record(seq, ns, text));
        }
        search.start()
    }

    #[test]
    fn log_cursors_find_their_place_in_other_numbers() {
        let log = [
            (7, 1_000_000, "a"),
            (8, 2_000_000, "b"),
            (9, 2_000_000, "b"),
            (10, 3_000_000, "c"),
        ];
        assert_eq!(behind((8, 2_000_000, "b"), &log), Start::Sequence(9));
        assert_eq!(behind((9, 2_000_000, "b"), &log), Start::Sequence(10));
        // The same messages with other numbers, and with times in whole microseconds.
        assert_eq!(behind((2, 2_000_999, "b"), &log), Start::Sequence(9));
        assert_eq!(behind((3, 3_000_000, "c"), &log), Start::Sequence(11));
        // The record is gone, and another one has its number.
        assert_eq!(behind((8, 2_500_000, "x"), &log), Start::Sequence(10));
        assert_eq!(behind((900, 0, "x"), &log), Start::Sequence(7));
        // Overwritten: the reader reports how many records were lost.
        assert_eq!(behind((3, 500_000, "x"), &log), Start::Sequence(4));
        assert_eq!(behind((1, 9_000_000, "x"), &log), Start::Sequence(11));
        assert_eq!(behind((1, 0, "x"), &[]), Start::Oldest);
    }
}
