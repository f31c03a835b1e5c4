// SPDX-License-Identifier: MIT OR Apache-2.0
//! The driver is loaded, bound to its nodes, and numbered them as in the tree.

use std::fs;
use std::path::Path;

use crate::support::dev::{self, CARVE_WC, FB, LOG};
use crate::tests;

tests! {
    quick:
        board_module_is_loaded,
        board_node_is_matched_by_its_compatible,
        board_window_nodes_are_in_dev,
        board_two_instances_are_apart,
        board_alias_determines_the_number,
        board_node_without_alias_has_a_free_number,
        board_boot_log_is_free_of_complaints,
        board_processors_are_as_many_as_qemu_has;
}

fn board_module_is_loaded() {
    let modules = fs::read_to_string("/proc/modules").expect("/proc/modules");
    let ours = modules.lines().find(|line| line.starts_with("fanlight "));
    assert!(
        ours.is_some_and(|line| line.contains(" Live ")),
        "{modules}"
    );
}

fn board_node_is_matched_by_its_compatible() {
    assert!(
        dev::node_exists("fanlight"),
        "the board's tree has no node of ours"
    );
    let compatible = fs::read("/proc/device-tree/fanlight/compatible").unwrap();
    assert_eq!(compatible, b"fanlight,windows\0");
    assert!(dev::is_bound("fanlight"), "bound are {:?}", dev::bound());
}

fn board_window_nodes_are_in_dev() {
    assert_eq!(FB.path(), "/dev/fanlight0/fb");
    assert_eq!(LOG.path(), "/dev/fanlight0/log");
    let nodes = dev::names_in("/dev/fanlight0");
    for name in ["fb", "log", "log.prev", "scratch"] {
        assert!(
            nodes.iter().any(|node| node == name),
            "/dev/fanlight0 has {nodes:?}, and no {name}"
        );
    }
}

fn board_two_instances_are_apart() {
    assert_eq!(FB.instance(), 0);
    assert_eq!(CARVE_WC.instance(), 1);
    assert!(Path::new("/dev/fanlight0/log").exists() && Path::new("/dev/fanlight1/log").exists());
    assert!(!Path::new("/dev/fanlight1/fb").exists());
    assert!(!Path::new("/dev/fanlight0/carve-wc").exists());
}

fn board_alias_determines_the_number() {
    if !dev::node_exists("fanlight-alias") {
        crate::skip!("the device tree has no fanlight-alias: boot with tests/dts/windows.dtso");
    }
    assert_eq!(dev::misc_of("fanlight-alias"), ["fanlight7-mem"]);
    assert!(Path::new("/dev/fanlight7/mem").exists());
}

fn board_node_without_alias_has_a_free_number() {
    if !dev::node_exists("fanlight-numbered") {
        crate::skip!("the device tree has no fanlight-numbered: boot with tests/dts/windows.dtso");
    }
    let misc = dev::misc_of("fanlight-numbered");
    let number: u32 = misc[0]
        .strip_prefix("fanlight")
        .unwrap()
        .strip_suffix("-mem")
        .unwrap()
        .parse()
        .unwrap();
    assert!(![0, 1, 7].contains(&number), "{number} belongs to an alias");
    assert!(number < 100, "{number}");
}

fn board_boot_log_is_free_of_complaints() {
    let output = std::process::Command::new("dmesg")
        .output()
        .unwrap_or_else(|_| crate::skip!("no dmesg"));
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text
        .lines()
        .find(|line| fanlight_runner_link::is_trouble(line));
    assert_eq!(found, None);
}

fn board_processors_are_as_many_as_qemu_has() {
    // Most races need two of them: report if a boot has only one.
    let online = std::thread::available_parallelism().map_or(1, |n| n.get());
    if online == 1 {
        crate::skip!("one processor only: what races in other tests does so by preemption alone");
    }
}
