// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claims on physical memory, used by carveout.rs; see helpers.h.
 */

#include <linux/err.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "helpers.h"

/*
 * A separate resource tree: the physical range of every window is a child of this root, so that no
 * range can be claimed twice.
 */
static struct resource fanlight_claims = {
	.name = "fanlight",
	.start = 0,
	.end = ~(resource_size_t)0,
	.flags = IORESOURCE_MEM,
};

static DEFINE_MUTEX(fanlight_claims_lock);

struct fanlight_claim {
	/* Among our own windows. */
	u64 start;
	u64 size;
	/* Among all drivers, below `parent`; size 0 if it is not claimed there. */
	struct resource *parent;
	u64 iomem_start;
	u64 iomem_size;
	/* The resources point to this name. */
	char name[];
};

/*
 * Whether a window of this driver has claimed a part of the range, and which one. Windows of the
 * memory type `cache` do not count, unless it is 0.
 */
static bool fanlight_claimed(u64 start, u64 size, unsigned long cache, char *owner, size_t len)
{
	struct resource *claim;

	for (claim = fanlight_claims.child; claim; claim = claim->sibling) {
		if (cache && (claim->flags & IORESOURCE_BITS) == cache)
			continue;
		if (claim->start < start + size && start <= claim->end) {
			strscpy(owner, claim->name, len);
			return true;
		}
	}
	return false;
}

/* The kernel's own mark is not an owner: claims are below it. */
static bool fanlight_is_owner(const char *name)
{
	return strcmp(name, "reserved");
}

static bool fanlight_is_no_framebuffer(const char *name)
{
	return !fanlight_is_framebuffer(name);
}

static bool fanlight_is_other(const char *name)
{
	return fanlight_is_owner(name) && fanlight_is_no_framebuffer(name);
}

int fanlight_claim_check(u64 start, u64 size, char *owner, size_t len)
{
	bool below = fanlight_iomem_reserved(start, size);

	return fanlight_iomem_find(start, size,
				   below ? fanlight_is_other : fanlight_is_no_framebuffer,
				   owner, len) ? -EBUSY : 0;
}

struct fanlight_claim *fanlight_claim_new(u64 start, u64 size, bool pages, unsigned int cache,
					  const char *name, char *owner, size_t len)
{
	size_t name_size = strlen(name) + 1;
	struct fanlight_claim *claim = kzalloc_flex(*claim, name, name_size);
	u64 end = start + size;
	u64 first_page = round_down(start, (u64)PAGE_SIZE);
	u64 page_bytes = round_up(end, (u64)PAGE_SIZE) - first_page;
	/* The memory type is in the bits of the resource that are reserved for its bus. */
	unsigned long flags = cache;
	int ret = 0;

	owner[0] = '\0';
	if (!claim)
		return ERR_PTR(-ENOMEM);
	memcpy(claim->name, name, name_size);
	claim->start = pages ? first_page : start;
	claim->size = pages ? page_bytes : size;
	mutex_lock(&fanlight_claims_lock);
	if (fanlight_claimed(claim->start, claim->size, 0, owner, len)) {
		ret = -EBUSY;
	} else if (fanlight_claimed(first_page, page_bytes, flags, owner, len)) {
		/* Windows may share a page if their memory types are the same. */
		ret = -EXDEV;
	} else if (!__request_region(&fanlight_claims, claim->start, claim->size, claim->name,
				     flags)) {
		ret = -ENOMEM;
	}
	mutex_unlock(&fanlight_claims_lock);
	if (ret) {
		kfree(claim);
		return ERR_PTR(ret);
	}
	return claim;
}

int fanlight_claim_iomem(struct fanlight_claim *claim, u64 start, u64 size, char *owner, size_t len)
{
	struct resource *reserved = fanlight_iomem_reserved(start, size);

	owner[0] = '\0';
	claim->parent = reserved ?: &iomem_resource;
	if (__request_region(claim->parent, start, size, claim->name, 0)) {
		claim->iomem_start = start;
		claim->iomem_size = size;
		return 0;
	}
	return fanlight_iomem_find(start, size, reserved ? fanlight_is_owner : NULL, owner, len) ?
		-EBUSY : -ENOMEM;
}

void fanlight_claim_free(struct fanlight_claim *claim)
{
	mutex_lock(&fanlight_claims_lock);
	if (claim->iomem_size)
		__release_region(claim->parent, claim->iomem_start, claim->iomem_size);
	__release_region(&fanlight_claims, claim->start, claim->size);
	mutex_unlock(&fanlight_claims_lock);
	kfree(claim);
}
