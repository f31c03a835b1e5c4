// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding and unbinding a log: open files and maps do not delay it, the driver does not access the
//! region afterwards, and a window that fails does not affect other windows.

use std::fs;
use std::os::fd::AsRawFd;

use libc::MAP_SHARED;

use crate::support::child::{Child, Signal};
use crate::support::dev::{self, Spec, Unbound, UnboundLogs, LOG, LOG2, LOG3};
use crate::support::log::{
    append, kernel_has_arrived, lines_of, text, unique, unlimited, Messages,
};
use crate::support::mem::{Map, PAGE, R, RW};
use crate::support::module::TestModule;
use crate::support::sys::{self, Errno};
use crate::tests;

tests! {
    everywhere:
        log_bind_works_while_its_log_is_open,
        log_bind_works_while_its_log_is_mapped,
        log_bind_works_while_a_stopped_program_follows_it,
        log_unbind_leaves_the_region_alone_when_a_reader_closes,
        log_unbind_leaves_the_region_alone_under_writers,
        log_bind_of_another_node_that_fails_leaves_the_region_alone,
        log_bind_continues_when_a_window_beside_it_fails,
        log_bind_has_its_region_whatever_the_order_of_the_windows,
        log_of_a_module_is_in_another_instance_when_the_first_is_unbound,
        log_boot_id_is_the_kernels;
}

fn binds_again(spec: &Spec) {
    let before = dev::misc_of(spec.node);
    drop(Unbound::new(spec.node));
    assert_eq!(dev::misc_of(spec.node), before, "every window is back");
    assert_eq!(
        crate::support::log::attribute(&spec.misc(), "persisted").as_deref(),
        Some("yes")
    );
}

fn log_bind_works_while_its_log_is_open() {
    for spec in [LOG, LOG3] {
        let _log = spec.open();
        binds_again(&spec);
    }
}

fn log_bind_works_while_its_log_is_mapped() {
    for spec in [LOG, LOG3] {
        let log = spec.open();
        let map = Map::shared(log.raw(), PAGE, R).expect("a map");
        drop(log);
        binds_again(&spec);
        drop(map);
    }
}

fn log_bind_works_while_a_stopped_program_follows_it() {
    let mark = unique("about to be stopped");
    append(&LOG.open(), &mark);
    let mut follower =
        crate::support::program::Follower::start("fanlight", &["log", "--follow", "-d", "0"]);
    follower.until(&mark);
    follower.stop();
    binds_again(&LOG);
}

/// The third log's region, accessed without the driver.
pub fn region(size: usize) -> Map {
    LOG3.needed();
    memory(crate::support::board::reserved("persist@51620000"), size)
}

/// Physical memory.
pub fn memory(address: usize, size: usize) -> Map {
    let Ok(mem) = sys::open("/dev/mem", libc::O_RDWR | libc::O_SYNC) else {
        crate::skip!("no /dev/mem")
    };
    Map::new(mem.as_raw_fd(), size, RW, MAP_SHARED, address / PAGE).expect("mmap of /dev/mem")
}

const REGION_SIZE: usize = 0x1_0000;

/// Whether the region contains these bytes.
fn region_has(words: &str) -> bool {
    let bytes = region(REGION_SIZE).copy(0, REGION_SIZE);
    bytes
        .windows(words.len())
        .any(|window| window == words.as_bytes())
}

/// Overwrites the region, as its next owner would.
fn take(region: &Map) {
    for offset in (0..REGION_SIZE).step_by(4) {
        region.store32(offset, 0x1111_1111).expect("the region");
    }
}

fn is_untouched(region: &Map) -> bool {
    (0..REGION_SIZE)
        .step_by(4)
        .all(|offset| region.load32(offset) == Ok(0x1111_1111))
}

fn log_unbind_leaves_the_region_alone_when_a_reader_closes() {
    let region = region(REGION_SIZE);
    let (reader, writer) = (LOG3.open_with(libc::O_RDONLY), LOG3.open());
    let map = Map::shared(reader.raw(), PAGE, R).expect("a map");
    let _unbound = Unbound::new(LOG3.node);
    take(&region);
    assert_eq!(sys::write(writer.raw(), b"<5>too late"), Err(Errno::ENODEV));
    assert!(is_untouched(&region), "after a write()");
    drop(map);
    drop((reader, writer));
    assert!(is_untouched(&region), "after the last close()");
}

