// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel log: read, written, limited, and that of earlier boots.

pub mod archive;
pub mod batch;
pub mod bind;
pub mod boots;
pub mod clients;
pub mod context;
pub mod devkmsg;
pub mod flood;
pub mod late;
pub mod limit;
pub mod map;
pub mod order;
pub mod persist;
pub mod poll;
pub mod prev;
pub mod read;
pub mod region;
pub mod rights;
pub mod salvage;
pub mod write;
