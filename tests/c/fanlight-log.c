/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Prints a log's records from its mapping: sequence number, lane, nanoseconds since 1970 and text.
 * The functions acquire(), position(), load_head(), load_tail(), next(), load_clocks() and date()
 * are those of the comment in fanlight.h: the build extracts them, so this program tests the code
 * in the header.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fanlight.h"
#include "fanlight-comment.h"

struct lane {
	const struct fanlight_log_lane *lane;
	const char *data;
	__u64 pos;
	int len;			/* 0: there is none */
	char record[FANLIGHT_RECORD_MAX] __attribute__((aligned(8)));
};

static struct fanlight_log_record *take(struct lane *lane)
{
	/* The sequence numbers show losses. */
	while (lane->len <= 0) {
		lane->len = next(lane->lane, lane->data, &lane->pos, lane->record);
		if (!lane->len)
			return NULL;
	}
	return (struct fanlight_log_record *)lane->record;
}

int main(int argc, char **argv)
{
	const struct fanlight_log_header *header;
	struct fanlight_log_record *record, *other;
	struct lane lanes[FANLIGHT_LOG_LANES];
	struct fanlight_log_clock clocks[FANLIGHT_LOG_CLOCKS];
	struct fanlight_info info;
	const char *map;
	int fd, i, first;
	__u32 count;

	if (argc != 2) {
		fprintf(stderr, "usage: fanlight-log /dev/fanlightN/log\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || ioctl(fd, FANLIGHT_IOC_INFO, &info) < 0) {
		perror(argv[1]);
		return 1;
	}
	map = mmap(NULL, info.size, PROT_READ, MAP_SHARED, fd, 0);
	/* Waits for the messages that printk has now: see the comment on lseek(). */
	if (map == MAP_FAILED || lseek(fd, 0, SEEK_SET) < 0) {
		perror("mmap");
		return 1;
	}
	header = (const struct fanlight_log_header *)map;
	if (header->magic != FANLIGHT_LOG_MAGIC || header->version != FANLIGHT_LOG_VERSION)
		return 1;
	count = load_clocks(header, clocks);
	memset(lanes, 0, sizeof(lanes));
	for (i = 0; i < FANLIGHT_LOG_LANES; i++) {
		lanes[i].lane = &header->lanes[i];
		lanes[i].data = map + header->lanes[i].offset;
		lanes[i].pos = load_tail(lanes[i].lane);
	}
	for (;;) {
		/* The lower number first, after the empty lane was read again. */
		record = take(&lanes[0]);
		other = take(&lanes[1]);
		if (!record)
			record = take(&lanes[0]);
		if (!record && !other)
			return 0;
		first = !record || (other && other->seq < record->seq);
		if (first)
			record = other;
		printf("%llu %d %lld %.*s\n", (unsigned long long)record->seq, first,
		       count ? (long long)date(clocks, count, record->ns) : 0, record->text_len,
		       (const char *)(record + 1));
		lanes[first].len = 0;
	}
}
