// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns a display, and who drove its memory before; see helpers.h. display.rs makes it safe.
 */

#include <linux/aperture.h>
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

static int fanlight_framebuffer_range(struct device_node *np, struct resource *res)
{
	if (!of_reserved_mem_region_to_resource(np, 0, res))
		return 0;
	return of_address_to_resource(np, 0, res);
}

static bool fanlight_shows(struct device_node *np, u64 start, u64 size)
{
	struct resource res;

	if (fanlight_framebuffer_range(np, &res))
		return false;
	return res.start < start + size && start <= res.end;
}

int fanlight_display_take_over_bootloader(void)
{
	struct device_node *np;
	struct resource res;
	int ret;

	for_each_available_child_of_node(of_chosen, np) {
		if (!of_device_is_compatible(np, "simple-framebuffer"))
			continue;
		if (fanlight_framebuffer_range(np, &res))
			continue;
		ret = aperture_remove_conflicting_devices(res.start, resource_size(&res),
							  "fanlight");
		if (ret) {
			of_node_put(np);
			return ret;
		}
	}
	return 0;
}

int fanlight_display_take_over(u64 start, u64 size, char *rival)
{
	struct platform_device *pdev;
	struct device_node *np;
	int ret;

	ret = aperture_remove_conflicting_devices(start, size, "fanlight");
	if (ret)
		return ret;
	/* A driver may bind a node later, or may not be one of those that can be removed. */
	for_each_compatible_node(np, NULL, "simple-framebuffer") {
		if (!of_device_is_available(np) || !fanlight_shows(np, start, size))
			continue;
		pdev = of_find_device_by_node(np);
		if (!pdev)
			continue;
		ret = device_is_bound(&pdev->dev) ? -EBUSY : 0;
		platform_device_put(pdev);
		snprintf(rival, FANLIGHT_OWNER_LEN, "%pOF", np);
		of_node_put(np);
		return ret;
	}
	return 0;
}
