// SPDX-License-Identifier: MIT OR Apache-2.0
//! Test pictures. Each is drawn from the geometry and the facts alone, so that drawing it twice
//! gives the same pixels.

mod bars;
mod gradient;
mod grid;
mod page;
#[cfg(all(test, feature = "png"))]
mod tests;

use fanlight::Canvas;

use super::draw::DrawResult;

/// The facts about the machine in a pattern.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The board's name.
    pub board: String,
    /// Lines of a name and a value.
    pub lines: Vec<(&'static str, String)>,
}

/// The patterns, the first of which is the default.
pub const NAMES: &[&str] = &["bars", "grid", "gradient", "text"];

/// Draws the pattern `name`, which is one of [`NAMES`].
pub fn draw(name: &str, canvas: &mut Canvas, facts: &Facts) -> DrawResult {
    match name {
        "grid" => grid::grid(canvas),
        "gradient" => gradient::gradient(canvas),
        "text" => page::page(canvas, facts),
        _ => bars::bars(canvas, facts),
    }
}
