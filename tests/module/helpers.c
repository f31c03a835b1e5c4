// SPDX-License-Identifier: GPL-2.0-only
/*
 * See helpers.h.
 */

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bottom_half.h>
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/irqflags.h>
#include <linux/irq_work.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/sysrq.h>

#include "helpers.h"

/* --- Accesses as ptrace() makes them where CONFIG_HAVE_IOREMAP_PROT is set --- */

int fanlight_test_access(unsigned long address, void *buf, int len, bool write)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int ret = -EFAULT;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, address);
	if (vma)
		ret = vma->vm_ops && vma->vm_ops->access ?
			vma->vm_ops->access(vma, address, buf, len, write) : -EINVAL;
	mmap_read_unlock(mm);
	return ret;
}

/* --- The stack of the current task --- */

#define STACK_FILL 0xfa115a11

void fanlight_test_stack_fill(void)
{
	/* The lowest word is STACK_END_MAGIC. An interrupt may use what is being filled. */
	unsigned long *word = end_of_stack(current) + 1;

	while (word < (unsigned long *)current_stack_pointer)
		WRITE_ONCE(*word++, STACK_FILL);
}

unsigned int fanlight_test_stack_used(void)
{
	unsigned long *word = end_of_stack(current) + 1;

	while (READ_ONCE(*word) == STACK_FILL)
		word++;
	return task_stack_page(current) + THREAD_SIZE - (void *)word;
}

unsigned int fanlight_test_stack_size(void)
{
	return THREAD_SIZE;
}

/* --- Device-tree overlays --- */

int fanlight_test_overlay_apply(const void *blob, u32 size, int *id)
{
	int ret = of_overlay_fdt_apply(blob, size, id, NULL);

	/* Even one that failed may have to be undone. */
	if (ret && *id)
		of_overlay_remove(id);
	return ret;
}

void fanlight_test_overlay_remove(int id)
{
	of_overlay_remove(&id);
}

/* --- Contexts --- */

struct once {
	struct hrtimer timer;
	struct completion done;
	void (*func)(void *data);
	void *data;
};

static enum hrtimer_restart run_once(struct hrtimer *timer)
{
	struct once *once = container_of(timer, struct once, timer);

	once->func(once->data);
	complete(&once->done);
	return HRTIMER_NORESTART;
}

static void run_by_timer(enum hrtimer_mode mode, void (*func)(void *data), void *data)
{
	struct once once = { .func = func, .data = data };

	init_completion(&once.done);
	hrtimer_setup_on_stack(&once.timer, run_once, CLOCK_MONOTONIC, mode);
	hrtimer_start(&once.timer, 1000, mode);
	wait_for_completion(&once.done);
	/* The handler may not have returned yet. */
	hrtimer_cancel(&once.timer);
	destroy_hrtimer_on_stack(&once.timer);
}

struct work {
	struct irq_work work;
	void (*func)(void *data);
	void *data;
};

static void run_work(struct irq_work *irq_work)
{
	struct work *work = container_of(irq_work, struct work, work);

	work->func(work->data);
}

static void run_by_irq_work(void (*func)(void *data), void *data)
{
	struct work work = { .func = func, .data = data };

	init_irq_work(&work.work, run_work);
	irq_work_queue(&work.work);
	irq_work_sync(&work.work);
}

static DEFINE_RAW_SPINLOCK(raw_lock);

void fanlight_test_run(int context, void (*func)(void *data), void *data)
{
	unsigned long flags;

	switch (context) {
	case FANLIGHT_TEST_TASK:
		func(data);
		break;
	case FANLIGHT_TEST_SOFTIRQ:
		run_by_timer(HRTIMER_MODE_REL_PINNED_SOFT, func, data);
		break;
	case FANLIGHT_TEST_HARDIRQ:
		run_by_timer(HRTIMER_MODE_REL_PINNED_HARD, func, data);
		break;
	case FANLIGHT_TEST_RAW_LOCK:
		raw_spin_lock_irqsave(&raw_lock, flags);
		func(data);
		raw_spin_unlock_irqrestore(&raw_lock, flags);
		break;
	case FANLIGHT_TEST_IRQ_WORK:
		run_by_irq_work(func, data);
		break;
	case FANLIGHT_TEST_NMI:
		/* No machine of the tests has an NMI: nmi_enter() simulates one. */
		local_irq_save(flags);
		lockdep_off();
		__preempt_count_add(NMI_OFFSET + HARDIRQ_OFFSET);
		func(data);
		__preempt_count_sub(NMI_OFFSET + HARDIRQ_OFFSET);
		lockdep_on();
		local_irq_restore(flags);
		break;
	}
}

