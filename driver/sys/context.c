// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a record comes from: its time, its caller and the state that the kernel is in, as printk
 * computes them.
 */

#include <linux/panic.h>
#include <linux/pid.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/smp.h>

#include "helpers.h"

u64 fanlight_local_clock(void)
{
	return local_clock();
}

void fanlight_comm(char *buffer)
{
	get_task_comm(*(char (*)[TASK_COMM_LEN])buffer, current);
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
