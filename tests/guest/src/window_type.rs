// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory types, rights and places of mapped pages, by the page-table entries that the processor uses: what the driver
//! says of itself is not asked.

use libc::{MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED};

use crate::child::{Child, Signal};
use crate::dev::{
    Spec, Unbound, CARVE_CACHED, CARVE_NC, CARVE_RO, CARVE_WC, CONTIG, CONTIG_RO, FB, LOG, LOG2,
    MAILBOX, REGS, SCRATCH, SRAM, TABLE, TABLE_NOW, TABLE_RO,
};
use crate::mem::{Map, R, RW};
use crate::module::{Entry, Memory, Overlay, Policy, TestModule, RUNTIME};
use crate::sys::Ended;
use crate::tests;
use crate::uapi;

tests! {
    quick:
        window_type_of_writecombine_carveouts_is_normal_noncacheable,
        window_type_of_noncached_carveouts_is_strongly_ordered,
        window_type_of_cached_carveouts_is_that_of_ordinary_memory,
        window_type_of_kernel_pages_is_that_of_ordinary_memory,
        window_type_of_contiguous_pages_follows_the_tree,
        window_type_entries_point_to_the_window_page_by_page,
        window_type_rights_are_in_the_entries,
        window_type_entries_are_gone_after_revocation,
        window_type_page_references_return_to_their_start;
}

const WRITE_COMBINE: Memory = Memory::Normal(Policy::NonCacheable, Policy::NonCacheable);

/// The entries of all pages of a mapping.
fn entries(module: &TestModule, map: &Map) -> Vec<Entry> {
    map.pages()
        .map(|page| module.entry(map.at + page))
        .collect()
}

/// A mapping of all of a window, its pages there.
fn populated(spec: &Spec) -> Map {
    let window = spec.open();
    let prot = if spec.read_only { R } else { RW };
    Map::new(window.raw(), spec.size, prot, MAP_SHARED | MAP_POPULATE, 0).expect(spec.name)
}

fn assert_type(module: &TestModule, spec: &Spec, memory: Memory, software: u32) {
    let map = populated(spec);
    for (page, entry) in entries(module, &map).iter().enumerate() {
        assert!(!entry.is_empty(), "{} page {page} is not there", spec.name);
        assert_eq!(
            entry.memory(),
            memory,
            "{} page {page}: {entry:x?}",
            spec.name
        );
        assert_eq!(
            entry.software_type(),
            software,
            "{} page {page}: {entry:x?}",
            spec.name
        );
    }
}

/// What anonymous memory is.
fn ordinary(module: &TestModule) -> (Memory, u32) {
    let map = Map::new(-1, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, 0).unwrap();
    map.store32(0, 1).unwrap();
    let entry = module.entry(map.at);
    let Memory::Normal(inner, outer) = entry.memory() else {
        panic!("anonymous memory is {:?}", entry.memory())
    };
    assert!(inner != Policy::NonCacheable && outer != Policy::NonCacheable);
    (entry.memory(), entry.software_type())
}

fn window_type_of_writecombine_carveouts_is_normal_noncacheable() {
    let module = TestModule::load();
    for spec in [CARVE_WC, FB] {
        // L_PTE_MT_BUFFERABLE
        assert_type(&module, &spec, WRITE_COMBINE, 1);
    }
}

fn window_type_of_noncached_carveouts_is_strongly_ordered() {
    let module = TestModule::load();
    for spec in [CARVE_NC, CARVE_RO, MAILBOX, SRAM, REGS] {
        // L_PTE_MT_UNCACHED
        assert_type(&module, &spec, Memory::StronglyOrdered, 0);
    }
}

fn window_type_of_cached_carveouts_is_that_of_ordinary_memory() {
    let module = TestModule::load();
    let (memory, software) = ordinary(&module);
    assert_type(&module, &CARVE_CACHED, memory, software);
}

fn window_type_of_kernel_pages_is_that_of_ordinary_memory() {
    let module = TestModule::load();
    let (memory, software) = ordinary(&module);
    for spec in [
        CONTIG, CONTIG_RO, SCRATCH, TABLE, TABLE_RO, TABLE_NOW, LOG, LOG2,
    ] {
        assert_type(&module, &spec, memory, software);
    }
}

/// A window of tests/dts/runtime.dtso.
fn runtime(name: &'static str, backing: u32, cache: u32, size: usize) -> Spec {
    Spec {
        node: RUNTIME,
        child: name,
        name,
        backing,
        cache,
        size,
        read_only: false,
    }
}

fn window_type_of_contiguous_pages_follows_the_tree() {
    let module = TestModule::load_for_overlays();
    let overlay = Overlay::apply(&module);
    let contig = |name, cache| runtime(name, uapi::BACKING_CONTIGUOUS, cache, 0x1_0000);
    assert_type(
        &module,
        &contig("contig-wc", uapi::CACHE_WRITECOMBINE),
        WRITE_COMBINE,
        1,
    );
    assert_type(
        &module,
        &contig("contig-nc", uapi::CACHE_NONCACHED),
        Memory::StronglyOrdered,
        0,
    );
    overlay.remove();
}

