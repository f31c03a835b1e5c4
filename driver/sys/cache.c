// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cleaning and invalidating caches for physical memory without struct page; see helpers.h.
 *
 * The DMA API cannot do it: arch_sync_dma_for_device() uses the address in the kernel's linear
 * mapping, which a no-map region does not have. Therefore this file uses the operations by virtual
 * address, and those of the outer cache of 32-bit ARM, on its own mapping. The data caches of ARMv7
 * and ARMv8 behave as physically tagged, so any cached mapping will do.
 */

#include <linux/io.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <asm/cacheflush.h>

#include "helpers.h"

#ifdef CONFIG_ARM64

#include <asm/barrier.h>
#include <asm/cpufeature.h>
#include <asm/sysreg.h>

bool fanlight_can_flush_cache(phys_addr_t start, size_t size)
{
	return true;
}

/* Modules have no dcache_clean_inval_poc(). */
static void flush(void *addr, phys_addr_t start, size_t size)
{
	/*
	 * The shortest line of all processors: bits 16 to 19 have the binary logarithm of its
	 * length in words.
	 */
	size_t line = 4 << ((read_sanitised_ftr_reg(SYS_CTR_EL0) >> 16) & 0xf);
	void *at;

	for (at = addr; at < addr + size; at += line)
		asm volatile("dc civac, %0" : : "r" (at) : "memory");
	dsb(sy);
}

#else

#include <asm/outercache.h>

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

/* Flushes the inner caches to the outer cache, then the outer cache to memory. */
static void flush(void *addr, phys_addr_t start, size_t size)
{
	__cpuc_flush_dcache_area(addr, size);
	outer_flush_range(start, start + size);
}

#endif

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
		flush(addr, start, piece);
		memunmap(addr);
		cond_resched();
	}
	return 0;
}
