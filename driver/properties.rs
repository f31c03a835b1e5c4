// SPDX-License-Identifier: GPL-2.0-only

//! The properties of a window's node: their names, and functions that read them.
//!
//! An unknown property, a property that does not apply to this kind of window, and a value of the
//! wrong form are refused, since ignoring them would not do what the author of the tree expects.

use crate::{
    refusal::{
        invalid,
        invalid_fmt,
        Refusal, //
    },
    sys::{
        of,
        PAGE_SIZE, //
    }, //
};
use kernel::{
    device::property::FwNode,
    fmt,
    prelude::*,
    str::CString, //
};

/// A property's name.
pub(crate) fn text(name: &CStr) -> &str {
    name.to_str().unwrap_or("?")
}

/// A set of sources and kinds of windows. A property applies to windows that match one of its set.
#[derive(Clone, Copy)]
struct Kinds(u32);

impl Kinds {
    const RESERVED: Self = Self(1 << 0);
    const SRAM: Self = Self(1 << 1);
    const REG: Self = Self(1 << 2);
    const PAGES: Self = Self(1 << 3);
    const VMALLOC: Self = Self(1 << 4);
    const DISPLAY: Self = Self(1 << 5);
    const FRAMEBUFFER: Self = Self(1 << 6);
    const LOG: Self = Self(1 << 7);

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A property, the windows that can have it, and a description of these windows.
struct Known(&'static CStr, Kinds, &'static str);

const CARVEOUT: Kinds = Kinds::RESERVED.or(Kinds::SRAM).or(Kinds::REG);
const REGION: Kinds = Kinds::RESERVED.or(Kinds::LOG);
const MEMORY: Kinds = CARVEOUT.or(Kinds::PAGES).or(Kinds::DISPLAY);
const GEOMETRY: &str = "framebuffers (width, height, stride and format)";

const KNOWN: &[Known] = &[
    Known(
        c"memory-region",
        REGION,
        "windows without sram, reg and the scanout rpi-firmware",
    ),
    Known(c"memory-region-names", REGION, "windows with memory-region"),
    Known(
        c"fanlight,region-index",
        REGION,
        "windows with memory-region",
    ),
    Known(
        c"fanlight,region-name",
        REGION,
        "windows with memory-region",
    ),
    Known(
        c"sram",
        Kinds::SRAM,
        "windows without memory-region, reg and the scanout rpi-firmware",
    ),
    Known(
        c"reg",
        Kinds::REG,
        "windows without memory-region, sram and the scanout rpi-firmware",
    ),
    Known(
        c"size",
        Kinds::PAGES.or(REGION),
        "logs, kernel pages, and a part of memory-region",
    ),
    Known(
        c"fanlight,backing",
        Kinds::PAGES,
        "windows whose region is a size alone",
    ),
    Known(
        c"fanlight,mapping",
        Kinds::PAGES,
        "contiguous kernel pages (size)",
    ),
    Known(
        c"fanlight,prefault",
        Kinds::VMALLOC.or(Kinds::LOG),
        "logs, and windows with fanlight,backing = \"vmalloc\"",
    ),
    Known(c"fanlight,cache", MEMORY.or(Kinds::LOG), "all windows"),
    Known(c"reg-io-width", Kinds::REG, "registers (reg)"),
    Known(c"fanlight,read-only", MEMORY, "all windows but logs"),
    Known(
        c"fanlight,map-whole-pages",
        CARVEOUT,
        "windows with memory-region, sram or reg",
    ),
    Known(c"width", Kinds::FRAMEBUFFER, GEOMETRY),
    Known(c"height", Kinds::FRAMEBUFFER, GEOMETRY),
    Known(c"stride", Kinds::FRAMEBUFFER, GEOMETRY),
    Known(c"format", Kinds::FRAMEBUFFER, GEOMETRY),
    Known(c"fanlight,pages", Kinds::FRAMEBUFFER, GEOMETRY),
    Known(c"fanlight,scanout", Kinds::FRAMEBUFFER, GEOMETRY),
    Known(c"fanlight,persist-level", Kinds::LOG, "logs"),
    Known(c"fanlight,write-limit", Kinds::LOG, "logs"),
];

/// The properties that every node can have. Boot loaders add the last ones.
const STANDARD: &[&str] = &[
    "name",
    "label",
    "status",
    "phandle",
    "linux,phandle",
    "bootph-all",
    "bootph-pre-ram",
    "bootph-some-ram",
    "bootph-pre-sram",
    "bootph-verify",
];

fn kinds_of(node: &FwNode, is_log: bool) -> Result<Kinds, Refusal> {
    let any = |properties: &[&CStr]| properties.iter().any(|p| node.property_present(p));
    if is_log {
        return Ok(Kinds::LOG);
    }
    let scanout = of::property(node, c"fanlight,scanout");
    if scanout.is_some_and(|p| p.value == b"rpi-firmware\0") {
        return Ok(Kinds::DISPLAY.or(Kinds::FRAMEBUFFER));
    }
    let mut kinds = Kinds(0);
    for (properties, kind) in [
        (
            [
                c"memory-region",
                c"fanlight,region-index",
                c"fanlight,region-name",
            ]
            .as_slice(),
            Kinds::RESERVED,
        ),
        ([c"sram"].as_slice(), Kinds::SRAM),
        ([c"reg"].as_slice(), Kinds::REG),
        (
            [c"width", c"height", c"stride", c"format"].as_slice(),
            Kinds::FRAMEBUFFER,
        ),
    ] {
        if any(properties) {
            kinds = kinds.or(kind);
        }
    }
    if !kinds.meets(CARVEOUT) {
        kinds = kinds.or(match is_vmalloc(node)? {
            true => Kinds::PAGES.or(Kinds::VMALLOC),
            false => Kinds::PAGES,
        });
    }
    Ok(kinds)
}

/// Refuses properties that do not apply to this kind of window.
pub(crate) fn check(node: &FwNode, is_log: bool) -> Result<(), Refusal> {
    let kinds = kinds_of(node, is_log)?;
    for property in of::properties(node) {
        let name = text(property.name);
        if STANDARD.contains(&name) {
            continue;
        }
        match KNOWN.iter().find(|known| known.0 == property.name) {
            Some(known) if known.1.meets(kinds) => {
                if name == "reg-io-width" && kinds.meets(Kinds::FRAMEBUFFER) {
                    return Err(invalid(
                        "reg-io-width does not apply to it: a framebuffer takes accesses of any \
                         width",
                    ));
                }
            }
            Some(Known(_, _, whose)) => {
                return Err(invalid_fmt(fmt!(
                    "{name} does not apply to it: it is for {whose}"
                )));
            }
            None => return Err(unknown(name, kinds)),
        }
    }
    if let Some(child) = node.children().next() {
        let child = child.display_name();
        return Err(invalid_fmt(fmt!(
            "{child} is a node below it: windows are children of the node with compatible"
        )));
    }
    check_names(node)
}

/// The properties of the node above the windows: those that the windows choose from, and those that
/// the driver core reads.
const PARENT: &[&str] = &[
    "compatible",
    "#address-cells",
    "#size-cells",
    "memory-region",
    "memory-region-names",
    "ranges",
    "dma-ranges",
    "dma-coherent",
    "dma-noncoherent",
    "iommus",
    "interrupt-parent",
    "power-domains",
    "power-domain-names",
];

/// Prefixes of more names that the driver core reads.
const PARENT_PREFIXES: &[&str] = &["pinctrl-", "assigned-clock"];

/// Refuses properties that the node above the windows cannot have.
pub(crate) fn check_parent(node: &FwNode) -> Result<(), Refusal> {
    for property in of::properties(node) {
        let name = text(property.name);
        let known = STANDARD.contains(&name)
            || PARENT.contains(&name)
            || PARENT_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix));
        if known {
            continue;
        }
        let of_windows = KNOWN.iter().any(|known| known.0 == property.name);
        if of_windows || name.starts_with("fanlight,") {
            return Err(invalid_fmt(fmt!(
                "{name} belongs in the node of a window, which is a child of this one"
            )));
        }
        let nearest = PARENT.iter().map(|known| (distance(name, known), *known));
        return Err(match nearest.min_by_key(|(distance, _)| *distance) {
            Some((0..=3, nearest)) => {
                invalid_fmt(fmt!("unknown property {name}: did you mean {nearest}?"))
            }
            _ => {
                let list = Joined(PARENT.iter().copied());
                invalid_fmt(fmt!("unknown property {name}: this node can have {list}"))
            }
        });
    }
    check_names(node)
}

