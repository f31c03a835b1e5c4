// SPDX-License-Identifier: MIT OR Apache-2.0
//! The number of faults of a mapping, and that each maps the right pages.

use libc::{MAP_POPULATE, MAP_SHARED};

use crate::support::dev::{
    Spec, CARVE_WC, CONTIG, CONTIG_PFN, EACH_BACKING, LOG, TABLE, TABLE_NOW,
};
use crate::support::mem::{Map, PAGE, R, RW};
use crate::support::smaps::Entry;
use crate::support::{dev, sys};
use crate::tests;

tests! {
    quick:
        window_fault_of_1_mib_touched_in_order_costs_at_most_2,
        window_fault_of_1_mib_log_touched_in_order_costs_at_most_2,
        window_fault_backwards_and_scattered_maps_the_right_pages,
        window_fault_is_none_after_map_populate,
        window_fault_is_none_for_prefaulted_and_pfn_mappings,
        window_fault_is_none_for_the_first_store_to_a_page_frame,
        window_fault_of_a_part_maps_no_more_than_the_part,
        window_fault_needs_no_retry_of_the_vma_lock;
}

fn costs_at_most_2(spec: &Spec) {
    let window = spec.open();
    let map = Map::shared(window.raw(), spec.size, R).unwrap();
    let faults = map.faults();
    assert!((1..=2).contains(&faults), "{}: {faults} faults", spec.name);
    assert_eq!(map.faults(), 0, "{}: touched again", spec.name);
}

fn window_fault_of_1_mib_touched_in_order_costs_at_most_2() {
    costs_at_most_2(&TABLE);
}

fn window_fault_of_1_mib_log_touched_in_order_costs_at_most_2() {
    // The header's page is the 257th.
    let window = LOG.open();
    let map = Map::shared(window.raw(), LOG.size, R).unwrap();
    let faults = map.faults();
    assert!(
        (1..=3).contains(&faults),
        "{faults} faults for 1 MiB and a page"
    );
}

fn window_fault_backwards_and_scattered_maps_the_right_pages() {
    let window = TABLE.open();
    let whole = window.map();
    whole.fill(51);
    let backwards = window.map();
    for page in backwards.pages().collect::<Vec<_>>().into_iter().rev() {
        assert_eq!(
            backwards.load32(page),
            whole.load32(page),
            "page {}",
            page / PAGE
        );
    }
    let scattered = window.map();
    let pages = TABLE.size / PAGE;
    for i in 0..pages {
        let page = (i * 73 % pages) * PAGE;
        assert_eq!(
            scattered.load32(page + 4),
            whole.load32(page + 4),
            "page {}",
            page / PAGE
        );
    }
    assert_eq!(scattered.differs(51), None);
}

fn window_fault_is_none_after_map_populate() {
    for spec in EACH_BACKING.iter().chain([&LOG]) {
        let window = spec.open();
        let map =
            Map::new(window.raw(), spec.size, R, MAP_SHARED | MAP_POPULATE, 0).expect(spec.name);
        assert_eq!(map.faults(), 0, "{}", spec.name);
    }
}

fn window_fault_is_none_for_prefaulted_and_pfn_mappings() {
    for spec in [TABLE_NOW, CARVE_WC, CONTIG] {
        let map = spec.open().map();
        assert_eq!(map.faults(), 0, "{}", spec.name);
    }
}

/// Linux on ARM maps a page read-only until it is dirty.
fn window_fault_is_none_for_the_first_store_to_a_page_frame() {
    for spec in [CARVE_WC, CONTIG_PFN] {
        let map = spec.open().map();
        assert_eq!(map.faults_of_stores(), 0, "{}", spec.name);
    }
}

fn window_fault_of_a_part_maps_no_more_than_the_part() {
    let window = TABLE.open();
    let whole = window.map();
    whole.fill(52);
    // A batch must stop at the end of the mapping, also of one that was split.
    let part = Map::new(window.raw(), 4 * PAGE, RW, MAP_SHARED, 10).unwrap();
    assert_eq!(part.load32(PAGE), whole.load32(11 * PAGE));
    assert!(Entry::at(part.at).rss_kib <= 16);
    let split = window.map();
    sys::munmap(split.at + 8 * PAGE, 8 * PAGE).unwrap();
    assert_eq!(split.load32(7 * PAGE), whole.load32(7 * PAGE));
    assert_eq!(split.load32(16 * PAGE), whole.load32(16 * PAGE));
    assert!(Entry::at(split.at).rss_kib <= 32);
    assert_eq!(
        split.load32(8 * PAGE),
        Err(crate::support::mem::Fault::UNMAPPED)
    );
}

/// A counter of /proc/vmstat, where the kernel has it.
fn vmstat(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/vmstat").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn window_fault_needs_no_retry_of_the_vma_lock() {
    let Some(before) = vmstat("vma_lock_retry ") else {
        crate::skip!("the kernel doesn't count retries (PER_VMA_LOCK_STATS)");
    };
    let map = TABLE.open().map();
    map.faults();
    let after = vmstat("vma_lock_retry ").expect("it was there");
    assert_eq!(after - before, 0);
    assert!(dev::node_exists(TABLE.node));
}
