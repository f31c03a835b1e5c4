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
    refusal::{
        Text,
        OUT_OF_MEMORY, //
    },
    scanout,
    spec::{
        self,
        Kind,
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
            Carveout,
            Claims, //
        },
        chardev::CharDevice,
        console::Console,
        contiguous::{
            self,
            ContiguousArea, //
        },
        display::{
            self,
            Rival, //
        },
        ida::InstanceId,
        mapping::Mapping,
        of::{
            self,
            Pool,
            Range, //
        },
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
        Rights,
        Window, //
    }, //
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
    /// The pages of the windows are freed.
    _pool: Option<Pool>,
    /// Only now may another instance have the number.
    _id: InstanceId,
}

/// Windows that are revoked when this is dropped.
struct Windows(KVec<Arc<Window>>);

impl Drop for Windows {
    fn drop(&mut self) {
        Window::revoke_all(&self.0);
    }
}

/// Everything of a log but its console.
struct Logs {
    windows: KVec<Arc<Window>>,
    intake: Arc<Intake>,
}

/// Why an instance cannot be had. The reason is printed already, unless it is `Silent`.
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
    /// Makes what `dev`'s node describes, or prints one line that says why not.
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

    /// Makes what `dev`'s node describes. A window that cannot be made costs only itself, and a
    /// line that says why.
    ///
    /// The log comes last, whatever the order of the nodes: when the probe is deferred or fails,
    /// its region is untouched.
    fn make(dev: &Device<Core<'_>>) -> Result<Self, Failure> {
        let node = dev.fwnode().ok_or(ENODEV)?;
        if let Err(refusal) = spec::check_parent(node) {
            let reason = refusal.reason.as_str();
            dev_err!(dev, "{} (node {})\n", reason, node);
            return Err(Failure::Printed(refusal.error));
        }
        let id = Self::number(dev, node)?;
        // Before the windows, so that it is dropped after them if the probe fails.
        let pool = Pool::of(dev).map_err(|error| {
            let number = error.to_errno();
            dev_err!(
                dev,
                "the shared-dma-pool of memory-region cannot be used: error {} (node {})\n",
                number,
                node
            );
            Failure::Printed(error)
        })?;
        let space = Arc::new(AddressSpace::new()?, GFP_KERNEL)?;
        let mut windows = Windows(KVec::new());
        let mut refused = None;
        let mut log = None;

        for child in node.children() {
            let name = match spec::name_of(&child) {
                Ok(name) => name,
                Err(refusal) => {
                    refused = Some(refusal.report(dev, c"?", &child));
                    continue;
                }
            };
            if name.to_bytes() == b"log" && log.is_none() {
                log = Some((child, name));
                continue;
            }
            match Self::window(dev, &child, &name, id.get(), &space, &windows.0) {
                Ok(window) => windows.0.push(window, GFP_KERNEL)?,
                // Another driver that is not there yet is no error: probe is called again.
                Err(refusal) if refusal.error == EPROBE_DEFER => {
                    refusal.note_deferred(dev, &name);
                    return Err(Failure::Printed(EPROBE_DEFER));
                }
                Err(refusal) => refused = Some(refusal.report(dev, &name, &child)),
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
                        refused = Some(Refusal::new(reason, error).report(dev, &name, &child));
                    }
                },
                Err(refusal) => refused = Some(refusal.report(dev, &name, &child)),
            }
        }
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
        let mut devices = KVec::with_capacity(windows.0.len(), GFP_KERNEL)?;
        for window in &windows.0 {
            if let Some(intake) = window.content.intake() {
                // Before the log's nodes, which come last: what they are told must reach the
                // region.
                intake.start();
            }
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
                    Window::revoke_all(core::slice::from_ref(window));
                    if window.content.intake().is_some() {
                        // Nobody could read what it takes.
                        (console, intake) = (None, None);
                    }
                }
            }
        }
        if devices.is_empty() {
            return Err(Failure::Printed(ENOMEM));
        }
        // Nothing can fail any more.
        if let (Some(intake), Some(console)) = (&intake, &mut console) {
            intake.run();
            console.start(dev);
        }
        dev_info!(dev, "fanlight{}: {} windows\n", id.get(), windows.0.len());
        Ok(Self {
            _console: console,
            _devices: devices,
            _stats: stats,
            _windows: windows,
            _pool: pool,
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
    fn number(dev: &Device, node: &FwNode) -> Result<InstanceId, Failure> {
        let Some(n) = of::alias(node, ALIAS) else {
            // The number of an alias is kept for its node, also while that one is not bound.
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

    fn window(
        dev: &Device<Core<'_>>,
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
            io_width,
            kind,
        } = Spec::read(dev, node, name)?;
        if others.iter().any(|other| other.name == name) {
            return Err(name_taken());
        }

        if let Kind::Log(_) = kind {
            return Err(name_taken());
        }
        let owner = owner(instance, &name)?;
        let claims = |iomem, pages| Claims {
            name: &owner,
            iomem,
            pages,
        };
        let mut kind = kind;
        // Only contiguous pages leave the choice to the device.
        let carveout_cache = cache.unwrap_or(Cache::WriteCombine);
        let mut display = None;
        let full_name = CString::try_from_fmt(fmt!("fanlight{instance}/{}", name.as_str()))
            .map_err(no_memory)?;
        let (backing, backing_kind) = match source {
            Source::Display => {
                let Kind::Framebuffer(geometry) = &mut kind else {
                    return Err(spec::invalid("a display shows framebuffers only"));
                };
                let found = scanout::with_memory(&full_name, *geometry)?;
                take_over(dev, name.as_str(), found.range)?;
                *geometry = found.geometry;
                display = Some(found.display);
                let carveout = Carveout::new(found.range, carveout_cache, claims(true, false))?;
                (Backing::Carveout(carveout), BackingKind::Carveout)
            }
            Source::Carveout {
                range,
                shared,
                pages,
            } => {
                if let Kind::Framebuffer(_) = kind {
                    take_over(dev, name.as_str(), range)?;
                }
                let carveout = Carveout::new(range, carveout_cache, claims(!shared, pages))?;
                (Backing::Carveout(carveout), BackingKind::Carveout)
            }
            Source::Contiguous { size } => {
                let area = ContiguousArea::new(dev, size, cache, mapped_as)?;
                (Backing::Contiguous(area), BackingKind::Contiguous)
            }
            Source::Vmalloc { size, prefault } => {
                let area = VmallocArea::new(size).map_err(|error| {
                    Refusal::new(
                        "no kernel memory of its size (see VmallocTotal in /proc/meminfo)",
                        error,
                    )
                })?;
                let backing = vmalloc_backing(Arc::new(area, GFP_KERNEL)?, prefault);
                (backing, BackingKind::Vmalloc)
            }
        };

        let content = match kind {
            Kind::Framebuffer(geometry) => {
                let start = backing.phys().unwrap_or(0);
                let fb = KBox::pin_init(Framebuffer::new(geometry, start), GFP_KERNEL)
                    .map_err(no_memory)?;
                if display.is_none() {
                    display = scanout::new(&full_name, geometry, start)?;
                }
                if let Some(display) = display {
                    fb.attach(display)
                        .map_err(|error| scanout::failed(&geometry, error))?;
                }
                Content::Framebuffer(fb)
            }
            _ => Content::Memory,
        };
        let cache = backing.cache();
        let mapping = Mapping::new(space.clone(), backing, cache);
        let rights = Rights {
            read_only,
            io_width,
        };
        let window = Window::new(name, instance, backing_kind, rights, content, mapping);
        Arc::pin_init(window, GFP_KERNEL).map_err(no_memory)
    }

    /// The log, and those of earlier boots where a region keeps them.
    fn logs(
        dev: &Device<Core<'_>>,
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
        } = Spec::read(dev, node, name)?
        else {
            return Err(spec::invalid("it is no log"));
        };
        let prefault = matches!(source, Source::Vmalloc { prefault: true, .. });
        let window = |name, log: &Arc<Log>, content| {
            let backing = vmalloc_backing(log.area().clone(), prefault);
            let mapping = Mapping::new(space.clone(), backing, Cache::Cached);
            let rights = Rights {
                read_only: true,
                io_width: 0,
            };
            let backing_kind = BackingKind::Vmalloc;
            let window = Window::new(name, instance, backing_kind, rights, content, mapping);
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
        let (lanes, wanted) = (spec.lanes(), spec.persistent.is_some());
        let mut kept = match spec.persistent {
            Some(range) => range.and_then(|range| {
                let owner = owner(instance, &name).map_err(|refusal| refusal.reason)?;
                let carveout = persistent_region(range, spec.persist_cache, &owner)?;
                Kept::new(carveout, &boot_id, spec.persist_level).map_err(|e| {
                    Text::from(match e {
                        e if e == EINTR => "the probe was interrupted",
                        _ => OUT_OF_MEMORY,
                    })
                })
            }),
            None => Err("no: no memory-region".into()),
        };
        if let (true, Err(reason)) = (wanted, &kept) {
            let reason = reason.as_str();
            dev_warn!(
                dev,
                "window log: not kept over a reboot: {} (node {})\n",
                reason,
                node
            );
        }
        if let Ok(kept) = &kept {
            report(dev, &kept.recovered);
        }
        let begin = Begin::after(kept.as_ref().ok().map(|kept| &kept.recovered));
        let ring = Log::new(lanes, &boot_id, begin.first_seq).map_err(no_memory)?;
        let log = Arc::pin_init(ring, GFP_KERNEL).map_err(no_memory)?;
        let mut previous = KVec::new();
        let mut region = None;
        if let Ok(kept) = &mut kept {
            core::mem::swap(&mut previous, &mut kept.previous);
            region = kept.region.take();
        }
        let recovered = kept.as_ref().ok().map(|kept| &kept.recovered);
        let init = Intake::new(log.clone(), begin, region, recovered, spec.write_limit);
        let intake = Arc::pin_init(init.map_err(no_memory)?, GFP_KERNEL).map_err(no_memory)?;
        let mut windows = KVec::new();
        let kept = kept.err().unwrap_or("yes".into());
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
        Self { reason, error }
    }
}

/// What /proc/iomem calls a window.
fn owner(instance: u32, name: &Name) -> Result<CString, Refusal> {
    CString::try_from_fmt(fmt!("fanlight{instance}/{}", name.as_str())).map_err(no_memory)
}

fn name_taken() -> Refusal {
    Refusal::new("the node has another window of this name", EBUSY)
}

impl From<contiguous::Refusal> for Refusal {
    fn from(refusal: contiguous::Refusal) -> Self {
        let (reason, error) = refusal.describe();
        Self::new(reason, error)
    }
}

fn no_memory(error: Error) -> Refusal {
    Refusal::new(OUT_OF_MEMORY, error)
}

/// Takes `range` over from the driver of the bootloader's framebuffer.
fn take_over(dev: &Device, name: &str, range: Range) -> Result<(), Refusal> {
    match display::take_over(range) {
        Rival::None => Ok(()),
        Rival::Unbound(node) => {
            dev_warn!(
                dev,
                "window {}: {} describes the same memory: disable that node, or a driver of it \
                 draws into this window\n",
                name,
                node.as_str()
            );
            Ok(())
        }
        Rival::Bound(node) => {
            let node = node.as_str();
            let reason = Text::new(fmt!(
                "the driver of {node} shows its region: disable that node"
            ));
            Err(Refusal::new(reason, EBUSY))
        }
    }
}
