// SPDX-License-Identifier: GPL-2.0-only

//! Parses and checks the device tree: one [`Spec`] per window.
//!
//! The binding is documented in `dts/bindings/fanlight,windows.yaml`.

use crate::{
    framebuffer::geometry::{
        Geometry,
        ScanoutKind, //
    },
    properties::{
        self,
        read_choice,
        read_flag,
        read_string,
        read_u32,
        text, //
    },
    refusal::{
        invalid,
        invalid_fmt,
        Refusal,
        Text, //
    },
    sys::{
        contiguous::MappedAs,
        of::{
            self,
            Range, //
        },
        Cache,
        PAGE_SIZE, //
    }, //
};
use kernel::{
    alloc::AllocError,
    device::{
        property::FwNode,
        Device, //
    },
    prelude::*,
    str::CString, //
};

/// The longest name of a window, which has to fit `struct fanlight_info` with its NUL.
pub(crate) const NAME_MAX: usize = 31;

/// A window's name: a file name of letters, digits and `,._+-`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    bytes: [u8; NAME_MAX],
    len: usize,
}

impl Name {
    /// Checks a name.
    pub(crate) fn new(name: &[u8]) -> Option<Self> {
        let good = |b: &u8| b.is_ascii_alphanumeric() || b",._+-".contains(b);
        if name.is_empty() || name[0] == b'.' || !name.iter().all(good) {
            return None;
        }
        let mut bytes = [0; NAME_MAX];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self {
            bytes,
            len: name.len(),
        })
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|name| core::str::from_utf8(name).ok())
            .unwrap_or("")
    }
}

/// Where a window's memory comes from.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// A physical range. `shared`: a partition of an SRAM, which the SRAM's own driver has claimed.
    /// `pages`: the pages that contain the range can be mapped, although it is not whole pages.
    Carveout {
        range: Range,
        shared: bool,
        pages: bool,
    },
    /// The buffer of the display's firmware.
    Display,
    /// Contiguous kernel pages, `size` bytes.
    Contiguous { size: usize },
    /// Scattered kernel pages, `size` bytes.
    Vmalloc { size: usize, prefault: bool },
}

/// The log window of a node.
pub(crate) struct LogSpec {
    /// Bytes of records, a power of two.
    pub(crate) data_size: usize,
    /// The persistent region if the node has one, or why it cannot be used.
    pub(crate) persistent: Option<Result<Range, Text>>,
    /// The memory type of the region's mapping.
    pub(crate) persist_cache: Cache,
    /// Records of this level and more urgent ones are kept there.
    pub(crate) persist_level: u8,
    /// Records that a program may write per open file in five seconds, if the node sets it; 0: no
    /// limit.
    pub(crate) write_limit: Option<u32>,
}

impl LogSpec {
    /// Bytes of records in the kernel's lane and in the lane of programs.
    pub(crate) fn lanes(&self) -> [usize; 2] {
        [self.data_size, (self.data_size / 4).max(PROGRAMS_MIN)]
    }
}

/// The minimum size of the lane of programs.
const PROGRAMS_MIN: usize = 16 << 10;

/// What a window is.
pub(crate) enum Kind {
    Memory,
    Framebuffer(Geometry),
    Log(LogSpec),
}

/// One window as the device tree describes it.
pub(crate) struct Spec {
    pub(crate) name: Name,
    pub(crate) source: Source,
    /// The memory type; `None`: contiguous pages get the one that suits the device.
    pub(crate) cache: Option<Cache>,
    /// How contiguous pages are mapped, if the node sets it.
    pub(crate) mapped_as: Option<MappedAs>,
    pub(crate) read_only: bool,
    /// Bytes of every access to registers; 0: any width.
    pub(crate) io_width: u32,
    pub(crate) kind: Kind,
}

