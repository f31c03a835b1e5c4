// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight fb`: draws on framebuffers and reads them.

mod blank;
mod colour;
mod draw;
mod fill;
mod info;
mod paint;
mod pattern;
#[cfg(feature = "png")]
mod shot;
#[cfg(feature = "png")]
mod show;

use std::fs;
use std::io::Write;

use clap::Args;
use fanlight::{Canvas, Framebuffer};

use super::{Entry, Run, Texts};
use crate::error::{Error, Result};
use crate::output;
use crate::target::Target;
pub use colour::NAMES as COLOURS;
use draw::DrawResult;
use pattern::Facts;
pub use pattern::NAMES as PATTERNS;

#[derive(Args)]
pub struct Fb {}

impl Run for Fb {
    const NAME: &'static str = "fb";
    const SUMMARY: &'static str = "Draw on the screen, and read it back";
    const TEXTS: Texts = Texts {
        about: &[
            "If the framebuffer has two pages, the picture is drawn on the hidden one, which is \
             then shown, and in the end the first page.",
            "A framebuffer of another driver can be named by FRAMEBUFFER=/dev/fb0.",
        ],
        examples: &[],
        statuses: &[],
    };
    const COMMANDS: &'static [Entry] = &[
        Entry::of::<info::Info>(),
        #[cfg(feature = "png")]
        Entry::of::<shot::Shot>(),
        #[cfg(feature = "png")]
        Entry::of::<show::Show>(),
        Entry::of::<paint::Pattern>(),
        Entry::of::<fill::Fill>(),
        Entry::of::<blank::Blank>(),
        Entry::of::<fill::Clear>(),
    ];

    fn run(self, _: &Target) -> Result<()> {
        Err(Error::Usage("a command is missing".into()))
    }
}

/// Draws on a hidden page if there is one, and flips, so that an incomplete picture is never
/// visible.
///
/// Finally shows the first page, even if that requires drawing twice: programs that support one
/// page only, such as `cat`, write to the first one.
fn redraw(screen: &mut Framebuffer, mut draw: impl FnMut(&mut Canvas) -> DrawResult) -> Result<()> {
    screen.double_buffer();
    loop {
        draw(screen).map_err(|error| screen.name_error(error))?;
        screen.present()?;
        if screen.shown_page() == 0 {
            return Ok(());
        }
    }
}

/// --crc: the CRC-32 of a picture's pixels, as zlib, PNG and `cksum -a crc32b` compute it.
fn print_crc(rgb: &[u8]) -> Result<()> {
    let mut out = output::stdout();
    writeln!(out, "{:08x}", crc32fast::hash(rgb))?;
    Ok(out.flush()?)
}

/// Writes the picture of a canvas as a PNG file; `-` is standard output.
#[cfg(feature = "png")]
fn save(canvas: &Canvas, rgb: Vec<u8>, path: &std::path::Path) -> Result<()> {
    let geometry = canvas.geometry();
    let Some(picture) = fanlight::Picture::new(geometry.width(), geometry.height(), rgb) else {
        return Err(Error::message("a picture without pixels"));
    };
    if path != std::path::Path::new("-") {
        return Ok(picture.save(path)?);
    }
    let mut out = output::data("the picture")?;
    match picture.encode(&mut out) {
        // A closed pipe is reported as in all other commands.
        Err(fanlight::Error::Io { source, .. }) => Err(source.into()),
        result => Ok(result.map(|()| out.flush())??),
    }
}

/// Facts about the machine.
fn facts(screen: &Framebuffer) -> Facts {
    let read = |path: &str| {
        let text = fs::read_to_string(path).ok()?;
        Some(text.trim_end_matches(['\0', '\n']).to_owned()).filter(|text| !text.is_empty())
    };
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let machine = text(system.machine());
    let board = read("/proc/device-tree/model").unwrap_or_else(|| text(system.nodename()));
    let info = screen.window().and_then(|window| window.info().ok());
    let mut lines = vec![
        ("node", screen.path().display().to_string()),
        ("geometry", screen.geometry().to_string()),
    ];
    if let Some(info) = &info {
        lines.push((
            "memory",
            format!(
                "{}, {}, {}",
                output::human(info.size),
                info.backing,
                info.cache
            ),
        ));
        lines.push(("scanout", info.scanout.to_string()));
    }
    lines.push((
        "kernel",
        format!(
            "{} {} {machine}",
            text(system.sysname()),
            text(system.release())
        ),
    ));
    if let Some(abi) = info.and_then(|info| info.abi) {
        lines.push(("driver", format!("ABI {abi}")));
    }
    lines.push(("tool", format!("fanlight {}", env!("CARGO_PKG_VERSION"))));
    Facts { board, lines }
}
