// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The items that `atomic.rs` uses from `core::sync::atomic`, for the model checker.
//!
//! loom tries every value that a load may return, which takes too long for records of eight words.
//! A model therefore chooses the words that loom watches. The others use the standard library.

#![forbid(unsafe_code)]

pub(super) use loom::sync::atomic::{fence, Ordering};

#[derive(Debug)]
pub(super) enum AtomicU32 {
    Watched(loom::sync::atomic::AtomicU32),
    Plain(std::sync::atomic::AtomicU32),
}

impl AtomicU32 {
    pub(super) fn new(value: u32) -> Self {
        Self::Watched(loom::sync::atomic::AtomicU32::new(value))
    }

    pub(super) fn plain(value: u32) -> Self {
        Self::Plain(std::sync::atomic::AtomicU32::new(value))
    }

    pub(super) fn load(&self, order: Ordering) -> u32 {
        match self {
            Self::Watched(word) => word.load(order),
            Self::Plain(word) => word.load(order),
        }
    }

    pub(super) fn store(&self, value: u32, order: Ordering) {
        match self {
            Self::Watched(word) => word.store(value, order),
            Self::Plain(word) => word.store(value, order),
        }
    }

    pub(super) fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        match self {
            Self::Watched(word) => word.compare_exchange(current, new, success, failure),
            Self::Plain(word) => word.compare_exchange(current, new, success, failure),
        }
    }
}
