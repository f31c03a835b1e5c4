// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nodes that must be refused (docs/test-plan.md, row 25), each for the reason that
//! tests/dts/bad.dtso names: one clear line, no device.

use std::fs;
use std::path::Path;

use crate::skip;
use crate::support::dev;
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
        board_bad_size_beyond_region_is_refused,
        board_bad_over_ram_is_refused,
        board_bad_half_over_ram_is_refused,
        board_bad_without_no_map_is_refused,
        board_bad_empty_reg_is_refused,
        board_bad_reg_wraps_is_refused,
        board_bad_phandle_is_refused,
        board_bad_sram_phandle_is_refused,
        board_bad_two_sources_is_refused,
        board_bad_page_of_ram_is_refused,
        board_bad_part_of_page_is_refused,
        board_bad_region_of_device_is_refused,
        board_bad_region_disabled_is_refused,
        board_bad_region_list_is_refused,
        board_bad_region_index_is_refused,
        board_bad_region_name_is_refused,
        board_bad_region_nowhere_is_refused,
        board_bad_sram_of_device_is_refused,
        board_bad_sram_pool_is_refused,
        board_bad_sram_export_is_refused,
        board_bad_sram_exec_is_refused,
        board_bad_sram_list_is_refused,
        board_bad_reg_list_is_refused,
        board_bad_no_ranges_is_refused,
        board_bad_misspelt_is_refused,
        board_bad_unknown_is_refused,
        board_bad_not_for_pages_is_refused,
        board_bad_not_for_memory_is_refused,
        board_bad_not_for_regs_is_refused,
        board_bad_not_for_log_is_refused,
        board_bad_level_without_region_is_refused,
        board_bad_parent_misspelt_is_refused,
        board_bad_parent_unknown_is_refused,
        board_bad_names_of_regions_is_refused,
        board_bad_grandchild_is_refused,
        board_bad_place_is_refused,
        board_bad_list_dangling_is_refused,
        board_bad_flag_is_refused,
        board_bad_cells_is_refused,
        board_bad_size_cells_is_refused,
        board_bad_size_two_numbers_is_refused,
        board_bad_size_string_is_refused,
        board_bad_size_digits_is_refused,
        board_bad_two_strings_is_refused,
        board_bad_label_number_is_refused,
        board_bad_region_twice_is_had_once,
        board_bad_page_twice_is_had_once,
        board_bad_type_twice_is_had_once,
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
        board_bad_cached_part_is_refused,
        board_bad_tail_of_ram_is_refused,
        board_bad_own_list_dangling_is_refused,
        board_bad_compatible_is_refused,
        board_bad_size_like_text_is_refused,
        board_bad_noncached_sram_is_refused,
        board_bad_log_cached_is_refused,
        board_bad_log_noncached_is_refused,
        board_bad_mapping_is_refused,
        board_bad_mapping_wc_is_refused,
        board_bad_mapping_carveout_is_refused,
        board_bad_backing_is_refused,
        board_bad_huge_contiguous_is_refused,
        board_bad_huge_vmalloc_is_refused,
        board_bad_tebibyte_vmalloc_is_refused,
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
        board_bad_scanout_format_is_refused,
        board_bad_io_width_is_refused,
        board_bad_io_width_gathered_is_refused,
        board_bad_io_width_memory_is_refused,
        board_bad_beyond_all_is_refused,
        board_bad_region_beyond_all_is_refused,
        board_bad_region_beyond_processor_is_refused,
        board_bad_display_region_is_refused,
        board_bad_display_backing_is_refused,
        board_bad_sram_owned_is_refused,
        board_bad_io_width_picture_is_refused,
        board_bad_log_odd_is_refused,
        board_bad_log_small_is_refused,
        board_bad_log_level_is_refused,
        board_bad_nodes_are_all_tested,
        board_bad_node_stays_refused_when_bound_again;
}

/// Lines of the kernel's log about a device of the driver: what follows `fanlight <device>: `.
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

/// Checks the refusal of a node: the driver core names the error, and the driver prints one line,
/// about this window, with `text` and the path of the node in it.
fn refused(node: &str, window: &str, errors: &[i32], text: &str) {
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
    // Kernels of 32 and of 64 bits may have different reasons.
    let found = text.split('|').any(|text| own[0].contains(text));
    assert!(found, "no {text:?} in {:?}", own[0]);
    let path = format!("(node /{node}");
    assert!(own[0].contains(&path), "no {path:?} in {:?}", own[0]);
}

const INVALID: &[i32] = &[-libc::EINVAL];
const IN_RAM: &[i32] = &[-libc::EINVAL, -libc::EBUSY];
const TAKEN: &[i32] = &[-libc::EINVAL, -libc::EBUSY, -libc::EEXIST];
const TOO_MUCH: &[i32] = &[-libc::EINVAL, -libc::ENOMEM];

