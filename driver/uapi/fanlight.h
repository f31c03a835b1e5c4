/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * fanlight: board memory and the kernel's log, mapped into user space.
 *
 * The C view of the driver's ABI. C89 and C++ clean; every structure has the same layout for 32
 * and 64-bit programs. One character device node per window, /dev/fanlight<N>/<window>; the log
 * ring is the window named "log". The logs of earlier boots that were kept in a persistent region
 * are "log.prev" (the newest earlier boot of which the region has records), "log.prev2",
 * "log.prev3" and so on.
 */
#ifndef _UAPI_FANLIGHT_H
#define _UAPI_FANLIGHT_H

#include <linux/types.h>
#include <linux/ioctl.h>

/* Increased by one with every addition or change. */
#define FANLIGHT_ABI			2

#define FANLIGHT_NAME_LEN		32

/* The kind of memory of a window: struct fanlight_info.backing */
#define FANLIGHT_BACKING_CARVEOUT	1	/* reserved memory, SRAM or registers */
#define FANLIGHT_BACKING_CONTIGUOUS	2	/* contiguous kernel pages */
/* scattered kernel pages, mapped by faults or all at once */
#define FANLIGHT_BACKING_VMALLOC	3

/*
 * Memory type of a mapping, the kernel's own included, as it was obtained:
 * struct fanlight_info.cache
 */
#define FANLIGHT_CACHE_WRITECOMBINE	1	/* Normal, non-cacheable */
/* Device: aligned accesses only, never executable */
#define FANLIGHT_CACHE_NONCACHED	2
#define FANLIGHT_CACHE_CACHED		3	/* Normal, write-back */

/* What a window is: struct fanlight_info.kind */
#define FANLIGHT_KIND_MEMORY		1	/* plain memory or registers */
#define FANLIGHT_KIND_FRAMEBUFFER	2	/* has a geometry; supports the fbdev ioctls */
/* a log ring: struct fanlight_log_header at offset 0 */
#define FANLIGHT_KIND_LOG		3

/* struct fanlight_info.rights: what a descriptor with the right open mode may do */
#define FANLIGHT_RIGHT_READ		0x01
#define FANLIGHT_RIGHT_WRITE		0x02	/* write(); for a log: append a record */
#define FANLIGHT_RIGHT_MAP_READ		0x04
#define FANLIGHT_RIGHT_MAP_WRITE	0x08

/* struct fanlight_info.scanout */
#define FANLIGHT_SCANOUT_NONE		0
#define FANLIGHT_SCANOUT_RAMFB		1	/* QEMU -device ramfb */
#define FANLIGHT_SCANOUT_RPI		2	/* Raspberry Pi firmware mailbox */

struct fanlight_info {
	__u32 abi;			/* FANLIGHT_ABI of the driver */
	__u32 kind;			/* FANLIGHT_KIND_* */
	__u32 backing;			/* FANLIGHT_BACKING_* */
	__u32 cache;			/* FANLIGHT_CACHE_* */
	__u32 rights;			/* FANLIGHT_RIGHT_* */
	__u32 scanout;			/* FANLIGHT_SCANOUT_* */
	__u64 size;			/* bytes of the window */
	/* physical address; 0 if opened without CAP_SYS_ADMIN, and for vmalloc */
	__u64 phys;
	__u32 width;			/* visible pixels; 0 where there is no geometry */
	__u32 height;			/* visible lines */
	__u32 stride;			/* bytes from one line to the next */
	__u32 format;			/* DRM fourcc, e.g. 'X','R','2','4' from the lowest byte */
	/* framebuffer: how many pages of `height` lines the window holds */
	__u32 pages;
	__u32 instance;			/* the N of /dev/fanlightN */
	char name[FANLIGHT_NAME_LEN];	/* the window's name, NUL-terminated */
	/* registers: bytes of every access; 0: any (the tree's reg-io-width) */
	__u32 reg_io_width;
	/*
	 * Offset of the first byte in a mapping of the whole window, which is offset + size bytes
	 * long. 0 unless the window does not begin at a page boundary.
	 */
	__u32 offset;
	__u32 reserved[6];		/* 0 */
};

