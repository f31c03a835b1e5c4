/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * C functions for the Rust files of sys/: wrappers of the kernel's inline functions and macros, and
 * of the few structures that bindgen leaves opaque. Each function does one thing; decisions are
 * made in Rust.
 */
#ifndef FANLIGHT_HELPERS_H
#define FANLIGHT_HELPERS_H

#include <linux/hrtimer_types.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

#include "../uapi/fanlight.h"

struct cma;
struct device;
struct fanlight_claim;
struct fanlight_clock;
struct fanlight_console;
struct fanlight_dumper;
struct fanlight_target;
struct fanlight_tick;
struct file;
struct fwnode_handle;
struct ida;
struct inode;
struct irq_work;
struct mm_struct;
struct page;
struct resource;
struct rw_semaphore;
struct vfsmount;
struct vm_area_desc;
struct wait_queue_head;

/* Whether the current system call is that of a 32-bit program on a 64-bit kernel. */
bool fanlight_in_compat_syscall(void);

/* VMA descriptors, during mmap_prepare. */
bool fanlight_desc_is_shared(const struct vm_area_desc *desc);
bool fanlight_desc_is_writable(const struct vm_area_desc *desc);
bool fanlight_desc_is_executable(const struct vm_area_desc *desc);
void fanlight_desc_deny_write(struct vm_area_desc *desc);
/* Also removes the requested PROT_EXEC. To be called before fanlight_desc_set_prot(). */
void fanlight_desc_deny_exec(struct vm_area_desc *desc);
/* The memory type of anonymous pages. */
void fanlight_desc_reset_prot(struct vm_area_desc *desc);
/* Whether PROT_READ includes PROT_EXEC for the current task. */
bool fanlight_read_implies_exec(void);
/* Whether this address space has no tasks and will never have one. */
bool fanlight_mm_is_dead(const struct mm_struct *mm);
/*
 * Whether mprotect() keeps the memory type of a page table entry that differs from the type of its
 * VMA (pte_modify() of the architecture). arm64 does not keep it.
 */
bool fanlight_mprotect_keeps_type(void);
void fanlight_desc_set_prot(struct vm_area_desc *desc, int prot);
void fanlight_desc_ioremap(struct vm_area_desc *desc, unsigned long pfn);
void fanlight_desc_remap(struct vm_area_desc *desc, unsigned long pfn);
void fanlight_desc_set_mixedmap(struct vm_area_desc *desc);
void fanlight_desc_map_pages(struct vm_area_desc *desc, struct page **pages);

/*
 * A claim on a physical range, among this driver's windows: on its bytes or, with `pages`, on the
 * pages that contain it. `cache` is its memory type, FANLIGHT_CACHE_*. fanlight_claim_iomem()
 * claims the bytes among all drivers as well; /proc/iomem then shows `name`. -EBUSY: another window
 * or driver has claimed a part, and `owner`, of `len` bytes, has its name or is empty; -EXDEV: the
 * window `owner`, of another memory type, has claimed some of the pages; -ENOMEM: no memory for the
 * claim.
 */
struct fanlight_claim *fanlight_claim_new(u64 start, u64 size, bool pages, unsigned int cache,
					  const char *name, char *owner, size_t len);
int fanlight_claim_iomem(struct fanlight_claim *claim, u64 start, u64 size, char *owner,
			 size_t len);
/* -EBUSY if fanlight_claim_iomem() would fail even without boot loaders' framebuffers. */
int fanlight_claim_check(u64 start, u64 size, char *owner, size_t len);
void fanlight_claim_free(struct fanlight_claim *claim);

/*
 * Whether a driver has requested a part of the range with a name for which `wanted` returns true
 * (NULL: any name), and that name. The search does not hold the lock of the resources, so the
 * result may be outdated.
 */
bool fanlight_iomem_find(u64 start, u64 size, bool (*wanted)(const char *name), char *owner,
			 size_t len);
/*
 * The resource of the range, if the kernel has reserved all of it at boot. On arm64, that resource
 * is busy, also for a no-map region that a driver is to use. It is never freed.
 */
struct resource *fanlight_iomem_reserved(u64 start, u64 size);
/*
 * Whether the linear mapping, which is cached, has the page of this address. The resources do not
 * show it on arm64: there, System RAM has whole pages only, but the linear mapping also has the
 * pages that RAM has a part of.
 */
bool fanlight_is_mapped(u64 address);

/*
 * Displays. A claim fails with -EBUSY and the name of the owner. fanlight_display_rival() finds
 * boot loaders' framebuffers that use a part of the range; with `remove`, it first removes their
 * drivers. If a simple-framebuffer node still has a part of the range, `rival`, which is empty
 * before, gets its path: -EBUSY if a driver is bound to its device, -ETXTBSY if the driver is
 * removed but a program has its framebuffer open, 0 if its device has no driver.
 */