fn window_type_entries_point_to_the_window_page_by_page() {
    let module = TestModule::load();
    for spec in [
        FB,
        CARVE_WC,
        CARVE_NC,
        CARVE_CACHED,
        SRAM,
        REGS,
        CONTIG,
        SCRATCH,
    ] {
        let window = spec.open();
        let start = window.info().phys;
        let from = 1;
        let map =
            Map::new(window.raw(), spec.size - from * 4096, R, MAP_SHARED, from).expect(spec.name);
        for (page, entry) in entries(&module, &map).iter().enumerate() {
            let expected = start + ((page + from) * 4096) as u64;
            assert_eq!(
                u64::from(entry.address()),
                expected,
                "{} page {page}",
                spec.name
            );
        }
    }
    // Scattered pages: the same ones in every mapping, and all different.
    for spec in [TABLE, TABLE_NOW, LOG] {
        let (one, other) = (populated(&spec), populated(&spec));
        let addresses = |map| {
            entries(&module, map)
                .iter()
                .map(Entry::address)
                .collect::<Vec<_>>()
        };
        let mut found = addresses(&one);
        assert_eq!(found, addresses(&other), "{}", spec.name);
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), spec.size / 4096, "{}", spec.name);
    }
}

fn window_type_rights_are_in_the_entries() {
    let module = TestModule::load();
    for spec in [LOG, LOG2, CARVE_RO, CONTIG_RO, TABLE_RO] {
        for entry in entries(&module, &populated(&spec)) {
            assert!(
                !entry.is_writable() && !entry.is_executable(),
                "{}: {entry:x?}",
                spec.name
            );
        }
    }
    for spec in [CARVE_WC, CONTIG, TABLE_NOW, TABLE] {
        let map = populated(&spec);
        map.store32(0, 1).unwrap();
        let entry = module.entry(map.at);
        assert!(
            entry.is_writable() && !entry.is_executable(),
            "{}: {entry:x?}",
            spec.name
        );
        // The descriptor allows it, the mapping does not.
        let map = Map::shared(spec.open().raw(), spec.size, R).unwrap();
        map.load32(0).unwrap();
        assert!(!module.entry(map.at).is_writable(), "{}", spec.name);
    }
}

fn window_type_entries_are_gone_after_revocation() {
    let module = TestModule::load();
    let specs = [
        CARVE_WC,
        CARVE_NC,
        CARVE_CACHED,
        SRAM,
        REGS,
        CONTIG,
        TABLE,
        TABLE_NOW,
        LOG2,
    ];
    let maps: Vec<(Spec, Map)> = specs.iter().map(|spec| (*spec, populated(spec))).collect();
    let (ready, go) = (Signal::new(), Signal::new());
    let gone = || {
        for (spec, map) in &maps {
            for (page, entry) in entries(&module, map).iter().enumerate() {
                assert!(entry.is_empty(), "{} page {page}: {entry:x?}", spec.name);
            }
        }
    };
    let child = Child::spawn(|| {
        ready.send();
        go.wait();
        gone();
        0
    });
    ready.wait();
    let unbound = Unbound::new(CARVE_WC.node);
    go.send();
    gone();
    assert_eq!(child.wait(), Ended::Exit(0));
    drop(unbound);
    // Nor does a new device bring them back.
    gone();
}

fn window_type_page_references_return_to_their_start() {
    let module = TestModule::load();
    for spec in [TABLE, TABLE_NOW, LOG] {
        let map = populated(&spec);
        let references = || {
            entries(&module, &map)
                .iter()
                .map(|entry| entry.references)
                .collect::<Vec<_>>()
        };
        let before = references();
        assert!(
            before.iter().all(|&n| n >= 2),
            "{}: the kernel's and ours",
            spec.name
        );
        let (ready, go) = (Signal::new(), Signal::new());
        let children: Vec<Child> = (0..4)
            .map(|i| {
                let (map, ready, go) = (&map, &ready, &go);
                Child::spawn(move || {
                    let own = populated(&spec);
                    own.load32(0).unwrap();
                    map.load32(4096).unwrap();
                    ready.send();
                    go.wait();
                    if i % 2 == 0 {
                        drop(own);
                    }
                    // Some let go by exit, some by munmap, one is killed.
                    if i == 3 {
                        crate::sys::kill(std::process::id() as i32, libc::SIGKILL);
                    }
                    0
                })
            })
            .collect();
        for _ in &children {
            ready.wait();
        }
        let busy = references();
        assert!(
            busy.iter()
                .zip(&before)
                .all(|(busy, before)| *busy >= before + 4),
            "{}",
            spec.name
        );
        for _ in &children {
            go.send();
        }
        for child in children {
            child.wait();
        }
        assert_eq!(references(), before, "{}", spec.name);
    }
}