/*
 * A log: records with ascending sequence numbers, in two lanes that overwrite their oldest
 * records: one for the kernel (printk and kernel modules), one for programs (write()). Programs
 * can therefore not displace the kernel's records.
 *
 * A log can be mapped or read. Access is that of /dev/kmsg: where dmesg_restrict is set or a
 * security module denies access, mmap() fails with EPERM, and read() returns the records of
 * programs only. docs/abi/log.md has all errors of each call.
 *
 * read() returns records in the form that FANLIGHT_IOC_LOG_FORM has set: one record as text (the
 * default), or as many whole records as fit. It never returns a part of a record. It waits until
 * there is a record, unless the file has O_NONBLOCK. After open() the position is the oldest
 * record. A log of an earlier boot does not change: at its end, read() returns 0.
 *	EAGAIN	no record, and O_NONBLOCK
 *	EPIPE	records are missing before the next one: overwritten, or never in the ring.
 *		Reported once per gap; the next read() returns the oldest record that follows.
 *		FANLIGHT_IOC_LOG_STATS has their number. Never for a log of an earlier boot: the
 *		sequence numbers show what is missing.
 *	EINVAL	the next record does not fit into the buffer. The position has not moved.
 *	EFAULT	the buffer is not accessible. The position has not moved.
 *	EINTR	interrupted by a signal while waiting (or the call is restarted)
 *	ENODEV	the device was unbound
 * pread() is like read(): as for /dev/kmsg, it ignores its offset and moves the position.
 *
 * poll() reports POLLIN | POLLRDNORM when there is a record (see struct fanlight_watermark), with
 * POLLERR | POLLPRI in addition when the next read() returns EPIPE; POLLOUT | POLLWRNORM always for
 * a file that is open for writing; and POLLERR | POLLHUP when the device was unbound. A log of an
 * earlier boot is always readable, with POLLHUP in addition at its end.
 *
 * lseek() takes offset 0 only, and returns 0:
 *	SEEK_SET	the oldest record
 *	SEEK_DATA	after the records that "dmesg -C" has cleared; the oldest record for a
 *			log of an earlier boot
 *	SEEK_END	after the newest record
 *	ESPIPE		another offset; SEEK_END of a log of an earlier boot
 *	EINVAL		another whence
 *
 * write() appends one record per call, and returns the number of bytes. The text may begin with
 * "<N>", where N is facility * 8 + level; facility 0 (kern) becomes 1 (user). One newline at the
 * end is removed, and the text ends at the first NUL. writev() is one record, too. Beyond the
 * limit of the attribute write_limit, a record is counted (struct fanlight_log_stats.limited) and
 * not appended; the call succeeds.
 *	EINVAL	more than 1024 bytes
 *	EBADF	not open for writing; a log of an earlier boot cannot be opened for writing
 *	EFAULT	the buffer is not accessible
 *	ENODEV	the device was unbound
 *
 * The console's thread appends the messages of printk. lseek(), write(), and read() at the end wait
 * until the log has the messages that printk had when they were called: at most one second, or 10
 * ms if the thread was late before, or for read() and write() with O_NONBLOCK. All of these
 * messages come before the record of a write(). After the wait, lseek() and read() continue without
 * messages that are urgent enough for consoles (console_loglevel) but not appended yet, and without
 * those printed after them: they follow later. A program that reads by mmap() calls lseek() first.
 *
 * Messages that consoles suppress are read in the form of the kernel's dumpers, which has no
 * dictionary and no flag for continuations, and has a time, in microseconds, only if printk.time is
 * set. This also applies to messages that the console's thread has not appended when it appended
 * nothing for half a second, when a write() stops waiting for it, or when the kernel has an oops.
 * In an emergency, or without memory, such a message may lose lines beyond 2048 bytes; it then
 * counts as missed.
 */

