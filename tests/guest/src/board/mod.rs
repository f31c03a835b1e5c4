// SPDX-License-Identifier: MIT OR Apache-2.0
//! Probe, bind and nodes, good and bad, and what the kernel of the board has.

pub mod bad;
pub mod bind;
pub mod kernel;
pub mod nodes;
pub mod windows;
