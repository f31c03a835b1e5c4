// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wall clock. The notifier runs within the timekeeper's write section, where clocks cannot be
 * read, so it raises an interrupt (irq_work) that reads them.
 */

#include <linux/irq_work.h>
#include <linux/pvclock_gtod.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "helpers.h"

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
	/* This calls the notifier at once, and cannot fail for a new block. */
	pvclock_gtod_register_notifier(&clock->block);
	return clock;
}

void fanlight_clock_free(struct fanlight_clock *clock)
{
	pvclock_gtod_unregister_notifier(&clock->block);
	irq_work_sync(&clock->work);
	kfree(clock);
}

void fanlight_clock_sample(struct fanlight_sample *sample)
{
	u64 before = local_clock();
	u64 wall = ktime_get_real_fast_ns();
	u64 boot = ktime_get_boot_fast_ns();
	u64 after = local_clock();

	sample->ns = before;
	sample->low = wall - after;
	sample->high = wall - before;
	sample->to_boot_time = boot - before;
}
