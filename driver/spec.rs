// SPDX-License-Identifier: GPL-2.0-only

//! What the device tree asks for, checked: one [`Spec`] a window.
//!
//! Described for the tree's authors in `dts/bindings/fanlight,windows.yaml`.

use crate::{
    geometry::{
        Geometry,
        ScanoutKind, //
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

/// Why a window is refused: a few words for the log, and the error that probe returns.
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) error: Error,
}

pub(crate) fn invalid(reason: &'static str) -> Refusal {
    Refusal {
        reason,
        error: EINVAL,
    }
}

impl Refusal {
    /// Prints the reason, and returns the error.
    pub(crate) fn report(&self, dev: &Device, name: &CStr) -> Error {
        let name = name.to_str().unwrap_or("?");
        dev_err!(dev, "window {}: {}\n", name, self.reason);
        self.error
    }
}

impl From<AllocError> for Refusal {
    fn from(_: AllocError) -> Self {
        Refusal {
            reason: "out of memory",
            error: ENOMEM,
        }
    }
}

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
    /// A physical range. `shared`: a partition of an SRAM, which the SRAM's own driver holds already.
    Carveout { range: Range, shared: bool },
    /// What the display's firmware gives.
    Display,
    /// Contiguous kernel pages of so many bytes.
    Contiguous { size: usize },
    /// Scattered kernel pages of so many bytes.
    Vmalloc { size: usize, prefault: bool },
}

/// The log window of a node.
#[derive(Clone, Copy)]
pub(crate) struct LogSpec {
    /// Bytes of records, a power of two.
    pub(crate) data_size: usize,
    /// The region that survives a reboot, if one is asked for, or why there is none.
    pub(crate) persistent: Option<Result<Range, &'static str>>,
    /// The memory type with which it is written.
    pub(crate) persist_cache: Cache,
    /// Records of this level and more urgent ones are kept there.
    pub(crate) persist_level: u8,
    /// Records that a program may write in five seconds by one open file, if the tree says so; 0: any number.
    pub(crate) write_limit: Option<u32>,
}

impl LogSpec {
    /// Bytes of records of the kernel's lane, and of that of programs.
    pub(crate) fn lanes(&self) -> [usize; 2] {
        [self.data_size, (self.data_size / 4).max(PROGRAMS_MIN)]
    }
}

/// The smallest lane of programs.
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
    /// The memory type; `None`: of contiguous pages, the one that suits the device.
    pub(crate) cache: Option<Cache>,
    /// How contiguous pages are mapped, if the tree says so.
    pub(crate) mapped_as: Option<MappedAs>,
    pub(crate) read_only: bool,
    pub(crate) kind: Kind,
}

/// The name of the window that `node` describes, or what the node is called where that is no name.
pub(crate) fn name_of(node: &FwNode) -> Result<CString> {
    if let Some(label) = read_string(node, c"label")? {
        return Ok(label);
    }
    let full = CString::try_from_fmt(fmt!("{}", node.display_name()))?;
    let name = full.to_bytes().split(|&b| b == b'@').next().unwrap_or(&[]);
    let name = core::str::from_utf8(name).map_err(|_| EINVAL)?;
    CString::try_from_fmt(fmt!("{name}"))
}