#define FANLIGHT_DISPLAYS	3
#define FANLIGHT_OWNER_LEN	96
int fanlight_display_claim(unsigned int display, const char *name, char *owner);
void fanlight_display_release(unsigned int display);
int fanlight_display_rival(u64 start, u64 size, bool remove, char *rival);
/* Whether the driver of a boot loader's framebuffer requests memory with this name. */
bool fanlight_is_framebuffer(const char *name);

/* The highest physical address that a page table entry can have. */
u64 fanlight_phys_max(void);
/* ioremap_wc(); NULL if it fails. May sleep. */
void *fanlight_ioremap_wc(phys_addr_t start, size_t size);

/* Kernel memory. */
/* Whether the machine has less memory than this. */
bool fanlight_exceeds_memory(unsigned long pages);
void *fanlight_vmalloc(unsigned long size);

/*
 * Cleans and invalidates the caches for a physical range that has cached mappings only. -ENOMEM: no
 * kernel addresses to map it; -ERANGE: fanlight_can_flush_cache() returns false for it.
 */
int fanlight_flush_cache(phys_addr_t start, size_t size);
/* Whether the cache operations reach all of the range. */
bool fanlight_can_flush_cache(phys_addr_t start, size_t size);

/*
 * Copies from and to memory that user space or hardware may change concurrently. With bulk, more
 * than a few words are copied by memcpy(). Otherwise each aligned word, half-word or byte is
 * accessed once, as Device memory requires.
 */
void fanlight_copy_from(void *to, const void *source, size_t len, bool bulk);
void fanlight_copy_to(void *target, const void *from, size_t len, bool bulk);
/* memcpy(), for memory that may change concurrently. */
void fanlight_memcpy(void *to, const void *from, size_t len);

/*
 * QEMU's fw_cfg device. -ENODEV: there is none; -EBUSY: another driver uses it. Between lock and
 * unlock, no other thread of this driver does a transfer.
 */
int fanlight_fw_cfg_get(void);
void fanlight_fw_cfg_put(void);
void fanlight_fw_cfg_lock(void);
void fanlight_fw_cfg_unlock(void);
int fanlight_fw_cfg_transfer(u32 control, void *data, size_t len);

/*
 * Contiguous kernel pages: zeroed, in low memory, each with a reference count of its own. They are
 * freed one by one.
 */
struct page *fanlight_pages_alloc(size_t size);
void fanlight_pages_free(struct page *page, size_t size);
/* Whether the device has its own pool: a shared-dma-pool in its memory-region. */
bool fanlight_has_pool(struct device *dev);
/*
 * Zeroed pages of the device's CMA area, which may be in high memory. They must not be pinned,
 * since a pinned page of CMA cannot be freed.
 */
struct page *fanlight_cma_alloc(struct device *dev, size_t size, struct cma **area);
void fanlight_cma_free(struct cma *area, struct page *page, size_t size);
/* Whether the device is DMA-coherent. */
bool fanlight_dma_is_coherent(struct device *dev);
/* The first page of memory from dma_alloc_attrs(). -ENXIO: the memory is not one run of pages. */
int fanlight_dma_page(struct device *dev, void *addr, dma_addr_t handle, size_t size,
		      unsigned long attrs, struct page **page);
/* Whether the kernel also maps the page at another address. */
bool fanlight_page_has_alias(const struct page *page, const void *addr);
unsigned long fanlight_page_to_pfn(const struct page *page);
/* Page `index` of a run that begins at `page`. */
struct page *fanlight_page_at(struct page *page, unsigned long index);
/*
 * A mapping for the current task. Mappings are removed in the reverse order; see kmap_local_page().
 */
void *fanlight_page_map(struct page *page);
void fanlight_page_unmap(const void *addr);
phys_addr_t fanlight_zero_page(void);

/* The device tree. */
/* The property of this index; false after the last one. The value is valid as long as the node. */
bool fanlight_of_property(struct fwnode_handle *fwnode, unsigned int index, const char **name,
			  const void **value, size_t *len);
/*
 * An entry of memory-region. -ENOENT: there is no such entry, or it does not point to a node;
 * -EXDEV: the node is not a child of /reserved-memory; -ENODEV: it is disabled; another error: it
 * has no range.
 */
int fanlight_of_region(struct fwnode_handle *fwnode, unsigned int index, struct resource *res);
/*
 * Makes the DMA API allocate the device's pages from the first entry of memory-region that is a
 * reusable shared-dma-pool. Returns 1, or 0 if there is none.
 */
