// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frames on the control channel between the runner and the guest, and the lines of the
//! kernel's log that both look for.
//!
//! A frame is a kind (one byte), the length of its payload (four bytes, little-endian) and the
//! payload. The guest begins with [`Kind::Hello`], after every boot; the runner replies with
//! [`Kind::Job`].

mod trouble;

pub use trouble::is_trouble;

use std::io::{self, Read, Write};

/// No frame is longer: a longer length means that the two sides are out of step.
const LONGEST: usize = 64 << 20;

/// The content of a frame. Upper case is for the host, lower case for the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The guest is up and asks for its job. No payload.
    Hello = b'H',
    /// Bytes of the command's standard output.
    Output = b'O',
    /// Bytes of the command's standard error.
    Error = b'E',
    /// A request: number (four bytes, little-endian), line, and for `put` a newline and the file.
    Request = b'Q',
    /// The command ended: its exit status as decimal text.
    Exit = b'X',
    /// The job: environment settings `NAME=value`, then the command, each ended by a zero byte.
    Job = b'j',
    /// The answer to a request: its number, then a line that begins with `ok` or `error`.
    Reply = b'r',
}

impl Kind {
    fn from_byte(byte: u8) -> io::Result<Self> {
        use Kind::*;
        [Hello, Output, Error, Request, Exit, Job, Reply]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no such kind of frame"))
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: Kind,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: Kind, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            payload: payload.into(),
        }
    }

    /// A request or a reply: a number, then the rest.
    pub fn numbered(kind: Kind, number: u32, rest: &[u8]) -> Self {
        let mut payload = number.to_le_bytes().to_vec();
        payload.extend_from_slice(rest);
        Self { kind, payload }
    }

    /// The number and the rest of a request or a reply.
    pub fn number(&self) -> Option<(u32, &[u8])> {
        let (number, rest) = self.payload.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*number), rest))
    }

    /// Writes the frame in one piece.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let length = u32::try_from(self.payload.len()).map_err(io::Error::other)?;
        let mut bytes = vec![self.kind as u8];
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&self.payload);
        to.write_all(&bytes)?;
        to.flush()
    }

    /// Reads the next frame; `None` at the end of the stream.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut kind = [0];
        if from.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let kind = Kind::from_byte(kind[0])?;
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too long"));
        }
        let mut payload = vec![0; length];
        from.read_exact(&mut payload)?;
        Ok(Some(Self { kind, payload }))
    }
}

/// Decodes frames from a stream that arrives in pieces and that a reset of the machine may cut.
#[derive(Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Discards a frame that was begun before a reset.
    pub fn reset(&mut self) {
        self.bytes.clear();
    }

    /// The next whole frame. Bytes that begin no frame are skipped.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let header: [u8; 5] = *self.bytes.first_chunk()?;
            let length = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
            match Kind::from_byte(header[0]) {
                Ok(kind) if length <= LONGEST => {
                    if self.bytes.len() < 5 + length {
                        return None;
                    }
                    let payload = self.bytes[5..5 + length].to_vec();
                    self.bytes.drain(..5 + length);
                    return Some(Frame { kind, payload });
                }
                _ => {
                    self.bytes.remove(0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_frames_survive_any_cut() {
        let frames = [
            Frame::new(Kind::Hello, ""),
            Frame::numbered(Kind::Request, 7, b"screen a"),
            Frame::new(Kind::Output, vec![0, 255, b'H']),
        ];
        let mut bytes = Vec::new();
        for frame in &frames {
            frame.write(&mut bytes).unwrap();
        }
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame() {
                    got.push(frame);
                }
            }
            assert_eq!(got, frames);
        }
    }

    #[test]
    fn build_a_reset_drops_the_begun_frame_only() {
        let mut bytes = Vec::new();
        Frame::new(Kind::Output, vec![1; 100])
            .write(&mut bytes)
            .unwrap();
        let mut decoder = Decoder::default();
        decoder.push(&bytes[..50]);
        assert_eq!(decoder.next_frame(), None);
        decoder.reset();
        bytes.clear();
        Frame::new(Kind::Hello, "").write(&mut bytes).unwrap();
        decoder.push(&bytes);
        assert_eq!(decoder.next_frame(), Some(Frame::new(Kind::Hello, "")));
    }
}
