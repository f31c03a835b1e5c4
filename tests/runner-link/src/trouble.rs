// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel prints when something is wrong.

/// Text of the kernel's sources, so that a change there must be followed here.
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

/// What is in such a line and is no fault: a static property of the tree that an overlay changes is
/// never freed, and the kernel says so each time.
const NO_TROUBLE: &[&str] = &["OF: overlay: WARNING: memory leak will occur"];

/// Whether a line of the kernel says that something is wrong. A run in which it prints one fails.
pub fn is_trouble(line: &str) -> bool {
    let has = |texts: &[&str]| texts.iter().any(|text| line.contains(text));
    has(TROUBLE) && !has(NO_TROUBLE)
}