int fanlight_of_pool(struct device *dev);
void fanlight_of_pool_release(struct device *dev);
/*
 * The range that sram points to. -ENOENT: not a node; -EXDEV: not a partition of an mmio-sram;
 * -ENODEV: a disabled partition; -EBUSY: the SRAM's driver gives the partition to others;
 * -EPROBE_DEFER: the SRAM's driver is not bound; another error: a partition without a range.
 */
int fanlight_of_sram(struct fwnode_handle *fwnode, struct resource *res);
/*
 * Creates a device link, so that `consumer`, which is being probed, is unbound before the driver of
 * that SRAM. -EPROBE_DEFER: that driver is being unbound, and the probe must fail; -ENOMEM.
 */
int fanlight_of_sram_link(struct fwnode_handle *fwnode, struct device *consumer);
/* Whether the driver of the SRAM that "sram" points into maps it as Device memory. */
bool fanlight_of_sram_is_device(struct fwnode_handle *fwnode);
/* Whether a probe should stop waiting for other drivers: the deferral timeout has expired. */
bool fanlight_deferral_is_over(struct device *dev);
/* Shown in devices_deferred of debugfs. */
void fanlight_defer_reason(struct device *dev, const char *reason);
/* The node's own reg. -E2BIG: it is not one range; another error: it cannot be translated. */
int fanlight_of_reg(struct fwnode_handle *fwnode, struct resource *res);
int fanlight_of_alias(struct fwnode_handle *fwnode, const char *stem);
/* Whether the tree has the alias <stem><number>. */
bool fanlight_of_has_alias(const char *stem, unsigned int number);
/* Whether a node of type "memory" contains all of the range. */
bool fanlight_of_is_memory(u64 start, u64 size);

/* The numbers of the instances. */
extern struct ida fanlight_instances;

/* An anonymous inode, whose address space all mappings of a device share. */
struct inode *fanlight_inode_new(void);
/* The mount of these inodes; valid while one of them exists. */
struct vfsmount *fanlight_mount(void);
void fanlight_inode_free(struct inode *inode);
void fanlight_inode_adopt(struct inode *inode, struct file *file);
void fanlight_inode_unmap(struct inode *inode);

/* Files. */
bool fanlight_file_is_readable(const struct file *file);
bool fanlight_file_is_writable(const struct file *file);

/* Locking and waiting. */
unsigned long fanlight_irq_lock(raw_spinlock_t *lock);
bool fanlight_irq_trylock(raw_spinlock_t *lock, unsigned long *flags);
void fanlight_irq_unlock(raw_spinlock_t *lock, unsigned long flags);
void fanlight_irq_lock_init(raw_spinlock_t *lock);
void fanlight_irq_work_init(struct irq_work *work, void (*func)(struct irq_work *work));
void fanlight_wait_init(struct wait_queue_head *queue);
void fanlight_rwsem_init(struct rw_semaphore *sem);
/*
 * fanlight_rcu_wait() returns when an RCU grace period has passed since fanlight_rcu_snapshot()
 * returned `snapshot`. It does not wait if that grace period has already passed.
 */
unsigned long fanlight_rcu_snapshot(void);
void fanlight_rcu_wait(unsigned long snapshot);
u64 fanlight_now(void);
void fanlight_timer_init(struct hrtimer *timer,
			 enum hrtimer_restart (*func)(struct hrtimer *timer));
void fanlight_timer_start(struct hrtimer *timer, u64 at);
void fanlight_timer_cancel(struct hrtimer *timer);
void fanlight_wake(struct wait_queue_head *queue, unsigned int events);
int fanlight_wait_interruptible(struct wait_queue_head *queue, bool (*condition)(const void *data),
				const void *data);

/* Like fanlight_wait_interruptible(), but returns -ETIMEDOUT after `ms` milliseconds. */
int fanlight_wait_timeout(struct wait_queue_head *queue, bool (*condition)(const void *data),
			  const void *data, unsigned int ms);
/* Lets other tasks run; true if the current task was killed. */
bool fanlight_should_stop(void);
/* Every store so far reaches memory, beyond write buffers and an outer cache. */
void fanlight_drain(void);

/* The time, caller and context of a record. */
struct fanlight_moment {
	/* local_clock() */
	u64 ns;
	/* The current task's id, or 0x80000000 + the processor's number outside of task context. */
	u32 caller;
	/* FANLIGHT_CONTEXT_* */
	u32 context;
};

/* An oops or a panic is under way. */
#define FANLIGHT_CONTEXT_EMERGENCY	(1 << 0)
#define FANLIGHT_CONTEXT_NMI		(1 << 1)