fn log_unbind_leaves_the_region_alone_under_writers() {
    let region = region(REGION_SIZE);
    for round in 0..20 {
        let _unlimited = unlimited(&LOG3);
        let (ready, stop) = (Signal::new(), Signal::new());
        let writers: Vec<Child> = (0..2)
            .map(|_| {
                let (ready, stop) = (&ready, &stop);
                Child::spawn(move || {
                    let log = LOG3.open();
                    ready.send();
                    while sys::write(log.raw(), b"<5>on its way").is_ok() {}
                    stop.wait();
                    0
                })
            })
            .collect();
        for _ in &writers {
            ready.wait();
        }
        let _unbound = Unbound::new(LOG3.node);
        take(&region);
        crate::support::log::kmsg("<5>printed while it is unbound");
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(is_untouched(&region), "round {round}");
        for _ in &writers {
            stop.send();
        }
        for writer in writers {
            writer.wait();
        }
        assert!(
            is_untouched(&region),
            "round {round}, after the last close()"
        );
    }
}

fn log_bind_of_another_node_that_fails_leaves_the_region_alone() {
    let mark = unique("kept over a bind that fails");
    append(&LOG3.open(), &format!("<5>{mark}"));
    kernel_has_arrived(&LOG3);
    assert!(region_has(&mark), "it is in the region");
    {
        let _unbound = Unbound::new(LOG3.node);
        // A bind that fails beside it.
        let failed = fs::write("/sys/bus/platform/drivers/fanlight/bind", HOPELESS);
        assert!(failed.is_err());
        assert!(region_has(&mark), "while it is unbound");
    }
    assert!(region_has(&mark), "after its own bind");
}

/// A node without a window that can be created.
const HOPELESS: &str = "fanlight-bad-cache";

/// Nodes with a log and with windows whose memory is in use: before it, after it, on both sides.
const BESIDE: [(&str, &[&str]); 3] = [
    ("fanlight-log-last", &["taken-a"]),
    ("fanlight-log-first", &["taken-b"]),
    ("fanlight-log-between", &["taken-a", "taken-b"]),
];

fn beside(node: &'static str) -> Spec {
    Spec { node, ..LOG2 }
}

fn log_bind_continues_when_a_window_beside_it_fails() {
    for (node, taken) in BESIDE {
        let spec = beside(node);
        spec.needed();
        // The messages of other tests may have overwritten the lines of the boot in printk's
        // buffer.
        drop(dev::Unbound::new(node));
        let misc = dev::misc_of(node);
        for name in ["-log", "-good"] {
            assert!(
                misc.iter().any(|misc| misc.ends_with(name)),
                "{node} has {misc:?}"
            );
        }
        for name in taken {
            assert!(
                !misc.iter().any(|misc| misc.ends_with(name)),
                "{node} has {misc:?}"
            );
            let about = format!("window {name}: ");
            let lines = lines_of(node);
            let count = lines.iter().filter(|line| line.starts_with(&about)).count();
            assert!(count > 0, "{node}: nothing about {name} in {lines:?}");
        }
        let mark = unique("beside a window that failed");
        append(&spec.open(), &mark);
        let messages = Messages::of_log(&spec).all();
        assert!(messages.iter().any(|message| text(message) == mark));
    }
}

fn log_bind_has_its_region_whatever_the_order_of_the_windows() {
    for (node, _) in BESIDE {
        let spec = beside(node);
        spec.needed();
        assert_eq!(spec.attribute("persisted"), "yes", "{node}");
        binds_again(&spec);
    }
}

fn log_of_a_module_is_in_another_instance_when_the_first_is_unbound() {
    LOG2.needed();
    let module = TestModule::load();
    let mut unbound = UnboundLogs::default();
    for _ in 0..3 {
        let mark = unique("by a module");
        module.flood(10, 0, &mark);
        let has_it = |log: &Spec| {
            let messages = Messages::of_log(log).all();
            messages.iter().any(|message| text(message).contains(&mark))
        };
        let logs = dev::logs();
        let found: Vec<&Spec> = logs.iter().filter(|log| has_it(log)).collect();
        let [first] = found[..] else {
            panic!("{mark} is in {found:?} of {logs:?}");
        };
        unbound.add(first);
    }
}

fn log_boot_id_is_the_kernels() {
    for spec in [LOG, LOG2, LOG3] {
        spec.needed();
        assert_eq!(
            spec.attribute("boot_id"),
            crate::support::log::kernel_boot_id()
        );
        assert_eq!(
            crate::support::log::Reader::new(&spec).boot_id(),
            crate::support::log::kernel_boot_id()
        );
    }
}
