// SPDX-License-Identifier: MIT OR Apache-2.0
//! Saves a ring to a file for [`Log::open_image`].

use std::io::Write;

use fanlight_ring::{Header, Next, Ring, Word, Writer, HEADER_SIZE, RECORD_MAX};

use super::reader::Scan;
use super::{Log, Start, WallClock};
use crate::error::{Error, Result};

impl Log {
    /// Writes a consistent copy of the ring to `out`: every current record, in the format that
    /// [`open_image`](Self::open_image) reads. Returns the number of records.
    ///
    /// Records keep their numbers. A record that is overwritten before it is copied is missing in
    /// the copy.
    ///
    /// # Errors
    ///
    /// The device is gone, or the error of `out`.
    ///
    /// ```no_run
    /// let log = fanlight::Instance::open(0)?.log()?;
    /// let file = std::fs::File::create("saved.log").expect("a writable directory");
    /// println!("{} records saved", log.save_to(file)?);
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn save_to(&self, mut out: impl Write) -> Result<u64> {
        let ring = self.ring();
        let sizes = ring.lanes().map(|lane| lane.size());
        self.let_driver_catch_up();
        let mut reader = Scan::new(self.clone(), Start::Oldest);
        let first_seq = match reader.cursor.seq() {
            Some(seq) => seq,
            None => ring.header().first_seq(),
        };
        let header = Header::empty();
        let data: Vec<Word> = (0..ring.size() / 4).map(|_| Word::new(0)).collect();
        let boot_id = ring.header().boot_id();
        let copy = Ring::init(&header, &data, sizes, &boot_id, first_seq);
        let copy = copy.ok_or_else(|| self.error("its lanes have invalid sizes"))?;

        let writer = Writer::new(first_seq);
        let end = fanlight_ring::End::now(&ring);
        let mut buffer = [0; RECORD_MAX];
        let mut count = 0;
        loop {
            match reader.cursor.next_before(&ring, &mut buffer, Some(&end)) {
                Next::Empty => break,
                Next::Lost(_) | Next::Short(_) => {}
                Next::Record(record) => {
                    let appended = writer.append_with_seq(&copy, &record.entry, record.seq);
                    // In damaged memory, the numbers may be out of order.
                    count += u64::from(appended.is_ok());
                }
            }
        }
        // A revoked mapping reads as zeros, which are not the log's data.
        self.check()?;

        let failed = |error| Error::io(format!("save {}", self.path().display()), error);
        for (since_boot, offset) in self.wall_clock().iter().flat_map(WallClock::offsets) {
            let ns = u64::try_from(since_boot.as_nanos()).unwrap_or(u64::MAX);
            header.clocks.insert(ns, offset);
        }
        let words = header.words();
        let mut bytes: Vec<u8> = words.flat_map(|word| word.load().to_ne_bytes()).collect();
        bytes.resize(HEADER_SIZE, 0);
        bytes.extend(data.iter().flat_map(|word| word.load().to_ne_bytes()));
        out.write_all(&bytes).map_err(failed)?;
        out.flush().map_err(failed)?;
        Ok(count)
    }
}