/* All of it in one call. */
void fanlight_moment(struct fanlight_moment *moment);
u64 fanlight_local_clock(void);
/* The name of the current task; the buffer has TASK_COMM_LEN bytes. */
void fanlight_comm(char *buffer);
/* The level of a message without one. */
int fanlight_default_level(void);
/* Whether an oops or a panic is under way. */
bool fanlight_in_emergency(void);

/* The longest message in the extended form: PRINTK_MESSAGE_MAX of kernel/printk/internal.h. */
#define FANLIGHT_LINE_MAX	2048

/* The console through which printk reaches the log. */
struct fanlight_console *fanlight_console_new(void *data, short index);
int fanlight_console_register(struct fanlight_console *fc);
/* Starts with the oldest message that printk has. */
void fanlight_console_start(struct fanlight_console *fc);
/* Calls fanlight_console_passed(), unless a task is printing through the console. May sleep. */
void fanlight_console_look(struct fanlight_console *fc);
/* Wakes the console's thread if there are messages for it. Any context but NMI. */
void fanlight_console_nudge(struct fanlight_console *fc);
void fanlight_console_free(struct fanlight_console *fc);
/*
 * Implemented in Rust (sys/console.rs). The first two get a message in the extended form: from the
 * console's thread, and from an emergency in any context. The third gets the number of the next
 * message of the console, modulo 2^32; `each`: after each message.
 */
void fanlight_console_line(const void *data, const char *text, unsigned int len);
void fanlight_console_line_atomic(const void *data, const char *text, unsigned int len);
void fanlight_console_passed(const void *data, u32 next, bool each);

/*
 * The message *seq, or the oldest one after it; sets *seq to its number. Returns its length, or
 * -ENOENT. Messages before the last `dmesg -C` are not found. The length is that of the whole
 * message if there is no buffer, and otherwise of what fits.
 */
ssize_t fanlight_kmsg_dump(u64 *seq, char *buffer, size_t size);
/* Messages of this level and less urgent ones are suppressed on consoles. */
int fanlight_console_loglevel(void);
/* The numbers of the first message after the last `dmesg -C`, and of the next message. */
void fanlight_kmsg_range(u64 *cleared, u64 *next);

/* Calls fanlight_dumping() in a panic, after an oops, and at a shutdown or reboot. */
struct fanlight_dumper *fanlight_dumper_new(const void *data);
void fanlight_dumper_free(struct fanlight_dumper *fd);
/* Implemented in Rust (sys/console.rs). */
void fanlight_dumping(const void *data, bool panic, bool shutdown);

/*
 * Calls fanlight_ticked() in hard interrupt context twice a second, and then
 * fanlight_console_look() and fanlight_ticking() in task context. `stuck`: the task of an earlier
 * tick has not run. Must be freed before the console.
 */
struct fanlight_tick *fanlight_tick_new(struct fanlight_console *fc, const void *data);
void fanlight_tick_free(struct fanlight_tick *tick);
/* Implemented in Rust (sys/console.rs). */
void fanlight_ticked(const void *data, bool stuck);
void fanlight_ticking(const void *data);

/* Logs for fanlight_log() of fanlight_log.h, which uses the first one that was added. */
typedef int fanlight_record_fn(const void *log, unsigned int level, const char *text, size_t len);
struct fanlight_target *fanlight_target_add(fanlight_record_fn *record, const void *log);
void fanlight_target_remove(struct fanlight_target *target);

/* Calls fanlight_clock_set() once at first, and after each change of the wall clock. */
struct fanlight_clock *fanlight_clock_new(const void *data);
void fanlight_clock_free(struct fanlight_clock *clock);
/* Implemented in Rust (sys/console.rs). In hard interrupt context. */
void fanlight_clock_set(const void *data);
/* The clocks, read one after the other. */
struct fanlight_sample {
	/* local_clock(), which stamps records */
	u64 ns;
	/* lower and upper bound of nanoseconds from ns to the wall clock */
	s64 low;
	s64 high;
	/* nanoseconds from ns to CLOCK_BOOTTIME, with the same uncertainty */
	s64 to_boot_time;
};

/* Any context. */
void fanlight_clock_sample(struct fanlight_sample *sample);

/* The rights of the current task. */
bool fanlight_may_show_addresses(void);
/* Whether it may read what /dev/kmsg shows: 0 or a negative errno. */
int fanlight_may_read_kmsg(void);
bool fanlight_may_clear_log(void);

/* The kernel's boot id, as bytes. */
int fanlight_boot_id(u8 id[16]);

/* Raspberry Pi firmware. */
int fanlight_rpi_property_list(void *data, size_t size);

#endif /* FANLIGHT_HELPERS_H */
