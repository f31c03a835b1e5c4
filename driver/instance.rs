// SPDX-License-Identifier: GPL-2.0-only

//! One device-tree node's windows: making them, and undoing that in the right order.

use crate::{
    fbdev::Framebuffer,
    log::{
        intake::{
            Begin,
            Intake, //
        },
        kept::{
            persistent_region,
            previous_name,
            report,
            Kept, //
        },
        Log, //
    },
    scanout,
    spec::{
        self,
        Kind,
        Refusal,
        Source,
        Spec, //
    },
    stats::Stats,
    sys::{
        address_space::AddressSpace,
        backing::Backing,
        carveout::{
            self,
            Carveout, //
        },
        chardev::CharDevice,
        console::Console,
        contiguous::{
            self,
            ContiguousArea, //
        },
        ida::InstanceId,
        mapping::Mapping,
        of,
        time::{
            boot_id,
            random_id, //
        },
        vmalloc::VmallocArea,
        Cache, //
    },
    window::{
        BackingKind,
        Content,
        Window, //
    }, //
};
use kernel::{
    device::{
        property::FwNode,
        Bound,
        Device, //
    },
    prelude::*,
    str::CString,
    sync::Arc, //
};

const ALIAS: &CStr = c"fanlight";
/// More than any board has; it keeps a broken alias from making a strange name.
const INSTANCE_MAX: u32 = 999;
/// Read and write for the owner and the group; udev and mdev rules give the group.
const MODE: u16 = 0o660;

/// A node's windows. The order of the fields is the order in which unbinding undoes them.
pub(crate) struct Instance {
    /// No more of printk's records.
    _console: Option<Console<Intake>>,
    /// No more opens.
    _devices: KVec<Pin<KBox<CharDevice<Window>>>>,
    _stats: Stats,
    /// No more pages mapped, and everybody who waits is woken.
    _windows: Windows,
    /// Only now may another instance have the number.
    _id: InstanceId,
}

/// Windows that are revoked when this is dropped.
struct Windows(KVec<Arc<Window>>);

impl Drop for Windows {
    fn drop(&mut self) {
        for window in &self.0 {
            window.revoke();
        }
    }
}

/// Everything of a log but its console.
struct Logs {
    windows: KVec<Arc<Window>>,
    intake: Arc<Intake>,
}

impl Instance {
    /// Makes what `dev`'s node describes. A window that cannot be made costs only itself, and a
    /// line that says why.
    ///
    /// The log comes last, whatever the order of the nodes: when the probe is deferred or fails,
    /// its region is untouched.
    pub(crate) fn new(dev: &Device<Bound>) -> Result<Self> {
        let node = dev.fwnode().ok_or(ENODEV)?;
        let id = Self::number(dev, node)?;
        let space = Arc::new(AddressSpace::new()?, GFP_KERNEL)?;
        let mut windows = Windows(KVec::new());
        let mut refused = None;
        let mut log = None;

        for child in node.children() {
            let name = match spec::name_of(&child) {
                Ok(name) => name,
                Err(error) => {
                    let reason = "its label or name cannot be read";
                    refused = Some(Refusal { reason, error }.report(dev, c"?"));
                    continue;
                }
            };
            if name.to_bytes() == b"log" && log.is_none() {
                log = Some((child, name));
                continue;
            }
            match Self::window(dev, &child, &name, id.get(), &space, &windows.0) {
                Ok(window) => windows.0.push(window, GFP_KERNEL)?,
                // A display whose driver is not there yet is no error: probe is called again.
                Err(refusal) if refusal.error == EPROBE_DEFER => return Err(EPROBE_DEFER),
                Err(refusal) => refused = Some(refusal.report(dev, &name)),
            }
        }
        let mut intake = None;
        let mut console = None;
        if let Some((child, name)) = log {
            match Self::logs(dev, &child, &name, id.get(), &space) {
                // The number is below INSTANCE_MAX.
                Ok(logs) => match Console::new(logs.intake.clone(), id.get() as i16) {
                    Ok(new) => {
                        console = Some(new);
                        intake = Some(logs.intake);
                        for window in logs.windows {
                            windows.0.push(window, GFP_KERNEL)?;
                        }
                    }
                    Err(error) => {
                        let reason = "printk does not accept its console: out of memory";
                        refused = Some(Refusal { reason, error }.report(dev, &name));
                    }
                },
                Err(refusal) => refused = Some(refusal.report(dev, &name)),
            }
        }
        if windows.0.is_empty() {
            if refused.is_none() {
                dev_err!(dev, "the node has no windows: each is a child node\n");
            }
            return Err(refused.unwrap_or(EINVAL));
        }

        let stats = Stats::new(id.get(), &windows.0)?;
        let mut devices = KVec::with_capacity(windows.0.len(), GFP_KERNEL)?;
        for window in &windows.0 {
            match Self::device(dev, id.get(), window) {
                Ok(device) => devices.push(device, GFP_KERNEL)?,
                Err(error) => {
                    let (name, error) = (window.name.as_str(), error.to_errno());
                    dev_err!(
                        dev,
                        "window {}: cannot register its node: error {}\n",
                        name,
                        error
                    );
                    window.revoke();
                    if window.content.intake().is_some() {
                        // Nobody could read what it takes.
                        (console, intake) = (None, None);
                    }
                }
            }
        }
        if devices.is_empty() {
            return Err(ENOMEM);
        }
        // Nothing can fail any more.
        if let (Some(intake), Some(console)) = (&intake, &mut console) {
            intake.start();
            console.start(dev);
        }
        dev_info!(dev, "fanlight{}: {} windows\n", id.get(), windows.0.len());
        Ok(Self {
            _console: console,
            _devices: devices,
            _stats: stats,
            _windows: windows,
            _id: id,
        })
    }

