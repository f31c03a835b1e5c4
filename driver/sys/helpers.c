// SPDX-License-Identifier: GPL-2.0-only
/*
 * Thin wrappers over what Rust can't call: inline functions, macros, and structures that bindgen
 * leaves opaque. See helpers.h; the safe types over these are in the Rust files beside this one.
 */

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/hrtimer.h>
#include <linux/idr.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/of.h>
#include <linux/personality.h>
#include <linux/poll.h>
#include <linux/panic.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/pseudo_fs.h>
#include <linux/pvclock_gtod.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/user_namespace.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <soc/bcm2835/raspberrypi-firmware.h>

#include "helpers.h"

/* VMA descriptors */

bool fanlight_desc_is_shared(const struct vm_area_desc *desc)
{
	/* Not VMA_SHARED_BIT: the core clears that one for descriptors opened read-only. */
	return vma_desc_test(desc, VMA_MAYSHARE_BIT);
}

bool fanlight_desc_is_writable(const struct vm_area_desc *desc)
{
	return vma_desc_test(desc, VMA_WRITE_BIT);
}

bool fanlight_desc_is_executable(const struct vm_area_desc *desc)
{
	return vma_desc_test(desc, VMA_EXEC_BIT);
}

void fanlight_desc_deny_write(struct vm_area_desc *desc)
{
	vma_desc_clear_flags(desc, VMA_MAYWRITE_BIT);
}

void fanlight_desc_deny_exec(struct vm_area_desc *desc)
{
	vma_desc_clear_flags(desc, VMA_EXEC_BIT, VMA_MAYEXEC_BIT);
	fanlight_desc_reset_prot(desc);
}

void fanlight_desc_reset_prot(struct vm_area_desc *desc)
{
	desc->page_prot = vm_get_page_prot(vma_flags_to_legacy(desc->vma_flags));
}

bool fanlight_read_implies_exec(void)
{
	return current->personality & READ_IMPLIES_EXEC;
}

bool fanlight_mm_is_dead(const struct mm_struct *mm)
{
	return !atomic_read(&mm->mm_users);
}

bool fanlight_mprotect_keeps_type(void)
{
	return IS_ENABLED(CONFIG_ARM);
}

void fanlight_desc_set_prot(struct vm_area_desc *desc, int prot)
{
	/*
	 * These are the types of the kernel's own mappings: of ioremap_wc() and dma_alloc_attrs(),
	 * and of ioremap(). pgprot_noncached() is Strongly-ordered, which ioremap() is not.
	 */
	if (prot == FANLIGHT_CACHE_WRITECOMBINE)
		desc->page_prot = pgprot_writecombine(desc->page_prot);
	else if (prot == FANLIGHT_CACHE_NONCACHED)
		desc->page_prot = pgprot_device(desc->page_prot);
}

/*
 * An entry that is not dirty is read-only for the hardware, so that the first store to each page
 * faults. Nobody asks whether a page frame is dirty. Mappings of pages get the type that the VMA
 * has in the end, which is without this.
 */
static void set_dirty(struct vm_area_desc *desc)
{
	if (vma_desc_test(desc, VMA_SHARED_BIT) && vma_desc_test(desc, VMA_WRITE_BIT)) {
		pte_t pte = pfn_pte(0, desc->page_prot);

		desc->page_prot = __pgprot(pte_val(pte_mkdirty(pte_mkyoung(pte))));
	}
}

void fanlight_desc_ioremap(struct vm_area_desc *desc, unsigned long pfn)
{
	set_dirty(desc);
	mmap_action_ioremap_full(desc, pfn);
}

void fanlight_desc_remap(struct vm_area_desc *desc, unsigned long pfn)
{
	set_dirty(desc);
	mmap_action_remap_full(desc, pfn);
}

void fanlight_desc_set_mixedmap(struct vm_area_desc *desc)
{
	vma_desc_set_flags(desc, VMA_MIXEDMAP_BIT, VMA_DONTEXPAND_BIT, VMA_DONTDUMP_BIT);
}

void fanlight_desc_map_pages(struct vm_area_desc *desc, struct page **pages)
{
	mmap_action_map_kernel_pages_full(desc, pages);
}

