// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device tree, used by of.rs; see helpers.h.
 */

#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/of_platform.h>
#include <linux/of_reserved_mem.h>
#include <linux/platform_device.h>
#include <linux/string.h>

#include "helpers.h"

/* A property stays in memory as long as its node, even after an overlay has replaced it. */
bool fanlight_of_property(struct fwnode_handle *fwnode, unsigned int index, const char **name,
			  const void **value, size_t *len)
{
	struct property *property;

	for_each_property_of_node(to_of_node(fwnode), property) {
		if (index--)
			continue;
		*name = property->name;
		*value = property->value;
		*len = property->value ? property->length : 0;
		return true;
	}
	return false;
}

int fanlight_of_region(struct fwnode_handle *fwnode, unsigned int index, struct resource *res)
{
	struct device_node *np = to_of_node(fwnode);
	struct device_node *target __free(device_node) = of_parse_phandle(np, "memory-region",
									  index);
	struct device_node *parent __free(device_node) = of_get_parent(target);

	if (!target)
		return -ENOENT;
	if (!parent || !of_node_name_eq(parent, "reserved-memory") || !parent->parent ||
	    parent->parent->parent)
		return -EXDEV;
	if (!of_device_is_available(target))
		return -ENODEV;
	/*
	 * The kernel looks regions up by the name of the node without its path, and truncates
	 * addresses that are too large. Its list is therefore used only for regions without "reg".
	 */
	if (of_property_present(target, "reg"))
		return of_address_to_resource(target, 0, res);
	return of_reserved_mem_region_to_resource(np, index, res);
}

int fanlight_of_pool(struct device *dev)
{
	int index, count = of_reserved_mem_region_count(dev->of_node);

	for (index = 0; index < count; index++) {
		struct device_node *np __free(device_node) =
			of_parse_phandle(dev->of_node, "memory-region", index);

		if (!np || !of_device_is_compatible(np, "shared-dma-pool") ||
		    !of_property_present(np, "reusable"))
			continue;
		return of_reserved_mem_device_init_by_idx(dev, dev->of_node, index) ?: 1;
	}
	return 0;
}

void fanlight_of_pool_release(struct device *dev)
{
	of_reserved_mem_device_release(dev);
}

int fanlight_of_sram(struct fwnode_handle *fwnode, struct resource *res)
{
	struct device_node *np = to_of_node(fwnode);
	struct device_node *target __free(device_node) = of_parse_phandle(np, "sram", 0);
	struct device_node *parent __free(device_node) = of_get_parent(target);
	struct platform_device *pdev;
	int ret;

	if (!target)
		return -ENOENT;
	if (!parent || !of_device_is_compatible(parent, "mmio-sram"))
		return -EXDEV;
	if (!of_device_is_available(target) || !of_device_is_available(parent))
		return -ENODEV;
	/* A partition with "compatible" has a driver: for example, firmware shares it. */
	if (of_property_present(target, "pool") || of_property_present(target, "export") ||
	    of_property_present(target, "protect-exec") ||
	    of_property_present(target, "compatible"))
		return -EBUSY;
	ret = of_address_to_resource(target, 0, res);
	if (ret)
		return ret;
	pdev = of_find_device_by_node(parent);
	if (!pdev || !device_is_bound(&pdev->dev))
		ret = -EPROBE_DEFER;
	platform_device_put(pdev);
	return ret;
}

int fanlight_of_sram_link(struct fwnode_handle *fwnode, struct device *consumer)
{
	struct device_node *target __free(device_node) = of_parse_phandle(to_of_node(fwnode),
									  "sram", 0);
	struct device_node *parent __free(device_node) = of_get_parent(target);
	struct platform_device *pdev = of_find_device_by_node(parent);
	struct device_link *link;
	int ret = -EPROBE_DEFER;

	if (!pdev)
		return ret;
	link = device_link_add(consumer, &pdev->dev, DL_FLAG_AUTOREMOVE_CONSUMER);
	if (!link)
		ret = -ENOMEM;
	/*
	 * The link has the same state while the SRAM's driver is in its probe, so check the driver,
	 * too.
	 */
	else if (READ_ONCE(link->status) == DL_STATE_CONSUMER_PROBE && device_is_bound(&pdev->dev))
		ret = 0;
	platform_device_put(pdev);
	return ret;
}

int fanlight_of_reg(struct fwnode_handle *fwnode, struct resource *res)
{
	struct device_node *np = to_of_node(fwnode);
	int cells = of_n_addr_cells(np) + of_n_size_cells(np);

	if (of_property_count_u32_elems(np, "reg") != cells)
		return -E2BIG;
	return of_address_to_resource(np, 0, res);
}

/* The kernel creates its own list of aliases at boot, without those of overlays. */
int fanlight_of_alias(struct fwnode_handle *fwnode, const char *stem)
{
	struct device_node *aliases __free(device_node) = of_find_node_by_path("/aliases");
	size_t len = strlen(stem);
	struct property *property;

	if (!aliases)
		return -ENODEV;
	for_each_property_of_node(aliases, property) {
		struct device_node *np __free(device_node) = NULL;
		unsigned int number;
		const char *path;

		if (strncmp(property->name, stem, len) ||
		    kstrtouint(property->name + len, 10, &number) || number > INT_MAX)
			continue;
		path = property->value;
		if (!path || strnlen(path, property->length) == property->length)
			continue;
		np = of_find_node_by_path(path);
		if (np == to_of_node(fwnode))
			return number;
	}
	return -ENODEV;
}

bool fanlight_of_has_alias(const char *stem, unsigned int number)
{
	struct device_node *aliases = of_find_node_by_path("/aliases");
	char name[32];
	bool found;

	snprintf(name, sizeof(name), "%s%u", stem, number);
	found = of_find_property(aliases, name, NULL);
	of_node_put(aliases);
	return found;
}

bool fanlight_of_is_memory(u64 start, u64 size)
{
	struct device_node *np;
	struct resource res;
	int i;

	for_each_node_by_type(np, "memory") {
		for (i = 0; !of_address_to_resource(np, i, &res); i++) {
			if (start >= res.start && size && start + size - 1 <= res.end) {
				of_node_put(np);
				return true;
			}
		}
	}
	return false;
}

bool fanlight_deferral_is_over(struct device *dev)
{
	return driver_deferred_probe_check_state(dev) != -EPROBE_DEFER;
}

void fanlight_defer_reason(struct device *dev, const char *reason)
{
	dev_err_probe(dev, -EPROBE_DEFER, "%s\n", reason);
}

bool fanlight_of_sram_is_device(struct fwnode_handle *fwnode)
{
	struct device_node *target = of_parse_phandle(to_of_node(fwnode), "sram", 0);
	struct device_node *sram = of_get_parent(target);
	bool found = of_property_read_bool(sram, "no-memory-wc");

	of_node_put(sram);
	of_node_put(target);
	return found;
}
