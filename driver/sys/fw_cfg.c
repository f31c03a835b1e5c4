// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's firmware configuration device, used by fw_cfg.rs; see helpers.h.
 *
 * All instances of the driver share one claim, one page and one lock: a transfer begins with a
 * selection, which a concurrent transfer would change.
 */

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/of_device.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>

#include "helpers.h"

#define FW_CFG_DMA	16	/* the register for the address of a request, big-endian */
#define FW_CFG_SIZE	(FW_CFG_DMA + 8)
/* in the control word, when the device has done its work */
#define FW_CFG_ERROR	BIT(0)

struct fw_cfg_request {
	__be32 control;
	__be32 length;
	__be64 address;
	u8 data[];
};

static DEFINE_MUTEX(fw_cfg_lock);

static struct {
	unsigned int users;
	struct platform_device *pdev;
	struct resource claim;
	void __iomem *registers;
	struct fw_cfg_request *request;
	dma_addr_t handle;
	/* A request did not complete, so the device may still write to the page. */
	bool stuck;
} fw_cfg;

static int fw_cfg_open(struct device_node *np)
{
	struct device *dev;
	int ret;

	ret = of_address_to_resource(np, 0, &fw_cfg.claim);
	if (ret || resource_size(&fw_cfg.claim) < FW_CFG_SIZE)
		return -ENODEV;
	fw_cfg.pdev = of_find_device_by_node(np);
	if (!fw_cfg.pdev)
		return -ENODEV;
	dev = &fw_cfg.pdev->dev;

	/*
	 * -EBUSY: qemu_fw_cfg (CONFIG_FW_CFG_SYSFS) has claimed it. That driver does not use our
	 * lock.
	 */
	ret = -EBUSY;
	if (!request_mem_region(fw_cfg.claim.start, resource_size(&fw_cfg.claim), "fanlight"))
		goto put;
	ret = -ENOMEM;
	fw_cfg.registers = ioremap(fw_cfg.claim.start, resource_size(&fw_cfg.claim));
	if (!fw_cfg.registers)
		goto release;
	/*
	 * The DMA coherency of a device is set when a driver is bound, but this device has no
	 * driver.
	 */
	device_lock(dev);
	ret = dev->driver ? 0 : of_dma_configure(dev, np, true);
	device_unlock(dev);
	if (ret)
		goto unmap;
	fw_cfg.request = dma_alloc_coherent(dev, PAGE_SIZE, &fw_cfg.handle, GFP_KERNEL);
	if (fw_cfg.request)
		return 0;
	ret = -ENOMEM;
unmap:
	iounmap(fw_cfg.registers);
release:
	release_mem_region(fw_cfg.claim.start, resource_size(&fw_cfg.claim));
put:
	platform_device_put(fw_cfg.pdev);
	return ret;
}

int fanlight_fw_cfg_get(void)
{
	struct device_node *np;
	int ret = 0;

	mutex_lock(&fw_cfg_lock);
	if (!fw_cfg.users) {
		np = of_find_compatible_node(NULL, NULL, "qemu,fw-cfg-mmio");
		ret = np ? fw_cfg_open(np) : -ENODEV;
		of_node_put(np);
	}
	if (!ret)
		fw_cfg.users++;
	mutex_unlock(&fw_cfg_lock);
	return ret;
}

void fanlight_fw_cfg_put(void)
{
	mutex_lock(&fw_cfg_lock);
	if (!--fw_cfg.users) {
		if (!fw_cfg.stuck)
			dma_free_coherent(&fw_cfg.pdev->dev, PAGE_SIZE, fw_cfg.request,
					  fw_cfg.handle);
		fw_cfg.stuck = false;
		iounmap(fw_cfg.registers);
		release_mem_region(fw_cfg.claim.start, resource_size(&fw_cfg.claim));
		platform_device_put(fw_cfg.pdev);
	}
	mutex_unlock(&fw_cfg_lock);
}

void fanlight_fw_cfg_lock(void)
{
	mutex_lock(&fw_cfg_lock);
}

void fanlight_fw_cfg_unlock(void)
{
	mutex_unlock(&fw_cfg_lock);
}

int fanlight_fw_cfg_transfer(u32 control, void *data, size_t len)
{
	struct fw_cfg_request *request = fw_cfg.request;
	dma_addr_t address = fw_cfg.handle + offsetof(struct fw_cfg_request, data);
	u32 left;
	int i;

	if (len > PAGE_SIZE - sizeof(*request))
		return -EINVAL;
	if (fw_cfg.stuck)
		return -ETIMEDOUT;
	memcpy(request->data, data, len);
	request->length = cpu_to_be32(len);
	request->address = cpu_to_be64(address);
	request->control = cpu_to_be32(control);
	/* iowrite32be() orders the stores above before its own. The low half starts the request. */
	iowrite32be(upper_32_bits(fw_cfg.handle), fw_cfg.registers + FW_CFG_DMA);
	iowrite32be(lower_32_bits(fw_cfg.handle), fw_cfg.registers + FW_CFG_DMA + 4);
	/* QEMU processes the request during the store; the loop is for a device that does not. */
	for (i = 0; i < 1000; i++) {
		left = be32_to_cpu(READ_ONCE(request->control));
		if (left & FW_CFG_ERROR)
			return -EIO;
		if (!left) {
			/* Load the control word before the data. */
			dma_rmb();
			memcpy(data, request->data, len);
			return 0;
		}
		usleep_range(10, 100);
	}
	fw_cfg.stuck = true;
	return -ETIMEDOUT;
}