/// The name of the window that `node` describes, or the name of the node if that is not a valid
/// name of a window.
pub(crate) fn name_of(node: &FwNode) -> Result<CString, Refusal> {
    if let Some(label) = read_string(node, c"label")? {
        return Ok(label);
    }
    let full = CString::try_from_fmt(fmt!("{}", node.display_name())).map_err(|_| AllocError)?;
    let name = full.to_bytes().split(|&b| b == b'@').next().unwrap_or(&[]);
    let name = core::str::from_utf8(name).map_err(|_| invalid("its name is not text"))?;
    Ok(CString::try_from_fmt(fmt!("{name}")).map_err(|_| AllocError)?)
}

impl Spec {
    /// Reads and checks `node`, a child of the node of `dev`, during the probe of `dev`.
    pub(crate) fn read(dev: &Device, node: &FwNode, name: &CStr) -> Result<Self, Refusal> {
        let Some(name) = Name::new(name.to_bytes()) else {
            return Err(invalid(
                "a name is 1 to 31 letters, digits and ,._+- and begins with no dot",
            ));
        };
        properties::check(node, name.as_str() == "log")?;
        if name.as_str() == "log" {
            return Self::read_log(dev, node, name);
        }
        if name.as_str().starts_with("log.prev") {
            return Err(invalid(
                "names that begin with log.prev belong to the logs of earlier boots",
            ));
        }
        let geometry = Geometry::read(node)?;
        let source = match geometry {
            Some(g) if g.scanout == ScanoutKind::RpiFirmware => Source::Display,
            _ => read_source(dev, node)?,
        };
        let cache = cache_of(node, &source, geometry.as_ref())?;
        let mapped_as = mapping_of(node, &source, cache)?;
        let kind = match geometry {
            Some(geometry) => {
                let size = match source {
                    Source::Carveout { range, .. } => range.size,
                    Source::Contiguous { size } | Source::Vmalloc { size, .. } => size as u64,
                    Source::Display => geometry.bytes(),
                };
                // An empty or invalid region is reported by its own error.
                if size != 0 && geometry.bytes() > size {
                    return Err(invalid("its region is too small for the geometry"));
                }
                if geometry.scanout != ScanoutKind::None && matches!(source, Source::Vmalloc { .. })
                {
                    return Err(invalid("scanout needs contiguous memory"));
                }
                Kind::Framebuffer(geometry)
            }
            None => Kind::Memory,
        };
        Ok(Self {
            name,
            source,
            cache,
            mapped_as,
            read_only: read_flag(node, c"fanlight,read-only")?,
            io_width: read_io_width(node, cache)?,
            kind,
        })
    }

    fn read_log(dev: &Device, node: &FwNode, name: Name) -> Result<Self, Refusal> {
        let data_size = read_u32(node, c"size")?.unwrap_or(1 << 20) as usize;
        if !crate::ring::sizes_ok(data_size, 0) {
            return Err(invalid_fmt(fmt!(
                "a log's size is a power of two from 32 KiB to 256 MiB, not {data_size:#x}"
            )));
        }
        let persistent = read_region(dev, node)
            .transpose()
            .map(|region| region.map_err(|refusal| refusal.reason));
        if persistent.is_none() {
            for property in [c"fanlight,persist-level", c"fanlight,cache"] {
                if node.property_present(property) {
                    return Err(invalid_fmt(fmt!("{} needs memory-region", text(property))));
                }
            }
        }
        let persist_level = read_u32(node, c"fanlight,persist-level")?.unwrap_or(7);
        let persist_level = match u8::try_from(persist_level) {
            Ok(level @ 0..=7) => level,
            _ => {
                return Err(invalid_fmt(fmt!(
                    "fanlight,persist-level is 0 to 7, not {persist_level}"
                )))
            }
        };
        Ok(Self {
            name,
            source: Source::Vmalloc {
                size: data_size,
                prefault: read_flag(node, c"fanlight,prefault")?,
            },
            cache: Some(Cache::Cached),
            mapped_as: None,
            read_only: true,
            io_width: 0,
            kind: Kind::Log(LogSpec {
                data_size,
                persistent,
                persist_cache: match read_cache(node)? {
                    None | Some(Cache::WriteCombine) => Cache::WriteCombine,
                    // Cached writes would not survive a reset. Writes to Device memory would, but
                    // it supports neither memcpy(), which copies the records, nor exclusive
                    // accesses, which claim their places.
                    Some(_) => {
                        return Err(invalid(
                            "a log's region is always writecombine: leave fanlight,cache out",
                        ));
                    }
                },
                persist_level,
                write_limit: read_u32(node, c"fanlight,write-limit")?,
            }),
        })
    }
}

