// SPDX-License-Identifier: GPL-2.0-only
/*
 * fanlight_log(): records of other modules go to the first of the logs. Used by console.rs; see
 * helpers.h.
 */

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "../fanlight_log.h"
#include "helpers.h"

struct fanlight_target {
	struct list_head list;
	fanlight_record_fn *record;
	const void *log;
};

static LIST_HEAD(fanlight_targets);
static DEFINE_MUTEX(fanlight_targets_lock);
static const struct fanlight_target __rcu *fanlight_log_target;

static void fanlight_target_choose(void)
{
	rcu_assign_pointer(fanlight_log_target,
			   list_first_entry_or_null(&fanlight_targets, struct fanlight_target,
						    list));
}

struct fanlight_target *fanlight_target_add(fanlight_record_fn *record, const void *log)
{
	struct fanlight_target *target = kzalloc_obj(*target);

	if (!target)
		return ERR_PTR(-ENOMEM);
	target->record = record;
	target->log = log;
	guard(mutex)(&fanlight_targets_lock);
	list_add_tail(&target->list, &fanlight_targets);
	fanlight_target_choose();
	return target;
}

void fanlight_target_remove(struct fanlight_target *target)
{
	scoped_guard(mutex, &fanlight_targets_lock) {
		list_del(&target->list);
		fanlight_target_choose();
	}
	synchronize_rcu();
	kfree(target);
}

int fanlight_log(unsigned int level, const char *text, size_t len)
{
	const struct fanlight_target *target;
	int ret = -ENODEV;

	/* More than a record can hold, or more than there can be. */
	if (!text || len > FANLIGHT_LINE_MAX)
		return -EINVAL;
	rcu_read_lock();
	target = rcu_dereference(fanlight_log_target);
	if (target)
		ret = target->record(target->log, level, text, len);
	rcu_read_unlock();
	return ret;
}
EXPORT_SYMBOL_GPL(fanlight_log);
