// SPDX-License-Identifier: GPL-2.0-only

//! fanlight_test: functions that the guest's tests cannot perform from user space. The module is
//! never part of a released image.
//!
//! Files below `/sys/kernel/debug/fanlight_test/`:
//!
//! - `pte`, `kernel-ptes`: page-table entries of the process that reads, and of the kernel, see
//!   [`pte`];
//! - `access`: accesses by the driver to a mapping of the process, see [`access`];
//! - `stack`: how much of its kernel stack the process has used since it wrote to the file, see
//!   [`stack`];
//! - `overlay`, `overlay-remove`: device-tree overlays, see [`overlay`];
//! - `flood`, `printk`, `cont`, `hang`, `stall`, `oops`, `sysrq`, `counts`: records and messages
//!   from every context, see [`flood`].

mod access;
mod flood;
mod overlay;
mod pte;
mod stack;
mod sys;

use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    prelude::*,
    sync::Arc, //
};

module! {
    type: TestModule,
    name: "fanlight_test",
    authors: ["The fanlight authors"],
    description: "Aids for fanlight's tests",
    license: "GPL v2",
}

/// The files. Dropping them waits for their users.
struct TestModule {
    _access: Pin<KBox<File<access::Access>>>,
    _pte: Pin<KBox<File<pte::Lookup>>>,
    _kernel_ptes: Pin<KBox<File<pte::KernelLookup>>>,
    _stack: Pin<KBox<File<stack::Stack>>>,
    _overlay: Pin<KBox<File<Arc<overlay::Overlays>>>>,
    _overlay_remove: Pin<KBox<File<Arc<overlay::Overlays>>>>,
    _flood: KVec<Pin<KBox<File<Arc<flood::Counts>>>>>,
    _dir: Dir,
}

impl kernel::Module for TestModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let dir = Dir::new(c"fanlight_test");
        let overlays = Arc::pin_init(overlay::Overlays::new(), GFP_KERNEL)?;
        let counts = Arc::new(flood::Counts::new(), GFP_KERNEL)?;
        let (o, c) = (&overlays, &counts);
        Ok(Self {
            _access: KBox::pin_init(
                dir.read_write_binary_file(c"access", access::Access),
                GFP_KERNEL,
            )?,
            _pte: KBox::pin_init(dir.read_binary_file(c"pte", pte::Lookup), GFP_KERNEL)?,
            _kernel_ptes: KBox::pin_init(
                dir.read_binary_file(c"kernel-ptes", pte::KernelLookup),
                GFP_KERNEL,
            )?,
            _stack: KBox::pin_init(
                dir.read_write_callback_file(c"stack", stack::Stack, &stack::show, &stack::fill),
                GFP_KERNEL,
            )?,
            _overlay: KBox::pin_init(
                dir.write_callback_file(c"overlay", o.clone(), &overlay::apply),
                GFP_KERNEL,
            )?,
            _overlay_remove: KBox::pin_init(
                dir.write_callback_file(c"overlay-remove", o.clone(), &overlay::remove),
                GFP_KERNEL,
            )?,
            _flood: {
                let mut files = KVec::new();
                let file = dir.write_callback_file(c"flood", c.clone(), &flood::flood);
                files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
                let file = dir.write_callback_file(c"printk", c.clone(), &flood::printk);
                files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
                let file = dir.write_callback_file(c"cont", c.clone(), &flood::cont);
                files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
                let file = dir.write_callback_file(c"hang", c.clone(), &flood::hang);
                files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
                let file = dir.write_callback_file(c"stall", c.clone(), &flood::stall);
                files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
                let file = dir.write_callback_file(c"oops", c.clone(), &flood::oops);
                files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
                let file = dir.write_callback_file(c"sysrq", c.clone(), &flood::sysrq);
                files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
                let file = dir.read_callback_file(c"counts", c.clone(), &flood::show);
                files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
                files
            },
            _dir: dir,
        })
    }
}