/// Reads `reg-io-width`, which the driver reports to the programs that access the registers.
fn read_io_width(node: &FwNode, cache: Option<Cache>) -> Result<u32, Refusal> {
    let Some(width) = read_u32(node, c"reg-io-width")? else {
        return Ok(0);
    };
    if !matches!(width, 1 | 2 | 4) {
        return Err(invalid_fmt(fmt!("reg-io-width is 1, 2 or 4, not {width}")));
    }
    if cache != Some(Cache::Noncached) {
        return Err(invalid(
            "reg-io-width is for registers: fanlight,cache must be noncached",
        ));
    }
    Ok(width)
}

fn read_cache(node: &FwNode) -> Result<Option<Cache>, Refusal> {
    read_choice(
        node,
        c"fanlight,cache",
        &[
            (c"writecombine", Cache::WriteCombine),
            (c"noncached", Cache::Noncached),
            (c"cached", Cache::Cached),
        ],
        "fanlight,cache is writecombine, noncached or cached",
    )
}

/// The memory type of a window of `source`: that of the node after a check, or the default. `None`:
/// the one that suits the device, which is chosen when the pages are allocated.
fn cache_of(
    node: &FwNode,
    source: &Source,
    geometry: Option<&Geometry>,
) -> Result<Option<Cache>, Refusal> {
    let cache = read_cache(node)?;
    let is_shown = geometry.is_some_and(|g| g.scanout != ScanoutKind::None);
    match (source, cache) {
        // The kernel's own mapping of these pages is cached, and user mappings must have the same
        // type.
        (Source::Vmalloc { .. }, Some(Cache::WriteCombine | Cache::Noncached)) => Err(invalid(
            "vmalloc memory is always cached: leave fanlight,cache out",
        )),
        (Source::Vmalloc { .. }, _) => Ok(Some(Cache::Cached)),
        // The kernel's mapping of these pages stays Normal memory: the DMA API can change it to
        // non-cacheable, but not to Device.
        (Source::Contiguous { .. }, Some(Cache::Noncached)) => Err(invalid(
            "kernel pages cannot be noncached: leave fanlight,cache out, or use a memory-region",
        )),
        (_, Some(Cache::Cached)) if is_shown => Err(invalid(
            "fanlight,cache = \"cached\" is not allowed with a scanout, which does not look into \
             the cache: leave fanlight,cache out",
        )),
        (Source::Carveout { range, .. }, Some(Cache::Cached)) if range.registers => Err(invalid(
            "registers cannot be cached: describe memory by memory-region or sram",
        )),
        // The SRAM's driver maps the whole SRAM.
        (Source::Carveout { shared: true, .. }, _) => {
            let its = if of::sram_is_device(node) {
                Cache::Noncached
            } else {
                Cache::WriteCombine
            };
            match cache {
                Some(cache) if cache != its => Err(invalid(
                    "fanlight,cache is not how the SRAM's driver maps it (noncached with \
                     no-memory-wc, else writecombine): leave it out",
                )),
                _ => Ok(Some(its)),
            }
        }
        (Source::Contiguous { .. }, None) if geometry.is_some() => Ok(None),
        (Source::Contiguous { .. }, None) => Ok(Some(Cache::Cached)),
        (Source::Carveout { range, .. }, None) if range.registers => Ok(Some(Cache::Noncached)),
        (Source::Carveout { .. } | Source::Display, None) => Ok(Some(Cache::WriteCombine)),
        (_, chosen) => Ok(chosen),
    }
}

