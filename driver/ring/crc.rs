// SPDX-License-Identifier: GPL-2.0 OR MIT OR Apache-2.0

//! CRC-32 (IEEE), as the kernel's `crc32_le()`, for where there is no kernel to ask.

#![forbid(unsafe_code)]

/// The function that computes a CRC: takes the CRC so far and more bytes. It neither inverts before nor after.
///
/// The kernel's `crc32_le()` fits, and so does [`crc32_le`].
pub type Crc = fn(u32, &[u8]) -> u32;

/// Four bits at a time: small, and fast enough for tools and tests.
const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut at = 0;
    while at < 16 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 4 {
            value = if value & 1 != 0 {
                value >> 1 ^ 0xedb8_8320
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

/// Continues `crc` over `bytes`. Start with `!0`, and invert the end.
pub fn crc32_le(crc: u32, bytes: &[u8]) -> u32 {
    let step = |crc: u32| crc >> 4 ^ TABLE.get(crc as usize & 15).copied().unwrap_or(0);
    bytes
        .iter()
        .fold(crc, |crc, &byte| step(step(crc ^ u32::from(byte))))
}
