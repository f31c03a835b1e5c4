// SPDX-License-Identifier: GPL-2.0-only

//! The sysfs attributes of a window: `/sys/class/misc/fanlight<N>-<window>/`.
//!
//! Described in docs/abi/sysfs-class-misc-fanlight.

use crate::{
    framebuffer::Framebuffer,
    log::previous::Summary,
    ring::{
        persist::Ending,
        Digits, //
    },
    sys::sysfs::{
        Attribute,
        ATTRIBUTES_MAX, //
    },
    window::{
        Content,
        Window, //
    }, //
};
use core::fmt;
use kernel::prelude::*;

macro_rules! attribute {
    ($name:literal, $show:expr) => {
        attribute!($name, |_| true, $show, None)
    };
    ($name:literal, $visible:expr, $show:expr, None) => {
        attribute!(0o444, $name, $visible, $show, None)
    };
    ($name:literal, $visible:expr, $show:expr, $store:expr) => {
        attribute!(0o644, $name, $visible, $show, $store)
    };
    ($mode:literal, $name:literal, $visible:expr, $show:expr, $store:expr) => {
        Attribute {
            name: $name,
            show: $show,
            store: $store,
            mode: $mode,
            visible: $visible,
        }
    };
}

/// An attribute of the log of an earlier boot: a number, which is 0 when there is no such log.
macro_rules! salvaged {
    ($name:literal, $field:ident) => {
        attribute!(
            $name,
            |w| w.content.previous().is_some(),
            |w, f| {
                let value = summary(w).map_or(0, |s| s.$field);
                f.write_str(Digits::of(value).as_str())
            },
            None
        )
    };
}

/// An attribute of a framebuffer.
macro_rules! framebuffer {
    ($name:literal, $show:expr) => {
        framebuffer!($name, $show, None)
    };
    ($name:literal, $show:expr, $store:expr) => {
        attribute!(
            $name,
            |w| w.content.framebuffer().is_some(),
            |w, f| {
                let show: fn(&Framebuffer, &mut dyn fmt::Write) -> fmt::Result = $show;
                w.content.framebuffer().map_or(Ok(()), |fb| show(fb, f))
            },
            $store
        )
    };
}

/// Parses `x,y`, as fbdev does. `EPERM`: the window is read-only, so its node cannot be opened for
/// panning either.
fn store_pan(window: &Window, text: &[u8]) -> Result {
    if window.read_only {
        return Err(EPERM);
    }
    let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
    let (x, y) = text.split_once(',').ok_or(EINVAL)?;
    let [x, y] = [x, y].map(|number| number.trim().parse::<u32>());
    let (Ok(0), Ok(line)) = (x, y) else {
        return Err(EINVAL);
    };
    window.content.framebuffer().ok_or(EIO)?.pan(line)
}

fn store_level(window: &Window, text: &[u8]) -> Result {
    let level = match text {
        [digit @ b'0'..=b'7'] => digit - b'0',
        _ => return Err(EINVAL),
    };
    let region = window.content.region().ok_or(EIO)?;
    region.level.store(level.into());
    Ok(())
}

fn store_write_limit(window: &Window, text: &[u8]) -> Result {
    let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
    let limit = text.trim().parse::<u32>().map_err(|_| EINVAL)?;
    let intake = window.content.intake().ok_or(EIO)?;
    intake.write_limit.store(limit);
    Ok(())
}

fn summary(window: &Window) -> Option<Summary> {
    window.content.previous()?.summary()
}

/// How an earlier boot ended.
fn ending(window: &Window) -> &'static str {
    match summary(window).map(|summary| summary.ending) {
        Some(Ending::Clean) => "clean",
        Some(Ending::Panic) => "panic",
        // The kernel recorded no ending: a reset, a watchdog, or a power loss that the memory
        // survived.
        Some(Ending::Reset) => "reset",
        None => "none",
    }
}

