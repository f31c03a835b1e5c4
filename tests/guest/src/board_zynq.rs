// SPDX-License-Identifier: MIT OR Apache-2.0
//! The smallest board, a Zynq: one window of memory that is on the chip.

use std::fs;
use std::os::fd::AsRawFd;

use libc::{MAP_SHARED, O_RDWR, O_SYNC};

use crate::dev::Spec;
use crate::mem::{Map, PAGE, RW};
use crate::tests;
use crate::{sys, uapi};

tests! {
    zynq:
        board_zynq_has_its_two_windows,
        board_zynq_window_is_the_memory_on_the_chip,
        board_zynq_kernel_keeps_its_half;
}

/// The second half of the on-chip memory, as dts/zynq.dtso has it.
const ADDRESS: usize = 0xfffc_8000;
const OCM: Spec = Spec {
    node: "fanlight",
    child: "sram",
    name: "sram",
    backing: uapi::BACKING_CARVEOUT,
    cache: uapi::CACHE_NONCACHED,
    size: 0x8000,
    read_only: false,
};

fn board_zynq_has_its_two_windows() {
    assert_eq!(crate::dev::names_in("/dev/fanlight0"), ["log", "sram"]);
    assert_eq!(OCM.open().info().size, OCM.size as u64);
}

fn board_zynq_window_is_the_memory_on_the_chip() {
    let window = OCM.open().map();
    let Ok(mem) = sys::open("/dev/mem", O_RDWR | O_SYNC) else {
        crate::skip!("no /dev/mem")
    };
    let chip = |address: usize| {
        Map::new(mem.as_raw_fd(), PAGE, RW, MAP_SHARED, address / PAGE).expect("mmap of /dev/mem")
    };
    window.store32(0, 0x2a96_0001).unwrap();
    window.store32(OCM.size - 4, 0x2a96_0002).unwrap();
    assert_eq!(chip(ADDRESS).load32(0), Ok(0x2a96_0001));
    assert_eq!(
        chip(ADDRESS + OCM.size - PAGE).load32(PAGE - 4),
        Ok(0x2a96_0002)
    );
    assert_eq!(OCM.open().info().phys, ADDRESS as u64);
}

fn board_zynq_kernel_keeps_its_half() {
    let iomem = fs::read_to_string("/proc/iomem").unwrap();
    let line = iomem
        .lines()
        .find(|line| line.contains("fffc0000"))
        .expect("the SRAM in /proc/iomem");
    assert!(line.contains("sram"), "{line}");
}