struct fanlight_test_ticker {
	struct hrtimer timer;
	u64 period_ns;
	void (*func)(void *data);
	void *data;
};

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct fanlight_test_ticker *ticker =
		container_of(timer, struct fanlight_test_ticker, timer);
	ktime_t start = ktime_get(), end;
	u64 pause;

	ticker->func(ticker->data);
	/* An emulated machine may be slow: leave most of its time to the interrupted task. */
	end = ktime_get();
	pause = max_t(u64, ticker->period_ns, 8 * ktime_to_ns(ktime_sub(end, start)));
	hrtimer_set_expires(timer, ktime_add_ns(end, pause));
	return HRTIMER_RESTART;
}

struct fanlight_test_ticker *
fanlight_test_ticker_start(bool hard, u64 period_ns, void (*func)(void *data), void *data)
{
	enum hrtimer_mode mode = hard ? HRTIMER_MODE_REL_PINNED_HARD : HRTIMER_MODE_REL_PINNED_SOFT;
	struct fanlight_test_ticker *ticker = kzalloc(sizeof(*ticker), GFP_KERNEL);

	if (!ticker)
		return NULL;
	ticker->period_ns = period_ns;
	ticker->func = func;
	ticker->data = data;
	hrtimer_setup(&ticker->timer, tick, CLOCK_MONOTONIC, mode);
	hrtimer_start(&ticker->timer, ns_to_ktime(period_ns), mode);
	return ticker;
}

void fanlight_test_ticker_stop(struct fanlight_test_ticker *ticker)
{
	hrtimer_cancel(&ticker->timer);
	kfree(ticker);
}

void fanlight_test_migrate_disable(void)
{
	migrate_disable();
}

void fanlight_test_migrate_enable(void)
{
	migrate_enable();
}

void fanlight_test_cond_resched(void)
{
	cond_resched();
}

void fanlight_test_printk(const char *text, size_t len)
{
	pr_info("%.*s\n", (int)len, text);
}

void fanlight_test_cont(const char *text, size_t len)
{
	pr_info("%.*s begins\n", (int)len, text);
	/* The line before is complete, so this becomes another message. */
	pr_cont("%.*s goes on\n", (int)len, text);
}

void fanlight_test_oops(void)
{
	BUG();
}

static atomic_t hanging;

static void hang(void *unused)
{
	atomic_inc(&hanging);
	for (;;)
		cpu_relax();
}

void fanlight_test_hang(int off, unsigned long others, const char *text, size_t len)
{
	unsigned int cpu;

	/*
	 * By interrupts and from here, so that nothing else can run between. A task would have to
	 * wait for what the kernel's own tasks do on its processor.
	 */
	preempt_disable();
	__clear_bit(smp_processor_id(), &others);
	for_each_set_bit(cpu, &others, BITS_PER_LONG) {
		if (smp_call_function_single(cpu, hang, NULL, false))
			__clear_bit(cpu, &others);
	}
	while (atomic_read(&hanging) != hweight_long(others))
		cpu_relax();
	if (off == FANLIGHT_TEST_INTERRUPTS)
		local_irq_disable();
	else if (off == FANLIGHT_TEST_SOFTIRQS)
		local_bh_disable();
	pr_err("%.*s\n", (int)len, text);
	for (;;)
		cpu_relax();
}

void fanlight_test_stall(unsigned int ms)
{
	local_irq_disable();
	while (ms--)
		mdelay(1);
	local_irq_enable();
}

void fanlight_test_sysrq(u8 key)
{
	handle_sysrq(key);
}
