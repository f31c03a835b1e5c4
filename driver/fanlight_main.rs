// SPDX-License-Identifier: GPL-2.0-only

//! fanlight: access to board memory and to the kernel's log from user space.
//!
//! A platform driver that binds to a device-tree node. Each child of the node is a window, with a
//! character device `/dev/fanlight<N>/<window>`. The layers, from the top:
//!
//! - [`driver`]: probe and unbind; [`instance`]: the windows of one node, and instance numbers;
//! - [`spec`], [`properties`]: parse and check the device tree; [`refusal`]: why a window cannot be
//!   created;
//! - [`window`]: one window and the operations of its files; [`attributes`], [`stats`]: its
//!   attributes in sysfs and its counters in debugfs;
//! - the kinds of window: [`memory`], [`framebuffer`], [`log`];
//! - [`uapi`], [`ring`]: the ABI and the log's format, compiled into user space as well; [`sys`]:
//!   safe types over the kernel's C interfaces, the only module with `unsafe` code.

mod attributes;
mod driver;
mod framebuffer;
mod instance;
mod log;
mod memory;
mod properties;
mod refusal;
#[expect(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "also compiled into user space: the driver does not use all of it"
)]
mod ring;
mod spec;
mod stats;
mod sys;
#[expect(
    unreachable_pub,
    reason = "also compiled into user space: the driver does not use all of it"
)]
mod uapi;
mod window;

kernel::module_platform_driver! {
    type: driver::Fanlight,
    name: "fanlight",
    authors: ["The fanlight authors"],
    description: "Board memory and the kernel's log, mapped into user space",
    license: "GPL v2",
}
