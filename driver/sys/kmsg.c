// SPDX-License-Identifier: GPL-2.0-only
/*
 * printk's side of the log: the console, which bindgen leaves opaque, the dumper, and the rights of
 * /dev/kmsg, which printk does not export. See helpers.h; the safe types over these are in
 * console.rs and file.rs.
 */

#include <linux/capability.h>
#include <linux/console.h>
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/irq_work.h>
#include <linux/kmsg_dump.h>
#include <linux/list.h>
#include <linux/major.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/panic.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uuid.h>

#include "../fanlight_log.h"
#include "helpers.h"

/* The console */

/* The longest message in the extended form: PRINTK_MESSAGE_MAX of kernel/printk/internal.h. */
#define FANLIGHT_LINE_MAX 2048

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
 * fanlight_console_write() was not called. The position shows how far printk has advanced this
 * console.
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

/* printk's buffer */

ssize_t fanlight_kmsg_dump(u64 *seq, char *buffer, size_t size)
{
	struct kmsg_dump_iter iter = { .cur_seq = *seq, .next_seq = U64_MAX };
	size_t len;

	if (!kmsg_dump_get_line(&iter, true, buffer, size, &len))
		return -ENOENT;
	*seq = iter.cur_seq - 1;
	return len;
}

int fanlight_console_loglevel(void)
{
	return READ_ONCE(console_loglevel);
}

void fanlight_kmsg_range(u64 *cleared, u64 *next)
{
	struct kmsg_dump_iter iter;

	kmsg_dump_rewind(&iter);
	*cleared = iter.cur_seq;
	*next = iter.next_seq;
}

/* The dumper: the last call before the machine goes down. */

struct fanlight_dumper {
	struct kmsg_dumper dumper;
	const void *data;
};

static void fanlight_dump(struct kmsg_dumper *dumper, struct kmsg_dump_detail *detail)
{
	struct fanlight_dumper *fd = container_of(dumper, struct fanlight_dumper, dumper);

	fanlight_dumping(fd->data, detail->reason == KMSG_DUMP_PANIC,
			 detail->reason == KMSG_DUMP_SHUTDOWN);
}

struct fanlight_dumper *fanlight_dumper_new(const void *data)
{
	struct fanlight_dumper *fd = kzalloc_obj(*fd);

	if (!fd)
		return ERR_PTR(-ENOMEM);
	fd->data = data;
	fd->dumper.dump = fanlight_dump;
	fd->dumper.max_reason = KMSG_DUMP_SHUTDOWN;
	/* It fails only for a dumper that is registered already. */
	kmsg_dump_register(&fd->dumper);
	return fd;
}

void fanlight_dumper_free(struct fanlight_dumper *fd)
{
	/* Waits for those who are calling the dumper. */
	kmsg_dump_unregister(&fd->dumper);
	kfree(fd);
}

/* fanlight_log(): records of other modules go to the first of the logs. */

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

/* The rights of /dev/kmsg */

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

/*
 * printk's own rules (dmesg_restrict, the security modules' hook for syslog) are not exported: the
 * answer is that of opening /dev/kmsg. The mode and the label of the file in /dev are not asked.
 * printk.devkmsg=off refuses the file to everybody, with EPERM, and syslog() still answers those
 * who have CAP_SYSLOG; so do we. A security module refuses with EACCES.
 */
int fanlight_may_read_kmsg(void)
{
	struct file *file = fanlight_open_kmsg();

	if (!IS_ERR(file)) {
		__fput_sync(file);
		return 0;
	}
	if (file == ERR_PTR(-EPERM) && ns_capable_noaudit(&init_user_ns, CAP_SYSLOG))
		return 0;
	return PTR_ERR(file);
}

bool fanlight_may_clear_log(void)
{
	return capable(CAP_SYSLOG);
}

/* The boot */

/*
 * The kernel's boot id is not exported. It is read from proc by a mount of our own, since the root
 * file system need not have one yet.
 */
int fanlight_boot_id(u8 id[16])
{
	struct file_system_type *type = get_fs_type("proc");
	char text[UUID_STRING_LEN + 1] = "";
	struct vfsmount *mount;
	struct file *file;
	loff_t pos = 0;
	ssize_t len;
	int ret;

	if (!type)
		return -ENOENT;
	mount = kern_mount(type);
	module_put(type->owner);
	if (IS_ERR(mount))
		return PTR_ERR(mount);
	file = file_open_root_mnt(mount, "sys/kernel/random/boot_id", O_RDONLY | O_LARGEFILE, 0);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto unmount;
	}
	len = kernel_read(file, text, UUID_STRING_LEN, &pos);
	__fput_sync(file);
	ret = len == UUID_STRING_LEN ? uuid_parse(text, (uuid_t *)id) : -EIO;
unmount:
	kern_unmount(mount);
	return ret;
}
