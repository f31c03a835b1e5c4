/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writing to fanlight's log from other kernel modules without printk: the text is not formatted and
 * not printed on consoles.
 */
#ifndef FANLIGHT_LOG_H
#define FANLIGHT_LOG_H

#include <linux/types.h>

/**
 * fanlight_log - append a record to the log of the first instance that has one
 * @level: 0 (LOGLEVEL_EMERG) to 7 (LOGLEVEL_DEBUG)
 * @text: the text, without a newline at its end; need not be terminated
 * @len: bytes of @text, at most 2016
 *
 * May be called in any context, NMI included. Waits for a spinlock only, and in an NMI, an oops or
 * a panic only for a bounded time. The records share the kernel's part of the ring with printk's
 * messages.
 *
 * Return: 0; -ENODEV when there is no log, -EINVAL when @level or @len is too large, -EBUSY when
 * the record was dropped.
 */
int fanlight_log(unsigned int level, const char *text, size_t len);

#endif /* FANLIGHT_LOG_H */
