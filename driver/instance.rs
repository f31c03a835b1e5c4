// SPDX-License-Identifier: GPL-2.0-only

//! An instance: creates the windows of one device-tree node, and removes them in the right order.

mod logs;
mod memory;

use self::memory::Checked;
use crate::{
    log::intake::Intake,
    refusal::{
        Refusal,
        OUT_OF_MEMORY, //
    },
    spec,
    stats::Stats,
    sys::{
        address_space::AddressSpace,
        chardev::CharDevice,
        console::Console,
        ida::InstanceId,
        of::{
            self,
            Pool, //
        }, //
    },
    window::Window, //
};
use kernel::{
    alloc::AllocError,
    device::{
        property::FwNode,
        Core,
        Device, //
    },
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

const ALIAS: &CStr = c"fanlight";
/// The largest alias number that is accepted, so that a corrupt alias is refused.
const INSTANCE_MAX: u32 = 999;
/// Read and write for owner and group; udev or mdev rules set the group.
const MODE: u16 = 0o660;

/// The windows of a node. Unbind drops the fields in this order.
pub(crate) struct Instance {
    /// printk's messages are not taken into the log any longer.
    _console: Option<Console<Intake>>,
    /// The nodes are removed: no further open().
    _devices: KVec<Pin<KBox<CharDevice<Window>>>>,
    _stats: Stats,
    /// All pages are unmapped, and all waiters are woken.
    _windows: Windows,
    /// The pages of the windows are freed.
    _pool: Option<Pool>,
    /// Last, so that the number is reused only after everything above is gone.
    _id: InstanceId,
}

/// Windows that are revoked when this is dropped.
struct Windows(KVec<Arc<Window>>);

/// The log's intake and its console.
struct Taking {
    intake: Arc<Intake>,
    console: Console<Intake>,
}

impl Drop for Windows {
    fn drop(&mut self) {
        Window::revoke_all(&self.0);
    }
}

/// Why an instance cannot be created. The reason is already printed, unless it is `Silent`.
enum Failure {
    Printed(Error),
    Silent(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Silent(error)
    }
}

impl From<AllocError> for Failure {
    fn from(_: AllocError) -> Self {
        Self::Silent(ENOMEM)
    }
}

impl Instance {
    /// Creates what the node of `dev` describes, or prints one line with the reason why it cannot.
    pub(crate) fn new(dev: &Device<Core<'_>>) -> Result<Self> {
        Self::make(dev).map_err(|failure| match failure {
            Failure::Printed(error) => error,
            Failure::Silent(error) => {
                let (node, number) = (dev.fwnode(), error.to_errno());
                match (node, error) {
                    (Some(node), ENOMEM) => dev_err!(dev, "{} (node {})\n", OUT_OF_MEMORY, node),
                    (Some(node), _) => {
                        dev_err!(dev, "cannot be bound: error {} (node {})\n", number, node)
                    }
                    (None, _) => dev_err!(dev, "cannot be bound: it has no device-tree node\n"),
                }
                error
            }
        })
    }

    /// Creates what the node of `dev` describes. A window that cannot be created is left out, and
    /// one line is printed with the reason.
    ///
    /// The log comes last, whatever the order of the nodes, so that its region is not changed when
    /// the probe is deferred or fails.
    ///
    /// Each step is a function that is not inlined, so that their stack frames do not add up: a
    /// kernel stack may be 8 KiB.
    fn make(dev: &Device<Core<'_>>) -> Result<Self, Failure> {
        let node = dev.fwnode().ok_or(ENODEV)?;
        Self::check_parent(dev, node)?;
        let id = Self::number(dev, node)?;
        // Before the windows, so that it is dropped after them if the probe fails.
        let pool = Self::pool(dev, node)?;
        let space = Arc::new(AddressSpace::new()?, GFP_KERNEL)?;
        let mut windows = Windows(KVec::new());
        let mut refused = None;
        let log = Self::memory(dev, node, id.get(), &space, &mut windows.0, &mut refused)?;
        let mut taking = match &log {
            Some(log) => Self::log(dev, log, id.get(), &space, &mut windows.0, &mut refused)?,
            None => None,
        };
        if windows.0.is_empty() {
            if refused.is_none() {
                dev_err!(
                    dev,
                    "it has no windows: each is a child node (node {})\n",
                    node
                );
            }
            return Err(Failure::Printed(refused.unwrap_or(EINVAL)));
        }

        let stats = Stats::new(id.get(), &windows.0)?;
        let devices = Self::devices(dev, id.get(), &windows.0, &mut taking)?;
        // Nothing can fail from here on.
        if let Some(Taking { intake, console }) = &mut taking {
            intake.run();
            console.start(dev);
        }
        dev_info!(dev, "fanlight{}: windows: {}\n", id.get(), devices.len());
        Ok(Self {
            _console: taking.map(|taking| taking.console),
            _devices: devices,
            _stats: stats,
            _windows: windows,
            _pool: pool,
            _id: id,
        })
    }

    #[inline(never)]
    fn check_parent(dev: &Device, node: &FwNode) -> Result<(), Failure> {
        spec::check_parent(node).map_err(|refusal| {
            let reason = refusal.reason.as_str();
            dev_err!(dev, "{} (node {})\n", reason, node);
            Failure::Printed(refusal.error)
        })
    }

    /// The node's memory for DMA.
    #[inline(never)]
    fn pool(dev: &Device<Core<'_>>, node: &FwNode) -> Result<Option<Pool>, Failure> {
        Pool::of(dev).map_err(|error| {
            let number = error.to_errno();
            dev_err!(
                dev,
                "the shared-dma-pool of memory-region cannot be used: error {} (node {})\n",
                number,
                node
            );
            Failure::Printed(error)
        })
    }

    /// Creates all windows but the log. Returns the log's node and name. `refused` is the error of
    /// the last window that cannot be created.
    #[inline(never)]
    fn memory(
        dev: &Device<Core<'_>>,
        node: &FwNode,
        instance: u32,
        space: &Arc<AddressSpace>,
        windows: &mut KVec<Arc<Window>>,
        refused: &mut Option<Error>,
    ) -> Result<Option<(ARef<FwNode>, CString)>, Failure> {
        let mut log = None;
        type Pending = KVec<(ARef<FwNode>, CString, Checked)>;
        let (mut framebuffers, mut rest) = (Pending::new(), Pending::new());
        for child in node.children() {
            let name = match spec::name_of(&child) {
                Ok(name) => name,
                Err(refusal) => {
                    *refused = Some(refusal.report(dev, c"?", &child));
                    continue;
                }
            };
            if name.to_bytes() == b"log" && log.is_none() {
                log = Some((child, name));
                continue;
            }
            let others = Iterator::chain(framebuffers.iter(), &rest).map(|(_, _, other)| other);
            match Checked::new(dev, &child, &name, instance, others) {
                Ok(window) => {
                    let list = match window.is_framebuffer() {
                        true => &mut framebuffers,
                        false => &mut rest,
                    };
                    list.push((child, name, window), GFP_KERNEL)?;
                }
                // A missing dependency is not an error: the core calls probe again.
                Err(refusal) if refusal.error == EPROBE_DEFER => {
                    refusal.note_deferred(dev, &name);
                    // It may never be bound, and the other windows must not wait for it forever.
                    if !of::deferral_is_over(dev) {
                        return Err(Failure::Printed(EPROBE_DEFER));
                    }
                    *refused = Some(refusal.report(dev, &name, &child));
                }
                // A deferred window decides whether the probe is retried.
                Err(refusal) if *refused == Some(EPROBE_DEFER) => {
                    refusal.report(dev, &name, &child);
                }
                Err(refusal) => *refused = Some(refusal.report(dev, &name, &child)),
            }
        }
        // Nothing waits for another driver any more. Framebuffers first: they take memory over from
        // drivers which other windows are refused for.
        for (node, name, window) in Iterator::chain(framebuffers.into_iter(), rest) {
            match window.make(dev, &node, instance, space) {
                Ok(window) => windows.push(window, GFP_KERNEL)?,
                Err(refusal) if refusal.error == EAGAIN => {
                    refusal.note_deferred(dev, &name);
                    return Err(Failure::Printed(EPROBE_DEFER));
                }
                Err(refusal) if *refused == Some(EPROBE_DEFER) => {
                    refusal.report(dev, &name, &node);
                }
                Err(refusal) => *refused = Some(refusal.report(dev, &name, &node)),
            }
        }
        Ok(log)
    }

    /// Creates the windows of the log. Returns its intake and console, which do not run yet.
    #[inline(never)]
    fn log(
        dev: &Device<Core<'_>>,
        (node, name): &(ARef<FwNode>, CString),
        instance: u32,
        space: &Arc<AddressSpace>,
        windows: &mut KVec<Arc<Window>>,
        refused: &mut Option<Error>,
    ) -> Result<Option<Taking>, Failure> {
        let logs::Logs {
            windows: new,
            intake,
        } = match logs::make(dev, node, name, instance, space) {
            Ok(logs) => logs,
            Err(refusal) => {
                *refused = Some(refusal.report(dev, name, node));
                return Ok(None);
            }
        };
        // `instance` is at most INSTANCE_MAX.
        match Console::new(intake.clone(), instance as i16) {
            Ok(console) => {
                for window in new {
                    windows.push(window, GFP_KERNEL)?;
                }
                Ok(Some(Taking { intake, console }))
            }
            Err(error) => {
                let reason = "printk does not accept its console: out of memory";
                *refused = Some(Refusal::new(reason, error).report(dev, name, node));
                Ok(None)
            }
        }
    }

    /// Registers the nodes of all windows. Stops the log's intake if the node of the log cannot be
    /// registered.
    #[inline(never)]
    fn devices(
        dev: &Device,
        instance: u32,
        windows: &KVec<Arc<Window>>,
        taking: &mut Option<Taking>,
    ) -> Result<KVec<Pin<KBox<CharDevice<Window>>>>, Failure> {
        let mut devices = KVec::with_capacity(windows.len(), GFP_KERNEL)?;
        for window in windows {
            if let Some(intake) = window.content.intake() {
                // Before the log's nodes, which come last: what programs write or forget must reach
                // the region.
                intake.start();
            }
            match Self::device(dev, instance, window) {
                Ok(device) => devices.push(device, GFP_KERNEL)?,
                Err(error) => {
                    let (name, error) = (window.name.as_str(), error.to_errno());
                    dev_err!(
                        dev,
                        "window {}: cannot register its node: error {}\n",
                        name,
                        error
                    );
                    Window::revoke_all(core::slice::from_ref(window));
                    if window.content.intake().is_some() {
                        // No program could read the log.
                        *taking = None;
                    }
                }
            }
        }
        if devices.is_empty() {
            return Err(Failure::Printed(ENOMEM));
        }
        Ok(devices)
    }

    /// The character device of a window.
    #[inline(never)]
    fn device(
        dev: &Device,
        instance: u32,
        window: &Arc<Window>,
    ) -> Result<Pin<KBox<CharDevice<Window>>>> {
        let name = window.name.as_str();
        let device = CharDevice::new(
            dev,
            CString::try_from_fmt(fmt!("fanlight{instance}-{name}"))?,
            CString::try_from_fmt(fmt!("fanlight{instance}/{name}"))?,
            MODE,
            window.clone(),
        );
        KBox::try_pin_init(device, GFP_KERNEL)
    }

    /// The number of the node's alias, or the lowest free number that no alias has.
    #[inline(never)]
    fn number(dev: &Device, node: &FwNode) -> Result<InstanceId, Failure> {
        let Some(n) = of::alias(node, ALIAS) else {
            // The number of an alias is reserved for its node, even while that node is not bound.
            let mut free = (0..=INSTANCE_MAX).filter(|n| !of::has_alias(ALIAS, *n));
            return free
                .find_map(|n| InstanceId::new(n, n).ok())
                .ok_or_else(|| {
                    dev_err!(
                        dev,
                        "all {} numbers are in use (node {})\n",
                        INSTANCE_MAX + 1,
                        node
                    );
                    Failure::Printed(ENOSPC)
                });
        };
        if n > INSTANCE_MAX {
            dev_err!(
                dev,
                "alias fanlight{}: the highest is fanlight{} (node {})\n",
                n,
                INSTANCE_MAX,
                node
            );
            return Err(Failure::Printed(EINVAL));
        }
        InstanceId::new(n, n).map_err(|error| {
            dev_err!(
                dev,
                "alias fanlight{}: the number is in use (node {})\n",
                n,
                node
            );
            Failure::Printed(error)
        })
    }
}
