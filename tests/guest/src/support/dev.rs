// SPDX-License-Identifier: MIT OR Apache-2.0
//! The windows that the device trees of the tests describe, and how to find and open them.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use crate::skip;
use crate::support::kernel;
use crate::support::mem::Map;
use crate::support::sys;
use crate::support::uapi::{self, Info};
use crate::support::wait;

/// A window as a device tree has it.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The node of the instance, in the root.
    pub node: &'static str,
    /// The node of the window, in that one.
    pub child: &'static str,
    pub name: &'static str,
    pub backing: u32,
    pub cache: u32,
    pub size: usize,
    pub read_only: bool,
}

const WINDOWS: &str = "fanlight-windows";

const fn carveout(child: &'static str, name: &'static str, cache: u32, size: usize) -> Spec {
    Spec {
        node: WINDOWS,
        child,
        name,
        backing: uapi::BACKING_CARVEOUT,
        cache,
        size,
        read_only: false,
    }
}

const fn kernel(name: &'static str, backing: u32, size: usize, read_only: bool) -> Spec {
    Spec {
        node: WINDOWS,
        child: name,
        name,
        backing,
        cache: uapi::CACHE_CACHED,
        size,
        read_only,
    }
}

pub const FB: Spec = Spec {
    node: "fanlight",
    child: "fb",
    name: "fb",
    backing: uapi::BACKING_CARVEOUT,
    cache: uapi::CACHE_WRITECOMBINE,
    size: 0x4b_0000,
    read_only: false,
};
pub const LOG: Spec = Spec {
    node: "fanlight",
    child: "log",
    name: "log",
    backing: uapi::BACKING_VMALLOC,
    cache: uapi::CACHE_CACHED,
    // A page for the header, 1 MiB for the kernel's records and a quarter of that for those of
    // programs.
    size: 0x14_1000,
    read_only: true,
};
pub const SCRATCH: Spec = Spec {
    node: "fanlight",
    child: "scratch",
    name: "scratch",
    backing: uapi::BACKING_CONTIGUOUS,
    cache: uapi::CACHE_CACHED,
    size: 0x1_0000,
    read_only: false,
};
pub const CARVE_WC: Spec = carveout("carve-wc", "carve-wc", uapi::CACHE_WRITECOMBINE, 0x10_0000);
pub const CARVE_NC: Spec = carveout("carve-nc", "carve-nc", uapi::CACHE_NONCACHED, 0x4_0000);
pub const CARVE_CACHED: Spec =
    carveout("carve-cached", "carve-cached", uapi::CACHE_CACHED, 0x4_0000);
pub const CARVE_RO: Spec = Spec {
    read_only: true,
    ..carveout("carve-ro", "carve-ro", uapi::CACHE_WRITECOMBINE, 0x1_0000)
};
pub const MAILBOX: Spec = carveout("odd-name", "mailbox", uapi::CACHE_WRITECOMBINE, 0x1_0000);
pub const SRAM: Spec = carveout("sram", "sram", uapi::CACHE_WRITECOMBINE, 0x4000);
pub const REGS: Spec = carveout("regs@51302000", "regs", uapi::CACHE_NONCACHED, 0x2000);
pub const CONTIG: Spec = kernel("contig", uapi::BACKING_CONTIGUOUS, 0x10_0000, false);
/// Mapped by page frame number, because of a property in the tree.
pub const CONTIG_PFN: Spec = kernel("contig-pfn", uapi::BACKING_CONTIGUOUS, 0x10_0000, false);
pub const CONTIG_RO: Spec = kernel("contig-ro", uapi::BACKING_CONTIGUOUS, 0x4000, true);
pub const TABLE: Spec = kernel("table", uapi::BACKING_VMALLOC, 0x10_0000, false);
pub const TABLE_RO: Spec = kernel("table-ro", uapi::BACKING_VMALLOC, 0x4000, true);
pub const TABLE_NOW: Spec = kernel("table-now", uapi::BACKING_VMALLOC, 0x10_0000, false);
/// Contiguous pages of a device that is not DMA-coherent.
pub const DMA_WC: Spec = Spec {
    node: "fanlight-dma",
    cache: uapi::CACHE_WRITECOMBINE,
    ..kernel("contig-wc", uapi::BACKING_CONTIGUOUS, 0x1_0000, false)
};
/// A framebuffer in such pages, and in those of a device that is DMA-coherent.
pub const DMA_FB: Spec = Spec {
    node: "fanlight-dma",
    cache: uapi::CACHE_WRITECOMBINE,
    ..kernel("fb-pages", uapi::BACKING_CONTIGUOUS, 0x2000, false)
};
pub const COHERENT_FB: Spec = Spec {
    node: "fanlight-coherent",
    cache: uapi::CACHE_CACHED,
    ..DMA_FB
};
/// More than the page allocator can allocate in one piece.
pub const BIG: Spec = Spec {
    node: "fanlight-big",
    ..kernel("big", uapi::BACKING_CONTIGUOUS, 0x80_0000, false)
};
/// More than there is in one piece in low memory. Of tests/dts/huge.dtso.
pub const HUGE: Spec = Spec {
    node: "fanlight-huge",
    ..kernel("huge", uapi::BACKING_CONTIGUOUS, 0x800_0000, false)
};
/// The second log: the smallest there may be, 32 and 16 KiB, and not persistent.
pub const LOG2: Spec = Spec {
    node: WINDOWS,
    size: 0xd000,
    ..LOG
};

