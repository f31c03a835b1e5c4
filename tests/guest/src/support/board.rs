// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties of the board that the tests run on, read from its live device tree.

use std::fs;
use std::path::{Path, PathBuf};

use crate::skip;
use crate::support::uapi;

const TREE: &str = "/proc/device-tree";

/// A property's cells, or none if it is not there.
pub fn cells(node: &Path, property: &str) -> Vec<u32> {
    let bytes = fs::read(node.join(property)).unwrap_or_default();
    let cells = bytes.chunks_exact(4);
    cells
        .map(|cell| u32::from_be_bytes(cell.try_into().unwrap()))
        .collect()
}

/// A property's first string, or an empty one.
pub fn string(node: &Path, property: &str) -> String {
    let bytes = fs::read(node.join(property)).unwrap_or_default();
    let first = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(first).into_owned()
}

/// The address and the size in a node's reg. The buses above it must not translate addresses.
pub fn reg(node: &Path) -> (usize, usize) {
    let parent = node.parent().expect("a node below the root");
    let count = |name, usual| cells(parent, name).first().copied().unwrap_or(usual) as usize;
    let (addresses, sizes) = (count("#address-cells", 2), count("#size-cells", 1));
    let reg = cells(node, "reg");
    let number = |cells: &[u32]| {
        let number = cells.iter().fold(0, |n, cell| (n << 32) | u64::from(*cell));
        usize::try_from(number).expect("an address of 32 bits")
    };
    let (address, rest) = reg.split_at_checked(addresses).expect("an address");
    (number(address), number(&rest[..sizes]))
}

/// The node that a phandle refers to.
pub fn node_of(phandle: u32) -> PathBuf {
    fn find(directory: &Path, phandle: u32) -> Option<PathBuf> {
        if cells(directory, "phandle") == [phandle] {
            return Some(directory.to_owned());
        }
        let entries = fs::read_dir(directory).ok()?.flatten();
        let mut nodes = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        nodes.find_map(|entry| find(&entry.path(), phandle))
    }
    find(Path::new(TREE), phandle).expect("a node for the phandle")
}

/// The node of the board's window `name`.
pub fn window(name: &str) -> PathBuf {
    Path::new(TREE).join("fanlight").join(name)
}

/// The address of a reserved memory region of the tests. Its node's name has the address that the
/// region has on virt-arm.
pub fn reserved(node: &str) -> usize {
    let path = Path::new(TREE).join("reserved-memory").join(node);
    if !path.exists() {
        skip!(
            "the device tree has no reserved-memory/{node}: boot with the overlays of tests/boots"
        );
    }
    reg(&path).0
}

/// The address of the framebuffer, if the device tree decides it.
pub fn framebuffer() -> Option<usize> {
    let region = cells(&window("fb"), "memory-region");
    region.first().map(|phandle| reg(&node_of(*phandle)).0)
}

/// The scanouts: in the device tree, in sysfs and the tool, in the ABI.
const SCANOUTS: [(&str, &str, u32); 3] = [
    ("none", "none", uapi::SCANOUT_NONE),
    ("ramfb", "ramfb", uapi::SCANOUT_RAMFB),
    ("rpi-firmware", "rpi", uapi::SCANOUT_RPI),
];

fn scanout_of_the_tree() -> (&'static str, &'static str, u32) {
    let name = string(&window("fb"), "fanlight,scanout");
    let known = SCANOUTS.into_iter().find(|(tree, ..)| *tree == name);
    match known {
        Some(scanout) => scanout,
        None if name.is_empty() => SCANOUTS[0],
        None => panic!("no scanout {name} is known here"),
    }
}

/// The scanout of the framebuffer, as sysfs and the tool name it.
pub fn scanout_name() -> &'static str {
    scanout_of_the_tree().1
}

/// The scanout of the framebuffer.
pub fn scanout() -> u32 {
    scanout_of_the_tree().2
}
