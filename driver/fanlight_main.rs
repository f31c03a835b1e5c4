// SPDX-License-Identifier: GPL-2.0-only

//! fanlight: a window on board memory and on the kernel's log.
//!
//! One platform driver, matched from a device-tree node; each child of the node is a window, served
//! as a character device `/dev/fanlight<N>/<window>`. The layers, from the top:
//!
//! - [`driver`]: probe and unbind; [`instance`]: one node's windows, numbering;
//! - [`spec`]: what the device tree asks for, checked; [`refusal`]: why it cannot be had;
//! - [`window`]: one window and its files' operations; [`attributes`], [`stats`]: what sysfs and
//!   debugfs say of it;
//! - what a window can be: [`memory`], [`framebuffer`], [`log`];
//! - [`uapi`], [`ring`]: the ABI and the log's format, shared with user space; [`sys`]: safe types
//!   over the kernel's C interfaces, the only place with `unsafe`.

mod attributes;
mod driver;
mod framebuffer;
mod instance;
mod log;
mod memory;
mod refusal;
#[allow(dead_code, unreachable_pub, unused_imports)]
// Shared with user space: not everybody uses all of it.
mod ring;
mod spec;
mod stats;
mod sys;
#[allow(dead_code, unreachable_pub)]
// As ring.
mod uapi;
mod window;

kernel::module_platform_driver! {
    type: driver::Fanlight,
    name: "fanlight",
    authors: ["The fanlight authors"],
    description: "Board memory and the kernel's log, mapped into user space",
    license: "GPL v2",
}
