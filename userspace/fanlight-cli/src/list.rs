// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight list`: the windows of every board.

use std::io::Write;

use fanlight::{abi, Info, Scanout, WindowEntry};

use crate::args::Matches;
use crate::error::{Error, Result, FAILURE};
use crate::json::{array, Object};
use crate::{output, target};

pub fn run(matches: &Matches) -> Result<()> {
    let mut windows = Vec::new();
    let mut failed = false;
    for board in target::boards(matches)? {
        for entry in board.windows()? {
            match entry.info() {
                Ok(info) => windows.push((entry, info)),
                Err(error) => {
                    eprintln!("fanlight: {error}");
                    failed = true;
                }
            }
        }
    }
    if let Some(newer) = windows
        .iter()
        .filter_map(|(_, info)| info.abi)
        .find(|driver| *driver > abi::ABI)
    {
        eprintln!(
            "fanlight: the driver speaks ABI {newer}, this program knows up to {}: what is newer is shown as unknown",
            abi::ABI
        );
    }
    let mut out = output::stdout();
    if matches.has("json") {
        let windows = array(
            windows
                .iter()
                .map(|(entry, info)| object(entry, info).end()),
        );
        writeln!(out, "{}", Object::new().raw("windows", windows).end())?;
    } else {
        let head = [
            "NODE", "KIND", "SIZE", "BACKING", "CACHE", "RIGHTS", "GEOMETRY", "SCANOUT",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(windows.iter().map(|(entry, info)| row(entry, info)));
        output::table(&mut out, &rows)?;
    }
    out.flush()?;
    if failed {
        return Err(Error::Status(FAILURE));
    }
    Ok(())
}

fn row(entry: &WindowEntry, info: &Info) -> Vec<String> {
    let geometry = info
        .geometry
        .map_or(String::new(), |geometry| match info.pages {
            0 | 1 => geometry.to_string(),
            pages => format!("{geometry} x{pages}"),
        });
    let scanout = match info.scanout {
        Scanout::None => String::new(),
        other => other.to_string(),
    };
    vec![
        entry.path().display().to_string(),
        info.kind.to_string(),
        output::human(info.size),
        info.backing.to_string(),
        info.cache.to_string(),
        info.rights.to_string(),
        geometry,
        scanout,
    ]
}

/// Everything there is to tell, with the names that sysfs uses.
pub fn object(entry: &WindowEntry, info: &Info) -> Object {
    let object = Object::new()
        .text("node", &entry.path().display().to_string())
        .text("name", &info.name)
        .raw("instance", info.instance)
        .text("kind", &info.kind.to_string())
        .raw("size", info.size)
        .raw("offset", info.offset)
        .text("backing", &info.backing.to_string())
        .text("cache", &info.cache.to_string())
        .text("rights", &info.rights.to_string())
        .optional("phys", info.phys)
        .optional("abi", info.abi);
    match info.geometry {
        None => object,
        Some(geometry) => object
            .raw("width", geometry.width())
            .raw("height", geometry.height())
            .raw("stride", geometry.stride())
            .text("format", geometry.format().name())
            .raw("pages", info.pages)
            .text("scanout", &info.scanout.to_string()),
    }
}
