// SPDX-License-Identifier: MIT OR Apache-2.0
//! A minimal client of a VNC server, which reads one picture (RFC 6143).

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::picture::Picture;

/// Connects to a port of this machine and reads the whole screen.
pub fn picture(port: u16) -> io::Result<Picture> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    // Version 3.8, of which the server's may be a later one.
    bytes::<12>(&mut stream)?;
    stream.write_all(b"RFB 003.008\n")?;
    let [kinds] = bytes(&mut stream)?;
    let mut security = vec![0; usize::from(kinds)];
    stream.read_exact(&mut security)?;
    if !security.contains(&1) {
        return Err(io::Error::other("the server requires a password"));
    }
    stream.write_all(&[1])?;
    if bytes::<4>(&mut stream)? != [0; 4] {
        return Err(io::Error::other("the server refused this viewer"));
    }
    // Share the server with other viewers.
    stream.write_all(&[1])?;
    let width = u32::from(number(&mut stream)?);
    let height = u32::from(number(&mut stream)?);
    bytes::<16>(&mut stream)?;
    let mut name = vec![0; u32::from_be_bytes(bytes(&mut stream)?) as usize];
    stream.read_exact(&mut name)?;

    // Pixels of 32 bits, little-endian, red in bits 16 to 23; and no encoding but the raw one.
    stream.write_all(&[
        0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
    ])?;
    stream.write_all(&[2, 0, 0, 1, 0, 0, 0, 0])?;
    let mut request = vec![3, 0, 0, 0, 0, 0];
    for side in [width, height] {
        request.extend_from_slice(&side.to_be_bytes()[2..]);
    }
    stream.write_all(&request)?;

    // A syscall per pixel would take seconds.
    let mut stream = io::BufReader::new(stream);
    let mut rgb = vec![0; (width * height * 3) as usize];
    let mut left = width * height;
    while left > 0 {
        let [kind] = bytes(&mut stream)?;
        if kind != 0 {
            return Err(io::Error::other(format!("message {kind} of the server")));
        }
        bytes::<1>(&mut stream)?;
        for _ in 0..number(&mut stream)? {
            let [x, y, columns, rows] = [
                number(&mut stream)?,
                number(&mut stream)?,
                number(&mut stream)?,
                number(&mut stream)?,
            ]
            .map(u32::from);
            if bytes::<4>(&mut stream)? != [0; 4] {
                return Err(io::Error::other("an encoding that was not requested"));
            }
            for row in y..y + rows {
                for column in x..x + columns {
                    let [blue, green, red, _] = bytes(&mut stream)?;
                    let at = ((row * width + column) * 3) as usize;
                    rgb[at..at + 3].copy_from_slice(&[red, green, blue]);
                }
            }
            left = left.saturating_sub(columns * rows);
        }
    }
    Ok(Picture { width, height, rgb })
}

fn bytes<const COUNT: usize>(stream: &mut impl Read) -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn number(stream: &mut impl Read) -> io::Result<u16> {
    Ok(u16::from_be_bytes(bytes(stream)?))
}
