// SPDX-License-Identifier: MIT OR Apache-2.0
//! Draws a bouncing ball on the hidden page, and shows the page when it is complete.
//!
//! `cargo run --example bounce -- [FRAMES]`

use std::time::{Duration, Instant};

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, PrimitiveStyle};
use fanlight::{Error, Instance};

fn main() -> Result<(), Error> {
    let frames: u32 = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(600);
    // If the driver is unbound, drawing then fails with an error.
    fanlight::survive_revocation()?;
    let mut screen = Instance::open(0)?.framebuffer()?;
    if !screen.double_buffer() {
        eprintln!("this framebuffer has one page: the ball will flicker");
    }

    let size = screen.bounding_box().size;
    let diameter = size.height / 6;
    let limit = Point::new(
        (size.width - diameter) as i32,
        (size.height - diameter) as i32,
    );
    let mut ball = Point::zero();
    let mut speed = Point::new(7, 5);
    let started = Instant::now();
    for frame in 1..=frames {
        screen.clear(Rgb888::CSS_MIDNIGHT_BLUE)?;
        Circle::new(ball, diameter)
            .into_styled(PrimitiveStyle::with_fill(Rgb888::CSS_ORANGE))
            .draw(&mut screen)?;
        screen.present()?;

        ball += speed;
        if !(0..=limit.x).contains(&ball.x) {
            speed.x = -speed.x;
        }
        if !(0..=limit.y).contains(&ball.y) {
            speed.y = -speed.y;
        }
        // Sixty frames per second, or as many as possible.
        let next = started + Duration::from_secs(1) / 60 * frame;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    println!("{frames} frames in {:.1?}", started.elapsed());
    Ok(())
}
