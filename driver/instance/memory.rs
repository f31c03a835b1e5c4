// SPDX-License-Identifier: GPL-2.0-only

//! Making a window of memory or registers, or a framebuffer, as its node describes it.

use crate::{
    framebuffer::{
        scanout,
        Framebuffer, //
    },
    refusal::Text,
    spec::{
        self,
        Kind,
        Name,
        Refusal,
        Source,
        Spec, //
    },
    sys::{
        address_space::AddressSpace,
        backing::Backing,
        carveout::{
            self,
            Carveout,
            Claims, //
        },
        contiguous::{
            self,
            ContiguousArea, //
        },
        display::{
            self,
            Rival, //
        },
        mapping::Mapping,
        of::Range,
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
    device::{
        property::FwNode,
        Core,
        Device, //
    },
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// Makes a window of memory or a framebuffer, unless one of `others` has its name.
pub(super) fn make(
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
    if let Kind::Framebuffer(geometry) = &kind {
        scanout::check(geometry)?;
    }
    // Only contiguous pages leave the choice to the device.
    let carveout_cache = cache.unwrap_or(Cache::WriteCombine);
    let mut display = None;
    let (backing, backing_kind) = match source {
        Source::Display => {
            let Kind::Framebuffer(geometry) = &mut kind else {
                return Err(spec::invalid("a display shows framebuffers only"));
            };
            let found = scanout::with_memory(&owner, *geometry, |memory| {
                take_over(dev, name.as_str(), memory)
            })?;
            if found.geometry.stride != geometry.stride {
                let (theirs, ours) = (geometry.stride, found.geometry.stride);
                dev_info!(
                    dev,
                    "window {}: stride is {}, as the firmware chose, not {}\n",
                    name.as_str(),
                    ours,
                    theirs
                );
            }
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
            let reserved = Carveout::reserve(range, carveout_cache, claims(!shared, pages))?;
            if let Kind::Framebuffer(geometry) = kind {
                display = scanout::new(&owner, geometry, range.start)?;
                // Last, so that a window that is refused takes the screen from nobody.
                take_over(dev, name.as_str(), range)?;
            }
            (
                Backing::Carveout(reserved.acquire()?),
                BackingKind::Carveout,
            )
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
            let backing = Backing::vmalloc(Arc::new(area, GFP_KERNEL)?, prefault);
            (backing, BackingKind::Vmalloc)
        }
    };

    let content = match kind {
        Kind::Framebuffer(geometry) => {
            let start = backing.phys().unwrap_or(0);
            let fb = KBox::pin_init(Framebuffer::new(geometry, start), GFP_KERNEL)
                .map_err(Refusal::no_memory)?;
            if display.is_none() {
                display = scanout::new(&owner, geometry, start)?;
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
    Arc::pin_init(window, GFP_KERNEL).map_err(Refusal::no_memory)
}

/// What /proc/iomem calls a window.
pub(super) fn owner(instance: u32, name: &Name) -> Result<CString, Refusal> {
    CString::try_from_fmt(fmt!("fanlight{instance}/{}", name.as_str())).map_err(Refusal::no_memory)
}

fn name_taken() -> Refusal {
    Refusal::new("the node has another window of this name", EBUSY)
}

impl From<carveout::Refusal> for Refusal {
    fn from(refusal: carveout::Refusal) -> Self {
        let (reason, error) = refusal.describe();
        Self { reason, error }
    }
}

impl From<contiguous::Refusal> for Refusal {
    fn from(refusal: contiguous::Refusal) -> Self {
        let (reason, error) = refusal.describe();
        Self::new(reason, error)
    }
}

/// Takes `range` over from the drivers of bootloaders' framebuffers.
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
        Rival::Open(node) => {
            let node = node.as_str();
            let reason = Text::new(fmt!(
                "a program has the framebuffer of {node} open: end it and bind this device again"
            ));
            Err(Refusal::new(reason, EBUSY))
        }
    }
}