/* Kernel memory */

void *fanlight_vmalloc(unsigned long size)
{
	/*
	 * A tree that asks for too much gets one line from us: not a dump of all memory, and no
	 * victim of the OOM killer.
	 */
	return __vmalloc(size, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
}

bool fanlight_may_show_addresses(void)
{
	/* A program that asks for a window's size must not leave a denial in the audit log. */
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
}

DEFINE_IDA(fanlight_instances);

/* The shared address space, as DRM and vfio have it */

static int fanlight_fs_count;
static struct vfsmount *fanlight_fs_mount;

static int fanlight_fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, 0x666c6768) ? 0 : -ENOMEM;
}

static struct file_system_type fanlight_fs_type = {
	.name = "fanlight",
	/*
	 * No owner: the mount would hold the module for as long as an instance exists. An instance
	 * is gone before the module is, and what outlives an instance is held by open files, which
	 * hold the module.
	 */
	.init_fs_context = fanlight_fs_init_context,
	.kill_sb = kill_anon_super,
};

struct vfsmount *fanlight_mount(void)
{
	return fanlight_fs_mount;
}

struct inode *fanlight_inode_new(void)
{
	struct inode *inode;
	int ret;

	ret = simple_pin_fs(&fanlight_fs_type, &fanlight_fs_mount, &fanlight_fs_count);
	if (ret < 0)
		return ERR_PTR(ret);
	inode = alloc_anon_inode(fanlight_fs_mount->mnt_sb);
	if (IS_ERR(inode))
		simple_release_fs(&fanlight_fs_mount, &fanlight_fs_count);
	return inode;
}

void fanlight_inode_free(struct inode *inode)
{
	iput(inode);
	simple_release_fs(&fanlight_fs_mount, &fanlight_fs_count);
}

void fanlight_inode_adopt(struct inode *inode, struct file *file)
{
	file->f_mapping = inode->i_mapping;
}

void fanlight_inode_unmap(struct inode *inode)
{
	unmap_mapping_range(inode->i_mapping, 0, 0, 1);
}

/* Files */

bool fanlight_file_is_readable(const struct file *file)
{
	return file->f_mode & FMODE_READ;
}

bool fanlight_file_is_writable(const struct file *file)
{
	return file->f_mode & FMODE_WRITE;
}

/* Locking and waiting */

void fanlight_irq_lock_init(raw_spinlock_t *lock)
{
	raw_spin_lock_init(lock);
}

unsigned long fanlight_irq_lock(raw_spinlock_t *lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(lock, flags);
	return flags;
}

bool fanlight_irq_trylock(raw_spinlock_t *lock, unsigned long *flags)
{
	unsigned long saved;

	if (!raw_spin_trylock_irqsave(lock, saved))
		return false;
	*flags = saved;
	return true;
}

void fanlight_irq_unlock(raw_spinlock_t *lock, unsigned long flags)
{
	raw_spin_unlock_irqrestore(lock, flags);
}

void fanlight_irq_work_init(struct irq_work *work, void (*func)(struct irq_work *work))
{
	init_irq_work(work, func);
}

void fanlight_wait_init(struct wait_queue_head *queue)
{
	init_waitqueue_head(queue);
}

void fanlight_rwsem_init(struct rw_semaphore *sem)
{
	init_rwsem(sem);
}

unsigned long fanlight_rcu_snapshot(void)
{
	return get_state_synchronize_rcu();
}

void fanlight_rcu_wait(unsigned long snapshot)
{
	cond_synchronize_rcu(snapshot);
}

u64 fanlight_now(void)
{
	return ktime_get_ns();
}