/// The third: its copy is damaged by the tests.
pub const LOG3: Spec = Spec {
    node: "fanlight-persist",
    ..LOG2
};

/// All windows that can be written, one of each way of mapping and more.
pub const WRITABLE: &[Spec] = &[
    CARVE_WC,
    CARVE_NC,
    CARVE_CACHED,
    MAILBOX,
    SRAM,
    REGS,
    CONTIG,
    CONTIG_PFN,
    TABLE,
    TABLE_NOW,
    SCRATCH,
];
/// Those of them that support read() and write(): all but registers.
pub fn copyable() -> impl Iterator<Item = &'static Spec> {
    WRITABLE.iter().filter(|spec| spec.name != REGS.name)
}
/// One window of each way of mapping.
pub const EACH_BACKING: &[Spec] = &[CARVE_WC, CONTIG, CONTIG_PFN, TABLE, TABLE_NOW];
pub const READ_ONLY: &[Spec] = &[CARVE_RO, CONTIG_RO, TABLE_RO];
pub const PFN_MAPPED: &[Spec] = &[CARVE_WC, CARVE_NC, CARVE_CACHED, SRAM, REGS, CONTIG_PFN];
pub const PAGE_MAPPED: &[Spec] = &[CONTIG, TABLE, TABLE_NOW];

const TREE: &str = "/proc/device-tree";
const DRIVER: &str = "/sys/bus/platform/drivers/fanlight";

impl Spec {
    /// Ends the test as skipped if the running device tree does not have this window.
    pub fn needed(&self) {
        if !Path::new(TREE).join(self.node).join(self.child).exists() {
            skip!(
                "the device tree has no {}/{}: boot with tests/dts/windows.dtso",
                self.node,
                self.child
            );
        }
    }

    /// Whether private mappings of it can have copies of its pages. On arm64, mprotect() sets the
    /// memory type of originals and copies, and a copy is cached.
    pub fn has_copies(&self) -> bool {
        self.cache == uapi::CACHE_CACHED || !kernel::is_arm64()
    }

    /// The name of its misc device, `fanlightN-window`.
    pub fn misc(&self) -> String {
        self.needed();
        let suffix = format!("-{}", self.name);
        let all = misc_of(self.node);
        let found = all.iter().find(|misc| {
            misc.strip_suffix(&suffix)
                .and_then(|instance| instance.strip_prefix("fanlight"))
                .is_some_and(|n| n.parse::<u32>().is_ok())
        });
        found
            .cloned()
            .unwrap_or_else(|| panic!("{} has no window {}; it has {all:?}", self.node, self.name))
    }

    pub fn instance(&self) -> u32 {
        let misc = self.misc();
        let digits: String = misc["fanlight".len()..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().expect("a number")
    }

    /// Its node in /dev.
    pub fn path(&self) -> String {
        format!("/dev/fanlight{}/{}", self.instance(), self.name)
    }

    pub fn sysfs(&self) -> PathBuf {
        Path::new("/sys/class/misc").join(self.misc())
    }

    /// An attribute in sysfs, without its newline.
    pub fn attribute(&self, name: &str) -> String {
        let path = self.sysfs().join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.strip_suffix('\n')
            .unwrap_or_else(|| panic!("{name} has no newline: {text:?}"))
            .to_owned()
    }

    pub fn open(&self) -> Window {
        // A log can't be mapped writable, but it can be written to.
        let read_only = self.read_only && self.name != LOG.name;
        self.open_with(if read_only {
            libc::O_RDONLY
        } else {
            libc::O_RDWR
        })
    }

    pub fn open_with(&self, flags: i32) -> Window {
        let path = self.path();
        let fd = sys::open(&path, flags).unwrap_or_else(|e| panic!("open {path}: {e:?}"));
        Window { spec: *self, fd }
    }
}

/// An open window.
pub struct Window {
    pub spec: Spec,
    pub fd: OwnedFd,
}

impl Window {
    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Maps all of it, readable and, where it may be, writable.
    pub fn map(&self) -> Map {
        let prot = if self.spec.read_only {
            crate::support::mem::R
        } else {
            crate::support::mem::RW
        };
        Map::shared(self.raw(), self.spec.size, prot)
            .unwrap_or_else(|e| panic!("mmap {}: {e:?}", self.spec.name))
    }

