// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's boot id, used by random.rs; see helpers.h.
 */

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/module.h>
#include <linux/uuid.h>

#include "helpers.h"

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
