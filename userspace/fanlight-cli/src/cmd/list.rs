// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight list`: lists the windows of every device.

use std::io::Write;

use clap::Args;
use fanlight::{abi, Info, Scanout, WindowEntry};
use serde::Serialize;

use super::{Run, Texts};
use crate::error::{Error, Result, FAILURE};
use crate::target::Target;
use crate::{json, output};

#[derive(Args)]
pub struct List {
    /// Print JSON
    #[arg(short = 'J', long)]
    json: bool,
}

impl Run for List {
    const NAME: &'static str = "list";
    const SUMMARY: &'static str = "List the windows: size, backing, cache type, geometry";
    const TEXTS: Texts = Texts {
        about: &["RIGHTS are r and w for read() and write(), followed by the same for mappings."],
        examples: &[],
        statuses: &[],
    };

    fn run(self, target: &Target) -> Result<()> {
        let mut windows = Vec::new();
        let mut failed = false;
        for instance in target.instances()? {
            for entry in instance.windows()? {
                match entry.info() {
                    Ok(info) => windows.push((entry, info)),
                    Err(error) => {
                        eprintln!("fanlight: {error}");
                        failed = true;
                    }
                }
            }
        }
        warn_of_newer_abi(&windows);
        let mut out = output::stdout();
        if self.json {
            let windows = windows.iter().map(|(entry, info)| Object::of(entry, info));
            let windows = windows.collect();
            json::line(&mut out, &Document { windows })?;
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
}

fn warn_of_newer_abi(windows: &[(WindowEntry, Info)]) {
    let mut versions = windows.iter().filter_map(|(_, info)| info.abi);
    if let Some(newer) = versions.find(|driver| *driver > abi::ABI) {
        eprintln!(
            "fanlight: the driver has ABI {newer}, and this program supports up to {}: newer \
             values are shown as unknown",
            abi::ABI
        );
    }
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

#[derive(Serialize)]
struct Document {
    windows: Vec<Object>,
}

/// All facts about a window, with the names of sysfs.
#[derive(Serialize)]
struct Object {
    node: String,
    name: String,
    instance: u32,
    kind: String,
    size: u64,
    offset: u32,
    backing: String,
    cache: String,
    rights: String,
    phys: Option<u64>,
    abi: Option<u32>,
    #[serde(flatten)]
    screen: Option<Screen>,
}

#[derive(Serialize)]
struct Screen {
    width: u32,
    height: u32,
    stride: u32,
    format: &'static str,
    pages: u32,
    scanout: String,
}

impl Object {
    fn of(entry: &WindowEntry, info: &Info) -> Self {
        Self {
            node: entry.path().display().to_string(),
            name: info.name.clone(),
            instance: info.instance,
            kind: info.kind.to_string(),
            size: info.size,
            offset: info.offset,
            backing: info.backing.to_string(),
            cache: info.cache.to_string(),
            rights: info.rights.to_string(),
            phys: info.phys,
            abi: info.abi,
            screen: info.geometry.map(|geometry| Screen {
                width: geometry.width(),
                height: geometry.height(),
                stride: geometry.stride(),
                format: geometry.format().name(),
                pages: info.pages,
                scanout: info.scanout.to_string(),
            }),
        }
    }
}
