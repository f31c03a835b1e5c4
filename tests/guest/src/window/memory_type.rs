// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory types, rights and addresses of mapped pages, from the page-table entries that the
//! processor uses and not from the driver's own reports.

use libc::{MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED};

use crate::support::child::{Child, Signal};
use crate::support::dev::{
    Spec, Unbound, BIG, CARVE_CACHED, CARVE_NC, CARVE_RO, CARVE_WC, COHERENT_FB, CONTIG,
    CONTIG_PFN, CONTIG_RO, DMA_FB, DMA_WC, FB, HUGE, LOG, LOG2, MAILBOX, REGS, SCRATCH, SRAM,
    TABLE, TABLE_NOW, TABLE_RO,
};
use crate::support::kernel;
use crate::support::mem::{Map, R, RW};
use crate::support::module::{Entry, Memory, Overlay, Policy, TestModule, RUNTIME};
use crate::support::sys::{self, Ended};
use crate::support::uapi;
use crate::tests;

tests! {
    machines:
        window_type_of_writecombine_carveouts_is_normal_noncacheable,
        window_type_of_noncached_carveouts_and_registers_is_device,
        window_type_of_cached_carveouts_is_that_of_ordinary_memory,
        window_type_of_kernel_pages_is_that_of_ordinary_memory,
        window_type_of_contiguous_pages_follows_the_tree,
        window_type_of_contiguous_framebuffer_suits_the_device,
        window_type_is_the_same_in_kernel_and_user_mappings,
        window_type_is_the_same_in_kernel_and_user_mappings_of_an_overlay,
        window_type_of_8_mib_is_cached_and_by_pages,
        window_type_entries_point_to_the_window_page_by_page,
        window_type_rights_are_in_the_entries,
        window_type_entries_are_gone_after_revocation,
        window_type_page_references_return_to_their_start;
    high_cma:
        window_type_of_high_memory_is_cached_and_by_pfn;
    no_cma:
        window_type_without_cma_is_never_writecombine;
}

const WRITE_COMBINE: Memory = Memory::Normal(Policy::NonCacheable, Policy::NonCacheable);

/// The entries of all pages of a mapping.
fn entries(module: &TestModule, map: &Map) -> Vec<Entry> {
    map.pages()
        .map(|page| module.entry(map.at + page))
        .collect()
}

/// A mapping of all of a window, with its pages present.
fn populated(spec: &Spec) -> Map {
    let window = spec.open();
    let prot = if spec.read_only { R } else { RW };
    Map::new(window.raw(), spec.size, prot, MAP_SHARED | MAP_POPULATE, 0).expect(spec.name)
}

/// Checks the type of each page of a window. `software` is Linux's number of the type, where Linux
/// has an entry of its own.
fn assert_type(module: &TestModule, spec: &Spec, memory: Memory, software: u64) {
    let map = populated(spec);
    for (page, entry) in entries(module, &map).iter().enumerate() {
        assert!(!entry.is_empty(), "{} page {page} is not there", spec.name);
        assert_eq!(
            entry.memory(),
            memory,
            "{} page {page}: {entry:x?}",
            spec.name
        );
        assert!(
            entry
                .software_type()
                .is_none_or(|number| number == software),
            "{} page {page}: {entry:x?}",
            spec.name
        );
    }
}

/// The type of anonymous memory.
fn ordinary(module: &TestModule) -> (Memory, u64) {
    let map = Map::new(-1, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, 0).unwrap();
    map.store32(0, 1).unwrap();
    let entry = module.entry(map.at);
    let Memory::Normal(inner, outer) = entry.memory() else {
        panic!("anonymous memory is {:?}", entry.memory())
    };
    assert!(inner != Policy::NonCacheable && outer != Policy::NonCacheable);
    (entry.memory(), entry.software_type().unwrap_or_default())
}

fn window_type_of_writecombine_carveouts_is_normal_noncacheable() {
    let module = TestModule::load();
    // All but the first two by default.
    for spec in [CARVE_WC, DMA_WC, FB, CARVE_RO, MAILBOX, SRAM] {
        // L_PTE_MT_BUFFERABLE
        assert_type(&module, &spec, WRITE_COMBINE, 1);
    }
}

