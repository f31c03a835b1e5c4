// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line tool.

pub mod fb;
pub mod list;
pub mod log;
pub mod mem;
