// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks, timers and waiting, used by irq_lock.rs, rw_semaphore.rs, wait.rs, task.rs and others;
 * see helpers.h.
 */

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "helpers.h"

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
	/* A reset may follow at once: drain the write buffers and the outer cache. */
	wmb();
}
