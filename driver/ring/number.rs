// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Decimal numbers of 64 bits without a 64-bit division, which the kernel does not provide on
//! 32-bit processors: there, `core::fmt` of a `u64` compiles, but panics the kernel if the number
//! has five digits.

#![forbid(unsafe_code)]

/// Divides by a small number that is not 0: quotient and remainder. The divisor is a constant, so
/// that the compiler removes the division: the kernel's Rust target has no instruction for it.
#[inline]
pub(super) fn divide<const BY: u16>(value: u64) -> (u64, u16) {
    let by = u32::from(BY);
    let mut quotient = 0;
    let mut rest = 0;
    for shift in [48, 32, 16, 0] {
        let part = (rest << 16) | ((value >> shift) as u32 & 0xffff);
        quotient = (quotient << 16) | u64::from(part / by);
        rest = part % by;
    }
    // Smaller than `BY`.
    (quotient, rest as u16)
}

/// The digits of a number.
pub struct Digits {
    bytes: [u8; 20],
    from: usize,
}

impl Digits {
    /// Converts `value`.
    pub fn of(value: u64) -> Self {
        let mut digits = Self {
            bytes: [b'0'; 20],
            from: 20,
        };
        let mut at = digits.bytes.iter_mut().enumerate().rev();
        // A digit.
        let mut put = |digit: u32| {
            if let Some((at, byte)) = at.next() {
                *byte = b'0' + digit as u8;
                digits.from = at;
            }
        };
        let mut rest = value;
        while rest >> 32 != 0 {
            let (more, digit) = divide::<10>(rest);
            put(digit.into());
            rest = more;
        }
        // The rest fits in one word.
        let mut rest = rest as u32;
        loop {
            put(rest % 10);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        digits
    }

    /// The digits as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// The bytes of the text.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or(&[])
    }
}

/// Parses a number at the start of `text`; `None` if there is no digit, or if it exceeds 64 bits.
#[inline]
pub(super) fn take(text: &[u8]) -> Option<(u64, &[u8])> {
    // One word is enough for nine digits.
    let mut value = 0u32;
    let mut count = 0;
    for byte in text.iter().take(9) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(digit.into());
        count += 1;
    }
    let rest = text.get(count..)?;
    match count {
        0 => None,
        9 => take_more(value.into(), rest),
        _ => Some((value.into(), rest)),
    }
}

/// Parses more digits at the start of `text`, which follow those of `value`.
#[inline(never)]
fn take_more(mut value: u64, text: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = text;
    while let Some((byte, more)) = rest.split_first() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.checked_mul(10)?.checked_add(digit.into())?;
        rest = more;
    }
    Some((value, rest))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn log_digits_are_those_of_the_number() {
        let edges = (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, !(1 << bit)]);
        let tens = (0..20).flat_map(|n| [10u64.pow(n), 10u64.pow(n) - 1]);
        for value in edges.chain(tens) {
            assert_eq!(Digits::of(value).as_str(), value.to_string());
            let text = format!("{value},5");
            assert_eq!(take(text.as_bytes()), Some((value, &b",5"[..])));
            assert_eq!(divide::<1000>(value), (value / 1000, (value % 1000) as u16));
        }
    }

    #[test]
    fn log_numbers_beyond_64_bits_and_texts_without_a_digit_are_refused() {
        for text in [
            "18446744073709551616",
            "99999999999999999999",
            "",
            "x1",
            "-1",
        ] {
            assert_eq!(take(text.as_bytes()), None, "{text}");
        }
        assert_eq!(take(b"000000000000000000000007"), Some((7, &b""[..])));
    }
}
