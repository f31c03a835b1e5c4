// SPDX-License-Identifier: MIT OR Apache-2.0
//! Regions that a log cannot be kept in (tests/dts/regions.dtso): the log works without a region,
//! the other windows exist, and one line has the reason.

use crate::support::dev::{self, Spec, Unbound, LOG, LOG2};
use crate::support::log::{append, kmsg, lines_of, text, unique, Messages};
use crate::tests;

tests! {
    regions:
        log_region_too_small_costs_persistence_only,
        log_region_of_one_page_costs_persistence_only,
        log_region_where_no_memory_is_costs_persistence_only,
        log_region_that_overlaps_ram_costs_persistence_only,
        log_region_without_whole_pages_costs_persistence_only,
        log_region_half_outside_of_ram_costs_persistence_only,
        log_region_of_nothing_costs_persistence_only,
        log_region_beyond_all_addresses_costs_persistence_only,
        log_region_in_use_costs_persistence_only,
        log_region_phandle_to_nowhere_costs_persistence_only,
        log_region_phandle_to_no_region_costs_persistence_only,
        log_region_is_left_alone_by_a_probe_that_is_deferred,
        log_region_of_12_kib_is_used,
        log_region_of_the_board_is_used_beside_them;
}

fn log_of(node: &'static str) -> Spec {
    let spec = Spec { node, ..LOG2 };
    spec.needed();
    spec
}

/// The log works, and is not kept.
fn works_without(node: &'static str) {
    let spec = log_of(node);
    assert!(dev::is_bound(node), "{node} is not bound");
    let misc = dev::misc_of(node);
    assert!(
        misc.iter().any(|misc| misc.ends_with("-beside")),
        "the other window: {misc:?}"
    );
    assert!(
        !misc.iter().any(|misc| misc.contains("log.prev")),
        "nothing can be kept: {misc:?}"
    );
    let (ours, kernels) = (unique("works"), unique("works as well"));
    append(&spec.open(), &ours);
    kmsg(&kernels);
    let log = Messages::of_log(&spec);
    log.find(&kernels);
    let messages = Messages::of_log(&spec).all();
    assert!(messages.iter().any(|message| text(message) == ours));
    let reason = spec.attribute("persisted");
    assert_ne!(reason, "yes");
    assert!(
        reason.len() > 8 && !reason.contains('\n'),
        "{reason:?} is no reason"
    );
    let lines = lines_of(node);
    let about: Vec<&String> = lines
        .iter()
        .filter(|line| line.starts_with("window log: "))
        .collect();
    assert_eq!(about.len(), 1, "one line, and one only: {lines:?}");
}

fn log_region_too_small_costs_persistence_only() {
    works_without("fanlight-region-small");
}

fn log_region_of_one_page_costs_persistence_only() {
    works_without("fanlight-region-page");
}

fn log_region_where_no_memory_is_costs_persistence_only() {
    works_without("fanlight-region-hole");
}

fn log_region_that_overlaps_ram_costs_persistence_only() {
    works_without("fanlight-region-overlap");
}

fn log_region_without_whole_pages_costs_persistence_only() {
    works_without("fanlight-region-odd");
}

fn log_region_half_outside_of_ram_costs_persistence_only() {
    works_without("fanlight-region-edge");
}

fn log_region_of_nothing_costs_persistence_only() {
    works_without("fanlight-region-none");
}

fn log_region_beyond_all_addresses_costs_persistence_only() {
    works_without("fanlight-region-end");
}

fn log_region_in_use_costs_persistence_only() {
    let nodes = ["fanlight-region-shared-a", "fanlight-region-shared-b"];
    let persisted = |node| log_of(node).attribute("persisted") == "yes";
    assert_ne!(
        persisted(nodes[0]),
        persisted(nodes[1]),
        "one of the two has it"
    );
    let [owner, other] = if persisted(nodes[0]) {
        nodes
    } else {
        [nodes[1], nodes[0]]
    };
    works_without(other);
    // Unbinding its owner frees it.
    let _unbound = Unbound::new(owner);
    drop(Unbound::new(other));
    assert!(persisted(other));
}

fn log_region_phandle_to_nowhere_costs_persistence_only() {
    works_without("fanlight-region-nowhere");
}

fn log_region_phandle_to_no_region_costs_persistence_only() {
    works_without("fanlight-region-node");
}

/// Its node has a window of SRAM whose driver cannot bind.
fn log_region_is_left_alone_by_a_probe_that_is_deferred() {
    const NODE: &str = "fanlight-region-deferred";
    if !dev::node_exists(NODE) {
        crate::skip!("the device tree has no {NODE}: boot with tests/dts/regions.dtso");
    }
    crate::support::kernel::needs_debugfs();
    let region = crate::log::bind::memory(
        crate::support::board::reserved("region-deferred@52200000"),
        0x1_0000,
    );
    region.fill(29);
    for _ in 0..3 {
        let bound = std::fs::write("/sys/bus/platform/drivers/fanlight/bind", NODE);
        assert!(bound.is_err(), "the SRAM has its driver");
        // A probe that succeeds is a reason to try those that were deferred again.
        drop(Unbound::new("fanlight-region-least"));
    }
    // While a node is being probed again, it is not in the list.
    let is_deferred = || {
        let list = std::fs::read_to_string("/sys/kernel/debug/devices_deferred").expect("debugfs");
        list.contains(NODE)
    };
    assert!(
        crate::support::wait::until(is_deferred),
        "its probe is not deferred"
    );
    assert_eq!(dev::misc_of(NODE), [""; 0]);
    assert_eq!(region.differs(29), None);
}

fn log_region_of_12_kib_is_used() {
    assert_eq!(
        log_of("fanlight-region-least").attribute("persisted"),
        "yes"
    );
}

fn log_region_of_the_board_is_used_beside_them() {
    assert_eq!(LOG.attribute("persisted"), "yes");
    assert!(std::path::Path::new("/dev/fanlight0/log.prev").exists());
}
