/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the Rust half of sys/ needs from C: the kernel's inline functions and macros, and the few
 * structures that bindgen leaves opaque. Each function does one thing; decisions are made in Rust.
 */
#ifndef FANLIGHT_HELPERS_H
#define FANLIGHT_HELPERS_H

#include <linux/hrtimer_types.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

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
struct page;
struct resource;
struct vfsmount;
struct vm_area_desc;
struct wait_queue_head;

/* Memory types: the values of FANLIGHT_CACHE_* in uapi/fanlight.h. */
#define FANLIGHT_PROT_WRITECOMBINE	1
#define FANLIGHT_PROT_NONCACHED		2
#define FANLIGHT_PROT_CACHED		3

/* VMA descriptors, while mmap_prepare runs. */
bool fanlight_desc_is_shared(const struct vm_area_desc *desc);
bool fanlight_desc_is_writable(const struct vm_area_desc *desc);
bool fanlight_desc_is_executable(const struct vm_area_desc *desc);
void fanlight_desc_deny_write(struct vm_area_desc *desc);
void fanlight_desc_deny_exec(struct vm_area_desc *desc);
void fanlight_desc_set_prot(struct vm_area_desc *desc, int prot);
void fanlight_desc_ioremap(struct vm_area_desc *desc, unsigned long pfn);
void fanlight_desc_remap(struct vm_area_desc *desc, unsigned long pfn);
void fanlight_desc_set_mixedmap(struct vm_area_desc *desc);
void fanlight_desc_map_pages(struct vm_area_desc *desc, struct page **pages);

/*
 * Claims. -EBUSY: another window, or with iomem another driver, has some of it; -ENOMEM: no memory
 * to note it.
 */
int fanlight_claim(u64 start, u64 size, bool iomem);
void fanlight_release(u64 start, u64 size, bool iomem);

/* Kernel memory. */
void *fanlight_vmalloc(unsigned long size);
struct page *fanlight_dma_page(const void *addr);
unsigned long fanlight_page_to_pfn(const struct page *page);
void *fanlight_page_address(const struct page *page);
phys_addr_t fanlight_zero_page(void);
bool fanlight_may_show_addresses(void);

/* The device tree. */
int fanlight_of_region(struct fwnode_handle *fwnode, const char *property, struct resource *res);
int fanlight_of_reg(struct fwnode_handle *fwnode, struct resource *res);
int fanlight_of_alias(struct fwnode_handle *fwnode, const char *stem);
/* Whether the tree has the alias <stem><number>. */
bool fanlight_of_has_alias(const char *stem, unsigned int number);
/* Whether a node of type "memory" has all of the range. */
bool fanlight_of_is_memory(u64 start, u64 size);
int fanlight_of_find_compatible(const char *compatible, struct resource *res);

/* The numbers of the instances. */
extern struct ida fanlight_instances;

/* An inode of our own, whose address space all of a device's mappings share. */
struct inode *fanlight_inode_new(void);
/* The mount that such inodes are on; there while one of them is. */
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
u64 fanlight_now(void);
void fanlight_timer_init(struct hrtimer *timer,
			 enum hrtimer_restart (*func)(struct hrtimer *timer));
void fanlight_timer_start(struct hrtimer *timer, u64 at);
void fanlight_timer_cancel(struct hrtimer *timer);
void fanlight_wake(struct wait_queue_head *queue, unsigned int events);
int fanlight_wait_interruptible(struct wait_queue_head *queue, bool (*condition)(const void *data),
				const void *data);

/* As above, for a number of milliseconds at most: -ETIMEDOUT when they are over. */
int fanlight_wait_timeout(struct wait_queue_head *queue, bool (*condition)(const void *data),
			  const void *data, unsigned int ms);
/* Lets others run; true when the current task is to end. */
bool fanlight_should_stop(void);
/* Every store so far reaches memory, beyond write buffers and an outer cache. */
void fanlight_drain(void);

/* Who and when, as printk has them. */
u64 fanlight_local_clock(void);
u32 fanlight_caller_id(void);
/* The name of the current task; the buffer has TASK_COMM_LEN bytes. */
void fanlight_comm(char *buffer);
/* Level of a message that gives none. */
int fanlight_default_level(void);
/* Whether an oops or a panic is under way. */
bool fanlight_in_emergency(void);
bool fanlight_in_nmi(void);

/* The console through which printk reaches the log. */
struct fanlight_console *fanlight_console_new(void *data, short index);
int fanlight_console_register(struct fanlight_console *fc);
/* Begins with the oldest message that printk has. */
void fanlight_console_start(struct fanlight_console *fc);
void fanlight_console_free(struct fanlight_console *fc);
/*
 * Implemented in Rust (sys/console.rs). A message in the extended form, from the console's thread
 * or from an emergency in any context; and how far the console's thread is, modulo 2^32.
 */
void fanlight_console_line(const void *data, const char *text, unsigned int len);
void fanlight_console_line_atomic(const void *data, const char *text, unsigned int len);
void fanlight_console_passed(const void *data, u32 next);

/*
 * The message *seq, or the oldest one after it; sets *seq to its number. Returns its length, or
 * -ENOENT. Messages before the last `dmesg -C` are not found.
 */
ssize_t fanlight_kmsg_dump(u64 *seq, char *buffer, size_t size);
/* The numbers of the first message after the last `dmesg -C`, and of the one that comes next. */
void fanlight_kmsg_range(u64 *cleared, u64 *next);

/* Calls fanlight_dumping() in a panic, after an oops, and when the machine goes down. */
struct fanlight_dumper *fanlight_dumper_new(const void *data);
void fanlight_dumper_free(struct fanlight_dumper *fd);
/* Implemented in Rust (sys/console.rs). */
void fanlight_dumping(const void *data, bool panic, bool shutdown);

/* Calls fanlight_ticking() in task context, about once a second while a processor is awake. */
struct fanlight_tick *fanlight_tick_new(const void *data);
void fanlight_tick_free(struct fanlight_tick *tick);
/* Implemented in Rust (sys/console.rs). */
void fanlight_ticking(const void *data);

/* Where fanlight_log() of fanlight_log.h goes: to the log that was added first of those there. */
struct fanlight_target *fanlight_target_add(const void *log);
void fanlight_target_remove(struct fanlight_target *target);
/* Implemented in Rust (sys/console.rs). */
int fanlight_log_record(const void *log, unsigned int level, const char *text, size_t len);

/* Calls fanlight_clock_set() after the wall clock was set, and once at first. */
struct fanlight_clock *fanlight_clock_new(const void *data);
void fanlight_clock_free(struct fanlight_clock *clock);
/* Implemented in Rust (sys/console.rs). In hard interrupt context. */
void fanlight_clock_set(const void *data);
/* Between which nanoseconds from the clock of the records to the wall clock are. Any context. */
void fanlight_clock_bracket(s64 *low, s64 *high);

/* Whether the current task may read what /dev/kmsg shows: 0 or a negative errno. */
int fanlight_may_read_kmsg(void);
bool fanlight_may_clear_log(void);

/* The kernel's boot id, as bytes. */
int fanlight_boot_id(u8 id[16]);

/* Raspberry Pi firmware. */
int fanlight_rpi_property_list(void *data, size_t size);

#endif /* FANLIGHT_HELPERS_H */