/*
 * What is mapped: one page with the header, then the lanes' data. Numbers are in the byte order of
 * the machine. All accesses to what may change are aligned 32-bit accesses; with GCC and Clang:
 *
 *	static __u32 acquire(const __u32 *word)
 *	{
 *		return __atomic_load_n(word, __ATOMIC_ACQUIRE);
 *	}
 *
 * A position is a count of bytes ever written to the lane, modulo 2^63. Its offset in the lane's
 * data is position & (size - 1). head and tail are the low 32 bits of positions, and epoch is the
 * position of the head >> 31, which is stored before the first head that needs it. The full
 * position, where epoch was loaded after low:
 *
 *	static __u64 position(__u32 low, __u32 epoch)
 *	{
 *		if ((epoch ^ (low >> 31)) & 1)
 *			epoch--;
 *		return (__u64)epoch << 31 | (low & 0x7fffffff);
 *	}
 *
 *	static __u64 load_head(const struct fanlight_log_lane *lane)
 *	{
 *		__u32 epoch, low;
 *
 *		do {
 *			epoch = acquire(&lane->epoch);
 *			low = acquire(&lane->head);
 *		} while (epoch != acquire(&lane->epoch));
 *		return position(low, epoch);
 *	}
 *
 *	static __u64 load_tail(const struct fanlight_log_lane *lane)
 *	{
 *		__u32 low = acquire(&lane->tail);
 *
 *		return position(low, acquire(&lane->epoch));
 *	}
 *
 * The records of a lane are from the tail up to the head. They are a multiple of 8 bytes and never
 * wrap: one with the state FANLIGHT_RECORD_FILLER fills the end of the data. The writer does not
 * wait for readers, and overwrites what they look at, after it has moved the tail past it. A reader
 * copies first and then checks. This one copies the next record of a lane to buf, and returns its
 * length, 0 if there is none, or -1 if records were lost (the position is the oldest record then):
 *
 *	static int next(const struct fanlight_log_lane *lane, const char *data, __u64 *pos,
 *			char *buf)
 *	{
 *		for (;;) {
 *			const char *from = data + (*pos & (lane->size - 1));
 *			__u32 len_state, len;
 *			__u64 tail;
 *
 *			if ((__s64)(load_head(lane) - *pos) <= 0)
 *				return 0;
 *			len_state = acquire((const __u32 *)from);
 *			len = FANLIGHT_RECORD_LEN(len_state);
 *			if (len >= 8 && len <= FANLIGHT_RECORD_MAX &&
 *			    len <= lane->size - (*pos & (lane->size - 1)))
 *				memcpy(buf, from, len);
 *			__atomic_thread_fence(__ATOMIC_ACQUIRE);
 *			tail = load_tail(lane);
 *			if ((__s64)(tail - *pos) > 0) {
 *				*pos = tail;
 *				return -1;
 *			}
 *			*pos += len;
 *			if (FANLIGHT_RECORD_STATE(len_state) == FANLIGHT_RECORD_WHOLE)
 *				return len;
 *		}
 *	}
 *
 * (A ring in a file may hold anything: check len, too, before it is added to the position.)
 *
 * Sequence numbers are assigned over both lanes, and in each lane they only grow. To read all
 * records in order, take the lower one of the lanes' next numbers. Records are published in the
 * order of their numbers. So when one lane is empty and the other one has a record, look at the
 * empty one again before you take that record.
 *
 * The date of a record is its time plus an offset, which is in the list `clocks`: that of the last
 * entry whose time is not later than the record's, or of the first entry if all are later. The
 * list has the offsets of records that are printed from then on, so that a record has the same date
 * whenever it is printed. An entry is added
 *
 *	when the clocks have drifted apart by a second: the clock of the records is not slewed;
 *	when the system was suspended: the clock of the records stops then;
 *	when the wall clock was set by no more than it may have drifted, which is a second and 122
 *	millionths of the time since it was set before.
 *
 * If the wall clock is set by more, it was wrong before. All entries are corrected then, so that
 * all records of the boot get the dates of the clock that is right now. A board without a
 * battery-backed clock, which begins in 1970 and learns the date from a server, so gets the right
 * dates for what it logged before. If the list is full, the two neighbours become one whose
 * offsets differ least.
 *
 * The list may change while it is read:
 *
 *	static __u32 load_clocks(const struct fanlight_log_header *header,
 *				 struct fanlight_log_clock *clocks)
 *	{
 *		__u32 changes, count;
 *
 *		do {
 *			changes = acquire(&header->clock_changes);
 *			count = header->clock_count;
 *			memcpy(clocks, header->clocks, sizeof(header->clocks));
 *			__atomic_thread_fence(__ATOMIC_ACQUIRE);
 *		} while ((changes & 1) || changes != acquire(&header->clock_changes));
 *		return count < FANLIGHT_LOG_CLOCKS ? count : FANLIGHT_LOG_CLOCKS;
 *	}
 *
 * (In a file, clock_changes may be odd forever, and the times may not be in order.) The
 * nanoseconds from 1970 to a record, where count is not 0:
 *
 *	static __s64 date(const struct fanlight_log_clock *clocks, __u32 count, __u64 ns)
 *	{
 *		while (count > 1 && clocks[count - 1].ns > ns)
 *			count--;
 *		return (__s64)(ns + clocks[count - 1].offset);
 *	}
 */
