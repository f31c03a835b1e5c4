// SPDX-License-Identifier: GPL-2.0-only

//! The difference between the wall clock and the clock of the records, from which programs make
//! dates.
//!
//! One clock is read after the other, so each measurement is off by the time in between. An offset
//! that was measured is therefore kept as long as measurements do not contradict it: a record has
//! the same date whenever it is printed, and in the region.

/// No offset was measured.
pub(super) const UNKNOWN: i64 = i64::MIN;

/// How far the clocks may have drifted apart before the offset changes: the wall clock is slewed by
/// NTP, the clock of the records is not. Dates are as exact as that.
const DRIFT_NS: i64 = 1_000_000_000;
/// The same when the wall clock was set.
const STEP_NS: i64 = 1_000_000;
/// Nanoseconds between which an offset is exact enough.
const NARROW_NS: i64 = 20_000;
/// Measurements at most.
const SAMPLES_MAX: u32 = 8;

/// Returns `kept` if the measurements of `sample`, the lowest and the highest possible offset,
/// allow it, and otherwise the offset that they show. `set`: the wall clock was set just now.
pub(super) fn offset(kept: i64, set: bool, mut sample: impl FnMut() -> (i64, i64)) -> i64 {
    let (mut low, mut high) = sample();
    for _ in 1..SAMPLES_MAX {
        if high.wrapping_sub(low) <= NARROW_NS {
            break;
        }
        let (l, h) = sample();
        if h.wrapping_sub(l) < high.wrapping_sub(low) {
            (low, high) = (l, h);
        }
    }
    let tolerance = if set { STEP_NS } else { DRIFT_NS };
    let (least, most) = (
        low.saturating_sub(tolerance),
        high.saturating_add(tolerance),
    );
    if kept != UNKNOWN && least <= kept && kept <= most {
        return kept;
    }
    low.wrapping_add(high.wrapping_sub(low) / 2)
}
