// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies between kernel memory and memory that user space or hardware may change concurrently; see
 * helpers.h. In Rust, such a copy would be a data race.
 */

#include <linux/io.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "helpers.h"

/* Copies up to this size use single aligned accesses, whatever the memory type. */
#define BULK	64

/* Bytes of the widest access that is aligned and fits. */
static size_t step(const void __iomem *at, size_t len)
{
	unsigned long address = (__force unsigned long)at;

	if (!(address & 3) && len >= 4)
		return 4;
	return !(address & 1) && len >= 2 ? 2 : 1;
}

void fanlight_copy_from(void *to, const void *source, size_t len, bool bulk)
{
	const void __iomem *from = (__force const void __iomem *)source;
	size_t done;

	if (bulk && len > BULK) {
		memcpy(to, source, len);
		return;
	}
	for (; len; to += done, from += done, len -= done) {
		done = step(from, len);
		if (done == 4)
			put_unaligned(__raw_readl(from), (u32 *)to);
		else if (done == 2)
			put_unaligned(__raw_readw(from), (u16 *)to);
		else
			*(u8 *)to = __raw_readb(from);
	}
}

void fanlight_copy_to(void *target, const void *from, size_t len, bool bulk)
{
	void __iomem *to = (__force void __iomem *)target;
	size_t done;

	if (bulk && len > BULK) {
		memcpy(target, from, len);
		return;
	}
	for (; len; to += done, from += done, len -= done) {
		done = step(to, len);
		if (done == 4)
			__raw_writel(get_unaligned((const u32 *)from), to);
		else if (done == 2)
			__raw_writew(get_unaligned((const u16 *)from), to);
		else
			__raw_writeb(*(const u8 *)from, to);
	}
}

void fanlight_memcpy(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
}
