// SPDX-License-Identifier: GPL-2.0-only

//! Declarations of the functions in C, which `helpers.h` describes.

#![allow(improper_ctypes)] // As rust/bindings/lib.rs: kernel structures with zero-sized fields.

use kernel::{
    bindings,
    ffi::{
        c_char,
        c_int,
        c_short,
        c_uint,
        c_ulong,
        c_void, //
    }, //
};

extern "C" {
    pub(super) fn fanlight_desc_is_shared(desc: *const bindings::vm_area_desc) -> bool;
    pub(super) fn fanlight_desc_is_writable(desc: *const bindings::vm_area_desc) -> bool;
    pub(super) fn fanlight_desc_is_executable(desc: *const bindings::vm_area_desc) -> bool;
    pub(super) fn fanlight_desc_deny_write(desc: *mut bindings::vm_area_desc);
    pub(super) fn fanlight_desc_deny_exec(desc: *mut bindings::vm_area_desc);
    pub(super) fn fanlight_desc_reset_prot(desc: *mut bindings::vm_area_desc);
    pub(super) fn fanlight_read_implies_exec() -> bool;
    pub(super) fn fanlight_mm_is_dead(mm: *const bindings::mm_struct) -> bool;
    pub(super) fn fanlight_mprotect_keeps_type() -> bool;
    pub(super) fn fanlight_desc_set_prot(desc: *mut bindings::vm_area_desc, prot: c_int);
    pub(super) fn fanlight_desc_ioremap(desc: *mut bindings::vm_area_desc, pfn: c_ulong);
    pub(super) fn fanlight_desc_remap(desc: *mut bindings::vm_area_desc, pfn: c_ulong);
    pub(super) fn fanlight_desc_set_mixedmap(desc: *mut bindings::vm_area_desc);
    pub(super) fn fanlight_desc_map_pages(
        desc: *mut bindings::vm_area_desc,
        pages: *mut *mut bindings::page,
    );

    pub(super) fn fanlight_claim_new(
        start: u64,
        size: u64,
        pages: bool,
        cache: c_uint,
        name: *const c_char,
        owner: *mut c_char,
        len: usize,
    ) -> *mut Claim;
    pub(super) fn fanlight_claim_iomem(
        claim: *mut Claim,
        start: u64,
        size: u64,
        owner: *mut c_char,
        len: usize,
    ) -> c_int;
    pub(super) fn fanlight_claim_check(
        start: u64,
        size: u64,
        owner: *mut c_char,
        len: usize,
    ) -> c_int;
    pub(super) fn fanlight_claim_free(claim: *mut Claim);
    pub(super) fn fanlight_in_compat_syscall() -> bool;
    pub(super) fn fanlight_is_mapped(address: u64) -> bool;
    pub(super) fn fanlight_phys_max() -> u64;
    pub(super) fn fanlight_ioremap_wc(start: bindings::phys_addr_t, size: usize) -> *mut c_void;
    pub(super) fn fanlight_exceeds_memory(pages: c_ulong) -> bool;
    pub(super) fn fanlight_vmalloc(size: c_ulong) -> *mut c_void;
    pub(super) fn vfree(addr: *const c_void);
    pub(super) fn fanlight_may_show_addresses() -> bool;

    pub(super) fn fanlight_flush_cache(start: bindings::phys_addr_t, size: usize) -> c_int;
    pub(super) fn fanlight_can_flush_cache(start: bindings::phys_addr_t, size: usize) -> bool;
    pub(super) fn fanlight_copy_from(
        to: *mut c_void,
        source: *const c_void,
        len: usize,
        bulk: bool,
    );
    pub(super) fn fanlight_copy_to(
        target: *mut c_void,
        from: *const c_void,
        len: usize,
        bulk: bool,
    );

    pub(super) fn fanlight_fw_cfg_get() -> c_int;
    pub(super) fn fanlight_fw_cfg_put();
    pub(super) fn fanlight_fw_cfg_lock();
    pub(super) fn fanlight_fw_cfg_unlock();
    pub(super) fn fanlight_fw_cfg_transfer(control: u32, data: *mut c_void, len: usize) -> c_int;

    pub(super) fn fanlight_pages_alloc(size: usize) -> *mut bindings::page;
    pub(super) fn fanlight_pages_free(page: *mut bindings::page, size: usize);
    pub(super) fn fanlight_has_pool(dev: *mut bindings::device) -> bool;
    pub(super) fn fanlight_cma_alloc(
        dev: *mut bindings::device,
        size: usize,
        area: *mut *mut Cma,
    ) -> *mut bindings::page;
    pub(super) fn fanlight_cma_free(area: *mut Cma, page: *mut bindings::page, size: usize);
    pub(super) fn fanlight_dma_is_coherent(dev: *mut bindings::device) -> bool;
    pub(super) fn fanlight_dma_page(
        dev: *mut bindings::device,
        addr: *mut c_void,
        handle: bindings::dma_addr_t,
        size: usize,
        attrs: c_ulong,
        page: *mut *mut bindings::page,
    ) -> c_int;
    pub(super) fn fanlight_page_has_alias(page: *const bindings::page, addr: *const c_void)
        -> bool;
    pub(super) fn fanlight_page_to_pfn(page: *const bindings::page) -> c_ulong;
    pub(super) fn fanlight_page_at(
        page: *mut bindings::page,
        index: c_ulong,
    ) -> *mut bindings::page;
    pub(super) fn fanlight_page_map(page: *mut bindings::page) -> *mut c_void;
    pub(super) fn fanlight_page_unmap(addr: *const c_void);
    pub(super) fn fanlight_zero_page() -> bindings::phys_addr_t;

    pub(super) fn fanlight_display_claim(
        display: c_uint,
        name: *const c_char,
        owner: *mut c_char,
    ) -> c_int;
    pub(super) fn fanlight_display_release(display: c_uint);
    pub(super) fn fanlight_display_rival(
        start: u64,
        size: u64,
        remove: bool,
        rival: *mut c_char,
    ) -> c_int;

    pub(super) fn fanlight_of_property(
        fwnode: *mut bindings::fwnode_handle,
        index: c_uint,
        name: *mut *const c_char,
        value: *mut *const c_void,
        len: *mut usize,
    ) -> bool;
    pub(super) fn fanlight_of_region(
        fwnode: *mut bindings::fwnode_handle,
        index: c_uint,
        res: *mut bindings::resource,
    ) -> c_int;
    pub(super) fn fanlight_of_pool(dev: *mut bindings::device) -> c_int;
    pub(super) fn fanlight_of_pool_release(dev: *mut bindings::device);
    pub(super) fn fanlight_of_sram(
        fwnode: *mut bindings::fwnode_handle,
        res: *mut bindings::resource,
    ) -> c_int;
    pub(super) fn fanlight_of_sram_link(
        fwnode: *mut bindings::fwnode_handle,
        consumer: *mut bindings::device,
    ) -> c_int;
    pub(super) fn fanlight_deferral_is_over(dev: *mut bindings::device) -> bool;
    pub(super) fn fanlight_defer_reason(dev: *mut bindings::device, reason: *const c_char);
    pub(super) fn fanlight_of_sram_is_device(fwnode: *mut bindings::fwnode_handle) -> bool;
    pub(super) fn fanlight_of_reg(
        fwnode: *mut bindings::fwnode_handle,
        res: *mut bindings::resource,
    ) -> c_int;
    pub(super) fn fanlight_of_alias(
        fwnode: *mut bindings::fwnode_handle,
        stem: *const c_char,
    ) -> c_int;
    pub(super) fn fanlight_of_has_alias(stem: *const c_char, number: c_uint) -> bool;
    pub(super) fn fanlight_of_is_memory(start: u64, size: u64) -> bool;

    pub(super) static mut fanlight_instances: bindings::ida;

    pub(super) fn fanlight_inode_new() -> *mut bindings::inode;
    pub(super) fn fanlight_inode_free(inode: *mut bindings::inode);
    pub(super) fn fanlight_inode_adopt(inode: *mut bindings::inode, file: *mut bindings::file);
    pub(super) fn fanlight_inode_unmap(inode: *mut bindings::inode);

    pub(super) fn fanlight_file_is_readable(file: *const bindings::file) -> bool;
    pub(super) fn fanlight_file_is_writable(file: *const bindings::file) -> bool;

    pub(super) fn fanlight_irq_lock_init(lock: *mut bindings::raw_spinlock_t);
    pub(super) fn fanlight_irq_lock(lock: *mut bindings::raw_spinlock_t) -> c_ulong;
    pub(super) fn fanlight_irq_trylock(
        lock: *mut bindings::raw_spinlock_t,
        flags: *mut c_ulong,
    ) -> bool;
    pub(super) fn fanlight_irq_unlock(lock: *mut bindings::raw_spinlock_t, flags: c_ulong);
    pub(super) fn fanlight_irq_work_init(
        work: *mut bindings::irq_work,
        func: unsafe extern "C" fn(*mut bindings::irq_work),
    );
    pub(super) fn fanlight_wait_init(queue: *mut bindings::wait_queue_head);
    pub(super) fn fanlight_rwsem_init(sem: *mut bindings::rw_semaphore);
    pub(super) fn fanlight_rcu_snapshot() -> c_ulong;
    pub(super) fn fanlight_rcu_wait(snapshot: c_ulong);
    pub(super) fn fanlight_now() -> u64;
    pub(super) fn fanlight_timer_init(
        timer: *mut bindings::hrtimer,
        func: unsafe extern "C" fn(*mut bindings::hrtimer) -> bindings::hrtimer_restart,
    );
    pub(super) fn fanlight_timer_start(timer: *mut bindings::hrtimer, at: u64);
    pub(super) fn fanlight_timer_cancel(timer: *mut bindings::hrtimer);
    pub(super) fn fanlight_wake(queue: *mut bindings::wait_queue_head, events: c_uint);
    pub(super) fn fanlight_wait_interruptible(
        queue: *mut bindings::wait_queue_head,
        condition: unsafe extern "C" fn(*const c_void) -> bool,
        data: *const c_void,
    ) -> c_int;

    pub(super) fn fanlight_wait_timeout(
        queue: *mut bindings::wait_queue_head,
        condition: unsafe extern "C" fn(*const c_void) -> bool,
        data: *const c_void,
        ms: c_uint,
    ) -> c_int;
    pub(super) fn fanlight_should_stop() -> bool;
    pub(super) fn fanlight_drain();

    pub(super) fn fanlight_local_clock() -> u64;
    pub(super) fn fanlight_moment(moment: *mut Moment);
    pub(super) fn fanlight_comm(buffer: *mut c_char);
    pub(super) fn fanlight_default_level() -> c_int;
    pub(super) fn fanlight_in_emergency() -> bool;
    pub(super) fn fanlight_clock_sample(sample: *mut Sample);

    pub(super) fn fanlight_console_new(data: *mut c_void, index: c_short) -> *mut Console;
    pub(super) fn fanlight_console_register(console: *mut Console) -> c_int;
    pub(super) fn fanlight_console_start(console: *mut Console);
    pub(super) fn fanlight_console_free(console: *mut Console);
    pub(super) fn fanlight_kmsg_dump(seq: *mut u64, buffer: *mut c_char, size: usize) -> isize;
    pub(super) fn fanlight_console_loglevel() -> c_int;
    pub(super) fn fanlight_kmsg_range(cleared: *mut u64, next: *mut u64);
    pub(super) fn fanlight_dumper_new(data: *const c_void) -> *mut Dumper;
    pub(super) fn fanlight_dumper_free(dumper: *mut Dumper);
    pub(super) fn fanlight_tick_new(console: *mut Console, data: *const c_void) -> *mut Tick;
    pub(super) fn fanlight_tick_free(tick: *mut Tick);
    pub(super) fn fanlight_target_add(record: RecordFn, log: *const c_void) -> *mut Target;
    pub(super) fn fanlight_target_remove(target: *mut Target);
    pub(super) fn fanlight_clock_new(data: *const c_void) -> *mut Clock;
    pub(super) fn fanlight_clock_free(clock: *mut Clock);

    pub(super) fn fanlight_may_read_kmsg() -> c_int;
    pub(super) fn fanlight_may_clear_log() -> bool;
    pub(super) fn fanlight_boot_id(id: *mut u8) -> c_int;
    pub(super) fn fanlight_rpi_property_list(data: *mut c_void, size: usize) -> c_int;
}

