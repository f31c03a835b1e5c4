// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compares the patterns with golden pictures, and draws them on screens of unusual sizes.

use fanlight::{Geometry, Picture, PixelFormat};

use super::super::draw::NIGHT;
use super::*;
use embedded_graphics::prelude::*;

fn facts() -> Facts {
    Facts {
        board: "linux,dummy-virt".into(),
        lines: vec![
            ("node", "/dev/fanlight0/fb".into()),
            ("geometry", "1024x600 4096 x8r8g8b8".into()),
            ("memory", "2.3M, carveout, writecombine".into()),
            ("scanout", "ramfb".into()),
            ("kernel", "Linux 7.2.0-fanlight armv7l".into()),
            ("driver", "ABI 1".into()),
            ("tool", "fanlight 0.1.0".into()),
        ],
    }
}

fn drawn(name: &str, geometry: Geometry) -> Picture {
    let mut canvas = Canvas::in_memory(geometry);
    draw(name, &mut canvas, &facts()).unwrap();
    Picture::new(
        geometry.width(),
        geometry.height(),
        canvas.to_rgb().unwrap(),
    )
    .unwrap()
}

/// The patterns equal the golden pictures, pixel for pixel. FANLIGHT_BLESS=1 creates the pictures
/// again; review them then.
#[test]
fn fb_patterns_are_the_golden_ones() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (width, height, format) in [
        (320, 200, PixelFormat::X8R8G8B8),
        (240, 136, PixelFormat::R5G6B5),
    ] {
        for name in NAMES {
            let picture = drawn(name, Geometry::packed(width, height, format).unwrap());
            let path = directory.join(format!("{name}-{format}.png"));
            if std::env::var_os("FANLIGHT_BLESS").is_some() {
                picture.save(&path).unwrap();
            }
            assert!(
                Picture::load(&path, |_, _| ()).unwrap() == picture,
                "{} differs",
                path.display()
            );
        }
    }
}

/// The picture is the same in every lossless format, and with every stride.
#[test]
fn fb_patterns_do_not_depend_on_the_format() {
    let reference = drawn(
        "bars",
        Geometry::packed(200, 120, PixelFormat::X8R8G8B8).unwrap(),
    );
    for format in [
        PixelFormat::A8R8G8B8,
        PixelFormat::X8B8G8R8,
        PixelFormat::R8G8B8,
    ] {
        let geometry = Geometry::new(200, 120, 200 * format.bytes() as u32 + 7, format).unwrap();
        let mut canvas = Canvas::in_memory(geometry);
        // The same text: it is in the facts.
        let facts = Facts {
            board: facts().board,
            lines: facts().lines,
        };
        draw("gradient", &mut canvas, &facts).unwrap();
        canvas.clear(NIGHT).unwrap();
        draw("bars", &mut canvas, &facts).unwrap();
        let rgb = canvas.to_rgb().unwrap();
        let bars = 120 * 58 / 100 * 200 * 3;
        assert!(rgb[..bars] == reference.rgb()[..bars], "{format}");
    }
}

/// No panic with any size of the screen.
#[test]
fn fb_patterns_fit_every_screen() {
    for (width, height) in [
        (1, 1),
        (2, 3),
        (7, 300),
        (300, 7),
        (64, 64),
        (129, 77),
        (480, 272),
    ] {
        for name in NAMES {
            drawn(
                name,
                Geometry::packed(width, height, PixelFormat::R5G6B5).unwrap(),
            );
        }
    }
}

/// Draws the pictures in the sizes of real screens, for visual review, in the directory
/// FANLIGHT_PICTURES.
#[test]
#[ignore = "for a person to look at"]
fn fb_patterns_to_look_at() {
    let directory = std::path::PathBuf::from(std::env::var_os("FANLIGHT_PICTURES").unwrap());
    for (width, height, format) in [
        (1024, 600, PixelFormat::X8R8G8B8),
        (800, 480, PixelFormat::R5G6B5),
        (320, 240, PixelFormat::R5G6B5),
    ] {
        for name in NAMES {
            let picture = drawn(name, Geometry::packed(width, height, format).unwrap());
            picture
                .save(&directory.join(format!("{name}-{width}x{height}.png")))
                .unwrap();
        }
    }
}
