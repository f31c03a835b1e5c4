// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel memory, used by contiguous.rs and vmalloc.rs; see helpers.h.
 */

#include <linux/cma.h>
#include <linux/dma-map-ops.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include "helpers.h"

struct page *fanlight_pages_alloc(size_t size)
{
	/*
	 * If the tree requests too much, the driver prints one line; the OOM killer must not run.
	 */
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;
	void *addr;

	if (get_order(size) <= MAX_PAGE_ORDER) {
		addr = alloc_pages_exact(size, gfp);
		if (addr)
			return virt_to_page(addr);
	}
#ifdef CONFIG_CONTIG_ALLOC
	/*
	 * Migrates other pages out of the way. Never uses CMA, whose pages cannot be pinned for
	 * long.
	 */
	return alloc_contig_pages(size >> PAGE_SHIFT, gfp, first_online_node, NULL);
#else
	return NULL;
#endif
}

void fanlight_pages_free(struct page *page, size_t size)
{
	unsigned long i;

	/* Each page has its own reference count: a pinned page is freed when it is unpinned. */
	for (i = 0; i < size >> PAGE_SHIFT; i++) {
		__free_page(page + i);
		cond_resched();
	}
}

bool fanlight_has_pool(struct device *dev)
{
#ifdef CONFIG_DMA_CMA
	return dev->cma_area;
#else
	return false;
#endif
}

struct page *fanlight_cma_alloc(struct device *dev, size_t size, struct cma **area)
{
#ifdef CONFIG_DMA_CMA
	unsigned int align = min_t(unsigned int, get_order(size), CONFIG_CMA_ALIGNMENT);
	struct cma *cma = dev_get_cma_area(dev);
	unsigned long i, count = size >> PAGE_SHIFT;
	struct page *page;

	page = cma ? cma_alloc(cma, count, align, true) : NULL;
	if (!page)
		return NULL;
	for (i = 0; i < count; i++) {
		clear_highpage(page + i);
		cond_resched();
	}
	*area = cma;
	return page;
#else
	return NULL;
#endif
}

void fanlight_cma_free(struct cma *area, struct page *page, size_t size)
{
#ifdef CONFIG_DMA_CMA
	cma_release(area, page, size >> PAGE_SHIFT);
#endif
}

bool fanlight_dma_is_coherent(struct device *dev)
{
	return dev_is_dma_coherent(dev);
}

int fanlight_dma_page(struct device *dev, void *addr, dma_addr_t handle, size_t size,
		      unsigned long attrs, struct page **page)
{
	struct sg_table sgt;
	int ret;

	ret = dma_get_sgtable_attrs(dev, &sgt, addr, handle, size, attrs);
	if (ret)
		return ret;
	/* One entry means one run of pages; behind an IOMMU there may be several. */
	if (sgt.orig_nents != 1 || sgt.sgl->offset || sgt.sgl->length < size)
		ret = -ENXIO;
	else
		*page = sg_page(sgt.sgl);
	sg_free_table(&sgt);
	return ret;
}

bool fanlight_page_has_alias(const struct page *page, const void *addr)
{
	/*
	 * arm64 maps all memory in its linear mapping, and the DMA API leaves that mapping cached.
	 * The API has cleaned the caches, and nothing accesses these pages by it.
	 */
	if (IS_ENABLED(CONFIG_ARM64))
		return false;
	return !PageHighMem(page) && page_address(page) != addr;
}

unsigned long fanlight_page_to_pfn(const struct page *page)
{
	return page_to_pfn(page);
}

struct page *fanlight_page_at(struct page *page, unsigned long index)
{
	return page + index;
}

void *fanlight_page_map(struct page *page)
{
	return kmap_local_page(page);
}

void fanlight_page_unmap(const void *addr)
{
	kunmap_local(addr);
}

phys_addr_t fanlight_zero_page(void)
{
	return page_to_phys(ZERO_PAGE(0));
}

bool fanlight_exceeds_memory(unsigned long pages)
{
	return pages > totalram_pages();
}

void *fanlight_vmalloc(unsigned long size)
{
	/*
	 * If the tree requests too much, the driver prints one line: no dump of all memory, and the
	 * OOM killer must not run.
	 */
	return __vmalloc(size, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
}
