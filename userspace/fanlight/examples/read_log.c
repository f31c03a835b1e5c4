/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Prints the records of a log and follows it through a mapping, without a system call per record.
 * It needs only the header driver/uapi/fanlight.h, which describes the ring.
 *
 *	cc -I driver/uapi -o read_log read_log.c
 *	read_log /dev/fanlight0/log [RECORDS]
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fanlight.h"

struct lane {
	const struct fanlight_log_lane *header;
	const char *data;
	__u64 position;			/* behind the records that were read */
	int ready;			/* whether `record` is the next one */
	/* a copy: what is in the ring can be overwritten at any time */
	union {
		struct fanlight_log_record header;
		char bytes[FANLIGHT_RECORD_MAX];
	} record;
};

static __u32 acquire(const __u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* The full position with these low 32 bits. */
static __u64 whole(__u32 low, __u32 epoch)
{
	if ((epoch ^ (low >> 31)) & 1)
		epoch--;
	return (__u64)epoch << 31 | (low & 0x7fffffff);
}

static __u64 head(const struct fanlight_log_lane *lane)
{
	__u32 epoch, low;

	do {
		epoch = acquire(&lane->epoch);
		low = acquire(&lane->head);
	} while (epoch != acquire(&lane->epoch));
	return whole(low, epoch);
}

static __u64 tail(const struct fanlight_log_lane *lane)
{
	__u32 low = acquire(&lane->tail);

	return whole(low, acquire(&lane->epoch));
}

/* Copies the next record of a lane, unless it is already copied. Returns whether there is one. */
static int look(struct lane *lane)
{
	while (!lane->ready) {
		__u64 offset = lane->position & (lane->header->size - 1);
		__u32 word, len;
		__u64 oldest;

		if (!lane->header->size || head(lane->header) <= lane->position)
			return 0;
		word = acquire((const __u32 *)(lane->data + offset));
		len = FANLIGHT_RECORD_LEN(word);
		if (len >= 8 && len <= FANLIGHT_RECORD_MAX && len <= lane->header->size - offset)
			memcpy(&lane->record, lane->data + offset, len);
		/* Copy first, then check whether it was overwritten during the copy. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		oldest = tail(lane->header);
		if (oldest > lane->position) {
			/* Lost: the sequence numbers show how many. */
			lane->position = oldest;
			continue;
		}
		lane->position += len;
		/* Other records are fillers at the end of the data, or were never finished. */
		lane->ready = FANLIGHT_RECORD_STATE(word) == FANLIGHT_RECORD_WHOLE;
	}
	return 1;
}

/* The lane with the next record, or NULL if there is none. */
static struct lane *next(struct lane *lanes)
{
	struct lane *kernel = &lanes[FANLIGHT_LOG_LANE_KERNEL];
	struct lane *user = &lanes[FANLIGHT_LOG_LANE_USER];
	int programs = look(user);

	/*
	 * Records are published in the order of their numbers. So if the kernel's lane is empty
	 * after the other one had a record, that record is the next one.
	 */
	if (!look(kernel))
		return programs ? user : NULL;
	if (!programs && look(user) == 0)
		return kernel;
	return user->record.header.seq < kernel->record.header.seq ? user : kernel;
}

static void print(const struct fanlight_log_record *record, __u64 lost)
{
	if (lost)
		fprintf(stderr, "(%llu records lost)\n", (unsigned long long)lost);
	printf("[%5llu.%06llu] %.*s\n", (unsigned long long)(record->ns / 1000000000),
	       (unsigned long long)(record->ns / 1000 % 1000000), record->text_len,
	       (const char *)(record + 1));
}

static int fail(const char *what)
{
	fprintf(stderr, "read_log: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	unsigned long left = argc > 2 ? strtoul(argv[2], NULL, 0) : (unsigned long)-1;
	const char *node = argc > 1 ? argv[1] : "/dev/fanlight0/log";
	static struct lane lanes[FANLIGHT_LOG_LANES];
	const struct fanlight_log_header *header;
	struct fanlight_info info;
	__u64 expected = 0;
	const char *map;
	int fd, i;

	fd = open(node, O_RDONLY);
	if (fd < 0)
		return fail(node);
	if (ioctl(fd, FANLIGHT_IOC_INFO, &info) < 0 || info.kind != FANLIGHT_KIND_LOG) {
		fprintf(stderr, "read_log: %s is not a log\n", node);
		return 1;
	}
	map = mmap(NULL, info.size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fail("mmap");
	header = (const struct fanlight_log_header *)map;
	if (header->magic != FANLIGHT_LOG_MAGIC || header->version != FANLIGHT_LOG_VERSION) {
		fprintf(stderr, "read_log: %s has another format\n", node);
		return 1;
	}
	/* The driver waits until the log has all of printk's current messages. */
	lseek(fd, 0, SEEK_SET);
	for (i = 0; i < FANLIGHT_LOG_LANES; i++) {
		lanes[i].header = &header->lanes[i];
		lanes[i].data = map + header->lanes[i].offset;
		lanes[i].position = tail(lanes[i].header);
	}
	while (left) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		struct lane *lane = next(lanes);

		if (lane) {
			__u64 seq = lane->record.header.seq;

			print(&lane->record.header,
			      expected && seq > expected ? seq - expected : 0);
			expected = seq + 1;
			lane->ready = 0;
			left--;
			continue;
		}
		fflush(stdout);
		/*
		 * poll() reports records after the position of the file. So move that to the end,
		 * and check again: this sees records that came in between, and later ones wake.
		 */
		if (lseek(fd, 0, SEEK_END) < 0)
			/* ESPIPE: the log of an earlier boot, which gets no more records. */
			return errno == ESPIPE ? 0 : fail(node);
		if (next(lanes))
			continue;
		if (poll(&wait, 1, -1) < 0 && errno != EINTR)
			return fail("poll");
		if (wait.revents & POLLHUP) {
			fprintf(stderr, "read_log: %s is gone: the driver was unbound\n", node);
			return 1;
		}
	}
	return 0;
}
