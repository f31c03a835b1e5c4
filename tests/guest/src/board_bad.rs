// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nodes that must be refused (row 25), each for the reason it has in tests/dts/bad.dtso: one clear line, no device.

use std::fs;
use std::path::Path;

use crate::dev;
use crate::skip;
use crate::tests;

tests! {
    quick:
        board_bad_no_windows_is_refused,
        board_bad_no_region_is_refused,
        board_bad_cached_only_is_refused,
        board_bad_missing_size_is_refused,
        board_bad_zero_size_is_refused,
        board_bad_unaligned_size_is_refused,
        board_bad_unaligned_start_is_refused,
        board_bad_unaligned_length_is_refused,
        board_bad_size_beyond_region_is_refused,
        board_bad_over_ram_is_refused,
        board_bad_half_over_ram_is_refused,
        board_bad_without_no_map_is_refused,
        board_bad_empty_reg_is_refused,
        board_bad_reg_wraps_is_refused,
        board_bad_phandle_is_refused,
        board_bad_sram_phandle_is_refused,
        board_bad_two_sources_is_refused,
        board_bad_region_twice_is_had_once,
        board_bad_name_twice_is_had_once,
        board_bad_name_slash_is_refused,
        board_bad_name_empty_is_refused,
        board_bad_name_long_is_refused,
        board_bad_name_reserved_is_refused,
        board_bad_cache_is_refused,
        board_bad_wc_coherent_is_refused,
        board_bad_noncached_pages_is_refused,
        board_bad_noncached_vmalloc_is_refused,
        board_bad_cached_regs_is_refused,
        board_bad_cached_scanout_is_refused,
        board_bad_noncached_sram_is_refused,
        board_bad_log_cached_is_refused,
        board_bad_log_noncached_is_refused,
        board_bad_mapping_is_refused,
        board_bad_mapping_wc_is_refused,
        board_bad_mapping_carveout_is_refused,
        board_bad_backing_is_refused,
        board_bad_huge_contiguous_is_refused,
        board_bad_huge_vmalloc_is_refused,
        board_bad_format_is_refused,
        board_bad_no_format_is_refused,
        board_bad_no_height_is_refused,
        board_bad_zero_width_is_refused,
        board_bad_short_stride_is_refused,
        board_bad_odd_stride_is_refused,
        board_bad_big_picture_is_refused,
        board_bad_overflow_is_refused,
        board_bad_no_pages_is_refused,
        board_bad_many_pages_is_refused,
        board_bad_scanout_is_refused,
        board_bad_scanout_of_memory_is_refused,
        board_bad_log_odd_is_refused,
        board_bad_log_small_is_refused,
        board_bad_log_level_is_refused,
        board_bad_nodes_are_all_tested,
        board_bad_node_stays_refused_when_bound_again;
}

/// Lines of the kernel's log that speak of a device of ours: what follows `fanlight <device>: `.
fn lines_of(node: &str) -> Vec<String> {
    let log = kernel_log();
    let prefix = format!("fanlight {node}: ");
    log.lines()
        .filter_map(|line| line.split_once(&prefix))
        .map(|(_, text)| text.to_owned())
        .collect()
}

