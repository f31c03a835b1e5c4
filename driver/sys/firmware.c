// SPDX-License-Identifier: GPL-2.0-only
/*
 * The firmware of the Raspberry Pi, used by firmware.rs; see helpers.h.
 */

#include <linux/of.h>
#include <soc/bcm2835/raspberrypi-firmware.h>

#include "helpers.h"

int fanlight_rpi_property_list(void *data, size_t size)
{
#if IS_REACHABLE(CONFIG_RASPBERRYPI_FIRMWARE)
	struct device_node *np = of_find_compatible_node(NULL, NULL,
							 "raspberrypi,bcm2835-firmware");
	struct rpi_firmware *fw;
	int ret;

	if (!np)
		return -ENODEV;
	fw = rpi_firmware_get(np);
	of_node_put(np);
	if (!fw)
		return -EPROBE_DEFER;
	ret = rpi_firmware_property_list(fw, data, size);
	rpi_firmware_put(fw);
	return ret;
#else
	return -ENODEV;
#endif
}
