// SPDX-License-Identifier: MIT OR Apache-2.0
//! 9: 50 full frames of 1024 x 600 pixels of 4 bytes, copied into each framebuffer, and shown.

use std::fs::File;
use std::os::fd::AsRawFd;

use crate::device;
use crate::meter::{busy, Sheet};
use crate::sys::{self, Map};

const FRAME: usize = 1024 * 600 * 4;
const FRAMES: usize = 50;
const MODULES: &str = "/lib/fanlight-bench";

pub fn frame(sheet: &mut Sheet) {
    let picture: Vec<u8> = (0..FRAME).map(|i| i as u8).collect();
    let mut measure = |name: &str, file: &File, shown_later: bool| {
        let map = Map::new(file, 0, FRAME, true, 0);
        map.copy_in(0, &picture);
        let took = busy(|| {
            for _ in 0..FRAMES {
                map.copy_in(0, &picture);
                if shown_later {
                    // Makes the driver copy now, instead of within a twentieth of a second.
                    file.sync_all().expect("fsync");
                }
            }
        });
        sheet.each(name, "instructions/frame", took, FRAMES);
        // The cost of writing as much ordinary memory.
        let mut ordinary = vec![0u8; FRAME];
        let took = crate::meter::least(3, || {
            std::hint::black_box(&mut ordinary).copy_from_slice(&picture)
        });
        sheet.put("limit: memcpy", "instructions/frame", took as f64);
    };
    measure("fanlight", &sys::open_rw("/dev/fanlight0/fb"), false);

    // Both drivers match each such node: each is bound to one.
    let nodes = [0x5480_0000, 0x54b0_0000].map(|at| device::node(at, "framebuffer"));
    load("simplefb.ko");
    device::unbind("simple-framebuffer", &nodes[1]);
    measure("simplefb", &framebuffer("simple"), false);
    if !device::has(&format!("{MODULES}/simpledrm.ko")) {
        return;
    }
    load("");
    let simpledrm = "simple-framebuffer";
    for node in &nodes {
        device::unbind(simpledrm, node);
    }
    sys::rmmod("simplefb");
    load("simpledrm.ko");
    measure("simpledrm /dev/fb0", &framebuffer("simpledrmdrmfb"), true);
}

/// Loads a module; without a name, all that others need.
fn load(name: &str) {
    if !name.is_empty() {
        sys::insmod(&format!("{MODULES}/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"));
        return;
    }
    // They depend on each other: those that cannot be loaded yet are tried again.
    for _ in 0..8 {
        for entry in std::fs::read_dir(MODULES).expect("modules").flatten() {
            let name = entry.file_name().into_string().expect("a name");
            if name.starts_with("drm") || name.starts_with("sysfb") {
                let _ = sys::insmod(&format!("{MODULES}/{name}"));
            }
        }
    }
}

/// The framebuffer device of that name.
fn framebuffer(name: &str) -> File {
    for number in 0..8 {
        let path = format!("/sys/class/graphics/fb{number}");
        if std::fs::exists(&path).unwrap_or(false) && device::get(&format!("{path}/name")) == name {
            let file = sys::open_rw(&format!("/dev/fb{number}"));
            assert!(file.as_raw_fd() >= 0);
            return file;
        }
    }
    panic!("no framebuffer {name}");
}
