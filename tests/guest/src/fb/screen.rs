// SPDX-License-Identifier: MIT OR Apache-2.0
//! The framebuffer and QEMU's screen, which the host captures, have the same pixels.

use libc::SEEK_SET;

use crate::support::dev::{Unbound, FB};
use crate::support::fbdev;
use crate::support::host::{self, Screen};
use crate::support::mem::Map;
use crate::support::sys;
use crate::tests;

tests! {
    machines:
        fb_screen_shows_what_is_drawn_through_the_map,
        fb_screen_shows_what_is_written,
        fb_screen_shows_the_page_that_was_panned_to,
        fb_screen_keeps_the_hidden_page_hidden,
        fb_screen_is_restored_after_unbind_and_bind,
        fb_read_and_write_end_where_the_window_does,
        fb_llseek_reaches_each_byte_of_the_picture;
}

const WIDTH: usize = 1024;
const HEIGHT: usize = 600;
const PAGE_BYTES: usize = HEIGHT * 4096;

/// A picture that depends on each coordinate and on the seed.
fn pixel(x: usize, y: usize, seed: u32) -> u32 {
    ((x as u32 & 0xff) << 16)
        | ((y as u32 & 0xff) << 8)
        | ((x as u32 >> 2) ^ (y as u32) ^ seed) & 0xff
}

fn draw(map: &Map, page: usize, seed: u32) {
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            map.store32(page * PAGE_BYTES + y * 4096 + x * 4, pixel(x, y, seed))
                .expect("the framebuffer");
        }
    }
}

/// The picture that the host should capture.
fn expected(seed: u32) -> Screen {
    let pixels = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| pixel(x, y, seed)));
    let bytes = pixels.flat_map(|pixel| [(pixel >> 16) as u8, (pixel >> 8) as u8, pixel as u8]);
    Screen {
        width: WIDTH as u32,
        height: HEIGHT as u32,
        crc: host::crc32(bytes),
    }
}

fn fb_screen_shows_what_is_drawn_through_the_map() {
    let fb = FB.open();
    fbdev::pan(fb.raw(), 0).unwrap();
    draw(&fb.map(), 0, 1);
    assert_eq!(host::screen("drawn"), expected(1));
}

fn fb_screen_shows_what_is_written() {
    let fb = FB.open();
    fbdev::pan(fb.raw(), 0).unwrap();
    let bytes: Vec<u8> = (0..HEIGHT)
        .flat_map(|y| (0..WIDTH).flat_map(move |x| pixel(x, y, 2).to_le_bytes()))
        .collect();
    let mut done = 0;
    while done < bytes.len() {
        done += sys::write(fb.raw(), &bytes[done..]).expect("write");
    }
    assert_eq!(host::screen("written"), expected(2));
}

fn fb_screen_shows_the_page_that_was_panned_to() {
    let fb = FB.open();
    let map = fb.map();
    draw(&map, 0, 3);
    draw(&map, 1, 4);
    for (line, seed) in [(600, 4), (0, 3), (600, 4), (0, 3)] {
        fbdev::pan(fb.raw(), line).unwrap();
        assert_eq!(
            host::screen(&format!("panned-{line}")),
            expected(seed),
            "at line {line}"
        );
    }
}

fn fb_screen_keeps_the_hidden_page_hidden() {
    let fb = FB.open();
    let map = fb.map();
    fbdev::pan(fb.raw(), 0).unwrap();
    draw(&map, 0, 5);
    draw(&map, 1, 6);
    assert_eq!(host::screen("hidden"), expected(5));
}

fn fb_screen_is_restored_after_unbind_and_bind() {
    host::screen("before-unbind");
    {
        let _unbound = Unbound::new("fanlight");
        // The display no longer shows the window, whose memory may have another user now.
        host::screen("unbound");
    }
    let fb = FB.open();
    draw(&fb.map(), 0, 7);
    assert_eq!(host::screen("bound-again"), expected(7));
    assert_eq!(fbdev::var(fb.raw()).yoffset, 0);
}

fn fb_read_and_write_end_where_the_window_does() {
    let fb = FB.open();
    let end = FB.size as i64;
    assert_eq!(sys::pwrite(fb.raw(), &[0x5a; 8], end - 4), Ok(4));
    let mut bytes = [0; 8];
    assert_eq!(sys::pread(fb.raw(), &mut bytes, end - 4), Ok(4));
    assert_eq!(&bytes[..4], &[0x5a; 4]);
    assert_eq!(sys::pread(fb.raw(), &mut bytes, end), Ok(0));
    assert!(sys::pwrite(fb.raw(), &bytes, end).is_err());
}

fn fb_llseek_reaches_each_byte_of_the_picture() {
    let fb = FB.open();
    let map = fb.map();
    map.store32(300 * 4096 + 512 * 4, 0x0012_3456).unwrap();
    assert_eq!(
        sys::lseek(fb.raw(), 300 * 4096 + 512 * 4, SEEK_SET),
        Ok(300 * 4096 + 512 * 4)
    );
    let mut pixel = [0; 4];
    assert_eq!(sys::read(fb.raw(), &mut pixel), Ok(4));
    assert_eq!(u32::from_le_bytes(pixel), 0x0012_3456);
}
