// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock, and the sheet that results are written on.

use std::fmt::Write;

use crate::{device, sys};

/// The results, as they will be printed.
pub struct Sheet {
    pub part: &'static str,
    /// The unit of the clock: `instructions` where those are counted, else `ns`.
    pub unit: &'static str,
    pub text: String,
}

impl Sheet {
    /// Notes a result of the current part. What is `instructions` in the metric is written as the
    /// unit that it has.
    pub fn put(&mut self, case: &str, metric: &str, value: f64) {
        let metric = metric.replace("instructions", self.unit);
        let _ = writeln!(self.text, "{}\t{case}\t{metric}\t{value:.4}", self.part);
    }

    /// Notes the instructions of one of `count` equal things that took `total` together.
    pub fn each(&mut self, case: &str, metric: &str, total: u64, count: usize) {
        self.put(case, metric, total as f64 / count as f64);
    }
}

/// Runs `work` repeatedly; returns the minimum, since interrupts only add to the result.
pub fn least(times: usize, mut work: impl FnMut()) -> u64 {
    (0..times).map(|_| time(&mut work)).min().unwrap_or(0)
}

/// The duration of `work`.
pub fn time(work: impl FnOnce()) -> u64 {
    let start = sys::now();
    work();
    sys::now() - start
}

/// The work of the processor in all processes during `work`, without idle time.
pub fn busy(work: impl FnOnce()) -> u64 {
    // Between the instruction that waits for an interrupt and the next one; the interrupt itself is
    // work.
    let idle = device::idle();
    let start = sys::now();
    work();
    let took = sys::now() - start;
    let idle = device::idle() - idle;
    took.saturating_sub(idle)
}

/// The work of this process in `work`, in the kernel and outside of it, without the time in which
/// it waits.
pub fn own(work: impl FnOnce()) -> u64 {
    let start = sys::own_time();
    work();
    sys::own_time() - start
}
