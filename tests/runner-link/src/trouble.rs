// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messages of the kernel that report a fault.

/// Texts of the kernel's sources. If they change there, they have to change here.
const TROUBLE: &[&str] = &[
    "BUG: ",
    "WARNING: ",
    "Internal error: ",
    "Unable to handle kernel",
    "Kernel panic - not syncing",
    "kernel BUG at ",
    "possible circular locking dependency",
    "possible recursive locking",
    "inconsistent lock state",
    "suspicious RCU usage",
    "sleeping function called from invalid context",
    "scheduling while atomic",
    "blocked for more than",
    "soft lockup",
    "workqueue lockup",
    "detected stalls on CPUs",
    "self-detected stall",
    "new suspected memory leaks",
    "rust_kernel: panicked",
    "refcount_t: ",
    "Bad page state",
    "Trying to free nonexistent resource",
];

/// Texts of such lines that are not faults: the kernel never frees a static property of the tree
/// that an overlay changes, and warns of that each time.
const NO_TROUBLE: &[&str] = &["OF: overlay: WARNING: memory leak will occur"];

/// Whether a line of the kernel reports a fault. Such a line fails the run.
pub fn is_trouble(line: &str) -> bool {
    let has = |texts: &[&str]| texts.iter().any(|text| line.contains(text));
    has(TROUBLE) && !has(NO_TROUBLE)
}
