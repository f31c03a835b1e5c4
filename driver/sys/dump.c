// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dumper, the last call before the machine goes down, used by console.rs; see helpers.h.
 */

#include <linux/err.h>
#include <linux/kmsg_dump.h>
#include <linux/slab.h>

#include "helpers.h"

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
