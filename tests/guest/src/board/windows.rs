// SPDX-License-Identifier: MIT OR Apache-2.0
//! A board has the windows of its own overlay, and its on-chip memory is that of the device tree.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use libc::{MAP_SHARED, O_RDWR, O_SYNC};

use crate::support::board::{self, reg};
use crate::support::dev::{self, Spec};
use crate::support::mem::{Map, PAGE, RW};
use crate::support::{sys, uapi};
use crate::tests;

tests! {
    board:
        board_has_the_windows_of_its_tree,
        board_sram_window_is_the_memory_on_the_chip,
        board_sram_driver_keeps_the_rest_of_the_chip;
}

/// The board's nodes with this property.
fn windows_with(property: &str) -> Vec<String> {
    let mut names = dev::names_in("/proc/device-tree/fanlight");
    names.retain(|name| board::window(name).join(property).exists());
    names
}

fn board_has_the_windows_of_its_tree() {
    let mut expected: Vec<String> = dev::names_in("/proc/device-tree/fanlight")
        .into_iter()
        .filter(|name| board::window(name).is_dir())
        .map(|node| match board::string(&board::window(&node), "label") {
            label if label.is_empty() => node.split('@').next().unwrap_or_default().to_owned(),
            label => label,
        })
        .collect();
    if board::window("log").join("memory-region").exists() {
        expected.push("log.prev".to_owned());
    }
    expected.sort();
    assert!(!expected.is_empty(), "the board's tree has no windows");
    let mut there = dev::names_in("/dev/fanlight0");
    there.retain(|name| !name.starts_with("log.prev.") || expected.contains(name));
    there.sort();
    assert_eq!(there, expected);
}

/// The first window in memory on the chip: its name, and its partition.
fn partition() -> (String, PathBuf) {
    let windows = windows_with("sram");
    let Some(name) = windows.into_iter().next() else {
        crate::skip!("the board has no window with sram")
    };
    let phandle = board::cells(&board::window(&name), "sram")[0];
    (name, board::node_of(phandle))
}

fn board_sram_window_is_the_memory_on_the_chip() {
    let (name, partition) = partition();
    let (offset, size) = reg(&partition);
    let chip = reg(partition.parent().expect("the chip's memory")).0;
    let start = chip + offset;
    let name: &'static str = name.leak();
    let window = Spec {
        node: "fanlight",
        child: name,
        name,
        backing: uapi::BACKING_CARVEOUT,
        cache: uapi::CACHE_WRITECOMBINE,
        size,
        read_only: false,
    };
    let info = window.open().info();
    assert_eq!((info.phys, info.size), (start as u64, size as u64));

    let map = window.open().map();
    let Ok(mem) = sys::open("/dev/mem", O_RDWR | O_SYNC) else {
        crate::skip!("no /dev/mem")
    };
    let physical = |address: usize| {
        Map::new(mem.as_raw_fd(), PAGE, RW, MAP_SHARED, address / PAGE).expect("mmap of /dev/mem")
    };
    map.store32(0, 0x2a96_0001).unwrap();
    map.store32(size - 4, 0x2a96_0002).unwrap();
    assert_eq!(physical(start).load32(0), Ok(0x2a96_0001));
    let last = physical(start + size - PAGE);
    assert_eq!(last.load32(PAGE - 4), Ok(0x2a96_0002));
}

fn board_sram_driver_keeps_the_rest_of_the_chip() {
    let (_, partition) = partition();
    let chip = reg(partition.parent().expect("the chip's memory")).0;
    let iomem = fs::read_to_string("/proc/iomem").unwrap();
    let line = iomem
        .lines()
        .find(|line| line.trim().starts_with(&format!("{chip:08x}-")));
    let line = line.unwrap_or_else(|| panic!("no SRAM at {chip:#x}:\n{iomem}"));
    assert!(line.contains("sram"), "{line}");
}
