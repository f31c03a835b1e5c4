// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks that the initramfs fits in the guest's memory.
//!
//! QEMU and the kernel do not detect an initramfs that overlaps a reserved region of the tree,
//! which corrupts either the files or the region.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use crate::options::Options;
use crate::qemu::Media;

/// Fails if the initramfs of a boot overlaps a reserved region of its tree.
pub fn check(options: &Options, media: &Media, tree: &Path) -> io::Result<()> {
    let Media::Initrd(initrd, _) = media else {
        return Ok(());
    };
    let start = options.target.machine.initrd_start(options);
    let size = fs::metadata(initrd)?.len();
    let tree_size = fs::metadata(tree)?.len();
    overlap(start, size, tree_size, &reserved(tree)?).map_err(io::Error::other)
}

/// The tree is after the initramfs.
fn overlap(start: u64, size: u64, tree: u64, reserved: &[Range<u64>]) -> Result<(), String> {
    let end = start + size.next_multiple_of(4096) + tree;
    let first = reserved
        .iter()
        .filter(|region| region.start < end && start < region.end)
        .min_by_key(|region| region.start);
    match first {
        None => Ok(()),
        Some(region) => Err(format!(
            "the initramfs has {} MiB, and there is room for {} MiB below the reserved region at \
             {:#x}: put fewer or smaller files into OVERLAY",
            size.div_ceil(1 << 20),
            region.start.saturating_sub(start) >> 20,
            region.start
        )),
    }
}

/// The regions that have an address in the tree's /reserved-memory.
fn reserved(tree: &Path) -> io::Result<Vec<Range<u64>>> {
    let get = |options: &[&str], names: &[&str]| -> io::Result<Option<String>> {
        let output = Command::new("fdtget")
            .args(options)
            .arg(tree)
            .args(names)
            .output()
            .map_err(|error| io::Error::other(format!("fdtget: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.success().then_some(text))
    };
    let number = |name| -> io::Result<usize> {
        let text = get(&["-t", "u"], &["/reserved-memory", name])?;
        Ok(text.unwrap_or_default().trim().parse().unwrap_or(1))
    };
    let (address, size) = (number("#address-cells")?, number("#size-cells")?);
    let nodes = get(&["-l"], &["/reserved-memory"])?.unwrap_or_default();
    let mut regions = Vec::new();
    for node in nodes.lines() {
        let path = format!("/reserved-memory/{node}");
        // A region that the kernel places itself has none.
        if let Some(cells) = get(&["-t", "x"], &[&path, "reg"])? {
            regions.extend(ranges(&cells, address, size));
        }
    }
    Ok(regions)
}

/// Reads the cells of a `reg`, as fdtget prints them.
fn ranges(text: &str, address: usize, size: usize) -> Vec<Range<u64>> {
    let cells: Vec<u64> = text
        .split_whitespace()
        .filter_map(|cell| u64::from_str_radix(cell, 16).ok())
        .collect();
    let value = |cells: &[u64]| {
        cells
            .iter()
            .fold(0u64, |value, cell| (value << 32) | (cell & 0xffff_ffff))
    };
    cells
        .chunks_exact(address + size)
        .map(|entry| {
            let (start, size) = entry.split_at(address);
            value(start)..value(start).saturating_add(value(size))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{overlap, ranges};

    #[test]
    fn build_reserved_ranges_are_read() {
        let above = ranges("0 50000000 0 4b0000 1 0 0 1000\n", 2, 2);
        assert_eq!(
            above,
            [0x5000_0000..0x504b_0000, 0x1_0000_0000..0x1_0000_1000]
        );
        let several = ranges("20000000 1000 30000000 2000", 1, 1);
        assert_eq!(
            several,
            [0x2000_0000..0x2000_1000, 0x3000_0000..0x3000_2000]
        );
    }

    #[test]
    fn build_initramfs_that_reaches_into_a_reserved_region_is_refused() {
        let reserved = [0x5080_0000..0x5084_0000, 0x5000_0000..0x504b_0000];
        let fits = |mib: u64| overlap(0x4800_0000, mib << 20, 0x4000, &reserved);
        assert_eq!(fits(100), Ok(()));
        let refused = fits(128).unwrap_err();
        assert!(refused.contains("128 MiB below the reserved region at 0x50000000"));
        assert_eq!(overlap(0x4800_0000, 200 << 20, 0, &[]), Ok(()));
    }
}
