// SPDX-License-Identifier: GPL-2.0-only

//! The limit of the records that a program may write by one open file, as `/dev/kmsg` has one.

use core::fmt::Write;

/// Nanoseconds for which a limit holds: `DEFAULT_RATELIMIT_INTERVAL`.
const INTERVAL_NS: u64 = 5_000_000_000;
/// Records per interval unless another limit is set: `DEFAULT_RATELIMIT_BURST`.
pub(crate) const DEFAULT_LIMIT: u32 = 10;

/// The records of one open file in the current interval.
#[derive(Default)]
pub(crate) struct Limit {
    begin_ns: u64,
    written: u32,
    suppressed: u32,
    /// Limited records since the file was opened, reported or not.
    total: u64,
}

/// Whether a record is written.
pub(crate) enum Verdict {
    /// Write it, after a report of the `suppressed` limited records before it unless that is 0.
    Write { suppressed: u32 },
    /// It is limited: do not write it.
    Suppress,
}

impl Limit {
    /// Decides whether to write a record at `now_ns`. `limit`: records per interval; 0 is no limit.
    pub(crate) fn decide(&mut self, now_ns: u64, limit: u32) -> Verdict {
        if limit == 0 || now_ns.wrapping_sub(self.begin_ns) >= INTERVAL_NS || self.written == 0 {
            self.begin_ns = now_ns;
            self.written = 1;
            return Verdict::Write {
                suppressed: self.report(),
            };
        }
        if self.written >= limit {
            self.suppressed = self.suppressed.saturating_add(1);
            self.total += 1;
            return Verdict::Suppress;
        }
        self.written += 1;
        Verdict::Write { suppressed: 0 }
    }

    /// How many records were limited since the file was opened.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// How many records were limited and not reported yet. The caller reports them.
    pub(crate) fn report(&mut self) -> u32 {
        core::mem::take(&mut self.suppressed)
    }
}

/// The text of a report.
pub(super) struct Report {
    bytes: [u8; 96],
    len: usize,
}

impl Report {
    /// A report of `suppressed` limited records of the task `comm`, a name padded with zeros.
    pub(super) fn new(suppressed: u32, comm: &[u8]) -> Self {
        let mut report = Self {
            bytes: [0; 96],
            len: 0,
        };
        let end = comm.iter().position(|&b| b == 0).unwrap_or(comm.len());
        // The buffer is longer than the longest report.
        let _ = write!(report, "{suppressed} records of ");
        report.push(comm.get(..end).unwrap_or(&[]));
        report.push(b" suppressed by the write limit");
        report
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(to) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            to.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// The text.
    pub(super) fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl Write for Report {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}
