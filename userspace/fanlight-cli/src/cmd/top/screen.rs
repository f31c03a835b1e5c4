// SPDX-License-Identifier: MIT OR Apache-2.0
//! A grid of characters. Only its changes are sent to a terminal, and no faster than a serial line
//! can transmit them.

use std::io::{self, Write};

use crate::printable;

/// One of the 256 colours of terminals; `None` is the terminal's default.
pub type Colour = Option<u8>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub text: char,
    pub fore: Colour,
    pub back: Colour,
    pub bold: bool,
}

pub const BLANK: Cell = Cell {
    text: ' ',
    fore: None,
    back: None,
    bold: false,
};

/// The wanted and the current contents of the terminal.
pub struct Screen {
    width: usize,
    wanted: Vec<Cell>,
    /// `None`: unknown.
    there: Vec<Option<Cell>>,
    /// Where to continue if there was more to send than the line could transmit.
    next: usize,
}

impl Screen {
    pub fn new(width: usize, height: usize) -> Self {
        let cells = width * height;
        Self {
            width,
            wanted: vec![BLANK; cells],
            there: vec![None; cells],
            next: 0,
        }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.wanted.len() / self.width.max(1)
    }

    pub fn clear(&mut self) {
        self.wanted.fill(BLANK);
    }

    pub fn put(&mut self, x: usize, y: usize, cell: Cell) {
        if x < self.width {
            if let Some(place) = self.wanted.get_mut(y * self.width + x) {
                *place = cell;
            }
        }
    }

    /// Writes text at a position, up to `width` characters.
    pub fn text(&mut self, x: usize, y: usize, width: usize, text: &str, fore: Colour, bold: bool) {
        for (i, c) in text.chars().take(width).enumerate() {
            // Characters that move the cursor would break the grid.
            let c = if printable::is_unsafe(c) { '.' } else { c };
            self.put(
                x + i,
                y,
                Cell {
                    text: c,
                    fore,
                    back: None,
                    bold,
                },
            );
        }
    }

    /// Sends changes, but at most about `budget` bytes; the next call sends the rest.
    pub fn send(&mut self, out: &mut impl Write, budget: usize) -> io::Result<()> {
        let mut sent = Vec::new();
        let mut pen = BLANK;
        let mut cursor = None;
        let count = self.wanted.len();
        let mut at = self.next;
        for _ in 0..count {
            if at >= count {
                at = 0;
            }
            let cell = self.wanted[at];
            if self.there[at] != Some(cell) {
                if sent.len() >= budget {
                    break;
                }
                if cursor != Some(at) {
                    write!(
                        sent,
                        "\x1b[{};{}H",
                        at / self.width + 1,
                        at % self.width + 1
                    )?;
                }
                pen_to(&mut sent, &mut pen, cell)?;
                let mut utf8 = [0; 4];
                sent.extend_from_slice(cell.text.encode_utf8(&mut utf8).as_bytes());
                self.there[at] = Some(cell);
                // After the last column, the cursor position depends on the terminal.
                cursor = ((at + 1) % self.width != 0).then_some(at + 1);
            }
            at += 1;
        }
        self.next = at % count.max(1);
        if sent.is_empty() {
            return Ok(());
        }
        sent.extend_from_slice(b"\x1b[0m");
        out.write_all(&sent)?;
        out.flush()
    }

    /// Prints the contents as plain lines.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for line in self.wanted.chunks(self.width) {
            let text: String = line.iter().map(|cell| cell.text).collect();
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

/// Sends the colours that differ.
fn pen_to(out: &mut Vec<u8>, pen: &mut Cell, cell: Cell) -> io::Result<()> {
    if pen.bold != cell.bold {
        out.extend_from_slice(if cell.bold { b"\x1b[1m" } else { b"\x1b[22m" });
    }
    for (new, old, code, off) in [(cell.fore, pen.fore, 38, 39), (cell.back, pen.back, 48, 49)] {
        match new {
            _ if new == old => {}
            Some(colour) => write!(out, "\x1b[{code};5;{colour}m")?,
            None => write!(out, "\x1b[{off}m")?,
        }
    }
    *pen = cell;
    Ok(())
}

/// The nearest of the terminal's colours, which are a cube of 6x6x6 and a ramp of 24 greys.
pub fn nearest(rgb: [u8; 3]) -> u8 {
    const STEPS: [i32; 6] = [0, 95, 135, 175, 215, 255];
    let step = |value: u8| {
        let value = i32::from(value);
        (0u8..)
            .zip(STEPS)
            .min_by_key(|(_, step)| (step - value).abs())
            .unwrap_or((0, 0))
    };
    let cube = rgb.map(step);
    let grey = rgb.iter().map(|value| i32::from(*value)).sum::<i32>() / 3;
    let ramp = ((grey - 3) / 10).clamp(0, 23);
    let far = |other: [i32; 3]| {
        rgb.iter()
            .zip(other)
            .map(|(a, b)| (i32::from(*a) - b).pow(2))
            .sum::<i32>()
    };
    if far([8 + 10 * ramp; 3]) < far(cube.map(|(_, value)| value)) {
        232 + ramp as u8
    } else {
        16 + 36 * cube[0].0 + 6 * cube[1].0 + cube[2].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(screen: &mut Screen, budget: usize) -> String {
        let mut out = Vec::new();
        screen.send(&mut out, budget).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cli_top_sends_changes_only() {
        let mut screen = Screen::new(4, 2);
        assert_eq!(sent(&mut screen, 1000), "\x1b[1;1H    \x1b[2;1H    \x1b[0m");
        assert_eq!(sent(&mut screen, 1000), "");
        screen.text(1, 1, 2, "abc", Some(3), false);
        assert_eq!(sent(&mut screen, 1000), "\x1b[2;2H\x1b[38;5;3mab\x1b[0m");
    }

    #[test]
    fn cli_top_goes_on_where_the_line_was_full() {
        let mut screen = Screen::new(8, 1);
        sent(&mut screen, 1000);
        screen.text(0, 0, 8, "abcdefgh", None, false);
        let first = sent(&mut screen, 8);
        assert_eq!(first, "\x1b[1;1Hab\x1b[0m");
        assert_eq!(sent(&mut screen, 1000), "\x1b[1;3Hcdefgh\x1b[0m");
    }

    #[test]
    fn cli_top_finds_the_terminals_colours() {
        assert_eq!(nearest([0, 0, 0]), 16);
        assert_eq!(nearest([255, 255, 255]), 231);
        assert_eq!(nearest([255, 0, 0]), 196);
        assert_eq!(nearest([128, 128, 128]), 244);
    }
}
