// SPDX-License-Identifier: MIT OR Apache-2.0
//! An independent copy of the ABI of driver/uapi/fanlight.h: a test fails if the layout of the
//! driver or of the library changes, even if both change in the same way.

#![allow(dead_code, reason = "a copy of the whole ABI")]

pub const ABI: u32 = 2;

pub const BACKING_CARVEOUT: u32 = 1;
pub const BACKING_CONTIGUOUS: u32 = 2;
pub const BACKING_VMALLOC: u32 = 3;

pub const CACHE_WRITECOMBINE: u32 = 1;
pub const CACHE_NONCACHED: u32 = 2;
pub const CACHE_CACHED: u32 = 3;

pub const KIND_MEMORY: u32 = 1;
pub const KIND_FRAMEBUFFER: u32 = 2;
pub const KIND_LOG: u32 = 3;

pub const RIGHT_READ: u32 = 1;
pub const RIGHT_WRITE: u32 = 2;
pub const RIGHT_MAP_READ: u32 = 4;
pub const RIGHT_MAP_WRITE: u32 = 8;

pub const SCANOUT_NONE: u32 = 0;
pub const SCANOUT_RAMFB: u32 = 1;
pub const SCANOUT_RPI: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    pub abi: u32,
    pub kind: u32,
    pub backing: u32,
    pub cache: u32,
    pub rights: u32,
    pub scanout: u32,
    pub size: u64,
    pub phys: u64,
    pub width: u32,
    pub height: u32,
    pub stride: u32,
    pub format: u32,
    pub pages: u32,
    pub instance: u32,
    pub name: [u8; 32],
    pub reg_io_width: u32,
    pub offset: u32,
    pub reserved: [u32; 6],
}

impl Info {
    pub fn name(&self) -> String {
        let end = self
            .name
            .iter()
            .position(|&b| b == 0)
            .expect("a NUL at the end of the name");
        String::from_utf8(self.name[..end].to_vec()).expect("a readable name")
    }
}

pub const LOG_MAGIC: u32 = 0x474c_4e46;
pub const LOG_VERSION: u32 = 3;

pub const LANE_KERNEL: usize = 0;
pub const LANE_USER: usize = 1;
pub const LANES: usize = 2;
/// Where they are in the header.
pub const LANES_AT: usize = 64;
pub const CLOCKS_AT: usize = 128;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLane {
    pub head: u32,
    pub tail: u32,
    pub epoch: u32,
    pub offset: u32,
    pub size: u32,
    pub reserved: [u32; 3],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct LogHeader {
    pub magic: u32,
    pub version: u32,
    pub header_size: u32,
    pub data_size: u32,
    pub first_seq: u64,
    pub boot_id: [u8; 16],
    pub reserved: [u8; 24],
    pub lanes: [LogLane; LANES],
}

pub const LOG_CLOCKS: usize = 60;

/// What follows the lanes in the header.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LogClocks {
    pub changes: u32,
    pub count: u32,
    pub reserved: [u32; 2],
    pub entries: [LogClock; LOG_CLOCKS],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogClock {
    pub ns: u64,
    pub offset: i64,
}

pub const RECORD_WHOLE: u32 = 0xa5;
pub const RECORD_FILLER: u32 = 0x5a;
pub const RECORD_OPEN: u32 = 0x3c;
pub const RECORD_MAX: usize = 2048;
pub const RECORD_HEADER: usize = 32;

pub const RECORD_USER: u8 = 1;
pub const RECORD_CONT: u8 = 2;
pub const RECORD_EMERGENCY: u8 = 4;
pub const RECORD_MODULE: u8 = 8;
pub const RECORD_PLAIN: u8 = 16;

pub const FORM_KMSG: u32 = 0;
pub const FORM_TEXT: u32 = 1;
pub const FORM_BINARY: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Watermark {
    pub records: u32,
    pub bytes: u32,
    pub delay_us: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct LogStats {
    pub written: u64,
    pub overwritten: u64,
    pub dropped: u64,
    pub kernel_missed: u64,
    pub lost: u64,
    pub limited: u64,
    pub own_limited: u64,
    pub reserved: [u64; 1],
}

const fn ioc(direction: u32, number: u32, size: usize) -> u32 {
    (direction << 30) | ((size as u32) << 16) | (0xf4 << 8) | number
}

pub const IOC_INFO: u32 = ioc(2, 0x00, size_of::<Info>());
pub const IOC_LOG_FORM: u32 = ioc(1, 0x10, 4);
pub const IOC_LOG_WATERMARK: u32 = ioc(1, 0x11, size_of::<Watermark>());
pub const IOC_LOG_STATS: u32 = ioc(2, 0x12, size_of::<LogStats>());
pub const IOC_LOG_CLEAR: u32 = ioc(0, 0x13, 0);
pub const IOC_LOG_FORGET: u32 = ioc(0, 0x14, 0);

const _: () = assert!(size_of::<Info>() == 128);
const _: () = assert!(size_of::<LogLane>() == 32);
const _: () = assert!(size_of::<LogHeader>() == CLOCKS_AT);
const _: () = assert!(CLOCKS_AT == LANES_AT + LANES * 32);
const _: () = assert!(size_of::<LogStats>() == 64);
