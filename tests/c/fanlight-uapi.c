/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Prints the attributes of a window. Uses only the UAPI header of the project, like any C program:
 *
 *	cc -std=c89 -pedantic -I driver/uapi -o fanlight-uapi tests/c/fanlight-uapi.c
 *
 * It compiles as C++ as well. The test `window_info_from_a_c_program_that_uses_only_the_header`
 * runs it in the guest.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fanlight.h"

/*
 * Layouts that must be the same for 32 and 64-bit programs. An array of negative size does not
 * compile.
 */
typedef char info_is_128_bytes[sizeof(struct fanlight_info) == 128 ? 1 : -1];
typedef char header_is_1104_bytes[sizeof(struct fanlight_log_header) == 1104 ? 1 : -1];
typedef char record_is_32_bytes[sizeof(struct fanlight_log_record) == 32 ? 1 : -1];
typedef char watermark_is_16_bytes[sizeof(struct fanlight_watermark) == 16 ? 1 : -1];
typedef char stats_is_64_bytes[sizeof(struct fanlight_log_stats) == 64 ? 1 : -1];

int main(int argc, char **argv)
{
	struct fanlight_info info;
	int fd;

	/* Uses every layout once: a compiler may warn of unused types. */
	if (sizeof(info_is_128_bytes) + sizeof(header_is_1104_bytes) + sizeof(record_is_32_bytes) +
	    sizeof(watermark_is_16_bytes) + sizeof(stats_is_64_bytes) != 5)
		return 3;
	if (argc != 2) {
		fprintf(stderr, "usage: fanlight-uapi /dev/fanlightN/WINDOW\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	memset(&info, 0xff, sizeof(info));
	if (ioctl(fd, FANLIGHT_IOC_INFO, &info) < 0) {
		perror("FANLIGHT_IOC_INFO");
		return 1;
	}
	if (info.abi < FANLIGHT_ABI) {
		fprintf(stderr, "the driver has ABI %u, older than this program's %u\n",
			info.abi, FANLIGHT_ABI);
		return 1;
	}
	printf("name %s\nkind %u\nbacking %u\ncache %u\nrights %u\nsize %lu\n",
	       info.name, info.kind, info.backing, info.cache, info.rights,
	       (unsigned long)info.size);
	printf("width %u\nheight %u\nstride %u\nformat %u\n",
	       info.width, info.height, info.stride, info.format);
	printf("pages %u\ninstance %u\noffset %u\n", info.pages, info.instance, info.offset);
	return 0;
}