macro_rules! bad {
    ($($test:ident: $node:literal, $window:literal, $errors:ident, $text:literal;)+) => {
        $(fn $test() {
            refused(concat!("fanlight-bad-", $node), $window, $errors, $text);
        })+
        /// Without the prefix.
        const NODES: &[&str] = &[$($node),+];
    };
}

bad! {
    board_bad_no_windows_is_refused: "no-windows", "", INVALID, "each is a child node";
    board_bad_no_region_is_refused: "no-region", "w", INVALID, "no region";
    board_bad_cached_only_is_refused: "cached-only", "w", INVALID, "no region";
    board_bad_missing_size_is_refused: "missing-size", "w", INVALID, "no region";
    board_bad_zero_size_is_refused: "zero-size", "w", INVALID, "size is 0";
    board_bad_unaligned_size_is_refused: "unaligned-size", "w", INVALID,
        "size is 0x1001, which is not a multiple of 0x1000";
    board_bad_unaligned_start_is_refused: "unaligned-start", "w", INVALID,
        "shares a page with System RAM";
    board_bad_size_beyond_region_is_refused: "size-beyond-region", "w", INVALID,
        "size is 0x2000, but its region has 0x1000 bytes";
    board_bad_over_ram_is_refused: "over-ram", "w", IN_RAM, "System RAM";
    board_bad_half_over_ram_is_refused: "half-over-ram", "w", IN_RAM, "System RAM";
    board_bad_without_no_map_is_refused: "without-no-map", "w", IN_RAM, "is no-map missing?";
    board_bad_empty_reg_is_refused: "empty-reg", "w", INVALID, "size 0";
    board_bad_reg_wraps_is_refused: "reg-wraps", "w", INVALID, "";
    board_bad_phandle_is_refused: "phandle", "w", INVALID,
        "memory-region points to no child of /reserved-memory";
    board_bad_sram_phandle_is_refused: "sram-phandle", "w", INVALID, "sram points to no partition";
    board_bad_two_sources_is_refused: "two-sources", "w", INVALID,
        "only one of memory-region, sram and reg";
    board_bad_page_of_ram_is_refused: "page-of-ram", "w", INVALID, "shares a page with System RAM";
    board_bad_part_of_page_is_refused: "part-of-page", "w", INVALID, "fanlight,map-whole-pages";
    board_bad_region_of_device_is_refused: "region-of-device", "w", INVALID,
        "no child of /reserved-memory";
    board_bad_region_disabled_is_refused: "region-disabled", "w", INVALID, "status";
    board_bad_region_list_is_refused: "region-list", "w", INVALID, "fanlight,region-name";
    board_bad_region_index_is_refused: "region-index", "w", INVALID, "lists 2";
    board_bad_region_name_is_refused: "region-name", "w", INVALID, "paeg";
    board_bad_region_nowhere_is_refused: "region-nowhere", "w", INVALID, "there is none";
    board_bad_sram_of_device_is_refused: "sram-of-device", "w", INVALID, "mmio-sram";
    board_bad_sram_pool_is_refused: "sram-pool", "w", INVALID, "pool";
    board_bad_sram_export_is_refused: "sram-export", "w", INVALID, "export";
    board_bad_sram_exec_is_refused: "sram-exec", "w", INVALID, "protect-exec";
    board_bad_sram_owned_is_refused: "sram-owned", "w", INVALID, "compatible";
    board_bad_sram_list_is_refused: "sram-list", "w", INVALID, "sram is one phandle";
    board_bad_reg_list_is_refused: "reg-list", "w", INVALID, "reg is one range";
    board_bad_no_ranges_is_refused: "no-ranges", "w", INVALID, "#size-cells or ranges";
    board_bad_misspelt_is_refused: "misspelt", "w", INVALID, "did you mean fanlight,read-only?";
    board_bad_unknown_is_refused: "unknown", "w", INVALID,
        "unknown property interrupts-extended-by-us: this window can have";
    board_bad_not_for_pages_is_refused: "not-for-pages", "w", INVALID,
        "fanlight,prefault does not apply";
    board_bad_not_for_memory_is_refused: "not-for-memory", "w", INVALID, "it is for logs";
    board_bad_not_for_regs_is_refused: "not-for-regs", "w", INVALID, "size does not apply";
    board_bad_not_for_log_is_refused: "not-for-log", "log", INVALID,
        "fanlight,read-only does not apply";
    board_bad_level_without_region_is_refused: "level-without-region", "log", INVALID,
        "needs memory-region";
    board_bad_parent_misspelt_is_refused: "parent-misspelt", "", INVALID,
        "unknown property memory-regions: did you mean memory-region?";
    board_bad_parent_unknown_is_refused: "parent-unknown", "", INVALID,
        "unknown property brightness: this node can have";
    board_bad_names_of_regions_is_refused: "names-of-regions", "w", INVALID,
        "the number of memory-region-names is 3, but that of regions in memory-region is 1";
    board_bad_grandchild_is_refused: "grandchild", "w", INVALID, "inner is a node below it";
    board_bad_place_is_refused: "place", "", INVALID,
        "fanlight,cache belongs in the node of a window";
    board_bad_list_dangling_is_refused: "list-dangling", "", INVALID,
        "entry 1 of memory-region points to no node";
    board_bad_flag_is_refused: "flag", "w", INVALID, "leave it out";
    board_bad_cells_is_refused: "cells", "w", INVALID,
        "width is one 32-bit number, as in width = <1>, but it has 2 cells";
    board_bad_size_cells_is_refused: "size-cells", "w", INVALID, "size is one number";
    board_bad_size_two_numbers_is_refused: "size-two-numbers", "w", TOO_MUCH,
        "size is 0x100000002000, which is too large|no contiguous memory of its size";
    board_bad_size_string_is_refused: "size-string", "w", INVALID, "it is a string";
    board_bad_size_digits_is_refused: "size-digits", "w", INVALID, "it is a string";
    board_bad_two_strings_is_refused: "two-strings", "w", INVALID, "it is 2 strings";
    board_bad_label_number_is_refused: "label-number", "", INVALID,
        "label is one string, but it is a number";
    board_bad_name_slash_is_refused: "name-slash", "", INVALID, "a name is";
    board_bad_name_empty_is_refused: "name-empty", "", INVALID, "a name is";
    board_bad_name_long_is_refused: "name-long", "", INVALID, "a name is";
    board_bad_name_reserved_is_refused: "name-reserved", "log.prev", TAKEN, "log.prev";
    board_bad_cache_is_refused: "cache", "w", INVALID,
        "fanlight,cache is writecombine, noncached or cached, not quick";
    board_bad_wc_coherent_is_refused: "wc-coherent", "w", INVALID,
        "kernel pages cannot be writecombine";
    board_bad_noncached_pages_is_refused: "noncached-pages", "w", INVALID,
        "kernel pages cannot be noncached";
    board_bad_noncached_vmalloc_is_refused: "noncached-vmalloc", "w", INVALID,
        "vmalloc memory is always cached";
    board_bad_cached_regs_is_refused: "cached-regs", "w", INVALID, "registers cannot be cached";
    board_bad_cached_scanout_is_refused: "cached-scanout", "w", INVALID,
        "not allowed with a scanout";
    board_bad_cached_part_is_refused: "cached-part", "w", INVALID, "needs a region of whole pages";
    board_bad_tail_of_ram_is_refused: "tail-of-ram", "w", INVALID, "shares a page with System RAM";
    board_bad_own_list_dangling_is_refused: "own-list-dangling", "w", INVALID,
        "entry 1 of memory-region points to no node";
    board_bad_compatible_is_refused: "compatible", "w", INVALID, "unknown property compatible";
    board_bad_size_like_text_is_refused: "size-like-text", "w", INVALID,
        "size is 0x20202000, but its region has";
    board_bad_noncached_sram_is_refused: "noncached-sram", "w", INVALID,
        "how the SRAM's driver maps it";
    board_bad_log_cached_is_refused: "log-cached", "log", INVALID, "always writecombine";
    board_bad_log_noncached_is_refused: "log-noncached", "log", INVALID, "always writecombine";
    board_bad_mapping_is_refused: "mapping", "w", INVALID, "fanlight,mapping is pages or pfn";
    board_bad_mapping_wc_is_refused: "mapping-wc", "w", INVALID, "leave fanlight,mapping out";
    board_bad_mapping_carveout_is_refused: "mapping-carveout", "w", INVALID, "fanlight,mapping";
    board_bad_backing_is_refused: "backing", "w", INVALID,
        "fanlight,backing is contiguous or vmalloc, not paper";
    board_bad_huge_contiguous_is_refused: "huge-contiguous", "w", TOO_MUCH, "contiguous memory";
    board_bad_huge_vmalloc_is_refused: "huge-vmalloc", "w", TOO_MUCH, "kernel memory";
    board_bad_tebibyte_vmalloc_is_refused: "tebibyte-vmalloc", "w", TOO_MUCH,
        "size is 0x10000000000, which is too large|no kernel memory of its size";
    board_bad_format_is_refused: "format", "w", INVALID,
        "unknown format x9r8g8b8: choose r5g6b5, ";
    board_bad_no_format_is_refused: "no-format", "w", INVALID, "format";
    board_bad_no_height_is_refused: "no-height", "w", INVALID, "height";
    board_bad_zero_width_is_refused: "zero-width", "w", INVALID, "width";
    board_bad_short_stride_is_refused: "short-stride", "w", INVALID, "stride";
    board_bad_odd_stride_is_refused: "odd-stride", "w", INVALID, "stride";
    board_bad_big_picture_is_refused: "big-picture", "w", INVALID, "too small";
    board_bad_overflow_is_refused: "overflow", "w", INVALID, "width";
    board_bad_no_pages_is_refused: "no-pages", "w", INVALID, "fanlight,pages is 1 to 4, not 0";
    board_bad_many_pages_is_refused: "many-pages", "w", INVALID,
        "fanlight,pages is 1 to 4, not 9";
    board_bad_scanout_is_refused: "scanout", "w", INVALID, "fanlight,scanout";
    board_bad_scanout_of_memory_is_refused: "scanout-of-memory", "w", INVALID, "fanlight,scanout";
    board_bad_scanout_format_is_refused: "scanout-format", "w", INVALID, "; it shows ";
    board_bad_io_width_is_refused: "io-width", "w", INVALID, "reg-io-width is 1, 2 or 4, not 3";
    board_bad_io_width_gathered_is_refused: "io-width-gathered", "w", INVALID,
        "reg-io-width is for registers";
    board_bad_io_width_memory_is_refused: "io-width-memory", "w", INVALID,
        "it is for registers (reg)";
    board_bad_beyond_all_is_refused: "beyond-all", "w", INVALID,
        "above 4 GiB|processor can address";
    board_bad_region_beyond_all_is_refused: "region-beyond-all", "w", INVALID, "address";
    board_bad_region_beyond_processor_is_refused: "region-beyond-processor", "w", INVALID,
        "cannot address|can address";
    board_bad_display_region_is_refused: "display-region", "w", INVALID,
        "memory-region does not apply";
    board_bad_display_backing_is_refused: "display-backing", "w", INVALID,
        "fanlight,backing does not apply";
    board_bad_io_width_picture_is_refused: "io-width-picture", "w", INVALID,
        "reg-io-width does not apply";
    board_bad_log_odd_is_refused: "log-odd", "log", INVALID, "size";
    board_bad_log_small_is_refused: "log-small", "log", INVALID, "size";
    board_bad_log_level_is_refused: "log-level", "log", INVALID,
        "fanlight,persist-level is 0 to 7, not 9";
}