/// Writes a boot id in the format of `/proc/sys/kernel/random/boot_id`.
fn write_boot_id(f: &mut dyn fmt::Write, id: &[u8; 16]) -> fmt::Result {
    for (i, byte) in id.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

/// The attributes of every window.
pub(crate) const ATTRIBUTES: &[Attribute<Window>] = &[
    attribute!(c"name", |w, f| write!(f, "{}", w.name.as_str())),
    attribute!(c"instance", |w, f| write!(f, "{}", w.instance)),
    attribute!(c"kind", |w, f| f.write_str(w.kind())),
    attribute!(c"size", |w, f| write!(f, "{}", w.mapping.size())),
    attribute!(c"offset", |w, f| write!(f, "{}", w.mapping.page_offset())),
    attribute!(c"backing", |w, f| f.write_str(w.backing())),
    attribute!(c"cache", |w, f| f.write_str(w.cache())),
    attribute!(c"mapping", |w, f| f.write_str(w.mapped_as())),
    attribute!(c"rights", |w, f| f.write_str(if w.read_only {
        "ro"
    } else {
        "rw"
    })),
    attribute!(c"state", |w, f| f.write_str(if w.mapping.is_live() {
        "live"
    } else {
        "revoked"
    })),
    attribute!(c"scanout", |w, f| f.write_str(w.scanout())),
    attribute!(c"geometry", |w, f| match &w.content {
        Content::Framebuffer(fb) => fb.geometry.show(f),
        _ => Ok(()),
    }),
    // These four have the names and formats of the attributes in /sys/class/graphics/fb0.
    framebuffer!(c"virtual_size", |fb, f| {
        let g = &fb.geometry;
        write!(f, "{},{}", g.width, g.height * g.pages)
    }),
    framebuffer!(c"bits_per_pixel", |fb, f| write!(
        f,
        "{}",
        fb.geometry.format.bits
    )),
    framebuffer!(c"stride", |fb, f| write!(f, "{}", fb.geometry.stride)),
    framebuffer!(
        c"pan",
        |fb, f| write!(f, "0,{}", fb.yoffset()),
        Some(store_pan)
    ),
    // Any process that can open the file sees the address. An administrator can change its group.
    attribute!(
        0o440,
        c"phys",
        |w| w.mapping.phys().is_some(),
        |w, f| match w.mapping.phys() {
            Some(phys) => write!(f, "{phys:#010x}"),
            None => Ok(()),
        },
        None
    ),
    attribute!(
        c"persisted",
        |w| w.content.intake().is_some() || w.content.previous().is_some(),
        |w, f| match &w.content {
            Content::Log(_, kept) => f.write_str(kept.as_str()),
            Content::Previous(previous, _) => {
                f.write_str(if previous.is_kept() { "yes" } else { "no" })
            }
            _ => Ok(()),
        },
        None
    ),
    attribute!(
        c"persist_level",
        |w| w.content.region().is_some(),
        |w, f| match w.content.region() {
            Some(region) => write!(f, "{}", region.level.load()),
            None => Ok(()),
        },
        Some(store_level)
    ),
    attribute!(
        c"write_limit",
        |w| w.content.intake().is_some(),
        |w, f| match w.content.intake() {
            Some(intake) => write!(f, "{}", intake.write_limit.load()),
            None => Ok(()),
        },
        Some(store_write_limit)
    ),
    attribute!(
        c"boot_id",
        |w| w.content.intake().is_some() || w.content.previous().is_some(),
        |w, f| match &w.content {
            Content::Log(intake, _) => write_boot_id(f, &intake.log.ring().header().boot_id()),
            _ => summary(w).map_or(Ok(()), |summary| write_boot_id(f, &summary.boot_id)),
        },
        None
    ),
    attribute!(
        c"ending",
        |w| w.content.previous().is_some(),
        |w, f| f.write_str(ending(w)),
        None
    ),
    attribute!(
        c"clock_offset",
        |w| w.content.intake().is_some() || w.content.previous().is_some(),
        |w, f| {
            let offset = match (w.content.intake(), w.content.previous()) {
                (Some(intake), _) => intake.clock_offset(),
                (None, Some(previous)) => previous.clock_offset(),
                (None, None) => None,
            };
            let Some(offset) = offset else {
                return Ok(());
            };
            if offset < 0 {
                f.write_str("-")?;
            }
            f.write_str(Digits::of(offset.unsigned_abs()).as_str())
        },
        None
    ),
    salvaged!(c"boots_ago", boots_ago),
    salvaged!(c"intact", intact),
    salvaged!(c"missing", missing),
    salvaged!(c"damaged", damaged),
];
const _: () = assert!(ATTRIBUTES.len() <= ATTRIBUTES_MAX);
