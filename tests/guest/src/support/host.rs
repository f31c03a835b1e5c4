// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to the host that booted this guest: to capture the screen, to store a note over a
//! reset, and so on.
//!
//! A request is a line. The answer of the runner is a line that begins with `ok` or `error`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use crate::skip;
use crate::support::board;
use crate::support::uapi;

/// The answer to a request without its `ok`. Without a host, the test is skipped.
pub fn ask(request: &str) -> String {
    let path = std::env::var("FANLIGHT_HOST").unwrap_or_else(|_| "/run/host.sock".to_owned());
    let Ok(mut socket) = UnixStream::connect(&path) else {
        skip!("no host at {path}: run it by make test or make guest");
    };
    socket
        .write_all(format!("{request}\n").as_bytes())
        .expect("the host takes a request");
    let mut reply = String::new();
    BufReader::new(socket)
        .read_line(&mut reply)
        .expect("the host answers");
    let reply = reply.trim_end();
    reply
        .strip_prefix("ok")
        .unwrap_or_else(|| panic!("the host replied to {request:?}: {reply}"))
        .trim()
        .to_owned()
}

/// What QEMU shows on its screen now.
#[derive(Debug, PartialEq, Eq)]
pub struct Screen {
    pub width: u32,
    pub height: u32,
    /// CRC-32 of the pixels as red, green and blue, line by line.
    pub crc: u32,
}

/// Has the host capture the screen; it keeps the picture under this name.
pub fn screen(name: &str) -> Screen {
    if board::scanout() == uapi::SCANOUT_NONE {
        skip!("no display shows the framebuffer of this board");
    }
    let reply = ask(&format!("screen {name}"));
    let words: Vec<&str> = reply.split_whitespace().collect();
    let [width, height, crc] = words[..] else {
        panic!("what screen is {reply:?}?")
    };
    Screen {
        width: width.parse().expect("a width"),
        height: height.parse().expect("a height"),
        crc: u32::from_str_radix(crc, 16).expect("a CRC"),
    }
}

/// CRC-32 of IEEE 802.3.
pub fn crc32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    let mut table = [0_u32; 256];
    for (value, entry) in (0..).zip(&mut table) {
        *entry = (0..8).fold(value, |crc: u32, _| {
            if crc & 1 != 0 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        });
    }
    !bytes.into_iter().fold(!0, |crc, byte| {
        (crc >> 8) ^ table[(crc as u8 ^ byte) as usize]
    })
}
