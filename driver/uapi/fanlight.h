/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * fanlight: board memory and the kernel's log, mapped into user space.
 *
 * The C view of the driver's ABI. C89 and C++ clean; every structure has the same layout for 32
 * and 64-bit programs. One character device node per window, /dev/fanlight<N>/<window>; the log
 * ring is the window named "log", and what was salvaged of the previous boot's log is "log.prev".
 */
#ifndef _UAPI_FANLIGHT_H
#define _UAPI_FANLIGHT_H

#include <linux/types.h>
#include <linux/ioctl.h>

/* Grows by one whenever something is added; nothing is ever taken away or moved. */
#define FANLIGHT_ABI			1

#define FANLIGHT_NAME_LEN		32

/* What is behind a mapping: struct fanlight_info.backing */
#define FANLIGHT_BACKING_CARVEOUT	1	/* reserved memory or SRAM, io_remap_pfn_range */
#define FANLIGHT_BACKING_CONTIGUOUS	2	/* contiguous kernel pages, remap_pfn_range */
/* scattered kernel pages, mapped by faults or all at once */
#define FANLIGHT_BACKING_VMALLOC	3

/* Memory type of a mapping: struct fanlight_info.cache */
#define FANLIGHT_CACHE_WRITECOMBINE	1	/* Normal, non-cacheable */
#define FANLIGHT_CACHE_NONCACHED	2	/* Strongly-ordered: aligned accesses only */
#define FANLIGHT_CACHE_CACHED		3	/* Normal, write-back */

/* What a window is: struct fanlight_info.kind */
#define FANLIGHT_KIND_MEMORY		1	/* plain memory or registers */
#define FANLIGHT_KIND_FRAMEBUFFER	2	/* has a geometry; answers the fbdev ioctls */
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
	__u64 size;			/* bytes that can be mapped, a multiple of the page size */
	/* physical address; 0 without CAP_SYS_ADMIN, and for vmalloc */
	__u64 phys;
	__u32 width;			/* visible pixels; 0 where there is no geometry */
	__u32 height;			/* visible lines */
	__u32 stride;			/* bytes from a line to the next */
	__u32 format;			/* DRM fourcc, e.g. 'X','R','2','4' from the lowest byte */
	/* framebuffer: how many screens of `height` lines the window holds */
	__u32 pages;
	__u32 instance;			/* the N of /dev/fanlightN */
	char name[FANLIGHT_NAME_LEN];	/* the window's name, NUL-terminated */
	__u32 reserved[8];		/* 0 */
};

/*
 * The log ring, as it is mapped: one page with the header, then data_size bytes of records.
 *
 * A position is a count of bytes ever written, modulo 2^64; its place in the data is position &
 * (data_size - 1). Records in [tail, head) are whole, unless the writer overtakes the reader:
 *
 *	load head (acquire); copy the record at p; fence (acquire); load tail;
 *	if tail is past p the copy is void.
 *
 * "past" means (s64)(tail - p) > 0. Records are a multiple of 8 bytes and never wrap: a record
 * with state FANLIGHT_RECORD_FILLER fills the end of the data. Numbers are in the byte order of the
 * machine.
 */
#define FANLIGHT_LOG_MAGIC		0x474c4e46	/* "FNLG" in memory, little-endian */
#define FANLIGHT_LOG_VERSION		1

struct fanlight_log_header {
	__u32 magic;			/* FANLIGHT_LOG_MAGIC */
	__u32 version;			/* FANLIGHT_LOG_VERSION */
	__u32 header_size;		/* bytes from the header to the data: one page */
	__u32 data_size;		/* bytes of data: a power of two, at least 32 KiB */
	__u64 head;			/* the end of the newest whole record; 64-bit atomic */
	__u64 tail;			/* the beginning of the oldest record; 64-bit atomic */
	/* the sequence number that the first record ever written got */
	__u64 first_seq;
	/* random, made when the driver was bound: two rings with the same one are the same ring */
	__u8 boot_id[16];
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
/* its writer has not finished, or never will: count it as lost */
#define FANLIGHT_RECORD_OPEN		0x3C

#define FANLIGHT_RECORD_MAX		2048	/* bytes of a record, this header included */

/* struct fanlight_log_record.level_flags: the level (0 to 7) in the top three bits, then */
/* written through write(), not by the kernel */
#define FANLIGHT_RECORD_USER		0x01
/* a continuation, 'c' in /dev/kmsg's text */
#define FANLIGHT_RECORD_CONT		0x02
/* came through the atomic path: an emergency or a panic */
#define FANLIGHT_RECORD_EMERGENCY	0x04
/* from another module of the kernel, not through printk */
#define FANLIGHT_RECORD_MODULE		0x08

struct fanlight_log_record {
	__u32 len_state;		/* see above; stored last */
	/* persistent copy: CRC-32 (IEEE) of all other bytes of the record; else 0 */
	__u32 crc32;
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

/* The form in which read() gives records: FANLIGHT_IOC_LOG_FORM */
#define FANLIGHT_FORM_KMSG		0	/* one record a call, as /dev/kmsg; the default */
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
	/* this many bytes of the ring are unread; 0: not considered */
	__u32 bytes;
	/* the oldest unread record is this old; 0: not considered */
	__u32 delay_us;
	__u32 reserved;			/* 0 */
};

struct fanlight_log_stats {
	__u64 written;			/* records appended since the ring was made */
	__u64 overwritten;		/* of these, how many the writer has passed over */
	/* records that could not be appended (too long, or in a context that could not wait) */
	__u64 dropped;
	/* records printk dropped before its console could see them */
	__u64 kernel_missed;
	__u64 lost;			/* records this descriptor has lost so far */
	__u64 reserved[3];		/* 0 */
};

#define FANLIGHT_IOC_MAGIC		0xF4
#define FANLIGHT_IOC_INFO		_IOR(FANLIGHT_IOC_MAGIC, 0x00, struct fanlight_info)
#define FANLIGHT_IOC_LOG_FORM		_IOW(FANLIGHT_IOC_MAGIC, 0x10, __u32)
#define FANLIGHT_IOC_LOG_WATERMARK	_IOW(FANLIGHT_IOC_MAGIC, 0x11, struct fanlight_watermark)
#define FANLIGHT_IOC_LOG_STATS		_IOR(FANLIGHT_IOC_MAGIC, 0x12, struct fanlight_log_stats)
/* log.prev: forget the previous boot */
#define FANLIGHT_IOC_LOG_CLEAR		_IO(FANLIGHT_IOC_MAGIC, 0x13)

#endif /* _UAPI_FANLIGHT_H */