#define FANLIGHT_LOG_MAGIC		0x474c4e46	/* "FNLG" in memory, little-endian */
#define FANLIGHT_LOG_VERSION		3

/* struct fanlight_log_header.lanes */
#define FANLIGHT_LOG_LANE_KERNEL	0
#define FANLIGHT_LOG_LANE_USER		1
#define FANLIGHT_LOG_LANES		2

struct fanlight_log_lane {
	/* end of the newest whole record: the low 32 bits of its position */
	__u32 head;
	/* beginning of the oldest record: the low 32 bits of its position */
	__u32 tail;
	__u32 epoch;			/* position of the head >> 31 */
	__u32 offset;			/* bytes from the beginning of the mapping to the data */
	/* bytes of data: a power of two, 16 KiB at least (kernel: 32 KiB); 0: no such lane */
	__u32 size;
	__u32 reserved[3];		/* 0 */
};

/* see above */
#define FANLIGHT_LOG_CLOCKS		60

struct fanlight_log_clock {
	__u64 ns;			/* time of the first record that it applies to */
	__s64 offset;			/* nanoseconds from a record's time to the wall clock */
};

struct fanlight_log_header {
	__u32 magic;			/* FANLIGHT_LOG_MAGIC */
	__u32 version;			/* FANLIGHT_LOG_VERSION */
	__u32 header_size;		/* bytes from the header to the data: 4096 */
	__u32 data_size;		/* bytes of data of all lanes */
	/* sequence number of the first record ever written; does not change */
	__u64 first_seq;
	/* the boot whose records these are: /proc/sys/kernel/random/boot_id, in binary */
	__u8 boot_id[16];
	__u8 reserved[24];		/* 0 */
	/* in a log of an earlier boot, the first one has the records of programs, too */
	struct fanlight_log_lane lanes[FANLIGHT_LOG_LANES];
	__u32 clock_changes;		/* odd while the list is being changed */
	/* entries of the list; 0: dates are not known, as of a boot whose clock was never set */
	__u32 clock_count;
	__u32 clock_reserved[2];	/* 0 */
	struct fanlight_log_clock clocks[FANLIGHT_LOG_CLOCKS];	/* in the order of their times */
};

/*
 * struct fanlight_log_record.len_state: the state in the top byte, then the bytes of the whole
 * record (this header and the padding included, a multiple of 8), then the number of padding bytes
 * in the three lowest bits.
 */
#define FANLIGHT_RECORD_STATE(len_state)	((len_state) >> 24)
#define FANLIGHT_RECORD_LEN(len_state)		((len_state) & 0xfffff8)
#define FANLIGHT_RECORD_PADDING(len_state)	((len_state) & 7)

#define FANLIGHT_RECORD_WHOLE		0xA5	/* deliver it */
/* fills the end of the data; only len_state is there */
#define FANLIGHT_RECORD_FILLER		0x5A
/* its writer was stopped by a panic before it had finished: skip it, its number is missing */
#define FANLIGHT_RECORD_OPEN		0x3C

#define FANLIGHT_RECORD_MAX		2048	/* bytes of a record, this header included */