impl Spec {
    /// Reads and checks the child node `node`.
    pub(crate) fn read(node: &FwNode, name: &CStr) -> Result<Self, Refusal> {
        let name = Name::new(name.to_bytes()).ok_or(invalid(
            "a name is 1 to 31 letters, digits and ,._+- and begins with no dot",
        ))?;
        if name.as_str() == "log" {
            return Self::read_log(node, name);
        }
        if name.as_str().starts_with("log.prev") {
            return Err(invalid(
                "names that begin with log.prev belong to the logs of earlier boots",
            ));
        }
        let geometry = Geometry::read(node)?;
        let source = match geometry {
            Some(g) if g.scanout == ScanoutKind::RpiFirmware => Source::Display,
            _ => read_source(node)?,
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
                // An empty or broken region has an error of its own.
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
            read_only: node.property_read_bool(c"fanlight,read-only"),
            kind,
        })
    }

    fn read_log(node: &FwNode, name: Name) -> Result<Self, Refusal> {
        let data_size = read_u32(node, c"size")?.unwrap_or(1 << 20) as usize;
        if !crate::ring::sizes_ok(data_size, 0) {
            return Err(invalid(
                "a log's size is a power of two from 32 KiB to 256 MiB",
            ));
        }
        let persistent = node.property_present(c"memory-region").then(|| {
            Range::by_phandle(node, c"memory-region").map_err(|e| match e {
                e if e == ENOENT => "memory-region points to no node",
                _ => "memory-region points to no region",
            })
        });
        let persist_level = read_u32(node, c"fanlight,persist-level")?.unwrap_or(7);
        let persist_level = u8::try_from(persist_level)
            .ok()
            .filter(|level| *level <= 7)
            .ok_or(invalid("fanlight,persist-level is 0 to 7"))?;
        Ok(Self {
            name,
            source: Source::Vmalloc {
                size: data_size,
                prefault: node.property_read_bool(c"fanlight,prefault"),
            },
            cache: Some(Cache::Cached),
            mapped_as: None,
            read_only: true,
            kind: Kind::Log(LogSpec {
                data_size,
                persistent,
                persist_cache: match read_cache(node)? {
                    None | Some(Cache::WriteCombine) => Cache::WriteCombine,
                    // Cached writes would not survive a reset. Device memory would: but records are
                    // written by memcpy(), and their places are claimed by exclusive accesses.
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

pub(crate) fn read_u32(node: &FwNode, property: &CStr) -> Result<Option<u32>, Refusal> {
    if !node.property_present(property) {
        return Ok(None);
    }
    let value = node.property_read::<u32>(property).optional();
    value.map(Some).ok_or(invalid(
        "a property that should be one 32-bit number is not",
    ))
}

/// The string of `property`; `None` where there is none. `ENOMEM`: no memory for it.
pub(crate) fn read_string(node: &FwNode, property: &CStr) -> Result<Option<CString>> {
    let value = node.property_read::<CString>(property).optional();
    // The kernel crate does not say why not. If there is a string, another one than this, it was for want of memory.
    let no_data = Error::from_errno(-(kernel::bindings::ENODATA as i32));
    if value.is_none() && node.property_match_string(property, c"") == Err(no_data) {
        return Err(ENOMEM);
    }
    Ok(value)
}

/// Compares the string of `property` with the words of `table`.
pub(crate) fn read_choice<T: Copy>(
    node: &FwNode,
    property: &CStr,
    table: &[(&CStr, T)],
    otherwise: &'static str,
) -> Result<Option<T>, Refusal> {
    if !node.property_present(property) {
        return Ok(None);
    }
    for (word, value) in table {
        match node.property_match_string(property, word) {
            Ok(0) => return Ok(Some(*value)),
            Err(e) if e == ENOMEM => return Err(AllocError.into()),
            _ => {}
        }
    }
    Err(invalid(otherwise))
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

/// The memory type of a window of `source`: the tree's choice, checked, or the default. `None`: the
/// one that suits the device, which is known when the pages are allocated.
fn cache_of(
    node: &FwNode,
    source: &Source,
    geometry: Option<&Geometry>,
) -> Result<Option<Cache>, Refusal> {
    let cache = read_cache(node)?;
    let is_shown = geometry.is_some_and(|g| g.scanout != ScanoutKind::None);
    match (source, cache) {
        // The kernel's own mapping of these pages is cached, and must not differ.
        (Source::Vmalloc { .. }, Some(Cache::WriteCombine | Cache::Noncached)) => Err(invalid(
            "vmalloc memory is always cached: leave fanlight,cache out",
        )),
        (Source::Vmalloc { .. }, _) => Ok(Some(Cache::Cached)),
        // The same; only the DMA API can take the cached mapping away, and it makes it Normal.
        (Source::Contiguous { .. }, Some(Cache::Noncached)) => Err(invalid(
            "kernel pages cannot be noncached: leave fanlight,cache out, or use a memory-region",
        )),
        (_, Some(Cache::Cached)) if is_shown => Err(invalid(
            "fanlight,cache = \"cached\" is not allowed with a scanout, which does not look into the \
             cache: leave fanlight,cache out",
        )),
        (Source::Carveout { range, .. }, Some(Cache::Cached)) if range.registers => Err(invalid(
            "registers cannot be cached: describe memory by memory-region or sram",
        )),
        // The SRAM's driver has a mapping of all of it.
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

fn read_source(node: &FwNode) -> Result<Source, Refusal> {
    let sources = [c"memory-region", c"sram", c"reg", c"size"];
    if sources.iter().filter(|p| node.property_present(p)).count() > 1 {
        return Err(invalid(
            "only one of memory-region, sram, reg and size can be its region",
        ));
    }
    for (property, shared) in [(c"memory-region", false), (c"sram", true)] {
        match Range::by_phandle(node, property) {
            Ok(range) => return Ok(Source::Carveout { range, shared }),
            Err(e) if e == ENOENT => {
                if node.property_present(property) {
                    return Err(invalid("memory-region or sram points to no node"));
                }
            }
            Err(_) => return Err(invalid("memory-region or sram points to no region")),
        }
    }
    if node.property_present(c"reg") {
        let range =
            Range::by_reg(node).map_err(|_| invalid("reg is no address of this machine"))?;
        return Ok(Source::Carveout {
            range,
            shared: false,
        });
    }
    let size = read_u32(node, c"size")?.ok_or(invalid(
        "no region: memory-region, sram, reg or size is needed",
    ))?;
    let size = usize::try_from(size).map_err(|_| invalid("size is too large"))?;
    if size == 0 {
        return Err(invalid("its region has size 0"));
    }
    if size % PAGE_SIZE != 0 {
        return Err(invalid("its region is not a whole number of pages"));
    }
    let prefault = node.property_read_bool(c"fanlight,prefault");
    let vmalloc = read_choice(
        node,
        c"fanlight,backing",
        &[(c"contiguous", false), (c"vmalloc", true)],
        "fanlight,backing is contiguous or vmalloc",
    )?
    .unwrap_or(false);
    Ok(if vmalloc {
        Source::Vmalloc { size, prefault }
    } else {
        Source::Contiguous { size }
    })
}
