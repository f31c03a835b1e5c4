// SPDX-License-Identifier: MIT OR Apache-2.0
//! A log ring in memory, written by the writer that the driver has too.

use fanlight_ring::{Entry, Header, Mode, Ring as View, Start, Word, Writer, HEADER_SIZE};

pub struct Ring {
    header: Box<Header>,
    data: Vec<Word>,
    writer: Writer,
}

impl Ring {
    pub fn new() -> Self {
        let header = Box::new(Header::empty());
        let data: Vec<Word> = (0..32 << 10 >> 2).map(|_| Word::new(0)).collect();
        View::init(&header, &data, b"0123456789abcdef", Start::default()).unwrap();
        Self {
            header,
            data,
            writer: Writer::new(Start::default()),
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
            ..Entry::default()
        };
        self.writer.append(view, &entry, Mode::Normal).unwrap();
    }

    /// The memory, as a debugger would save it.
    pub fn bytes(&self) -> Vec<u8> {
        let header = &self.header;
        let mut bytes = Vec::new();
        for word in [
            &header.magic,
            &header.version,
            &header.header_size,
            &header.data_size,
        ] {
            bytes.extend(word.load().to_ne_bytes());
        }
        for long in [&header.head, &header.tail, &header.first_seq] {
            bytes.extend(long.load().to_ne_bytes());
        }
        bytes.extend(header.boot_id());
        bytes.resize(HEADER_SIZE, 0);
        bytes.extend(self.data.iter().flat_map(|word| word.load().to_ne_bytes()));
        bytes
    }
}