fn kernel_log() -> String {
    let output = std::process::Command::new("dmesg")
        .output()
        .unwrap_or_else(|_| skip!("no dmesg"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Checks the refusal of a node: the driver core names the error, and the driver says one line, about this window.
fn refused(node: &str, window: &str, errors: &[i32]) {
    if !dev::node_exists(node) {
        skip!("the device tree has no {node}: boot with tests/dts/bad.dtso");
    }
    assert!(
        Path::new("/sys/bus/platform/devices").join(node).exists(),
        "{node} is no device at all"
    );
    assert!(!dev::is_bound(node), "{node} was accepted");
    assert!(
        dev::misc_of(node).is_empty(),
        "{node} left {:?} behind",
        dev::misc_of(node)
    );
    let (core, own): (Vec<String>, Vec<String>) = lines_of(node)
        .into_iter()
        .partition(|line| line.contains("probe with driver fanlight failed"));
    println!("{own:?} {core:?}");
    assert_eq!(own.len(), 1, "one line, and one only");
    assert_eq!(core.len(), 1, "the driver core's line");
    let error: i32 = core[0]
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .expect("an error number");
    assert!(errors.contains(&error), "refused with {error}");
    if !window.is_empty() {
        let prefix = format!("window {window}: ");
        let reason = own[0]
            .strip_prefix(&prefix)
            .unwrap_or_else(|| panic!("no `{prefix}` in {:?}", own[0]));
        assert!(reason.len() > 8, "{reason:?} is no reason");
    }
}

const INVALID: &[i32] = &[-libc::EINVAL];
const IN_RAM: &[i32] = &[-libc::EINVAL, -libc::EBUSY];
const TAKEN: &[i32] = &[-libc::EINVAL, -libc::EBUSY, -libc::EEXIST];
const TOO_MUCH: &[i32] = &[-libc::EINVAL, -libc::ENOMEM];

macro_rules! bad {
    ($($test:ident: $node:literal, $window:literal, $errors:ident;)+) => {
        $(fn $test() {
            refused(concat!("fanlight-bad-", $node), $window, $errors);
        })+
        /// Without the prefix.
        const NODES: &[&str] = &[$($node),+];
    };
}

bad! {
    board_bad_no_windows_is_refused: "no-windows", "", INVALID;
    board_bad_no_region_is_refused: "no-region", "w", INVALID;
    board_bad_cached_only_is_refused: "cached-only", "w", INVALID;
    board_bad_missing_size_is_refused: "missing-size", "w", INVALID;
    board_bad_zero_size_is_refused: "zero-size", "w", INVALID;
    board_bad_unaligned_size_is_refused: "unaligned-size", "w", INVALID;
    board_bad_unaligned_start_is_refused: "unaligned-start", "w", INVALID;
    board_bad_unaligned_length_is_refused: "unaligned-length", "w", INVALID;
    board_bad_size_beyond_region_is_refused: "size-beyond-region", "w", INVALID;
    board_bad_over_ram_is_refused: "over-ram", "w", IN_RAM;
    board_bad_half_over_ram_is_refused: "half-over-ram", "w", IN_RAM;
    board_bad_without_no_map_is_refused: "without-no-map", "w", IN_RAM;
    board_bad_empty_reg_is_refused: "empty-reg", "w", INVALID;
    board_bad_reg_wraps_is_refused: "reg-wraps", "w", INVALID;
    board_bad_phandle_is_refused: "phandle", "w", INVALID;
    board_bad_sram_phandle_is_refused: "sram-phandle", "w", INVALID;
    board_bad_two_sources_is_refused: "two-sources", "w", INVALID;
    board_bad_name_slash_is_refused: "name-slash", "", INVALID;
    board_bad_name_empty_is_refused: "name-empty", "", INVALID;
    board_bad_name_long_is_refused: "name-long", "", INVALID;
    board_bad_name_reserved_is_refused: "name-reserved", "log.prev", TAKEN;
    board_bad_cache_is_refused: "cache", "w", INVALID;
    board_bad_wc_coherent_is_refused: "wc-coherent", "w", INVALID;
    board_bad_noncached_pages_is_refused: "noncached-pages", "w", INVALID;
    board_bad_noncached_vmalloc_is_refused: "noncached-vmalloc", "w", INVALID;
    board_bad_cached_regs_is_refused: "cached-regs", "w", INVALID;
    board_bad_cached_scanout_is_refused: "cached-scanout", "w", INVALID;
    board_bad_noncached_sram_is_refused: "noncached-sram", "w", INVALID;
    board_bad_log_cached_is_refused: "log-cached", "log", INVALID;
    board_bad_log_noncached_is_refused: "log-noncached", "log", INVALID;
    board_bad_mapping_is_refused: "mapping", "w", INVALID;
    board_bad_mapping_wc_is_refused: "mapping-wc", "w", INVALID;
    board_bad_mapping_carveout_is_refused: "mapping-carveout", "w", INVALID;
    board_bad_backing_is_refused: "backing", "w", INVALID;
    board_bad_huge_contiguous_is_refused: "huge-contiguous", "w", TOO_MUCH;
    board_bad_huge_vmalloc_is_refused: "huge-vmalloc", "w", TOO_MUCH;
    board_bad_format_is_refused: "format", "w", INVALID;
    board_bad_no_format_is_refused: "no-format", "w", INVALID;
    board_bad_no_height_is_refused: "no-height", "w", INVALID;
    board_bad_zero_width_is_refused: "zero-width", "w", INVALID;
    board_bad_short_stride_is_refused: "short-stride", "w", INVALID;
    board_bad_odd_stride_is_refused: "odd-stride", "w", INVALID;
    board_bad_big_picture_is_refused: "big-picture", "w", INVALID;
    board_bad_overflow_is_refused: "overflow", "w", INVALID;
    board_bad_no_pages_is_refused: "no-pages", "w", INVALID;
    board_bad_many_pages_is_refused: "many-pages", "w", INVALID;
    board_bad_scanout_is_refused: "scanout", "w", INVALID;
    board_bad_scanout_of_memory_is_refused: "scanout-of-memory", "w", INVALID;
    board_bad_log_odd_is_refused: "log-odd", "log", INVALID;
    board_bad_log_small_is_refused: "log-small", "log", INVALID;
    board_bad_log_level_is_refused: "log-level", "log", INVALID;
}

/// Nodes of which one window can be had, and the other one can't.
const TWICE: &[&str] = &["region-twice", "name-twice"];

/// Checks that a node has one window, and a line about the other one.
fn had_once(node: &str) {
    if !dev::node_exists(node) {
        skip!("the device tree has no {node}: boot with tests/dts/bad.dtso");
    }
    assert!(dev::is_bound(node), "{node} is not bound");
    let misc = dev::misc_of(node);
    assert_eq!(misc.len(), 1, "{misc:?}");
    let lines = lines_of(node);
    let refusals = lines.iter().filter(|line| line.starts_with("window "));
    assert_eq!(refusals.count(), 1, "{lines:?}");
}

fn board_bad_region_twice_is_had_once() {
    had_once("fanlight-bad-region-twice");
}

fn board_bad_name_twice_is_had_once() {
    had_once("fanlight-bad-name-twice");
}

fn board_bad_nodes_are_all_tested() {
    let nodes = dev::names_in("/proc/device-tree");
    let bad: Vec<&str> = nodes
        .iter()
        .filter_map(|name| name.strip_prefix("fanlight-bad-"))
        .collect();
    if bad.is_empty() {
        skip!("the device tree has no bad nodes: boot with tests/dts/bad.dtso");
    }
    let untested: Vec<&&str> = bad
        .iter()
        .filter(|&&n| n != "phandle-target" && !NODES.contains(&n) && !TWICE.contains(&n))
        .collect();
    assert!(untested.is_empty(), "{untested:?}");
}

fn board_bad_node_stays_refused_when_bound_again() {
    // What a failed probe leaves behind shows when it is tried again and again.
    let node = "fanlight-bad-name-slash";
    if !dev::node_exists(node) {
        skip!("the device tree has no {node}: boot with tests/dts/bad.dtso");
    }
    for _ in 0..20 {
        assert!(fs::write("/sys/bus/platform/drivers/fanlight/bind", node).is_err());
        assert!(dev::misc_of(node).is_empty());
    }
}
