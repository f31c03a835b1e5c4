/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the Rust half of the test module needs from C: page tables (pagetable_arm.c or
 * pagetable_arm64.c), contexts, and a few calls that are macros or inline (helpers.c).
 */
#ifndef FANLIGHT_TEST_HELPERS_H
#define FANLIGHT_TEST_HELPERS_H

#include <linux/types.h>

/* The formats of page-table entries; the values are those of `Format` in the guest's tests. */
#define FANLIGHT_TEST_SHORT	0	/* 32-bit ARM */
#define FANLIGHT_TEST_LONG	1	/* 32-bit ARM with LPAE */
#define FANLIGHT_TEST_ARM64	2

/* The page table entries of a page of user space; they are zero if nothing is mapped. */
struct fanlight_test_pte {
	/* Linux's entry, L_PTE_*; on arm64 it is the processor's */
	u64 software;
	/* the one that the processor reads */
	u64 hardware;
	/*
	 * The register that gives the memory type bits of the processor's entry their meaning:
	 * MAIR_EL1, MAIR0 and MAIR1, or, with short entries, PRRR and NMRR. Of two registers, the
	 * first is the low half.
	 */
	u64 attributes;
	u32 format;
	/* references to the page, where it is one of the kernel's */
	u32 references;
};

int fanlight_test_pte(unsigned long address, struct fanlight_test_pte *out);

/*
 * Calls the `access` operation of the mapping at an address of the current process. Returns the
 * number of bytes that it copied, -EFAULT without a mapping, and -EINVAL without the operation.
 */
int fanlight_test_access(unsigned long address, void *buf, int len, bool write);

/* One mapping of a page in the kernel's own addresses. */
struct fanlight_test_kernel_pte {
	u64 hardware;
	u64 address;
	/* whether the processor's entry is for more than a page: a section, or a block on arm64 */
	u32 is_section;
};

/*
 * Looks through all of the kernel's addresses for mappings of the page at a physical address.
 * Returns how many there are, of which it writes no more than max.
 */
unsigned int fanlight_test_kernel_ptes(u64 phys, struct fanlight_test_kernel_pte *out,
				       unsigned int max);

/* Fills the unused part of the current task's stack with a pattern. */
void fanlight_test_stack_fill(void);
/* Bytes of the current task's stack that were in use at the same time since it was filled. */
unsigned int fanlight_test_stack_used(void);
unsigned int fanlight_test_stack_size(void);

int fanlight_test_overlay_apply(const void *blob, u32 size, int *id);
void fanlight_test_overlay_remove(int id);

/* Contexts; the values are those of `Context` in flood.rs. */
#define FANLIGHT_TEST_TASK	0
#define FANLIGHT_TEST_SOFTIRQ	1
#define FANLIGHT_TEST_HARDIRQ	2
#define FANLIGHT_TEST_RAW_LOCK	3
#define FANLIGHT_TEST_NMI	4
/* Like a device's interrupt: may take locks that sleep on PREEMPT_RT, where it is a thread. */
#define FANLIGHT_TEST_IRQ_WORK	5

/* Calls func(data) on this processor in one of the contexts, and returns when it has returned. */
void fanlight_test_run(int context, void (*func)(void *data), void *data);

/* Calls func(data) here again and again, in a hard or soft interrupt, until it is stopped. */
struct fanlight_test_ticker;
struct fanlight_test_ticker *
fanlight_test_ticker_start(bool hard, u64 period_ns, void (*func)(void *data), void *data);
void fanlight_test_ticker_stop(struct fanlight_test_ticker *ticker);

void fanlight_test_migrate_disable(void);
void fanlight_test_migrate_enable(void);
void fanlight_test_cond_resched(void);
void fanlight_test_printk(const char *text, size_t len);
/* Prints a message, and one that continues it. */
void fanlight_test_cont(const char *text, size_t len);
/* Ends the task by an oops. */
void fanlight_test_oops(void);
/*
 * Disables interrupts on the processors in `others`. Prints a message, and loops forever on this
 * processor, with the facility `off` disabled.
 */
#define FANLIGHT_TEST_PREEMPTION	0
#define FANLIGHT_TEST_INTERRUPTS	1
#define FANLIGHT_TEST_SOFTIRQS		2
void fanlight_test_hang(int off, unsigned long others, const char *text, size_t len);
/* Disables interrupts on this processor for some milliseconds. */
void fanlight_test_stall(unsigned int ms);
void fanlight_test_sysrq(u8 key);

#endif /* FANLIGHT_TEST_HELPERS_H */