/// `fanlight_record_fn`.
pub(super) type RecordFn =
    unsafe extern "C" fn(*const c_void, c_uint, *const c_char, usize) -> c_int;

/// `struct fanlight_moment`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Moment {
    pub(super) ns: u64,
    pub(super) caller: u32,
    pub(super) context: u32,
}

/// `struct fanlight_sample`.
#[repr(C)]
pub(super) struct Sample {
    pub(super) ns: u64,
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) to_boot_time: i64,
}

/// `FANLIGHT_CONTEXT_EMERGENCY` in [`Moment::context`].
pub(super) const CONTEXT_EMERGENCY: u32 = 1 << 0;

/// Structures of the C files, which Rust uses by pointer only.
macro_rules! opaque {
    ($($name:ident)*) => {
        $(
            #[repr(C)]
            pub(super) struct $name {
                _opaque: [u8; 0],
            }
        )*
    };
}

opaque!(Claim Cma Console Dumper Target Clock Tick);

/// The declarations that bindgen generates from helpers.h (scripts/externs, run by `make check`).
/// The compiler compares them with the declarations above.
#[cfg(fanlight_check_externs)]
#[deny(clashing_extern_declarations)]
#[allow(
    dead_code,
    missing_docs,
    non_camel_case_types,
    unreachable_pub,
    unused_imports
)]
mod generated {
    use super::{
        Claim as fanlight_claim,
        Clock as fanlight_clock,
        Cma as cma,
        Console as fanlight_console,
        Dumper as fanlight_dumper,
        Moment as fanlight_moment,
        RecordFn as fanlight_record_fn,
        Sample as fanlight_sample,
        Target as fanlight_target,
        Tick as fanlight_tick, //
    };
    use kernel::bindings::*;

    /// In C any function pointer may be null. The functions here are never passed a null one.
    type Callback<T> = T;

    include!(env!("FANLIGHT_EXTERNS"));
}
