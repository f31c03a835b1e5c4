// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console through which printk passes each message, used by console.rs; see helpers.h. bindgen
 * leaves struct console opaque.
 */

#include <linux/console.h>
#include <linux/irq_work.h>
#include <linux/kmsg_dump.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/rcuwait.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "helpers.h"

struct fanlight_console {
	struct console con;
	void *data;
	/*
	 * Held while a task prints: by the console's thread, or by another task that flushes the
	 * consoles. Protects line and started.
	 */
	struct mutex lock;
	/* False until the console is to begin: what comes before is offered again. */
	bool started;
	/* Where a line is while it is parsed. */
	char line[FANLIGHT_LINE_MAX];
};

static struct fanlight_console *to_fanlight_console(struct console *con)
{
	return container_of(con, struct fanlight_console, con);
}

/*
 * A higher priority context may take the console over and reuse the buffer at any time but in an
 * unsafe section. The section ends after the copy, so that no context waits for the parser.
 */
static unsigned int fanlight_console_copy(struct nbcon_write_context *wctxt, char *line)
{
	unsigned int len;

	if (!nbcon_enter_unsafe(wctxt))
		return 0;
	len = min_t(unsigned int, wctxt->len, FANLIGHT_LINE_MAX);
	memcpy(line, wctxt->outbuf, len);
	/* The copy is whole, even if the console was taken over at this very moment. */
	nbcon_exit_unsafe(wctxt);
	return len;
}

static void fanlight_console_write_thread(struct console *con, struct nbcon_write_context *wctxt)
{
	struct fanlight_console *fc = to_fanlight_console(con);
	unsigned int len;

	if (!READ_ONCE(fc->started))
		return;
	/* The caller has locked the device. */
	len = fanlight_console_copy(wctxt, fc->line);
	if (len)
		fanlight_console_line(fc->data, fc->line, len);
}

static void fanlight_console_write_atomic(struct console *con, struct nbcon_write_context *wctxt)
{
	struct fanlight_console *fc = to_fanlight_console(con);

	if (!READ_ONCE(fc->started))
		return;
	/* The buffer is this context's as long as it is unsafe to take the console over. */
	if (!nbcon_enter_unsafe(wctxt))
		return;
	fanlight_console_line_atomic(fc->data, wctxt->outbuf, wctxt->len);
	nbcon_exit_unsafe(wctxt);
}

static void fanlight_console_device_lock(struct console *con, unsigned long *flags)
{
	mutex_lock(&to_fanlight_console(con)->lock);
	/* printk asks that the task does not migrate while it prints. */
	migrate_disable();
}

/* With fc->lock held. The position moves on after a message was written, or passed over. */
static void fanlight_console_tell_passed(struct fanlight_console *fc, bool each)
{
	u32 next = atomic_long_read(&ACCESS_PRIVATE(&fc->con, nbcon_seq));

	if (READ_ONCE(fc->started))
		fanlight_console_passed(fc->data, next, each);
}

/*
 * A task that prints calls this after every message, also after a suppressed one, for which
 * fanlight_console_write_thread() was not called. The position shows how far printk has advanced
 * this console.
 */
static void fanlight_console_device_unlock(struct console *con, unsigned long flags)
{
	struct fanlight_console *fc = to_fanlight_console(con);

	fanlight_console_tell_passed(fc, true);
	migrate_enable();
	mutex_unlock(&fc->lock);
}

struct fanlight_console *fanlight_console_new(void *data, short index)
{
	struct fanlight_console *fc = kzalloc_obj(*fc);

	if (!fc)
		return NULL;
	strscpy(fc->con.name, "fanlight");
	fc->con.index = index;
	/*
	 * CON_ENABLED: no console= on the command line is needed. CON_ANYTIME: memory is there also
	 * for a processor that is not online.
	 */
	fc->con.flags = CON_ENABLED | CON_ANYTIME | CON_EXTENDED | CON_NBCON;
	fc->con.write_thread = fanlight_console_write_thread;
	fc->con.write_atomic = fanlight_console_write_atomic;
	fc->con.device_lock = fanlight_console_device_lock;
	fc->con.device_unlock = fanlight_console_device_unlock;
	fc->data = data;
	mutex_init(&fc->lock);
	return fc;
}

int fanlight_console_register(struct fanlight_console *fc)
{
	register_console(&fc->con);
	/* It returns nothing. It fails when there is no memory for the buffer or the thread. */
	if (!console_is_registered(&fc->con))
		return -ENOMEM;
	return 0;
}

void fanlight_console_start(struct fanlight_console *fc)
{
	u64 cleared, next;

	/*
	 * Begin with the oldest message that printk has. A new console begins at the end, or where
	 * syslog(2) has read to (CON_PRINTBUFFER). printk updates the position by compare and
	 * exchange, so an emergency that is printing right now does not undo this.
	 *
	 * printk goes on with its oldest message if that of the position is gone. The position has
	 * 32 bits only, and has to be within 2^31 messages of that one, or it would be taken for
	 * one that is still to come: __ulseq_to_u64seq().
	 */
	fanlight_kmsg_range(&cleared, &next);
	scoped_guard(mutex, &fc->lock) {
		WRITE_ONCE(fc->started, true);
		atomic_long_set(&ACCESS_PRIVATE(&fc->con, nbcon_seq),
				(u32)(next - min_t(u64, next, BIT(30))));
	}
	rcuwait_wake_up(&fc->con.rcuwait);
}

void fanlight_console_look(struct fanlight_console *fc)
{
	/* The owner of the lock reports the position when it unlocks, unless it hangs. */
	if (!mutex_trylock(&fc->lock))
		return;
	fanlight_console_tell_passed(fc, false);
	mutex_unlock(&fc->lock);
}

void fanlight_console_nudge(struct fanlight_console *fc)
{
	struct kmsg_dump_iter iter;

	kmsg_dump_rewind(&iter);
	if ((u32)iter.next_seq != (u32)atomic_long_read(&ACCESS_PRIVATE(&fc->con, nbcon_seq)))
		rcuwait_wake_up(&fc->con.rcuwait);
}

void fanlight_console_free(struct fanlight_console *fc)
{
	if (console_is_registered(&fc->con))
		unregister_console(&fc->con);
	/* 7.2 does not wait for the wake-up of the console's thread. */
	irq_work_sync(&fc->con.irq_work);
	kfree(fc);
}
