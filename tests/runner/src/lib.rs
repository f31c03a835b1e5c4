// SPDX-License-Identifier: MIT OR Apache-2.0
//! What drives the boards from outside.
//!
//! ```text
//! runner (host)                                     guest
//!   session ── QMP ───────── QEMU
//!      │── console ◄──────── serial port ◄─────── kernel messages ──► console: judged by lines
//!      └── protocol ◄──────► control channel ◄──► ask-host ──► the command;
//!                                                              requests of tests by a Unix socket
//! ```
//!
//! - [`machine`]: what differs between boards, and how QEMU is called for each;
//! - [`session`]: one QEMU from start to end, over any number of resets;
//! - [`shell`], [`terminal`]: a machine for a person at a terminal, and a stand-in for that person;
//! - [`files`], [`room`]: what a boot needs and nobody keeps, and whether it fits in memory;
//! - [`console`]: which kernel messages are failures;
//! - [`ktap`], [`suite`]: test results, and the run of all tests;
//! - [`docs`]: what the documents tell the reader to do, done;
//! - [`picture`], [`rfb`]: captured screens, and what a viewer sees of them.

pub mod boots;
pub mod console;
pub mod demo;
pub mod docs;
pub mod files;
pub mod ktap;
pub mod machine;
pub mod options;
pub mod picture;
pub mod qmp;
pub mod rfb;
pub mod room;
pub mod session;
pub mod shell;
pub mod suite;
pub mod terminal;
