// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files and the address space that they share, used by file.rs and address_space.rs; see helpers.h.
 */

#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/idr.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "helpers.h"

bool fanlight_in_compat_syscall(void)
{
	return in_compat_syscall();
}

DEFINE_IDA(fanlight_instances);

bool fanlight_file_is_readable(const struct file *file)
{
	return file->f_mode & FMODE_READ;
}

bool fanlight_file_is_writable(const struct file *file)
{
	return file->f_mode & FMODE_WRITE;
}

/* The shared address space, like that of DRM and vfio */

static int fanlight_fs_count;
static struct vfsmount *fanlight_fs_mount;

static int fanlight_fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, 0x666c6768) ? 0 : -ENOMEM;
}

static struct file_system_type fanlight_fs_type = {
	.name = "fanlight",
	/*
	 * No owner: the mount would hold the module for as long as an instance exists. Instances
	 * are removed before the module. Whatever outlives an instance is held by open files, which
	 * hold the module.
	 */
	.init_fs_context = fanlight_fs_init_context,
	.kill_sb = kill_anon_super,
};

struct vfsmount *fanlight_mount(void)
{
	return fanlight_fs_mount;
}

struct inode *fanlight_inode_new(void)
{
	struct inode *inode;
	int ret;

	ret = simple_pin_fs(&fanlight_fs_type, &fanlight_fs_mount, &fanlight_fs_count);
	if (ret < 0)
		return ERR_PTR(ret);
	inode = alloc_anon_inode(fanlight_fs_mount->mnt_sb);
	if (IS_ERR(inode))
		simple_release_fs(&fanlight_fs_mount, &fanlight_fs_count);
	return inode;
}

void fanlight_inode_free(struct inode *inode)
{
	iput(inode);
	simple_release_fs(&fanlight_fs_mount, &fanlight_fs_count);
}

void fanlight_inode_adopt(struct inode *inode, struct file *file)
{
	file->f_mapping = inode->i_mapping;
}

void fanlight_inode_unmap(struct inode *inode)
{
	unmap_mapping_range(inode->i_mapping, 0, 0, 1);
}
