// SPDX-License-Identifier: GPL-2.0-only

//! What sysfs says of a window: `/sys/class/misc/fanlight<N>-<window>/`.
//!
//! Described in docs/abi/sysfs-class-misc-fanlight.

use crate::{
    ring::{
        persist::{
            Ending,
            Salvaged, //
        },
        Digits, //
    },
    sys::{
        file::may_show_addresses,
        sysfs::Attribute, //
    },
    window::{
        Content,
        Window, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

macro_rules! attribute {
    ($name:literal, $show:expr) => {
        attribute!($name, |_| true, $show, None)
    };
    ($name:literal, $visible:expr, $show:expr, $store:expr) => {
        Attribute {
            name: $name,
            show: $show,
            store: $store,
            visible: $visible,
        }
    };
}

/// An attribute of log.prev: a number.
macro_rules! salvaged {
    ($name:literal, $field:ident) => {
        attribute!(
            $name,
            |w| w.content.salvaged().is_some(),
            |w, f| {
                let value = w.content.salvaged().map_or(0, |s| s.$field);
                f.write_str(Digits::of(value).as_str())
            },
            None
        )
    };
}

fn store_level(window: &Window, text: &[u8]) -> Result {
    let level = match text {
        [digit @ b'0'..=b'7'] => digit - b'0',
        _ => return Err(EINVAL),
    };
    let persistent = window.content.persistent().ok_or(EIO)?;
    persistent.level.store(level.into(), Relaxed);
    Ok(())
}

/// How the previous boot ended, for sysfs.
fn ending(salvaged: &Salvaged) -> &'static str {
    match salvaged.info.map(|info| info.ending) {
        Some(Ending::Clean) => "clean",
        Some(Ending::Panic) => "panic",
        // It could not say: a reset, a watchdog, a lost supply that the memory survived.
        Some(Ending::Unknown) => "reset",
        None if salvaged.intact != 0 => "unknown",
        None => "none",
    }
}

/// The attributes of every window.
pub(crate) const ATTRIBUTES: &[Attribute<Window>] = &[
    attribute!(c"name", |w, f| write!(f, "{}", w.name.as_str())),
    attribute!(c"instance", |w, f| write!(f, "{}", w.instance)),
    attribute!(c"kind", |w, f| f.write_str(w.kind())),
    attribute!(c"size", |w, f| write!(f, "{}", w.mapping.size())),
    attribute!(c"backing", |w, f| f.write_str(w.backing())),
    attribute!(c"cache", |w, f| f.write_str(w.cache())),
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
    attribute!(c"phys", |w, f| match w.mapping.phys() {
        Some(phys) if may_show_addresses() => write!(f, "{phys:#010x}"),
        Some(_) => f.write_str("0x00000000"),
        None => Ok(()),
    }),
    attribute!(
        c"persist_level",
        |w| w.content.persistent().is_some(),
        |w, f| match w.content.persistent() {
            Some(persistent) => write!(f, "{}", persistent.level.load(Relaxed)),
            None => Ok(()),
        },
        Some(store_level)
    ),
    attribute!(
        c"ending",
        |w| w.content.salvaged().is_some(),
        |w, f| f.write_str(w.content.salvaged().map_or("none", ending)),
        None
    ),
    salvaged!(c"intact", intact),
    salvaged!(c"missing", missing),
    salvaged!(c"damaged", damaged),
];