    pub fn info(&self) -> Info {
        let mut info = Info {
            reserved: [!0; 6],
            reg_io_width: !0,
            ..Info::default()
        };
        sys::ioctl(self.raw(), uapi::IOC_INFO, &mut info).expect("FANLIGHT_IOC_INFO");
        info
    }
}

/// The misc devices of an instance.
pub fn misc_of(node: &str) -> Vec<String> {
    names_in(&format!("/sys/bus/platform/devices/{node}/misc"))
}

pub fn names_in(directory: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub fn node_exists(node: &str) -> bool {
    Path::new(TREE).join(node).exists()
}

/// The nodes that are bound to the driver now.
pub fn bound() -> Vec<String> {
    names_in(DRIVER)
        .into_iter()
        .filter(|name| name.starts_with("fanlight"))
        .collect()
}

pub fn is_bound(node: &str) -> bool {
    Path::new(DRIVER).join(node).exists()
}

pub fn unbind(node: &str) {
    fs::write(format!("{DRIVER}/unbind"), node).unwrap_or_else(|e| panic!("unbind {node}: {e}"));
}

pub fn bind(node: &str) -> std::io::Result<()> {
    fs::write(format!("{DRIVER}/bind"), node)
}

/// The path in /dev of a misc device.
pub fn path_of(misc: &str) -> PathBuf {
    let (instance, name) = misc.split_once('-').expect("fanlightN-window");
    Path::new("/dev").join(instance).join(name)
}

/// Waits until the device nodes of an instance are in /dev: devtmpfs makes them in a thread of its
/// own.
pub fn wait_for_node(node: &str) {
    let ready = || misc_of(node).iter().all(|misc| path_of(misc).exists());
    assert!(
        wait::until(ready),
        "{node} is bound, and its nodes do not come"
    );
}

/// Binds each unbound node of the driver that is not one of those that must be refused.
pub fn bind_everything() {
    // The test module keeps the driver from being removed.
    let _ = sys::delete_module(crate::support::module::NAME);
    for node in names_in("/sys/bus/platform/devices") {
        if node.starts_with("fanlight") && !node.starts_with("fanlight-bad") && !is_bound(&node) {
            let _ = bind(&node);
        }
    }
}

/// Unbinds an instance until this is dropped, however the test ends.
pub struct Unbound(String);

impl Unbound {
    pub fn new(node: &str) -> Self {
        unbind(node);
        Self(node.to_owned())
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        if !is_bound(&self.0) {
            let bound = bind(&self.0);
            if std::thread::panicking() {
                return;
            }
            bound.unwrap_or_else(|e| panic!("bind {}: {e}", self.0));
            wait_for_node(&self.0);
        }
    }
}

/// The windows called `log` of all bound instances. Their sizes are not filled in.
pub fn logs() -> Vec<Spec> {
    let is_log = |misc: &String| misc.ends_with("-log");
    let nodes = bound().into_iter();
    let nodes = nodes.filter(|node| misc_of(node).iter().any(is_log));
    nodes
        .map(|node| Spec {
            node: node.leak(),
            ..LOG2
        })
        .collect()
}

/// Unbinds instances until this is dropped, which binds them with the same numbers.
#[derive(Default)]
pub struct UnboundLogs(Vec<(u32, Unbound)>);

impl UnboundLogs {
    /// All that have a log but this one, whose log is the first from now on: that is where
    /// fanlight_log() writes.
    pub fn all_but(spec: &Spec) -> Self {
        spec.needed();
        let mut unbound = Self::default();
        for log in logs() {
            if log.node != spec.node {
                unbound.add(&log);
            }
        }
        unbound
    }

    pub fn add(&mut self, log: &Spec) {
        self.0.push((log.instance(), Unbound::new(log.node)));
    }
}

impl Drop for UnboundLogs {
    fn drop(&mut self) {
        // Each takes the lowest number that is free.
        self.0.sort_by_key(|&(number, _)| number);
    }
}
