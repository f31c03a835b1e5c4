// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the current task may see and do, used by capability.rs; see helpers.h.
 */

#include <linux/capability.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/major.h>
#include <linux/mount.h>
#include <linux/path.h>
#include <linux/user_namespace.h>

#include "helpers.h"

bool fanlight_may_show_addresses(void)
{
	/* A query for a window's size must not cause a denial in the audit log. */
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
}

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
 * printk's own rules (dmesg_restrict, the security modules' hook for syslog) are not exported, so
 * this opens /dev/kmsg. This does not check the mode and label of the file in /dev. With
 * printk.devkmsg=off, opening fails with EPERM for every process. syslog() allows CAP_SYSLOG then,
 * and so does this function. A security module refuses with EACCES.
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
