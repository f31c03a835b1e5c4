// SPDX-License-Identifier: GPL-2.0-only

//! One device-tree node's windows: making them, and undoing that in the right order.

use crate::{
    fbdev::Framebuffer,
    log::{
        KernelSink,
        Log, //
    },
    ring::DATA_MIN,
    scanout,
    spec::{
        self,
        Kind,
        LogSpec,
        Name,
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
        contiguous::ContiguousArea,
        ida::InstanceId,
        mapping::Mapping,
        of,
        persistent::{
            recover,
            Persistent, //
        },
        time::random_id,
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
    _console: Option<Console>,
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

impl Instance {
    /// Makes all that `dev`'s node describes, or nothing: then the log says why in one line.
    pub(crate) fn new(dev: &Device) -> Result<Self> {
        let node = dev.fwnode().ok_or(ENODEV)?;
        let id = Self::number(dev, node)?;
        let space = Arc::new(AddressSpace::new()?, GFP_KERNEL)?;
        let mut windows = Windows(KVec::new());
        let mut log = None;

        for child in node.children() {
            let name = spec::name_of(&child)?;
            let made = Self::window(dev, &child, &name, id.get(), &space, &windows.0);
            let made = made.map_err(|refusal| {
                // A display whose driver is not there yet is no error: probe is called again.
                if refusal.error != EPROBE_DEFER {
                    let name = name.to_str().unwrap_or("?");
                    dev_err!(dev, "window {}: {}\n", name, refusal.reason);
                }
                refusal.error
            })?;
            let (window, other) = match made {
                Made::One(window) => (window, None),
                Made::Two(window, other) => (window, Some(other)),
            };
            if let Content::Log(l) = &window.content {
                log = Some(l.clone());
            }
            windows.0.push(window, GFP_KERNEL)?;
            if let Some(other) = other {
                windows.0.push(other, GFP_KERNEL)?;
            }
        }
        if windows.0.is_empty() {
            dev_err!(dev, "the node has no windows: each is a child node\n");
            return Err(EINVAL);
        }

        let mut devices = KVec::with_capacity(windows.0.len(), GFP_KERNEL)?;
        for window in &windows.0 {
            let (n, w) = (id.get(), window.name.as_str());
            let device = CharDevice::new(
                dev,
                CString::try_from_fmt(fmt!("fanlight{n}-{w}"))?,
                CString::try_from_fmt(fmt!("fanlight{n}/{w}"))?,
                MODE,
                window.clone(),
            );
            devices.push(KBox::try_pin_init(device, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        let stats = Stats::new(id.get(), &windows.0)?;
        let console = match log {
            Some(log) => {
                // Below INSTANCE_MAX.
                let index = id.get() as i16;
                let sink = KBox::new(KernelSink(log), GFP_KERNEL)?;
                Some(Console::new(sink, index)?)
            }
            None => None,
        };
        dev_info!(dev, "fanlight{}: {} windows\n", id.get(), windows.0.len());
        Ok(Self {
            _console: console,
            _devices: devices,
            _stats: stats,
            _windows: windows,
            _id: id,
        })
    }

    /// The number of the node's alias, or the lowest that no alias has.
    fn number(dev: &Device, node: &FwNode) -> Result<InstanceId> {
        let Some(n) = of::alias(node, ALIAS) else {
            let first = of::highest_alias(ALIAS).map_or(0, |n| n + 1);
            return InstanceId::new(first, INSTANCE_MAX);
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
    }

    fn window(
        dev: &Device,
        node: &FwNode,
        name: &CStr,
        instance: u32,
        space: &Arc<AddressSpace>,
        others: &[Arc<Window>],
    ) -> Result<Made, Refusal> {
        let Spec {
            name,
            source,
            cache,
            read_only,
            kind,
        } = Spec::read(node, name)?;
        if others.iter().any(|other| other.name == name) {
            return Err(Refusal {
                reason: "the node has another window of this name",
                error: EBUSY,
            });
        }

        if let Kind::Log(log) = kind {
            return Self::logs(name, instance, source, log, space);
        }
        let mut kind = kind;
        let mut display = None;
        let (backing, backing_kind) = match source {
            Source::Display => {
                let Kind::Framebuffer(geometry) = &mut kind else {
                    return Err(no_display(EINVAL));
                };
                let found = scanout::with_memory(*geometry).map_err(no_display)?;
                *geometry = found.geometry;
                display = Some(found.display);
                let carveout = Carveout::new(found.range, cache, true)?;
                (Backing::Carveout(carveout), BackingKind::Carveout)
            }
            Source::Carveout { range, shared } => {
                let carveout = Carveout::new(range, cache, !shared)?;
                (Backing::Carveout(carveout), BackingKind::Carveout)
            }
            Source::Contiguous { size } => {
                let area = ContiguousArea::new(dev, size, cache).map_err(|_| Refusal {
                    reason: "no contiguous memory of its size (see CmaFree in /proc/meminfo)",
                    error: ENOMEM,
                })?;
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
                    display = scanout::new(dev, geometry, start).map_err(no_display)?;
                }
                if let Some(display) = display {
                    fb.attach(display).map_err(no_display)?;
                }
                Content::Framebuffer(fb)
            }
            _ => Content::Memory,
        };
        let mapping = Mapping::new(space.clone(), backing, cache);
        let window = Window::new(name, instance, backing_kind, read_only, content, mapping);
        Ok(Made::One(
            Arc::pin_init(window, GFP_KERNEL).map_err(no_memory)?,
        ))
    }

    /// The log, and the previous boot's where there is a region that outlives a reboot.
    fn logs(
        name: Name,
        instance: u32,
        source: Source,
        spec: LogSpec,
        space: &Arc<AddressSpace>,
    ) -> Result<Made, Refusal> {
        let prefault = matches!(source, Source::Vmalloc { prefault: true, .. });
        let window = |name, log: &Arc<Log>, content| {
            let backing = vmalloc_backing(log.area().clone(), prefault);
            let mapping = Mapping::new(space.clone(), backing, Cache::Cached);
            let window = Window::new(name, instance, BackingKind::Vmalloc, true, content, mapping);
            Arc::pin_init(window, GFP_KERNEL).map_err(no_memory)
        };
        let boot_id = random_id();
        let mut persistent = None;
        let mut previous = None;
        if let Some(range) = spec.persistent {
            let carveout = Carveout::new(range, spec.persist_cache, true)?;
            let size = carveout.size().next_power_of_two().max(DATA_MIN);
            let init = Log::previous(size).map_err(no_memory)?;
            let log = Arc::pin_init(init, GFP_KERNEL).map_err(no_memory)?;
            let salvaged = recover(&carveout, |record| log.take_over(record)).map_err(no_memory)?;
            let prev = Name::new(b"log.prev").ok_or(no_memory(ENOMEM))?;
            previous = Some(window(
                prev,
                &log,
                Content::Previous(log.clone(), salvaged),
            )?);
            let init =
                Persistent::new(carveout, &boot_id, spec.persist_level).map_err(|_| Refusal {
                    reason: "its region is too small to keep a log",
                    error: EINVAL,
                })?;
            persistent = Some(KBox::try_pin_init(init, GFP_KERNEL).map_err(no_memory)?);
        }
        let init = Log::new(spec.data_size, &boot_id, persistent).map_err(no_memory)?;
        let log = Arc::pin_init(init, GFP_KERNEL).map_err(no_memory)?;
        let window = window(name, &log, Content::Log(log.clone()))?;
        Ok(match previous {
            Some(previous) => Made::Two(window, previous),
            None => Made::One(window),
        })
    }
}

/// The windows of one child node.
enum Made {
    One(Arc<Window>),
    Two(Arc<Window>, Arc<Window>),
}

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

fn no_memory(error: Error) -> Refusal {
    Refusal {
        reason: "out of memory",
        error,
    }
}

fn no_display(error: Error) -> Refusal {
    Refusal {
        reason: "its scanout is not there, or does not take the geometry",
        error,
    }
}
