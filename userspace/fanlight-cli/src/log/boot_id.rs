// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boot ids: 128 random bits, which the kernel makes at each boot.

use std::fmt;
use std::fs;

/// A boot's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId([u8; 16]);

impl BootId {
    /// Reads an id with or without dashes; all zeros are no id.
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

    /// That of the running kernel.
    pub fn running() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?)
    }

    /// Without dashes, as the journal writes it.
    pub fn simple(&self) -> String {
        self.to_string().replace('-', "")
    }
}

/// As /proc/sys/kernel/random/boot_id writes it.
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

/// A place in the logs of all boots: a record's boot and number, `BOOTID:SEQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub boot: BootId,
    pub seq: u64,
}

impl Cursor {
    pub fn parse(text: &str) -> Option<Self> {
        let (boot, seq) = text.trim().split_once(':')?;
        let number = seq.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self {
            boot: BootId::parse(boot)?,
            seq: seq.parse().ok().filter(|_| number)?,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.boot, self.seq))
    }
}

#[cfg(test)]
mod tests {
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
        let cursor = Cursor { boot: id, seq: 42 };
        assert_eq!(cursor.to_string(), format!("{text}:42"));
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        assert_eq!(Cursor::parse(&format!("{text}:+1")), None);
        assert_eq!(Cursor::parse(text), None);
    }
}
