// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cleaning and invalidating caches for physical memory without struct page; see helpers.h.
 *
 * The DMA API cannot do it: for memory below the highmem limit, arch_sync_dma_for_device() uses the
 * address in the kernel's linear mapping, which a no-map region does not have. 32-bit ARM has no
 * arch_wb_cache_pmem(). Therefore this file calls what flush_dcache_page() and the DMA API call,
 * the operations by virtual address and those of the outer cache, on its own mapping. The caches of
 * ARMv7 are physically tagged, so any cached mapping will do.
 */

#include <linux/io.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <asm/cacheflush.h>
#include <asm/outercache.h>

#include "helpers.h"

/*
 * The operations of the outer cache take addresses of 32 bits, even with LPAE, and compare them
 * with the end, which would wrap to 0 at 4 GiB.
 */
bool fanlight_can_flush_cache(phys_addr_t start, size_t size)
{
	bool outer = false;

#ifdef CONFIG_OUTER_CACHE
	outer = outer_cache.flush_range;
#endif
	return !outer || (u64)start + size <= ULONG_MAX;
}

int fanlight_flush_cache(phys_addr_t start, size_t size)
{
	size_t piece;
	void *addr;

	if (!fanlight_can_flush_cache(start, size))
		return -ERANGE;

	for (; size; start += piece, size -= piece) {
		/* Kernel addresses may be scarce: map pieces, and single pages if necessary. */
		piece = min_t(size_t, size, SZ_1M);
		addr = memremap(start, piece, MEMREMAP_WB);
		if (!addr) {
			piece = min_t(size_t, size, PAGE_SIZE);
			addr = memremap(start, piece, MEMREMAP_WB);
		}
		if (!addr)
			return -ENOMEM;
		/* Flush the inner caches to the outer cache, then the outer cache to memory. */
		__cpuc_flush_dcache_area(addr, piece);
		outer_flush_range(start, start + piece);
		memunmap(addr);
		cond_resched();
	}
	return 0;
}