/// Nodes with one window that can be created, and another one that cannot.
const TWICE: &[&str] = &["region-twice", "page-twice", "type-twice", "name-twice"];

/// Checks that a node has one window, and a line about the other one, with this text.
fn had_once(node: &str, text: &str) {
    if !dev::node_exists(node) {
        skip!("the device tree has no {node}: boot with tests/dts/bad.dtso");
    }
    assert!(dev::is_bound(node), "{node} is not bound");
    let misc = dev::misc_of(node);
    assert_eq!(misc.len(), 1, "{misc:?}");
    let lines = lines_of(node);
    let refusals = lines.iter().filter(|line| line.starts_with("window "));
    let refusals: Vec<&String> = refusals.collect();
    assert_eq!(refusals.len(), 1, "{lines:?}");
    assert!(refusals[0].contains(text), "no {text:?} in {refusals:?}");
}

fn board_bad_region_twice_is_had_once() {
    let node = "fanlight-bad-region-twice";
    had_once(node, "");
    // The line names the window that has the region.
    let misc = &dev::misc_of(node)[0];
    let (board, window) = misc.split_once('-').expect("a name");
    had_once(node, &format!("in use by {board}/{window} "));
}

fn board_bad_page_twice_is_had_once() {
    // A window that maps whole pages does not share one with another window.
    had_once("fanlight-bad-page-twice", "in use by fanlight");
}

fn board_bad_type_twice_is_had_once() {
    had_once("fanlight-bad-type-twice", "shares a page with fanlight");
}

fn board_bad_name_twice_is_had_once() {
    had_once("fanlight-bad-name-twice", "another window of this name");
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
        .filter(|&&n| {
            !n.starts_with("phandle-target") && !NODES.contains(&n) && !TWICE.contains(&n)
        })
        .collect();
    assert!(untested.is_empty(), "{untested:?}");
}

fn board_bad_node_stays_refused_when_bound_again() {
    // A leak of a failed probe shows when the probe is repeated.
    let node = "fanlight-bad-name-slash";
    if !dev::node_exists(node) {
        skip!("the device tree has no {node}: boot with tests/dts/bad.dtso");
    }
    for _ in 0..20 {
        assert!(fs::write("/sys/bus/platform/drivers/fanlight/bind", node).is_err());
        assert!(dev::misc_of(node).is_empty());
    }
}