    /// The character device of a window.
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

    /// The number of the node's alias, or the lowest that no alias has.
    fn number(dev: &Device, node: &FwNode) -> Result<InstanceId> {
        let Some(n) = of::alias(node, ALIAS) else {
            // The number of an alias is kept for its node, also while that one is not bound.
            let mut free = (0..=INSTANCE_MAX).filter(|n| !of::has_alias(ALIAS, *n));
            return free
                .find_map(|n| InstanceId::new(n, n).ok())
                .ok_or_else(|| {
                    dev_err!(dev, "all {} numbers are in use\n", INSTANCE_MAX + 1);
                    ENOSPC
                });
        };
        if n > INSTANCE_MAX {
            dev_err!(
                dev,
                "alias fanlight{}: the highest is fanlight{}\n",
                n,
                INSTANCE_MAX
            );
            return Err(EINVAL);
        }
        InstanceId::new(n, n)
            .inspect_err(|_| dev_err!(dev, "alias fanlight{}: the number is in use\n", n))
    }

    fn window(
        dev: &Device<Bound>,
        node: &FwNode,
        name: &CStr,
        instance: u32,
        space: &Arc<AddressSpace>,
        others: &[Arc<Window>],
    ) -> Result<Arc<Window>, Refusal> {
        let Spec {
            name,
            source,
            cache,
            mapped_as,
            read_only,
            kind,
        } = Spec::read(node, name)?;
        if others.iter().any(|other| other.name == name) {
            return Err(Refusal {
                reason: "the node has another window of this name",
                error: EBUSY,
            });
        }

        if let Kind::Log(_) = kind {
            return Err(Refusal {
                reason: "the node has another window of this name",
                error: EBUSY,
            });
        }
        let mut kind = kind;
        // Only contiguous pages leave the choice to the device.
        let carveout_cache = cache.unwrap_or(Cache::WriteCombine);
        let mut display = None;
        let (backing, backing_kind) = match source {
            Source::Display => {
                let Kind::Framebuffer(geometry) = &mut kind else {
                    return Err(no_display(EINVAL));
                };
                let found = scanout::with_memory(*geometry).map_err(no_display)?;
                *geometry = found.geometry;
                display = Some(found.display);
                let carveout = Carveout::new(found.range, carveout_cache, true)?;
                (Backing::Carveout(carveout), BackingKind::Carveout)
            }
            Source::Carveout { range, shared } => {
                let carveout = Carveout::new(range, carveout_cache, !shared)?;
                (Backing::Carveout(carveout), BackingKind::Carveout)
            }
            Source::Contiguous { size } => {
                let area = ContiguousArea::new(dev, size, cache, mapped_as)?;
                (Backing::Contiguous(area), BackingKind::Contiguous)
            }
            Source::Vmalloc { size, prefault } => {
                let area = VmallocArea::new(size).map_err(|error| Refusal {
                    reason: "no kernel memory of its size (see VmallocTotal in /proc/meminfo)",
                    error,
                })?;
                let backing = vmalloc_backing(Arc::new(area, GFP_KERNEL)?, prefault);
                (backing, BackingKind::Vmalloc)
            }
        };

        let content = match kind {
            Kind::Framebuffer(geometry) => {
                let start = backing
                    .pfn()
                    .map_or(0, |pfn| pfn as u64 * crate::sys::PAGE_SIZE as u64);
                let fb = KBox::pin_init(Framebuffer::new(geometry, start), GFP_KERNEL)
                    .map_err(no_memory)?;
                if display.is_none() {
                    display = scanout::new(geometry, start).map_err(no_display)?;
                }
                if let Some(display) = display {
                    fb.attach(display).map_err(no_display)?;
                }
                Content::Framebuffer(fb)
            }
            _ => Content::Memory,
        };
        let cache = backing.cache();
        let mapping = Mapping::new(space.clone(), backing, cache);
        let window = Window::new(name, instance, backing_kind, read_only, content, mapping);
        Arc::pin_init(window, GFP_KERNEL).map_err(no_memory)
    }

