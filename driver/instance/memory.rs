// SPDX-License-Identifier: GPL-2.0-only

//! Creates a window of memory or registers, or a framebuffer, from its node.

use crate::{
    framebuffer::{
        geometry::Geometry,
        scanout::{
            self,
            Scanout, //
        },
        Framebuffer, //
    },
    refusal::{
        invalid,
        Refusal,
        Text, //
    },
    spec::{
        Kind,
        Name,
        Source,
        Spec, //
    },
    sys::{
        address_space::AddressSpace,
        backing::Backing,
        carveout::{
            self,
            Carveout,
            CarveoutError,
            Claims, //
        },
        contiguous::{
            ContiguousArea,
            PagesError, //
        },
        display::{
            self,
            Rival, //
        },
        mapping::Mapping,
        of::{
            self,
            Range, //
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
    device::{
        property::FwNode,
        Core,
        Device, //
    },
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// A window that is checked, and has reserved what it needs. No other driver has lost anything yet,
/// so a window that is deferred or refused by then does not change the screen.
pub(super) struct Checked {
    spec: Spec,
    owner: CString,
    reserved: Reserved,
}

/// What a window has reserved.
enum Reserved {
    Carveout {
        reserved: carveout::Reserved,
        range: Range,
        /// A partition of an SRAM.
        shared: bool,
        display: Option<KBox<dyn Scanout>>,
    },
    Display(scanout::rpi::Reserved),
    Contiguous(ContiguousArea),
    Vmalloc(VmallocArea, bool),
}

impl Checked {
    /// Checks a window of memory or a framebuffer. Refuses it if one of `others` has its name.
    #[inline(never)]
    pub(super) fn new<'a>(
        dev: &Device<Core<'_>>,
        node: &FwNode,
        name: &CStr,
        instance: u32,
        mut others: impl Iterator<Item = &'a Self>,
    ) -> Result<Self, Refusal> {
        let spec = Spec::read(dev, node, name)?;
        let is_log = matches!(spec.kind, Kind::Log(_));
        if is_log || others.any(|other| other.spec.name == spec.name) {
            return Err(Refusal::new(
                "the node has another window of this name",
                EBUSY,
            ));
        }
        let owner = owner(instance, &spec.name)?;
        if let Kind::Framebuffer(geometry) = &spec.kind {
            scanout::check(geometry)?;
        }
        let reserved = Reserved::new(dev, &spec, &owner)?;
        Ok(Self {
            spec,
            owner,
            reserved,
        })
    }

    pub(super) fn is_framebuffer(&self) -> bool {
        matches!(self.spec.kind, Kind::Framebuffer(_))
    }

    /// Creates the window.
    #[inline(never)]
    pub(super) fn make(
        self,
        dev: &Device<Core<'_>>,
        node: &FwNode,
        instance: u32,
        space: &Arc<AddressSpace>,
    ) -> Result<Arc<Window>, Refusal> {
        let Spec {
            name,
            cache,
            read_only,
            io_width,
            mut kind,
            ..
        } = self.spec;
        let is_framebuffer = matches!(kind, Kind::Framebuffer(_));
        let mut display = None;
        let mut is_shared = false;
        let (backing, backing_kind) = match self.reserved {
            Reserved::Display(reserved) => {
                settle_rivals(dev, name.as_str(), reserved.memory, true)?;
                let found = scanout::acquire(reserved)?;
                if let Kind::Framebuffer(geometry) = &mut kind {
                    note_stride(dev, name.as_str(), geometry, &found.geometry);
                    *geometry = found.geometry;
                }
                display = Some(found.display);
                let claims = Claims {
                    name: &self.owner,
                    iomem: true,
                    pages: false,
                };
                let carveout = Carveout::new(found.range, carveout_cache(cache), claims)?;
                (Backing::Carveout(carveout), BackingKind::Carveout)
            }
            Reserved::Carveout {
                reserved,
                range,
                shared,
                display: its,
            } => {
                // Before another driver loses the screen.
                reserved.check()?;
                settle_rivals(dev, name.as_str(), range, is_framebuffer)?;
                display = its;
                is_shared = shared;
                let carveout = reserved.acquire()?;
                (Backing::Carveout(carveout), BackingKind::Carveout)
            }
            Reserved::Contiguous(area) => (Backing::Contiguous(area), BackingKind::Contiguous),
            Reserved::Vmalloc(area, prefault) => {
                let area = Arc::new(area, GFP_KERNEL)?;
                let backing = Backing::Vmalloc { area, prefault };
                (backing, BackingKind::Vmalloc)
            }
        };

        let content = match kind {
            Kind::Framebuffer(geometry) => {
                let start = backing.phys().unwrap_or(0);
                let fb = KBox::pin_init(Framebuffer::new(geometry, start), GFP_KERNEL)
                    .map_err(Refusal::no_memory)?;
                if display.is_none() {
                    display = scanout::new(&self.owner, geometry, start)?;
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
        let window = Arc::pin_init(window, GFP_KERNEL).map_err(Refusal::no_memory)?;
        if is_shared {
            // Last: the link remains even if the window is refused, and then unbinds the device
            // together with the SRAM's driver.
            of::link_sram(dev, node).map_err(|error| match error {
                e if e == EPROBE_DEFER => {
                    Refusal::new("the SRAM's driver is being unbound", EAGAIN)
                }
                e => Refusal::no_memory(e),
            })?;
        }
        Ok(window)
    }
}

impl Reserved {
    #[inline(never)]
    fn new(dev: &Device<Core<'_>>, spec: &Spec, owner: &CString) -> Result<Self, Refusal> {
        Ok(match spec.source {
            Source::Display => {
                let Kind::Framebuffer(geometry) = spec.kind else {
                    return Err(invalid("a display shows framebuffers only"));
                };
                Self::Display(scanout::reserve(owner, geometry)?)
            }
            Source::Carveout {
                range,
                shared,
                pages,
            } => {
                let claims = Claims {
                    name: owner,
                    iomem: !shared,
                    pages,
                };
                let reserved = Carveout::reserve(range, carveout_cache(spec.cache), claims)?;
                let display = match spec.kind {
                    Kind::Framebuffer(geometry) => scanout::new(owner, geometry, range.start)?,
                    _ => None,
                };
                Self::Carveout {
                    reserved,
                    range,
                    shared,
                    display,
                }
            }
            Source::Contiguous { size } => {
                let area = ContiguousArea::new(dev, size, spec.cache, spec.mapped_as)?;
                Self::Contiguous(area)
            }
            Source::Vmalloc { size, prefault } => {
                let area = VmallocArea::new(size).map_err(|error| {
                    Refusal::new(
                        "no kernel memory of its size (see VmallocTotal in /proc/meminfo)",
                        error,
                    )
                })?;
                Self::Vmalloc(area, prefault)
            }
        })
    }
}

/// Only for contiguous pages does the default depend on the device.
fn carveout_cache(cache: Option<Cache>) -> Cache {
    cache.unwrap_or(Cache::WriteCombine)
}

fn note_stride(dev: &Device, name: &str, wanted: &Geometry, found: &Geometry) {
    let (wanted, found) = (wanted.stride, found.stride);
    if found != wanted {
        dev_info!(
            dev,
            "window {}: stride is {}, as the firmware chose, not {}\n",
            name,
            found,
            wanted
        );
    }
}

/// The name of a window in /proc/iomem.
pub(super) fn owner(instance: u32, name: &Name) -> Result<CString, Refusal> {
    CString::try_from_fmt(fmt!("fanlight{instance}/{}", name.as_str())).map_err(Refusal::no_memory)
}

impl From<CarveoutError> for Refusal {
    fn from(error: CarveoutError) -> Self {
        let (reason, error) = error.describe();
        Self { reason, error }
    }
}

impl From<PagesError> for Refusal {
    fn from(error: PagesError) -> Self {
        let (reason, error) = error.describe();
        Self::new(reason, error)
    }
}

/// Finds boot loaders' framebuffers in the range of a window, and with `remove` removes their
/// drivers. Refuses the window if another driver or a program still draws into it.
#[inline(never)]
pub(super) fn settle_rivals(
    dev: &Device,
    name: &str,
    range: Range,
    remove: bool,
) -> Result<(), Refusal> {
    match display::rival(range, remove) {
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
