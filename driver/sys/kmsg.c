// SPDX-License-Identifier: GPL-2.0-only
/*
 * printk's side of the log: the console, which bindgen leaves opaque, and what printk does not
 * export: its wake-up, its rights. See helpers.h; the safe types over these are in console.rs and
 * file.rs.
 */

#include <linux/capability.h>
#include <linux/console.h>
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kmsg_dump.h>
#include <linux/major.h>
#include <linux/mount.h>
#include <linux/panic.h>
#include <linux/poll.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "../fanlight_log.h"
#include "helpers.h"

/*
 * The console ------------------------------------------------------------------------------------
 * --------------
 */

static void fanlight_console_write(struct console *con, struct nbcon_write_context *wctxt,
				   bool emergency)
{
	/* A takeover in here would give the buffer to somebody else while it is parsed. */
	if (!nbcon_enter_unsafe(wctxt))
		return;
	fanlight_console_line(con->data, wctxt->outbuf, wctxt->len, emergency);
	nbcon_exit_unsafe(wctxt);
}

static void fanlight_console_write_thread(struct console *con, struct nbcon_write_context *wctxt)
{
	fanlight_console_write(con, wctxt, false);
}

static void fanlight_console_write_atomic(struct console *con, struct nbcon_write_context *wctxt)
{
	fanlight_console_write(con, wctxt, true);
}

/*
 * There is no device beyond the ring, and the ring has a lock of its own: all that printk asks of
 * this pair is that the thread does not migrate.
 */
static void fanlight_console_device_lock(struct console *con, unsigned long *flags)
{
	migrate_disable();
}

static void fanlight_console_device_unlock(struct console *con, unsigned long flags)
{
	migrate_enable();
}

struct console *fanlight_console_new(void *data, short index)
{
	struct console *con = kzalloc_obj(*con);

	if (!con)
		return NULL;
	strscpy(con->name, "fanlight");
	con->index = index;
	/*
	 * CON_ENABLED: no console= on the command line is needed. CON_PRINTBUFFER: from the first
	 * record still there.
	 */
	con->flags = CON_ENABLED | CON_EXTENDED | CON_PRINTBUFFER | CON_NBCON;
	con->write_thread = fanlight_console_write_thread;
	con->write_atomic = fanlight_console_write_atomic;
	con->device_lock = fanlight_console_device_lock;
	con->device_unlock = fanlight_console_device_unlock;
	con->data = data;
	return con;
}

int fanlight_console_register(struct console *con)
{
	register_console(con);
	/* It says nothing: what can fail is the buffer and the thread. */
	return console_is_registered(con) ? 0 : -ENOMEM;
}

void fanlight_console_free(struct console *con)
{
	if (console_is_registered(con))
		unregister_console(con);
	kfree(con);
}

static const void __rcu *fanlight_log_target;

bool fanlight_log_target_set(const void *target)
{
	return !unrcu_pointer(cmpxchg(&fanlight_log_target, NULL, RCU_INITIALIZER(target)));
}

void fanlight_log_target_clear(const void *target)
{
	if (rcu_access_pointer(fanlight_log_target) != target)
		return;
	RCU_INIT_POINTER(fanlight_log_target, NULL);
	synchronize_rcu();
}

int fanlight_log(unsigned int level, const char *text, size_t len)
{
	const void *target;
	int ret = -ENODEV;

	rcu_read_lock();
	target = rcu_dereference(fanlight_log_target);
	if (target)
		ret = fanlight_log_record(target, level, text, len,
					  in_nmi() || panic_in_progress());
	rcu_read_unlock();
	return ret;
}
EXPORT_SYMBOL_GPL(fanlight_log);

ssize_t fanlight_kmsg_dump(u64 *seq, char *buffer, size_t size)
{
	struct kmsg_dump_iter iter = { .cur_seq = *seq, .next_seq = U64_MAX };
	size_t len;

	if (!kmsg_dump_get_line(&iter, true, buffer, size, &len))
		return -ENOENT;
	*seq = iter.cur_seq - 1;
	return len;
}

u64 fanlight_kmsg_cleared(void)
{
	struct kmsg_dump_iter iter;

	kmsg_dump_rewind(&iter);
	return iter.cur_seq;
}

int fanlight_console_loglevel(void)
{
	return console_loglevel;
}

/*
 * The rights of /dev/kmsg
 * --------------------------------------------------------------------------------------
 */

/*
 * Opens kmsg as the current task, by an inode of our own with its number: what is mounted on /dev
 * has no part in it. To be closed by __fput_sync: a file that is closed later could outlive the
 * module, to which its file system belongs.
 */
static struct file *fanlight_open_kmsg(void)
{
	struct path path = { .mnt = fanlight_mount() };
	struct super_block *sb = path.mnt->mnt_sb;
	struct inode *inode;
	struct file *file;

	inode = alloc_anon_inode(sb);
	if (IS_ERR(inode))
		return ERR_CAST(inode);
	init_special_inode(inode, S_IFCHR | 0444, MKDEV(MEM_MAJOR, 11));
	path.dentry = d_alloc_anon(sb);
	if (!path.dentry) {
		iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	d_instantiate(path.dentry, inode);
	file = dentry_open(&path, O_RDONLY | O_LARGEFILE, current_cred());
	dput(path.dentry);
	return file;
}

/* printk's own rules (dmesg_restrict, CAP_SYSLOG, LSMs) are not exported, so they are asked. */
int fanlight_may_read_kmsg(void)
{
	struct file *file = fanlight_open_kmsg();

	if (IS_ERR(file))
		return PTR_ERR(file);
	__fput_sync(file);
	return 0;
}

/*
 * printk wakes those who poll kmsg after every message, whatever its level; consoles hear of the
 * loud ones only. The queue is not exported: it is learnt by polling.
 */
struct fanlight_listener {
	poll_table table;
	wait_queue_entry_t entry;
	wait_queue_head_t *queue;
	struct file *file;
	const void *data;
};

static int fanlight_printed(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	fanlight_console_printed(container_of(entry, struct fanlight_listener, entry)->data);
	return 0;
}

static void fanlight_listener_queue(struct file *file, wait_queue_head_t *queue, poll_table *table)
{
	struct fanlight_listener *listener = container_of(table, struct fanlight_listener, table);

	if (listener->queue)
		return;
	listener->queue = queue;
	add_wait_queue(queue, &listener->entry);
}

struct fanlight_listener *fanlight_listen(const void *data)
{
	struct fanlight_listener *listener = kzalloc_obj(*listener);

	if (!listener)
		return ERR_PTR(-ENOMEM);
	listener->data = data;
	listener->file = fanlight_open_kmsg();
	if (IS_ERR(listener->file)) {
		struct file *error = listener->file;

		kfree(listener);
		return ERR_CAST(error);
	}
	init_waitqueue_func_entry(&listener->entry, fanlight_printed);
	init_poll_funcptr(&listener->table, fanlight_listener_queue);
	vfs_poll(listener->file, &listener->table);
	return listener;
}

void fanlight_listen_end(struct fanlight_listener *listener)
{
	if (listener->queue)
		remove_wait_queue(listener->queue, &listener->entry);
	__fput_sync(listener->file);
	kfree(listener);
}

bool fanlight_may_clear_log(void)
{
	return capable(CAP_SYSLOG);
}
