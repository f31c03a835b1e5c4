// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! CRC-32 (IEEE), as the kernel's `crc32_le()`, for where there is no kernel to ask.

#![forbid(unsafe_code)]

/// The function that computes a CRC: takes the CRC so far and more bytes. It neither inverts before nor after.
///
/// The kernel's `crc32_le()` fits, and so does [`crc32_le`].
pub type Crc = fn(u32, &[u8]) -> u32;

/// The CRC of each byte.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            let low = value & 1;
            value >>= 1;
            if low != 0 {
                value ^= 0xedb8_8320;
            }
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

/// Continues `crc` over `bytes`. Start with `!0`, and invert the end.
pub fn crc32_le(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, &byte| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_crc_known_values() {
        assert_eq!(!crc32_le(!0, b""), 0);
        assert_eq!(!crc32_le(!0, b"123456789"), 0xcbf4_3926);
        assert_eq!(!crc32_le(crc32_le(!0, b"1234"), b"56789"), 0xcbf4_3926);
        assert_eq!(!crc32_le(!0, &[0; 32]), 0x190a_55ad);
    }
}
