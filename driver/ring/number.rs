// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Decimal numbers of 64 bits without a 64-bit division, which the kernel does not offer on 32-bit processors: there,
//! `core::fmt` of a `u64` compiles, and stops the kernel when the number has five digits.

#![forbid(unsafe_code)]

/// Divides by a small number: quotient and remainder. `by` is neither 0 nor above 65535.
pub(super) fn divide(value: u64, by: u16) -> (u64, u16) {
    let by = u32::from(by.max(1));
    let mut quotient = 0;
    let mut rest = 0;
    for shift in [48, 32, 16, 0] {
        let part = rest << 16 | ((value >> shift) as u32 & 0xffff);
        quotient = quotient << 16 | u64::from(part / by);
        rest = part % by;
    }
    // Smaller than `by`.
    (quotient, rest as u16)
}

/// The digits of a number.
pub struct Digits {
    bytes: [u8; 20],
    from: usize,
}

impl Digits {
    /// Makes the digits of `value`.
    pub fn of(value: u64) -> Self {
        let mut digits = Self {
            bytes: [b'0'; 20],
            from: 20,
        };
        let mut rest = value;
        for (at, byte) in digits.bytes.iter_mut().enumerate().rev() {
            let (more, digit) = divide(rest, 10);
            // A digit.
            *byte = b'0' + digit as u8;
            digits.from = at;
            rest = more;
            if rest == 0 {
                break;
            }
        }
        digits
    }

    /// Them as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// The bytes of the text.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or(&[])
    }
}

/// Takes a number off the front of `text`; `None` if there is no digit, or if it is beyond 64 bits.
pub(super) fn take(text: &[u8]) -> Option<(u64, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let (digits, rest) = text.split_at_checked(count)?;
    let value = digits.iter().try_fold(0u64, |value, digit| {
        value
            .checked_mul(10)?
            .checked_add(u64::from(digit.wrapping_sub(b'0')))
    })?;
    Some((value, rest))
}
