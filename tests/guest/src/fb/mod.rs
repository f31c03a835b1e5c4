// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framebuffers.

pub mod abi;
pub mod clients;
pub mod depth;
pub mod program;
pub mod screen;