void fanlight_timer_init(struct hrtimer *timer, enum hrtimer_restart (*func)(struct hrtimer *timer))
{
	hrtimer_setup(timer, func, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
}

void fanlight_timer_start(struct hrtimer *timer, u64 at)
{
	hrtimer_start(timer, ns_to_ktime(at), HRTIMER_MODE_ABS);
}

void fanlight_timer_cancel(struct hrtimer *timer)
{
	hrtimer_cancel(timer);
}

void fanlight_wake(struct wait_queue_head *queue, unsigned int events)
{
	wake_up_poll(queue, (__force __poll_t)events);
}

int fanlight_wait_interruptible(struct wait_queue_head *queue, bool (*condition)(const void *data),
				const void *data)
{
	return wait_event_interruptible(*queue, condition(data));
}

int fanlight_wait_timeout(struct wait_queue_head *queue, bool (*condition)(const void *data),
			  const void *data, unsigned int ms)
{
	long ret = wait_event_interruptible_timeout(*queue, condition(data), msecs_to_jiffies(ms));

	return ret > 0 ? 0 : ret < 0 ? ret : -ETIMEDOUT;
}

bool fanlight_should_stop(void)
{
	cond_resched();
	return fatal_signal_pending(current);
}

void fanlight_drain(void)
{
	/* A reset may follow at once: nothing must be left in a write buffer or an outer cache. */
	wmb();
}

/* Who and when, as printk has them */

u64 fanlight_local_clock(void)
{
	return local_clock();
}

void fanlight_comm(char *buffer)
{
	get_task_comm(*(char (*)[TASK_COMM_LEN])buffer, current);
}

int fanlight_default_level(void)
{
	return default_message_loglevel;
}

bool fanlight_in_emergency(void)
{
	return oops_in_progress || panic_in_progress();
}

void fanlight_moment(struct fanlight_moment *moment)
{
	u32 context = panic_in_progress() ? FANLIGHT_CONTEXT_EMERGENCY : 0;

	if (oops_in_progress)
		context |= FANLIGHT_CONTEXT_EMERGENCY;
	if (in_nmi())
		context |= FANLIGHT_CONTEXT_NMI;
	moment->context = context;
	moment->caller = in_task() ? task_pid_nr(current) : 0x80000000 + smp_processor_id();
	moment->ns = local_clock();
}

/*
 * The wall clock. The notifier runs within the timekeeper's write section, where no clock can be
 * read, so an interrupt of its own reads them.
 */
struct fanlight_clock {
	struct notifier_block block;
	struct irq_work work;
	const void *data;
};

static int fanlight_clock_notify(struct notifier_block *block, unsigned long was_set, void *unused)
{
	if (was_set)
		irq_work_queue(&container_of(block, struct fanlight_clock, block)->work);
	return NOTIFY_OK;
}

static void fanlight_clock_work(struct irq_work *work)
{
	fanlight_clock_set(container_of(work, struct fanlight_clock, work)->data);
}

struct fanlight_clock *fanlight_clock_new(const void *data)
{
	struct fanlight_clock *clock = kzalloc_obj(*clock);

	if (!clock)
		return ERR_PTR(-ENOMEM);
	clock->data = data;
	clock->block.notifier_call = fanlight_clock_notify;
	init_irq_work(&clock->work, fanlight_clock_work);
	/* It calls the notifier at once, and cannot fail for a new block. */
	pvclock_gtod_register_notifier(&clock->block);
	return clock;
}

void fanlight_clock_free(struct fanlight_clock *clock)
{
	pvclock_gtod_unregister_notifier(&clock->block);
	irq_work_sync(&clock->work);
	kfree(clock);
}

void fanlight_clock_bracket(s64 *low, s64 *high)
{
	u64 before = local_clock();
	u64 wall = ktime_get_real_fast_ns();
	u64 after = local_clock();

	*low = wall - after;
	*high = wall - before;
}

/* Raspberry Pi firmware */

int fanlight_rpi_property_list(void *data, size_t size)
{
#if IS_REACHABLE(CONFIG_RASPBERRYPI_FIRMWARE)
	struct device_node *np = of_find_compatible_node(NULL, NULL,
							 "raspberrypi,bcm2835-firmware");
	struct rpi_firmware *fw;
	int ret;

	if (!np)
		return -ENODEV;
	fw = rpi_firmware_get(np);
	of_node_put(np);
	if (!fw)
		return -EPROBE_DEFER;
	ret = rpi_firmware_property_list(fw, data, size);
	rpi_firmware_put(fw);
	return ret;
#else
	return -ENODEV;
#endif
}