/// Refuses a list of names whose length differs from the list of regions.
fn check_names(node: &FwNode) -> Result<(), Refusal> {
    let Some(names) = of::property(node, c"memory-region-names") else {
        return Ok(());
    };
    // Each region is a phandle of one cell.
    let regions = of::property(node, c"memory-region").map_or(0, |list| list.value.len() / 4);
    let names = names.strings();
    if names == regions {
        return Ok(());
    }
    Err(invalid_fmt(fmt!(
        "the number of memory-region-names is {names}, but that of regions in memory-region is \
         {regions}"
    )))
}

fn unknown(name: &str, kinds: Kinds) -> Refusal {
    let applicable = || KNOWN.iter().filter(|known| known.1.meets(kinds));
    let nearest = applicable()
        .map(|known| (distance(name, text(known.0)), text(known.0)))
        .min_by_key(|(distance, _)| *distance);
    if let Some((0..=3, nearest)) = nearest {
        return invalid_fmt(fmt!("unknown property {name}: did you mean {nearest}?"));
    }
    let list = Joined(applicable().map(|known| text(known.0)));
    invalid_fmt(fmt!("unknown property {name}: this window can have {list}"))
}

/// Names separated by commas.
pub(crate) struct Joined<I>(pub(crate) I);

impl<'a, I: Iterator<Item = &'a str> + Clone> fmt::Display for Joined<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.clone().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}

