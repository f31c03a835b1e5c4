// SPDX-License-Identifier: GPL-2.0-only
/*
 * printk's buffer and the levels of messages, used by printk.rs; see helpers.h.
 */

#include <linux/kmsg_dump.h>
#include <linux/printk.h>

#include "helpers.h"

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

int fanlight_default_level(void)
{
	return default_message_loglevel;
}
