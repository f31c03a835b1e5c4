// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory windows: mapping, revocation, read and write.

pub mod debugger;
pub mod dump;
pub mod exec;
pub mod fault;
pub mod fork;
pub mod info;
pub mod inject;
pub mod io;
pub mod map;
pub mod memory_type;
pub mod overlay;
pub mod pin;
pub mod private;
pub mod race;
pub mod region;
pub mod regs;
pub mod revoke;
pub mod storm;
pub mod stream;
pub mod vma;
