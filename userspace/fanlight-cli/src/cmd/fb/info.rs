// SPDX-License-Identifier: MIT OR Apache-2.0
//! `fanlight fb info`.

use std::io::Write;

use clap::Args;
use fanlight::{Field, Framebuffer};
use serde::Serialize;

use super::Run;
use crate::error::Result;
use crate::target::Target;
use crate::{json, output};

#[derive(Args)]
pub struct Info {
    /// Print JSON
    #[arg(short = 'J', long)]
    json: bool,
}

#[derive(Serialize)]
struct Object {
    node: String,
    width: u32,
    height: u32,
    stride: u32,
    format: &'static str,
    bits_per_pixel: usize,
    pages: u32,
    shown_page: u32,
    scanout: String,
    cache: String,
}

impl Object {
    fn of(screen: &Framebuffer) -> Self {
        let geometry = screen.geometry();
        let info = screen.window().and_then(|window| window.info().ok());
        let scanout = info.as_ref().map(|info| info.scanout.to_string());
        let cache = info.as_ref().map(|info| info.cache.to_string());
        Self {
            node: screen.path().display().to_string(),
            width: geometry.width(),
            height: geometry.height(),
            stride: geometry.stride(),
            format: geometry.format().name(),
            bits_per_pixel: geometry.format().bytes() * 8,
            pages: screen.pages(),
            shown_page: screen.shown_page(),
            scanout: scanout.unwrap_or_else(|| "not fanlight's".to_owned()),
            cache: cache.unwrap_or_else(|| "unknown".to_owned()),
        }
    }
}

impl Run for Info {
    const NAME: &'static str = "info";
    const SUMMARY: &'static str = "Print the framebuffer's geometry";

    fn run(self, target: &Target) -> Result<()> {
        let screen = Framebuffer::open_read_only(target.framebuffer()?)?;
        let object = Object::of(&screen);
        let mut out = output::stdout();
        if self.json {
            json::line(&mut out, &object)?;
            return Ok(out.flush()?);
        }
        let bits = |field: Field| match field.length {
            0 => "none".to_owned(),
            length => format!("bits {} to {}", field.offset, field.offset + length - 1),
        };
        let [red, green, blue, alpha] = screen.geometry().format().fields();
        let rows = [
            ("node", object.node),
            ("size", format!("{}x{} pixels", object.width, object.height)),
            ("stride", format!("{} bytes", object.stride)),
            (
                "format",
                format!(
                    "{}, {} bits per pixel",
                    object.format, object.bits_per_pixel
                ),
            ),
            ("red", bits(red)),
            ("green", bits(green)),
            ("blue", bits(blue)),
            ("alpha", bits(alpha)),
            (
                "pages",
                format!("{}, page {} is shown", object.pages, object.shown_page),
            ),
            ("cache", object.cache),
            ("scanout", object.scanout),
        ];
        let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
        output::table(&mut out, &rows)?;
        Ok(out.flush()?)
    }
}
