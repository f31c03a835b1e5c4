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

struct console;
struct fanlight_listener;
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
void fanlight_file_deny_positions(struct file *file);

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

/* Who and when, as printk has them. */
u64 fanlight_local_clock(void);
u32 fanlight_caller_id(void);

/* The console through which printk reaches the log. */
struct console *fanlight_console_new(void *data, short index);
int fanlight_console_register(struct console *con);
void fanlight_console_free(struct console *con);
/* Implemented in Rust (sys/console.rs). */
void fanlight_console_line(void *data, const char *text, unsigned int len, bool emergency);

/* Where fanlight_log() of fanlight_log.h goes; the first one stays until it is cleared. */
bool fanlight_log_target_set(const void *target);
void fanlight_log_target_clear(const void *target);
/* Implemented in Rust (sys/console.rs). */
int fanlight_log_record(const void *target, unsigned int level, const char *text, size_t len,
			bool emergency);

/*
 * The message *seq, or the oldest one after it; sets *seq to its number. Returns its length, or
 * -ENOENT.
 */
ssize_t fanlight_kmsg_dump(u64 *seq, char *buffer, size_t size);
int fanlight_console_loglevel(void);
/* The number of the first message after the last `dmesg -C`. */
u64 fanlight_kmsg_cleared(void);

/* What reading /dev/kmsg would answer to the current task: 0 or a negative errno. */
int fanlight_may_read_kmsg(void);
/* Calls fanlight_console_printed(data) after messages of any level, in interrupt context. */
struct fanlight_listener *fanlight_listen(const void *data);
void fanlight_listen_end(struct fanlight_listener *listener);
/* Implemented in Rust (sys/console.rs). */
void fanlight_console_printed(const void *data);
bool fanlight_may_clear_log(void);

/* Raspberry Pi firmware. */
int fanlight_rpi_property_list(void *data, size_t size);

#endif /* FANLIGHT_HELPERS_H */