/* struct fanlight_log_record.level_flags: the level (0 to 7) in the top three bits, then */
/* written by write(), not by the kernel; only these are in FANLIGHT_LOG_LANE_USER */
#define FANLIGHT_RECORD_USER		0x01
/* a continuation, 'c' in /dev/kmsg's text */
#define FANLIGHT_RECORD_CONT		0x02
/* written during a panic or an oops */
#define FANLIGHT_RECORD_EMERGENCY	0x04
/* from another module of the kernel, not through printk */
#define FANLIGHT_RECORD_MODULE		0x08
/*
 * Every byte of the text is 0x20 to 0x7e and not a backslash, and there is no dictionary: needs no
 * escape in /dev/kmsg's text. Not set for all records of which this is true.
 */
#define FANLIGHT_RECORD_PLAIN		0x10

struct fanlight_log_record {
	__u32 len_state;		/* see above; stored last */
	__u32 check;			/* 0; a checksum in the persistent region */
	/* a step of n from the record before means n - 1 lost ones between them */
	__u64 seq;
	/* nanoseconds since boot; kernel records have microsecond resolution */
	__u64 ns;
	/* task id, or 0x80000000 + processor outside of task context */
	__u32 caller;
	/* bytes of text that follow this header: raw, no escapes, no newline at the end */
	__u16 text_len;
	__u8 level_flags;		/* see above */
	__u8 facility;			/* syslog facility, 0 (kern) to 255 */
	/*
	 * text_len bytes of text, then the dictionary ("SUBSYSTEM=x\nDEVICE=y"), then the padding
	 * (zero bytes)
	 */
};

/* The form in which read() returns records: FANLIGHT_IOC_LOG_FORM */
#define FANLIGHT_FORM_KMSG		0	/* one record per call, as /dev/kmsg; the default */
/* as many whole records as fit, each as /dev/kmsg has it */
#define FANLIGHT_FORM_TEXT		1
/* as many whole struct fanlight_log_record as fit */
#define FANLIGHT_FORM_BINARY		2

/*
 * When poll() reports a record: as soon as any of the three is reached. All zero: at the first
 * record.
 */
struct fanlight_watermark {
	__u32 records;			/* this many are unread; 0: not considered */
	/* this many bytes of the ring, in both lanes, are unread; 0: not considered */
	__u32 bytes;
	/* the oldest unread record is this old; 0: not considered */
	__u32 delay_us;
	__u32 reserved;			/* 0 */
};

struct fanlight_log_stats {
	__u64 written;			/* records appended since the ring was made */
	__u64 overwritten;		/* of these, records that were overwritten or cleared */
	/*
	 * records that could not be appended because their writer could not wait: in an emergency,
	 * while another processor or the interrupted context was appending
	 */
	__u64 dropped;
	/*
	 * messages that printk had, or has, but that are not in the log, or not with all lines:
	 * overwritten before, or suppressed on consoles and cleared by "dmesg -C" before they were
	 * taken, or left by the console's thread, which appended nothing for half a second
	 */
	__u64 kernel_missed;
	/*
	 * records that this open file did not get by read() so far: overwritten before it read
	 * them, or never in the ring
	 */
	__u64 lost;
	__u64 limited;			/* records of write() beyond write_limit, not appended */
	__u64 own_limited;		/* of these, records that this descriptor wrote */
	__u64 reserved[1];		/* 0 */
};

#define FANLIGHT_IOC_MAGIC		0xF4
#define FANLIGHT_IOC_INFO		_IOR(FANLIGHT_IOC_MAGIC, 0x00, struct fanlight_info)
#define FANLIGHT_IOC_LOG_FORM		_IOW(FANLIGHT_IOC_MAGIC, 0x10, __u32)
#define FANLIGHT_IOC_LOG_WATERMARK	_IOW(FANLIGHT_IOC_MAGIC, 0x11, struct fanlight_watermark)
#define FANLIGHT_IOC_LOG_STATS		_IOR(FANLIGHT_IOC_MAGIC, 0x12, struct fanlight_log_stats)
/* a log of an earlier boot: clear it, here and in the persistent region; needs CAP_SYSLOG */
#define FANLIGHT_IOC_LOG_CLEAR		_IO(FANLIGHT_IOC_MAGIC, 0x13)
/* likewise: forget it, which frees its blocks in the persistent region only; needs CAP_SYSLOG */
#define FANLIGHT_IOC_LOG_FORGET		_IO(FANLIGHT_IOC_MAGIC, 0x14)

#endif /* _UAPI_FANLIGHT_H */
