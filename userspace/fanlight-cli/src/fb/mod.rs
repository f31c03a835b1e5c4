// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight fb`: what is on the screen.

pub mod colour;
mod draw;
pub mod pattern;
#[cfg(feature = "png")]
pub mod show;

use std::fs;
use std::io::Write;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use fanlight::{Canvas, Framebuffer};

use crate::args::Matches;
use crate::error::{Error, Result};
use crate::json::Object;
use crate::{output, target};
use draw::Drawn;
use pattern::Facts;

/// Draws on a page that is not shown, where there is one, and flips, so that nobody sees half of it.
///
/// In the end the first page is shown, even if that takes a second drawing: programs that know of one page only, such as
/// `cat`, write to that one.
fn redraw(screen: &mut Framebuffer, mut draw: impl FnMut(&mut Canvas) -> Drawn) -> Result<()> {
    screen.double_buffer();
    loop {
        draw(screen).map_err(|error| screen.name_error(error))?;
        screen.present()?;
        if screen.shown_page() == 0 {
            return Ok(());
        }
    }
}

pub fn info(matches: &Matches) -> Result<()> {
    let screen = Framebuffer::open_read_only(target::framebuffer(matches)?)?;
    let geometry = screen.geometry();
    let info = screen.window().and_then(|window| window.info().ok());
    let scanout = info
        .as_ref()
        .map_or("not fanlight's".to_owned(), |info| info.scanout.to_string());
    let cache = info
        .as_ref()
        .map_or("unknown".to_owned(), |info| info.cache.to_string());
    let [red, green, blue, alpha] = geometry.format().fields();
    let mut out = output::stdout();
    if matches.has("json") {
        let object = Object::new()
            .text("node", &screen.path().display().to_string())
            .raw("width", geometry.width())
            .raw("height", geometry.height())
            .raw("stride", geometry.stride())
            .text("format", geometry.format().name())
            .raw("bits_per_pixel", geometry.format().bytes() * 8)
            .raw("pages", screen.pages())
            .raw("shown_page", screen.shown_page())
            .text("scanout", &scanout)
            .text("cache", &cache);
        writeln!(out, "{}", object.end())?;
    } else {
        let bits = |field: fanlight::Field| match field.length {
            0 => "none".to_owned(),
            length => format!("bits {} to {}", field.offset, field.offset + length - 1),
        };
        let rows = [
            ("node", screen.path().display().to_string()),
            (
                "size",
                format!("{}x{} pixels", geometry.width(), geometry.height()),
            ),
            ("stride", format!("{} bytes", geometry.stride())),
            (
                "format",
                format!(
                    "{}, {} bits a pixel",
                    geometry.format(),
                    geometry.format().bytes() * 8
                ),
            ),
            ("red", bits(red)),
            ("green", bits(green)),
            ("blue", bits(blue)),
            ("alpha", bits(alpha)),
            (
                "pages",
                format!("{}, page {} is shown", screen.pages(), screen.shown_page()),
            ),
            ("cache", cache),
            ("scanout", scanout),
        ];
        output::table(
            &mut out,
            &rows.map(|(name, value)| vec![name.to_owned(), value]),
        )?;
    }
    Ok(out.flush()?)
}

pub fn pattern(matches: &Matches) -> Result<()> {
    let name = matches.operand_text(0)?.unwrap_or(pattern::NAMES[0]);
    if !pattern::NAMES.contains(&name) {
        let names = pattern::NAMES.join(", ");
        return Err(Error::Usage(format!(
            "unknown pattern '{name}'; there are {names}"
        )));
    }
    let mut screen = target::open_framebuffer(matches)?;
    let facts = facts(&screen);
    redraw(&mut screen, |canvas| pattern::draw(name, canvas, &facts))?;

    if matches.has("save") || matches.has("crc") {
        // Not read back: the same drawing once more, into memory of our own.
        let mut canvas = Canvas::in_memory(screen.geometry());
        pattern::draw(name, &mut canvas, &facts).map_err(|error| screen.name_error(error))?;
        tell(matches, &canvas)?;
    }
    Ok(())
}

pub fn fill(matches: &Matches) -> Result<()> {
    let colour = colour::parse(matches.operand_text(0)?.unwrap_or("black"))?;
    let mut screen = target::open_framebuffer(matches)?;
    redraw(&mut screen, |canvas| canvas.clear(colour))
}

pub fn clear(matches: &Matches) -> Result<()> {
    let mut screen = target::open_framebuffer(matches)?;
    redraw(&mut screen, |canvas| canvas.clear(Rgb888::BLACK))
}

pub fn blank(matches: &Matches) -> Result<()> {
    let dark = match matches.operand_text(0)? {
        Some("on") => true,
        Some("off") => false,
        other => {
            return Err(Error::Usage(format!(
                "'{}' is neither on nor off",
                other.unwrap_or_default()
            )))
        }
    };
    Ok(target::open_framebuffer(matches)?.blank(dark)?)
}

#[cfg(not(feature = "png"))]
pub mod show {
    use super::*;

    pub fn run(_: &Matches) -> Result<()> {
        Err(Error::message(NO_PNG))
    }
}

#[cfg(not(feature = "png"))]
const NO_PNG: &str = "this program was built without PNG; build it with the feature 'png'";

/// --save and --crc: what was drawn, for those who compare.
fn tell(matches: &Matches, canvas: &Canvas) -> Result<()> {
    let rgb = canvas
        .to_rgb()
        .map_err(|error| Error::message(error.to_string()))?;
    if matches.has("crc") {
        let mut out = output::stdout();
        writeln!(out, "{:08x}", crc32(&rgb))?;
        out.flush()?;
    }
    if let Some(path) = matches.os_value("save") {
        save(canvas, rgb, path)?;
    }
    Ok(())
}

pub fn shot(matches: &Matches) -> Result<()> {
    let screen = Framebuffer::open_read_only(target::framebuffer(matches)?)?;
    let rgb = screen.to_rgb().map_err(|error| screen.name_error(error))?;
    if matches.has("crc") {
        let mut out = output::stdout();
        writeln!(out, "{:08x}", crc32(&rgb))?;
        out.flush()?;
    }
    match matches.operands().first() {
        Some(path) => save(&screen, rgb, path),
        None if matches.has("crc") => Ok(()),
        None => Err(Error::Usage("FILE.png is missing".into())),
    }
}

#[cfg(feature = "png")]
fn save(canvas: &Canvas, rgb: Vec<u8>, path: &std::ffi::OsStr) -> Result<()> {
    let geometry = canvas.geometry();
    let Some(picture) = fanlight::Picture::new(geometry.width(), geometry.height(), rgb) else {
        return Err(Error::message("a picture without pixels"));
    };
    if path == "-" {
        let mut out = output::stdout();
        picture.encode(&mut out)?;
        return Ok(out.flush()?);
    }
    Ok(picture.save(path.as_ref())?)
}

#[cfg(not(feature = "png"))]
fn save(_: &Canvas, _: Vec<u8>, _: &std::ffi::OsStr) -> Result<()> {
    Err(Error::message(NO_PNG))
}

/// CRC-32 as zlib, PNG and cksum --algorithm=crc32 have it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// What the machine says about itself.
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
