// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claims on physical memory, which carveout.rs makes safe; see helpers.h.
 */

#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/mutex.h>

#include "helpers.h"

/*
 * A root of our own: every window's physical range is a child of it, so that none can be given
 * twice.
 */
static struct resource fanlight_claims = {
	.name = "fanlight",
	.start = 0,
	.end = ~(resource_size_t)0,
	.flags = IORESOURCE_MEM,
};

static DEFINE_MUTEX(fanlight_claims_lock);

static bool fanlight_claimed(u64 start, u64 size)
{
	struct resource *claim;

	for (claim = fanlight_claims.child; claim; claim = claim->sibling)
		if (claim->start < start + size && start <= claim->end)
			return true;
	return false;
}

/* The kernel says no more than that it can't: somebody else has it, or there is no memory. */
int fanlight_claim(u64 start, u64 size, bool iomem)
{
	int ret = 0;

	mutex_lock(&fanlight_claims_lock);
	if (!__request_region(&fanlight_claims, start, size, "fanlight", 0)) {
		ret = fanlight_claimed(start, size) ? -EBUSY : -ENOMEM;
	} else if (iomem && !request_mem_region(start, size, "fanlight")) {
		ret = region_intersects(start, size, IORESOURCE_BUSY, IORES_DESC_NONE) ==
			      REGION_DISJOINT ? -ENOMEM : -EBUSY;
		__release_region(&fanlight_claims, start, size);
	}
	mutex_unlock(&fanlight_claims_lock);
	return ret;
}

void fanlight_release(u64 start, u64 size, bool iomem)
{
	mutex_lock(&fanlight_claims_lock);
	if (iomem)
		release_mem_region(start, size);
	__release_region(&fanlight_claims, start, size);
	mutex_unlock(&fanlight_claims_lock);
}
