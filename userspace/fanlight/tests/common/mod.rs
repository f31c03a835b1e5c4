// SPDX-License-Identifier: MIT OR Apache-2.0
//! A log ring in memory, written by the driver's writer.

use fanlight_ring::{Entry, Header, Ring as View, Word, Writer, HEADER_SIZE, USER};

pub struct Ring {
    header: Box<Header>,
    data: Vec<Word>,
    writer: Writer,
}

impl Ring {
    pub fn new() -> Self {
        let header = Box::new(Header::empty());
        let data: Vec<Word> = (0..48 << 10 >> 2).map(|_| Word::new(0)).collect();
        View::init(&header, &data, [32 << 10, 16 << 10], b"0123456789abcdef", 0).unwrap();
        Self {
            header,
            data,
            writer: Writer::new(0),
        }
    }

    pub fn append(&self, level: u8, facility: u8, text: &[u8]) {
        let view = View::attach(&self.header, &self.data).unwrap();
        let entry = Entry {
            level,
            facility,
            ns: 1_500_000_000,
            caller: 1,
            text,
            flags: if facility == 0 { 0 } else { USER },
            ..Entry::default()
        };
        self.writer.append(&view, &entry).unwrap();
    }

    /// The memory, like a copy by a debugger.
    pub fn bytes(&self) -> Vec<u8> {
        let words = self.header.words();
        let mut bytes: Vec<u8> = words.flat_map(|word| word.load().to_ne_bytes()).collect();
        bytes.resize(HEADER_SIZE, 0);
        bytes.extend(self.data.iter().flat_map(|word| word.load().to_ne_bytes()));
        bytes
    }
}
