// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boots the boards in QEMU, runs commands and tests in them, and checks the results.
//!
//! ```text
//! runner (host)                                     guest
//!   session ── QMP ───────── QEMU
//!      │── console ◄──────── serial port ◄─────── kernel messages ──► console: checked
//!      └── protocol ◄──────► control channel ◄──► ask-host ──► the command;
//!                                                              requests of tests by a Unix socket
//! ```
//!
//! - [`machine`], [`qemu`]: the differences between boards, and QEMU's command line for a boot;
//! - [`session`]: one QEMU from start to end, over any number of resets;
//! - [`shell`], [`terminal`]: a machine for a user at a terminal, and tests that type as a user
//!   does;
//! - [`files`], [`room`]: the temporary files of a boot, and the check that they fit in memory;
//! - [`console`]: which kernel messages are failures;
//! - [`ktap`], [`suite`]: test results, and the run of all tests;
//! - [`docs`]: tests of the documents' commands;
//! - [`picture`], [`rfb`]: captured screens, and a viewer's picture of the screen.

pub mod boots;
pub mod console;
pub mod demo;
pub mod docs;
pub mod files;
pub mod ktap;
pub mod machine;
pub mod options;
pub mod picture;
pub mod process;
pub mod qemu;
pub mod qmp;
pub mod rfb;
pub mod room;
pub mod session;
pub mod shell;
pub mod suite;
pub mod terminal;