/// The edit distance of two names: how many characters have to be inserted, removed or replaced. A
/// large number for long names.
fn distance(a: &str, b: &str) -> usize {
    const MAX: usize = 40;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > MAX || b.len() > MAX {
        return MAX;
    }
    let mut row: [usize; MAX + 1] = core::array::from_fn(|i| i);
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Describes the form of a value that has the wrong one.
struct Form<'a>(&'a of::Property<'a>);

impl fmt::Display for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (strings, len) = (self.0.strings(), self.0.value.len());
        match (len, self.0.is_strings()) {
            (0, _) => f.write_str("it has no value"),
            (_, true) if strings == 1 => f.write_str("it is a string"),
            (_, true) => write!(f, "it is {strings} strings"),
            _ if len % 4 != 0 => write!(f, "it has {len} bytes"),
            _ if len == 4 => f.write_str("it is a number"),
            _ => write!(f, "it has {} cells", len / 4),
        }
    }
}

/// The 32-bit number of `property`; `None` if the node does not have it.
pub(crate) fn read_u32(node: &FwNode, property: &CStr) -> Result<Option<u32>, Refusal> {
    let Some(found) = of::property(node, property) else {
        return Ok(None);
    };
    match <[u8; 4]>::try_from(found.value) {
        Ok(bytes) if !found.is_strings() => Ok(Some(u32::from_be_bytes(bytes))),
        _ => {
            let (name, form) = (text(property), Form(&found));
            Err(invalid_fmt(fmt!(
                "{name} is one 32-bit number, as in {name} = <1>, but {form}"
            )))
        }
    }
}

/// The value of `size`, one cell or two; `None` if the node does not have it.
pub(crate) fn read_size(node: &FwNode) -> Result<Option<u64>, Refusal> {
    let Some(found) = of::property(node, c"size") else {
        return Ok(None);
    };
    let number = match *found.value {
        [a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d]).into()),
        [a, b, c, d, e, f, g, h] => Some(u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    };
    // A number of pages may have the bytes of a string: 0x20202000. What people write in strings is
    // refused.
    let digits = |byte: &u8| byte.is_ascii_hexdigit() || b"xXkKmMgG\0".contains(byte);
    let is_text = |size: &u64| {
        found.is_strings()
            && (found.value.len() != 4
                || size % PAGE_SIZE as u64 != 0
                || found.value.iter().all(digits))
    };
    match number.filter(|size| !is_text(size)) {
        Some(size) => Ok(Some(size)),
        None => {
            let form = Form(&found);
            Err(invalid_fmt(fmt!(
                "size is one number, as in size = <0x10000> or size = <0x0 0x10000>, but {form}"
            )))
        }
    }
}

/// The string of `property`; `None` if the node does not have it.
pub(crate) fn read_string(node: &FwNode, property: &CStr) -> Result<Option<CString>, Refusal> {
    let Some(found) = of::property(node, property) else {
        return Ok(None);
    };
    Ok(Some(CString::try_from(one_string(&found)?)?))
}

/// The value of a property that must be one string, which may be empty.
fn one_string<'a>(property: &of::Property<'a>) -> Result<&'a CStr, Refusal> {
    let printable = property.is_strings() || property.value == b"\0";
    CStr::from_bytes_with_nul(property.value)
        .ok()
        .filter(|_| printable)
        .ok_or_else(|| {
            let (name, form) = (text(property.name), Form(property));
            invalid_fmt(fmt!("{name} is one string, but {form}"))
        })
}

/// Looks the string of `property` up in `table`.
pub(crate) fn read_choice<T: Copy>(
    node: &FwNode,
    property: &CStr,
    table: &[(&CStr, T)],
    otherwise: &'static str,
) -> Result<Option<T>, Refusal> {
    let Some(found) = of::property(node, property) else {
        return Ok(None);
    };
    let word = one_string(&found)?;
    match table.iter().find(|(known, _)| *known == word) {
        Some((_, value)) => Ok(Some(*value)),
        None => Err(invalid_fmt(fmt!("{otherwise}, not {}", text(word)))),
    }
}

/// Whether the node has the flag `property`, which has no value.
pub(crate) fn read_flag(node: &FwNode, property: &CStr) -> Result<bool, Refusal> {
    match of::property(node, property) {
        None => Ok(false),
        Some(found) if found.value.is_empty() => Ok(true),
        Some(found) => {
            let (name, form) = (text(property), Form(&found));
            Err(invalid_fmt(fmt!(
                "{name} is a flag without a value, but {form}: leave it out to turn it off"
            )))
        }
    }
}

pub(crate) fn is_vmalloc(node: &FwNode) -> Result<bool, Refusal> {
    let choice = read_choice(
        node,
        c"fanlight,backing",
        &[(c"contiguous", false), (c"vmalloc", true)],
        "fanlight,backing is contiguous or vmalloc",
    )?;
    Ok(choice.unwrap_or(false))
}
