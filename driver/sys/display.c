// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns a display, and who drove its memory before; see helpers.h. display.rs makes it safe.
 */

#include <linux/aperture.h>
#include <linux/array_size.h>
#include <linux/ioport.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/of_platform.h>
#include <linux/of_reserved_mem.h>
#include <linux/platform_device.h>
#include <linux/string.h>

#include "helpers.h"

/* Protects fanlight_display_owners. */
static DEFINE_MUTEX(fanlight_display_lock);

/* The window that each display shows; empty where it shows none. */
static char fanlight_display_owners[FANLIGHT_DISPLAYS][FANLIGHT_OWNER_LEN];

int fanlight_display_claim(unsigned int display, const char *name, char *owner)
{
	char *current_owner = fanlight_display_owners[display];
	int ret = 0;

	mutex_lock(&fanlight_display_lock);
	if (current_owner[0]) {
		strscpy(owner, current_owner, FANLIGHT_OWNER_LEN);
		ret = -EBUSY;
	} else {
		strscpy(current_owner, name, FANLIGHT_OWNER_LEN);
	}
	mutex_unlock(&fanlight_display_lock);
	return ret;
}

void fanlight_display_release(unsigned int display)
{
	mutex_lock(&fanlight_display_lock);
	fanlight_display_owners[display][0] = '\0';
	mutex_unlock(&fanlight_display_lock);
}

/* Which part of the range a framebuffer of the device tree has; false: none. */
static bool fanlight_shared_part(struct device_node *np, u64 start, u64 size, struct resource *res)
{
	if (!of_device_is_available(np))
		return false;
	if (of_reserved_mem_region_to_resource(np, 0, res) && of_address_to_resource(np, 0, res))
		return false;
	if (res->start >= start + size || res->end < start)
		return false;
	res->start = max_t(u64, res->start, start);
	res->end = min_t(u64, res->end, start + size - 1);
	return true;
}

/* The drivers of bootloaders' framebuffers, as they call the memory that they have requested. */
static const char * const fanlight_framebuffer_drivers[] = {
	"simplefb", "simpledrm", "efifb", "efidrm", "corebootdrm",
};

bool fanlight_is_framebuffer(const char *name)
{
	return match_string(fanlight_framebuffer_drivers, ARRAY_SIZE(fanlight_framebuffer_drivers),
			    name) >= 0;
}

static bool fanlight_has_framebuffer(u64 start, u64 size)
{
	char name[16];

	return fanlight_iomem_find(start, size, fanlight_is_framebuffer, name, sizeof(name));
}

/*
 * aperture_remove_conflicting_devices() also removes the EFI framebuffer, wherever that is: it is
 * called only where a framebuffer has some of the range.
 */
static int fanlight_remove_framebuffers(u64 start, u64 size)
{
	bool found = fanlight_has_framebuffer(start, size);
	struct device_node *np;
	struct resource res;

	for_each_compatible_node(np, NULL, "simple-framebuffer")
		found |= fanlight_shared_part(np, start, size, &res);
	if (!found)
		return 0;
	/* It compares with the end, which would be 0. */
	if (!(resource_size_t)(start + size))
		size--;
	return aperture_remove_conflicting_devices(start, size, "fanlight");
}

int fanlight_display_rival(u64 start, u64 size, bool remove, char *rival)
{
	struct platform_device *pdev;
	struct device_node *np;
	struct resource res;
	int ret;

	if (remove) {
		ret = fanlight_remove_framebuffers(start, size);
		if (ret)
			return ret;
	}
	/* A driver may bind a node later, or may not be one of those that can be removed. */
	for_each_compatible_node(np, NULL, "simple-framebuffer") {
		if (!fanlight_shared_part(np, start, size, &res))
			continue;
		pdev = of_find_device_by_node(np);
		if (pdev)
			ret = device_is_bound(&pdev->dev) ? -EBUSY : 0;
		else if (fanlight_has_framebuffer(res.start, resource_size(&res)))
			ret = -ETXTBSY;
		else
			continue;
		platform_device_put(pdev);
		/* One that has a driver counts more than one that may get one. */
		if (ret || !rival[0])
			snprintf(rival, FANLIGHT_OWNER_LEN, "%pOF", np);
		if (ret) {
			of_node_put(np);
			return ret;
		}
	}
	return 0;
}