fn window_type_of_noncached_carveouts_and_registers_is_device() {
    let module = TestModule::load();
    for spec in [CARVE_NC, REGS] {
        // L_PTE_MT_DEV_SHARED
        assert_type(&module, &spec, Memory::Device, 4);
        for entry in entries(&module, &populated(&spec)) {
            assert!(!entry.is_executable(), "{}: {entry:x?}", spec.name);
        }
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
        CONTIG, CONTIG_PFN, CONTIG_RO, SCRATCH, TABLE, TABLE_RO, TABLE_NOW, LOG, LOG2, BIG,
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
    overlay.remove();
}

fn window_type_of_contiguous_framebuffer_suits_the_device() {
    let module = TestModule::load();
    let (memory, software) = ordinary(&module);
    for (spec, memory, software) in [(DMA_FB, WRITE_COMBINE, 1), (COHERENT_FB, memory, software)] {
        assert_eq!(spec.open().info().cache, spec.cache, "{}", spec.node);
        assert_type(&module, &spec, memory, software);
    }
}

/// Whether the kernel has a mapping of another type, which nothing uses: on arm64, the DMA API
/// leaves the pages of write-combined memory in the linear mapping.
fn has_alias(spec: &Spec) -> bool {
    let uncached = spec.cache != uapi::CACHE_CACHED;
    kernel::is_arm64() && spec.backing == uapi::BACKING_CONTIGUOUS && uncached
}

/// Checks some of a window's pages: each has an `expected` number of mappings in the kernel, and
/// all but the alias of [`has_alias`] are of the same type as that of user space.
fn assert_agreement(module: &TestModule, spec: &Spec, expected: std::ops::RangeInclusive<usize>) {
    let map = populated(spec);
    for page in [0, spec.size / 2 / 4096 * 4096, spec.size - 4096] {
        let user = module.entry(map.at + page);
        let mut kernel = module.kernel_entries(&user);
        let place = format!("{}/{} at {page:#x}", spec.node, spec.name);
        assert!(expected.contains(&kernel.len()), "{place}: {kernel:x?}");
        if has_alias(spec) {
            let alias = kernel.iter().position(|e| e.memory() != user.memory());
            let alias = kernel.remove(alias.expect("the linear mapping"));
            assert_eq!(alias.memory(), ordinary(module).0, "{place}: {alias:x?}");
            assert_ne!(kernel, [], "{place}: only {alias:x?}");
        }
        for mapping in kernel {
            assert_eq!(
                mapping.memory(),
                user.memory(),
                "{place}: user {user:x?}, kernel {mapping:x?}"
            );
        }
    }
}

fn window_type_is_the_same_in_kernel_and_user_mappings() {
    let module = TestModule::load();
    // The kernel may map a carve-out only while it copies.
    for spec in [FB, CARVE_WC, CARVE_NC, CARVE_CACHED, CARVE_RO, MAILBOX] {
        assert_agreement(&module, &spec, 0..=1);
    }
    assert_agreement(&module, &REGS, 0..=0);
    // The SRAM's own driver maps all of it.
    assert_agreement(&module, &SRAM, 1..=2);
    // Pages of low memory are in the linear mapping, and nowhere else.
    for spec in [CONTIG, CONTIG_PFN, CONTIG_RO, SCRATCH, COHERENT_FB, BIG] {
        assert_agreement(&module, &spec, 1..=1);
    }
    // Write-combined pages, and those of vmalloc in high memory, have at least one mapping.
    for spec in [DMA_WC, DMA_FB, TABLE, TABLE_NOW, TABLE_RO, LOG, LOG2] {
        assert_agreement(&module, &spec, 1..=2);
    }
}

fn window_type_is_the_same_in_kernel_and_user_mappings_of_an_overlay() {
    let module = TestModule::load_for_overlays();
    let overlay = Overlay::apply(&module);
    let contig = |name, cache| runtime(name, uapi::BACKING_CONTIGUOUS, cache, 0x1_0000);
    let spec = contig("contig-wc", uapi::CACHE_WRITECOMBINE);
    assert_agreement(&module, &spec, 1..=2);
    overlay.remove();
}

/// Stores by a mapping, loads by read(), and the other way round, across pages.
fn assert_coherent(spec: &Spec, at: usize) {
    let window = spec.open();
    let map = window.map();
    let mut bytes = vec![0; 8192];
    map.store32(at, 0x1234_5678).unwrap();
    assert_eq!(sys::pread(window.raw(), &mut bytes, at as i64), Ok(8192));
    assert_eq!(bytes[..4], 0x1234_5678_u32.to_ne_bytes(), "{}", spec.name);
    let bytes: Vec<u8> = (0..8192).map(|i| (i * 7 / 5) as u8).collect();
    assert_eq!(
        sys::pwrite(window.raw(), &bytes, at as i64 + 1000),
        Ok(8192)
    );
    assert_eq!(map.copy(at + 1000, 8192), bytes, "{}", spec.name);
}

fn window_type_of_8_mib_is_cached_and_by_pages() {
    let info = BIG.open().info();
    assert_eq!(info.size, BIG.size as u64);
    assert_eq!(info.cache, uapi::CACHE_CACHED);
    assert_eq!(BIG.attribute("mapping"), "pages");
    let map = BIG.open().map();
    map.fill(91);
    assert_eq!(map.differs(91), None);
    assert_coherent(&BIG, 0x7f_0000);
}

fn window_type_of_high_memory_is_cached_and_by_pfn() {
    HUGE.needed();
    if kernel::is_arm64() {
        crate::skip!("a 64-bit kernel has no high memory");
    }
    let module = TestModule::load();
    let [total, free] = ["CmaTotal", "CmaFree"].map(|name| kernel::meminfo(name).expect(name));
    let used = total - free;
    assert!(used >= 128 << 10, "of CMA, {used} KiB are used");
    assert_eq!(HUGE.open().info().cache, uapi::CACHE_CACHED);
    assert_eq!(HUGE.attribute("mapping"), "pfn");
    // The kernel maps it only while it copies.
    let map = Map::shared(HUGE.open().raw(), HUGE.size, RW).unwrap();
    for at in [0, HUGE.size / 2, HUGE.size - 4096] {
        assert_eq!(map.load32(at), Ok(0), "at {at:#x}");
        let entry = module.entry(map.at + at);
        assert_eq!(entry.memory(), ordinary(&module).0);
        assert_eq!(module.kernel_entries(&entry), [], "at {at:#x}");
    }
    assert_coherent(&HUGE, 0);
    assert_coherent(&HUGE, HUGE.size - 0x4000);
    // Freed memory can be allocated again, and is cleared.
    drop(map);
    drop(Unbound::new(HUGE.node));
    let map = HUGE.open().map();
    for at in [0, HUGE.size - 0x4000] {
        assert_eq!(map.copy(at, 0x4000), vec![0; 0x4000], "at {at:#x}");
    }
}

fn window_type_without_cma_is_never_writecombine() {
    DMA_WC.needed();
    if kernel::is_arm64() {
        crate::skip!("arm64 does not need CMA to have writecombine memory");
    }
    if kernel::meminfo("CmaTotal").is_some_and(|total| total != 0) {
        crate::skip!("the kernel has CMA: boot with cma=0");
    }
    assert!(!crate::support::dev::is_bound(DMA_WC.node));
    // The lines of the boot may have been overwritten by other tests' messages.
    crate::support::dev::bind(DMA_WC.node).expect_err("a bind without CMA");
    let output = std::process::Command::new("dmesg").output().expect("dmesg");
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in [DMA_WC.name, DMA_FB.name] {
        let line = format!(
            "{}: window {name}: kernel pages cannot be writecombine",
            DMA_WC.node
        );
        assert!(log.contains(&line), "no `{line}` in:\n{log}");
    }
    // Cached pages do not need CMA.
    assert_eq!(BIG.open().info().cache, uapi::CACHE_CACHED);
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
        CONTIG_PFN,
        SCRATCH,
        DMA_WC,
        BIG,
    ] {
        let window = spec.open();
        let start = window.info().phys;
        let from = 1;
        let map =
            Map::new(window.raw(), spec.size - from * 4096, R, MAP_SHARED, from).expect(spec.name);
        for (page, entry) in entries(&module, &map).iter().enumerate() {
            let expected = start + ((page + from) * 4096) as u64;
            assert_eq!(entry.address(), expected, "{} page {page}", spec.name);
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
    // A new device does not restore them.
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
                    // Some unmap by exit, some by munmap, one is killed.
                    if i == 3 {
                        crate::support::sys::kill(std::process::id() as i32, libc::SIGKILL);
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
