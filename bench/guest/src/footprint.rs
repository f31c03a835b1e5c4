// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the driver adds to the boot and to the used memory.

use crate::device::{self, ALONE, FANLIGHT, RINGS, WINDOWS};
use crate::meter::{own, Sheet};
use crate::sys;

/// Bytes of free memory, after the kernel has dropped its caches.
fn free() -> f64 {
    device::put("/proc/sys/vm/drop_caches", "3");
    let field = |name: &str| {
        let all = device::get("/proc/meminfo");
        let line = all
            .lines()
            .find(|line| line.starts_with(name))
            .expect("a field")
            .to_owned();
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<f64>().ok())
            .expect("a number")
            * 1024.0
    };
    field("MemFree:")
}

pub fn footprint(sheet: &mut Sheet) {
    for name in [FANLIGHT, WINDOWS, ALONE] {
        device::unbind("fanlight", name);
    }
    for (name, size, _) in RINGS {
        if *size <= 1 << 20 {
            let before = free();
            device::bind("fanlight", name);
            sheet.put(
                &format!("an instance with a log of {} KiB", size >> 10),
                "bytes of memory",
                before - free(),
            );
            device::unbind("fanlight", name);
        }
    }
    // The work at boot for an instance with a framebuffer and a log that is kept over a reboot.
    let took = (0..6).map(|_| {
        device::unbind("fanlight", FANLIGHT);
        device::quiet();
        own(|| device::bind_alone("fanlight", FANLIGHT))
    });
    let took = took.min().unwrap_or(0);
    sheet.put("bind the board's instance", "instructions", took as f64);
    device::bind("fanlight", WINDOWS);
    device::bind("fanlight", ALONE);

    sys::rmmod("fanlight_bench");
    let mut took = u64::MAX;
    for _ in 0..6 {
        sys::rmmod("fanlight");
        // The module that reports when the kernel is idle is unloaded.
        std::thread::sleep(std::time::Duration::from_millis(200));
        took = took.min(own(|| sys::insmod(device::MODULE).expect("fanlight.ko")));
    }
    sheet.put(
        "insmod, all instances of the benchmark",
        "instructions",
        took as f64,
    );
    // As the next part expects it.
    device::prepare(false);
}
