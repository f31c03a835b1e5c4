// SPDX-License-Identifier: MIT OR Apache-2.0
//! The driver's ABI, for programs that call the driver directly: the numbers and structures of
//! `driver/uapi/fanlight.h`. The rest of the crate wraps them in types.
//!
//! ```
//! use fanlight::abi;
//!
//! // The number that strace prints for FANLIGHT_IOC_INFO.
//! assert_eq!(abi::IOC_INFO, 0x8080_f400);
//! // poll() of the log returns at 64 unread records, or when one of them is a second old.
//! let mark = abi::Watermark { records: 64, delay_us: 1_000_000, ..Default::default() };
//! assert_eq!(mark.bytes, 0);
//! ```

pub use fanlight_uapi::*;

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that gcc has computed from the header.
    #[test]
    fn window_ioctl_numbers_are_the_headers() {
        assert_eq!(IOC_INFO, 0x8080_f400);
        assert_eq!(IOC_LOG_FORM, 0x4004_f410);
        assert_eq!(IOC_LOG_WATERMARK, 0x4010_f411);
        assert_eq!(IOC_LOG_STATS, 0x8040_f412);
        assert_eq!(IOC_LOG_CLEAR, 0x0000_f413);
        assert_eq!(IOC_LOG_FORGET, 0x0000_f414);
    }
}