fn mapping_of(
    node: &FwNode,
    source: &Source,
    cache: Option<Cache>,
) -> Result<Option<MappedAs>, Refusal> {
    let mapped_as = read_choice(
        node,
        c"fanlight,mapping",
        &[(c"pages", MappedAs::Pages), (c"pfn", MappedAs::Pfn)],
        "fanlight,mapping is pages or pfn",
    )?;
    match (source, cache, mapped_as) {
        (Source::Contiguous { .. }, Some(Cache::WriteCombine), Some(MappedAs::Pages)) => Err(
            invalid("writecombine kernel pages are mapped by pfn: leave fanlight,mapping out"),
        ),
        (Source::Contiguous { .. }, ..) | (.., None) => Ok(mapped_as),
        _ => Err(invalid(
            "fanlight,mapping is for contiguous kernel pages (size): leave it out",
        )),
    }
}

/// Checks the node above the windows: it must not have properties of windows, and each entry of its
/// memory-region must point to a node.
pub(crate) fn check_parent(node: &FwNode) -> Result<(), Refusal> {
    properties::check_parent(node)?;
    match of::property(node, c"memory-region") {
        Some(list) => check_regions(node, &list),
        None => Ok(()),
    }
}

/// Every entry of a node's list of regions points to a node.
fn check_regions(node: &FwNode, list: &of::Property<'_>) -> Result<(), Refusal> {
    for index in 0..list.value.len().div_ceil(4) {
        let dangling = match u32::try_from(index) {
            Ok(index) => matches!(Range::reserved(node, index), Err(e) if e == ENOENT),
            Err(_) => true,
        };
        if dangling {
            return Err(invalid_fmt(fmt!(
                "entry {index} of memory-region points to no node"
            )));
        }
    }
    Ok(())
}

/// The region of the node's own `memory-region`, or the one that the node chooses from the list of
/// the node of `dev`.
fn read_region(dev: &Device, node: &FwNode) -> Result<Option<Range>, Refusal> {
    let index = read_u32(node, c"fanlight,region-index")?;
    let name = read_string(node, c"fanlight,region-name")?;
    let chosen = index.is_some() || name.is_some();
    let (owner, list) = match (of::property(node, c"memory-region"), dev.fwnode()) {
        (Some(list), _) => (node, list),
        (None, Some(parent)) if chosen => (
            parent,
            of::property(parent, c"memory-region").ok_or(invalid(
                "fanlight,region-index and fanlight,region-name choose from a memory-region of the \
                 window or of the node above it, and there is none",
            ))?,
        ),
        _ => return Ok(None),
    };
    let count = list.value.len() / 4;
    if count == 0 || list.value.len() % 4 != 0 || list.is_strings() {
        return Err(invalid(
            "memory-region is a list of phandles, as in <&region>",
        ));
    }
    let index = match (index, name) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "only one of fanlight,region-index and fanlight,region-name can choose its region",
            ));
        }
        (Some(index), None) => index,
        (None, Some(name)) => owner
            .property_match_string(c"memory-region-names", &name)
            .ok()
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(|| {
                let name = text(&name);
                invalid_fmt(fmt!(
                    "fanlight,region-name is {name}, which is not in memory-region-names"
                ))
            })?,
        (None, None) if count > 1 => {
            return Err(invalid_fmt(fmt!(
                "memory-region lists {count} regions: choose one by fanlight,region-index or \
                 fanlight,region-name"
            )));
        }
        (None, None) => 0,
    };
    if index as usize >= count {
        return Err(invalid_fmt(fmt!(
            "its region has index {index}, but memory-region lists {count}, from 0 on"
        )));
    }
    let range = Range::reserved(owner, index).map_err(|error| {
        invalid(match error {
            e if e == ENOENT => "memory-region points to no node",
            e if e == EXDEV => "memory-region points to no child of /reserved-memory",
            e if e == ENODEV => "memory-region points to a region whose status is not okay",
            _ => {
                "memory-region points to a region that the kernel has not reserved, or cannot \
                 address (does it or /reserved-memory lack reg, size or ranges?)"
            }
        })
    })?;
    check_regions(owner, &list)?;
    Ok(Some(range))
}

