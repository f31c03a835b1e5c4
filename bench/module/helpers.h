/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loops that are measured. They are C because what they call is inline or a macro; each works
 * on one record of `len` bytes, `count` times, with interrupts off a thousand records at a time,
 * and returns the nanoseconds that took or a negative errno.
 */
#ifndef FANLIGHT_BENCH_HELPERS_H
#define FANLIGHT_BENCH_HELPERS_H

#include <linux/types.h>

/* The kinds of work: `Kind` in fanlight_bench_main.rs. */
#define FANLIGHT_BENCH_EMPTY		0	/* the loop itself */
/* irqsave and memcpy: the minimum of any producer */
#define FANLIGHT_BENCH_COPY		1
#define FANLIGHT_BENCH_RELAY		2	/* relay_write() */
/* the same after a header with number, time and task, as fanlight's records have */
#define FANLIGHT_BENCH_RELAY_HEADER	3
/* ring_buffer_lock_reserve(), memcpy, ring_buffer_unlock_commit() */
#define FANLIGHT_BENCH_RING_BUFFER	4
#define FANLIGHT_BENCH_PRINTK		5	/* printk() at KERN_DEBUG */
#define FANLIGHT_BENCH_FANLIGHT		6	/* fanlight_log() at level 7 */
/* fanlight_log() at level 3, which the persistent copy keeps */
#define FANLIGHT_BENCH_FANLIGHT_KEPT	7
#define FANLIGHT_BENCH_COPY_CRC		8	/* memcpy and crc32_le() */
/* len page-table entries set, in a table that no process has */
#define FANLIGHT_BENCH_PTES		9
#define FANLIGHT_BENCH_CLOCK		10	/* local_clock() */
/* __trace_array_puts() into the instance "boot_map" */
#define FANLIGHT_BENCH_TRACE		11
#define FANLIGHT_BENCH_PRINTK_INFO	12	/* printk() at KERN_INFO */

s64 fanlight_bench_run(int kind, size_t len, size_t count);

/* The nanoseconds that the slowest of `count` records took, with interrupts off for each. */
s64 fanlight_bench_worst(int kind, size_t len, size_t count);

/*
 * The text of records: `len` bytes that name the record's number, so that a reader can check it.
 * Interrupts are on; after each record it sleeps for `pause` microseconds, if that is not 0.
 */
void fanlight_bench_emit(int kind, size_t len, size_t first, size_t count, size_t pause);

/* Registers the console that discards messages, or unregisters it. */
int fanlight_bench_console(bool on);

/* Nanoseconds for which the processor was idle since boot. */
u64 fanlight_bench_idle(void);

int fanlight_bench_init(void);
void fanlight_bench_exit(void);

#endif /* FANLIGHT_BENCH_HELPERS_H */
