// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! What the parsers and the formatter of /dev/kmsg's text have in common: the maximum length, the
//! bytes that need no escape, and the numbers of callers.

#![forbid(unsafe_code)]

use super::atomic::{odd_bytes, word_of};

/// The maximum length of a formatted record: `PRINTK_MESSAGE_MAX`.
pub const MESSAGE_MAX: usize = 2048;

/// Bit of [`Entry::caller`](super::Entry::caller) outside of task context, where the rest is a
/// processor.
pub(super) const PROCESSOR: u32 = 0x8000_0000;

/// Whether a byte is written without an escape.
pub(super) const fn plain(byte: u8) -> bool {
    byte >= b' ' && byte < 127 && byte != b'\\'
}

/// The number of leading bytes that are written without an escape.
pub(super) fn plain_run(text: &[u8]) -> usize {
    let clean = |bytes: &&[u8]| {
        let words = bytes.chunks_exact(4).filter_map(|word| word.first_chunk());
        words.fold(0, |odd, word| odd | odd_bytes(word_of(word))) == 0
    };
    // One branch per 16 plain bytes, then one per four.
    let mut sure = text.chunks_exact(16).take_while(clean).count() * 16;
    let rest = text.get(sure..).unwrap_or(&[]);
    sure += rest.chunks_exact(4).take_while(clean).count() * 4;
    let rest = text.iter().skip(sure);
    sure + rest.take_while(|&&byte| plain(byte)).count()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn log_text_bytes_that_need_an_escape_are_found() {
        for byte in 0..=255u8 {
            for at in 0..4 {
                let mut bytes = [b' ', b'~', b'a', b'['];
                bytes[at] = byte;
                let odd = odd_bytes(u32::from_ne_bytes(bytes)) != 0;
                assert_eq!(odd, !plain(byte), "{byte:#x} at {at}");
            }
            for at in 0..40 {
                let mut text = [b'x'; 40];
                text[at] = byte;
                let run = if plain(byte) { 40 } else { at };
                assert_eq!(plain_run(&text), run, "{byte:#x} at {at}");
            }
        }
    }
}
