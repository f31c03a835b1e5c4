// SPDX-License-Identifier: MIT OR Apache-2.0
//! Support for the tests: the harness, the ABI of the C header, system calls, and the interfaces of
//! the log, of the windows and of the test module.

pub mod board;
pub mod child;
pub mod dev;
pub mod earlier;
pub mod fbdev;
pub mod harness;
pub mod host;
pub mod io_uring;
pub mod kernel;
pub mod log;
pub mod loss_check;
pub mod mem;
pub mod module;
pub mod program;
pub mod smaps;
pub mod stages;
pub mod sys;
pub mod uapi;
pub mod wait;
