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
        of::Range,
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
    fmt,
    prelude::*,
    str::CString, //
};

/// Why a window is refused: a few words for the log, and the error that probe returns.
pub(crate) struct Refusal {
    pub(crate) reason: Text,
    pub(crate) error: Error,
}

/// A text that is known at build time, or made for one case.
pub(crate) enum Text {
    Static(&'static str),
    Made(CString),
}

impl Text {
    /// Makes a text; "out of memory" where there is no memory for it.
    pub(crate) fn new(text: fmt::Arguments<'_>) -> Self {
        CString::try_from_fmt(text).map_or(Self::Static("out of memory"), Self::Made)
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Made(text) => text.to_str().unwrap_or("?"),
        }
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}

pub(crate) fn invalid(reason: &'static str) -> Refusal {
    Refusal::new(reason, EINVAL)
}

impl Refusal {
    pub(crate) fn new(reason: impl Into<Text>, error: Error) -> Self {
        Self {
            reason: reason.into(),
            error,
        }
    }

    /// Prints the reason, and returns the error.
    pub(crate) fn report(&self, dev: &Device, name: &CStr) -> Error {
        let name = name.to_str().unwrap_or("?");
        dev_err!(dev, "window {}: {}\n", name, self.reason.as_str());
        self.error
    }
}

impl From<AllocError> for Refusal {
    fn from(_: AllocError) -> Self {
        Self::new("out of memory", ENOMEM)
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
    pub(crate) cache: Cache,
    pub(crate) read_only: bool,
    /// Bytes of every access to registers; 0: any.
    pub(crate) io_width: u32,
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
        let cache = read_cache(node)?.unwrap_or(match (&source, &geometry) {
            (Source::Vmalloc { .. }, _) => Cache::Cached,
            (_, Some(_)) => Cache::WriteCombine,
            (Source::Carveout { .. } | Source::Display, None) => Cache::Noncached,
            (Source::Contiguous { .. }, None) => Cache::Cached,
        });
        if matches!(source, Source::Vmalloc { .. }) && cache != Cache::Cached {
            // The kernel's own mapping of these pages is cached, and must not differ.
            return Err(invalid("vmalloc memory is always cached"));
        }
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
            read_only: node.property_read_bool(c"fanlight,read-only"),
            io_width: read_io_width(node, cache)?,
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
            cache: Cache::Cached,
            read_only: true,
            io_width: 0,
            kind: Kind::Log(LogSpec {
                data_size,
                persistent,
                // Cached writes would not survive a reset.
                persist_cache: match read_cache(node)? {
                    Some(Cache::Cached) => {
                        return Err(invalid("what is cached is lost in a reset"));
                    }
                    cache => cache.unwrap_or(Cache::WriteCombine),
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

/// `reg-io-width`, which the kernel passes on to the programs that access the registers.
fn read_io_width(node: &FwNode, cache: Cache) -> Result<u32, Refusal> {
    let Some(width) = read_u32(node, c"reg-io-width")? else {
        return Ok(0);
    };
    if !matches!(width, 1 | 2 | 4) {
        return Err(invalid("reg-io-width is 1, 2 or 4"));
    }
    if cache != Cache::Noncached {
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
