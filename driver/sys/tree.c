// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device tree, which of.rs makes safe; see helpers.h.
 */

#include <linux/device.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/of_platform.h>
#include <linux/of_reserved_mem.h>
#include <linux/platform_device.h>

#include "helpers.h"

/* A property stays in memory as long as its node, also after an overlay has replaced it. */
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
	 * The kernel's list of regions is looked up by the name of the node without its path, and
	 * has addresses that are cut off where they are too large for it: only regions that have
	 * no address of their own are taken from there.
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

int fanlight_of_sram(struct fwnode_handle *fwnode, struct device *consumer, struct resource *res)
{
	struct device_node *np = to_of_node(fwnode);
	struct device_node *target __free(device_node) = of_parse_phandle(np, "sram", 0);
	struct device_node *parent __free(device_node) = of_get_parent(target);
	struct platform_device *pdev;
	struct device_link *link;
	int ret;

	if (!target)
		return -ENOENT;
	if (!parent || !of_device_is_compatible(parent, "mmio-sram"))
		return -EXDEV;
	if (!of_device_is_available(target) || !of_device_is_available(parent))
		return -ENODEV;
	if (of_property_present(target, "pool") || of_property_present(target, "export") ||
	    of_property_present(target, "protect-exec"))
		return -EBUSY;
	ret = of_address_to_resource(target, 0, res);
	if (ret)
		return ret;
	pdev = of_find_device_by_node(parent);
	if (!pdev)
		return -EPROBE_DEFER;
	/*
	 * With this link, the SRAM's driver is unbound after this one. The state of the link is the
	 * same while that driver is in its probe, so that this is asked as well.
	 */
	link = device_link_add(consumer, &pdev->dev, DL_FLAG_AUTOREMOVE_CONSUMER);
	if (!link)
		ret = -ENOMEM;
	else if (READ_ONCE(link->status) != DL_STATE_CONSUMER_PROBE || !device_is_bound(&pdev->dev))
		ret = -EPROBE_DEFER;
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

int fanlight_of_alias(struct fwnode_handle *fwnode, const char *stem)
{
	return of_alias_get_id(to_of_node(fwnode), stem);
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
