// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parses numbers. All are stored as integers: floating point would add a tenth to the size of this
//! program.

use std::time::Duration;

use crate::error::{Error, Result};

/// The factor of a decimal.
pub const ONE: u64 = 1_000_000_000;

/// Parses `16`, `0x10`, `4K`, `1M`.
pub fn integer(text: &str) -> Result<u64> {
    let (digits, factor) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => text
            .strip_suffix('M')
            .map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let value = match hex {
        // Not "+1", which from_str_radix would accept.
        Some(hex) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            u64::from_str_radix(hex, 16).ok()
        }
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    };
    value
        .and_then(|value| value.checked_mul(factor))
        .ok_or_else(|| {
            Error::Usage(format!(
                "'{text}' is not a number; write 256, 0x100, 4K or 1M"
            ))
        })
}

/// Parses `12` or `12.5`, in billionths.
pub fn decimal(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty()
        || fraction.len() > 9
        || !text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let fraction = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let fraction = fraction.fold(0, |value, digit| {
        value * 10 + u64::from(digit.wrapping_sub(b'0'))
    });
    // A second point is not a digit, so it was refused above.
    (fraction < ONE && !text.ends_with("..")).then_some(u64::from(whole) * ONE + fraction)
}

/// Tenths as a decimal.
pub fn tenths(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

/// --interval, in seconds.
pub fn interval(text: &str) -> Result<Duration> {
    match decimal(text) {
        Some(nanos) if (ONE / 1000..=86400 * ONE).contains(&nanos) => {
            Ok(Duration::from_nanos(nanos))
        }
        _ => Err(Error::Usage(
            "--interval takes seconds, from 0.001 to 86400".into(),
        )),
    }
}

/// --count and similar options: a decimal number.
pub fn count<T: std::str::FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>> {
    text.map(|text| {
        text.parse()
            .map_err(|_| Error::Usage(format!("invalid argument for --{name}: '{text}'")))
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_numbers_are_decimal_hexadecimal_and_with_units() {
        assert_eq!(integer("16").unwrap(), 16);
        assert_eq!(integer("0x1f").unwrap(), 31);
        assert_eq!(integer("4K").unwrap(), 4096);
        assert_eq!(integer("0x1M").unwrap(), 1 << 20);
        for wrong in [
            "",
            "-1",
            "+1",
            "0x",
            "0x+1",
            "K",
            "1G",
            "99999999999999999999",
            "99999999999999999K",
        ] {
            assert!(integer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn cli_decimals_are_exact() {
        assert_eq!(decimal("12"), Some(12 * ONE));
        assert_eq!(decimal("0.5"), Some(ONE / 2));
        assert_eq!(decimal("1.000000001"), Some(ONE + 1));
        assert_eq!(decimal("3."), Some(3 * ONE));
        for wrong in [
            "",
            ".",
            ".5",
            "1e3",
            "-1",
            "+1",
            "1.2.3",
            "1..",
            "1.0000000001",
            "4294967296",
            "nan",
            "inf",
        ] {
            assert_eq!(decimal(wrong), None, "{wrong}");
        }
    }
}
