// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tick of a log: work that must not depend on printk's calls, done twice a second. See
 * helpers.h; the safe type over it is in console.rs.
 *
 * When printk prints directly, in an emergency or while there are boot consoles, it makes no call
 * for suppressed messages. Then only the console's position shows that it has passed them.
 *
 * Nor does printk wake the console's thread if the printing processor no longer takes interrupts:
 * its wake-up waits for an interrupt there. A watchdog is likely to reset the machine then, and the
 * last messages have the reason.
 *
 * Each processor has a timer, so that any one that still takes interrupts keeps the tick going,
 * also one that hangs with soft interrupts or preemption off. One of them ticks. The others stand
 * by: their timers expire rarely, and only look whether a tick is overdue. Whichever finds that
 * ticks from then on. Processors that are isolated from the kernel's timers (nohz_full=) have none.
 */

#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched/isolation.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include "helpers.h"

/* Between two ticks. */
#define FANLIGHT_TICK_NS	(NSEC_PER_SEC / 2)
/* Between two looks of a processor that stands by. */
#define FANLIGHT_STANDBY_NS	(2LL * NSEC_PER_SEC)
/* By how much a timer may be late, so that an idle processor wakes up less often. */
#define FANLIGHT_TICK_SLACK_NS	(NSEC_PER_SEC / 20)

struct fanlight_tick_timer {
	struct hrtimer timer;
	struct fanlight_tick *tick;
};

struct fanlight_tick {
	struct hlist_node node;
	struct work_struct work;
	/* For each possible processor: percpu memory would be vmalloc memory of its own. */
	struct fanlight_tick_timer *timers;
	/* When the next tick is due, in nanoseconds of CLOCK_MONOTONIC. */
	atomic64_t due;
	struct fanlight_console *fc;
	const void *data;
};

/* The hotplug state that all ticks share, and how many there are. */
static DEFINE_MUTEX(fanlight_tick_lock);
static enum cpuhp_state fanlight_tick_state;
static unsigned int fanlight_ticks;

static void fanlight_tick_work(struct work_struct *work)
{
	struct fanlight_tick *tick = container_of(work, struct fanlight_tick, work);

	fanlight_console_look(tick->fc);
	fanlight_ticking(tick->data);
}

/*
 * In hard interrupt context, also on PREEMPT_RT. Ticks are half a second apart, so work that is
 * still queued has not begun for that long.
 */
static void fanlight_tick(struct fanlight_tick *tick)
{
	bool stuck = !queue_work(system_dfl_wq, &tick->work);

	fanlight_console_nudge(tick->fc);
	fanlight_ticked(tick->data, stuck);
}

static enum hrtimer_restart fanlight_tick_expired(struct hrtimer *timer)
{
	struct fanlight_tick_timer *tt = container_of(timer, struct fanlight_tick_timer, timer);
	struct fanlight_tick *tick = tt->tick;
	s64 now = ktime_get();
	s64 due = atomic64_read(&tick->due);
	s64 next = now + FANLIGHT_STANDBY_NS;

	/* Only one processor can have this tick, and it ticks next time, too. */
	if (now >= due && atomic64_try_cmpxchg(&tick->due, &due, now + FANLIGHT_TICK_NS)) {
		fanlight_tick(tick);
		next = now + FANLIGHT_TICK_NS;
	}
	hrtimer_set_expires_range_ns(timer, next, FANLIGHT_TICK_SLACK_NS);
	return HRTIMER_RESTART;
}

/* Starts this processor's timer. */
static void fanlight_tick_start(void *data)
{
	struct fanlight_tick *tick = data;
	struct fanlight_tick_timer *tt = &tick->timers[smp_processor_id()];

	hrtimer_start_range_ns(&tt->timer, FANLIGHT_TICK_NS, FANLIGHT_TICK_SLACK_NS,
			       HRTIMER_MODE_REL_PINNED_HARD);
}

static int fanlight_tick_online(unsigned int cpu, struct hlist_node *node)
{
	if (housekeeping_test_cpu(cpu, HK_TYPE_TIMER))
		fanlight_tick_start(hlist_entry(node, struct fanlight_tick, node));
	return 0;
}

static int fanlight_tick_offline(unsigned int cpu, struct hlist_node *node)
{
	struct fanlight_tick *tick = hlist_entry(node, struct fanlight_tick, node);

	hrtimer_cancel(&tick->timers[cpu].timer);
	return 0;
}

static int fanlight_tick_state_get(void)
{
	int state;

	guard(mutex)(&fanlight_tick_lock);
	if (!fanlight_ticks) {
		state = cpuhp_setup_state_multi(CPUHP_AP_ONLINE_DYN, "fanlight:online",
						fanlight_tick_online, fanlight_tick_offline);
		if (state < 0)
			return state;
		fanlight_tick_state = state;
	}
	fanlight_ticks++;
	return 0;
}

static void fanlight_tick_state_put(void)
{
	guard(mutex)(&fanlight_tick_lock);
	if (!--fanlight_ticks)
		cpuhp_remove_multi_state(fanlight_tick_state);
}

struct fanlight_tick *fanlight_tick_new(struct fanlight_console *fc, const void *data)
{
	struct fanlight_tick *tick = kzalloc_obj(*tick);
	unsigned int cpu;
	int ret = -ENOMEM;

	if (!tick)
		return ERR_PTR(ret);
	tick->fc = fc;
	tick->data = data;
	INIT_WORK(&tick->work, fanlight_tick_work);
	tick->timers = kzalloc_objs(*tick->timers, nr_cpu_ids);
	if (!tick->timers)
		goto free;
	for_each_possible_cpu(cpu) {
		struct fanlight_tick_timer *tt = &tick->timers[cpu];

		tt->tick = tick;
		hrtimer_setup(&tt->timer, fanlight_tick_expired, CLOCK_MONOTONIC,
			      HRTIMER_MODE_REL_PINNED_HARD);
	}
	atomic64_set(&tick->due, ktime_get() + FANLIGHT_TICK_NS);
	ret = fanlight_tick_state_get();
	if (ret)
		goto free_timers;
	/*
	 * Without calls: they come from a thread of each processor, and a real-time task may keep
	 * one from running forever. It fails only where such a call does.
	 */
	cpuhp_state_add_instance_nocalls(fanlight_tick_state, &tick->node);
	/* A processor that came online in between only starts its timer again. */
	scoped_guard(cpus_read_lock)
		on_each_cpu_mask(housekeeping_cpumask(HK_TYPE_TIMER), fanlight_tick_start, tick,
				 true);
	return tick;
free_timers:
	kfree(tick->timers);
free:
	kfree(tick);
	return ERR_PTR(ret);
}

void fanlight_tick_free(struct fanlight_tick *tick)
{
	unsigned int cpu;

	cpuhp_state_remove_instance_nocalls(fanlight_tick_state, &tick->node);
	fanlight_tick_state_put();
	/* Nothing starts them any more. */
	for_each_possible_cpu(cpu)
		hrtimer_cancel(&tick->timers[cpu].timer);
	cancel_work_sync(&tick->work);
	kfree(tick->timers);
	kfree(tick);
}