    /// The log, and those of earlier boots where a region keeps them.
    fn logs(
        dev: &Device,
        node: &FwNode,
        name: &CStr,
        instance: u32,
        space: &Arc<AddressSpace>,
    ) -> Result<Logs, Refusal> {
        let Spec {
            name,
            source,
            kind: Kind::Log(spec),
            ..
        } = Spec::read(node, name)?
        else {
            return Err(spec::invalid("it is no log"));
        };
        let prefault = matches!(source, Source::Vmalloc { prefault: true, .. });
        let window = |name, log: &Arc<Log>, content| {
            let backing = vmalloc_backing(log.area().clone(), prefault);
            let mapping = Mapping::new(space.clone(), backing, Cache::Cached);
            let window = Window::new(name, instance, BackingKind::Vmalloc, true, content, mapping);
            Arc::pin_init(window, GFP_KERNEL).map_err(no_memory)
        };

        let boot_id = boot_id().unwrap_or_else(|error| {
            dev_warn!(
                dev,
                "window log: cannot read the boot id (error {}): a random one is used\n",
                error.to_errno()
            );
            random_id()
        });
        let mut kept = match spec.persistent {
            Some(range) => range.and_then(|range| {
                let carveout = persistent_region(range, spec.persist_cache)?;
                Kept::new(carveout, &boot_id, spec.persist_level).map_err(|e| match e {
                    e if e == EINTR => "the probe was interrupted",
                    _ => OUT_OF_MEMORY,
                })
            }),
            None => Err("no: no memory-region"),
        };
        if let (Some(_), Err(reason)) = (spec.persistent, &kept) {
            dev_warn!(dev, "window log: not kept over a reboot: {}\n", reason);
        }
        if let Ok(kept) = &kept {
            report(dev, &kept.recovered);
        }
        let begin = Begin::after(kept.as_ref().ok().map(|kept| &kept.recovered));
        let ring = Log::new(spec.lanes(), &boot_id, begin.first_seq).map_err(no_memory)?;
        let log = Arc::pin_init(ring, GFP_KERNEL).map_err(no_memory)?;
        let mut previous = KVec::new();
        let mut region = None;
        let mut reason = "yes";
        match &mut kept {
            Ok(kept) => {
                core::mem::swap(&mut previous, &mut kept.previous);
                region = kept.region.take();
            }
            Err(why) => reason = why,
        }
        let recovered = kept.as_ref().ok().map(|kept| &kept.recovered);
        let init = Intake::new(log.clone(), begin, region, recovered, spec.write_limit);
        let intake = Arc::pin_init(init.map_err(no_memory)?, GFP_KERNEL).map_err(no_memory)?;
        let mut windows = KVec::new();
        let kept = reason;
        windows.push(
            window(name, &log, Content::Log(intake.clone(), kept))?,
            GFP_KERNEL,
        )?;
        for (index, prev) in previous.into_iter().enumerate() {
            let name = previous_name(index).ok_or(spec::invalid("too many boots"))?;
            let log = prev.log.clone();
            let content = Content::Previous(prev, intake.clone());
            windows.push(window(name, &log, content)?, GFP_KERNEL)?;
        }
        Ok(Logs { windows, intake })
    }
}

const OUT_OF_MEMORY: &str = "out of memory";

fn vmalloc_backing(area: Arc<VmallocArea>, prefault: bool) -> Backing {
    if prefault {
        Backing::Prefault(area)
    } else {
        Backing::Vmalloc(area)
    }
}

impl From<carveout::Refusal> for Refusal {
    fn from(refusal: carveout::Refusal) -> Self {
        let (reason, error) = refusal.describe();
        Refusal { reason, error }
    }
}

impl From<contiguous::Refusal> for Refusal {
    fn from(refusal: contiguous::Refusal) -> Self {
        let (reason, error) = refusal.describe();
        Refusal { reason, error }
    }
}

fn no_memory(error: Error) -> Refusal {
    Refusal {
        reason: OUT_OF_MEMORY,
        error,
    }
}

fn no_display(error: Error) -> Refusal {
    let reason = if error == EBUSY {
        "its scanout is in use by another driver (qemu_fw_cfg?): unload that one"
    } else {
        "its scanout is not there, or does not take the geometry"
    };
    Refusal { reason, error }
}