/// The first `size` bytes of `range`, or all of it.
fn read_part(node: &FwNode, range: Range) -> Result<Range, Refusal> {
    match properties::read_size(node)? {
        Some(0) => Err(invalid("size is 0")),
        Some(size) if size > range.size => Err(invalid_fmt(fmt!(
            "size is {size:#x}, but its region has {:#x} bytes",
            range.size
        ))),
        Some(size) => Ok(Range { size, ..range }),
        None => Ok(range),
    }
}

fn read_sram(node: &FwNode) -> Result<Range, Refusal> {
    match of::property(node, c"sram") {
        Some(list) if list.value.len() == 4 => {}
        _ => return Err(invalid("sram is one phandle, as in <&partition>")),
    }
    Range::sram(node).map_err(|error| {
        match error {
        e if e == EPROBE_DEFER => Refusal::new("the SRAM's driver is not bound", e),
        e if e == ENOENT => invalid("sram points to no node"),
        e if e == EXDEV => invalid("sram points to no partition (child) of a mmio-sram node"),
        e if e == ENODEV => invalid("sram points to a partition whose status is not okay"),
        e if e == EBUSY => invalid(
            "sram points to a partition with pool, export, protect-exec or compatible, which is in \
             use by others",
        ),
        _ => invalid("sram points to a partition without a range"),
    }
    })
}

fn read_source(dev: &Device, node: &FwNode) -> Result<Source, Refusal> {
    let has = |property| node.property_present(property);
    let reserved = [
        c"memory-region",
        c"fanlight,region-index",
        c"fanlight,region-name",
    ]
    .iter()
    .any(|property| has(property));
    let (sram, reg) = (has(c"sram"), has(c"reg"));
    if usize::from(reserved) + usize::from(sram) + usize::from(reg) > 1 {
        return Err(invalid(
            "only one of memory-region, sram and reg can be its region",
        ));
    }
    if reserved || sram || reg {
        let range = if sram {
            read_sram(node)?
        } else if reg {
            Range::by_reg(node).map_err(|error| {
                invalid(match error {
                    e if e == E2BIG => {
                        "reg is one range, of as many cells as #address-cells and #size-cells of \
                         the node above"
                    }
                    _ => {
                        "reg cannot be translated (does a node above lack #address-cells, \
                         #size-cells or ranges, or is it above 4 GiB without LPAE?)"
                    }
                })
            })?
        } else {
            let range = read_region(dev, node)?.ok_or(invalid("memory-region is missing"))?;
            read_part(node, range)?
        };
        let pages = read_flag(node, c"fanlight,map-whole-pages")?;
        let page = PAGE_SIZE as u64;
        let whole = range.start % page == 0 && range.size % page == 0;
        if reg && !whole && !pages {
            return Err(invalid(
                "reg is not whole pages: fanlight,map-whole-pages maps those that contain it",
            ));
        }
        return Ok(Source::Carveout {
            range,
            shared: sram,
            pages,
        });
    }
    let size = properties::read_size(node)?.ok_or(invalid(
        "no region: memory-region, sram, reg or size is needed",
    ))?;
    if size == 0 {
        return Err(invalid("size is 0"));
    }
    if size % PAGE_SIZE as u64 != 0 {
        return Err(invalid_fmt(fmt!(
            "size is {size:#x}, which is not a multiple of {PAGE_SIZE:#x}"
        )));
    }
    let size = usize::try_from(size)
        .map_err(|_| invalid_fmt(fmt!("size is {size:#x}, which is too large")))?;
    let prefault = read_flag(node, c"fanlight,prefault")?;
    Ok(if properties::is_vmalloc(node)? {
        Source::Vmalloc { size, prefault }
    } else {
        Source::Contiguous { size }
    })
}
